"""Real articles of four decades through a ring of three: every valid one everywhere, exactly once, unchanged.

Needs the corpus (FRESHET_CORPUS, or ../shared/corpus beside the checkout); without it the tests are skipped.
ARTICLES=n takes only so many of each batch (0: all of them, as without it, but under sanitizers).
"""
import collections
import re
import tarfile
import threading

from kit import *

MOST = int(os.environ.get("ARTICLES", "0" if SLOW == 1 else "400"))
BATCHES = ["articles-1982-1990.rnews.gz", "articles-1993.rnews.gz", "articles-2016-2017.rnews.gz",
           "articles-misc-1984-2016.rnews.gz"]


def strip(raw):
    """The article without its Path and Xref fields."""
    head, _, body = raw.partition(b"\r\n\r\n")
    out, keep = [], True
    for l in (head + b"\r\n").splitlines(True):
        if l[:1] not in (b" ", b"\t"):
            keep = l.split(b":", 1)[0].lower() not in (b"path", b"xref")
        if keep:
            out.append(l)
    return b"".join(out) + b"\r\n" + body


def corpus_sites():
    active = corpus("active.corpus")
    sites = [Site("r%d.test" % i, groups=[], site="age-max = 0 future-max = 10y article-max = 2M queue = 64M") for i in range(3)]
    for s in sites:
        for o in sites:
            if o is not s:
                s.peer(o)
        s.ctl("group", "import", active)
        s.ctl("group", "add", "control")
    for s in sites:
        s.start()
    return sites


def feed_streaming(site, arts, answers):
    """TAKETHIS with a window, answers read by a thread of their own."""
    c = site.client()

    def hear():
        for _ in arts:
            l = c.line().split(None, 2)
            answers[l[1]] = " ".join([l[0]] + l[2:])
    t = threading.Thread(target=hear)
    t.start()
    for mid, wire in arts:
        c.send(b"TAKETHIS " + mid.encode("latin-1") + b"\r\n" + wire)
    t.join(300)
    assert not t.is_alive(), "answers are missing"
    c.close()


def feed_ihave(site, arts, answers):
    c = site.client()
    for mid, wire in arts:
        r = c.ihave(mid, wire)
        answers[mid] = r
    c.close()


def real_articles_arrive_everywhere_once_and_unchanged():
    if not corpus("active.corpus"):
        return "skip"
    arts, raws = [], {}
    for b in BATCHES:
        for i, raw in enumerate(rnews(corpus(b))):
            if MOST and i >= MOST:
                break
            wire = lf_to_wire(raw)
            mid = header(raw, "Message-ID")
            arts.append((mid, wire))
            raws[mid] = wire
    sites = corpus_sites()
    answers = {}
    half = len(arts) // 5
    feed_ihave(sites[0], arts[:half], answers)
    feed_streaming(sites[0], arts[half:], answers)
    good = [m for m, _ in arts if answers[m][:3] in ("235", "239")]
    reasons = collections.Counter()
    for m, _ in arts:
        if answers[m][:3] not in ("235", "239"):
            said = answers[m][4:].split(" -- ")[0].split(' "')[0] if answers[m][:2] == "43" and len(answers[m]) > 5 else ""
            reasons[answers[m][:3] + " " + (said or why(sites[0], m))] += 1
    print("# %d articles fed, %d taken" % (len(arts), len(good)))
    for r, n in reasons.most_common():
        print("#   %6d refused: %s" % (n, r))
    assert len(good) > len(arts) * 0.8
    for s in sites[1:]:
        c = s.client()
        left = list(good)

        def all_there():
            left[:] = [m for m in left if not c.cmd("STAT " + m).startswith("223")]
            return not left
        wait_for("%d articles at %s" % (len(good), s.name), all_there, 300)
        c.close()
    for s in sites:
        check_site(s, good, raws, sites)
    # a second feed of the same is refused whole
    again = {}
    feed_streaming(sites[0], arts, again)
    taken = [m for m in again if again[m][:3] not in ("439",)]
    assert not taken, (len(taken), taken[:3], [again[m] for m in taken[:3]])
    c = sites[0].client()
    for m in good[:200]:
        assert c.cmd("IHAVE " + m).startswith("435")
    for s in sites:
        s.stop()
        r = s.ctl("verify", check=False)
        assert r.returncode == 0, r.stdout[-2000:] + r.stderr[-2000:]


def why(site, mid):
    """The reason that the site tells its operator, without what is particular to the article."""
    r = site.ctl("why", mid, check=False)
    for l in (r.stdout + r.stderr).splitlines():
        if l.startswith("reason: "):
            return l[8:].split(" -- ")[0].split(' "')[0]
    return (r.stdout + r.stderr).strip().splitlines()[-1].split("> ", 1)[-1] if r.stdout + r.stderr else "?"


def check_site(site, good, raws, sites):
    c = site.client()
    seen = collections.Counter()
    wanted = set(good)
    for l in c_list(c, "LIST ACTIVE"):
        g = l.split()[0].decode("latin-1")
        _, n, lo, hi, _ = c.cmd("GROUP " + g).split()[:5]
        if int(n) == 0:
            continue
        assert int(hi) - int(lo) + 1 == int(n), "%s %s: %s to %s but %s" % (site.name, g, lo, hi, n)
        rows = c_list(c, "OVER %s-%s" % (lo, hi))
        assert len(rows) == int(n), g
        for k, r in enumerate(rows):
            f = r.split(b"\t")
            assert int(f[0]) == int(lo) + k
            mid, xref = f[4].decode("latin-1"), f[8].decode("latin-1")
            assert "%s:%s" % (g, f[0].decode()) in xref.split(), (g, f[0], xref)
            seen[mid, g] += 1
            wanted.discard(mid)
    assert not wanted, (site.name, len(wanted), list(wanted)[:3])
    assert max(seen.values()) == 1
    for m in good:
        a = c.article(m)
        assert strip(a) == strip(raws_of(raws, m)), "%s is changed at %s" % (m, site.name)
        path = header(a, "Path")
        names = path.split("!")
        assert names[0] == site.name, path
        assert names.count(site.name) == 1, path
        if site is not sites[0]:
            assert sites[0].name in names, path
    c.close()


def raws_of(raws, mid):
    """The article as fed: CRLF, dots undone, without the terminator."""
    w = raws[mid][:-3].replace(b"\r\n..", b"\r\n.")
    return w[1:] if w.startswith(b"..") else w


def c_list(c, cmd):
    r = c.cmd(cmd)
    assert r[0] == "2", (cmd, r)
    return c.block()


def not_later(reply):
    return None if reply.startswith("436") else reply


def typed(raw):
    """As one would type it whose lines end in LF: so does the last, and dots are doubled behind each."""
    return re.sub(rb"(?m)^\.", b"..", raw) + (b".\n" if raw.endswith(b"\n") else b"\n.\n")


def nasty_articles_crash_nothing_and_get_an_answer_each():
    if not corpus("nasty.tar.gz"):
        return "skip"
    site = Site("nasty.test", groups=[], site="age-max = 0 future-max = 10y")
    site.ctl("group", "import", corpus("active.corpus"))
    site.start()
    codes = collections.Counter()
    n = 0
    with tarfile.open(corpus("nasty.tar.gz")) as t:
        for m in t.getmembers():
            if not m.isfile():
                continue
            raw = t.extractfile(m).read()
            n += 1
            # with CRLFs first: what is refused is remembered, and the other form is a duplicate then
            for form in (raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"), raw):
                # as a peer would send it: with a terminator of its own; a CR or LF alone stays
                wire = to_wire(form if form.endswith(b"\r\n") else form + b"\r\n")
                if form.endswith(b"\r\n.\r\n") and form.count(b"\r\n.\r\n") == 1:
                    wire = form
                for way in ("takethis", "ihave", "post"):
                    c = site.client()
                    own = header(form, "Message-ID") or ""
                    mid = own if re.fullmatch(r"<[!-=?-~]{1,248}>", own) and way != "post" else make_id()
                    if way == "takethis":
                        r = c.takethis(mid, wire)
                    elif way == "ihave":
                        # the refusal before this one may just be being noted down
                        r = wait_for("an end of " + m.name, lambda: not_later(c.ihave(mid, wire)))
                    else:
                        r = c.cmd("POST")
                        assert r.startswith("340"), r
                        c.send(typed(form) if re.match(rb"[^\n]*(?<!\r)\n", form) else wire)
                        r = c.line()
                    codes[way + " " + r[:3]] += 1
                    assert r[:3] in ("239", "439", "235", "437", "435", "240", "441"), (m.name, way, r)
                    # and the connection is in step
                    d = c.cmd("DATE")
                    assert d.startswith("111"), (m.name, way, r, d)
                    c.close()
    print("# %d nasty articles: %s" % (n, ", ".join("%s: %d" % i for i in sorted(codes.items()))))
    assert n >= 160 and site.proc.poll() is None
    site.stop()
    r = site.ctl("verify", check=False)
    assert r.returncode == 0, r.stdout[-2000:] + r.stderr


if __name__ == "__main__":
    main([real_articles_arrive_everywhere_once_and_unchanged, nasty_articles_crash_nothing_and_get_an_answer_each])

"""INN as a peer: some thousand articles each way, by streaming and by IHAVE; put off, offered twice, killed in the middle.

The articles are real ones when the corpus is there (FRESHET_CORPUS, or ../shared/corpus beside the checkout).
ARTICLES=n: so many each way.
"""
import collections
import re
import tarfile
import threading

from articles import *

N = int(os.environ.get("ARTICLES", "2000"))
OURS = "age-max = 0 future-max = 10y article-max = 2M"


def pair(name, streaming=True, site="", ask=False, words=None, **k):
    """A Freshet and an INN that feed each other, not started."""
    gs = groups()
    us = Site(name + ".test", groups=[], site=OURS + " " + site)
    active = us.dir + "/active"
    with open(active, "w") as f:
        f.writelines("%s 0000000000 0000000001 %s\n" % g for g in gs + [("control", "n"), ("junk", "n")])
    us.ctl("group", "import", active)
    inn = Inn("inn-" + name + ".test", gs, peers=[(us.name, "127.0.0.1", us.port)], streaming=streaming, login=words)
    us.peer(inn, streaming="true" if streaming or ask else "false", retry="1s", **k)
    return us, inn


def row(us, inn):
    """Our books about the peer, as numbers."""
    words = [l.split() for l in us.ctl("peer", "show", inn.name).splitlines()]
    return collections.defaultdict(int, {" ".join(w[:-1]): int(w[-1]) for w in words if len(w) > 1 and w[-1].isdigit()})


def said_no(inn, mid):
    """Did INN refuse it, with a reason in its log?"""
    inn.ctl("flushlogs")
    texts = [open(inn.dir + "/log/" + f, errors="replace").read() for f in ("news", "news.old") if os.path.exists(inn.dir + "/log/" + f)]
    return any(re.search(r" - \S+ %s 43[79] " % re.escape(mid), t) for t in texts)


def all_at_inn(us, inn, mids, seconds=120):
    """All of ours are at INN, but for what it says it does not want."""
    left = [mids]

    def there():
        left[0] = missing(inn, left[0])
        return not left[0] or row(us, inn)["rejected"] >= len(left[0]) and row(us, inn)["lag"] == 0
    wait_for("%d articles at INN" % len(mids), there, seconds)
    assert len(left[0]) < len(mids) // 20, "%d of %d refused by INN" % (len(left[0]), len(mids))
    for m in left[0]:
        assert said_no(inn, m), m + " is lost"
    return [m for m in mids if m not in set(left[0])]


def all_at_us(us, mids, seconds=120):
    """All of INN's are here, but for what we say we do not want."""
    left = [mids]

    def there():
        left[0] = missing(us, left[0])
        return len(left[0]) < 30 and all(re.search("^reason: ", us.ctl("why", m, check=False).stdout, re.M) for m in left[0])
    wait_for("%d articles from INN" % len(mids), there, seconds)
    assert len(left[0]) < len(mids) // 20, "%d of %d refused here" % (len(left[0]), len(mids))
    return [m for m in mids if m not in set(left[0])]


def compare(us, inn, mids, ours):
    """Every 'some'th article of both sites."""
    some = mids[::max(1, len(mids) // 500)]
    at_us, at_inn = fetch(us, some), fetch(inn, some)
    if ours:
        same_but_for_the_path(at_us, at_inn, inn.name + "!")
    else:
        same_but_for_the_path(at_inn, at_us, us.name + "!!")


def end(us, inn):
    inn.stop()
    inn.understood_us()
    us.stop()
    r = us.ctl("verify", check=False)
    assert r.returncode == 0, r.stdout[-2000:] + r.stderr


def both_ways(name, streaming):
    if not usable():
        return "skip"
    # where INN does not stream, our feeder asks and hears that
    us, inn = pair(name, streaming, ask=True)
    inn.start(), us.start()
    arts = articles(2 * N)
    theirs = give(inn, arts[0::2], ihave=not streaming)
    ours = give(us, arts[1::2], ihave=not streaming)
    assert len(theirs) > 0.9 * N and len(ours) > 0.9 * N, (len(theirs), len(ours))
    here = all_at_us(us, theirs)
    there = all_at_inn(us, inn, ours)
    compare(us, inn, here, ours=False)
    compare(us, inn, there, ours=True)
    books = row(us, inn)
    assert books["accepted"] == len(there) and books["accepted"] + books["rejected"] == len(ours), books
    assert ("127.0.0.1, streaming" if streaming else "127.0.0.1, IHAVE") in us.log_text()
    assert books["refused"] == 0 and books["answers without sense"] == 0, books
    print("# %d from INN (%d taken), %d to INN (%d taken)" % (len(theirs), len(here), len(ours), len(there)))
    # a second feed of the same is refused whole, by both
    us.ctl("peer", "refeed", inn.name, "--since", "1h")
    wait_for("INN to refuse them all", lambda: row(us, inn)["refused"] + row(us, inn)["rejected"] >= books["rejected"] + len(ours))
    assert row(us, inn)["accepted"] == len(there), row(us, inn)
    again = innxmit(us, inn, here)
    assert again == {"offered": len(here), "refused": len(here), "accepted": 0, "rejected": 0, "missing": 0}, again
    end(us, inn)


def innxmit(us, inn, mids):
    """INN's other sender offers these articles to us; what it counts."""
    tokens = inn.run("grephistory", "-s", input="".join(m + "\n" for m in mids)).stdout.split()
    assert len(tokens) == len(mids), (len(tokens), len(mids))
    batch = inn.dir + "/spool/outgoing/again"
    with open(batch, "w") as f:
        f.writelines("%s %s\n" % i for i in zip(tokens, mids))
    os.chmod(batch, 0o666)
    before = len(inn.log_text())
    r = inn.run("innxmit", "-a", "-P", str(us.port), "127.0.0.1", batch)
    stats = re.search(r" stats offered (\d+) accepted (\d+) refused (\d+) rejected (\d+) missing (\d+)", inn.log_text()[before:])
    assert r.returncode == 0 and stats, r.stdout + inn.log_text()[before:]
    return dict(zip(("offered", "accepted", "refused", "rejected", "missing"), map(int, stats.groups())))


def streaming_both_ways():
    return both_ways("stream", True)


def ihave_both_ways():
    return both_ways("ihave", False)


def small_disk(us, megabytes):
    """Start it with its log on a disk of that size, which nobody else sees and which ends with it."""
    log = us.dir + "/log"
    os.makedirs(log, exist_ok=True)
    us.start(wrapper=["unshare", "-m", "sh", "-c", 'cp -a "$0" "$0.was" && mount -t tmpfs -o size=%dm none "$0" && '
             'cp -a "$0.was/." "$0" && exec "$@"' % megabytes, log])
    return "/proc/%d/root%s/ballast" % (us.proc.pid, log)


def fill(ballast):
    with open(ballast, "wb", 0) as f:
        try:
            while f.write(bytes(65536)):
                pass
        except OSError:
            pass


def own_mounts():
    return subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL).returncode == 0


def put_off(us):
    return int(us.status("later")) + int(us.status("deferred"))


def what_is_put_off_comes_later(name, streaming):
    if not usable() or not own_mounts():
        return "skip"
    us, inn = pair(name, streaming, site="claim = 2s segment = 1M")
    n = N // 4
    arts = articles(4 * n)
    part = [arts[i * n:(i + 1) * n] for i in range(4)]
    inn.start()
    ballast = small_disk(us, 64)
    # somebody else was told to send us these, and does not
    slow = us.client()
    for mid, _ in part[0][:50]:
        assert slow.cmd("CHECK " + mid).startswith("238")
    theirs = give(inn, part[0], not streaming)
    wait_for("some to be put off", lambda: int(us.status("later")) >= 10)
    # our disk is full
    fill(ballast)
    said = put_off(us)
    theirs += give(inn, part[1], not streaming)
    wait_for("more to be put off", lambda: put_off(us) > said)
    os.unlink(ballast)
    all_at_us(us, theirs)                                  # innfeed that heard 400 may wait for half a minute
    slow.close()
    # INN is paused, then it refuses to work
    ours = []
    for how, some in (("pause", part[2]), ("throttle", part[3])):
        inn.ctl(how, "a test")
        ours += give(us, some)
        wait_for("word of INN's " + how, lambda: row(us, inn)["deferrals"] > 0 or "a test" in us.ctl("peer", "show", inn.name))
        inn.ctl("go", "a test")
        us.ctl("peer", "flush", inn.name)
        all_at_inn(us, inn, ours)
    end(us, inn)


def put_off_while_streaming():
    return what_is_put_off_comes_later("later", True)


def put_off_with_ihave():
    return what_is_put_off_comes_later("later-ihave", False)


class Feeding(threading.Thread):
    """give() meanwhile."""

    def __init__(self, site, arts):
        super().__init__()
        self.site, self.arts, self.ids, self.taken = site, arts, [m for m, _ in arts], None
        self.start()

    def run(self):
        self.taken = give(self.site, self.arts)

    def end(self):
        self.join()
        assert self.taken is not None
        return self.taken


def at_once(us, inn, arts):
    """Give us articles that wait for INN; come back when it has some of them."""
    us.ctl("peer", "pause", inn.name)
    taken, before = give(us, arts), row(us, inn)["accepted"]
    us.ctl("peer", "resume", inn.name)
    wait_for("a part of it", lambda: row(us, inn)["accepted"] > before)
    return taken


def killed_in_the_middle_nothing_is_lost():
    """kill -9 of either, while it receives and while it sends."""
    if not usable():
        return "skip"
    us, inn = pair("killed")
    inn.start(), us.start()
    arts = articles(2 * N)
    # we die while INN feeds us
    feeding = Feeding(inn, arts[0::2])
    wait_for("a part of it", lambda: len(missing(us, feeding.ids)) < N * 3 // 4)
    us.kill()
    some = feeding.end()
    us.start()
    here = all_at_us(us, some)
    # INN dies while we feed it
    some = at_once(us, inn, arts[1:N:2])
    inn.kill()
    books = row(us, inn)
    assert books["accepted"] + books["rejected"] < len(some), "it had them all before it died"
    inn.start()
    there = all_at_inn(us, inn, some)
    # we die while we feed INN
    some = at_once(us, inn, arts[N + 1::2])
    us.kill()
    assert missing(inn, some), "it had them all before we died"
    us.start()
    there += all_at_inn(us, inn, some)
    compare(us, inn, here, ours=False)
    compare(us, inn, there, ours=True)
    end(us, inn)


def each_knows_the_other_by_its_login():
    if not usable():
        return "skip"
    for word, good in (("s3cret", True), ("wrong", False)):
        us, inn = pair("login", words=("inn", "s3cret", "127.0.119.1", "127.0.119.2"), address='{ "192.0.2.1" }', login='"inn"',
                       source='"127.0.119.2"', login_as='"us"', login_password='"%s"' % word, cleartext_login="true")
        subprocess.run([os.path.join(BIN, "newsctl"), "-c", us.conf, "user", "add", "inn"], input=word + "\n", text=True, check=True,
                       stdout=subprocess.DEVNULL)
        inn.start(), us.start()
        arts = articles(200)
        theirs, ours = give(inn, arts[0::2]), give(us, arts[1::2])
        if good:
            compare(us, inn, all_at_us(us, theirs), ours=False)
            compare(us, inn, all_at_inn(us, inn, ours), ours=True)
            end(us, inn)
            continue
        wait_for("INN's refusal", lambda: "last error " in us.ctl("peer", "show", inn.name) and
                 re.search("^last error +(48|50)", us.ctl("peer", "show", inn.name), re.M))
        wait_for("word of ours", lambda: "AUTHINFO PASS: 481" in inn.log_text())
        assert len(missing(us, theirs)) == len(theirs) and len(missing(inn, ours)) == len(ours)
        inn.stop(), us.stop()


def nasty_articles():
    """Each as it is and with CRLFs, under ids of their own: [(id, wire)]."""
    out = []
    with tarfile.open(corpus("nasty.tar.gz")) as t:
        for raw in (t.extractfile(m).read() for m in t.getmembers() if m.isfile()):
            was = header(raw, "Message-ID") or ""
            if not re.fullmatch(r"<[!-=?-~]{1,200}>", was):
                continue
            for form in (raw, raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")):
                mid = "<%d.%s" % (len(out), was[1:])
                form = form.replace(was.encode("latin-1"), mid.encode("latin-1"), 1)
                whole = form.endswith(b"\r\n.\r\n") and form.count(b"\r\n.\r\n") == 1
                out.append((mid, form if whole else to_wire(form if form.endswith(b"\r\n") else form + b"\r\n")))
    return out


def nasty_articles_come_through_unchanged_or_not_at_all():
    if not usable() or not corpus("nasty.tar.gz"):
        return "skip"
    us, inn = pair("nasty")
    inn.start(), us.start()
    arts, taken = nasty_articles(), {us: [], inn: []}
    for i, (mid, wire) in enumerate(arts):
        site = (us, inn)[i // 2 % 2]
        c = site.client()
        try:
            if c.takethis(mid, wire).startswith("239"):
                taken[site].append(mid)
            assert c.cmd("STAT <nobody@asked.example>").startswith("430"), "out of step behind " + mid
        except (EOFError, ConnectionError):
            assert site is inn, "we hung up at " + mid
        c.close()
    assert len(taken[us]) > 50 and len(taken[inn]) > 50, (len(taken[us]), len(taken[inn]))
    here = all_at_us(us, taken[inn])
    wait_for("INN's answers", lambda: row(us, inn)["accepted"] + row(us, inn)["rejected"] == len(taken[us]))
    there = [m for m in taken[us] if m not in set(missing(inn, taken[us]))]
    assert len(there) == row(us, inn)["accepted"] and row(us, inn)["answers without sense"] == 0
    inn.ctl("flushlogs")
    print("# %d of %d taken here are taken by INN, %d of %d the other way" % (len(there), len(taken[us]), len(here), len(taken[inn])))
    compare(us, inn, here, ours=False)
    compare(us, inn, there, ours=True)
    end(us, inn)


if __name__ == "__main__":
    main([streaming_both_ways, ihave_both_ways, put_off_while_streaming, put_off_with_ihave,
          killed_in_the_middle_nothing_is_lost, each_knows_the_other_by_its_login,
          nasty_articles_come_through_unchanged_or_not_at_all])

"""Articles for peers: real ones when the corpus is there, else as many that are made here; and what must stay of them."""
import re
import threading

from inn import *

MADE = [("misc.test%d" % i, "y") for i in range(10)] + [("misc.moderated", "m")]
# the 1993 batch and the newer one: INN takes no dates that are written as in the eighties
BATCHES = (("articles-1993.rnews.gz", 3), ("articles-2016-2017.rnews.gz", 1))


def groups():
    """[(name, flag)]"""
    if not corpus("active.corpus"):
        return MADE
    with open(corpus("active.corpus")) as f:
        rows = [l.split() for l in f]
    return [(r[0], r[3]) for r in rows if r[0] not in ("control", "junk") and not r[0].startswith("control.")]


def articles(n):
    """n times (id, wire form)."""
    if not corpus("active.corpus"):
        return [made(i) for i in range(n)]
    out, seen = [], set()
    for name, share in BATCHES:
        want = len(out) + n * share // 4
        for raw in rnews(corpus(name)):
            mid = header(raw, "Message-ID")
            if len(out) >= want:
                break
            if mid and mid not in seen and re.fullmatch(r"<[^<>\s@]+@[^<>\s@]+>", mid):
                seen.add(mid)
                out.append((mid, lf_to_wire(raw)))
    assert len(out) > n * 9 // 10, "the corpus has %d only" % len(out)
    return out


def made(i):
    body = "".join("line %d of article %d, with some words in it\r\n%s" % (k, i, ".dots\r\n" if k % 9 == 0 else "") for k in range(i % 90))
    return make_article(groups=",".join(g for g, f in MADE[i % 10:i % 10 + 1 + i % 3] if f == "y"), body="." * (i % 3) + "\r\n" + body,
                        path="some.where!else!not-for-mail", Subject="number %d" % i, References=make_id() if i % 2 else None)


def give(site, arts, ihave=False):
    """Feed them to the site; the ids of those that it took."""
    c, taken = site.client(), []
    if ihave:
        for mid, wire in arts:
            r = c.ihave(mid, wire)
            assert r[:3] in ("235", "435", "437"), r
            taken += [mid] if r.startswith("235") else []
        c.close()
        return taken

    odd = []

    def hear():
        for _ in arts:
            r = c.line().split()
            if r[0] == "239":
                taken.append(r[1])
            elif r[0] != "439":
                odd.append(r)
    t = threading.Thread(target=hear)
    t.start()
    for mid, wire in arts:
        c.send(b"TAKETHIS " + mid.encode("latin-1") + b"\r\n" + wire)
    t.join(120 * SLOW)
    assert not t.is_alive() and not odd, "answers are missing" if not odd else odd[0]
    c.close()
    return taken


def missing(site, mids):
    """Those that the site has not, in one go of pipelined STATs."""
    c, out = site.client(), []
    for some in (mids[i:i + 200] for i in range(0, len(mids), 200)):
        c.send("".join("STAT %s\r\n" % m for m in some))
        out += [m for m in some if not c.line().startswith("223")]
    c.close()
    return out


def fetch(site, mids):
    """{id: the article}"""
    c, out = site.client(reader=True) if isinstance(site, Inn) else site.client(), {}
    for some in (mids[i:i + 50] for i in range(0, len(mids), 50)):
        c.send("".join("ARTICLE %s\r\n" % m for m in some))
        for m in some:
            r = c.line()
            out[m] = b"".join(l + b"\r\n" for l in c.block()) if r.startswith("220") else None
    c.close()
    return out


def strip(raw):
    """The article without its Path and Xref fields, and without Bytes, which INN takes off."""
    head, _, body = raw.partition(b"\r\n\r\n")
    out, keep = [], True
    for l in (head + b"\r\n").splitlines(True):
        if l[:1] not in (b" ", b"\t"):
            keep = l.split(b":", 1)[0].lower() not in (b"path", b"xref", b"bytes")
        if keep:
            out.append(l)
    return b"".join(out) + b"\r\n" + body


def unwire(wire):
    """The article as fed: CRLF, dots undone, without the terminator."""
    w = wire[:-3].replace(b"\r\n..", b"\r\n.")
    return w[1:] if w.startswith(b"..") else w


def path_of(raw):
    return "".join(header(raw, "Path").split())


def same_but_for_the_path(at_first, at_second, before):
    """Two sites' copies of the same articles: equal, and Path grown by exactly 'before'."""
    for m, a in at_first.items():
        b = at_second[m]
        assert a is not None and b is not None, m
        assert strip(a) == strip(b), "%s was changed on its way" % m
        assert path_of(b) == before + path_of(a), (path_of(a), path_of(b))
        assert header(b, "Xref").split()[0] == path_of(b).split("!")[0], header(b, "Xref")

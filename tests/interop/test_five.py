"""Five sites, two of them INN, in a ring with cross links: everything everywhere, once."""
from inn import *

GROUPS = ["misc.test", "misc.other"]
N = int(os.environ.get("ARTICLES", "1000"))


def feed_block(name, port, **k):
    opt = {"address": '{ "127.0.0.1" }', "connect": '"127.0.0.1:%d"' % port, "send": "true", "accept": "true",
           "retry": "1s"}
    opt.update(k)
    return 'peer "%s" {\n%s\n}' % (name, "\n".join(" %s = %s" % i for i in opt.items()))


def five():
    """a, b, c are Freshet, x and y INN: ring a-x-b-y-c-a, cross links a-b and x-y; in that order."""
    a, b, c = (Site(n + ".test", groups=GROUPS) for n in "abc")
    x_port, y_port = free_port(), free_port()
    links = {"a": "xcb", "b": "xya", "c": "ya", "x": "aby", "y": "bcx"}
    port = {"a": a.port, "b": b.port, "c": c.port, "x": x_port, "y": y_port}
    inns = {}
    for n in "xy":
        inns[n] = Inn(n + ".test", GROUPS, peers=[(o + ".test", "127.0.0.1", port[o]) for o in links[n]], port=port[n])
    for n, s in (("a", a), ("b", b), ("c", c)):
        s.peers += [feed_block(o + ".test", port[o]) for o in links[n]]
        s.write_conf()
    return a, inns["x"], b, inns["y"], c


def reader(site):
    return site.client(reader=True) if isinstance(site, Inn) else site.client()


def numbers(site, group):
    """Message-ID -> Xref number, of all that a group holds."""
    c = reader(site)
    r = c.cmd("GROUP " + group).split()
    if r[0] != "211" or r[1] == "0":
        return {}
    assert c.cmd("XOVER %s-%s" % (r[2], r[3])).startswith("224")
    rows = [l.decode("latin-1").split("\t") for l in c.block()]
    c.close()
    assert len({f[4] for f in rows}) == len(rows), "an article twice in %s of %s" % (group, site.name)
    return {f[4]: int(f[0]) for f in rows}


def everything(site):
    return {m for g in GROUPS for m in numbers(site, g)}


def settled(sites, mids, what, seconds=120):
    for s in sites:
        wait_for("%d articles at %s, %s" % (len(mids), s.name, what), lambda: mids <= everything(s), seconds)
    for s in sites:
        got = everything(s)
        assert got == mids, "%s has %d that nobody sent" % (s.name, len(got - mids))


def give(site, n, tag):
    c = site.client()
    mids = set()
    for i in range(n):
        mid, wire = make_article(groups=GROUPS[i % 2], body="%s %d\r\n" % (tag, i), path="%s.src!not-for-mail" % tag)
        r = c.takethis(mid, wire)
        assert r.startswith("239"), r
        mids.add(mid)
    c.close()
    return mids



def each_article_arrives_everywhere_once_and_a_site_that_was_down_catches_up():
    if not usable():
        return "skip"
    a, x, b, y, c = sites = five()
    for s in sites:
        s.start()
    mids = set()
    for i, s in enumerate(sites):
        mids |= give(s, N // 5, "at%d" % i)
    settled(sites, mids, "ring whole")
    for s in (a, b, c):
        cl = s.client()
        for m in sorted(mids)[:100]:
            path = header(cl.article(m), "Path").split("!")
            names = [p for p in path if p.endswith(".test")]
            assert names[0] == s.name and len(names) == len(set(names)), path
        cl.close()
    b.stop()
    for i, s in enumerate((a, x, y, c)):
        mids |= give(s, 250, "late%d" % i)
    settled((a, x, y, c), mids, "b down")
    b.start()
    settled(sites, mids, "b back")
    for s in (x, y):
        s.understood_us()
    for s in sites:
        s.stop()


def answers(site, peer):
    """What 'peer' said so far: accepted, refused, rejected ... as numbers."""
    words = [l.split() for l in site.ctl("peer", "show", peer).splitlines()]
    return {" ".join(w[:-1]): int(w[-1]) for w in words if len(w) > 1 and w[-1].isdigit()}


def two_sites_that_feed_each_other_never_send_a_body_twice():
    a, b = (Site(n + "2.test", groups=GROUPS) for n in "ab")
    a.peer(b), b.peer(a)
    a.start(), b.start()
    mids = give(a, 300, "one") | give(b, 200, "two")
    settled((a, b), mids, "both ways")
    ab, ba = answers(a, b.name), answers(b, a.name)
    assert (ab["accepted"], ab["rejected"]) == (300, 0), ab
    assert (ba["accepted"], ba["rejected"]) == (200, 0), ba
    # the same to both at the same time: a body may be on its way already, but nothing is stored twice
    ca, cb = a.client(), b.client()
    for i in range(100):
        mid, wire = make_article(groups="misc.test", body="both %d\r\n" % i)
        for cl in (ca, cb):
            cl.send(b"TAKETHIS " + mid.encode() + b"\r\n" + wire)
        assert "239" in {ca.line()[:3], cb.line()[:3]}
        mids.add(mid)
    settled((a, b), mids, "given to both")
    print("# of 100 given to both at once, %d bodies crossed" %
          (answers(a, b.name)["rejected"] + answers(b, a.name)["rejected"]))
    a.stop(), b.stop()


if __name__ == "__main__":
    main([each_article_arrives_everywhere_once_and_a_site_that_was_down_catches_up,
          two_sites_that_feed_each_other_never_send_a_body_twice])

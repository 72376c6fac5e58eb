"""Three sites in a ring with a cross link: every article arrives everywhere exactly once."""
from kit import *


def ring(n=3, **k):
    """n sites; each feeds both neighbours."""
    sites = [Site("s%d.test" % i, **k) for i in range(n)]
    for i, s in enumerate(sites):
        for o in {sites[(i + 1) % n].name: sites[(i + 1) % n], sites[i - 1].name: sites[i - 1]}.values():
            if o is not s:
                s.peer(o)
    for s in sites:
        s.start()
    return sites


def count(site, group):
    c = site.client()
    n = int(c.cmd("GROUP " + group).split()[1])
    c.close()
    return n


def article_posted_at_one_site_arrives_at_all_with_the_right_path():
    a, b, c = ring()
    cl = a.client()
    assert cl.cmd("POST").startswith("340")
    mid = make_id()
    raw = ("From: me@example.com\r\nNewsgroups: misc.test\r\nSubject: hi\r\nMessage-ID: %s\r\n\r\nbody\r\n..dot\r\n.\r\n" % mid)
    cl.send(raw)
    assert cl.line().startswith("240")
    for s in (b, c):
        wait_for("the article at " + s.name, lambda: count(s, "misc.test") == 1)
        got = s.client().article(mid)
        path = header(got, "Path")
        assert path.startswith(s.name + "!"), path
        assert a.name in path.split("!"), path
        assert ".POSTED" in path, path
        assert got.endswith(b"\r\n\r\nbody\r\n.dot\r\n"), got
        assert header(got, "Xref") == "%s misc.test:1" % s.name
    for s in (a, b, c):
        s.stop()


def a_few_hundred_articles_flood_once_each():
    sites = ring()
    n = 300
    mids = []
    cls = [s.client() for s in sites]
    for i in range(n):
        mid, wire = make_article(groups="misc.test", body="article %d\r\n" % i)
        r = cls[i % 3].takethis(mid, wire)
        assert r.startswith("239"), r
        mids.append(mid)
    for s in sites:
        wait_for("%d articles at %s" % (n, s.name), lambda: count(s, "misc.test") == n, 60)
    time.sleep(0.5)
    for s in sites:
        assert count(s, "misc.test") == n, "one article twice at " + s.name
        c = s.client()
        assert all(c.cmd("STAT " + m).startswith("223") for m in mids)
        assert all(c.cmd("CHECK " + m).startswith("438") for m in mids[:20])
    for s in sites:
        s.stop()


def site_that_was_down_catches_up_by_itself():
    a, b = Site("a.test"), Site("b.test")
    a.peer(b), b.peer(a)
    a.start()
    c = a.client()
    for i in range(100):
        mid, wire = make_article()
        assert c.takethis(mid, wire).startswith("239")
    b.start()
    wait_for("100 articles at b", lambda: count(b, "misc.test") == 100, 60)
    a.stop(), b.stop()


if __name__ == "__main__":
    main([article_posted_at_one_site_arrives_at_all_with_the_right_path,
          a_few_hundred_articles_flood_once_each,
          site_that_was_down_catches_up_by_itself])

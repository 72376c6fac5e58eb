"""INN as a peer, both ways: nothing missing, Paths right, nothing that its sender does not understand."""
from inn import *
from kit import _sites

N = int(os.environ.get("ARTICLES", "400"))


def have(client, mids):
    return all(client.cmd("STAT " + m).startswith("223") for m in mids)


def inn_feeds_us_and_we_feed_inn():
    if not usable():
        return "skip"
    groups = ["misc.test", "misc.other"]
    us = Site("fresh.test", groups=groups)
    inn = Inn("inn.test", groups, peers=[("fresh.test", "127.0.0.1", us.port)])
    us.peers.append('peer "inn.test" {\n address = { "127.0.0.1" }\n connect = "127.0.0.1:%d"\n send = true\n'
                    ' accept = true\n}' % inn.port)
    us.write_conf()
    inn.start()
    us.start()
    # theirs come to us by innfeed, streaming
    c = inn.client()
    theirs = []
    for i in range(N):
        mid, wire = make_article(groups=groups[i % 2], body="from inn %d\r\n..dot\r\n" % i)
        r = c.takethis(mid, wire)
        assert r.startswith("239"), r
        theirs.append((mid, wire))
    cu = us.client()
    wait_for("%d articles from INN" % N, lambda: have(cu, [m for m, _ in theirs]), 40)
    for m, wire in theirs[:50]:
        a = cu.article(m)
        path = header(a, "Path")
        assert path.startswith("fresh.test!!inn.test!src.example!"), path
        assert to_wire(a).split(b"\r\n\r\n", 1)[1] == wire.split(b"\r\n\r\n", 1)[1]
    # ours go to them
    ours = []
    for i in range(N):
        mid, wire = make_article(groups=groups[i % 2], body="from us %d\r\n" % i)
        assert cu.takethis(mid, wire).startswith("239")
        ours.append(mid)
    ci = inn.client()
    wait_for("%d articles at INN" % N, lambda: have(ci, ours), 90)
    ci = inn.client(reader=True)
    for m in ours[:50]:
        path = header(ci.article(m), "Path")
        assert path.startswith("inn.test!fresh.test!"), path
    # and none goes back where it came from
    row = us.ctl("peer", "show", "inn.test")
    log = inn.dir + "/log/innfeed.log"
    text = open(log, errors="replace").read() if os.path.exists(log) else ""
    assert "response unknown" not in text, text[-1000:]
    print("# " + " ".join(row.split()))
    inn.stop()
    us.stop()


def inn_that_was_down_catches_up():
    if not usable():
        return "skip"
    us = Site("fresh2.test", groups=["misc.test"])
    inn = Inn("inn2.test", ["misc.test"])
    us.peers.append('peer "inn2.test" {\n address = { "127.0.0.1" }\n connect = "127.0.0.1:%d"\n send = true\n'
                    ' accept = true\n}' % inn.port)
    us.write_conf()
    us.start()
    cu = us.client()
    ours = []
    for i in range(100):
        mid, wire = make_article()
        assert cu.takethis(mid, wire).startswith("239")
        ours.append(mid)
    inn.start()
    us.ctl("peer", "flush", "inn2.test")
    ci = inn.client()
    wait_for("100 articles at INN", lambda: have(ci, ours), 60)
    inn.stop()
    us.stop()


if __name__ == "__main__":
    main([inn_feeds_us_and_we_feed_inn, inn_that_was_down_catches_up])

"""newsctl peer invite --inn: INN with exactly the printed lines in its files is a peer, both ways."""
import json

from inn import *


def printed(us, inn, *words):
    r = us.ctl("peer", "invite", inn.name, "--inn", "--connect", "127.0.0.1:%d" % inn.port, *words, json=True)
    return {row["part"]: row["text"] for row in json.loads(r)["rows"]}


def put(inn, name, text):
    """Put the text behind what stands in a file of INN's."""
    with open(inn.dir + "/etc/" + name, "a") as f:
        f.write(text)


def post(client, mid, groups, body):
    r = client.cmd("POST")
    assert r.startswith("340"), r
    client.send(to_wire(("From: Joe <joe@example.com>\r\nNewsgroups: %s\r\nSubject: t\r\nMessage-ID: %s\r\n\r\n%s\r\n"
                         % (groups, mid, body)).encode()))
    r = client.line()
    assert r.startswith("240"), r


def has(site, mid):
    c = site.client()
    r = c.cmd("STAT " + mid)
    c.close()
    return r.startswith("223")


def the_printed_lines_make_inn_a_peer():
    if not usable():
        return "skip"
    groups = ["misc.test", "misc.other", "local.test"]
    us = Site("fresh.test", groups=groups, feed=False, site='local-groups = { "local.*" }\n aliases = { "alias.test" }')
    inn = Inn("inn.test", groups)
    said = printed(us, inn)
    # as in a new INN: nobody feeds it, it feeds nobody
    with open(inn.dir + "/etc/incoming.conf", "w") as f:
        f.write("streaming: true\nmax-connections: 8\n" + said["incoming.conf"])
    put(inn, "newsfeeds", said["newsfeeds"] + said["innfeed"])
    put(inn, "innfeed.conf", said["innfeed.conf"])
    us.peers.append(said["block"])
    us.write_conf()
    inn.start()
    us.start()
    wait_for("feeder", lambda: us.ctl("peer", "list", check=False).returncode == 0)
    out = us.ctl("peer", "test", "inn.test")
    assert "all is well: streaming" in out and "203 " in out, out
    # ours to them, and what is local stays
    c, ours, local = us.client(), [], make_id("us.local")
    post(c, local, "local.test,misc.test", "stays")
    for i in range(20):
        ours.append(make_id("us.example"))
        post(c, ours[-1], groups[i % 2], "from us %d" % i)
    wait_for("20 articles at INN", lambda: all(has(inn, m) for m in ours))
    ci = inn.client(reader=True)
    path = header(ci.article(ours[0]), "Path")
    assert path.startswith("inn.test!fresh.test!"), path
    assert not has(inn, local)
    # theirs to us, but for what our groups leave out
    theirs = []
    there = make_id("inn.local")
    post(ci, there, "local.test", "stays there")
    for i in range(20):
        theirs.append(make_id("inn.example"))
        post(ci, theirs[-1], groups[i % 2], "from inn %d" % i)
    wait_for("20 articles from INN", lambda: all(has(us, m) for m in theirs))
    path = header(c.article(theirs[0]), "Path")
    assert path.startswith("fresh.test!!inn.test!"), path
    assert not has(us, there)
    c.close()
    inn.stop()
    us.stop()
    inn.understood_us()


if __name__ == "__main__":
    main([the_printed_lines_make_inn_a_peer])

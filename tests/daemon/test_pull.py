"""Pull feeds: groups read from another server as a newsreader does."""
import json
import threading

from kit import *


class Door:
    """nntpd's side of a pull, asked directly (nntpd/control_pull.c)."""

    def __init__(self, site, name):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(60 * SLOW)
        self.s.connect(os.path.join(site.dir, "run", "control.sock"))
        self.f = self.s.makefile("rb")
        self.say("pull", name)
        self.first = self.hear()

    def say(self, *words):
        self.s.sendall("\t".join(words).encode() + b"\n")

    def hear(self):
        return self.f.readline().decode().rstrip("\n").split("\t")

    def take(self, tag, mid, wire):
        self.s.sendall(("take\t%s\t%s\t%d\n" % (tag, mid, len(wire))).encode() + wire)

    def close(self):
        self.f.close()
        self.s.close()


PULLED = 'peer "up.test" { address = "192.0.2.1" pull = { "misc.*" } accept-groups = { "*", "!misc.not" } %s }'


def test_door_takes_articles_as_from_the_peer():
    s = Site("door.test", [PULLED % "article-max = 2K"], groups=["misc.test", "misc.not", "misc.x x"])
    s.start()
    d = Door(s, "up.test")
    assert d.first[:2] == ["R", "ready"], d.first
    d.say("carry", "1", "misc.test", "misc.unknown", "misc.x")
    assert d.hear() == ["R", "carry", "1", "100"]
    mid, wire = make_article(path="up.test!not-for-mail")
    other, not_wanted = make_article(groups="misc.not")
    big, large = make_article(body="x" * 70 + "\r\n" + "y" * 3000 + "\r\n")
    d.say("have", "2", mid, other)
    assert d.hear() == ["R", "have", "2", "11"]
    d.take("3", mid, wire)
    d.take("4", mid, wire)
    d.take("5", other, not_wanted)
    d.take("6", big, large)
    d.take("7", make_id(), wire)
    got = {a[2]: a[3:5] for a in (d.hear() for _ in range(5))}
    assert got == {"3": ["stored", "stored"], "4": ["known", "duplicate"], "5": ["refused", "not_from_peer"],
                   "6": ["refused", "too_big"], "7": ["refused", "id_differs"]}, got
    d.say("have", "8", mid)
    assert d.hear() == ["R", "have", "8", "0"]
    c = s.client()
    assert header(c.article(mid), "Path") == "door.test!!up.test!not-for-mail"
    c.close()
    d.close()
    s.stop()


def test_door_ends_what_it_does_not_understand():
    s = Site("door2.test", [PULLED % ""])
    s.start()
    assert Door(s, "src.example").first[0] == "ER"           # a peer, but not one to pull from
    mid, wire = make_article()
    for bad in (b"what\t1\t2\n", b"take\tx\n", b"take\t1\t%s\t0\n" % mid.encode(), b"x" * 70000,
                b"take\t1\t%s\t%d\n%s" % (mid.encode(), len(wire) - 5, wire[:-5]),
                b"take\t1\t%s\t%d\n%s" % (mid.encode(), 2 * len(wire), 2 * wire)):
        d = Door(s, "up.test")
        d.s.sendall(bad)
        assert d.hear()[0] == "ER", bad
        d.close()
    d = Door(s, "up.test")
    d.say("have", "1", mid)
    assert d.hear() == ["R", "have", "1", "1"]
    s.stop()                                                 # an open dialogue does not keep the site
    assert d.hear()[0] in ("ER", "")



# ---- pulling ----

def up_site(name="up.test", n=0, groups=("misc.test", "misc.two", "comp.x"), **k):
    up = Site(name, groups=list(groups), **k).start()
    return up, feed(up, n)


def feed(up, n, groups="misc.test", **k):
    """Give it n articles; their ids."""
    c, ids = up.client(), []
    for _ in range(n):
        mid, wire = make_article(groups=groups, **k)
        assert c.ihave(mid, wire).startswith("235")
        ids.append(mid)
    c.close()
    return ids


def down_site(port, name="down.test", groups=("misc.test", "misc.two", "comp.x"), up="up.test", **k):
    opt = {"address": '"192.0.2.1"', "connect": '"127.0.0.1:%d"' % port, "pull": '{ "misc.*" }', "pull-every": "1h"}
    opt.update({a.replace("_", "-"): v for a, v in k.items()})
    return Site(name, ['peer "%s" {\n%s\n}' % (up, "\n".join(" %s = %s" % i for i in opt.items()))], groups=list(groups))


def show(s, name, up="up.test"):
    r = s.ctl("peer", "show", up, check=False, json=True)
    rows = json.loads(r.stdout)["rows"] if r.returncode == 0 else []
    return next((str(row["value"]) for row in rows if row["name"] == name), None)


def runs(s, up="up.test"):
    return int(show(s, "pull runs", up) or 0)


def pull_now(s, up="up.test"):
    """A whole run, begun from now on."""
    before = wait_for("feeder", lambda: show(s, "pull runs", up) is not None) and runs(s, up)
    s.ctl("peer", "flush", up)
    wait_for("a run", lambda: runs(s, up) > before)


def ids_in(s, group):
    c = s.client()
    r = c.cmd("GROUP " + group).split()
    out = [l.split(b"\t")[4].decode() for l in c.block()] if r[0] == "211" and int(r[1]) > 0 and c.cmd("OVER %s-%s" % (r[2], r[3])) else []
    c.close()
    return out


def same_text(up, down, mid):
    a, b = up.client(), down.client()
    x, y = a.article(mid), b.article(mid)
    a.close(), b.close()
    cut = lambda t: b"\r\n".join(l for l in t.split(b"\r\n") if not l.startswith((b"Path:", b"Xref:")))
    return cut(x) == cut(y), header(y, "Path")


def test_what_is_there_and_what_comes_is_pulled_once():
    up, ids = up_site(n=5)
    ids += feed(up, 1, body=".dot\r\n..two\r\n\x80\xff \t\r\n")
    other = feed(up, 2, groups="comp.x")
    both = feed(up, 1, groups="misc.test,misc.two")
    down = down_site(up.port).start()
    wait_for("the first run", lambda: runs(down) >= 1)
    assert sorted(ids_in(down, "misc.test")) == sorted(ids + both)
    assert ids_in(down, "misc.two") == both and not ids_in(down, "comp.x") and other
    assert show(down, "pulled") == "7" and show(down, "pulled: known already") == "1", down.ctl("peer", "show", "up.test")
    equal, path = same_text(up, down, ids[5])
    assert equal and path == "down.test!.MATCH!up.test!.MATCH!src.example!not-for-mail" or path.startswith("down.test!"), path
    more = feed(up, 3)
    pull_now(down)
    assert sorted(ids_in(down, "misc.test")) == sorted(ids + both + more)
    assert show(down, "pulled") == "10" and show(down, "pulled: known already") == "1"
    before = show(down, "pulled")
    pull_now(down)
    assert show(down, "pulled") == before
    assert down.log_text().count("pulled 7 articles") == 1 and down.log_text().count("pulled 3 articles") == 1
    down.stop()
    down.start()
    pull_now(down)
    assert show(down, "pulled") == "0" and show(down, "pulled: known already") == "0"      # it knows where it was
    assert down.ctl("verify") is not None
    down.stop()
    up.stop()


if __name__ == "__main__":
    main([v for k, v in sorted(globals().items()) if k.startswith("test_")])

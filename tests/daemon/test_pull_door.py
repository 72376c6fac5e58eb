"""nntpd's side of a pull: what it takes by the control socket (nntpd/control_pull.c)."""
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


def test_door_goes_by_the_configuration_in_force():
    s = Site("door3.test", [PULLED % ""], groups=["misc.test", "misc.not"], site="article-max = 100K post-max = 2K")
    s.start()
    d = Door(s, "up.test")
    assert d.first == ["R", "ready", str(100 << 10)], d.first
    (mid, wire), (other, then_wanted), (large, too_large) = make_article(), make_article(groups="misc.not"), make_article(body=("x" * 70 + "\r\n") * 50)
    s.peers[0] = s.peers[0].replace(', "!misc.not"', "")
    s.site = "article-max = 2K post-max = 2K"
    s.write_conf()
    s.ctl("reload")
    for tag, i, w in (("1", mid, wire), ("2", other, then_wanted), ("3", large, too_large)):
        d.take(tag, i, w)
    got = {a[2]: a[3] for a in (d.hear() for _ in range(3))}
    assert got == {"1": "stored", "2": "stored", "3": "refused"}, got
    s.peers.clear()
    s.write_conf()
    s.ctl("reload")
    d.take("4", *make_article())
    assert d.hear() == ["ER", "no peer of that name with pull"]
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


if __name__ == "__main__":
    main([v for k, v in sorted(globals().items()) if k.startswith("test_")])

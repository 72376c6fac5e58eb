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
    assert equal and path == "down.test!!up.test!!src.example!not-for-mail", path
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



def test_new_groups_begin_with_their_newest_articles():
    up, ids = up_site(n=30)
    two = feed(up, 3, groups="misc.two")
    down = down_site(up.port, pull='{ "misc.test", "misc.two", "misc.away" }', pull_first="10").start()
    wait_for("the first run", lambda: runs(down) >= 1)
    assert ids_in(down, "misc.test") == ids[-10:] and ids_in(down, "misc.two") == two
    down.stop()
    none = down_site(up.port, name="none.test", pull_first="0").start()
    wait_for("the first run", lambda: runs(none) >= 1)
    assert show(none, "pulled") == "0"
    new = feed(up, 2)
    pull_now(none)
    assert ids_in(none, "misc.test") == new
    none.stop()
    up.stop()


def test_what_is_too_old_is_not_asked_for():
    up = Upstream()
    ids = up.add("misc.test", range(1, 11))
    old = "Sat, 01 Feb 2003 04:05:06 +0000"

    def trick(line, out):
        if line.startswith("OVER"):
            rows = [l.replace(b"\td\t", b"\t" + old.encode() + b"\t") if l.split(b"\t")[0] in (b"2", b"3", b"10") else l for l in out.split(b"\r\n")]
            return b"\r\n".join(rows)
        return out
    up.trick = trick
    down = down_site(up.port).start()
    wait_for("the first run", lambda: runs(down) >= 1)
    assert ids_in(down, "misc.test") == ids[:1] + ids[3:9] and show(down, "pulled: too old to be asked for") == "3"
    up.heard.clear()
    pull_now(down)
    assert not [h for h in up.heard if h.startswith("OVER")]      # they are settled
    down.stop()
    up.close()


def test_what_is_pulled_floods_on():
    up, ids = up_site(n=3)
    end = Site("end.test", groups=["misc.test"], feed=False)
    end.write_conf()
    down = down_site(up.port)
    down.peer(end, accept="false")
    end.peers.append('peer "down.test" { address = "127.0.0.1" }')
    end.write_conf()
    end.start()
    down.start()
    wait_for("all of them at the end", lambda: ids_in(end, "misc.test") == ids)
    for s in (down, end, up):
        s.stop()


def test_pulls_through_tls_login_and_compression():
    from test_outgoing import certificate
    pem, print_ = certificate("pull")
    up = Site("up.test", groups=["misc.test"], site="tls-certificate = \"%s\"" % pem)
    subprocess.run([os.path.join(BIN, "newsctl"), "-c", up.conf, "user", "add", "us"], input="secret\n", text=True, check=True,
                   stdout=subprocess.DEVNULL)
    with open(up.conf) as f:
        text = f.read().replace('access "all" { from', 'access "all" { user = "us" tls = true from')
    with open(up.conf, "w") as f:
        f.write(text)
    up.start()
    ids = feed(up, 3)
    down = down_site(up.port, tls="starttls", fingerprint='"%s"' % print_, login_as='"us"', login_password='"secret"', compress="true").start()
    wait_for("the first run", lambda: runs(down) >= 1)
    assert ids_in(down, "misc.test") == ids, down.log_text()
    assert "connected to 127.0.0.1 to pull, TLSv1.3, compressed" in down.log_text()
    down.stop()
    wrong = down_site(up.port, name="wrong.test", tls="starttls", fingerprint='"%s"' % print_, login_as='"us"', login_password='"other"').start()
    wait_for("a failed run", lambda: runs(wrong) >= 1)
    assert "481" in show(wrong, "pull error")
    wrong.stop()
    up.stop()


# ---- a server that says what it likes ----

class Upstream:
    """A news server for one reader at a time, with tricks: 'trick(command, default) -> bytes to send', or it raises EOFError to hang up."""

    def __init__(self, groups=None, trick=None):
        self.l = socket.socket()
        self.l.bind(("127.0.0.1", 0))
        self.l.listen(8)
        self.port = self.l.getsockname()[1]
        self.groups, self.trick = groups or {}, trick                # name -> {number: (id, wire)}
        self.heard, self.posted, self.sessions, self.hang_up = [], [], 0, False
        self.post_answer = lambda wire: b"240 thanks\r\n"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                s, _ = self.l.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(s,), daemon=True).start()

    def talk(self, s):
        self.sessions += 1
        f = s.makefile("rb")
        try:
            s.sendall(b"200 tricky\r\n")
            state = {}
            while True:
                line = f.readline().decode().strip()
                if not line:
                    return
                self.heard.append(line)
                out = self.answer(line, state)
                s.sendall(self.trick(line, out) if self.trick else out)
                if self.hang_up:
                    self.hang_up = False
                    return
                if line == "POST" and out.startswith(b"340"):
                    wire = b""
                    while not wire.endswith(b"\r\n.\r\n"):
                        l = f.readline()
                        if not l:
                            return
                        wire += l
                    self.posted.append(wire)
                    s.sendall(self.post_answer(wire))
                if line == "QUIT":
                    return
        except (OSError, EOFError):
            pass
        finally:
            f.close()
            s.close()

    def answer(self, line, state):
        w = line.split()
        if w[0] == "LIST":
            rows = "".join("%s %d %d y\r\n" % (g, max(a or [0]), min(a or [1])) for g, a in self.groups.items())
            return ("215 list\r\n%s.\r\n" % rows).encode()
        if w[0] == "GROUP":
            a = self.groups.get(w[1])
            if a is None:
                return b"411 no such group\r\n"
            state["group"] = a
            return ("211 %d %d %d %s\r\n" % (len(a), min(a or [1]), max(a or [0]), w[1])).encode()
        if w[0] in ("OVER", "XOVER"):
            lo, hi = map(int, w[1].split("-"))
            rows = "".join("%d\ts\tf\td\t%s\t\t1\t1\r\n" % (n, a[0]) for n, a in sorted(state["group"].items()) if lo <= n <= hi)
            return ("224 over\r\n%s.\r\n" % rows).encode() if rows else b"423 none\r\n"
        if w[0] == "ARTICLE":
            a = state["group"].get(int(w[1]))
            return ("220 %s %s\r\n" % (w[1], a[0])).encode() + a[1] if a else b"423 gone\r\n"
        return {"MODE": b"200 reader\r\n", "QUIT": b"205 bye\r\n", "POST": b"340 go\r\n"}.get(w[0], b"500 what\r\n")

    def add(self, group, numbers):
        a = self.groups.setdefault(group, {})
        for n in numbers:
            a[n] = make_article(groups=group, path="up.test!not-for-mail")
        return [a[n][0] for n in numbers]

    def close(self):
        stop_listening(self.l)


def test_numbers_that_begin_anew_are_noticed():
    up = Upstream()
    old = up.add("misc.test", range(100, 120))
    down = down_site(up.port).start()
    wait_for("the first run", lambda: runs(down) >= 1)
    assert ids_in(down, "misc.test") == old
    up.groups["misc.test"] = dict(zip(range(1, 21), up.groups["misc.test"].values()))     # the same, and two more
    new = up.add("misc.test", [21, 22])
    up.heard.clear()
    pull_now(down)
    assert ids_in(down, "misc.test") == old + new
    assert [h for h in up.heard if h.startswith("ARTICLE")] == ["ARTICLE 21", "ARTICLE 22"]
    assert "its numbers begin anew" in down.log_text()
    up.groups["misc.test"] = {}                                # empty is not anew
    pull_now(down)
    new += up.add("misc.test", [23])
    pull_now(down)
    assert ids_in(down, "misc.test") == old + new
    down.stop()
    up.close()


def test_groups_come_and_go():
    up = Upstream()
    one, two = up.add("misc.test", [1]), up.add("misc.two", [5])
    down = down_site(up.port, pull='{ "misc.test", "misc.two", "misc.nowhere" }').start()
    wait_for("the first run", lambda: runs(down) >= 1)
    assert not [h for h in up.heard if h.startswith("LIST")]             # names alone: no list is needed
    assert "GROUP misc.nowhere" not in up.heard and show(down, "pull groups that are not here") == "1"
    kept = up.groups.pop("misc.test")
    two += up.add("misc.two", [6])
    pull_now(down)
    assert ids_in(down, "misc.two") == two
    up.groups["misc.test"] = kept
    one += up.add("misc.test", [2])
    pull_now(down)
    assert ids_in(down, "misc.test") == one and show(down, "pulled: known already") == "0"
    down.stop()
    up.close()


def test_holes_are_jumped_over_and_late_overview_is_waited_for():
    up = Upstream()
    late = []

    def trick(line, out):
        if line.startswith("OVER") and late:
            return b"".join(l + b"\r\n" for l in out.split(b"\r\n")[:-1] if not l.startswith(b"%d\t" % late[0]))
        return out
    up.trick = trick
    old = up.add("misc.test", [1])
    down = down_site(up.port).start()
    wait_for("the first run", lambda: runs(down) >= 1)
    far = up.add("misc.test", [3000000, 3000001])
    late.append(3000001)
    up.heard.clear()
    pull_now(down)
    assert ids_in(down, "misc.test") == old + far[:1]
    assert len([h for h in up.heard if h.startswith("OVER")]) < 40
    late.clear()
    pull_now(down)
    assert ids_in(down, "misc.test") == old + far
    down.stop()
    up.close()


def test_damage_harms_nothing_but_itself():
    up = Upstream()
    ids = up.add("misc.test", range(1, 9))
    a = up.groups["misc.test"]
    a[2] = (a[2][0], b"this is no article\r\n.\r\n")
    a[3] = (a[3][0], a[4][1])                                  # another one than announced
    a[5] = (a[5][0], make_article(mid=a[5][0], groups="misc.unknown")[1])

    def trick(line, out):
        if line == "OVER 1-8":
            return out.replace(b"224 over\r\n", b"224 over\r\n\xff\x00\t\r\n7\r\n99999999999999999999\ts\tf\td\t<a@b>\r\n"
                               b"%s\r\n9\ts\tf\td\t<out@of.range>\r\n4\ts\tf\td\tno id\r\n" % (b"z" * 300000))
        if line == "ARTICLE 6":
            return b"423 gone meanwhile\r\n"
        if line == "ARTICLE 8":
            return b"220 8 x\r\n" + b"Subject: x\r\n\r\n" + (b"y" * 98 + b"\r\n") * 30000 + b".\r\n"
        return out
    up.trick = trick
    down = down_site(up.port, accept_groups='{ "misc.test" }').start()
    wait_for("the first run", lambda: runs(down) >= 1)
    assert ids_in(down, "misc.test") == [ids[0], ids[3], ids[6]], down.ctl("peer", "show", "up.test") + down.log_text()
    assert show(down, "pulled: overview lines without sense") == "5", down.ctl("peer", "show", "up.test")
    assert show(down, "pulled: gone meanwhile") == "1" and show(down, "pulled: larger than article-max") == "1"
    assert show(down, "pulled: refused") == "3" and show(down, "pulled: refused: id_differs") == "1"
    up.heard.clear()
    pull_now(down)
    assert not [h for h in up.heard if h.startswith(("OVER", "ARTICLE"))], up.heard
    down.stop()
    up.close()


def test_groups_that_end_runs_keep_no_others_waiting():
    up = Upstream()
    for n in range(20):
        up.add("misc.away%d" % n, [1])                         # not carried here, but in the list
    ids = {g: up.add(g, [1]) for g in ("misc.a", "misc.b", "misc.c", "misc.d", "misc.e")}

    def trick(line, out):
        if line in ("GROUP misc.b", "GROUP misc.c"):
            raise EOFError
        return out
    up.trick = trick
    down = down_site(up.port, groups=tuple(ids)).start()
    wait_for("the first run", lambda: runs(down) >= 1)
    for _ in range(3):
        pull_now(down)
    for g in ("misc.a", "misc.d", "misc.e"):
        assert ids_in(down, g) == ids[g], (g, up.heard)
    up.trick = None
    pull_now(down)
    assert ids_in(down, "misc.b") + ids_in(down, "misc.c") == ids["misc.b"] + ids["misc.c"]
    down.stop()
    up.close()


def test_two_servers_that_have_the_same_do_not_end_each_others_runs():
    one, two = Upstream(), Upstream()
    ids = one.add("misc.test", range(1, 601))
    two.groups["misc.test"] = one.groups["misc.test"]
    down = down_site(one.port, pull_first="1000")
    down.peers.append(down.peers[0].replace(str(one.port), str(two.port)).replace("up.test", "too.test"))
    down.write_conf()
    down.start()
    wait_for("the first runs", lambda: runs(down) >= 1 and runs(down, "too.test") >= 1)
    assert sorted(ids_in(down, "misc.test")) == sorted(ids)
    assert show(down, "pull error") == "" and show(down, "pull error", "too.test") == "", down.log_text()[-2000:]
    assert int(show(down, "pulled")) + int(show(down, "pulled", "too.test")) == len(ids)
    down.stop()
    one.close()
    two.close()


def test_an_article_that_ends_the_connection_is_left_out_after_three_times():
    up = Upstream()
    ids = up.add("misc.test", range(1, 6))
    other = up.add("misc.two", [1])

    def trick(line, out):
        if line == "ARTICLE 3":
            raise EOFError
        return out
    up.trick = trick
    down = down_site(up.port).start()
    wait_for("the first run", lambda: runs(down) >= 1)
    assert "hung up" in show(down, "pull error")
    pull_now(down)
    assert ids_in(down, "misc.two") == other                   # others do not wait
    for _ in range(4):                                         # the first time it may take others with it
        pull_now(down)
    assert ids_in(down, "misc.test") == ids[:2] + ids[3:]
    assert show(down, "pulled: left out after three tries") == "1" and "article 3 is left out" in down.log_text()
    down.stop()
    up.close()


def test_two_that_end_the_connection_keep_no_others_waiting():
    up = Upstream()
    ids = up.add("misc.test", range(1, 7))
    other = up.add("misc.two", [1])

    def trick(line, out):
        if line in ("ARTICLE 3", "ARTICLE 4"):
            raise EOFError
        return out
    up.trick = trick
    down = down_site(up.port).start()
    wait_for("the first run", lambda: runs(down) >= 1)
    for _ in range(6):
        pull_now(down)
    assert ids_in(down, "misc.test") == ids[:2] + ids[4:] and ids_in(down, "misc.two") == other, down.log_text()[-2000:]
    assert show(down, "pulled: left out after three tries") == "2"
    down.stop()
    up.close()


def test_a_server_that_gives_no_article_at_all_loses_none():
    up = Upstream()
    ids = up.add("misc.test", range(1, 6))
    for refusal in (b"400 quota exceeded\r\n", b"403 no storage\r\n", None):
        def trick(line, out):
            if line.startswith("ARTICLE"):
                if refusal is None:
                    raise EOFError
                return refusal
            return out
        up.trick = trick
        if refusal == b"400 quota exceeded\r\n":
            down = down_site(up.port).start()
            wait_for("the first run", lambda: runs(down) >= 1)
        for _ in range(4):
            pull_now(down)
    assert not ids_in(down, "misc.test") and show(down, "pulled: left out after three tries") == "0"
    up.trick = None
    pull_now(down)
    assert sorted(ids_in(down, "misc.test")) == sorted(ids), (ids_in(down, "misc.test"), ids)
    down.stop()
    up.close()


def test_a_server_that_hangs_up_within_an_article_loses_nothing():
    up = Upstream()
    ids = up.add("misc.test", range(1, 40))
    cut = [5, 17, 18]

    def trick(line, out):
        if cut and line == "ARTICLE %d" % cut[0]:
            cut.pop(0)
            up.hang_up = True
            return out[:len(out) // 2]
        return out
    up.trick = trick
    down = down_site(up.port).start()
    wait_for("the first run", lambda: runs(down) >= 1)
    for _ in range(3):
        pull_now(down)
    assert ids_in(down, "misc.test") == ids, (ids_in(down, "misc.test"), ids)
    down.stop()
    up.close()


def test_a_server_out_of_step_loses_nothing():
    """Half an answer is left out: the next article goes into the one before, and each after it for another."""
    up = Upstream()
    ids = up.add("misc.test", range(1, 101))
    cut = [10]

    def trick(line, out):
        if cut and line == "ARTICLE %d" % cut[0]:
            cut.pop(0)
            return out[:len(out) // 2]
        return out
    up.trick = trick
    down = down_site(up.port, reply_time="5s").start()
    wait_for("the first run", lambda: runs(down) >= 1)
    assert show(down, "pull error").startswith("220 "), show(down, "pull error")
    for _ in range(3):
        pull_now(down)
    got = ids_in(down, "misc.test")
    assert set(ids) - set(got) <= {ids[9]}, set(ids) - set(got)
    down.stop()
    up.close()


def test_what_has_no_end_and_what_makes_no_sense_ends_the_run_alone():
    up = Upstream()
    ids = up.add("misc.test", [1])
    now = [None]
    up.trick = lambda line, out: now[0](line, out) if now[0] else out
    down = down_site(up.port)
    site = lambda: down.client().cmd("DATE")[:3] == "111"
    down.start()
    wait_for("the first run", lambda: runs(down) >= 1)
    more = up.add("misc.test", [2])

    def flood(first, piece, times):
        return lambda verb: lambda line, out: first + piece * times if line.startswith(verb) else out
    for verb, say in (("LIST", flood(b"215 x\r\n", b"a" * 1000, 3000)), ("LIST", flood(b"", b"junk\r\n", 100)),
                      ("GROUP", flood(b"", b"211 " + b"9" * 5000, 1)), ("GROUP", flood(b"211 a b c\r\n", b"", 1)),
                      ("GROUP", flood(b"\x00\xff\x1f", b"\x8b", 9000)), ("GROUP", flood(b"200 hello\r\n", b"200 x\r\n", 50)),
                      ("OVER", flood(b"224 x\r\n", b"1\ts\tf\td\t<a@b>\r\n", 100000)),
                      ("OVER", flood(b"222 x\r\n", b"", 1)), ("OVER", flood(b"224 x\r\n", b"b" * 1000, 3000)),
                      ("MODE", flood(b"400 go away\r\n", b"", 1)), ("MODE", flood(b"502 never\r\n", b"", 1))):
        now[0] = say(verb)
        pull_now(down)
        assert show(down, "pull error") or verb == "GROUP", (verb, say)
        assert site() and ids_in(down, "misc.test") == ids
    now[0] = None
    pull_now(down)
    assert ids_in(down, "misc.test") == ids + more
    now[0] = lambda line, out: b"220 3 x\r\n" + b"z" * 20000000 if line == "ARTICLE 3" else out
    last = up.add("misc.test", [3, 4])
    for _ in range(4):
        pull_now(down)
    assert ids_in(down, "misc.test") == ids + more + last[1:], down.log_text()[-3000:]
    down.stop()
    up.close()


def test_old_servers_know_xover_alone_and_no_patterns():
    up = Upstream()
    ids = up.add("misc.test", range(1, 4))
    up.trick = lambda line, out: b"500 what\r\n" if line.startswith(("OVER", "LIST ACTIVE ", "MODE")) else out
    down = down_site(up.port, pull='{ "misc.*", "!misc.two" }').start()
    up.add("misc.two", [1])
    wait_for("the first run", lambda: runs(down) >= 1)
    assert ids_in(down, "misc.test") == ids and not ids_in(down, "misc.two")
    assert "LIST ACTIVE" in up.heard and "XOVER 1-3" in up.heard
    down.stop()
    up.close()


def test_no_more_articles_a_second_than_the_rate():
    up = Upstream()
    up.add("misc.test", range(1, 16))
    down = down_site(up.port, pull_rate="10").start()
    began = time.monotonic()
    wait_for("the first run", lambda: runs(down) >= 1)
    assert time.monotonic() - began > 0.4 and len(ids_in(down, "misc.test")) == 15
    down.stop()
    up.close()


def all_once(down, ids):
    got = ids_in(down, "misc.test")
    return sorted(got) == sorted(ids)


def test_our_own_trouble_is_later():
    up = Upstream()
    ids = up.add("misc.test", range(1, 4))
    down = down_site(up.port).start(wrapper=["env", "--ignore-signal=XFSZ"])
    wait_for("the first run", lambda: runs(down) >= 1)
    new = up.add("misc.test", range(4, 40))
    limit = lambda to: subprocess.run(["prlimit", "--pid", str(down.proc.pid), "--fsize=" + to], check=True)
    limit("100:unlimited")                                   # no file of nntpd's can be written
    pull_now(down)
    assert show(down, "pull error").startswith("our own nntpd: "), show(down, "pull error")
    assert ids_in(down, "misc.test") == ids and show(down, "pulled: refused") == "0"
    limit("unlimited:unlimited")
    # those that found the disk in order again may have come before those that had not
    wait_for("all of them", lambda: pull_now(down) or sorted(ids_in(down, "misc.test")) == sorted(ids + new))
    down.stop()
    up.close()


def test_a_long_group_is_gone_on_with_where_it_was():
    up = Upstream()
    up.add("misc.test", range(1, 1301))
    down = down_site(up.port, pull_first="5000", pull_rate="130").start()
    wait_for("most of them", lambda: len([h for h in up.heard if h.startswith("ARTICLE")]) > 1050, 60)
    os.kill(wait_for("feeder", down.feeder_pid), signal.SIGKILL)
    up.heard.clear()
    wait_for("the next look", lambda: [h for h in up.heard if h.startswith("OVER")])
    assert [h for h in up.heard if h.startswith("OVER")][0] != "OVER 1-200", up.heard
    down.stop()
    up.close()


def test_nothing_is_lost_by_kill_9():
    up = Upstream()
    ids = up.add("misc.test", range(1, 1201))
    down = down_site(up.port, pull_first="5000", pull_rate="400").start()
    for victim in ("feeder", "nntpd", "feeder", "nntpd"):
        some = len(ids_in(down, "misc.test"))
        wait_for("some more articles", lambda: len(ids_in(down, "misc.test")) > some + 50)
        if victim == "feeder":
            os.kill(wait_for("feeder", down.feeder_pid), signal.SIGKILL)
        else:
            down.kill()
            down.start()
    wait_for("all articles", lambda: all_once(down, ids), 120)
    n = len([h for h in up.heard if h.startswith("ARTICLE")])
    assert n < len(ids) + 4 * 300, n                          # not from the beginning every time
    assert down.ctl("verify") is not None
    down.stop()
    up.close()


def test_a_run_can_be_stopped_paused_and_reloaded_in_the_middle():
    up = Upstream()
    ids = up.add("misc.test", range(1, 301))
    hold = [True]

    def trick(line, out):
        while hold[0] and line == "ARTICLE 100":
            time.sleep(0.02)
        return out
    up.trick = trick
    down = down_site(up.port).start()
    stuck = lambda: len(ids_in(down, "misc.test")) >= 80 and show(down, "pulling") == "pulling"
    wait_for("the middle", stuck)
    down.ctl("peer", "pause", "up.test")
    assert show(down, "pulling") == "paused"
    down.ctl("peer", "resume", "up.test")
    wait_for("the middle again", lambda: stuck() and up.sessions >= 2)
    down.peers[0] = down.peers[0].replace("1h", "2h")
    down.write_conf()
    down.ctl("reload")
    wait_for("the middle once more", lambda: up.sessions >= 3 and stuck())
    down.stop()
    hold[0] = False
    down.start()
    wait_for("all of them", lambda: ids_in(down, "misc.test") == ids)
    down.ctl("peer", "pause", "up.test")
    down.peers.clear()
    down.write_conf()
    down.ctl("reload")
    wait_for("nothing to pull", lambda: show(down, "pulling") is None)
    down.stop()
    up.close()


def test_the_operator_is_told():
    up, ids = up_site(n=2)
    down = down_site(up.port).start()
    wait_for("the first run", lambda: runs(down) >= 1)
    told = down.ctl("peer", "test", "up.test", check=False).stdout
    assert "as a newsreader" in told and "misc.*" in told, told
    assert 'freshet_pulled_total{peer="up.test",result="stored"} 2' in down.ctl("metrics")
    assert [r["state"] for r in json.loads(down.ctl("peer", "list", json=True))["rows"] if r["peer"] == "up.test"] == ["idle"]
    r = down.ctl("peer", "refeed", "up.test", "1", check=False)
    assert r.returncode != 0 and "nothing is sent to that peer" in r.stdout + r.stderr
    down.stop()
    up.stop()


# ---- posting ----

def post(site, mid=None, groups="misc.test", **k):
    c = site.client()
    assert c.cmd("POST").startswith("340")
    mid, wire = make_article(mid, groups=groups, path=None, **k)
    c.send(wire)
    r = c.line()
    c.close()
    assert r.startswith("240"), r
    return mid


def test_posts_go_up_and_come_back_once():
    up, ids = up_site(n=2)
    down = down_site(up.port, pull_post="true").start()
    wait_for("the first run", lambda: runs(down) >= 1)
    fed = feed(down, 1)                                       # came by a feed: no post of ours
    mid = post(down, Organization="here")
    other = post(down, groups="comp.x")                       # not pulled, so not posted there
    wait_for("the post", lambda: mid in ids_in(up, "misc.test"))
    c = up.client()
    a = c.article(mid)
    c.close()
    assert header(a, "Path").startswith("up.test!.POSTED") and "down.test" not in header(a, "Path"), header(a, "Path")
    assert header(a, "Xref").startswith("up.test ") and header(a, "Organization") == "here"
    assert "down.test" not in header(a, "Injection-Info")
    pull_now(down)
    pull_now(down)
    assert ids_in(up, "misc.test") == ids + [mid] and sorted(ids_in(down, "misc.test")) == sorted(ids + fed + [mid])
    assert ids_in(up, "comp.x") == [] and ids_in(down, "comp.x") == [other]
    assert show(down, "accepted") == "1" and show(down, "offered") == "1", down.ctl("peer", "show", "up.test")
    assert show(down, "pulled: known already") == "1"
    down.stop()
    up.stop()


def test_answers_to_posts():
    up = Upstream()
    up.groups["misc.test"] = {}
    down = down_site(up.port, pull_post="true", retry="1s").start()
    wait_for("the first run", lambda: runs(down) >= 1)
    up.post_answer = lambda wire: b"441 435 Duplicate\r\n"
    post(down)
    wait_for("done", lambda: show(down, "refused") == "1" and show(down, "lag") == "0")
    up.post_answer = lambda wire: b"441 437 No such group\r\n"
    mid = post(down)
    wait_for("set aside", lambda: show(down, "set aside now") == "1")
    assert mid + " is set aside" in down.log_text() and "441 437 No such group" in show(down, "last error")
    later = []
    up.post_answer = lambda wire: later.append(1) or (b"441 436 try later\r\n" if len(later) < 3 else b"240 ok\r\n")
    post(down)
    wait_for("accepted in the end", lambda: show(down, "accepted") == "1")
    assert len(later) == 3
    n = len(up.posted)
    up.trick = lambda line, out: b"440 no posting\r\n" if line == "POST" else out
    up.answer = (lambda a: lambda line, state: b"440 no posting\r\n" if line == "POST" else a(line, state))(up.answer)
    post(down)
    wait_for("440", lambda: "440" in show(down, "last error"))
    assert len(up.posted) == n and show(down, "lag") == "1" and show(down, "set aside now") == "1"
    wire = up.posted[-1]
    assert not any(l.split(b":")[0].lower() in (b"path", b"xref", b"injection-info") for l in wire.split(b"\r\n\r\n")[0].split(b"\r\n"))
    down.stop()
    up.close()


if __name__ == "__main__":
    main([v for k, v in sorted(globals().items()) if k.startswith("test_")])

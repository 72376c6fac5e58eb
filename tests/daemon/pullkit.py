"""What the tests of pulling share: two sites, and a server that says what it likes."""
import json

from kit import *


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


class Upstream(Listener):
    """A news server for one reader at a time, with tricks: 'trick(command, default) -> bytes to send', or it raises EOFError to hang up."""

    def __init__(self, groups=None, trick=None):
        self.groups, self.trick = groups or {}, trick                # name -> {number: (id, wire)}
        self.heard, self.posted, self.sessions, self.hang_up = [], [], 0, False
        self.post_answer = lambda wire: b"240 thanks\r\n"
        super().__init__()

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

"""Pan under Xvfb, driven by keys (xdotool): it fetches headers, reads every article, follows up.  Its windows cannot be
read; what it keeps on disk of what it shows is."""
import glob

from readers import *

SERVER = """<server-properties>
  <server id="1">
    <host>127.0.0.1</host> <port>%d</port> <username>%s</username> <password>%s</password>
    <expiration-days>0</expiration-days> <connection-limit>2</connection-limit> <newsrc>%s/newsrc-1</newsrc> <rank>1</rank>
    <use-ssl>%d</use-ssl> <trust>1</trust> <cert></cert>
  </server>
</server-properties>
"""
POSTER = """<posting><profiles><profile name="Joe">
  <username>Joe</username> <address>joe@example.com</address> <server>1</server> <signature-file active="false"></signature-file>
</profile></profiles></posting>
"""


class Pan:
    """Pan on a display of its own."""

    def __init__(self, s, password):
        self.dir = home("pan")
        write(self.dir + "/servers.xml", SERVER % (s.port, s.user or "", password or "", self.dir, s.way == "tls"))
        write(self.dir + "/posting.xml", POSTER)
        write(self.dir + "/newsrc-1", "misc.test:\n")
        r, w = os.pipe()
        self.procs = [subprocess.Popen(["Xvfb", "-displayfd", str(w), "-screen", "0", "1200x900x24", "-nolisten", "tcp", "-noreset"], pass_fds=[w],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)]
        os.close(w)
        with os.fdopen(r) as f:
            number = f.readline().strip()
        self.env = dict(os.environ, PAN_HOME=self.dir, HOME=self.dir, DISPLAY=":" + number, LC_ALL="C.UTF-8", NO_AT_BRIDGE="1",
                        XDG_RUNTIME_DIR=self.dir, DBUS_SESSION_BUS_ADDRESS="disabled:")
        with open(self.dir + "/said", "w") as out:
            self.procs.append(subprocess.Popen(["pan"], env=self.env, stdout=out, stderr=out, stdin=subprocess.DEVNULL))
        try:
            self.main = wait_for("Pan's window", self.windows, 30)[0]
        except AssertionError as e:
            self.end()
            raise AssertionError("%s; it says:\n%s" % (e, open(self.dir + "/said").read()[-2000:]))

    def do(self, *words):
        return subprocess.run(["xdotool"] + list(words), env=self.env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout

    def windows(self):
        return self.do("search", "--onlyvisible", "--class", "pan").split()

    def key(self, key, window=None):
        self.do("windowfocus", "--sync", window or self.main)
        self.do("key", key)

    def press(self, key, fn, what):
        """Until fn() is true; a key may be lost while Pan is busy, so it is pressed again every two seconds."""
        for _ in range(int(15 * SLOW) or 1):
            self.key(key)
            try:
                return wait_for(what, fn, 2)
            except AssertionError:
                pass
        raise AssertionError("pressed %s in vain for: %s; Pan says:\n%s" % (key, what, open(self.dir + "/said").read()[-2000:]))

    def write(self, composer, words, fn):
        """Words at the end of a letter, and send it; a window that is not ready loses keys, so again until fn() is true."""
        for _ in range(5):
            for w in self.windows():
                if w not in (self.main, composer):       # a warning: back to the letter
                    self.key("Escape", w)
            if composer in self.windows():
                self.key("ctrl+End", composer)
                self.do("type", words)
                self.key("ctrl+Return", composer)
            try:
                return wait_for("the letter", fn, 5)
            except AssertionError:
                pass
        raise AssertionError("Pan does not send; its windows: %s" % [self.do("getwindowname", w).strip() for w in self.windows()])

    def headers(self):
        p = self.dir + "/groups/misc.test"
        return open(p, encoding="utf-8").read() if os.path.exists(p) else ""

    def articles(self):
        """Those that came from the server: of what was sent Pan keeps a copy there, too."""
        return {a for a in (open(p, "rb").read() for p in glob.glob(self.dir + "/article-cache/*.msg")) if b"\nXref: " in a}

    def end(self):
        for p in reversed(self.procs):
            p.terminate()
            try:
                p.wait(10)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()


def pan(way):
    if not have("pan", "Xvfb", "xdotool"):
        return "skip"
    s = Room("pan", way)
    p = Pan(s, s.password)
    try:
        text = p.press("shift+a", p.headers, "the headers of misc.test")
        s.logged_in()
        for shown in ["A letter to read", SHOWN, RAW, "in both groups"] + ["number %d" % i for i in range(1, 10)]:
            assert "\t%s\n" % shown in text, (shown, text)
        # an article, and an answer to it
        p.press("g", lambda: "misc.test" in p.do("getwindowname", p.main), "the group")
        p.press("ctrl+n", p.articles, "an article")
        if b"misc.other" in next(iter(p.articles())):     # Pan does not know that group, and would warn
            p.press("ctrl+n", lambda: len(p.articles()) > 1, "another article")
        p.press("f", lambda: len(p.windows()) > 1, "the composer")
        composer = [w for w in p.windows() if w != p.main][0]
        p.write(composer, "Words from pan. ", lambda: s.count() == 14)
        a = s.c.article(14)
        parent = header(a, "References")
        assert parent in s.mids and ".POSTED" in header(a, "Path") and b"Words from pan." in a and b"\r\n> " in a, a
        assert plain(header(a, "Subject")) == "Re: " + plain(header(s.c.article(parent), "Subject")), a
        # the rest
        for n in range(2, 14):
            p.press("ctrl+n", lambda: len(p.articles()) >= n, "article %d" % n)
        text = lambda: b"".join(p.articles()).replace(b"\r\n", b"\n")
        for words in (b"What everybody shall show.\n.a dot at the beginning\ncaf", ("%s f\xfcr alle" % SHOWN).encode("utf-8"),
                      b"Twice there, stored once."):
            wait_for("%r in what Pan has kept; it has\n%s" % (words, text()), lambda: words in text())
    finally:
        p.end()
    s.stop()


def pan_reads_and_follows_up():
    return pan("open")


def pan_logs_in_reads_and_follows_up():
    return pan("login")


def pan_logs_in_under_tls():
    return pan("tls")


def pan_with_a_wrong_password_gets_nothing():
    if not have("pan", "Xvfb", "xdotool"):
        return "skip"
    s = Room("pan", "login")
    p = Pan(s, WRONG)
    try:
        p.press("shift+a", lambda: "login as %s failed" % USER in s.site.log_text(), "the refusal")
        s.refused()
        assert not p.headers() and not p.articles()
    finally:
        p.end()
    s.stop()


if __name__ == "__main__":
    main([pan_reads_and_follows_up, pan_logs_in_reads_and_follows_up, pan_logs_in_under_tls, pan_with_a_wrong_password_gets_nothing])

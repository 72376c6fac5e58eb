"""What the tests of newsreaders share: a site for each way in, its articles, and what must have become of posts.

The test itself feeds and looks from 127.0.0.9, so that a client on 127.0.0.1 has no rights but a reader's.
"""
import email.header
import re
import shutil

from inn import *
from kit import Client as PlainClient

USER, PASSWORD, WRONG = "wilma", "flintstone-7", "not-this-one"
OTHER = "fred"                                                       # with the same password
ME = "127.0.0.9"

BODY = "What everybody shall show.\r\n.a dot at the beginning\r\ncaf\xe9 in Latin-1\r\n"
COOKED = "=?UTF-8?Q?Gr=C3=BC=C3=9Fe_aus_K=C3=B6ln?="                # RFC 2047
SHOWN = "Gr\xfc\xdfe aus K\xf6ln"
RAW = "P\u0159\xedli\u0161 \u017elu\u0165ou\u010dk\xfd"              # UTF-8 as it is (RFC 5536 does not have it; people do)
MIME = {"MIME_Version": "1.0", "Content_Type": "text/plain; charset=UTF-8", "Content_Transfer_Encoding": "8bit"}
GROUPS = ["misc.test y Testing", "misc.other y Other things"]


def have(*programs):
    return all(shutil.which(p) for p in programs)


def home(name):
    d = fresh_dir("home-" + name)
    os.makedirs(d)
    return d


def write(path, text, mode=0o600):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)
    return path


def run(words, input=None, env=None, seconds=60, ok=(0,)):
    r = subprocess.run(words, input=input, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=dict(os.environ, **(env or {})),
                       timeout=seconds * SLOW)
    out = r.stdout.decode("utf-8", "replace")
    assert ok is None or r.returncode in ok, "%s ended with %d:\n%s" % (" ".join(words), r.returncode, out[-3000:])
    return out


def certificate(path):
    """path.pem and path.key for localhost and 127.0.0.1; it is its own authority."""
    run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path + ".key",
         "-out", path + ".pem", "-subj", "/CN=localhost", "-days", "30", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])


def plain(field):
    """A header field with its encoded words (RFC 2047) decoded, and what is UTF-8 as it is."""
    return "".join(b.encode("latin-1").decode("utf-8") if isinstance(b, str) else b.decode(c or "utf-8")
                   for b, c in email.header.decode_header(field))


class Watcher(PlainClient):
    """A client on the tests' own address: it feeds, and may read all."""

    def __init__(self, port):
        self.s = socket.create_connection(("127.0.0.1", port), 60 * SLOW, (ME, 0))
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.f = self.s.makefile("rb", 65536)
        self.greeting = self.line()


class Room:
    """A site that lets readers in one way alone.

    way: "open" - whoever comes; "login" - after a login; "starttls", "tls" - after a login under TLS.
    Articles: ten in misc.test (1 the letter to read, the others "number N"), 11 and 12 with subjects beyond ASCII,
    13 in misc.other too.
    """

    def __init__(self, name, way="open", groups=GROUPS, site="", articles=True):
        self.way, self.login, self.tls = way, way != "open", way in ("tls", "starttls")
        self.user, self.password = (USER, PASSWORD) if self.login else (None, None)
        s = self.site = Site("%s.test" % name, groups=groups, site=site, feed=False)
        certificate(os.path.join(s.dir, "site"))
        self.ca = os.path.join(s.dir, "site.pem")
        s.site += '\n tls-certificate = "site.pem"\n tls-key = "site.key"'
        self.tls_port = free_port()
        # the blocks' order counts: the last that fits
        who = {"open": 'from = { "*" }', "login": 'user = "*"'}.get(way, 'user = "*" tls = true')
        s.extra = ('listen "127.0.0.1:%d" { tls = true }\naccess "readers" { %s read = { "*" } post = { "*" } }\n'
                   'access "watcher" { from = { "%s" } read = { "*" } post = { "*" } }\npeer "src.example" { address = { "%s" } }'
                   % (self.tls_port, who, ME, ME))
        s.write_conf()
        with open(s.conf) as f:
            text = f.read()
        with open(s.conf, "w") as f:
            f.write(text.replace('access "all" { from = { "*" } read = { "*" } post = { "*" } }\n', ""))
        for name in USER, OTHER:
            subprocess.run([os.path.join(BIN, "newsctl"), "-c", s.conf, "user", "add", name], input=PASSWORD + "\n", text=True,
                           stdout=subprocess.PIPE, check=True)
        s.start()
        self.port = self.tls_port if way == "tls" else s.port
        self.c = Watcher(s.port)
        self.mids = []
        if articles:
            self.fill()

    def feed(self, **k):
        mid, wire = make_article(**k)
        r = self.c.takethis(mid, wire)
        assert r.startswith("239"), r
        self.mids.append(mid)
        return mid

    def fill(self):
        self.feed(Subject="A letter to read", body=BODY)
        for i in range(1, 10):
            self.feed(Subject="number %d" % i, body="body %d\r\n" % i)
        utf8 = ("%s f\xfcr alle\r\n" % SHOWN).encode("utf-8").decode("latin-1")
        self.feed(Subject=COOKED, body=utf8, **MIME)
        self.feed(Subject=RAW.encode("utf-8").decode("latin-1"), body="raw\r\n", **MIME)
        self.feed(Subject="in both groups", groups="misc.test,misc.other", body="Twice there, stored once.\r\n")

    def count(self, group="misc.test"):
        return int(self.c.cmd("GROUP " + group).split()[1])

    def high(self, group="misc.test"):
        return int(self.c.cmd("GROUP " + group).split()[3])

    def posted(self, subject, group="misc.test", screen=None):
        """The newest article, when it has come with this subject."""
        def look():
            a = self.c.article(self.high(group))
            return a if a and plain(header(a, "Subject")) == subject else None
        try:
            a = wait_for("an article %r in %s" % (subject, group), look, 20)
        except AssertionError as e:
            raise AssertionError("%s; the newest is\n%s\nit shows:\n%s" % (e, self.c.article(self.high(group)), screen or ""))
        assert header(a, "Message-ID") and header(a, "Date") and ".POSTED" in header(a, "Path"), a
        self.mids.append(header(a, "Message-ID"))
        return a

    def followed_up(self, subject, parent, screen=None, group="misc.test"):
        """The same, for an answer to the Message-ID 'parent'."""
        a = self.posted(subject, group, screen)
        refs = re.sub(r"\s+", " ", header(a, "References") or "").split(" ")
        assert refs[-1] == parent, (parent, a)
        assert refs == (header(self.c.article(parent), "References") or "").split() + [parent], a
        return a

    def cancelled(self, mid, screen=None):
        """The article must vanish: by id, by number, from the overview."""
        try:
            wait_for("%s to be cancelled" % mid, lambda: self.c.cmd("STAT " + mid).startswith("430"), 20)
        except AssertionError as e:
            raise AssertionError("%s; it shows:\n%s\nthe log:\n%s" % (e, screen or "", self.site.log_text()[-1500:]))
        self.c.cmd("GROUP misc.test")
        assert self.c.cmd("XHDR Message-ID 1-").startswith("221")
        assert not [l for l in self.c.block() if mid.encode() in l], mid

    def logged_in(self):
        """That the client did log in, and as whom, stands in the log."""
        if self.login:
            assert "reader %s 127.0.0.1" % USER in self.site.log_text(), self.site.log_text()[-2000:]

    def refused(self):
        """That a wrong password came stands in the log, and the client read nothing."""
        wait_for("the refusal", lambda: "login as %s failed" % USER in self.site.log_text(), 20)
        assert "reader %s 127.0.0.1" % USER not in self.site.log_text()

    def stop(self):
        self.c.close()
        self.site.stop()

"""What the daemon tests share: sites in a directory that goes away, and a plain NNTP client.

Only loopback; ports are chosen by the system; every process belongs to the
test that started it and is waited for.  KEEP=1 keeps the directory.
"""
import atexit
import gzip
import itertools
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.path.join(ROOT, os.environ.get("B", "build"), "bin")
if os.path.isabs(os.environ.get("B", "")):
    BIN = os.path.join(os.environ["B"], "bin")
CORPUS = os.environ.get("FRESHET_CORPUS", os.path.join(ROOT, "..", "shared", "corpus"))
SLOW = float(os.environ.get("SLOW", "1"))      # sanitizers and valgrind: wait longer

_dir = None
_sites = []
_serial = [0]


def tmp():
    global _dir
    if _dir is None:
        _dir = tempfile.mkdtemp(prefix="freshet-daemon-")
        atexit.register(_clean)
    return _dir


def fresh_dir(name):
    """A path below tmp() that no other test of this run has."""
    _serial[0] += 1
    return os.path.join(tmp(), "%d-%s" % (_serial[0], name))


def for_others(path):
    """The file or folder, or a copy of it, where other users get at it: a checkout in /root is nobody else's."""
    at = os.path.abspath(path)
    if all(os.stat(d).st_mode & 0o005 for d in itertools.accumulate(at.split("/")[1:], lambda a, b: a + "/" + b, initial="/")):
        return path
    os.chmod(tmp(), 0o755)
    copy = fresh_dir(os.path.basename(at))
    if os.path.isdir(at):
        shutil.copytree(at, copy)
    else:
        shutil.copy(at, copy)
    subprocess.run(["chmod", "-R", "go+rX", copy], check=True)
    return copy


def _clean():
    for s in _sites:
        s.kill()
    if not os.environ.get("KEEP"):
        shutil.rmtree(_dir, ignore_errors=True)


_ports = []


def free_port():
    """A port of loopback for a server that sets SO_REUSEADDR.  It stays bound, not listening, as long as
    this program runs: the system gives it to nobody else, not even for a connection."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", 0))
    _ports.append(s)
    return s.getsockname()[1]


def stop_listening(listener):
    """Wake the thread that accepts, then close: it must not go on with the next socket of that number."""
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


class Listener:
    """A server on a port of its own: talk(socket) plays each connection, in a thread of its own."""

    def __init__(self):
        self.l = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.port = self.l.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                s, _ = self.l.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(s,), daemon=True).start()

    def close(self):
        stop_listening(self.l)


def wait_for(what, fn, seconds=30):
    """Until fn() is true (its value is returned); fail with 'what' after that many seconds."""
    end = time.monotonic() + seconds * SLOW
    while True:
        v = fn()
        if v:
            return v
        if time.monotonic() > end:
            raise AssertionError("waited in vain for: " + what)
        time.sleep(0.02)


def report(text):
    """The end of a log; if a sanitizer spoke, what it said."""
    at = max(text.find(w) for w in ("WARNING: ThreadSanitizer", "ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:"))
    return text[-2000:] if at < 0 else text[at:at + 6000]


class Site:
    """One Freshet site."""

    def __init__(self, name, peers=(), groups=("misc.test",), extra="", site="", listen="127.0.0.1", feed=True):
        self.name, self.port, self.bin = name, free_port(), BIN
        self.dir = fresh_dir(name)
        self.conf = os.path.join(self.dir, "nntpd.conf")
        self.peers, self.extra, self.site = list(peers), extra, site
        self.listen, self.feed = listen, feed
        self.proc = None
        os.makedirs(self.dir)
        self.write_conf()
        for g in groups:
            w = g.split()
            self.ctl("group", "add", *w)
        _sites.append(self)

    def write_conf(self):
        with open(self.conf, "w") as f:
            f.write('site "%s" {\n directory = "%s"\n log-level = "info"\n %s\n}\n' % (self.name, self.dir, self.site))
            f.write('listen "%s:%d" {}\n' % (self.listen, self.port))
            f.write('access "all" { from = { "*" } read = { "*" } post = { "*" } }\n')
            if self.feed:              # the tests themselves feed from here
                f.write('peer "src.example" { address = { "127.0.0.1" } }\n')
            for p in self.peers:
                f.write(p + "\n")
            f.write(self.extra + "\n")

    def peer(self, other, **k):
        """Make 'other' (a Site) a peer of ours: sent to and taken from."""
        opt = {"address": '{ "127.0.0.1" }', "connect": '"127.0.0.1:%d"' % other.port,
               "send": "true", "accept": "true"}
        opt.update({a.replace("_", "-"): v for a, v in k.items()})
        self.peers.append('peer "%s" {\n%s\n}' % (other.name, "\n".join(" %s = %s" % i for i in opt.items())))
        self.write_conf()

    def start(self, wrapper=(), env=None, wait=True):
        self.log = open(os.path.join(self.dir, "nntpd.log"), "ab")
        e = dict(os.environ, **(env or {}))
        self.proc = subprocess.Popen(list(wrapper) + [os.path.join(self.bin, "nntpd"), "-c", self.conf],
                                     stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL, env=e,
                                     start_new_session=True)
        if wait:
            wait_for("%s to answer on port %d (see %s)" % (self.name, self.port, self.log.name), self.answers)
        return self

    def answers(self):
        if self.proc.poll() is not None:
            raise AssertionError("nntpd of %s ended with %s:\n%s" % (self.name, self.proc.returncode, report(self.log_text())))
        try:
            with socket.create_connection((self.listen, self.port), 1) as s:
                s.settimeout(2)
                return s.recv(3) in (b"200", b"201")
        except OSError:
            return False

    def log_text(self):
        with open(os.path.join(self.dir, "nntpd.log"), errors="replace") as f:
            return f.read()

    def stop(self):
        """Ask it to stop, and wait; its exit status must be 0."""
        if self.proc and self.proc.poll() is None:
            self.proc.send_signal(signal.SIGTERM)
            try:
                self.proc.wait(30 * SLOW)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError("%s does not stop on SIGTERM" % self.name)
            assert self.proc.returncode == 0, "%s ended with %s:\n%s" % (self.name, self.proc.returncode, report(self.log_text()))
        self.proc = None

    def kill(self):
        """kill -9 of nntpd; the feeder it started ends with it."""
        if self.proc and self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()
        self.proc = None

    def feeder_pid(self):
        """The pid of the feeder that this nntpd started (0: none)."""
        for p in os.listdir("/proc"):
            if p.isdigit():
                try:
                    with open("/proc/%s/stat" % p) as f:
                        st = f.read()
                    comm, rest = st[st.index("(") + 1:st.rindex(")")], st[st.rindex(")") + 2:].split()
                    if comm == "feeder" and int(rest[1]) == self.proc.pid and rest[0] != "Z":
                        return int(p)
                except (OSError, ValueError):
                    pass
        return 0

    def ctl(self, *words, check=True, json=False):
        def run():
            return subprocess.run([os.path.join(self.bin, "newsctl"), "-c", self.conf] + (["--json"] if json else []) + list(words),
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=600)

        r, end = run(), time.monotonic() + 10 * SLOW
        while check and words[0] == "peer" and r.returncode == 3 and time.monotonic() < end:
            time.sleep(0.05)                          # nntpd answers before its feeder has begun
            r = run()
        if check and r.returncode != 0:
            raise AssertionError("newsctl %s: exit %d\n%s%s" % (" ".join(words), r.returncode, r.stdout, r.stderr))
        return r.stdout if check else r

    def status(self, name):
        """A row of newsctl status."""
        return next(l.split(None, 1)[1] for l in self.ctl("status").splitlines() if l.split()[:1] == [name])

    def client(self):
        return Client(self.listen, self.port)


class Client:
    """Lines to a server and back; CRLF is added and taken off."""

    def __init__(self, host, port, timeout=60, greet=True):
        self.s = socket.create_connection((host, port), timeout * SLOW)
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.f = self.s.makefile("rb", 65536)
        self.greeting = None
        self.greeting = self.line() if greet else None

    def line(self):
        l = self.f.readline()
        if not l:
            raise EOFError("connection closed; the greeting was %s" % self.greeting)
        return l.rstrip(b"\r\n").decode("latin-1")

    def send(self, text):
        self.s.sendall(text if isinstance(text, bytes) else text.encode("latin-1"))

    def cmd(self, text):
        self.send(text + "\r\n")
        return self.line()

    def block(self):
        """The lines of a multi-line answer, dots undone, as bytes."""
        out = []
        while True:
            l = self.f.readline()
            if not l:
                raise EOFError("connection closed in a block")
            if l == b".\r\n":
                return out
            out.append(l[1:-2] if l.startswith(b".") else l[:-2])

    def article(self, what):
        """The article as one run of bytes (CRLF, dots undone), or None."""
        r = self.cmd("ARTICLE " + str(what))
        return b"".join(l + b"\r\n" for l in self.block()) if r.startswith("220") else None

    def ihave(self, mid, wire):
        r = self.cmd("IHAVE " + mid)
        if not r.startswith("335"):
            return r
        self.send(wire)
        return self.line()

    def takethis(self, mid, wire):
        self.send(b"TAKETHIS " + mid.encode("latin-1") + b"\r\n" + wire)
        return self.line()

    def close(self):
        for x in (self.f, self.s):     # the file holds the socket open, too
            try:
                x.close()
            except OSError:
                pass


def make_id(domain="kit.example"):
    _serial[0] += 1
    return "<%d.%d.%d@%s>" % (os.getpid(), time.time_ns(), _serial[0], domain)


def make_article(mid=None, groups="misc.test", body="hello\r\n", path="src.example!not-for-mail", **head):
    """(id, wire form) of a valid article; head: X_Foo="bar" adds a field, None leaves one out."""
    mid = mid or make_id()
    f = {"Path": path, "From": "Joe <joe@example.com>", "Newsgroups": groups, "Subject": "t", "Message-ID": mid,
         "Date": time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime())}
    f.update({k.replace("_", "-"): v for k, v in head.items()})
    text = "".join("%s: %s\r\n" % i for i in f.items() if i[1] is not None) + "\r\n" + body
    return mid, to_wire(text.encode("latin-1"))


def to_wire(raw):
    """CRLF text to wire form with its terminator."""
    if raw.startswith(b"."):
        raw = b"." + raw
    return raw.replace(b"\r\n.", b"\r\n..") + b".\r\n"


def lf_to_wire(raw):
    return to_wire(raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") if raw.endswith(b"\n")
                   else (raw + b"\n").replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))


def rnews(path):
    """The articles of an rnews batch (gzip'd or not), as bytes."""
    op = gzip.open if path.endswith(".gz") else open
    with op(path, "rb") as f:
        while True:
            h = f.readline()
            if not h:
                return
            assert h.startswith(b"#! rnews "), h
            yield f.read(int(h.split()[2]))


def rss(s):
    with open("/proc/%d/status" % s.proc.pid) as f:
        return next(int(l.split()[1]) for l in f if l.startswith("VmRSS"))


def lean(s):
    """Started so that a sanitizer keeps little of what was freed."""
    return s.start(env={"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=4"})


def openssl(*words):
    r = subprocess.run(("openssl",) + words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert r.returncode == 0, r.stdout


def make_certificate(path, name, days=400, ca=None):
    """path.pem and path.key: for 'name', signed by itself or by ca.pem."""
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path + ".key",
            "-out", path + ".csr", "-subj", "/CN=" + name)
    by = ("-CA", ca + ".pem", "-CAkey", ca + ".key", "-CAcreateserial") if ca else ("-signkey", path + ".key")
    openssl("x509", "-req", "-in", path + ".csr", "-days", str(days), "-out", path + ".pem", *by)


def header(raw, name):
    """The body of a header field, folds kept as they are; None when absent."""
    head = raw.replace(b"\r\n", b"\n").split(b"\n\n", 1)[0]
    want, got = name.lower().encode() + b":", None
    for l in head.split(b"\n"):
        if got is not None and l[:1] in (b" ", b"\t"):
            got += b"\n" + l
        elif got is not None:
            break
        elif l.lower().startswith(want):
            got = l[len(want):].lstrip()
    return None if got is None else got.decode("latin-1").strip()


def corpus(name):
    """The path of a corpus file, or None when the corpus is not there."""
    p = os.path.join(CORPUS, name)
    return p if os.path.exists(p) else None


def seed():
    s = int(os.environ.get("SEED", str(random.randrange(1 << 30))))
    print("# SEED=%d" % s)
    return random.Random(s)


def last_lines(site, n=12):
    try:
        with open(os.path.join(site.dir, "nntpd.log"), errors="replace") as f:
            return "".join("    | " + l for l in f.readlines()[-n:])
    except OSError:
        return ""


def main(tests):
    """Run the functions given (or those named on the command line); exit 1 when any fails."""
    import traceback
    names = sys.argv[1:]
    bad = 0
    for t in tests:
        if names and t.__name__ not in names:
            continue
        start = time.monotonic()
        try:
            r = t()
            print("%s %s (%.1f s)" % ("skip" if r == "skip" else "ok  ", t.__name__, time.monotonic() - start), flush=True)
        except BaseException:
            bad += 1
            traceback.print_exc()
            for s in _sites:
                print("    log of %s (%s):\n%s" % (s.name, "runs" if s.proc and s.proc.poll() is None else "ended", last_lines(s)))
            print("FAIL %s (%.1f s)" % (t.__name__, time.monotonic() - start), flush=True)
        for s in _sites:
            s.kill()
        _sites.clear()
    sys.exit(1 if bad else 0)

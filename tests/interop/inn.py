"""A throw-away INN instance (Debian's inn2) as a peer: in a directory of its own, on loopback.

INN refuses to run as root, so its programs run as user news; needs root to switch.
"""
import os
import pwd
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "daemon"))
from kit import *  # noqa: E402,F401,F403
from kit import _sites, fresh_dir, tmp, free_port, wait_for  # noqa: E402

PROGRAMS = "/usr/lib/news/bin"

# what innfeed and innd log of a peer that they do not understand
NONSENSE = re.compile(r"response (unknown|unexpected|format)|message-id (missing|invalid)|unexpected (non-)?streaming|"
                      r"bad state|bad_command|bad command|internal|munged|protocol|SERVER (panic|cant)", re.I)


def usable():
    return os.geteuid() == 0 and os.path.exists(PROGRAMS + "/innd")


_preload = []


def preload():
    """syslog.c as a library that INN's programs can load."""
    if not _preload:
        so = os.path.join(tmp(), "syslog.so")
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-U_FORTIFY_SOURCE", "-o", so,
                        os.path.join(os.path.dirname(os.path.abspath(__file__)), "syslog.c")], check=True)
        _preload.append(so)
    return _preload[0]


class Inn:
    def __init__(self, name, groups, peers=(), port=None, streaming=True, login=None):
        """groups: names, or (name, flag); peers: (name, host, port) to feed by innfeed; login: (user, password, our
        address, theirs): what both say to each other, from addresses that alone give no right."""
        self.name, self.port, self.proc, self.streaming = name, port or free_port(), None, streaming
        self.login = login
        groups = [g if isinstance(g, tuple) else (g, "y") for g in groups]
        self.dir = fresh_dir(name)
        os.chmod(tmp(), 0o755)
        preload()
        for d in ("etc", "db", "log", "run", "spool/articles", "spool/overview", "spool/incoming/tmp",
                  "spool/incoming/bad", "spool/outgoing", "spool/innfeed", "spool/archive"):
            os.makedirs(os.path.join(self.dir, d))
        shutil.copytree("/etc/news", self.dir + "/etc", dirs_exist_ok=True)
        self._write(groups, peers)
        u = pwd.getpwnam("news")
        for d, _, files in os.walk(self.dir):
            os.chown(d, u.pw_uid, u.pw_gid)
            for f in files:
                os.chown(os.path.join(d, f), u.pw_uid, u.pw_gid)
        self.run("makedbz", "-i", "-o")
        for f in ("dir", "hash", "index"):
            n = "%s/db/history.n.%s" % (self.dir, f)
            if os.path.exists(n):
                os.rename(n, "%s/db/history.%s" % (self.dir, f))
        _sites.append(self)

    def _write(self, groups, peers):
        d, streaming = self.dir, "true" if self.streaming else "false"
        to, known = " ip-name: %s\n port-number: %d\n", ""
        if self.login:
            user, word, ours, theirs = self.login
            known = 'peer "them" {\n hostname: "%s"\n password: "%s"\n}\n' % (theirs, word)
            to += ' bindaddress: %s\n username: "%s"\n password: "%s"\n' % (ours, user, word)
        settings = {
            "mta": '"/bin/true %s"', "organization": '"interop"', "ovmethod": "tradindexed", "hismethod": "hisv6",
            "pathhost": self.name, "domain": "test", "fromhost": self.name, "pathnews": "/usr/lib/news",
            "mailcmd": "/bin/true", "artcutoff": "0", "enableoverview": "true", "wanttrash": "false",
            "port": self.port, "server": "127.0.0.1", "bindaddress": "127.0.0.1", "pgpverify": "false", "docancels": "none",
            "doinnwatch": "false", "nnrpdloadlimit": "0", "rlimitnofile": "500", "maxartsize": "2000000",
            "pathbin": PROGRAMS, "pathcontrol": PROGRAMS + "/control", "pathetc": d + "/etc",
            "pathfilter": d + "/etc/filter", "pathdb": d + "/db", "pathlog": d + "/log", "pathrun": d + "/run",
            "pathhttp": d + "/log", "pathspool": d + "/spool", "patharticles": d + "/spool/articles",
            "pathoverview": d + "/spool/overview", "pathincoming": d + "/spool/incoming",
            "pathoutgoing": d + "/spool/outgoing", "patharchive": d + "/spool/archive",
            "pathtmp": d + "/spool/incoming/tmp",
        }
        files = {
            "etc/inn.conf": "".join("%s: %s\n" % i for i in settings.items()),
            "etc/storage.conf": "method tradspool {\n class: 1\n newsgroups: *\n}\n",
            "etc/incoming.conf": 'streaming: %s\nmax-connections: 50\npeer localhost {\n hostname: "127.0.0.1"\n}\n' % streaming + known,
            "etc/readers.conf": 'auth "l" {\n hosts: "127.0.0.1"\n default: "<l>"\n}\n'
                                'access "l" {\n users: "<l>"\n newsgroups: "*"\n access: "RPA"\n}\n',
            "etc/newsfeeds": "ME:*::\n" + ("innfeed!:!*:Tc,Wnm*:%s/innfeed -y\n" % PROGRAMS if peers else "")
                             + "".join("%s:*,!junk,!control*:Tm:innfeed!\n" % p[0] for p in peers),
            "etc/innfeed.conf": "pid-file: innfeed.pid\nlog-file: innfeed.log\nbacklog-directory: %s/spool/innfeed\n"
                                "status-file: innfeed.status\ngen-html: false\ninitial-connections: 1\nstreaming: %s\n"
                                "no-check-high: 95.0\nno-check-low: 90.0\nbacklog-rotate-period: 2\nbacklog-ckpt-period: 2\nbacklog-newfile-period: 4\nmax-queue-size: 100\nhost-queue-highwater: 5000\ninitial-reconnect-time: 1\n"
                                "max-reconnect-time: 2\n" % (d, streaming)
                                + "".join("peer %s {\n" % p[0] + to % tuple(p[1:]) + "}\n" for p in peers),
            "etc/expire.ctl": "*:A:never:never:never\n/remember/:30\n",
            "etc/nocem.ctl": "\n", "db/newsgroups": "", "db/active.times": "", "db/history": "",
            "db/active": "".join("%s 0000000000 0000000001 %s\n" % (g, f) for g, f in
                                 [(g, "n") for g in ("control", "junk", "control.cancel", "control.newgroup",
                                                     "control.rmgroup", "control.checkgroups")]
                                 + groups if f != "x"),
        }
        for f in ("etc/filter/filter_innd.pl", "etc/filter/startup_innd.pl"):
            if os.path.exists(d + "/" + f):
                os.unlink(d + "/" + f)
        for name, text in files.items():
            with open(d + "/" + name, "w") as f:
                f.write(text)

    def _cmd(self, words):
        return ["setpriv", "--reuid=news", "--regid=news", "--init-groups", "env", "LD_PRELOAD=" + preload(),
                "SYSLOG_FILE=%s/log/syslog" % self.dir, "INNCONF=%s/etc/inn.conf" % self.dir,
                "PATH=%s:%s" % (PROGRAMS, os.environ["PATH"])] + list(words)

    def run(self, *words, input=""):
        return subprocess.run(self._cmd(words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=self.dir, input=input)

    def ctl(self, *words):
        r = self.run("ctlinnd", "-t", "20", *words)
        assert r.returncode == 0, r.stdout
        return r.stdout

    def start(self):
        for f in ("control", "nntpin", "innd.pid"):
            p = "%s/run/%s" % (self.dir, f)
            if os.path.exists(p):
                os.unlink(p)
        out = open(self.dir + "/log/innd.out", "ab")
        # -f: stay in the foreground, so that the process is our child
        self.proc = subprocess.Popen(self._cmd([PROGRAMS + "/innd", "-f"]), stdin=subprocess.DEVNULL,
                                     stdout=out, stderr=out, cwd=self.dir, start_new_session=True)
        wait_for("innd on port %d (see %s/log)" % (self.port, self.dir), self.answers)
        return self

    def answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as s:
                s.settimeout(2)
                return s.recv(3) == b"200"
        except OSError:
            return False

    def stop(self):
        if self.proc:
            self.run("ctlinnd", "-t", "20", "shutdown", "stop")
            try:
                self.proc.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
        self.proc = None

    def kill(self):
        """End innd and what it started: they share its session."""
        if self.proc and self.proc.poll() is None:
            try:
                os.killpg(self.proc.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.proc.wait()
        self.proc = None

    def log_text(self):
        """What its programs told the system's log."""
        path = self.dir + "/log/syslog"
        return open(path, errors="replace").read() if os.path.exists(path) else ""

    def understood_us(self):
        text = self.log_text()
        assert "innd[" in text and "innfeed[" in text, "nothing of its log was caught"
        known = () if self.streaming else ("bad_command MODE STREAM",)          # one may ask
        bad = [l for l in text.splitlines() if NONSENSE.search(l) and not l.endswith(known)]
        assert not bad, "\n".join(bad[:20])

    def client(self, reader=False):
        c = Client("127.0.0.1", self.port)
        if reader:
            c.cmd("MODE READER")
        return c

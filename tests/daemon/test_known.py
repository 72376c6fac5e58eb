"""Peers that are known by address, by certificate, by login: one block, and its limits, however they came."""
import base64
import hashlib
import re
import ssl

from kit import *

LIMITS = """incoming-connections = %d  article-max = 4K
 accept-groups = { "*", "!misc.local", "@misc.poison" } path = { "src.example" }"""
CERT = 'tls-certificate = "site.pem" tls-key = "site.key" tls-ca = "ca.pem"'


def certificate(path):
    """path.pem and path.key, signed by itself; its fingerprint."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path + ".key",
                    "-out", path + ".pem", "-days", "2", "-subj", "/CN=x.test"], check=True, stderr=subprocess.DEVNULL)
    with open(path + ".pem") as f:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(f.read())).hexdigest()


def signed(path, ca, name):
    """path.pem and path.key: for the host 'name', signed by ca.pem."""
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path + ".key",
                    "-out", path + ".csr", "-subj", "/CN=whatever"], **quiet)
    with open(path + ".ext", "w") as f:
        f.write("subjectAltName = DNS:other.test, DNS:%s\nextendedKeyUsage = clientAuth\n" % name)
    subprocess.run(["openssl", "x509", "-req", "-in", path + ".csr", "-CA", ca + ".pem", "-CAkey", ca + ".key", "-CAcreateserial",
                    "-days", "2", "-extfile", path + ".ext", "-out", path + ".pem"], **quiet)


class Known(Client):
    """A client from an address of its own, with or without a certificate."""

    def __init__(self, host, port, source=None, cert=None, implicit=False):
        self.s = socket.create_connection((host, port), 60 * SLOW, (source, 0) if source else None)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.tls.check_hostname, self.tls.verify_mode = False, ssl.CERT_NONE
        if cert:
            self.tls.load_cert_chain(cert + ".pem", cert + ".key")
        if implicit:
            self.s = self.tls.wrap_socket(self.s)
        self.f = self.s.makefile("rb", 65536)
        self.greeting = self.line()

    def starttls(self):
        r = self.cmd("STARTTLS")
        assert r.startswith("382 "), r
        self.f.close()
        self.s = self.tls.wrap_socket(self.s)
        self.f = self.s.makefile("rb", 65536)
        return self


def user(s, name, password):
    subprocess.run([os.path.join(BIN, "newsctl"), "-c", s.conf, "user", "add", name], input=password + "\n", text=True, check=True,
                   stdout=subprocess.DEVNULL)


def one(name, block, extra=""):
    """A site on three doors (plain, TLS, IPv6) that knows nobody but the peer of 'block'."""
    s = Site(name, feed=False, groups=["misc.test", "misc.local", "misc.poison"], site=CERT + " " + extra)
    s.print = certificate(os.path.join(s.dir, "site"))
    s.friend = certificate(os.path.join(s.dir, "friend"))
    ca, evil = os.path.join(s.dir, "ca"), os.path.join(s.dir, "evil-ca")
    certificate(ca), certificate(evil)
    signed(os.path.join(s.dir, "named"), ca, "Feed.friend.test")
    signed(os.path.join(s.dir, "another"), ca, "feed.another.test")
    signed(os.path.join(s.dir, "forged"), evil, "feed.friend.test")
    s.tls_port, s.six_port = free_port(), free_port()
    s.extra = 'listen "127.0.0.1:%d" { tls = true }\nlisten "[::1]:%d" { }\n' % (s.tls_port, s.six_port)
    rewrite(s, block)
    return s


def rewrite(s, block):
    s.peers = [block % {"print": s.friend}]
    s.write_conf()
    with open(s.conf) as f:
        text = f.read()
    with open(s.conf, "w") as f:
        f.write(text.replace('access "all" { from = { "*" } read = { "*" } post = { "*" } }', ""))


def by_address(source):
    return lambda s: Known("127.0.0.1", s.port, source)


def by_user(s):
    c = Known("127.0.0.1", s.port)
    assert c.greeting.startswith("201 "), c.greeting
    assert c.cmd("CHECK <x@a.example>").startswith("480 ")
    assert c.cmd("AUTHINFO USER hub").startswith("381 ")
    c.answer = c.cmd("AUTHINFO PASS s3cret")
    return c


def by_sasl(s):
    c = Known("127.0.0.1", s.tls_port, implicit=True)
    c.answer = c.cmd("AUTHINFO SASL PLAIN " + base64.b64encode(b"\0hub\0s3cret").decode())
    return c


WAYS = {"an address": by_address("127.0.0.5"), "a network": by_address("127.8.3.9"), "IPv6": lambda s: Known("::1", s.six_port),
        "a certificate, STARTTLS": lambda s: Known("127.0.0.1", s.port, cert=os.path.join(s.dir, "friend")).starttls(),
        "a certificate, TLS": lambda s: Known("127.0.0.1", s.tls_port, cert=os.path.join(s.dir, "friend"), implicit=True),
        "a certificate's name": lambda s: Known("127.0.0.1", s.port, cert=os.path.join(s.dir, "named")).starttls(),
        "AUTHINFO USER": by_user, "SASL PLAIN": by_sasl}
BLOCK = 'peer "friend.test" { address = { "127.0.0.5", "127.8.0.0/16", "::1" } certificate = { "%%(print)s", "feed.friend.test" } login = "hub"\n ' + LIMITS + " }"


def takes_what_the_block_says(c):
    assert c.cmd("CHECK " + make_id()).startswith("238 ")
    for groups, body, answer in (("misc.test", "hello\r\n", "239 "), ("misc.local", "hello\r\n", "439 "), ("misc.test,misc.local", "x\r\n", "239 "),
                                 ("misc.test,misc.poison", "hello\r\n", "439 "), ("misc.test", ("x" * 70 + "\r\n") * 80, "439 ")):
        mid, wire = make_article(groups=groups, body=body)
        got = c.takethis(mid, wire)
        assert got.startswith(answer + mid), (groups, got)


def turned_away(enter, s):
    """One more of them hears 400, at the door or as soon as it is known."""
    c = enter(s)
    said = getattr(c, "answer", None) or (c.greeting if c.greeting.startswith("400 ") else c.line())
    assert said.startswith("400 ") and "too many connections" in said, said
    assert c.f.readline() == b""
    c.close()


def one_block_knows_its_peer_in_each_way_and_counts_them_all():
    s = one("ways.test", BLOCK % len(WAYS))
    user(s, "hub", "s3cret")
    s.start()
    here = {}
    for way, enter in WAYS.items():
        here[way] = enter(s)
        takes_what_the_block_says(here[way])
    for way, enter in WAYS.items():
        turned_away(enter, s)
    for way, enter in WAYS.items():           # one goes, one comes, in any way
        here.pop(sorted(here)[0]).close()
        wait_for("its place to be free", lambda: int(s.status("connections")) == len(here))
        here[way + " again"] = enter(s)
        assert here[way + " again"].cmd("CHECK " + make_id()).startswith("238 "), way
        turned_away(enter, s)
    c = Known("127.0.0.1", s.port)            # nobody yet
    assert c.cmd("TAKETHIS <1@a.example>\r\n.").startswith("480 ") and c.cmd("IHAVE <1@a.example>").startswith("480 ")
    assert s.status("accepted") == str(2 * len(WAYS)) and s.status("too_many") == str(2 * len(WAYS))
    s.stop()


def what_a_reload_takes_from_the_block_is_gone_at_once():
    s = one("less.test", BLOCK % 100)
    user(s, "hub", "s3cret")
    s.start()
    for taken, ways in (('address = { "127.0.0.5", "127.8.0.0/16", "::1" }', ("an address", "a network", "IPv6")),
                        ('certificate = { "%(print)s", "feed.friend.test" }', ("a certificate, STARTTLS", "a certificate, TLS", "a certificate's name")),
                        ('"%(print)s", ', ("a certificate, STARTTLS", "a certificate, TLS")),
                        ('login = "hub"', ("AUTHINFO USER", "SASL PLAIN"))):
        rewrite(s, BLOCK % 100)
        s.ctl("reload")
        here = {way: enter(s) for way, enter in WAYS.items()}
        assert taken in BLOCK % 100
        rewrite(s, (BLOCK % 100).replace(taken, ""))
        s.ctl("reload")
        for way, c in here.items():
            try:
                said = c.cmd("CHECK " + make_id())
            except (EOFError, OSError):        # it is nobody any more
                said = "closed"
            assert said.startswith("238 ") == (way not in ways), (taken, way, said)
            c.close()
    s.stop()


def a_name_counts_only_when_our_authority_has_signed_it():
    s = one("names.test", BLOCK % 100)
    user(s, "hub", "s3cret")                   # so that nobody is sent away before he may log in
    s.start()
    for who, code in (("named", "238 "), ("another", "480 "), ("forged", "480 "), ("ca", "480 ")):
        for implicit in (False, True):
            c = Known("127.0.0.1", s.tls_port if implicit else s.port, cert=os.path.join(s.dir, who), implicit=implicit)
            said = (c if implicit else c.starttls()).cmd("CHECK " + make_id())
            assert said.startswith(code), (who, implicit, said)
            c.close()
    s.stop()


def a_site_knows_another_by_its_certificate_or_its_login():
    a, b = one("from.test", ""), Site("to.test", feed=False, site=CERT)
    certificate(os.path.join(b.dir, "site")), certificate(os.path.join(b.dir, "ca"))
    theirs = hashlib.sha256(ssl.PEM_cert_to_DER_cert(open(b.dir + "/site.pem").read())).hexdigest()
    user(b, "hub", "s3cret")
    a.feed = True
    b.peers = ['peer "from.test" { address = { "127.0.0.77" } certificate = "%s" }' % a.print]
    b.write_conf()
    b.start()

    def send(**k):
        a.peers = []
        a.peer(b, tls='"starttls"', fingerprint='"%s"' % theirs, **k)
        a.ctl("reload") if a.proc else a.start()
        mid, wire = make_article()
        assert a.client().takethis(mid, wire).startswith("239 ")
        return mid, lambda: b.client().cmd("STAT " + mid).startswith("223 ")

    def error():
        r = a.ctl("peer", "show", "to.test", check=False)
        return r.returncode == 0 and r.stdout or ""

    wait_for("it to come from one who showed its certificate", send()[1])
    first, there = send(show_certificate="false")
    wait_for("a refusal", lambda: re.search(r"last error .*48[03]|last error .*502", error()))
    assert not there()
    b.peers = ['peer "from.test" { address = { "127.0.0.77" } login = "hub" }']
    b.write_conf()
    b.ctl("reload")
    wait_for("it to come from one who logged in", send(show_certificate="false", login_as='"hub"', login_password='"s3cret"')[1])
    wait_for("what had waited", there)
    a.stop(), b.stop()


def a_name_is_resolved_again_while_the_site_runs():
    hosts = os.path.join(fresh_dir("hosts"), "hosts")
    os.makedirs(os.path.dirname(hosts))

    def says(line):                            # the same file: it is mounted over /etc/hosts
        with open(hosts, "w") as f:
            f.write("127.0.0.1 localhost\n%s moving.freshet.test\n" % line)

    says("127.0.0.1")
    alone = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', hosts]
    if subprocess.run(alone + ["grep", "-q", "moving.freshet.test", "/etc/hosts"], stderr=subprocess.DEVNULL).returncode != 0:
        return "skip"                          # only root may; tests/unit/nntpd_resolve.c plays it with a name service of its own
    s = Site("moves.test", feed=False, peers=['peer "friend.test" { address = { "moving.freshet.test" } }'])
    s.start(wrapper=alone)
    c = s.client()
    assert c.cmd("CHECK " + make_id()).startswith("238 ")
    says("127.0.0.9")
    s.ctl("reload")                            # else it is asked again after five minutes
    wait_for("the old address to be a reader's", lambda: c.cmd("CHECK " + make_id()).startswith("502 "))
    assert Known("127.0.0.1", s.port, "127.0.0.9").cmd("CHECK " + make_id()).startswith("238 ")
    with open(hosts, "w") as f:                # nobody has the name: what is known stays
        f.write("127.0.0.1 localhost\n")
    s.ctl("reload")
    wait_for("it to be noticed", lambda: "moving.freshet.test: " in s.log_text())
    assert Known("127.0.0.1", s.port, "127.0.0.9").cmd("CHECK " + make_id()).startswith("238 ")
    s.stop()


def a_peer_is_reached_where_it_was_while_the_name_service_is_silent():
    hosts = os.path.join(fresh_dir("hosts"), "hosts")
    os.makedirs(os.path.dirname(hosts))

    def says(*lines):
        with open(hosts, "w") as f:
            f.write("".join(l + "\n" for l in ("127.0.0.1 localhost",) + lines))

    says("127.0.0.1 there.freshet.test")
    alone = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', hosts]
    if subprocess.run(alone + ["grep", "-q", "there.freshet.test", "/etc/hosts"], stderr=subprocess.DEVNULL).returncode != 0:
        return "skip"                          # only root may
    to = Site("there.freshet.test").start()
    s = Site("finds.test")
    s.peer(to, connect='"there.freshet.test:%d"' % to.port, address='{ "127.0.0.2" }')
    s.start(wrapper=alone)
    c = s.client()

    def gets():
        mid, wire = make_article()
        assert c.takethis(mid, wire).startswith("239")
        wait_for("the article", lambda: to.client().cmd("STAT " + mid).startswith("223"))

    gets()
    says()                                     # nobody has the name
    to.stop()                                  # so that another connection is wanted
    to.start()
    gets()
    assert "there.freshet.test: " in s.log_text() and "the addresses that it had are tried" in s.log_text()
    s.stop(), to.stop()


if __name__ == "__main__":
    main([one_block_knows_its_peer_in_each_way_and_counts_them_all, what_a_reload_takes_from_the_block_is_gone_at_once,
          a_name_counts_only_when_our_authority_has_signed_it,
          a_site_knows_another_by_its_certificate_or_its_login, a_name_is_resolved_again_while_the_site_runs,
          a_peer_is_reached_where_it_was_while_the_name_service_is_silent])

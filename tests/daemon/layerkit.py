"""What the tests of TLS and DEFLATE share: a site with a certificate, and a client that speaks both.

Certificates are made here with openssl(1); the other end is Python's ssl and zlib.
"""
import hashlib
import ssl
import zlib

from kit import *

CERT = 'tls-certificate = "site.pem"\n tls-key = "site.key"'


def fingerprint(path):
    with open(path + ".pem") as f:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(f.read())).hexdigest()


def context(cert=None, **k):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname = False
    c.verify_mode = ssl.CERT_NONE
    for name, v in k.items():
        setattr(c, name, v)
    if cert:
        c.load_cert_chain(cert + ".pem", cert + ".key")
    return c


_open = []                                     # a site that stops waits a while for clients to hang up


def done(s):
    while _open:
        _open.pop().close()
    s.stop()


class Layers:
    """An NNTP client that can put TLS and DEFLATE on its connection."""

    def __init__(self, host, port, tls=None, greet=True):
        self.s = socket.create_connection((host, port), 60 * SLOW)
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.held, self.pack, self.unpack = b"", None, None
        if tls:
            self.s = tls.wrap_socket(self.s, server_hostname="news.test")
        self.greeting = self.line() if greet else None
        _open.append(self)

    def line(self):
        while b"\n" not in self.held:
            got = self.s.recv(65536)
            if not got:
                raise EOFError("connection closed")
            self.held += self.unpack.decompress(got) if self.unpack else got
        l, self.held = self.held.split(b"\n", 1)
        return l.rstrip(b"\r").decode("latin-1")

    def send(self, text):
        b = text if isinstance(text, bytes) else text.encode("latin-1")
        self.s.sendall(self.pack.compress(b) + self.pack.flush(zlib.Z_SYNC_FLUSH) if self.pack else b)

    def cmd(self, text):
        self.send(text + "\r\n")
        return self.line()

    def block(self):
        out = []
        while True:
            l = self.line()
            if l == ".":
                return out
            out.append(l[1:] if l.startswith(".") else l)

    def caps(self):
        assert self.cmd("CAPABILITIES").startswith("101 ")
        return self.block()

    def takethis(self, mid, wire):
        self.send(b"TAKETHIS " + mid.encode("latin-1") + b"\r\n" + wire)
        return self.line()

    def starttls(self, tls=None):
        r = self.cmd("STARTTLS")
        assert r.startswith("382 "), r
        assert self.held == b""
        self.s = (tls or context()).wrap_socket(self.s, server_hostname="news.test")
        return self

    def compress(self, level=9, bits=-15):
        r = self.cmd("COMPRESS DEFLATE")
        assert r.startswith("206 "), r
        assert self.held == b""
        self.pack, self.unpack = zlib.compressobj(level, zlib.DEFLATED, bits), zlib.decompressobj(-15)
        return self

    def closed(self):
        """Nothing more comes but the end."""
        try:
            return self.held == b"" and self.s.recv(1) == b""
        except (ConnectionError, ssl.SSLError):
            return self.held == b""

    def shown(self):
        return hashlib.sha256(self.s.getpeercert(True)).hexdigest()

    def close(self):
        self.s.close()


_n = [0]


def one(site=CERT, tls_port=True, start=True, cert=True, **k):
    _n[0] += 1
    s = Site("layers%d.test" % _n[0], site="", **k)
    s.tls_port = free_port()
    if cert:
        make_certificate(os.path.join(s.dir, "site"), "news.test")
    s.site = site
    if tls_port:
        s.extra += '\nlisten "127.0.0.1:%d" { tls = true }' % s.tls_port
    s.write_conf()
    return s.start() if start else s


def plain(s):
    return Layers(s.listen, s.port)


def secure(s, **k):
    return Layers(s.listen, s.tls_port, tls=context(**k))

"""What feeder says to peers of every kind: played by a peer that the test scripts."""
import base64
import hashlib
import ssl
import zlib

from kit import *


def certificate(name):
    """A self-signed certificate for 127.0.0.1: (file with key and certificate, its SHA-256)."""
    d = fresh_dir(name)
    os.makedirs(d)
    pem = os.path.join(d, "both.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", d + "/key", "-out", d + "/cert", "-days", "2",
                    "-subj", "/CN=peer.test", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, stderr=subprocess.DEVNULL)
    with open(pem, "w") as f:
        f.write(open(d + "/key").read() + open(d + "/cert").read())
    der = ssl.PEM_cert_to_DER_cert(open(d + "/cert").read())
    return pem, hashlib.sha256(der).hexdigest()


class Peer(Listener):
    """A peer on a port of its own: each connection is answered by 'answers' (command -> reply, or a function)."""

    def __init__(self, answers=None, cert=None, implicit=False):
        self.answers, self.cert, self.implicit = answers or {}, cert, implicit
        self.heard, self.bodies = [], {}
        super().__init__()

    def tls(self, s):
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        c.load_cert_chain(self.cert)
        return c.wrap_socket(s, server_side=True)

    def talk(self, s):
        try:
            if self.implicit:
                s = self.tls(s)
            self.session(s)
        except (OSError, ValueError, zlib.error) as e:
            self.heard.append("(%s)" % type(e).__name__)
        s.close()

    def session(self, s):
        buf, inflate, deflate = b"", None, None

        def more():
            nonlocal buf
            d = s.recv(65536)
            if not d:
                raise OSError("closed")
            buf += inflate.decompress(d) if inflate else d

        def line():
            nonlocal buf
            while b"\r\n" not in buf:
                more()
            l, buf = buf.split(b"\r\n", 1)
            return l.decode("latin-1")

        def say(text):
            d = (text + "\r\n").encode()
            s.sendall(deflate.compress(d) + deflate.flush(zlib.Z_SYNC_FLUSH) if deflate else d)

        say("200 scripted")
        while True:
            cmd = line()
            self.heard.append(cmd)
            word = cmd.split()[0].upper()
            body = None
            if word == "TAKETHIS":
                rows = []
                while True:
                    l = line()
                    if l == ".":
                        break
                    rows.append(l)
                self.bodies[cmd.split()[1]] = rows
            a = self.answers.get(cmd, self.answers.get(word))
            if callable(a):
                a = a(cmd)
            if a == "":
                continue
            if a is None:
                a = {"MODE": "203 ok", "CHECK": "238 " + cmd.split()[-1], "TAKETHIS": "239 " + cmd.split()[-1], "STARTTLS": "382 go",
                     "COMPRESS": "206 go", "QUIT": "205 bye", "AUTHINFO": "281 welcome"}.get(word, "500 what?")
            say(a)
            if a.startswith("382"):
                buf = b""
                s = self.tls(s)
            if a.startswith("206"):
                inflate, deflate = zlib.decompressobj(-15), zlib.compressobj(9, zlib.DEFLATED, -15)
            if word == "QUIT":
                return


def site_for(peer, **k):
    s = Site("out.test", groups=["misc.test"])
    opt = {"address": '{ "127.0.0.1" }', "connect": '"127.0.0.1:%d"' % peer.port, "send": "true", "accept": "false", "connections": "1"}
    opt.update({a.replace("_", "-"): v for a, v in k.items()})
    s.peers.append('peer "peer.test" {\n%s\n}' % "\n".join(" %s = %s" % i for i in opt.items()))
    s.write_conf()
    return s.start()


def feed(site, n):
    c, mids = site.client(), []
    for i in range(n):
        mid, wire = make_article(body="body %d\r\n..dot\r\n" % i)
        assert c.takethis(mid, wire).startswith("239")
        mids.append(mid)
    c.close()
    return mids


def error_of(site):
    r = site.ctl("peer", "show", "peer.test", check=False)         # feeder may still be starting
    if r.returncode != 0:
        return ""
    return [l for l in r.stdout.splitlines() if l.startswith("last error ") and "last error at" not in l][0]


def starttls_pinned_login_and_compression_all_at_once():
    pem, print_ = certificate("pem")
    p = Peer(cert=pem)
    s = site_for(p, tls='"starttls"', fingerprint='"%s"' % print_.upper(), login_as='"us"', login_password='"s3cret"', compress="true")
    mids = feed(s, 50)
    wait_for("50 articles", lambda: set(p.bodies) == set(mids))
    assert p.bodies[mids[0]][-2:] == ["body 0", "...dot"], p.bodies[mids[0]]
    assert p.heard[:4] == ["STARTTLS", "AUTHINFO SASL PLAIN " + base64.b64encode(b"\0us\0s3cret").decode(), "COMPRESS DEFLATE",
                           "MODE STREAM"], p.heard[:5]
    assert "s3cret" not in s.log_text() and base64.b64encode(b"\0us\0s3cret").decode() not in s.log_text()
    s.stop()
    p.close()


def tls_from_the_first_octet():
    pem, print_ = certificate("pem")
    p = Peer(cert=pem, implicit=True)
    s = site_for(p, tls='"yes"', tls_verify="false")
    mids = feed(s, 5)
    wait_for("5 articles", lambda: set(p.bodies) == set(mids))
    assert p.heard[0] == "MODE STREAM"
    s.stop()
    p.close()


def another_certificate_gets_nothing():
    pem, _ = certificate("pem")
    p = Peer(cert=pem)
    s = site_for(p, tls='"starttls"', fingerprint='"%s"' % ("ab" * 32), login_as='"us"', login_password='"s3cret"')
    feed(s, 1)
    wait_for("an error about the certificate", lambda: "certificate" in error_of(s))
    assert not any("AUTHINFO" in h or "CHECK" in h for h in p.heard), p.heard
    s.ctl("reload")
    # an authority that nobody knows
    s.peers[0] = s.peers[0].replace('fingerprint = "%s"' % ("ab" * 32), "")
    s.write_conf()
    s.ctl("reload")
    wait_for("an error about who signed it", lambda: "certificate" in error_of(s).lower() and "self" in error_of(s).lower())
    assert not any("AUTHINFO" in h or "CHECK" in h for h in p.heard), p.heard
    s.stop()
    p.close()


def a_peer_that_will_not_do_tls_gets_neither_password_nor_articles():
    p = Peer(answers={"STARTTLS": "580 no"})
    s = site_for(p, tls='"starttls"', login_as='"us"', login_password='"s3cret"')
    feed(s, 1)
    wait_for("the refusal", lambda: "580" in error_of(s))
    assert not any("AUTHINFO" in h or "CHECK" in h for h in p.heard), p.heard
    s.stop()
    p.close()


def without_sasl_the_older_login_is_used():
    p = Peer(answers={"AUTHINFO": lambda c: "381 more" if " USER " in c else "281 ok" if " PASS " in c else "503 no"})
    s = site_for(p, login_as='"us"', login_password='"s3cret"', cleartext_login="true")
    mids = feed(s, 3)
    wait_for("3 articles", lambda: set(p.bodies) == set(mids))
    assert p.heard[:3] == ["AUTHINFO USER us", "AUTHINFO PASS s3cret", "MODE STREAM"], p.heard[:4]
    s.stop()
    p.close()


def a_refused_mechanism_is_no_refused_login():
    pem, print_ = certificate("pem")
    for no in ("500", "501", "502", "503"):
        p = Peer(cert=pem, answers={"AUTHINFO": lambda c: "381 more" if " USER " in c else "281 ok" if " PASS " in c else no + " no"})
        s = site_for(p, login_as='"us"', login_password='"s3cret"', tls='"starttls"', fingerprint='"%s"' % print_)
        mids = feed(s, 3)
        wait_for("3 articles after " + no, lambda: set(p.bodies) == set(mids))
        assert p.heard[1].startswith("AUTHINFO SASL PLAIN ") and p.heard[2:4] == ["AUTHINFO USER us", "AUTHINFO PASS s3cret"], p.heard[:5]
        s.stop()
        p.close()


def questions(p, since=0):
    return sum(h.startswith("CHECK") for h in p.heard[since:])


def the_window_begins_small_and_grows_while_the_peer_keeps_up():
    p = Peer(answers={"CHECK": ""})
    s = site_for(p)
    feed(s, 400)
    wait_for("16 questions", lambda: questions(p) == 16)
    time.sleep(0.3)
    assert questions(p) == 16, "more than the first window before any answer"
    s.stop()
    p.close()
    p = Peer(answers={"CHECK": lambda c: "438 " + c.split()[-1]})
    s = site_for(p)
    s.ctl("peer", "pause", "peer.test")
    feed(s, 1500)
    s.ctl("peer", "resume", "peer.test")              # now it is the peer's pace that counts
    wait_for("all refused", lambda: questions(p) >= 1500)
    wait_for("nothing in flight", lambda: "in flight 0" in " ".join(s.ctl("peer", "show", "peer.test").split()))
    p.answers["CHECK"], n = "", len(p.heard)          # how many come without an answer now?
    feed(s, 400)
    wait_for("more than at first", lambda: questions(p, n) > 16)
    s.stop()
    p.close()


def later_makes_the_window_smaller():
    p = Peer(answers={"CHECK": lambda c: "431 " + c.split()[-1]})
    s = site_for(p, retry="1h")
    feed(s, 300)
    wait_for("all put off", lambda: questions(p) >= 300)
    p.answers["CHECK"], n = "", len(p.heard)
    feed(s, 100)
    wait_for("some questions", lambda: questions(p, n) >= 4)
    time.sleep(0.3)
    assert questions(p, n) < 16, questions(p, n)
    s.stop()
    p.close()


if __name__ == "__main__":
    main([starttls_pinned_login_and_compression_all_at_once, tls_from_the_first_octet, another_certificate_gets_nothing,
          a_peer_that_will_not_do_tls_gets_neither_password_nor_articles, without_sasl_the_older_login_is_used, a_refused_mechanism_is_no_refused_login,
          the_window_begins_small_and_grows_while_the_peer_keeps_up, later_makes_the_window_smaller])

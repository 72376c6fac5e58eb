"""Two sites that feed each other through TLS, a login and DEFLATE: nothing lost, nothing twice, nothing to a stranger."""
import hashlib
import re
import ssl
import threading

from kit import *

N = int(os.environ.get("ARTICLES", "1000"))


def certificate(d, name):
    """d/NAME.pem and .key, self-signed; its SHA-256."""
    path = os.path.join(d, name)
    r = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "20",
                        "-keyout", path + ".key", "-out", path + ".pem", "-subj", "/CN=" + name], stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True)
    assert r.returncode == 0, r.stdout
    with open(path + ".pem") as f:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(f.read())).hexdigest()


class Secure(Site):
    """A site with a certificate and a port for TLS; its feeder comes from an address that alone gives no right."""

    def __init__(self, name, number):
        super().__init__(name, groups=["misc.test", "misc.other"])
        self.source, self.tls_port = "127.0.9.%d" % number, free_port()
        self.print = certificate(self.dir, "site")
        self.site = 'tls-certificate = "site.pem"\n tls-key = "site.key"'
        self.extra = 'listen "%s:%d" { tls = true }' % (self.listen, self.tls_port)

    def knows(self, other, **k):
        """Its block for 'other'."""
        opt = {"source": '"%s"' % self.source, "send": "true", "accept": "true", "retry": "1s"}
        opt.update({a.replace("_", "-"): v for a, v in k.items()})
        self.peers = ['peer "%s" {\n%s\n}' % (other.name, "\n".join(" %s = %s" % i for i in opt.items()))]
        self.write_conf()

    def books(self, other):
        """What the feeder counted of the peer; nothing while there is no feeder."""
        r = self.ctl("peer", "show", other.name, check=False)
        rows = [l.split() for l in r.stdout.splitlines()] if r.returncode == 0 else []
        return {" ".join(w[:-1]): int(w[-1]) for w in rows if len(w) > 1 and w[-1].isdigit()}

    def error(self, other):
        r = self.ctl("peer", "show", other.name, check=False)
        return "".join(l[len("last error "):].strip() for l in r.stdout.splitlines() if re.match("last error  ", l))


def add_user(site, name, password):
    subprocess.run([os.path.join(BIN, "newsctl"), "-c", site.conf, "user", "add", name], input=password + "\n", text=True,
                   check=True, stdout=subprocess.DEVNULL)


def by_login(a, b):
    """STARTTLS with the other's certificate pinned, a login, DEFLATE."""
    for s, o in ((a, b), (b, a)):
        add_user(o, "from-" + s.name, "s3cret-of-" + s.name)
        s.knows(o, connect='"127.0.0.1:%d"' % o.port, tls='"starttls"', fingerprint='"%s"' % o.print, login='"from-%s"' % o.name,
                login_as='"from-%s"' % s.name, login_password='"s3cret-of-%s"' % s.name, compress="true", show_certificate="false")


def by_certificate(a, b):
    """TLS from the first octet, both pinned: who we are is told by our certificate."""
    for s, o in ((a, b), (b, a)):
        s.knows(o, connect='"127.0.0.1:%d"' % o.tls_port, tls='"yes"', fingerprint='"%s"' % o.print, certificate='{ "%s" }' % o.print)


def give(site, n, tag):
    c, mids = site.client(), []
    arts = [make_article(groups=["misc.test", "misc.other"][i % 2], body="%s %d\r\n.dot\r\n" % (tag, i) * 20) for i in range(n)]
    t = threading.Thread(target=lambda: mids.extend(l.split()[1] for l in (c.line() for _ in arts) if l.startswith("239 ")))
    t.start()
    c.send(b"".join(b"TAKETHIS " + m.encode() + b"\r\n" + w for m, w in arts))
    t.join(60 * SLOW)
    assert len(mids) == n, (len(mids), n)
    c.close()
    return dict(arts)


def held(site):
    """The ids in its groups, one for each number."""
    c, ids = site.client(), []
    for g in ("misc.test", "misc.other"):
        _, n, lo, hi, _ = c.cmd("GROUP " + g).split()
        if n != "0":
            assert c.cmd("OVER %s-%s" % (lo, hi)).startswith("224")
            ids += [l.split(b"\t")[4].decode() for l in c.block()]
    c.close()
    return ids


def settle(sites, arts, seconds=60):
    """All of it everywhere, once."""
    for s in sites:
        wait_for("%d articles at %s" % (len(arts), s.name), lambda: len(held(s)) >= len(arts), seconds)
    for s in sites:
        ids = held(s)
        assert len(ids) == len(set(ids)) and set(ids) == set(arts), "%s: %d, %d different" % (s.name, len(ids), len(set(ids)))
        c = s.client()
        for m in list(arts)[::50]:
            assert to_wire(c.article(m)).split(b"\r\n\r\n", 1)[1] == arts[m].split(b"\r\n\r\n", 1)[1]
        c.close()


def a_thousand_each_way(how, words):
    """Both feed; then either is killed in the middle, as sender and as taker at once."""
    a, b = Secure("a.test", 1), Secure("b.test", 2)
    how(a, b)
    a.start(), b.start()
    arts = give(a, N // 2, "a")
    arts.update(give(b, N // 2, "b"))
    settle((a, b), arts)
    for s, o in ((a, b), (b, a)):
        books = s.books(o)
        assert books["accepted"] == N // 2 and books["rejected"] == 0 and books["answers without sense"] == 0, books
        assert all(w in s.log_text() for w in words), s.log_text()[-3000:]
    for victim, other in ((a, b), (b, a)):
        for s, o in ((a, b), (b, a)):
            s.ctl("peer", "pause", o.name)
        arts.update(give(a, N // 4, "a again"))
        arts.update(give(b, N // 4, "b again"))
        before = other.books(victim)["accepted"]
        for s, o in ((a, b), (b, a)):
            s.ctl("peer", "resume", o.name)
        wait_for("some to be there", lambda: other.books(victim).get("accepted", 0) > before)
        victim.kill()
        victim.start()
        other.ctl("peer", "flush", victim.name)
        settle((a, b), arts)
    for s in (a, b):
        s.stop()
        r = s.ctl("verify", check=False)
        assert r.returncode == 0, r.stdout[-2000:] + r.stderr


def a_thousand_each_way_by_starttls_login_and_deflate():
    a_thousand_each_way(by_login, (", streaming, TLSv1.3, compressed",))


def a_thousand_each_way_by_tls_and_certificates():
    a_thousand_each_way(by_certificate, (", streaming, TLSv1.3",))


def a_new_certificate_is_taken_at_a_reload_and_the_old_pin_sends_nothing():
    a, b = Secure("a.test", 1), Secure("b.test", 2)
    by_certificate(a, b)
    a.start(), b.start()
    arts = give(a, 20, "first")
    settle((a, b), arts)
    # b has a new certificate: a, who pins the old one, sends nothing and says why
    old, new = b.print, certificate(b.dir, "site")
    b.ctl("reload")
    a.ctl("peer", "pause", b.name)                     # the connection that stands may go on: end it
    a.ctl("peer", "resume", b.name)
    b.kill()
    b.start()
    late = give(a, 20, "late")
    a.ctl("peer", "flush", b.name)
    wait_for("a to say why", lambda: "certificate" in a.error(b) and new in a.error(b).replace(":", "").lower())
    assert set(held(b)) == set(arts), "sent to one whose certificate is not the pinned one"
    assert a.books(b)["lag"] > 0
    # and b, whom a does not know any more by its certificate, hears no
    c = b.client()
    mid, wire = make_article()
    assert c.takethis(mid, wire).startswith("239")
    c.close()
    b.ctl("peer", "flush", a.name)
    wait_for("b to hear no", lambda: b.error(a))
    assert mid not in held(a), b.error(a)
    print("# a says: %s\n# b says: %s" % (a.error(b), b.error(a)))
    # the operator of a pins the new one
    a.peers = [p.replace(old, new) for p in a.peers]
    a.write_conf()
    a.ctl("reload")
    b.ctl("peer", "flush", a.name)
    arts.update(late)
    arts[mid] = wire
    settle((a, b), arts)
    a.stop(), b.stop()


def without_the_right_login_nothing_is_sent():
    a, b = Secure("a.test", 1), Secure("b.test", 2)
    by_login(a, b)
    a.peers = [p.replace("s3cret-of-a.test", "wrong") for p in a.peers]
    a.write_conf()
    a.start(), b.start()
    give(a, 5, "kept")
    wait_for("the reason", lambda: "481" in a.error(b))
    assert held(b) == []
    assert "wrong" not in a.error(b) + a.log_text()
    a.peers = [p.replace("wrong", "s3cret-of-a.test") for p in a.peers]
    a.write_conf()
    a.ctl("reload")
    wait_for("5 articles", lambda: len(held(b)) == 5)
    a.stop(), b.stop()


if __name__ == "__main__":
    main([a_thousand_each_way_by_starttls_login_and_deflate, a_thousand_each_way_by_tls_and_certificates,
          a_new_certificate_is_taken_at_a_reload_and_the_old_pin_sends_nothing, without_the_right_login_nothing_is_sent])

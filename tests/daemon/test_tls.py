"""TLS at the front door: RFC 4642, the site's certificate and its reload."""
import re

from layerkit import *


# --- STARTTLS ---------------------------------------------------------------

def starttls_makes_the_session_new():
    """RFC 4642 2.1, 2.2.2"""
    s = one()
    c = plain(s)
    c.takethis(*make_article())
    assert "STARTTLS" in c.caps()
    assert c.cmd("GROUP misc.test").startswith("211 1 ")
    assert c.cmd("STARTTLS now").startswith("501 ")
    c.starttls()
    assert c.s.version() == "TLSv1.3"
    assert c.shown() == fingerprint(os.path.join(s.dir, "site"))
    caps = c.caps()                            # the first that is said under TLS: no second greeting
    assert "STARTTLS" not in caps and "COMPRESS DEFLATE" in caps and "READER" in caps and "IHAVE" in caps, caps
    assert c.cmd("STAT").startswith("412 ")    # the group is forgotten
    assert c.cmd("STARTTLS").startswith("502 ")
    assert c.cmd("MODE READER").startswith("200 ")
    assert c.cmd("GROUP misc.test").startswith("211 1 ")
    assert c.cmd("ARTICLE 1").startswith("220 ")
    assert "" in c.block()
    assert c.cmd("QUIT").startswith("205 ")
    assert c.closed()
    assert s.status("sessions_tls") == "1"
    done(s)
    assert re.search(r"ended: quit; .*, TLSv1.3$", s.log_text(), re.M), s.log_text()


def what_stands_behind_starttls_is_discarded():
    """RFC 4642 2.2.2; one segment holds STARTTLS and what somebody in the middle added"""
    s = one()
    c = plain(s)
    c.send("STARTTLS\r\nGROUP misc.test\r\nPOST\r\nFrom: mallory@example.com\r\n")
    assert c.line().startswith("382 ")
    c.s = context().wrap_socket(c.s)
    assert c.cmd("DATE").startswith("111 ")    # neither 211 nor 340
    assert c.cmd("STAT").startswith("412 ")
    c.send("QUIT\r\n")
    assert c.line().startswith("205 ") and c.closed()
    done(s)


def without_a_certificate_starttls_is_580():
    s = one(site="", tls_port=False, cert=False)
    c = plain(s)
    assert "STARTTLS" not in c.caps()
    assert c.cmd("STARTTLS").startswith("580 ")
    assert c.cmd("DATE").startswith("111 ")
    done(s)


def a_failed_handshake_ends_the_connection_and_no_other():
    s = one()
    other = plain(s)
    c = plain(s)
    assert c.cmd("STARTTLS").startswith("382 ")
    c.send("CAPABILITIES\r\n")
    assert c.s.recv(1) in (b"", b"\x15")       # an alert, if anything
    g = Layers(s.listen, s.tls_port, greet=False)
    g.send("GET / HTTP/1.0\r\n\r\n")
    while g.s.recv(100):
        pass
    wait_for("the log to tell", lambda: s.log_text().count("what came is not TLS") == 2)
    assert s.status("tls_failed") == "2"
    assert other.cmd("DATE").startswith("111 ")
    done(s)


def old_versions_are_refused():
    s = one(site=CERT + "\n tls-minimum = 1.3")
    for c in (context(maximum_version=ssl.TLSVersion.TLSv1_2),):
        try:
            Layers(s.listen, s.tls_port, tls=c)
            raise AssertionError("TLS 1.2 was taken")
        except ssl.SSLError:
            pass
    assert secure(s).s.version() == "TLSv1.3"
    with open(s.conf) as f:
        text = f.read()
    with open(s.conf, "w") as f:
        f.write(text.replace("tls-minimum = 1.3", 'tls-ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384"'))
    s.ctl("reload")
    c = wait_for("the new rules", lambda: tls12(s))
    assert c.s.cipher()[0] == "ECDHE-ECDSA-AES256-GCM-SHA384", c.s.cipher()
    done(s)


def hello(s, **k):
    """What a client with these settings comes to: a context's protocol and cipher, or None."""
    ciphers = k.pop("ciphers", None)
    c = context(**k)
    if ciphers:
        c.set_ciphers(ciphers)
    try:
        got = Layers(s.listen, s.tls_port, tls=c)
        return got.s.version(), got.s.cipher()[0], got.s.compression()
    except (ssl.SSLError, ConnectionError):
        return None


def tls_is_as_rfc_8143_and_bcp_195_want_it():
    """By default: TLS 1.2 and 1.3 alone, with ciphers that are worth it, not compressed; whatever name is asked for"""
    s = one()
    v = ssl.TLSVersion
    assert hello(s)[::2] == ("TLSv1.3", None), hello(s)
    assert hello(s, maximum_version=v.TLSv1_2)[::2] == ("TLSv1.2", None)
    for old in (v.TLSv1, v.TLSv1_1):
        assert hello(s, minimum_version=v.TLSv1, maximum_version=old, ciphers="ALL:@SECLEVEL=0") is None, old
    for weak in ("aNULL", "eNULL", "3DES", "RC4", "MD5", "EXPORT", "DES"):
        try:
            got = hello(s, maximum_version=v.TLSv1_2, ciphers=weak + ":@SECLEVEL=0")
        except ssl.SSLError:
            continue                           # this client's library has none of them
        assert got is None, (weak, got)
    for name in ("news.test", "other.test", None):      # SNI: one certificate for all
        raw = socket.create_connection((s.listen, s.tls_port), 60 * SLOW)
        with context().wrap_socket(raw, server_hostname=name) as t:
            assert t.recv(4) == b"200 "
    done(s)


def tls12(s):
    try:
        return Layers(s.listen, s.tls_port, tls=context(maximum_version=ssl.TLSVersion.TLSv1_2))
    except (ssl.SSLError, ConnectionError):
        return None


def a_client_for_another_protocol_is_refused():
    s = one()
    web, news = context(), context()
    web.set_alpn_protocols(["h2", "http/1.1"])
    news.set_alpn_protocols(["nntp"])
    try:
        Layers(s.listen, s.tls_port, tls=web)
        raise AssertionError("a web client was taken")
    except (ssl.SSLError, ConnectionError):
        pass
    c = Layers(s.listen, s.tls_port, tls=news)
    assert c.s.selected_alpn_protocol() == "nntp" and c.greeting.startswith("200 ")
    done(s)


# --- TLS from the start -----------------------------------------------------

def tls_from_the_start_greets_when_it_stands():
    s = one()
    c = secure(s)
    assert c.greeting.startswith("200 layers"), c.greeting
    assert "STARTTLS" not in c.caps()
    assert c.cmd("STARTTLS").startswith("502 ")
    articles = [make_article(body="line\r\n" * k) for k in (1, 100, 20000)]
    for mid, wire in articles:
        assert c.takethis(mid, wire).startswith("239 %s " % mid)
    for mid, wire in articles:
        assert c.cmd("BODY " + mid).startswith("222 ")
        assert "\r\n".join(c.block()) + "\r\n" == wire.split(b"\r\n\r\n", 1)[1][:-3].decode()
    done(s)


def strangers_hear_502_through_tls_too():
    s = one(feed=False, start=False)
    with open(s.conf) as f:
        text = f.read()
    with open(s.conf, "w") as f:
        f.write(text.replace('from = { "*" }', 'from = { "192.0.2.1" }'))
    s.start(wait=False)
    wait_for("the TLS port to answer", lambda: knocks(s))
    c = secure(s)
    assert c.greeting.startswith("502 ") and c.closed()
    done(s)


def knocks(s):
    try:
        secure(s)
        return True
    except (OSError, EOFError):
        assert s.proc.poll() is None, s.log_text()
        return False


def stopping_waits_for_no_handshake():
    s = one()
    silent = Layers(s.listen, s.tls_port, greet=False)
    half = plain(s)
    assert half.cmd("STARTTLS").startswith("382 ")
    c = secure(s)
    wait_for("all of them to be there", lambda: s.status("connections") == "3")
    s.stop()
    assert c.line().startswith("400 ")
    assert silent.closed() and half.closed()


def an_end_without_farewell_is_logged_as_such():
    s = one()
    c = secure(s)
    assert c.cmd("DATE").startswith("111 ")
    os.close(c.s.detach())                     # no close_notify
    wait_for("the log to tell", lambda: "TLS's farewell is missing" in s.log_text())
    done(s)


# --- the certificate --------------------------------------------------------

def checked(s):
    r = subprocess.run([os.path.join(BIN, "nntpd"), "-c", s.conf, "-t"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return r.returncode, r.stdout + r.stderr


def line_of(s, key):
    with open(s.conf) as f:
        return next(i for i, l in enumerate(f, 1) if l.lstrip().startswith(key))


BAD = (                                        # what is done to the site, the line it is told with, what is told
    (lambda s, p: os.unlink(p + ".pem"), "tls-certificate", "No such file"),
    (lambda s, p: os.unlink(p + ".key"), "tls-key", "No such file"),
    (lambda s, p: open(p + ".pem", "w").write("junk\n"), "tls-certificate", "not a certificate that can be used"),
    (lambda s, p: open(p + ".key", "w").write("junk\n"), "tls-key", "not a key that can be used"),
    (lambda s, p: os.rename(p + "2.key", p + ".key"), "tls-key", "key"),
    (lambda s, p: make_certificate(p, "news.test", days=-1), "tls-certificate", "it has ended: 20"),
)


def a_bad_certificate_is_told_with_its_line_and_changes_nothing():
    for spoil, key, why in BAD:
        s = one()
        p = os.path.join(s.dir, "site")
        was = fingerprint(p)
        make_certificate(p + "2", "other.test")
        assert checked(s)[0] == 0, checked(s)
        spoil(s, p)
        code, text = checked(s)
        want = "%s:%d: %s: " % (s.conf, line_of(s, key), key)
        assert code == 2 and text.startswith(want) and why in text and "good" not in text, text
        r = s.ctl("reload", check=False)
        assert r.returncode != 0 and want in r.stdout + r.stderr, r
        assert secure(s).shown() == was
        s.proc.send_signal(signal.SIGHUP)
        wait_for("the log to tell", lambda: want in s.log_text())
        assert plain(s).starttls().shown() == was
        done(s)


def a_site_does_not_start_with_a_certificate_that_cannot_be_used():
    s = one(start=False)
    os.unlink(os.path.join(s.dir, "site.key"))
    s.start(wait=False)
    assert s.proc.wait(60 * SLOW) == 1
    assert "tls-key: " in s.log_text(), s.log_text()


def a_site_starts_with_one_that_has_ended_and_says_so():
    s = one(start=False)
    make_certificate(os.path.join(s.dir, "site"), "news.test", days=-1)
    s.start()
    assert "tls-certificate: " in s.log_text() and "it has ended: 20" in s.log_text(), s.log_text()
    assert plain(s).cmd("DATE").startswith("111 ")
    done(s)


def a_certificate_that_ends_soon_is_warned_of():
    s = one(start=False)
    make_certificate(os.path.join(s.dir, "site"), "news.test", days=13)
    code, text = checked(s)
    assert code == 0 and "tls-certificate: " in text and "it ends soon: 20" in text and "good" in text, text
    s.start()
    assert "it ends soon: 20" in s.log_text()
    make_certificate(os.path.join(s.dir, "site"), "news.test", days=16)
    assert "soon" not in checked(s)[1]
    done(s)


def a_reload_takes_the_new_certificate_and_connections_stand():
    s = one()
    p = os.path.join(s.dir, "site")
    first, old = fingerprint(p), secure(s)
    make_certificate(p, "news.test")
    assert secure(s).shown() == first
    s.ctl("reload")
    second = fingerprint(p)
    wait_for("the new certificate", lambda: secure(s).shown() == second)
    assert second != first and plain(s).starttls().shown() == second
    assert old.cmd("DATE").startswith("111 ")
    make_certificate(p, "news.test")
    s.proc.send_signal(signal.SIGHUP)
    wait_for("the newest certificate", lambda: secure(s).shown() == fingerprint(p))
    assert old.cmd("DATE").startswith("111 ")
    done(s)


def a_reload_may_bring_the_first_certificate_and_take_the_last():
    s = one(site="", tls_port=False)
    assert plain(s).cmd("STARTTLS").startswith("580 ")
    s.site = CERT
    s.write_conf()
    s.ctl("reload")
    wait_for("TLS", lambda: "STARTTLS" in plain(s).caps())
    c = plain(s).starttls()
    s.site = ""
    s.write_conf()
    s.ctl("reload")
    wait_for("no TLS", lambda: "STARTTLS" not in plain(s).caps())
    assert c.cmd("DATE").startswith("111 ")    # who has it keeps it
    done(s)


def clients_are_known_by_their_certificates():
    s = one(start=False)
    ca, good, loner = (os.path.join(s.dir, n) for n in ("ca", "good", "loner"))
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", ca + ".key",
            "-out", ca + ".pem", "-subj", "/CN=authority", "-days", "100")
    make_certificate(good, "friend.test", ca=ca)
    make_certificate(loner, "loner.test")
    s.site += '\n tls-ca = "ca.pem"'
    s.write_conf()
    s.start()
    for cert in (None, good, loner):           # whom nobody vouches for comes in as well: its rights are another matter
        c = secure(s, cert=cert)
        assert c.cmd("QUIT").startswith("205 ")
        c.close()
    tail = lambda p: ", TLSv1.3 by certificate %s (%s)" % (fingerprint(p), "good" if p == good else "not signed by tls-ca")
    wait_for("the log to tell", lambda: all(tail(p) in s.log_text() for p in (good, loner)))
    open(ca + ".pem", "w").write("junk\n")
    code, text = checked(s)
    assert code == 2 and text.startswith("%s:%d: tls-ca: " % (s.conf, line_of(s, "tls-ca"))), text
    done(s)


def certificates_give_rights_through_both_doors():
    s = one(start=False, feed=False)
    ca, good, loner, peer = (os.path.join(s.dir, n) for n in ("ca", "good", "loner", "peer"))
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", ca + ".key",
            "-out", ca + ".pem", "-subj", "/CN=authority", "-days", "100")
    make_certificate(good, "friend.test", ca=ca)
    make_certificate(loner, "loner.test")
    make_certificate(peer, "peer.test")
    s.site += '\n tls-ca = "ca.pem"'
    s.peers = ['peer "peer.test" { certificate = "%s" }' % fingerprint(peer)]
    s.write_conf()
    with open(s.conf) as f:
        text = f.read()
    with open(s.conf, "w") as f:
        f.write(text.replace('from = { "*" }', 'certificate = { "*" }'))
    s.start(wait=False)
    wait_for("the TLS port to answer", lambda: knocks(s))
    c = plain(s)                               # greeted, for it may have a certificate to show
    assert c.greeting.startswith("201 "), c.greeting
    assert c.cmd("GROUP misc.test").startswith("483 ")
    assert c.cmd("IHAVE <a@b.example>").startswith("483 ")
    for who, read, send in ((None, "502 ", "502 "), (loner, "502 ", "502 "), (good, "211 ", "502 "), (peer, "502 ", "335 ")):
        for begin in (lambda: secure(s, cert=who), lambda: plain(s).starttls(context(cert=who))):
            c = begin()
            if c.greeting.startswith("502 ") or who in (None, loner):
                assert who in (None, loner)
                assert c.greeting.startswith("502 ") or c.line().startswith("502 ")    # instead of a greeting
                assert c.closed()
                continue
            assert c.cmd("GROUP misc.test").startswith(read), (who, read)
            assert c.cmd("IHAVE " + make_id()).startswith(send), (who, send)
            c.close()
    done(s)


main([starttls_makes_the_session_new, what_stands_behind_starttls_is_discarded, without_a_certificate_starttls_is_580,
      a_failed_handshake_ends_the_connection_and_no_other, old_versions_are_refused,
      tls_is_as_rfc_8143_and_bcp_195_want_it, a_client_for_another_protocol_is_refused,
      tls_from_the_start_greets_when_it_stands, strangers_hear_502_through_tls_too, stopping_waits_for_no_handshake,
      an_end_without_farewell_is_logged_as_such, a_bad_certificate_is_told_with_its_line_and_changes_nothing,
      a_site_does_not_start_with_a_certificate_that_cannot_be_used, a_site_starts_with_one_that_has_ended_and_says_so,
      a_certificate_that_ends_soon_is_warned_of, a_reload_takes_the_new_certificate_and_connections_stand,
      a_reload_may_bring_the_first_certificate_and_take_the_last, clients_are_known_by_their_certificates,
      certificates_give_rights_through_both_doors])

"""Peering with a friend: invite, accept, paste, reload; and newsctl peer test, each way to fail told apart."""
import base64
import hashlib
import json
import ssl

from kit import *


class Scripted(Listener):
    """A peer on a port of its own: a banner, and replies by the first word (a function, or "" to hang up)."""

    def __init__(self, banner="200 scripted", answers=None, cert=None):
        self.banner, self.cert, self.heard = banner, cert, []
        self.answers = {"MODE": "203 ok", "STARTTLS": "382 go", "CAPABILITIES": "101 yes\r\nVERSION 2\r\nREADER\r\n.", "QUIT": "205 bye"}
        self.answers.update(answers or {})
        super().__init__()

    def talk(self, s):
        try:
            self.session(s)
        except (OSError, ValueError):
            pass
        s.close()

    def session(self, s):
        if self.banner == "":
            return
        s.sendall((self.banner + "\r\n").encode("latin-1"))
        f = s.makefile("rwb")
        while True:
            l = f.readline().decode("latin-1").rstrip("\r\n")
            if not l:
                return
            self.heard.append(l)
            a = self.answers.get(l, self.answers.get(l.split()[0], "500 what?"))
            if callable(a):
                a = a(l)
            if a == "":
                return
            f.write((a + "\r\n").encode("latin-1"))
            f.flush()
            if a.startswith("382"):
                c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                c.load_cert_chain(self.cert)
                s = c.wrap_socket(s, server_side=True)
                f = s.makefile("rwb")


def certificate():
    """A self-signed certificate for 127.0.0.1: (file with key and certificate, its SHA-256)."""
    d = fresh_dir("cert")
    os.makedirs(d)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", d + "/key",
                    "-out", d + "/cert", "-days", "2", "-subj", "/CN=peer.test", "-addext", "subjectAltName=IP:127.0.0.1"],
                   check=True, stderr=subprocess.DEVNULL)
    cert = open(d + "/cert").read()
    with open(d + "/both.pem", "w") as f:
        f.write(open(d + "/key").read() + cert)
    return d + "/both.pem", hashlib.sha256(ssl.PEM_cert_to_DER_cert(cert)).hexdigest()


def block(port, name="peer.test", **k):
    opt = {"address": '{ "127.0.0.1" }', "connect": '"127.0.0.1:%d"' % port, "send": "true"}
    opt.update({a.replace("_", "-"): v for a, v in k.items()})
    return 'peer "%s" {\n%s\n}' % (name, "\n".join(" %s = %s" % i for i in opt.items()))


def site(*blocks, **k):
    s = Site("us.test", peers=blocks, **k).start()
    wait_for("feeder", lambda: s.ctl("peer", "list", check=False).returncode == 0)
    return s


def again(s, *blocks):
    s.peers = list(blocks)
    s.write_conf()
    s.ctl("reload")
    names = [b.split('"')[1] for b in blocks if "send = true" in b]
    wait_for("feeder to have read it", lambda: all(n in s.ctl("peer", "list") for n in names))
    # feeder reads the file a moment after nntpd: it has when it knows the block that was added last
    return s


def look(s, name="peer.test"):
    """(exit code, rows by step, last line) of newsctl --json peer test."""
    r = s.ctl("peer", "test", name, check=False, json=True)
    a = json.loads(r.stdout)
    rows = {}
    for row in a.get("rows", []):
        rows.setdefault(row["step"], []).append((row["result"], row["says"]))
    assert a["ok"] == (r.returncode == 0), r
    return r.returncode, rows, a["text"]


def a_good_peer_passes_step_by_step_and_is_offered_nothing():
    p = Scripted()
    s = site(block(p.port))
    code, rows, last = look(s)
    assert code == 0 and "streaming, in clear" in last, (code, rows, last)
    assert [list(v[0])[0] for k, v in rows.items()][:6] == ["ok"] * 6, rows
    assert list(rows) == ["names", "compare", "connect", "banner", "stream", "capabilities", "it gets", "feeding", "we take", "known by"], rows
    assert rows["capabilities"] == [("ok", "VERSION 2, READER")], rows
    assert "127.0.0.1 is in address" in rows["compare"][0][1] and "our address 127.0.0.1" in rows["connect"][0][1], rows
    assert "address 127.0.0.1" in rows["known by"][0][1] and "groups *" in rows["it gets"][0][1], rows
    assert p.heard == ["MODE STREAM", "CAPABILITIES", "QUIT"], p.heard
    # a person reads the same, a line a step
    out = s.ctl("peer", "test", "peer.test")
    assert re_line(out, "banner", "ok", "200 scripted") and out.splitlines()[-1].startswith("peer.test: all is well"), out
    s.stop()
    p.close()


def re_line(text, *words):
    return any(all(w in l for w in words) for l in text.splitlines())


def each_failure_is_told_apart():
    pem, print_ = certificate()
    gone = free_port()
    refused = Scripted(banner="502 go away\x1b[2J")
    full = Scripted(banner="400 come later")
    mute = Scripted(banner="")
    tls = Scripted(cert=pem)
    no_tls = Scripted(answers={"STARTTLS": "580 no"})
    login = Scripted(answers={"AUTHINFO": lambda c: "381 more" if "USER" in c else "481 wrong"})
    login_good = Scripted(answers={"AUTHINFO": lambda c: "381 more" if "USER" in c else "281 ok" if "PASS" in c else "503 no"})
    hangs_up = Scripted(answers={"CAPABILITIES": ""})
    old = Scripted(answers={"MODE": "500 what?", "CAPABILITIES": "500 what?"})
    http = Scripted(banner="HTTP/1.1 400 Bad Request")
    endless = Scripted(banner="200 " + "x" * 5000)
    talker = Scripted(answers={"CAPABILITIES": "101 yes" + "\r\nWORD" * 1500})
    user = dict(login_as='"us"', login_password='"s3cret"')
    wrong_pin = '"%s"' % ("ab" * 32)
    want = {
        "gone.test": (block(gone, "gone.test"), 1, "connect", "Connection refused"),
        "name.test": (block(1, "name.test", connect='"no-such-host.invalid:119"'), 1, "names", "no-such-host.invalid"),
        "refused.test": (block(refused.port, "refused.test"), 1, "banner", "502 go away?[2J (it does not know us"),
        "full.test": (block(full.port, "full.test"), 1, "banner", "400 come later"),
        "mute.test": (block(mute.port, "mute.test"), 1, "banner", "hung up"),
        "http.test": (block(http.port, "http.test"), 1, "banner", "no reply"),
        "endless.test": (block(endless.port, "endless.test"), 1, "banner", "without an end"),
        "talker.test": (block(talker.port, "talker.test"), 0, "capabilities", "no end"),
        "cert.test": (block(tls.port, "cert.test", tls='"starttls"'), 1, "certificate", "self"),
        "pin.test": (block(tls.port, "pin.test", tls='"starttls"', fingerprint=wrong_pin), 1, "certificate", print_ + ": not the one that is pinned"),
        "notls.test": (block(no_tls.port, "notls.test", tls='"starttls"', **user), 1, "starttls", "580 no"),
        "nottls.test": (block(refused.port, "nottls.test", tls='"yes"'), 1, "tls", "not TLS"),
        "login.test": (block(login.port, "login.test", cleartext_login="true", **user), 1, "login", "481 wrong"),
        "pinned.test": (block(tls.port, "pinned.test", tls='"starttls"', fingerprint='"%s"' % print_), 0, "certificate", "the one that is pinned"),
        "any.test": (block(tls.port, "any.test", tls='"starttls"', tls_verify="false"), 0, "certificate", "not looked at"),
        "user.test": (block(login_good.port, "user.test", cleartext_login="true", **user), 0, "login", "281 ok"),
        "hangsup.test": (block(hangs_up.port, "hangsup.test"), 0, "capabilities", "hung up (some do"),
        "old.test": (block(old.port, "old.test"), 0, "stream", "500 what? (articles will go by IHAVE)"),
    }
    s = site(*[w[0] for w in want.values()])
    for name, (_, code, step, text) in want.items():
        got, rows, last = look(s, name)
        row = rows.get(step, [("", "")])[-1]
        assert got == code and text in row[1], (name, got, rows, last)
        assert row[0] == "FAIL" if code else row[0] in ("ok", "note"), (name, rows)
        assert code == 0 or (last.startswith("%s: %s: " % (name, step)) and text in last), (name, last)
        assert "known by" in rows, (name, rows)
        assert "s3cret" not in str(rows), rows
    assert not any("AUTHINFO" in h for h in no_tls.heard + tls.heard), (no_tls.heard, tls.heard)
    assert not any(h.split()[0] in ("CHECK", "IHAVE", "TAKETHIS") for p in (tls, login_good, hangs_up, old) for h in p.heard)
    code, rows, last = look(s, "nobody.test")
    assert code == 1 and "no peer of that name" in last, last
    # what is wrong with the peer was not learnt by feeding, and feeding has learnt nothing from it
    for row in json.loads(s.ctl("peer", "list", json=True))["rows"]:
        assert row["error"] == "" and row["connections"] == 0, row
    s.stop()
    for p in (refused, full, mute, tls, no_tls, login, login_good, hangs_up, old, http, endless, talker):
        p.close()


def a_peer_that_says_nothing_is_not_waited_for_for_ever():
    mute = socket.create_server(("127.0.0.1", 0))
    waits = Scripted(answers={"CAPABILITIES": lambda c: time.sleep(60) or "500 at last"})
    s = site(block(mute.getsockname()[1], "mute.test"), block(waits.port, "waits.test"))
    both = [subprocess.Popen([os.path.join(BIN, "newsctl"), "-c", s.conf, "peer", "test", n], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True) for n in ("mute.test", "waits.test")]
    out = [p.communicate(timeout=120)[0] for p in both]
    assert both[0].returncode == 1 and out[0].splitlines()[-1] == "newsctl: mute.test: banner: it does not answer", out[0]
    assert both[1].returncode == 0 and "it does not answer (some do at this command" in out[1], out[1]
    s.stop()
    mute.close()
    waits.close()


def a_test_leaves_pause_and_back_off_as_they_are():
    p = Scripted(banner="400 not now")
    s = site(block(p.port))
    c = s.client()
    mid, wire = make_article()
    assert c.takethis(mid, wire).startswith("239")
    def shown(row):
        return next((l[len(row):].strip() for l in s.ctl("peer", "show", "peer.test").splitlines() if l.startswith(row + " ")), None)
    wait_for("trouble", lambda: "400" in (shown("last error") or ""))
    s.ctl("peer", "pause", "peer.test")
    before = [shown(r) for r in ("state", "last error at", "cursor", "lag")]
    p.banner = "200 here again"
    code, rows, last = look(s)
    assert code == 0, (rows, last)
    assert [shown(r) for r in ("state", "last error at", "cursor", "lag")] == before, before
    assert "paused" in rows["feeding"][0][1] and "400 not now" in rows["feeding"][0][1], rows
    assert not any("CHECK" in h for h in p.heard), p.heard
    s.stop()
    p.close()


def a_peer_that_is_not_sent_to_can_be_tested_too():
    p = Scripted()
    s = site(block(p.port), block(p.port, "only.test", send="false"), 'peer "net.test" { address = { "192.0.2.0/24" } }')
    code, rows, last = look(s, "only.test")
    assert code == 0 and "send = false" in rows["it gets"][0][1] and "feeding" not in rows, (rows, last)
    code, rows, last = look(s, "net.test")
    assert code == 1 and "no place to connect to" in last, (rows, last)
    s.stop()
    p.close()


def who_hangs_up_or_reloads_meanwhile_does_no_harm():
    p = Scripted(answers={"MODE": lambda c: time.sleep(1.5) or "203 ok"})
    s = site(block(p.port))
    run = [os.path.join(BIN, "newsctl"), "-c", s.conf, "peer", "test", "peer.test"]
    first = subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_for("its connection", lambda: "MODE STREAM" in p.heard)
    first.kill()
    first.wait()
    p.heard.clear()
    second = subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_for("its connection", lambda: "MODE STREAM" in p.heard)
    again(s, block(p.port, "another.test"))               # the peer that is being tested goes away
    out = second.communicate(timeout=60)[0]
    assert second.returncode == 0 and "all is well" in out, out
    wait_for("the new configuration", lambda: look(s)[0] == 1)
    s.stop()
    p.close()


def freshet_says_who_we_are_to_it():
    them = Site("them.test", peers=['peer "us.test" { address = { "127.0.0.1" } accept-groups = { "misc.*", "!misc.secret" } }'],
                feed=False).start()
    s = site(block(them.port, "them.test"))
    code, rows, last = look(s, "them.test")
    assert code == 0 and rows["to it we are"] == [("ok", "You are peer us.test and may send: misc.*,!misc.secret")], rows
    c = them.client()
    assert c.cmd("HELP").startswith("100")
    assert b"You are peer us.test and may send: misc.*,!misc.secret" == c.block()[-1]
    again(them, 'peer "us.test" { address = { "192.0.2.1" } }')
    wait_for("to be a stranger", lambda: look(s, "them.test")[0] == 1)
    code, rows, last = look(s, "them.test")
    assert rows["to it we are"][0][0] == "note" and rows["may we send"][0][0] == "FAIL", rows
    assert "may we send: it lets us in, but not as a peer" in last and "known by" in rows, (last, rows)
    s.stop()
    them.stop()


# --- invitations ---------------------------------------------------------------


def parts(s, *words, stdin=None):
    """What newsctl peer invite or accept says: name of a part -> its text; and the last line."""
    r = subprocess.run([os.path.join(BIN, "newsctl"), "-c", s.conf, "--json", "peer"] + list(words), input=stdin,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    a = json.loads(r.stdout)
    assert a["ok"] == (r.returncode == 0), r
    return {row["part"]: row["text"] for row in a.get("rows", [])}, a["text"]


def paste(s, text):
    s.peers = [text]
    s.write_conf()
    s.ctl("reload")


def post(s, body):
    c = s.client()
    assert c.cmd("POST").startswith("340")
    mid = make_id(s.name)
    c.send(to_wire(("From: Joe <joe@example.com>\r\nNewsgroups: misc.test\r\nSubject: t\r\nMessage-ID: %s\r\n\r\n%s\r\n" % (mid, body)).encode()))
    assert c.line().startswith("240")
    c.close()
    return mid


def there(s, mid):
    c = s.client()
    r = c.article(mid)
    c.close()
    return r


def two_fresh_sites_become_peers_by_two_lines():
    pem, print_ = certificate()
    a = Site("a.test", feed=False, site='tls-certificate = "%s"\n aliases = { "old.a.test" }\n local-groups = { "local.*" }' % pem)
    b = Site("b.test", feed=False)
    said, _ = parts(a, "invite", "b.test")                       # no site needs to run for it
    assert said["token"].startswith("freshet1:"), said
    first, _ = parts(b, "accept", said["token"])
    for line in ('connect       = "127.0.0.1:%d"' % a.port, 'path          = { "a.test", "old.a.test" }', 'fingerprint   = "%s"' % print_,
                 'tls           = "starttls"', 'groups        = { "*", "!local.*" }', "size-max      = 1048576"):
        assert line in first["block"], (line, first["block"])
    second, last = parts(a, "accept", "-", stdin=first["token"].replace("fresh", "fre\r\n sh") + "\n")
    assert 'connect       = "127.0.0.1:%d"' % b.port in second["block"] and "tls " not in second["block"], second
    assert "token" not in second and "peer test b.test" in last, (second, last)     # an answer wants no answer
    a.start()
    b.start()
    paste(a, second["block"])
    paste(b, first["block"])
    for s, other in ((a, "b.test"), (b, "a.test")):
        wait_for("feeder of " + s.name, lambda: s.ctl("peer", "list", check=False).returncode == 0)
        code, rows, last = look(s, other)
        assert code == 0, (rows, last)
        assert rows["to it we are"][0][1].startswith("You are peer %s and may send: *" % s.name), rows
    assert "the one that is pinned" in look(b, "a.test")[1]["certificate"][0][1]
    for s, other in ((a, b), (b, a)):
        mid = post(s, "hello from " + s.name)
        wait_for("an article of %s at %s" % (s.name, other.name), lambda: there(other, mid))
        assert header(there(other, mid), "Path").startswith("%s!%s!" % (other.name, s.name)) or \
            header(there(other, mid), "Path").startswith("%s!!%s!" % (other.name, s.name)), header(there(other, mid), "Path")
    # a block that stands is not in the way of a better one
    assert parts(a, "accept", first["token"])[0]["block"] == second["block"]
    a.stop()
    b.stop()


def a_door_with_tls_is_the_one_to_take():
    pem, print_ = certificate()
    tls = free_port()
    a = Site("a.test", feed=False, site='tls-certificate = "%s"' % pem, extra='listen "127.0.0.1:%d" { tls = true }' % tls).start()
    b = Site("b.test", feed=False).start()
    said, _ = parts(b, "accept", parts(a, "invite", "b.test")[0]["token"])
    for line in ('connect       = "127.0.0.1:%d"' % tls, 'tls           = "yes"', 'fingerprint   = "%s"' % print_):
        assert line in said["block"], (line, said["block"])
    paste(b, said["block"])
    paste(a, parts(a, "accept", said["token"])[0]["block"])
    wait_for("feeder", lambda: b.ctl("peer", "list", check=False).returncode == 0)
    code, rows, last = look(b, "a.test")
    assert code == 0 and "over TLSv1.3" in last and list(rows)[3:5] == ["tls", "certificate"], (rows, last)
    a.stop()
    b.stop()


def token(text):
    """The same bytes that newsctl makes, made here."""
    crc = 0xffffffff
    for o in text.encode():
        crc ^= o
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return "freshet1:%s.%08x" % (base64.urlsafe_b64encode(text.encode()).decode().rstrip("="), crc ^ 0xffffffff)


def what_a_stranger_asks_for_is_looked_at_as_the_file_would_be():
    s = Site("us.test", feed=False, site='local-groups = { "local.*", "!local.open" }')
    good = {"site": "them.test", "nntp": "them.test:119", "address": "them.test", "offer": "*", "want": "*"}
    def with_(**k):
        return token("".join("%s %s\n" % i for i in dict(good, **{a.replace("_", "-"): v for a, v in k.items()}).items()))
    said, _ = parts(s, "accept", with_())
    assert 'groups        = { "*", "!local.*" }' in said["block"] and 'accept-groups = { "*", "!local.*" }' in said["block"], said
    said, _ = parts(s, "accept", with_(), "--groups", "de.*", "--address", "192.0.2.9")
    assert 'groups        = { "de.*", "!local.*" }' in said["block"], said
    back, _ = parts(Site("them.test", feed=False), "accept", said["token"])
    assert 'address       = { "192.0.2.9" }' in back["block"] and 'connect       = "192.0.2.9:%d"' % s.port in back["block"], back
    for k, text in [(dict(site="us.test"), "our own name"), (dict(site="*"), "a name of letters"), (dict(site="a/b"), "a name of letters"),
                    (dict(alias="a!b"), "cannot stand in a Path"), (dict(alias="us.test"), "our own name"),
                    (dict(alias='x"}#'), "characters"), (dict(nntp="them.test"), "not host:port"), (dict(nntp="them.test:0"), "not host:port"),
                    (dict(nntp="a,b:119"), "not host:port"), (dict(address="a;b"), "no address"), (dict(address="0.0.0.0/0"), "too wide"),
                    (dict(address="10.0.0.0/15"), "too wide"), (dict(address="::/0"), "too wide"), (dict(address="2001::/16"), "too wide"),
                    (dict(offer="a,,b"), "is empty"), (dict(want="!"), "is empty"), (dict(want="\x1b[2J"), "characters"),
                    (dict(fingerprint="zz"), "fingerprint")]:
        said, last = parts(s, "accept", with_(**k))
        assert text in last and not said, (k, said, last)
    said, last = parts(s, "accept", with_()[:-1] + "x")
    assert "damaged" in last or "breaks off" in last, last
    r = subprocess.run([os.path.join(BIN, "newsctl"), "-c", s.conf, "peer", "accept", "-"], input="A" * 100000, text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert r.returncode == 1 and "too long" in r.stderr, r


def our_own_side_is_looked_at_too():
    s = Site("us.test", feed=False)
    before = open(s.conf).read()
    for words, text in [(["a b"], "a name of letters"), (["us.test"], "our own name"), (["x.test", "--address", "a b"], "characters"),
                        (["x.test", "--connect", "nowhere"], "host:port"), (["x.test", "--groups", "a,,b"], "is empty"),
                        (["x.test", "--groups", "*", "--inn", "--address", "192.0.2.0/24"], "no networks"),
                        (["x.test", "--groups", ",".join("de.group%d.*" % i for i in range(300))], "too long")]:
        said, last = parts(s, "invite", *words)
        assert text in last and not said, (words, said, last)
    r = s.ctl("peer", "invite", "x.test", "--what", check=False)
    assert r.returncode == 2 and "usage" in r.stderr, r
    out = s.ctl("peer", "invite", "x.test", "--connect", "[2001:db8::1]:1119")
    assert 'address       = { "2001:db8::1" }' in out and 'connect       = "[2001:db8::1]:1119"' in out, out
    out = s.ctl("peer", "invite", "x.test", "--inn", "--address", "us.test", "--groups", "de.*,!de.alt.*")
    for line in ('  hostname: "us.test"', '  patterns: "de.*,!de.alt.*"', "us.test\\", "    :de.*,!de.alt.*,!junk,!control,!control.*\\",
                 "    :<1048576,Tm:innfeed!", "  ip-name: us.test", "  port-number: %d" % s.port):
        assert line in out.splitlines(), (line, out)
    assert open(s.conf).read() == before                          # never edited


TESTS = [a_good_peer_passes_step_by_step_and_is_offered_nothing, each_failure_is_told_apart, a_peer_that_says_nothing_is_not_waited_for_for_ever,
         a_test_leaves_pause_and_back_off_as_they_are, a_peer_that_is_not_sent_to_can_be_tested_too,
         who_hangs_up_or_reloads_meanwhile_does_no_harm, freshet_says_who_we_are_to_it,
         two_fresh_sites_become_peers_by_two_lines, a_door_with_tls_is_the_one_to_take, what_a_stranger_asks_for_is_looked_at_as_the_file_would_be,
         our_own_side_is_looked_at_too]

if __name__ == "__main__":
    main(TESTS)

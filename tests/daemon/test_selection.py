"""Who is sent what, while a site runs: reasons, groups that never leave, articles held back."""
import collections
import hashlib
import ssl

from kit import *

NOBODY = 'peer "%s" { address = { "127.0.0.1" } connect = "127.0.0.1:%d" send = true\n%s\n}\n'


def peers_of(site, mid, *peer):
    """{peer: what is said of it} from newsctl why; "" while feeder is not there yet."""
    text = site.ctl("why", mid, *peer)
    lines = text.split("its peers:\n", 1)[1].splitlines()
    return collections.defaultdict(str, [l.strip().split(": ", 1) for l in lines if ": " in l])


def feed(site, *ids, **k):
    c = site.client()
    for mid in ids:
        assert c.takethis(*make_article(mid, **k)).startswith("239")
    c.close()


def why_tells_of_each_peer_and_names_the_setting():
    a, b = Site("a.test"), Site("b.test")
    a.peer(b)
    a.extra = (NOBODY % ("groups.test", free_port(), 'groups = { "comp.*" }') +
               NOBODY % ("size.test", free_port(), "size-max = 1000") +
               NOBODY % ("path.test", free_port(), 'path = { "src.example" }') +
               NOBODY % ("hash1.test", free_port(), 'hash = "1/2"') + NOBODY % ("hash2.test", free_port(), 'hash = "2/2"'))
    a.write_conf()
    a.start(), b.start()
    mid = make_id()
    feed(a, mid, body="x" * 70 + "\r\n" + 30 * ("y" * 70 + "\r\n"))
    said = wait_for("b to be done with it", lambda: [p for p in [peers_of(a, mid)] if "done with" in p["b.test"]])[0]
    assert said["b.test"].startswith("wanted; "), said
    assert said["groups.test"] == "not for it: in no group that it takes (groups)", said
    assert said["size.test"].startswith("not for it: too large (size-max): ") and said["size.test"].endswith(", at most 1000"), said
    assert said["path.test"] == "not for it: it has had it: it is in Path (path)", said
    shares = sorted(said["hash%d.test" % i].split("; ")[0] for i in (1, 2))
    assert shares[0].startswith("not for it: in another's share (hash): part ") and shares[1] == "wanted", said
    assert peers_of(a, mid, "size.test") == {"size.test": said["size.test"]}
    assert "no peer of that name" in a.ctl("why", mid, "nobody.test")
    text = a.ctl("peer", "show", "size.test")
    assert [l for l in text.splitlines() if "not for it: too large (size-max)" in l and l.split()[-1] == "1"], text
    a.stop(), b.stop()
    assert "feeder does not answer" in a.ctl("why", mid)


def groups_that_become_local_are_taken_out_of_what_waits():
    a, b = Site("a.test", groups=["misc.test", "misc.home"]), Site("b.test", groups=["misc.test", "misc.home"])
    a.peer(b)
    a.start()
    home, open_to_all = make_id(), make_id()
    feed(a, home, groups="misc.home,misc.test")
    wait_for("it to wait for b", lambda: "waits to be offered" in peers_of(a, home)["b.test"])
    a.site = 'local-groups = { "misc.home" }'
    a.write_conf()
    a.ctl("reload")
    wait_for("it to stay", lambda: peers_of(a, home)["b.test"] == "not for it: in a group that never leaves (local-groups)")
    b.start()
    feed(a, open_to_all)
    a.ctl("peer", "flush", "b.test")
    wait_for("the other to be at b", lambda: b.client().cmd("STAT " + open_to_all).startswith("223"))
    assert b.client().cmd("STAT " + home).startswith("430")
    a.stop(), b.stop()


def certificate(site):
    """The site gets one; its fingerprint."""
    pem = os.path.join(site.dir, "site.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                    site.dir + "/site.key", "-out", pem, "-days", "2", "-subj", "/CN=" + site.name], check=True, stderr=subprocess.DEVNULL)
    site.site += ' tls-certificate = "site.pem" tls-key = "site.key"'
    site.write_conf()
    with open(pem) as f:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(f.read())).hexdigest()


def private_groups_go_by_tls_to_whom_we_have_pinned_and_to_no_other():
    a, pinned, plain = [Site(n, groups=["misc.test", "misc.secret"]) for n in ("a.test", "pinned.test", "plain.test")]
    a.site = 'private-groups = { "misc.secret" }'
    a.peer(pinned, tls="starttls", fingerprint='"%s"' % certificate(pinned))
    a.peer(plain, tls="starttls", tls_verify="false")
    certificate(plain)
    for s in (a, pinned, plain):
        s.start()
    both, secret, told = make_id(), make_id(), make_id()
    feed(a, both, groups="misc.test,misc.secret")
    feed(a, secret, groups="misc.secret")
    feed(a, told)
    for mid in (both, secret, told):
        wait_for("it to be with the pinned peer", lambda: pinned.client().cmd("STAT " + mid).startswith("223"))
    wait_for("the last to be with the other", lambda: plain.client().cmd("STAT " + told).startswith("223"))
    for mid in (both, secret):
        assert plain.client().cmd("STAT " + mid).startswith("430")
        assert peers_of(a, mid)["plain.test"] == "not for it: in a private group, and it has no fingerprint (private-groups)"
    assert "connected to" in a.log_text() and ", TLSv1" in a.log_text()
    # who is no longer pinned gets no more, not even what was held up for it
    pinned.stop()
    late, all_done = make_id(), make_id()
    feed(a, late, groups="misc.secret")
    wait_for("it to wait", lambda: "waits to be offered" in peers_of(a, late)["pinned.test"])
    a.peers[0] = a.peers[0].replace("fingerprint", "tls-verify = false #")
    a.write_conf()
    a.ctl("reload")
    wait_for("it to stay", lambda: peers_of(a, late)["pinned.test"].startswith("not for it: in a private group"))
    pinned.start()
    feed(a, all_done)
    a.ctl("peer", "flush", "pinned.test")
    wait_for("the next to come", lambda: pinned.client().cmd("STAT " + all_done).startswith("223"))
    assert pinned.client().cmd("STAT " + late).startswith("430")
    for s in (a, pinned, plain):
        s.stop()


def what_is_cancelled_while_it_is_held_back_is_never_sent():
    a, b = Site("a.test"), Site("b.test")
    a.peer(b, delay="1h")
    a.start(), b.start()
    bad, good = make_id(), make_id()
    feed(a, bad, good)
    for mid in (bad, good):
        wait_for("it to be held back", lambda: peers_of(a, mid)["b.test"] == "wanted; held back for a while (delay)")
    a.ctl("cancel", bad)
    wait_for("its bytes to go", lambda: bad not in a.ctl("log", "list"))
    a.peers = []
    a.peer(b, delay="1s")
    a.ctl("reload")
    wait_for("the good one to be at b", lambda: b.client().cmd("STAT " + good).startswith("223"))
    assert b.client().cmd("STAT " + bad).startswith("430")
    assert "accepted" in a.ctl("peer", "show", "b.test")
    a.stop(), b.stop()


if __name__ == "__main__":
    main([why_tells_of_each_peer_and_names_the_setting, groups_that_become_local_are_taken_out_of_what_waits,
          private_groups_go_by_tls_to_whom_we_have_pinned_and_to_no_other, what_is_cancelled_while_it_is_held_back_is_never_sent])

"""Who may send us articles: a peer known by name, and what its block lets it do."""
import socket
import time

from kit import *


def site(name, block, access=""):
    """A site to which 127.0.0.1 is nobody but what 'block' and 'access' say."""
    s = Site(name, peers=[block], feed=False)
    with open(s.conf) as f:
        text = f.read()
    with open(s.conf, "w") as f:
        f.write(text.replace('access "all" { from = { "*" } read = { "*" } post = { "*" } }', access))
    return s


def peer_is_known_by_the_addresses_of_its_name():
    s = site("named.test", 'peer "friend.test" { address = { "localhost" } }').start()
    c = s.client()
    assert c.cmd("CHECK <1@a.example>").startswith("238 "), "localhost is not known as the peer"
    # another name in the block counts from the reload on
    with open(s.conf) as f:
        text = f.read()
    with open(s.conf, "w") as f:
        f.write(text.replace("localhost", "nobody.invalid"))
    s.ctl("reload")
    wait_for("the old name's address to be a stranger's", lambda: s.client().greeting.startswith("502 "))
    s.stop()


def stranger_gets_502_or_the_reader_s_role_as_configured():
    s = site("strange.test", 'peer "friend.test" { address = { "127.0.0.1" } }').start()
    conf = open(s.conf).read()
    with open(s.conf, "w") as f:
        f.write(conf.replace('"127.0.0.1" }', '"127.0.0.77" }'))
    s.ctl("reload")
    wait_for("127.0.0.1 to be a stranger", lambda: s.client().greeting.startswith("502 "))
    with open(s.conf, "w") as f:
        f.write(conf.replace('"127.0.0.1" }', '"127.0.0.77" }').replace(" directory =", " strangers = read\n directory ="))
    s.ctl("reload")
    wait_for("strangers to be readers", lambda: s.client().greeting.startswith("201 "))
    c = s.client()
    assert c.cmd("GROUP misc.test").startswith("211 ")
    assert c.cmd("IHAVE <1@a.example>").startswith("502 ")
    s.stop()


def one_who_closes_its_side_before_it_reads_gets_all_answers():
    s = Site("halfclose.test").start()
    c = s.client()
    n = 6000                               # some 20 MB of answers: more than sockets hold
    c.send("HELP\r\n" * n)
    c.s.shutdown(socket.SHUT_WR)
    time.sleep(1)                          # so that it fills the sockets and sees our end; more or less does not matter
    got = sum(1 for l in c.f if l.startswith(b"100 "))
    assert got == n, "%d of %d answers" % (got, n)
    s.stop()


def rate_of_a_peer_holds_over_a_socket():
    rate = 256 << 10
    s = site("paced.test", 'peer "friend.test" { address = { "127.0.0.1" } byte-rate = %d }' % rate).start()
    c = s.client()
    body = ("x" * 70 + "\r\n") * 400
    articles = [make_article(body=body, path="friend.test!not-for-mail") for _ in range(40)]
    began = time.monotonic()
    c.send(b"".join(b"TAKETHIS %s\r\n" % i.encode() + wire for i, wire in articles))
    for i, _ in articles:
        assert c.line().startswith("239 " + i)
    # 1.1 MB at 256 kB a second, of which one second's worth was saved: it cannot have been less
    assert time.monotonic() - began > 2, "it was not held back"
    s.stop()


main([peer_is_known_by_the_addresses_of_its_name,
      stranger_gets_502_or_the_reader_s_role_as_configured,
      one_who_closes_its_side_before_it_reads_gets_all_answers,
      rate_of_a_peer_holds_over_a_socket])

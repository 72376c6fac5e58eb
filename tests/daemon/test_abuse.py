"""What a client may not do to others: half-open TLS, drops, crowds, endless pipelines, dear questions, bombs.

Nothing is timed: what must end does end, memory stays below a generous bound, and
others are answered meanwhile.
"""
import select
import ssl
import threading
import zlib

from kit import *

TLS = 'tls-certificate = "site.pem"\n tls-key = "site.key"'


def one(site="", groups=("misc.test",), tls=False, **k):
    """A site whose clients are strangers from 127.0.0.1; it feeds nobody."""
    s = Site("news.test", feed=False, site=site + (TLS if tls else ""), groups=groups, **k)
    if tls:
        make_certificate(os.path.join(s.dir, "site"), "news.test")
        s.tls_port = free_port()
        s.extra += '\nlisten "127.0.0.1:%d" { tls = true }' % s.tls_port
        s.write_conf()
    return s


def dial(s, port=None, source="127.0.0.1", room=None):
    c = socket.socket()
    c.settimeout(60 * SLOW)
    if room:
        c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    c.bind((source, 0))
    c.connect(("127.0.0.1", port or s.port))
    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return c


def closed(c):
    """Until the other end has closed; what it said before."""
    got = b""
    try:
        while True:
            b = c.recv(65536)
            if not b:
                return got
            got += b
    except ConnectionError:
        return got


def drip(c, octets):
    """Octet by octet, until the other end has closed; what it said, or None when it never did."""
    for o in octets:
        if select.select([c], [], [], 0.1)[0]:
            return closed(c)
        try:
            c.sendall(bytes([o]))
        except ConnectionError:
            return closed(c)
    return None


def unverified():
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname = False
    c.verify_mode = ssl.CERT_NONE
    return c


def hello():
    """A ClientHello."""
    out = ssl.MemoryBIO()
    o = unverified().wrap_bio(ssl.MemoryBIO(), out, server_hostname="news.test")
    try:
        o.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


def fill(s, group="misc.test", n=2000):
    """Articles that somebody else had posted."""
    path = os.path.join(s.dir, "batch")
    with open(path, "wb") as f:
        for i in range(n):
            _, wire = make_article(groups=group, Subject="article %d about something or other" % i, Keywords="k%d" % i)
            raw = wire[:-3].replace(b"\r\n", b"\n")
            f.write(b"#! rnews %d\n" % len(raw) + raw)
    s.ctl("import", path)


# --- half-open TLS -------------------------------------------------------

def who_says_nothing_to_the_tls_port_is_let_go_and_weighs_little():
    s = lean(one(tls=True, site="tls-handshake = 5s connections-per-address = 0\n"))
    before, silent = rss(s), [dial(s, s.tls_port) for _ in range(1000)]
    with unverified().wrap_socket(dial(s, s.tls_port)) as c:
        assert c.recv(4) == b"200 "
    assert rss(s) - before < 60000 * SLOW, (before, rss(s))
    for c in silent:
        assert closed(c) == b""
        c.close()
    wait_for("them to be gone", lambda: int(s.status("connections")) == 0)
    with unverified().wrap_socket(dial(s, s.tls_port)) as c:
        assert c.recv(4) == b"200 "
    assert "handshake took too long" in s.log_text()
    s.stop()


def a_hello_by_single_octets_does_not_hold_the_door():
    s = one(tls=True, site="tls-handshake = 1s\n").start()
    assert drip(dial(s, s.tls_port), hello()) == b""
    s.stop()


def starttls_and_then_silence_ends_too():
    s = one(tls=True, site="tls-handshake = 1s\n").start()
    for more in (b"", hello()[:40]):
        c = dial(s)
        f = c.makefile("rb")
        f.readline()
        c.sendall(b"STARTTLS\r\n")
        assert f.readline().startswith(b"382 ")
        c.sendall(more)
        assert closed(c) == b""
    s.stop()


# --- drops and crowds ----------------------------------------------------

def a_line_by_drops_is_not_waited_for_longer_than_silence():
    s = one(site="idle = 2s").start()
    c = dial(s)
    assert c.recv(4) == b"200 "
    said = drip(c, b"x" * 500)
    assert said is not None and b"400 " in said, said
    c = dial(s)
    f = c.makefile("rb")
    f.readline()
    c.sendall(b"POST\r\n")
    assert f.readline().startswith(b"340 ")
    assert drip(c, b"Subject: x\r\n" * 100) == b""
    s.stop()


def greeting(c):
    c.settimeout(60 * SLOW)
    return c.recv(100)[:3]


def one_address_has_so_many_connections_and_no_more():
    s = one(site="connections-per-address = 50", extra='peer "friend.example" { address = { "127.0.0.9" } }').start()
    wait_for("the kit's own to be gone", lambda: int(s.status("connections")) == 0)
    there = [dial(s, source="127.0.0.4") for _ in range(60)]
    assert [greeting(c) for c in there] == [b"200"] * 50 + [b"400"] * 10
    others = [dial(s, source="127.0.0.5") for _ in range(60)]
    assert [greeting(c) for c in others] == [b"200"] * 50 + [b"400"] * 10
    peer = [dial(s, source="127.0.0.9") for _ in range(60)]
    assert [greeting(c) for c in peer] == [b"200"] * 60
    tunnel = [dial(s) for _ in range(60)]             # from the address that it goes to: this machine itself
    assert [greeting(c) for c in tunnel] == [b"200"] * 60
    for c in there[:5]:
        c.close()
    wait_for("room", lambda: int(s.status("connections")) == 215)
    assert greeting(dial(s, source="127.0.0.4")) == b"200"
    assert int(s.status("connections_turned_away")) == 20
    assert s.log_text().count("the others are turned away") == 1
    for c in there + others + peer + tunnel:
        c.close()
    s.stop()


def ten_thousand_connections_of_one_address_leave_room_for_others():
    s = lean(one(tls=True, site="tls-handshake = 10m\n"))
    before = rss(s)
    crowd = [dial(s, s.tls_port if i % 2 else s.port, source="127.0.0.4") for i in range(10000)]
    other = dial(s, source="127.0.0.5")
    with other.makefile("rb") as f:
        assert f.readline().startswith(b"200 ")
        other.sendall(b"DATE\r\n")
        assert f.readline().startswith(b"111 ")
    wait_for("all to have knocked", lambda: int(s.status("connections_turned_away")) == 9000)
    assert int(s.status("connections")) == 1001
    assert rss(s) - before < 80000 * SLOW, (before, rss(s))
    for c in crowd:
        c.close()
    wait_for("them to be gone", lambda: int(s.status("connections")) == 1)
    assert greeting(dial(s)) == b"200"
    other.close()
    s.stop()


# --- pipelines -----------------------------------------------------------

def answers_of(c, n, blocks=False):
    """n answers, their codes."""
    f, codes = c.makefile("rb", 1 << 20), []
    while len(codes) < n:
        l = f.readline()
        assert l, "closed after %d of %d" % (len(codes), n)
        codes.append(l[:3])
        if blocks and l[:3] in (b"220", b"224"):
            while l != b".\r\n":
                l = f.readline()
    return codes


def a_hundred_thousand_commands_whose_answers_nobody_reads_wait_in_bounded_memory():
    s = one()
    fill(s, n=200)
    lean(s)
    before, n = rss(s), 100000
    c = dial(s, room=16384)
    c.recv(100)
    c.sendall(b"GROUP misc.test\r\n")
    c.recv(100)
    text = b"".join((b"DATE\r\n", b"ARTICLE 1\r\n", b"OVER 1-5\r\n", b"NONSENSE\r\n")[i % 4] for i in range(n))
    t = threading.Thread(target=c.sendall, args=(text,))
    t.start()
    other = s.client()
    for _ in range(200):
        assert other.cmd("DATE").startswith("111 ")
        assert other.cmd("GROUP misc.test").startswith("211 ")
    assert rss(s) - before < 20000 * SLOW, (before, rss(s))
    assert answers_of(c, n, blocks=True) == [b"111", b"220", b"224", b"500"] * (n // 4)
    t.join()
    assert rss(s) - before < 20000 * SLOW, (before, rss(s))
    other.close()
    c.close()
    s.stop()


# --- dear questions ------------------------------------------------------

DEAR = ("XPAT Subject 1- *a*b*o*u*t*n*o*t*h*i*n*g*z*",
        "XPAT Keywords 1- *a*b*c*z*",
        "HDR Keywords 1-",
        "OVER 1-2147483647",
        "LISTGROUP misc.test 1-2147483647",
        "NEWNEWS * 19700101 000000 GMT",
        "NEWNEWS %s 19700101 000000 GMT" % ",".join(["*a*", "!*b*", "*c*d*"] * 20),
        "LIST ACTIVE %s" % ",".join(["*a*", "*b*", "*c*", "*d*"] * 29)[:480],
        "LIST ACTIVE " + "*a" * 200,
        "LIST NEWSGROUPS " + ",".join(["*?*"] * 100))


def who_asks_dear_questions_keeps_nobody_waiting():
    """One worker, one lane thread: the others' answers come before the last of the dear ones."""
    s = one(site="workers = 1 lane-threads = 1\n")
    names = ["".join(random.choice("abcdefghij") for _ in range(8)) + "." + "".join(random.choice("abcd") for _ in range(12))
             for _ in range(5000)]
    with open(os.path.join(s.dir, "active"), "w") as f:
        f.writelines("%s 0 1 y\n" % n for n in sorted(set(names)))
    s.ctl("group", "import", os.path.join(s.dir, "active"))
    fill(s)
    s.start()
    other = s.client()
    assert other.cmd("GROUP misc.test").startswith("211 2000 ")
    for dear in DEAR:
        c, heard = dial(s), []
        c.recv(100)
        c.sendall(b"GROUP misc.test\r\n")
        c.recv(100)

        def hear():
            closed(c)
            heard.append(True)
        c.sendall((dear + "\r\n").encode() * (600000 // len(dear)) + b"QUIT\r\n")
        assert c.recv(1) == b"2", dear             # the first is being answered
        t = threading.Thread(target=hear)
        t.start()
        for i in range(10):
            assert other.cmd("DATE").startswith("111 ")
            assert other.cmd("STAT %d" % (i + 1)).startswith("223 ")
            assert other.cmd("OVER %d-%d" % (i + 1, i + 3)).startswith("224 ") and len(other.block()) == 3
            assert other.cmd("HEAD %d" % (i + 1)).startswith("221 ") and other.block()
        assert not heard, dear
        c.shutdown(socket.SHUT_RDWR)
        t.join()
        c.close()
    other.close()
    s.stop()


def many_bombs_at_once_go_off_alone():
    """DEFLATE: 1 MB of blanks is 1 kB; twenty clients send endless lines of them."""
    s = lean(one())
    before, bombs, zeros = rss(s), [], bytes(1 << 20)
    for _ in range(20):
        c = dial(s)
        c.recv(100)
        c.sendall(b"COMPRESS DEFLATE\r\n")
        assert c.recv(100)[:3] == b"206"
        bombs.append((c, zlib.compressobj(9, zlib.DEFLATED, -15)))
    other = s.client()
    for _ in range(20):
        for c, z in bombs:
            c.sendall(z.compress(zeros) + z.flush(zlib.Z_SYNC_FLUSH))
        assert other.cmd("DATE").startswith("111 ")
    assert rss(s) - before < 40000 * SLOW, (before, rss(s))
    for c, z in bombs:
        c.sendall(z.compress(b"\r\nQUIT\r\n") + z.flush(zlib.Z_SYNC_FLUSH))
    for c, _ in bombs:
        said = zlib.decompressobj(-15).decompress(closed(c))
        assert said[:3] in (b"500", b"501") and b"\r\n205 " in said, said
    other.close()
    s.stop()


main([who_says_nothing_to_the_tls_port_is_let_go_and_weighs_little, a_hello_by_single_octets_does_not_hold_the_door,
      starttls_and_then_silence_ends_too, a_line_by_drops_is_not_waited_for_longer_than_silence,
      one_address_has_so_many_connections_and_no_more, ten_thousand_connections_of_one_address_leave_room_for_others,
      a_hundred_thousand_commands_whose_answers_nobody_reads_wait_in_bounded_memory,
      who_asks_dear_questions_keeps_nobody_waiting, many_bombs_at_once_go_off_alone])

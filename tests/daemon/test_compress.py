"""DEFLATE at the front door: RFC 8054, alone and on TLS."""
import re

from layerkit import *


# --- COMPRESS ---------------------------------------------------------------

def compress_follows_the_rules_of_rfc_8054():
    """2.1, 2.2.1, 2.2.2"""
    s = one()
    c = plain(s)
    assert "COMPRESS DEFLATE" in c.caps()
    assert c.cmd("COMPRESS").startswith("501 ")
    assert c.cmd("COMPRESS deflate!").startswith("501 ")
    assert c.cmd("COMPRESS DEFLATE now").startswith("501 ")
    assert c.cmd("COMPRESS SHRINK").startswith("503 ")
    c.compress()
    caps = c.caps()
    assert "STARTTLS" not in caps and not any(l.startswith("COMPRESS") for l in caps) and "READER" in caps, caps
    assert not any(l.startswith("AUTHINFO ") for l in caps), caps
    assert c.cmd("COMPRESS DEFLATE").startswith("502 ")
    assert c.cmd("COMPRESS SHRINK").startswith("502 ")
    assert c.cmd("COMPRESS deflate!").startswith("501 ")
    assert c.cmd("STARTTLS").startswith("502 ")
    assert c.cmd("MODE READER").startswith("200 ")
    assert c.cmd("QUIT").startswith("205 ") and c.closed()
    assert s.status("sessions_compressed") == "1"
    done(s)
    assert re.search(r", compressed \d+ in, \d+ out$", s.log_text(), re.M), s.log_text()


def compression_stands_on_tls():
    s = one()
    for c in (secure(s).compress(), plain(s).starttls().compress()):
        assert c.cmd("GROUP misc.test").startswith("211 ")
        assert c.cmd("STARTTLS").startswith("502 ")
        assert c.cmd("QUIT").startswith("205 ")
    done(s)


def the_group_stays_when_compression_begins():
    s = one()
    c = plain(s)
    c.takethis(*make_article())
    assert c.cmd("GROUP misc.test").startswith("211 1 ")
    c.compress()
    assert c.cmd("STAT").startswith("223 1 ")
    done(s)


def articles_go_both_ways_through_all_layers():
    s = one(groups=("misc.test", "misc.other"))
    for c in (plain(s).compress(), secure(s).compress(level=1, bits=-9), plain(s).starttls()):
        before = int(c.cmd("GROUP misc.test").split()[1])
        batch = [make_article(body="".join("%d some text that repeats %d\r\n" % (i, k) for k in range(i * 3))) for i in range(200)]
        c.send("".join("CHECK %s\r\n" % mid for mid, _ in batch))
        assert [c.line()[:4] for _ in batch] == ["238 "] * len(batch)
        c.send(b"".join(b"TAKETHIS " + mid.encode() + b"\r\n" + wire for mid, wire in batch))
        assert [c.line().split()[:2] for _ in batch] == [["239", mid] for mid, _ in batch]
        assert c.cmd("GROUP misc.test").split()[1] == str(before + len(batch))
        assert c.cmd("OVER %d-" % (before + 1)).startswith("224 ")
        lines = c.block()
        assert [l.split("\t")[4] for l in lines] == [mid for mid, _ in batch]
        for mid, wire in batch[::20]:
            assert c.cmd("BODY " + mid).startswith("222 ")
            assert "".join(l + "\r\n" for l in c.block()) == wire.split(b"\r\n\r\n", 1)[1][:-3].decode()
    done(s)


def overviews_shrink():
    s = one()
    c = plain(s)
    batch = [make_article(Subject="Re: What is for dinner on day %d" % i) for i in range(500)]
    c.send(b"".join(b"TAKETHIS " + mid.encode() + b"\r\n" + wire for mid, wire in batch))
    assert all(c.line().startswith("239 ") for _ in batch)
    c.cmd("GROUP misc.test")
    c.compress()
    c.send("OVER 1-\r\n")
    packed = plain_octets = 0
    while not c.held.endswith(b"\r\n.\r\n"):
        got = c.s.recv(65536)
        packed += len(got)
        c.held += c.unpack.decompress(got)
        plain_octets = len(c.held)
    assert plain_octets > 50000 and packed * 3 < plain_octets, (packed, plain_octets)
    done(s)


def what_stands_behind_compress_is_not_taken_for_commands():
    s = one()
    c = plain(s)
    c.send("COMPRESS DEFLATE\r\nDATE\r\n")
    assert c.line().startswith("206 ")
    c.pack, c.unpack = zlib.compressobj(9, zlib.DEFLATED, -15), zlib.decompressobj(-15)
    assert c.cmd("QUIT").startswith("205 ") and c.closed()
    done(s)


def garbage_under_compression_ends_the_connection():
    """RFC 8054 2.2.2: invalid or corrupted data: close at once"""
    s = one()
    c = plain(s).compress()
    assert c.cmd("DATE").startswith("111 ")
    c.s.sendall(b"GROUP misc.test\r\n")
    assert c.closed()
    wait_for("the log to tell", lambda: "what came is not DEFLATE" in s.log_text())
    done(s)


def compression_can_be_kept_to_connections_in_clear_or_switched_off():
    """RFC 8054 7"""
    s = one(site=CERT + "\n compress = clear")
    c = secure(s)
    assert "COMPRESS DEFLATE" not in c.caps()
    assert c.cmd("COMPRESS DEFLATE").startswith("403 ")
    assert "COMPRESS DEFLATE" in plain(s).caps()
    assert plain(s).compress().cmd("DATE").startswith("111 ")
    s.site = CERT + "\n compress = never"
    s.write_conf()
    s.ctl("reload")
    wait_for("the new rules", lambda: "COMPRESS DEFLATE" not in plain(s).caps())
    assert plain(s).cmd("COMPRESS DEFLATE").startswith("403 ")
    done(s)


def a_bomb_takes_no_memory():
    s = lean(one(start=False))
    c = plain(s).compress()
    assert c.cmd("DATE").startswith("111 ")
    before, zeros = rss(s), bytes(1 << 20)
    for _ in range(300):
        c.s.sendall(c.pack.compress(zeros))    # one endless line
    c.send(b"\r\nDATE\r\n")
    assert c.line()[:3] in ("500", "501")
    assert c.line().startswith("111 ")
    assert rss(s) - before < 20000 * SLOW, (before, rss(s))
    done(s)


def one_who_reads_nothing_stops_being_read():
    """Backpressure holds through the layers, and the connection goes on afterwards."""
    s = lean(one(start=False))
    c = plain(s)
    mid, wire = make_article(body="".join("%x\r\n" % random.getrandbits(400) for _ in range(2000)))
    assert c.takethis(mid, wire).startswith("239 ")
    for c in (plain(s).compress(), secure(s)):
        before, n = rss(s), 200
        c.send("".join("BODY %s\r\n" % mid for _ in range(n)))
        other = plain(s)
        for _ in range(50):
            assert other.cmd("DATE").startswith("111 ")
        assert rss(s) - before < 20000 * SLOW
        for _ in range(n):
            assert c.line().startswith("222 ")
            assert len(c.block()) == 2000
        assert c.cmd("DATE").startswith("111 ")
    done(s)


main([compress_follows_the_rules_of_rfc_8054, compression_stands_on_tls, the_group_stays_when_compression_begins,
      articles_go_both_ways_through_all_layers, overviews_shrink,
      what_stands_behind_compress_is_not_taken_for_commands, garbage_under_compression_ends_the_connection,
      compression_can_be_kept_to_connections_in_clear_or_switched_off, a_bomb_takes_no_memory,
      one_who_reads_nothing_stops_being_read])

"""Peers that break every rule while we feed them: each time bounded, logged with a reason, and gone on with afterwards.

A peer misbehaves on its first connections and is a good one from then on: in the end it must have everything, once.
"""
import collections
import re
import struct
import threading
import zlib

from kit import *

N = 60


class Bad(Listener):
    """A peer: 'bad' plays the first connections (all while 'times' is left), then it is as it should be."""

    def __init__(self, bad, times=1):
        self.bad, self.times = bad, times
        self.got = collections.Counter()                    # what it answered 239 or 235 to
        self.lock, self.open = threading.Lock(), []
        super().__init__()

    def talk(self, s):
        with self.lock:
            self.open.append(s)
            bad = self.times > 0
            self.times -= bad
        try:
            (self.bad if bad else good)(self, s)
        except (OSError, EOFError):
            pass
        s.close()

    def take(self, mid):
        """Is it the first to say so?"""
        with self.lock:
            self.got[mid] += (new := not self.got[mid])
        return new

    def close(self):
        super().close()
        for s in self.open:
            s.close()


class Lines:
    """What comes from us, by the line."""

    def __init__(self, s):
        self.s, self.f = s, s.makefile("rb", 65536)

    def line(self):
        l = self.f.readline()
        if not l.endswith(b"\n"):
            raise EOFError
        return l.rstrip(b"\r\n").decode("latin-1")

    def article(self):
        while self.line() != ".":
            pass

    def say(self, text):
        self.s.sendall(text.encode("latin-1") + b"\r\n")


def greet(s, stream=True, deflate=False):
    """Up to the first article; who is asked to compress does not."""
    c = Lines(s)
    c.say("200 bad")
    l = c.line()
    if deflate and l == "COMPRESS DEFLATE":
        c.say("403 not now")
        l = c.line()
    assert l == "MODE STREAM"
    c.say("203 go on" if stream else "500 what?")
    return c


def good(p, s):
    c = greet(s, deflate=True)
    while True:
        w = c.line().split()
        if w[0] == "CHECK":
            c.say(("438 " if p.got[w[1]] else "238 ") + w[1])
        elif w[0] == "TAKETHIS":
            c.article()
            c.say(("239 " if p.take(w[1]) else "439 ") + w[1])
        else:
            c.say("205 bye")
            return


def cut(s):
    """A reset, not an end."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def wait_end(s):
    """Until we hang up: a misbehaving peer does not."""
    s.settimeout(60 * SLOW)
    while s.recv(65536):
        pass


def site_for(p, **k):
    s = Site("out.test")
    opt = {"address": '{ "127.0.0.1" }', "connect": '"127.0.0.1:%d"' % p.port, "send": "true", "accept": "false",
           "connections": "1", "retry": "1s", "reply_time": "2s"}
    opt.update(k)
    s.peers.append('peer "bad.test" {\n%s\n}' % "\n".join(" %s = %s" % (a.replace("_", "-"), v) for a, v in opt.items()))
    s.write_conf()
    # a sanitizer is to keep little of what was freed
    return s.start(env={"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=4"})


def books(s):
    r = s.ctl("peer", "show", "bad.test", check=False)
    rows = [l.split() for l in r.stdout.splitlines()] if r.returncode == 0 else []
    return collections.defaultdict(int, {" ".join(w[:-1]): int(w[-1]) for w in rows if len(w) > 1 and w[-1].isdigit()})


def memory(pid):
    with open("/proc/%d/status" % pid) as f:
        return next(int(l.split()[1]) for l in f if l.startswith("VmHWM"))


def goes_on_after(bad, why, times=1, body="words\r\n", **k):
    """The peer plays 'bad', our log says 'why', and then it has all of them, none twice."""
    p = Bad(bad, times)
    s = site_for(p, **k)
    wait_for("the feeder", s.feeder_pid)
    before = memory(s.feeder_pid())
    c, mids = s.client(), set()
    for i in range(N):
        mid, wire = make_article(body=body)
        assert c.takethis(mid, wire).startswith("239")
        mids.add(mid)
    for w in [why] if isinstance(why, str) else why:
        wait_for("the log to say: " + w, lambda: w in s.log_text())

    def all_there():
        s.ctl("peer", "flush", "bad.test", check=False)
        time.sleep(0.1)
        return set(p.got) >= mids
    try:
        wait_for("all articles", all_there, 40)
    except AssertionError as e:
        raise AssertionError("%s: %d of %d are there; %s" % (e, len(p.got), N, dict(books(s))))
    assert set(p.got) == mids and max(p.got.values()) == 1
    wait_for("nothing in flight", lambda: books(s)["lag"] == 0)
    b = books(s)
    grown = memory(s.feeder_pid()) - before
    assert grown < 20000 * SLOW, "the feeder has grown by %d kB" % grown
    assert c.cmd("DATE").startswith("111")
    c.close()
    p.close()
    s.stop()
    return b


# --- what is said ---

def what_is_no_reply_ends_the_connection():
    for noise in (b"hello, world\r\n", b"\xff\xfe\x00\x01\x02\n", b"2\r\n", b"99 small\r\n", b"\r\n", b"239<a@b>\r\n", b"-39 x\r\n"):
        def bad(p, s, noise=noise):
            c = greet(s)
            c.line()
            s.sendall(noise)
            wait_end(s)
        b = goes_on_after(bad, "it says what is no reply")
        assert b["answers without sense"] == 1, (noise, b)


def noise_in_place_of_a_greeting_or_of_the_streaming_reply():
    def early(p, s):
        s.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
        wait_end(s)

    def later(p, s):
        Lines(s).say("200 x")
        s.sendall(os.urandom(3000).replace(b"\n", b"") + b"\n")
        wait_end(s)
    goes_on_after(early, "it says what is no reply", times=2)
    goes_on_after(later, "it says what is no reply", times=2)


def an_endless_line_ends_the_connection_wherever_it_comes():
    def endless(s):
        try:
            for _ in range(2000):
                s.sendall(b"2" * 65536)
        except OSError:
            return
        raise AssertionError("131 MB were taken")

    def greeting(p, s):
        endless(s)

    def streaming(p, s):
        Lines(s).say("200 x")
        endless(s)

    def answer(p, s):
        c = greet(s)
        c.say("238 " + c.line().split()[1])
        c.line()
        endless(s)
    for bad in (greeting, streaming, answer):
        goes_on_after(bad, "a reply without an end", times=2)


def replies_in_another_order_are_as_good():
    def bad(p, s):
        c, wanted = greet(s), 0
        first = [c.line().split()[1] for _ in range(16)]
        for m in reversed(first):
            c.say("238 " + m)
        sent = []
        while len(sent) < 16:
            w = c.line().split()
            if w[0] == "TAKETHIS":
                c.article()
                sent.append(w[1])
        assert sorted(sent) == sorted(first)
        for m in sent[1::2] + sent[0::2][::-1]:
            assert p.take(m)
            c.say("239 " + m)
        s.shutdown(socket.SHUT_RDWR)
    b = goes_on_after(bad, "connection to 127.0.0.1 ended: ")
    assert b["accepted"] >= 16 and b["answers without sense"] == 0 and b["rejected"] == 0, b


def replies_to_what_was_not_asked_are_counted_and_then_too_many():
    def bad(p, s):
        c = greet(s)
        c.line()
        for i in range(1000):
            c.say("238 <nobody%d@asked.example>" % i)
        wait_end(s)
    b = goes_on_after(bad, "it keeps answering what was not asked")
    assert b["answers without sense"] == 50, b


def a_reply_twice_does_no_harm():
    def bad(p, s):
        c = greet(s)
        for _ in range(5):
            m = c.line().split()[1]
        c.say("438 " + m)
        c.say("438 " + m)
        c.say("238 " + m)
        p.take(m)
        s.shutdown(socket.SHUT_WR)
        wait_end(s)
    b = goes_on_after(bad, "it hung up")
    assert b["answers without sense"] == 2 and b["refused"] >= 1, b


def a_reply_without_the_id_ends_the_connection():
    for step in ("CHECK", "TAKETHIS"):
        def bad(p, s, step=step):
            c = greet(s)
            while True:
                w = c.line().split()
                if w[0] == "TAKETHIS":
                    c.article()
                if w[0] == step:
                    c.say("238" if step == "CHECK" else "239 thank you")
                    wait_end(s)
                    return
                c.say("238 " + w[1])
        goes_on_after(bad, "a reply without the Message-ID")


def yes_to_what_was_only_asked_about_is_not_believed():
    """239 to CHECK: the article never went out."""
    def bad(p, s):
        c = greet(s)
        while True:
            w = c.line().split()
            if w[0] == "TAKETHIS":
                c.article()
            c.say("239 " + w[1])
    p = Bad(bad, 1000)
    s = site_for(p)
    c = s.client()
    mid, wire = make_article()
    assert c.takethis(mid, wire).startswith("239")
    wait_for("it to be set aside", lambda: books(s)["set aside now"] == 1)
    assert books(s)["accepted"] == 0 and "%s is set aside: " % mid in s.log_text()
    assert books(s)["lag"] == 0, "one article blocks the line"
    s.stop()
    p.close()


def one_article_that_is_never_answered_does_not_stop_the_others():
    dumb = []

    def bad(p, s):
        c = greet(s)
        while True:
            w = c.line().split()
            if w[0] == "TAKETHIS":
                c.article()
            if not dumb or dumb[0] == w[1]:
                dumb[:] = [w[1]]
                continue
            time.sleep(0.06)                          # so that there is always something to hear
            if w[0] == "TAKETHIS" and not p.take(w[1]):
                continue                              # it came by the next connection meanwhile
            c.say(("239 " if w[0] == "TAKETHIS" else "238 ") + w[1])
    goes_on_after(bad, "an article was never answered", window="16")


def one_that_streams_no_more_gets_the_rest_by_ihave():
    """Its operator has turned streaming off: 500 to each CHECK, and no 203 to the next MODE STREAM."""
    def bad(p, s):
        c = greet(s, stream=not p.told)
        while not p.told or p.told[-1] is s:
            p.told = [s]
            c.line()
            c.say("500 What?")
        while True:
            w = c.line().split()
            if w[0] != "IHAVE":
                return
            if p.got[w[1]]:
                c.say("435 have it")
                continue
            c.say("335 send it")
            c.article()
            p.take(w[1])
            c.say("235 got it")
    p = Bad(bad, 1000)
    p.told = []
    s = site_for(p)
    c, mids = s.client(), set()
    for _ in range(N):
        mid, wire = make_article()
        assert c.takethis(mid, wire).startswith("239")
        mids.add(mid)
    wait_for("all articles", lambda: set(p.got) >= mids)
    wait_for("nothing in flight", lambda: books(s)["lag"] == 0)
    assert books(s)["set aside now"] == 0 and "ended: 500 What?" in s.log_text()
    s.stop()
    p.close()


def trouble_of_its_own_is_later():
    """403 (RFC 3977 3.2.1): the article is offered again, at any step."""
    for step in ("CHECK", "TAKETHIS"):
        def bad(p, s, step=step):
            c = greet(s)
            while True:
                w = c.line().split()
                if w[0] == "TAKETHIS":
                    c.article()
                c.say(("403 " if w[0] == step else "238 ") + w[1] + " disk trouble")
        b = {}

        def deferred():
            b.update(books(s))
            return b.get("deferred now") == 3
        p = Bad(bad, 1000)
        s = site_for(p, retry="1h")
        c = s.client()
        for _ in range(3):
            assert c.takethis(*make_article()).startswith("239")
        wait_for("all to be put off", deferred)
        assert b["answers without sense"] == 0 and b["set aside now"] == 0
        s.stop()
        p.close()


def what_was_deferred_comes_in_the_order_that_it_had():
    """A followup is not to overtake what it answers."""
    def bad(p, s):
        c = greet(s)
        while True:
            w = c.line().split()
            if w[0] == "CHECK":
                c.say(("238 " if p.wants else "431 ") + w[1])
            else:
                c.article()
                p.take(w[1])
                c.say("239 " + w[1])
    p = Bad(bad, 1000)
    p.wants = False
    s = site_for(p, retry="1h")
    c, mids = s.client(), []
    for _ in range(N):
        mid, wire = make_article()
        assert c.takethis(mid, wire).startswith("239")
        mids.append(mid)
    wait_for("all to be put off", lambda: books(s)["deferred now"] == N)
    p.wants = True
    s.ctl("peer", "flush", "bad.test")
    wait_for("all articles", lambda: len(p.got) == N)
    assert list(p.got) == mids
    s.stop()
    p.close()


def one_with_connections_enough_is_left_in_peace():
    """It takes one connection; a slow one, so that another is wanted all the time."""
    for late in (False, True):
        def bad(p, s, late=late):
            p.tries += 1
            if p.tries > 1 and not late:
                s.sendall(b"400 too many connections\r\n")
                return
            c = greet(s)
            if p.tries > 1:
                c.line()
                c.say("400 too many connections")
                return
            while True:
                w = c.line().split()
                if w[0] == "TAKETHIS":
                    c.article()
                    p.take(w[1])
                    time.sleep(0.02)
                c.say(("239 " if w[0] == "TAKETHIS" else "238 ") + w[1])
        p = Bad(bad, 1000)
        p.tries = 0
        s = site_for(p, connections="4", window="16")
        c, n = s.client(), 300
        for _ in range(n):
            assert c.takethis(*make_article()).startswith("239")
        wait_for("all articles", lambda: len(p.got) == n)
        most = 4 if late else 2                       # the next may be on its way when one hears its 400
        assert p.tries <= most, "it was asked for another connection %d times" % (p.tries - 1)
        s.stop()
        p.close()


# --- what is not said, and what ends ---

def one_article_that_ends_the_connection_each_time_does_not_stop_the_others():
    """Some filter, or a limit that is not told: whoever sends it that one hears no more.  It is put off, never given up."""
    def bad(p, s):
        c = greet(s, stream=p.stream)
        while True:
            w = c.line().split()
            p.bane = p.bane or w[1]
            if w[0] == "CHECK":
                c.say(("438 " if p.got[w[1]] else "238 ") + w[1])
                continue
            if w[0] == "IHAVE" and p.got[w[1]]:
                c.say("435 have it")
                continue
            if w[0] == "IHAVE":
                c.say("335 send it")
            c.article()
            if w[1] == p.bane and not p.cured:
                return p.end(s)
            c.say("235 thanks" if w[0] == "IHAVE" else ("239 " if p.take(w[1]) else "439 ") + w[1])
            if w[0] == "IHAVE":
                p.take(w[1])
    for stream, end in ((True, cut), (False, cut), (True, wait_end)):
        p = Bad(bad, 1000)
        p.stream, p.end, p.bane, p.cured = stream, end, None, False
        s = site_for(p)
        c, mids = s.client(), set()
        for _ in range(N):
            mid, wire = make_article()
            assert c.takethis(mid, wire).startswith("239")
            mids.add(mid)
        wait_for("all others", lambda: set(p.got) >= mids - {p.bane}, 60)
        assert p.bane not in p.got
        wait_for("the queue to move on", lambda: books(s)["lag"] == 0)
        assert books(s)["set aside now"] == 0
        assert "%s is put off: 3 connections have ended at it" % p.bane in s.log_text()
        assert re.search("deferred .* after [0-9]+ tries", s.ctl("peer", "show", "bad.test"))
        s.stop()                                      # it is durable, too
        p.cured = True
        s.start()

        def there():
            s.ctl("peer", "flush", "bad.test", check=False)
            time.sleep(0.1)
            return p.bane in p.got
        wait_for("the one that was put off", there)
        assert set(p.got) == mids and max(p.got.values()) == 1
        s.stop()
        p.close()


def a_silent_peer_is_given_up():
    def mute(p, s):
        wait_end(s)

    def mute_later(p, s):
        greet(s)
        wait_end(s)
    for bad in (mute, mute_later):
        goes_on_after(bad, "no answer for 2 s", times=2)


def one_who_reads_nothing_is_given_up_and_holds_little_memory():
    def bad(p, s):
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        c = greet(s)
        first = [c.line().split()[1] for _ in range(16)]
        for m in first:
            c.say("238 " + m)
        time.sleep(300 * SLOW)                        # its socket is full, and it does not look
    goes_on_after(bad, "no answer for 2 s", body=("y" * 70 + "\r\n") * 12000)


def cut_in_the_middle_of_an_article():
    def some(end):
        def bad(p, s):
            c = greet(s)
            c.say("238 " + c.line().split()[1])
            while not c.line().startswith("TAKETHIS"):
                pass
            for _ in range(20):
                c.line()
            end(s)
        return bad
    body = ("z" * 70 + "\r\n") * 400
    goes_on_after(some(cut), "connection to 127.0.0.1 ended: ", times=3, body=body)
    goes_on_after(some(lambda s: s.close()), "connection to 127.0.0.1 ended: ", times=3, body=body)


def half_closed_by_the_peer():
    """It says no more, but reads on: what is not answered goes out again."""
    def bad(p, s):
        c = greet(s)
        for _ in range(3):
            c.say("238 " + c.line().split()[1])
        s.shutdown(socket.SHUT_WR)
        wait_end(s)
    goes_on_after(bad, "it hung up", times=3)


def goodbye_in_the_middle():
    for text in ("400 not now", "502 go away", "480 who are you?", "483 in clear?", "503 program fault"):
        def bad(p, s, text=text):
            c = greet(s)
            c.line()
            c.say(text)
            wait_end(s)
        b = goes_on_after(bad, "ended: " + text)
        assert b["answers without sense"] == 0


def ihave_out_of_step():
    """Without streaming: a reply too many, and an end between 335 and 235."""
    def many(p, s):
        c = greet(s, stream=False)
        for _ in range(100):
            c.line()
            for _ in range(60):
                c.say("436 later")

    def between(p, s):
        c = greet(s, stream=False)
        c.line()
        c.say("335 send it")
        c.line()
        cut(s)
    goes_on_after(many, "it keeps answering what was not asked")
    goes_on_after(between, "connection to 127.0.0.1 ended: ", times=3, body=("z" * 70 + "\r\n") * 400)


# --- the layers ---

def compressing(s, first=b""):
    """With 'first', packed, in the same breath as the yes."""
    c, pack = Lines(s), zlib.compressobj(9, zlib.DEFLATED, -15)
    c.say("200 bad")
    assert c.line() == "COMPRESS DEFLATE"
    s.sendall(b"206 go on\r\n" + pack.compress(first))
    return pack


def a_bomb_under_deflate_takes_no_memory():
    def bad(p, s):
        pack = compressing(s, bytes(20 << 20))
        try:
            for _ in range(280):
                s.sendall(pack.compress(bytes(1 << 20)))
        except OSError:
            pass
        wait_end(s)
    goes_on_after(bad, "a reply without an end", times=2, compress="true")


def noise_under_deflate_and_an_end_within_it():
    def noise(p, s):
        compressing(s)
        s.sendall(b"\xff\xff203 what?\r\n" * 10)
        wait_end(s)

    def stub(p, s):
        pack = compressing(s)
        d = pack.compress(b"203 go on\r\n") + pack.flush(zlib.Z_SYNC_FLUSH)
        s.sendall(d[:-5])
        cut(s)
    goes_on_after(noise, "what came is not DEFLATE", times=2, compress="true")
    goes_on_after(stub, "connection to 127.0.0.1 ended: ", times=2, compress="true")


def what_is_no_tls_or_never_becomes_it_gets_nothing():
    heard = []

    def talk(after):
        def bad(p, s):
            c = Lines(s)
            c.say("200 bad")
            heard.append(c.line())
            c.say("382 go on")
            after(s)
            wait_end(s)
        return bad
    for after, why in ((lambda s: s.sendall(b"203 no need to\r\n"), "TLS"), (lambda s: None, "no answer for 2 s"), (cut, "")):
        p = Bad(talk(after), 1000)
        s = site_for(p, tls='"starttls"', tls_verify="false")
        c = s.client()
        assert c.takethis(*make_article()).startswith("239")
        wait_for("the reason: " + why, lambda: why in s.ctl("peer", "show", "bad.test", check=False).stdout and heard)
        assert set(heard) == {"STARTTLS"} and books(s)["lag"] == 1
        c.close()
        s.stop()
        p.close()
        heard.clear()


if __name__ == "__main__":
    main([what_is_no_reply_ends_the_connection, noise_in_place_of_a_greeting_or_of_the_streaming_reply,
          an_endless_line_ends_the_connection_wherever_it_comes, replies_in_another_order_are_as_good,
          replies_to_what_was_not_asked_are_counted_and_then_too_many, a_reply_twice_does_no_harm,
          a_reply_without_the_id_ends_the_connection, yes_to_what_was_only_asked_about_is_not_believed,
          one_that_streams_no_more_gets_the_rest_by_ihave, trouble_of_its_own_is_later,
          what_was_deferred_comes_in_the_order_that_it_had, one_with_connections_enough_is_left_in_peace,
          one_article_that_is_never_answered_does_not_stop_the_others,
          one_article_that_ends_the_connection_each_time_does_not_stop_the_others, a_silent_peer_is_given_up,
          one_who_reads_nothing_is_given_up_and_holds_little_memory, cut_in_the_middle_of_an_article,
          half_closed_by_the_peer, goodbye_in_the_middle, ihave_out_of_step,
          a_bomb_under_deflate_takes_no_memory, noise_under_deflate_and_an_end_within_it,
          what_is_no_tls_or_never_becomes_it_gets_nothing])

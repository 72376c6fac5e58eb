#!/usr/bin/env python3
"""Lists of many groups, and fields of many articles: time of whole answers over
a socket, the median and the longest of ROUNDS; nothing is judged.

GROUPS=45000  ARTICLES=20000  ROUNDS=30  SERVER_CPUS= as for run.py
"""
import os
import random
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "daemon"))
from kit import *  # noqa: E402

CORES = os.cpu_count() or 2
SERVER_CPUS = os.environ.get("SERVER_CPUS", "0-%d" % max(0, CORES // 2 - 1))
GROUPS, ARTICLES, ROUNDS = (int(os.environ.get(k, d)) for k, d in (("GROUPS", 45000), ("ARTICLES", 20000), ("ROUNDS", 30)))


def names():
    """Names as long as those of Usenet, about 24 octets."""
    r = random.Random(1)
    words = ["".join(r.choice("abcdefghilmnoprstuvw") for _ in range(r.randint(3, 9))) for _ in range(400)]
    some = set()
    while len(some) < GROUPS:
        some.add(".".join(r.choice(words) for _ in range(r.randint(2, 5))))
    return sorted(some)


def make_site(groups):
    s = Site("lists.test", groups=[], site="age-max = 0 post-max = 64K")
    with open(os.path.join(s.dir, "active"), "w") as f:
        f.writelines("%s %d 1 y\n" % (g, i % 100000) for i, g in enumerate(groups))
        f.write("fields.test 0 1 y\n")
    with open(os.path.join(s.dir, "newsgroups"), "w") as f:
        f.writelines("%s\tWhat people say about %s and its like\n" % (g, g) for g in groups)
    s.ctl("group", "import", os.path.join(s.dir, "active"), os.path.join(s.dir, "newsgroups"))
    return s


def fill(s):
    c = socket.create_connection((s.listen, s.port))
    f = c.makefile("rb")
    f.readline()
    for first in range(0, ARTICLES, 100):
        some = range(first, min(first + 100, ARTICLES))
        c.sendall("".join("TAKETHIS <%d@bench.example>\r\nPath: src.example!x\r\nFrom: Joe <joe%d@bench.example>\r\n"
                          "Newsgroups: fields.test\r\nSubject: article %d about something or other\r\n"
                          "Date: Fri, 20 Nov 2026 23:56:59 +0000\r\nMessage-ID: <%d@bench.example>\r\n"
                          "Keywords: %d\r\n\r\nText.\r\n.\r\n" % (i, i, i, i, i) for i in some).encode())
        for _ in some:
            line = f.readline()
            assert line.startswith(b"239"), line
    c.close()


class Client:
    def __init__(self, s):
        self.s = socket.create_connection((s.listen, s.port))
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.room = bytearray(64 << 20)
        self.line()

    def line(self):
        got = b""
        while not got.endswith(b"\n"):
            got += self.s.recv(1)
        return got

    def ask(self, text, answers=1):
        """The seconds until all answers (each a block) have come, and how many octets they are."""
        n, ends, t = 0, 0, time.perf_counter()
        self.s.sendall(text.encode())
        view = memoryview(self.room)
        while ends < answers or self.room[n - 5:n] != b"\r\n.\r\n":
            k = self.s.recv_into(view[n:])
            assert k > 0
            ends += self.room.count(b"\r\n.\r\n", max(0, n - 4), n + k)
            n += k
        return time.perf_counter() - t, n


def measure(c, what, command, answers=1):
    times = []
    for _ in range(ROUNDS):
        seconds, octets = c.ask(command, answers)
        times.append(seconds * 1000)
    print("lists.%-28s median %8.2f ms  longest %8.2f ms  %9d octets" % (what, statistics.median(times), max(times), octets))


def quickest_while(s, command):
    """Another reader's STAT while one asks for big lists: how long does it wait?"""
    import threading
    c, o, times, go = Client(s), Client(s), [], [True]

    def big():
        while go[0]:
            c.ask(command)
    t = threading.Thread(target=big)
    t.start()
    for _ in range(300):
        began = time.perf_counter()
        o.s.sendall(b"DATE\r\n")
        o.line()
        times.append((time.perf_counter() - began) * 1000)
    go[0] = False
    t.join()
    times.sort()
    print("lists.%-28s median %8.2f ms  p99 %8.2f ms" % ("date-meanwhile", times[150], times[297]))


def main():
    groups = names()
    s = make_site(groups)
    s.start(wrapper=["taskset", "-c", SERVER_CPUS])
    fill(s)
    c = Client(s)
    print("# %d groups, %d articles, median of %d; server on cores %s" % (GROUPS + 1, ARTICLES, ROUNDS, SERVER_CPUS))
    measure(c, "active", "LIST ACTIVE\r\n")
    measure(c, "newsgroups", "LIST NEWSGROUPS\r\n")
    measure(c, "counts", "LIST COUNTS\r\n")
    measure(c, "active-wildmat", "LIST ACTIVE *.a*,!*b*,c*\r\n")
    measure(c, "active-none", "LIST ACTIVE no.such.*\r\n")
    measure(c, "active-1000-names", "".join("LIST ACTIVE %s\r\n" % g for g in groups[:1000]), 1000)
    nasty = ",".join(["*a*", "*b*", "*c*", "*d*"] * 31)[:497 - 8]
    measure(c, "active-nasty-wildmat", "LIST ACTIVE %s\r\n" % nasty)
    measure(c, "newgroups-all", "NEWGROUPS 19700101 000000 GMT\r\n")
    c.s.sendall(b"GROUP fields.test\r\n")
    c.line()
    measure(c, "over", "OVER 1-\r\n")
    measure(c, "xhdr-subject", "XHDR Subject 1-\r\n")
    measure(c, "xhdr-keywords", "XHDR Keywords 1-\r\n")
    measure(c, "xpat-subject", "XPAT Subject 1- *article 1*9*\r\n")
    measure(c, "xpat-none", "XPAT Subject 1- *nothing*\r\n")
    measure(c, "listgroup", "LISTGROUP fields.test\r\n")
    measure(c, "newnews", "NEWNEWS * 19700101 000000 GMT\r\n")
    quickest_while(s, "LIST ACTIVE %s\r\n" % nasty)
    s.stop()


main()

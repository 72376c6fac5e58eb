#!/usr/bin/env python3
"""make demo: three sites in a ring with a cross link flood a few hundred articles; a table shows which way each went.

Every site is a real one in a directory of its own: nntpd, feeder, log, database.
"""
import calendar
import collections
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "daemon"))
from kit import *  # noqa: E402

N = int(os.environ.get("ARTICLES", "300"))
NAMES = ["alder.example", "birch.example", "cedar.example"]


def micros(moment):
    """Microseconds since 1970 of a time in newsctl log list."""
    return calendar.timegm(time.strptime(moment[:19], "%Y-%m-%dT%H:%M:%S")) * 1000000 + int(moment[20:26])


def main_demo():
    print("Three sites in a ring, each feeding both neighbours:\n")
    print("      alder ───── birch\n         \\       /\n           cedar\n")
    sites = [Site(n, groups=["forum.general y", "forum.test y"]) for n in NAMES]
    for s in sites:
        for o in sites:
            if o is not s:
                s.peer(o)
    for s in sites:
        s.start()
        print("  %-14s serves on 127.0.0.1:%d, data in %s" % (s.name, s.port, s.dir))
    clients = [s.client() for s in sites]
    wait_for("the feeders to connect", lambda: all(s.feeder_pid() for s in sites))
    time.sleep(1)

    print("\nPosting %d articles, by turns at each site ..." % N)
    start = time.monotonic()
    posted, mids = {}, []
    for i in range(N):
        mid = make_id("demo.example")
        raw = ("From: Demo <demo@example.com>\r\nNewsgroups: %s\r\nSubject: article %d\r\nMessage-ID: %s\r\n\r\n"
               "Posted at %s.\r\n.\r\n" % (("forum.general", "forum.test")[i % 2], i, mid, NAMES[i % 3]))
        c = clients[i % 3]
        r = c.cmd("POST")
        assert r.startswith("340"), r
        c.send(raw)
        r = c.line()
        assert r.startswith("240"), r
        posted[mid] = i % 3
        mids.append(mid)
    done = time.monotonic()
    for s, c in zip(sites, clients):
        wait_for("all articles at " + s.name, lambda: all(c.cmd("STAT " + m).startswith("223") for m in mids), 60)
    flooded = time.monotonic()

    # when each site took each article: in its own log, microseconds
    arrived = [{} for _ in sites]
    for k, s in enumerate(sites):
        for l in s.ctl("log", "list").splitlines():
            w = l.split()
            if len(w) >= 2 and w[-1].startswith("<"):
                arrived[k][w[-1]] = micros(w[0])
    print("\n%-14s  %-66s %9s %12s %12s" % ("posted at", "Path at the site that got it", "articles", "median ms", "slowest ms"))
    ways = collections.defaultdict(list)
    for k, (s, c) in enumerate(zip(sites, clients)):
        for m in mids:
            if posted[m] != k:
                path = header(c.article(m), "Path")
                ways[NAMES[posted[m]], path].append((arrived[k][m] - arrived[posted[m]][m]) / 1000.0)
    for (origin, path), t in sorted(ways.items()):
        t.sort()
        print("%-14s  %-66s %9d %12.2f %12.2f" % (origin, path, len(t), t[len(t) // 2], t[-1]))
    total = sum(len(t) for t in ways.values())
    print("\n%d articles posted in %.2f s; %d copies arrived at the other sites, the last %.0f ms after the last post."
          % (N, done - start, total, (flooded - done) * 1000))
    for s in sites:
        n = [int(s.client().cmd("GROUP " + g).split()[1]) for g in ("forum.general", "forum.test")]
        print("  %-14s holds %d articles, none twice" % (s.name, sum(n)))
        assert sum(n) == N
    for s in sites:
        s.stop()
    print("\nAll stopped.")


if __name__ == "__main__":
    main_demo()

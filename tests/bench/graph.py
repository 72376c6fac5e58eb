#!/usr/bin/env python3
"""A random graph of sites on this machine: how long does an article need to all, and what is said for nothing?

SITES=50 DEGREE=5 ARTICLES=200 SEED=1 in the environment.  Judges nothing.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "daemon"))
from kit import *  # noqa: E402

SITES, DEGREE, ARTICLES = (int(os.environ.get(k, d)) for k, d in (("SITES", "50"), ("DEGREE", "5"), ("ARTICLES", "200")))


def graph(n, degree, rnd):
    """Edges of a connected random graph: a ring, and chords until every site has its degree, or nearly."""
    edges = {tuple(sorted((i, (i + 1) % n))) for i in range(n)}
    deg = [2] * n
    for _ in range(100 * n):
        a, b = rnd.randrange(n), rnd.randrange(n)
        e = tuple(sorted((a, b)))
        if a != b and e not in edges and deg[a] < degree and deg[b] < degree:
            edges.add(e)
            deg[a] += 1
            deg[b] += 1
    return edges


def numbers(site, peer):
    words = [l.split() for l in site.ctl("peer", "show", peer).splitlines()]
    return {" ".join(w[:-1]): int(w[-1]) for w in words if len(w) > 1 and w[-1].isdigit()}


def run():
    rnd = random.Random(int(os.environ.get("SEED", "1")))
    sites = [Site("s%d.test" % i, site='workers = 1 lane-threads = 1 cache = 4M segment = 16M') for i in range(SITES)]
    edges = graph(SITES, DEGREE, rnd)
    for a, b in edges:
        sites[a].peer(sites[b], connections="1")
        sites[b].peer(sites[a], connections="1")
    for s in sites:
        s.start()
    clients = [s.client() for s in sites]
    warm, wire = make_article()                     # every connection stands before anything is measured
    assert clients[0].takethis(warm, wire).startswith("239")
    wait_for("the first article everywhere", lambda: all(c.cmd("STAT " + warm).startswith("223") for c in clients), 120)
    times = []
    for i in range(ARTICLES):
        mid, wire = make_article(body="x" * 70 + "\r\n" * 30)
        start, left = time.monotonic(), set(range(SITES))
        first = rnd.randrange(SITES)
        assert clients[first].takethis(mid, wire).startswith("239")
        while left:
            left = {k for k in left if not clients[k].cmd("STAT " + mid).startswith("223")}
        times.append(time.monotonic() - start)
    times.sort()
    total = {}
    for a, b in edges:
        for x, y in ((a, b), (b, a)):
            for k, v in numbers(sites[x], sites[y].name).items():
                total[k] = total.get(k, 0) + v
    n = ARTICLES + 1
    print("graph: %d sites, %d links, %d articles one after the other" % (SITES, len(edges), n))
    print("graph.everywhere.p50 %.1f ms" % (1e3 * times[len(times) // 2]))
    print("graph.everywhere.p99 %.1f ms" % (1e3 * times[len(times) * 99 // 100]))
    print("graph.bodies %.2f an article and site (1 is the least)" % (1 + total["rejected"] / n / (SITES - 1)))
    print("graph.offers %.2f an article and site, %.2f of them refused" %
          (total["offered"] / n / (SITES - 1), total["refused"] / n / (SITES - 1)))
    for s in sites:
        s.stop()


run()

#!/usr/bin/env python3
"""From one site's 239 to the article's presence at the next: two Freshet sites beside two of INN, by turns.

Every connection stands, and has carried articles, before anything is measured.  ARTICLES=300 ROUNDS=5 RATE=500 (of
other articles meanwhile, in the second part) in the environment.  Needs root and inn2; judges nothing.
"""
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "interop"))
from inn import *  # noqa: E402

ARTICLES, ROUNDS, RATE = (int(os.environ.get(k, d)) for k, d in (("ARTICLES", "300"), ("ROUNDS", "5"), ("RATE", "500")))
BODY = ("x" * 70 + "\r\n") * 30


def freshet():
    a, b = Site("a.test"), Site("b.test")
    a.peer(b)
    return a, b


def inn():
    b = Inn("y.test", ["misc.test"])
    a = Inn("x.test", ["misc.test"], peers=[(b.name, "127.0.0.1", b.port)])
    return a, b


def one(ca, cb, rnd):
    """Seconds from 239 at a until b has it; below zero it was there before."""
    mid, wire = make_article(body=BODY)
    assert ca.takethis(mid, wire).startswith("239")
    said = time.monotonic()
    while not cb.cmd("STAT " + mid).startswith("223"):
        assert time.monotonic() - said < 60, mid + " does not come"
    took = time.monotonic() - said
    time.sleep(rnd.random() / 200)
    return took


class Others(threading.Thread):
    """RATE articles a second into a site."""

    def __init__(self, site):
        super().__init__(daemon=True)
        self.c, self.over, self.n, self.began = site.client(), False, 0, time.monotonic()
        self.start()

    def run(self):
        while not self.over:
            behind = int((time.monotonic() - self.began) * RATE) - self.n
            for _ in range(behind):
                assert self.c.takethis(*make_article(body=BODY)).startswith("239")
                self.n += 1
            time.sleep(0.002)

    def end(self):
        self.over = True
        self.join()
        self.c.close()
        return self.n / (time.monotonic() - self.began)


def main():
    if not usable():
        sys.exit("prop: needs root and Debian's inn2")
    rnd, times, rates = random.Random(1), {}, {}
    pairs = {"freshet": freshet(), "inn": inn()}
    ends = {}
    for name, (a, b) in pairs.items():
        b.start(), a.start()
        ends[name] = (a.client(), b.client())
        for _ in range(200):
            one(*ends[name], rnd)
    for load in (0, RATE):
        for _ in range(ROUNDS):
            for name in pairs:
                others = Others(pairs[name][0]) if load else None
                times.setdefault((name, load), []).extend(one(*ends[name], rnd) for _ in range(ARTICLES))
                if others:
                    rates.setdefault(name, []).append(others.end())
    for (name, load), t in times.items():
        t.sort()
        print("prop.%s%s: p50 %.2f ms, p90 %.2f ms, p99 %.2f ms, longest %.1f ms, of %d%s" %
              (name, ".loaded" if load else "", 1e3 * t[len(t) // 2], 1e3 * t[len(t) * 9 // 10], 1e3 * t[len(t) * 99 // 100],
               1e3 * t[-1], len(t), ", beside %.0f others a second" % (sum(rates[name]) / len(rates[name])) if load else ""))
    for a, b in pairs.values():
        a.stop(), b.stop()


main()

"""kill -9 at random moments: nothing that was promised is lost, no number is reused, no peer misses an article.

LOOPS=n sets how often each loop kills (short form: 8; the whole: 200).
"""
import hashlib
import threading

from kit import *

LOOPS = int(os.environ.get("LOOPS", "8"))
START_LIMIT = 2.0


class Feed(threading.Thread):
    """Streams TAKETHIS with a window until the connection breaks; notes what was answered 239."""

    def __init__(self, site, rnd, kept, window=30):
        super().__init__(daemon=True)
        self.site, self.rnd, self.kept, self.window = site, rnd, kept, window
        self.ending = False

    def run(self):
        try:
            c = self.site.client()
            away = {}
            while away or not self.ending:
                while len(away) < self.window and not self.ending:
                    size = self.rnd.choice((10, 300, 3000, 30000))
                    groups = self.rnd.choice(("misc.test", "misc.other", "misc.test,misc.other"))
                    mid, wire = make_article(groups=groups, body="x" * 70 + "\r\n" + "line of text\r\n" * (size // 14))
                    c.send(b"TAKETHIS " + mid.encode() + b"\r\n" + wire)
                    away[mid] = wire
                l = c.line().split()
                wire = away.pop(l[1], None)
                if l[0] == "239":
                    self.kept[l[1]] = body_of(wire)
                elif l[0] != "400":
                    self.kept.setdefault("wrong", []).append(" ".join(l))
            c.close()
        except (OSError, EOFError):
            pass

    def end(self):
        """No more articles; wait for the answers that are due."""
        self.ending = True
        self.join(60 * SLOW)


def body_of(wire):
    return digest(wire.split(b"\r\n\r\n", 1)[1].replace(b"\r\n..", b"\r\n.")[:-3])


def digest(body):
    return hashlib.md5(body).digest()


def missing(client, mids):
    """Those that the site does not have; asked for in rows of a thousand."""
    gone = []
    for i in range(0, len(mids), 1000):
        row = mids[i:i + 1000]
        client.send("".join("STAT %s\r\n" % m for m in row))
        gone += [m for m in row if not client.line().startswith("223")]
    return gone


def check_all(site, kept, sample=None, seen_numbers=None, ask_all=True):
    """Every kept article is there and whole, known to CHECK, and its numbers agree with Xref."""
    c = site.client()
    assert "wrong" not in kept, kept["wrong"][:3]
    mids = list(kept)
    gone = missing(c, mids if ask_all else mids[-5000:])
    assert not gone, "%d of %d articles were answered 239 and are gone: %s" % (len(gone), len(mids), gone[:3])
    if sample and len(mids) > sample:
        mids = random.sample(mids, sample // 2) + mids[-sample // 2:]
    for m in mids:
        a = c.article(m)
        assert a is not None, "%s was answered 239 and is gone" % m
        assert digest(a.split(b"\r\n\r\n", 1)[1]) == kept[m], "%s is damaged" % m
        for w in header(a, "Xref").split()[1:]:
            g, n = w.split(":")
            if seen_numbers is not None:
                was = seen_numbers.setdefault((g, n), m)
                assert was == m, "%s:%s was %s and is now %s" % (g, n, was, m)
        r = c.cmd("CHECK " + m)
        assert r.startswith("438"), r
    c.close()


def numbers_are_dense(site, groups=("misc.test", "misc.other")):
    c = site.client()
    for g in groups:
        _, n, lo, hi, _ = c.cmd("GROUP " + g).split()
        n, lo, hi = int(n), int(lo), int(hi)
        assert hi - lo + 1 == n, "%s: %d to %d but %d articles" % (g, lo, hi, n)
        if n:
            assert c.cmd("OVER %d-" % lo).startswith("224")
            rows = c.block()
            assert [int(r.split(b"\t")[0]) for r in rows] == list(range(lo, hi + 1)), g
    c.close()


def nntpd_killed_in_a_streaming_feed_loses_nothing_that_it_promised():
    rnd = seed()
    site = Site("crash.test", groups=["misc.test", "misc.other"])
    kept, numbers, slowest = {}, {}, 0
    for i in range(LOOPS):
        t = time.monotonic()
        site.start()
        up = time.monotonic() - t
        slowest = max(slowest, up)
        assert up < START_LIMIT * SLOW, "start-up after kill took %.2f s" % up
        check_all(site, kept, 200, numbers, ask_all=False)
        feeds = [Feed(site, random.Random(rnd.random()), kept) for _ in range(rnd.choice((1, 3)))]
        for f in feeds:
            f.start()
        time.sleep(rnd.random() * 0.6)
        site.kill()
        for f in feeds:
            f.join(10)
    site.start()
    check_all(site, kept, 20000, numbers)
    numbers_are_dense(site)
    faults = site.ctl("verify", check=False)
    assert faults.returncode == 0, faults.stdout + faults.stderr
    site.stop()
    print("# %d kills, %d articles promised and there, slowest start %.2f s" % (LOOPS, len(kept), slowest))
    assert len(kept) > LOOPS


def feeder_killed_in_a_flood_misses_nothing_in_the_end():
    """The feeder is our own child here: nntpd's pause before it starts a dead one again would make this long."""
    rnd = seed()
    a, b = Site("from.test", groups=["misc.test", "misc.other"]), Site("to.test", groups=["misc.test", "misc.other"])
    a.peer(b)
    b.peer(a, send="false")
    idle = os.path.join(a.dir, "no-feeder")
    with open(idle, "w") as f:
        f.write("#!/bin/sh\nexec sleep 100000\n")
    os.chmod(idle, 0o755)
    a.start(env={"FRESHET_FEEDER": idle})
    b.start()
    kept, slowest = {}, 0
    log = open(os.path.join(a.dir, "feeder.log"), "ab")

    def feeder():
        return subprocess.Popen([os.path.join(BIN, "feeder"), "-c", a.conf], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    for i in range(LOOPS):
        p = feeder()
        f = Feed(a, random.Random(rnd.random()), kept, window=10)
        f.start()
        time.sleep(0.02 + rnd.random() * 0.2)
        assert p.poll() is None, "feeder ended by itself: see " + log.name
        p.kill()
        p.wait()
        f.end()
    t = time.monotonic()
    p = feeder()
    wait_for("the feeder's door", lambda: a.ctl("peer", "list", check=False).returncode == 0)
    slowest = time.monotonic() - t
    assert slowest < START_LIMIT * SLOW, "the feeder's start took %.2f s" % slowest
    cb = b.client()
    assert "wrong" not in kept, kept["wrong"][:3]
    left = list(kept)

    def all_there():
        left[:] = missing(cb, left)
        return not left
    wait_for("all %d articles at the peer" % len(kept), all_there, 300)
    check_all(b, kept, 500)
    numbers_are_dense(b)
    p.terminate()
    assert p.wait(20) == 0
    a.stop(), b.stop()
    print("# %d kills of feeder, %d articles, all at the peer" % (LOOPS, len(kept)))


def receiving_site_killed_in_a_flood_gets_everything_in_the_end():
    rnd = seed()
    a, b = Site("src.test", groups=["misc.test", "misc.other"]), Site("dst.test", groups=["misc.test", "misc.other"])
    a.peer(b)
    b.peer(a, send="false")
    a.start()
    kept = {}
    for i in range(max(2, LOOPS // 4)):
        b.start()
        f = Feed(a, random.Random(rnd.random()), kept, window=10)
        f.start()
        time.sleep(0.2 + rnd.random() * 0.5)
        b.kill()
        f.end()
    b.start()
    cb = b.client()
    assert "wrong" not in kept, kept["wrong"][:3]
    left = list(kept)

    def all_there():
        left[:] = missing(cb, left)
        return not left
    wait_for("all %d articles at the peer" % len(kept), all_there, 180)
    check_all(b, kept, 500)
    numbers_are_dense(b)
    a.stop(), b.stop()


if __name__ == "__main__":
    main([nntpd_killed_in_a_streaming_feed_loses_nothing_that_it_promised,
          feeder_killed_in_a_flood_misses_nothing_in_the_end,
          receiving_site_killed_in_a_flood_gets_everything_in_the_end])

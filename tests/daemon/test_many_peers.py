"""Two hundred peers, a fifth of them bad in different ways: the others notice nothing."""
import asyncio
import resource
import threading

from kit import *

GOOD, KINDS = 160, ("never-reads", "later", "refuses", "dead")
N = int(os.environ.get("ARTICLES", "300"))


class Sinks:
    """Peers in one thread; each on a port of its own, behaving as its kind says."""

    def __init__(self):
        self.kinds, self.ports, self.got, self.times = {}, {}, {}, {}
        self.loop = asyncio.new_event_loop()
        self.ready = threading.Event()

    def add(self, name, kind):
        self.kinds[name] = kind
        self.got[name], self.times[name] = set(), []

    def start(self):
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        self.ready.wait()

    def run(self):
        asyncio.set_event_loop(self.loop)

        async def begin():
            for name, kind in self.kinds.items():
                s = await asyncio.start_server(lambda r, w, name=name, kind=kind: self.talk(r, w, name, kind), "127.0.0.1", 0)
                self.ports[name] = s.sockets[0].getsockname()[1]
                if kind == "dead":
                    s.close()
            self.loop.set_exception_handler(lambda loop, context: None)
            self.ready.set()
        self.loop.run_until_complete(begin())
        self.loop.run_forever()

    async def talk(self, r, w, name, kind):
        w.write(b"200 sink\r\n")
        try:
            while True:
                if kind == "never-reads" and self.got[name] is not None and len(self.times[name]) > 0:
                    await asyncio.sleep(3600)
                line = await r.readline()
                if not line:
                    break
                word, _, mid = line.strip().partition(b" ")
                if word == b"MODE":
                    w.write(b"203 ok\r\n")
                    self.times[name].append(0)
                elif word == b"CHECK":
                    w.write({"later": b"431 ", "refuses": b"438 "}.get(kind, b"238 ") + mid + b"\r\n")
                elif word == b"TAKETHIS":
                    while (await r.readline()) not in (b".\r\n", b""):
                        pass
                    self.got[name].add(mid.decode())
                    self.times[name].append(time.monotonic())
                    w.write(b"239 " + mid + b"\r\n")
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        w.close()

    def stop(self):
        async def end():
            for t in asyncio.all_tasks():
                if t is not asyncio.current_task():
                    t.cancel()
            self.loop.call_later(0.2, self.loop.stop)
        asyncio.run_coroutine_threadsafe(end(), self.loop)
        self.thread.join(5)


def rss_kb(pid):
    with open("/proc/%d/status" % pid) as f:
        return [int(l.split()[1]) for l in f if l.startswith("VmRSS")][0]


def bad_peers_among_two_hundred_harm_no_other():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    sinks, names = Sinks(), []
    for i in range(GOOD):
        names.append(("good%d.test" % i, "good"))
    for kind in KINDS:
        names += [("%s%d.test" % (kind, i), kind) for i in range(10)]
    for name, kind in names:
        sinks.add(name, kind)
    sinks.start()
    s = Site("hub.test")
    for name, _ in names:
        s.peers.append('peer "%s" {\n address = { "127.0.0.1" } connect = "127.0.0.1:%d" send = true accept = false connections = 1\n}'
                       % (name, sinks.ports[name]))
    s.write_conf()
    s.start()
    wait_for("feeder", s.feeder_pid)
    c, mids, sent = s.client(), set(), time.monotonic()
    for i in range(N):
        mid, wire = make_article(body="x" * 70 + "\r\n" * 40)
        assert c.takethis(mid, wire).startswith("239")
        mids.add(mid)
    feeder, nntpd = rss_kb(s.feeder_pid()), rss_kb(s.proc.pid)
    for name, kind in names:
        if kind == "good":
            wait_for("all articles at " + name, lambda: sinks.got[name] == mids, 60)
    last = max(max(sinks.times[n]) for n, k in names if k == "good")
    feeder = max(feeder, rss_kb(s.feeder_pid()))
    print("# %d articles to %d good peers in %.1f s, %d bad ones beside them; feeder %d MB, nntpd %d MB"
          % (N, GOOD, last - sent, 10 * len(KINDS), feeder // 1024, nntpd // 1024))
    text = s.ctl("peer", "list")
    for name, kind in names:
        if kind in ("refuses", "later"):
            assert not sinks.got[name]
    assert len([l for l in text.splitlines() if ".test" in l]) == len(names)
    assert c.cmd("DATE").startswith("111")
    s.stop()
    sinks.stop()


if __name__ == "__main__":
    main([bad_peers_among_two_hundred_harm_no_other])

#!/usr/bin/env python3
"""make bench: figures of a whole site on this machine; they judge nothing.

Server and load run on the cores given by SERVER_CPUS and LOAD_CPUS (each half
of the machine when not set).  MILLION=n: articles in the site that is killed
and started again (1,000,000).  SECONDS=n: how long each step lasts.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "daemon"))
from kit import *  # noqa: E402

LOAD = os.path.join(os.path.dirname(BIN), "tests", "bench", "load")
CORES = os.cpu_count() or 2
SERVER_CPUS = os.environ.get("SERVER_CPUS", "0-%d" % max(0, CORES // 2 - 1))
LOAD_CPUS = os.environ.get("LOAD_CPUS", "%d-%d" % (CORES // 2, CORES - 1) if CORES > 1 else "0")
MILLION = int(os.environ.get("MILLION", "1000000"))
STEP = os.environ.get("SECONDS", "5")
GROUPS = 1000


def load(mode, port, *args):
    subprocess.run(["taskset", "-c", LOAD_CPUS, LOAD, mode, "-p", str(port), "-g", str(GROUPS)] + [str(a) for a in args],
                   check=False)
    sys.stdout.flush()


def settle(pid):
    """Until the history's filter has been filled: memory grows no more."""
    def resident():
        with open("/proc/%d/statm" % pid) as f:
            return int(f.read().split()[1])
    was = -1
    while was != resident():
        was = resident()
        time.sleep(1)


def make_site(name, more="", certificate=None, **k):
    s = Site(name, groups=[], site='age-max = 0 idle = 10m ' + more, **k)
    if certificate:
        make_certificate(os.path.join(s.dir, certificate), name)
    active = os.path.join(s.dir, "active")
    with open(active, "w") as f:
        f.writelines("bench.%d 0 1 y\n" % i for i in range(GROUPS))
    s.ctl("group", "import", active)
    return s


def main_bench():
    print("# server on cores %s, load on cores %s, %s s a step; articles of about 4 kB, fsync = always" % (SERVER_CPUS, LOAD_CPUS, STEP))
    pin = ["taskset", "-c", SERVER_CPUS]
    s = make_site("bench.test")
    s.start(wrapper=pin)
    for i, c in enumerate((1, 4, 16)):
        load("takethis", s.port, "-c", c, "-s", STEP, "-r", 100 + i)
    known = 50000
    load("takethis", s.port, "-c", 4, "-s", 600, "-n", known, "-r", 1)
    for mode in ("check-known", "check-unknown", "check-mixed"):
        load(mode, s.port, "-c", 4, "-w", 100, "-s", STEP, "-r", 1, "-k", known)
    for i, c in enumerate((1, 16)):
        load("ihave", s.port, "-c", c, "-s", STEP, "-r", 200 + i)
        load("post", s.port, "-c", c, "-s", STEP, "-r", 300 + i)
    for c in (1, 4):
        load("over", s.port, "-c", c, "-s", STEP)
        load("article", s.port, "-c", c, "-w", 1, "-s", STEP)
    load("article", s.port, "-c", 16, "-w", 10, "-s", STEP)
    s.stop()
    s.start(wrapper=pin)
    settle(s.proc.pid)
    load("idle", s.port, "-c", min(2000, idle_limit()), "-P", s.proc.pid)
    s.stop()

    sink = free_port()
    p = make_site("prop.test")
    p.peers.append('peer "sink.example" { address = { "127.0.0.2" } connect = "127.0.0.1:%d" send = true }' % sink)
    p.write_conf()
    p.start(wrapper=pin)
    load("prop", p.port, "-s", STEP, "-a", 500, "-S", sink, "-r", 7)
    p.stop()

    m = make_site("million.test")
    m.start(wrapper=pin)
    have = 0
    subprocess.run(["taskset", "-c", LOAD_CPUS, LOAD, "takethis", "-p", str(m.port), "-g", str(GROUPS), "-c", "4", "-s", "3600",
                    "-n", str(MILLION), "-r", "9", "-b", "600"], stdout=subprocess.DEVNULL, check=True)
    have = int([l.split()[-1] for l in m.ctl("status").splitlines() if l.startswith("store.stored")][0])
    m.kill()
    t = time.monotonic()
    m.start(wrapper=pin)
    print("start.after-kill %.2f s (%d articles)" % (time.monotonic() - t, have))
    m.stop()


def idle_limit():
    import resource
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return (hard if hard > 0 else 2048) - 100


if __name__ == "__main__":
    main_bench()

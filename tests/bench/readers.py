#!/usr/bin/env python3
"""What TLS and DEFLATE cost, and what idle readers weigh; nothing is judged.

SECONDS, SERVER_CPUS, LOAD_CPUS as for run.py.  READERS=n: so many idle readers
(20,000, or what the limit of open files leaves).  ONLY=over,article,setup,idle.
PORTS=PLAIN,TLS: load a server that runs already and has the articles, ours or
another (without idle).  QUICK=1: clients acknowledge at once (INN needs that).
"""
import os

from run import *

ARTICLES = int(os.environ.get("ARTICLES", "50000"))
ONLY = os.environ.get("ONLY", "over,article,setup,idle").split(",")
PLAIN, PACKED, TLS, BOTH = (), ("-z",), ("-t",), ("-t", "-z")


def readers():
    """As many idle readers as there may be: the server keeps an eighth of its descriptors for files."""
    most = idle_limit() + 100
    return int(os.environ.get("READERS", min(20000, most - most // 8 - 300)))


def tls_site(pin):
    port = free_port()
    s = make_site("readers.test", extra='listen "127.0.0.1:%d" { tls = true }' % port,
                  more='connections-max = 100000 tls-certificate = "site.pem" tls-key = "site.key"', certificate="site")
    s.start(wrapper=pin)
    load("takethis", s.port, "-c", 4, "-s", 600, "-n", ARTICLES, "-r", 1)
    return s, port


def layers(mode, s, ports, which, *args):
    for l in which:
        load(mode, ports["-t" in l], "-s", STEP, *l, *args, *(("-q",) if "QUICK" in os.environ else ()),
             *(("-P", s.proc.pid) if s else ()))


def idle(s, pin, ports):
    for l in (PLAIN, PACKED, TLS, BOTH):
        s.stop()                                       # what earlier readers left behind is not to be reused
        s.start(wrapper=pin)
        settle(s.proc.pid)
        load("idle", ports["-t" in l], "-c", readers(), "-P", s.proc.pid, *l)


def main_readers():
    pin = ["taskset", "-c", SERVER_CPUS]
    print("# server on cores %s, load on cores %s, %s s a step" % (SERVER_CPUS, LOAD_CPUS, STEP))
    if "PORTS" in os.environ:
        s, ports = None, [int(p) for p in os.environ["PORTS"].split(",")]
    else:
        s, tls = tls_site(pin)
        ports = [s.port, tls]
    if "over" in ONLY:
        for c in (1, 4):
            layers("over", s, ports, (PLAIN, PACKED, TLS, BOTH), "-c", c)
    if "article" in ONLY:
        for c, w in ((1, 1), (4, 1), (16, 10)):
            layers("article", s, ports, (PLAIN, PACKED, TLS), "-c", c, "-w", w)
    if "setup" in ONLY:
        layers("setup", s, ports, (PLAIN, TLS), "-c", 16, "-A", 200)
        layers("resume", s, ports, (TLS,), "-c", 16, "-A", 200)
    if "idle" in ONLY and s:
        idle(s, pin, ports)
    if s:
        s.stop()


if __name__ == "__main__":
    main_readers()

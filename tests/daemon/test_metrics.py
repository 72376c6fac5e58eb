"""Figures for a monitor: the text format to the letter, and that they are right in both directions."""
import math
import re
import signal
import urllib.error
import urllib.request

from kit import *
from test_outgoing import Peer, site_for

NAME, LABEL = r"[a-zA-Z_:][a-zA-Z0-9_:]*", r"[a-zA-Z_][a-zA-Z0-9_]*"
PAIR = re.compile(r'(%s)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"' % LABEL)
SAMPLE = re.compile(r'(%s)(?:\{((?:%s(?:,|(?=\})))*)\})? (\S+)' % (NAME, PAIR.pattern.replace("(", "(?:").replace("(?:?:", "(?:")))
UNESCAPED = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


def parse(text):
    """{(name, frozenset of labels): value} of an exposition; any fault of form is an AssertionError."""
    assert text.endswith("\n") and "\r" not in text
    kinds, values, family, closed = {}, {}, None, set()
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            m = re.fullmatch(r"# HELP (%s) ((?:[^\\]|\\\\|\\n)+)" % NAME, line)
            assert m, line
            closed.add(family)
            family = m.group(1)
            assert family not in closed and family not in kinds, "twice: " + line
            continue
        if line.startswith("#"):
            m = re.fullmatch(r"# TYPE (%s) (counter|gauge|summary)" % NAME, line)
            assert m and m.group(1) == family and family not in kinds, line
            kinds[family] = m.group(2)
            assert (m.group(2) == "counter") == family.endswith("_total"), line
            assert not re.search(r"_(ms|us|kb|kB|octets|minutes|hours)(_|$)", family), "no base unit: " + line
            continue
        m = SAMPLE.fullmatch(line)
        assert m, line
        name, labels = m.group(1), [(k, re.sub(r'\\[\\"n]', lambda e: UNESCAPED[e.group()], v)) for k, v in PAIR.findall(m.group(2) or "")]
        kind = kinds[family]
        assert name == family or (kind == "summary" and name in (family + "_sum", family + "_count")), line
        assert len(dict(labels)) == len(labels), line
        assert ("quantile" in dict(labels)) == (kind == "summary" and name == family), line
        value = float(m.group(3))
        assert math.isfinite(value) and (kind == "gauge" or value >= 0), line
        key = (name, frozenset(labels))
        assert key not in values, "twice: " + line
        values[key] = value
    assert len(kinds) > 50
    return values


class Figures:
    def __init__(self, text):
        self.all = parse(text)

    def __call__(self, name, **labels):
        return self.all.get(("freshet_" + name, frozenset(labels.items())))

    def rows(self, name, **some):
        """{the other labels' values: value} of a family."""
        return {tuple(v for k, v in sorted(l) if k not in some): x for (n, l), x in self.all.items()
                if n == "freshet_" + name and set(some.items()) <= set(l)}


def figures(s):
    return Figures(s.ctl("metrics"))


def fetch(url, method="GET"):
    with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=60 * SLOW) as r:
        return r.headers, r.read().decode()


def http(s, **k):
    s.site += ' metrics-listen = "127.0.0.1:0"'
    s.write_conf()
    s.start(**k)
    return re.search(r"metrics: (http://\S+)", s.log_text()).group(1)


def figures_are_right_in_both_directions():
    a, b = Site("a.test", groups=["misc.test", "misc.home"]), Site("b.test")
    a.peer(b)
    a.site = 'local-groups = { "misc.home" }'
    a.extra = 'peer "quiet.test" { address = { "127.0.0.99" } }'
    a.write_conf()
    a.start(), b.start()
    there, c = make_id(), b.client()
    assert c.takethis(*make_article(there)).startswith("239 ")          # b has one of them already
    c.close()
    c = a.client()
    ids = [make_id() for _ in range(5)] + [there]
    size = 0
    for mid in ids:
        assert c.cmd("CHECK " + mid).startswith("238 ")
        wire = make_article(mid)[1]
        size += len(wire)
        assert c.takethis(mid, wire).startswith("239 ")
    assert c.cmd("CHECK " + ids[0]).startswith("438 ")
    assert c.ihave(*make_article(ids[1])).startswith("435 ")
    assert c.takethis(*make_article(ids[2])).startswith("439 ")          # known: it is not looked at
    for k in ({"groups": "no.such"}, {"groups": "no.such"}, {"Date": "Mon, 1 Jan 2001 00:00:00 +0000"}):
        mid, wire = make_article(**k)
        size += len(wire)
        assert c.takethis(mid, wire).startswith("439 ")
    mid, wire = make_article(groups="misc.home")
    size += len(wire)
    assert c.takethis(mid, wire).startswith("239 ")
    f = wait_for("b to have them all", lambda: [f for f in [figures(a)] if f("outgoing_accepted_total", peer="b.test") == 5
                                                and f("outgoing_refused_total", peer="b.test") == 1
                                                and f("outgoing_lag_records", peer="b.test") == 0])[0]
    src = {"peer": "src.example"}
    for name, want in (("offered", 8), ("wanted", 6), ("refused", 3), ("later", 0), ("accepted", 7), ("deferred", 0), ("bytes", size)):
        assert f("incoming_%s_total" % name, **src) == want, (name, f("incoming_%s_total" % name, **src))
    assert f.rows("incoming_rejected_total") == {("src.example", "unwanted_group"): 2, ("src.example", "too_old"): 1}
    assert f("incoming_connections", **src) == 1 and f("connections", kind="peer") == 1 and f("connections", kind="other") == 0
    assert abs(f("incoming_last_article_timestamp_seconds", **src) - time.time()) < 3600
    for name in ("offered", "accepted", "bytes"):
        assert f("incoming_%s_total" % name, peer="quiet.test") == 0
    assert f("incoming_last_article_timestamp_seconds", peer="quiet.test") == 0
    assert f("articles_total", verdict="stored") == f("store_articles_total") == 7 and f("articles_total", verdict="too_old") == 1
    assert f("offered_total") == 8 and f("article_bytes_total") == size and f("commands_total", command="CHECK") == 7
    assert f("history_ids") == 10 and f("groups") == 2 and f("storing") == 1
    assert f("log_segments") == 1 and f("log_bytes") > size and f("log_disk_bytes") > 0 and f("disk_free_bytes") > 0
    assert f("feeder_up") == 1 and f("feeder_sequence") == f("store_published_sequence")
    assert f("outgoing_offered_total", peer="b.test") == 6 and f("outgoing_dead_since_timestamp_seconds", peer="b.test") == 0
    assert f.rows("outgoing_not_for_it_total") == {("b.test", "in a group that never leaves (local-groups)"): 1}
    assert f("outgoing_delay_seconds_count", peer="b.test") == 5 and 0 < f("outgoing_delay_seconds_sum", peer="b.test") < 3600
    q = [f("outgoing_delay_seconds", peer="b.test", quantile=x) for x in ("0.5", "0.9", "0.99")]
    assert 0 < q[0] <= q[1] <= q[2], q
    assert figures(b)("incoming_accepted_total", peer="src.example") == 6      # a is 127.0.0.1 to it, as the test is
    b.kill()
    assert c.takethis(*make_article()).startswith("239 ")
    wait_for("b to be dead", lambda: abs((figures(a)("outgoing_dead_since_timestamp_seconds", peer="b.test") or 0) - time.time()) < 3600)
    a.stop()


def what_a_peer_says_cannot_break_a_line():
    p = Peer({"TAKETHIS": lambda cmd: "439 %s No \\n such } thing=, \\" % cmd.split()[1]})
    s = site_for(p)
    c = s.client()
    assert c.takethis(*make_article()).startswith("239 ")
    f = wait_for("the refusal", lambda: [f for f in [figures(s)] if f.rows("outgoing_rejected_total")])[0]
    assert f.rows("outgoing_rejected_total") == {("peer.test", "No \\n such } thing=, \\"): 1}
    s.stop()
    p.close()


def without_feeder_the_rest_is_told():
    s = Site("alone.test").start()                                       # nobody is sent to
    f = figures(s)
    assert f("feeder_up") == 0 and f("storing") == 1 and not f.rows("outgoing_offered_total")
    s.stop()
    s = Site("hung.test", peers=['peer "x.test" { address = { "127.0.0.1" } connect = "127.0.0.1:%d" send = true }' % free_port()])
    url = http(s)
    pid = wait_for("feeder to answer", lambda: figures(s)("feeder_up") == 1 and s.feeder_pid())
    os.kill(pid, signal.SIGSTOP)
    assert figures(s)("feeder_up") == 0 and Figures(fetch(url)[1])("feeder_up") == 0
    os.kill(pid, signal.SIGCONT)
    wait_for("feeder to be there again", lambda: Figures(fetch(url)[1])("feeder_up") == 1)
    s.stop()


def http_tells_the_same_and_nothing_else():
    s = Site("web.test")
    url = http(s)
    head, text = fetch(url)
    assert head["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8", head
    assert set(parse(text)) == set(figures(s).all)
    assert fetch(url, "HEAD")[1] == ""
    for where, method, code in ((url + "x", "GET", 404), (url[:-len("/metrics")] + "/", "GET", 404), (url, "DELETE", 405), (url, "POST", 405)):
        try:
            fetch(where, method)
            raise SystemError("answered: %s %s" % (method, where))
        except urllib.error.HTTPError as e:
            assert e.code == code, (where, method, e.code)
    s.stop()


def one_who_asks_for_nothing_holds_up_nobody():
    s = Site("slow.test")
    port = int(re.search(r":(\d+)/", http(s)).group(1))
    mute = [socket.create_connection(("127.0.0.1", port)) for _ in range(50)]
    mute[0].sendall(b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 3000)          # and no end
    mute[1].sendall(b"GET /metrics HTTP/1.1\r\n" + b"X: y\r\n" * 100000)     # too much of it
    with socket.create_connection(("127.0.0.1", port)) as c:
        c.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        parse(b"".join(iter(lambda: c.recv(65536), b"")).split(b"\r\n\r\n", 1)[1].decode())
    c = s.client()
    assert c.takethis(*make_article()).startswith("239 ")
    c.close()
    s.stop()                                                             # with them still there
    for m in mute:
        m.close()


def more_callers_than_descriptors_make_one_line_in_the_log():
    s = Site("short.test")
    port = int(re.search(r":(\d+)/", http(s, wrapper=["prlimit", "--nofile=80:80"])).group(1))
    many = [socket.create_connection(("127.0.0.1", port)) for _ in range(70)]
    wait_for("no descriptor to be left", lambda: "metrics-listen: cannot accept connections" in s.log_text())
    for m in many:
        m.close()
    wait_for("an answer", lambda: s.answers())
    with socket.create_connection(("127.0.0.1", port)) as c:
        c.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        parse(b"".join(iter(lambda: c.recv(65536), b"")).split(b"\r\n\r\n", 1)[1].decode())
    assert s.log_text().count("accept connections") <= 2 and len(s.log_text()) < 20000, s.log_text()[:2000]
    s.stop()


def an_address_that_is_taken_ends_the_start():
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    held.listen()
    s = Site("taken.test", site='metrics-listen = "127.0.0.1:%d"' % held.getsockname()[1])
    s.start(wait=False)
    assert s.proc.wait(60 * SLOW) != 0 and "metrics-listen 127.0.0.1:" in s.log_text(), s.log_text()
    held.close()


if __name__ == "__main__":
    main([figures_are_right_in_both_directions, what_a_peer_says_cannot_break_a_line, without_feeder_the_rest_is_told,
          http_tells_the_same_and_nothing_else, one_who_asks_for_nothing_holds_up_nobody,
          more_callers_than_descriptors_make_one_line_in_the_log, an_address_that_is_taken_ends_the_start])

"""The front door as a whole: who may come in, how many, reload, stop, slow and rude clients."""
import os
import re
import resource
import socket
import subprocess
import threading

from kit import *


def client_from(site, source):
    """A client whose address is 'source' (loopback has many)."""
    c = Client.__new__(Client)
    c.s = socket.create_connection((site.listen, site.port), 60 * SLOW, source_address=(source, 0))
    c.f = c.s.makefile("rb", 65536)
    c.greeting = c.line()
    return c


_made = [0]


def one(access='access "all" { from = { "*" } read = { "*" } post = { "*" } }', peers=(), site="", **k):
    _made[0] += 1
    s = Site("one%d.test" % _made[0], peers=list(peers), site=site, feed=False, **k)
    with open(s.conf) as f:
        text = f.read()
    s.own = text.replace('access "all" { from = { "*" } read = { "*" } post = { "*" } }', access)
    with open(s.conf, "w") as f:
        f.write(s.own)
    return s


PEER = 'peer "friend.test" { address = { "127.0.0.2" } accept = true %s }'
LOCAL = 'access "local" { from = { "127.0.0.1" } read = { "*" } post = { "*" } }'


def strangers_are_refused_at_the_door():
    s = one(LOCAL, [PEER % ""]).start()
    assert client_from(s, "127.0.0.3").greeting.startswith("502 ")
    assert client_from(s, "127.0.0.2").greeting.startswith("200 ")
    c = client_from(s, "127.0.0.1")
    assert c.greeting.startswith("200 ")
    assert c.cmd("IHAVE <a@b.example>").startswith("502 ")
    assert c.cmd("GROUP misc.test").startswith("211 ")
    p = client_from(s, "127.0.0.2")
    assert p.cmd("GROUP misc.test").startswith("502 ")
    assert p.cmd("CHECK <a@b.example>").startswith("238 ")
    s.stop()


def peer_may_open_only_as_many_connections_as_its_block_says():
    s = one(LOCAL, [PEER % "incoming-connections = 2"]).start()
    a, b = client_from(s, "127.0.0.2"), client_from(s, "127.0.0.2")
    assert b.greeting.startswith("200 ")
    assert client_from(s, "127.0.0.2").greeting.startswith("400 ")
    a.cmd("QUIT")
    a.close()
    wait_for("a free place", lambda: client_from(s, "127.0.0.2").greeting.startswith("200 "))
    s.stop()


def connections_beyond_the_limit_hear_400():
    s = one(LOCAL, site="connections-max = 3").start()
    wait_for("the first look to be gone", lambda: re.search(r"^connections +0$", s.ctl("status"), re.M))
    held = [s.client() for _ in range(3)]
    assert all(c.greeting.startswith("200 ") for c in held)
    assert s.client().greeting.startswith("400 ")
    held[0].cmd("QUIT")
    held[0].close()
    wait_for("a free place", lambda: s.client().greeting.startswith("200 "))
    s.stop()


def reload_gives_and_takes_rights_of_connections_that_stand():
    s = one(LOCAL, [PEER % ""]).start()
    c, p = s.client(), client_from(s, "127.0.0.2")
    assert c.cmd("MODE READER").startswith("200 ")
    assert p.cmd("CHECK <a@b.example>").startswith("238 ")
    with open(s.conf, "w") as f:
        f.write(s.own.replace('post = { "*" }', "").replace("127.0.0.2", "127.0.0.9"))
    s.ctl("reload")
    wait_for("the new rights", lambda: c.cmd("MODE READER").startswith("201 "))
    assert c.cmd("POST").startswith("440 ")
    assert p.cmd("CHECK <a@b.example>").startswith("400 ")
    assert p.f.readline() == b""
    assert client_from(s, "127.0.0.9").greeting.startswith("200 ")
    s.stop()


def reload_of_a_bad_file_changes_nothing():
    s = one(LOCAL).start()
    c = s.client()
    with open(s.conf, "a") as f:
        f.write("nonsense {\n")
    r = s.ctl("reload", check=False)
    assert r.returncode != 0 and "nntpd.conf:" in r.stdout + r.stderr, r
    assert c.cmd("GROUP misc.test").startswith("211 ")
    assert s.client().cmd("GROUP misc.test").startswith("211 ")
    s.stop()


def sighup_reloads_too():
    s = one(LOCAL).start()
    c = s.client()
    with open(s.conf, "w") as f:
        f.write(s.own.replace('post = { "*" }', ""))
    s.proc.send_signal(signal.SIGHUP)
    wait_for("the new rights", lambda: c.cmd("MODE READER").startswith("201 "))
    s.stop()


def stopping_says_400_to_those_who_are_connected():
    s = one().start()
    c = s.client()
    assert c.cmd("DATE").startswith("111 ")
    s.proc.send_signal(signal.SIGTERM)
    assert c.line().startswith("400 ")
    assert c.f.readline() == b""
    s.stop()


def operators_who_ask_nothing_or_do_not_listen_keep_no_site_from_stopping():
    s = one(LOCAL)
    with open(os.path.join(s.dir, "active"), "w") as f:
        f.writelines("a.%d.%s 0 1 y\n" % (i, "x" * 200) for i in range(4000))
    s.ctl("group", "import", f.name)
    s.start()
    callers = []
    for words in (b"", b"stat", b"group list"):              # one says nothing, one breaks off, one does not read
        c = socket.socket(socket.AF_UNIX)
        c.connect(os.path.join(s.dir, "run", "control.sock"))
        c.sendall(words.replace(b" ", b"\t") + (b"\n" if b" " in words else b""))
        callers.append(c)
    assert callers[2].recv(1)                                # its answer is larger than what a socket holds
    s.stop()
    for c in callers:
        c.close()


def long_work_of_an_operator_who_went_away_breaks_off():
    s = one(LOCAL).start()
    path, total = os.path.join(s.dir, "batch"), 40000
    with open(path, "wb") as f:
        for _ in range(total):
            text = make_article()[1][:-3].replace(b"\r\n", b"\n")
            f.write(b"#! rnews %d\n" % len(text) + text)
    count = lambda: int(s.client().cmd("GROUP misc.test").split()[1])
    for ends in (lambda p: p.kill(), lambda p: s.stop()):      # the operator, or the site
        had = count()
        p = subprocess.Popen([os.path.join(BIN, "newsctl"), "-c", s.conf, "import", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_for("some of them", lambda: count() > had + 100)
        ends(p)
        p.communicate()
        if s.proc is not None:
            s.stop()
        s.start()
        assert count() < total, "all were stored all the same"
    assert s.ctl("verify") is not None
    s.stop()


def articles_sent_before_the_stop_are_answered_or_not_stored():
    s = one(peers=['peer "me" { address = { "127.0.0.1" } accept = true }']).start()
    arts = [make_article() for _ in range(300)]
    c = s.client()
    c.send(b"".join(b"TAKETHIS " + m.encode() + b"\r\n" + w for m, w in arts))
    first = c.line()
    assert first.startswith("239 ")
    s.proc.send_signal(signal.SIGTERM)
    accepted = [first]
    try:
        while True:
            l = c.line()
            if not l.startswith("239 "):
                assert l.startswith("400 "), l
                break
            accepted.append(l)
    except EOFError:
        pass
    s.stop()
    s.start()
    d = s.client()
    for l in accepted:
        assert d.cmd("STAT " + l.split()[1]).startswith("223 "), l
    s.stop()


def client_that_shuts_its_side_still_gets_all_answers():
    s = one().start()
    c = s.client()
    c.send("GROUP misc.test\r\nLIST\r\nSTAT <no@such.example>\r\nDATE\r\n")
    c.s.shutdown(socket.SHUT_WR)
    assert c.line().startswith("211 ")
    assert c.line().startswith("215 ")
    c.block()
    assert c.line().startswith("430 ")
    assert c.line().startswith("111 ")
    assert c.f.readline() == b""
    s.stop()


def article_over_the_limit_is_read_to_its_end_and_refused():
    s = one(peers=['peer "me" { address = { "127.0.0.1" } accept = true }'], site="article-max = 64K post-max = 32K").start()
    c = s.client()
    mid, wire = make_article(body="x" * 70 + "\r\n")
    big_id, big = make_article(body=("y" * 70 + "\r\n") * 100000)
    c.send(b"TAKETHIS " + big_id.encode() + b"\r\n" + big + b"TAKETHIS " + mid.encode() + b"\r\n" + wire)
    assert c.line().startswith("439 " + big_id)
    assert c.line().startswith("239 " + mid)
    assert c.ihave(make_id(), big.replace(big_id.encode(), make_id().encode())).startswith("437 ")
    assert c.cmd("CHECK " + big_id).startswith("438 ")
    s.stop()


def one_who_does_not_read_holds_up_nobody_else_and_little_memory():
    groups = ["test.g%04d" % i for i in range(2000)]
    s = one(site="workers = 1", groups=("misc.test",)).start()
    with open(os.path.join(s.dir, "active"), "w") as f:
        f.writelines("%s 0 1 y\n" % g for g in groups)
    s.ctl("group", "import", os.path.join(s.dir, "active"))
    before = rss(s.proc.pid)
    rude = [s.client() for _ in range(20)]
    for c in rude:
        c.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        c.send("LIST\r\n" * 500)                # 20 MB each, were it all made
    c = s.client()
    for _ in range(20):
        assert c.cmd("GROUP misc.test").startswith("211 ")
    grown = rss(s.proc.pid) - before
    assert grown < 40 << 20, "%d MB for 20 clients that do not read" % (grown >> 20)
    for r in rude:
        r.close()
    s.stop()


def rss(pid):
    with open("/proc/%d/statm" % pid) as f:
        return int(f.read().split()[1]) * resource.getpagesize()


def descriptors_for_files_are_never_given_to_connections():
    s = one(peers=['peer "me" { address = { "127.0.0.1" } accept = true }'])
    s.start(["bash", "-c", "ulimit -n 160; exec \"$@\"", "-"])
    wait_for("the first look to be gone", lambda: re.search(r"^connections +0$", s.ctl("status"), re.M))
    held = [s.client() for _ in range(160)]
    let_in = sum(c.greeting.startswith("200 ") for c in held)
    assert 10 < let_in < 100 and all(c.greeting.startswith("400 ") for c in held[let_in:]), let_in
    for _ in range(20):
        mid, wire = make_article()
        assert held[0].takethis(mid, wire).startswith("239 ")
        assert held[1].article(mid)
    for c in held:
        c.close()
    wait_for("it to let others in", lambda: s.client().greeting.startswith("200 "))
    s.stop()


def what_is_said_goes_into_no_file_when_standard_error_is_closed():
    down = Site("down.example")
    s = Site("closed.example")
    s.peer(down)
    s.start(wrapper=["sh", "-c", 'exec "$0" "$@" 0<&- 1>&- 2>&-'])
    feeder = wait_for("a feeder", s.feeder_pid)
    for pid in (s.proc.pid, feeder):
        for fd in range(3):
            at = os.readlink("/proc/%d/fd/%d" % (pid, fd))
            assert at == "/dev/null", "%d of %d is %s" % (fd, pid, at)
    s.stop()


def operators_beyond_the_descriptors_wait_and_the_site_goes_on():
    s = Site("short.example", peers=['peer "down.example" { address = { "127.0.0.1" } connect = "127.0.0.1:9" send = true }'])
    s.start(wrapper=["prlimit", "--nofile=100:100"])
    feeder = wait_for("a feeder", s.feeder_pid)
    c = s.client()
    assert c.takethis(*make_article()).startswith("239")
    for name, said in (("control", "control: cannot accept"), ("feeder", "feeder.sock: cannot accept")):
        wait_for("its socket", lambda: os.path.exists(os.path.join(s.dir, "run", name + ".sock")))
        many = []
        for _ in range(95):
            a = socket.socket(socket.AF_UNIX)
            a.connect(os.path.join(s.dir, "run", name + ".sock"))
            many.append(a)
        wait_for(said, lambda: said in s.log_text())
        for a in many:
            a.close()
        s.ctl("status")
        s.ctl("peer", "list")
    assert s.log_text().count("cannot accept") == 2, s.log_text()
    # where the database had no descriptor meanwhile, it is repaired though nobody stores
    wait_for("the article", lambda: c.cmd("GROUP misc.test").startswith("211 1 ") and c.cmd("HEAD 1").startswith("221") and c.block())
    assert s.feeder_pid() == feeder
    c.close()
    s.stop()


def pulling_beyond_the_descriptors_is_put_off_and_the_site_goes_on():
    s = Site("short.example", peers=['peer "up.example" { address = { "192.0.2.1" } connect = "127.0.0.1:9" pull = { "misc.*" } }'])
    s.start(wrapper=["prlimit", "--nofile=100:100"])
    pid, heard = s.proc.pid, set()

    def caller(words):
        a = socket.socket(socket.AF_UNIX)
        a.settimeout(1)
        a.connect(os.path.join(s.dir, "run", "control.sock"))
        a.sendall(words)
        held.append(a)
        return a

    for idle in range(6):                         # a dialogue takes a few descriptors: let it fail at each of them
        held = []
        for _ in range(idle):
            caller(b"")
        for _ in range(30):
            try:
                heard.add(caller(b"pull\tup.example\n").recv(5))
            except socket.timeout:                # it waits at the door
                break
        for a in held:
            a.close()
        wait_for("an answer", lambda: s.ctl("status", check=False).returncode == 0)
    assert b"R\trea" in heard and b"ER\tpu" in heard, heard
    assert s.proc.pid == pid and s.proc.poll() is None
    wait_for("it to store again", lambda: re.search(r"^storing +yes$", s.ctl("status"), re.M))
    s.stop()


def many_sessions_at_once_each_get_their_own_answers():
    s = one(peers=['peer "me" { address = { "127.0.0.1" } accept = true }']).start()
    faults = []

    def work(i):
        try:
            c = s.client()
            for k in range(30):
                mid, wire = make_article(make_id("w%d.%d.example" % (i, k)))
                c.send("CHECK %s\r\n" % mid)
                c.send(b"TAKETHIS " + mid.encode() + b"\r\n" + wire)
                c.send("STAT %s\r\nSTAT <none.%d.%d@x.example>\r\nDATE\r\n" % (mid, i, k))
                got = [c.line() for _ in range(5)]
                want = ["238 " + mid, "239 " + mid, "223 0 " + mid, "430", "111"]
                if not all(g.startswith(w) for g, w in zip(got, want)):
                    faults.append(got)
            c.close()
        except Exception as e:                  # noqa: what went wrong is the fault
            faults.append(repr(e))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not faults, faults[:3]
    assert s.client().cmd("GROUP misc.test").split()[1] == "480"
    s.stop()


def same_article_from_many_peers_at_once_is_stored_once():
    s = one(peers=['peer "me" { address = { "127.0.0.1" } accept = true }']).start()
    cs = [s.client() for _ in range(8)]
    for _ in range(20):
        mid, wire = make_article()
        for c in cs:
            c.send(b"TAKETHIS " + mid.encode() + b"\r\n" + wire)
        codes = sorted(c.line().split()[0] for c in cs)
        assert codes == ["239"] + ["439"] * 7, codes
    assert cs[0].cmd("GROUP misc.test").split()[1] == "20"
    s.stop()


if __name__ == "__main__":
    main([strangers_are_refused_at_the_door,
          peer_may_open_only_as_many_connections_as_its_block_says,
          connections_beyond_the_limit_hear_400,
          reload_gives_and_takes_rights_of_connections_that_stand,
          reload_of_a_bad_file_changes_nothing,
          sighup_reloads_too,
          stopping_says_400_to_those_who_are_connected,
          operators_who_ask_nothing_or_do_not_listen_keep_no_site_from_stopping,
          long_work_of_an_operator_who_went_away_breaks_off,
          articles_sent_before_the_stop_are_answered_or_not_stored,
          client_that_shuts_its_side_still_gets_all_answers,
          article_over_the_limit_is_read_to_its_end_and_refused,
          one_who_does_not_read_holds_up_nobody_else_and_little_memory,
          descriptors_for_files_are_never_given_to_connections,
          what_is_said_goes_into_no_file_when_standard_error_is_closed,
          operators_beyond_the_descriptors_wait_and_the_site_goes_on,
          pulling_beyond_the_descriptors_is_put_off_and_the_site_goes_on,
          many_sessions_at_once_each_get_their_own_answers,
          same_article_from_many_peers_at_once_is_stored_once])

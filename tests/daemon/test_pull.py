"""Pull feeds: groups read from another server as a newsreader does."""
from pullkit import *


def test_what_is_there_and_what_comes_is_pulled_once():
    up, ids = up_site(n=5)
    ids += feed(up, 1, body=".dot\r\n..two\r\n\x80\xff \t\r\n")
    other = feed(up, 2, groups="comp.x")
    both = feed(up, 1, groups="misc.test,misc.two")
    down = down_site(up.port).start()
    wait_for("the first run", lambda: runs(down) >= 1)
    assert sorted(ids_in(down, "misc.test")) == sorted(ids + both)
    assert ids_in(down, "misc.two") == both and not ids_in(down, "comp.x") and other
    assert show(down, "pulled") == "7" and show(down, "pulled: known already") == "1", down.ctl("peer", "show", "up.test")
    equal, path = same_text(up, down, ids[5])
    assert equal and path == "down.test!!up.test!!src.example!not-for-mail", path
    more = feed(up, 3)
    pull_now(down)
    assert sorted(ids_in(down, "misc.test")) == sorted(ids + both + more)
    assert show(down, "pulled") == "10" and show(down, "pulled: known already") == "1"
    before = show(down, "pulled")
    pull_now(down)
    assert show(down, "pulled") == before
    assert down.log_text().count("pulled 7 articles") == 1 and down.log_text().count("pulled 3 articles") == 1
    down.stop()
    down.start()
    pull_now(down)
    assert show(down, "pulled") == "0" and show(down, "pulled: known already") == "0"      # it knows where it was
    assert down.ctl("verify") is not None
    down.stop()
    up.stop()



def test_new_groups_begin_with_their_newest_articles():
    up, ids = up_site(n=30)
    two = feed(up, 3, groups="misc.two")
    down = down_site(up.port, pull='{ "misc.test", "misc.two", "misc.away" }', pull_first="10").start()
    wait_for("the first run", lambda: runs(down) >= 1)
    assert ids_in(down, "misc.test") == ids[-10:] and ids_in(down, "misc.two") == two
    down.stop()
    none = down_site(up.port, name="none.test", pull_first="0").start()
    wait_for("the first run", lambda: runs(none) >= 1)
    assert show(none, "pulled") == "0"
    new = feed(up, 2)
    pull_now(none)
    assert ids_in(none, "misc.test") == new
    none.stop()
    up.stop()


def test_what_is_too_old_is_not_asked_for():
    up = Upstream()
    ids = up.add("misc.test", range(1, 11))
    old = "Sat, 01 Feb 2003 04:05:06 +0000"

    def trick(line, out):
        if line.startswith("OVER"):
            rows = [l.replace(b"\td\t", b"\t" + old.encode() + b"\t") if l.split(b"\t")[0] in (b"2", b"3", b"10") else l for l in out.split(b"\r\n")]
            return b"\r\n".join(rows)
        return out
    up.trick = trick
    down = down_site(up.port).start()
    wait_for("the first run", lambda: runs(down) >= 1)
    assert ids_in(down, "misc.test") == ids[:1] + ids[3:9] and show(down, "pulled: too old to be asked for") == "3"
    up.heard.clear()
    pull_now(down)
    assert not [h for h in up.heard if h.startswith("OVER")]      # they are settled
    down.stop()
    up.close()


def test_what_is_pulled_floods_on():
    up, ids = up_site(n=3)
    end = Site("end.test", groups=["misc.test"], feed=False)
    end.write_conf()
    down = down_site(up.port)
    down.peer(end, accept="false")
    end.peers.append('peer "down.test" { address = "127.0.0.1" }')
    end.write_conf()
    end.start()
    down.start()
    wait_for("all of them at the end", lambda: ids_in(end, "misc.test") == ids)
    for s in (down, end, up):
        s.stop()


def test_pulls_through_tls_login_and_compression():
    from test_outgoing import certificate
    pem, print_ = certificate("pull")
    up = Site("up.test", groups=["misc.test"], site="tls-certificate = \"%s\"" % pem)
    subprocess.run([os.path.join(BIN, "newsctl"), "-c", up.conf, "user", "add", "us"], input="secret\n", text=True, check=True,
                   stdout=subprocess.DEVNULL)
    with open(up.conf) as f:
        text = f.read().replace('access "all" { from', 'access "all" { user = "us" tls = true from')
    with open(up.conf, "w") as f:
        f.write(text)
    up.start()
    ids = feed(up, 3)
    down = down_site(up.port, tls="starttls", fingerprint='"%s"' % print_, login_as='"us"', login_password='"secret"', compress="true").start()
    wait_for("the first run", lambda: runs(down) >= 1)
    assert ids_in(down, "misc.test") == ids, down.log_text()
    assert "connected to 127.0.0.1 to pull, TLSv1.3, compressed" in down.log_text()
    down.stop()
    wrong = down_site(up.port, name="wrong.test", tls="starttls", fingerprint='"%s"' % print_, login_as='"us"', login_password='"other"').start()
    wait_for("a failed run", lambda: runs(wrong) >= 1)
    assert "481" in show(wrong, "pull error")
    wrong.stop()
    up.stop()


def test_no_more_articles_a_second_than_the_rate():
    up = Upstream()
    up.add("misc.test", range(1, 16))
    down = down_site(up.port, pull_rate="10").start()
    began = time.monotonic()
    wait_for("the first run", lambda: runs(down) >= 1)
    assert time.monotonic() - began > 0.4 and len(ids_in(down, "misc.test")) == 15
    down.stop()
    up.close()


def all_once(down, ids):
    got = ids_in(down, "misc.test")
    return sorted(got) == sorted(ids)


def test_our_own_trouble_is_later():
    up = Upstream()
    ids = up.add("misc.test", range(1, 4))
    down = down_site(up.port).start(wrapper=["env", "--ignore-signal=XFSZ"])
    wait_for("the first run", lambda: runs(down) >= 1)
    new = up.add("misc.test", range(4, 40))
    limit = lambda to: subprocess.run(["prlimit", "--pid", str(down.proc.pid), "--fsize=" + to], check=True)
    limit("100:unlimited")                                   # no file of nntpd's can be written
    pull_now(down)
    assert show(down, "pull error").startswith("our own nntpd: "), show(down, "pull error")
    assert ids_in(down, "misc.test") == ids and show(down, "pulled: refused") == "0"
    limit("unlimited:unlimited")
    # those that found the disk in order again may have come before those that had not
    wait_for("all of them", lambda: pull_now(down) or sorted(ids_in(down, "misc.test")) == sorted(ids + new))
    down.stop()
    up.close()


def test_a_long_group_is_gone_on_with_where_it_was():
    up = Upstream()
    up.add("misc.test", range(1, 1301))
    down = down_site(up.port, pull_first="5000", pull_rate="130").start()
    wait_for("most of them", lambda: len([h for h in up.heard if h.startswith("ARTICLE")]) > 1050, 60)
    os.kill(wait_for("feeder", down.feeder_pid), signal.SIGKILL)
    up.heard.clear()
    wait_for("the next look", lambda: [h for h in up.heard if h.startswith("OVER")])
    assert [h for h in up.heard if h.startswith("OVER")][0] != "OVER 1-200", up.heard
    down.stop()
    up.close()


def test_nothing_is_lost_by_kill_9():
    up = Upstream()
    ids = up.add("misc.test", range(1, 1201))
    down = down_site(up.port, pull_first="5000", pull_rate="400").start()
    for victim in ("feeder", "nntpd", "feeder", "nntpd"):
        some = len(ids_in(down, "misc.test"))
        wait_for("some more articles", lambda: len(ids_in(down, "misc.test")) > some + 50)
        if victim == "feeder":
            os.kill(wait_for("feeder", down.feeder_pid), signal.SIGKILL)
        else:
            down.kill()
            down.start()
    wait_for("all articles", lambda: all_once(down, ids), 120)
    n = len([h for h in up.heard if h.startswith("ARTICLE")])
    assert n < len(ids) + 4 * 300, n                          # not from the beginning every time
    assert down.ctl("verify") is not None
    down.stop()
    up.close()


def test_a_run_can_be_stopped_paused_and_reloaded_in_the_middle():
    up = Upstream()
    ids = up.add("misc.test", range(1, 301))
    hold = [True]

    def trick(line, out):
        while hold[0] and line == "ARTICLE 100":
            time.sleep(0.02)
        return out
    up.trick = trick
    down = down_site(up.port).start()
    stuck = lambda: len(ids_in(down, "misc.test")) >= 80 and show(down, "pulling") == "pulling"
    wait_for("the middle", stuck)
    down.ctl("peer", "pause", "up.test")
    assert show(down, "pulling") == "paused"
    down.ctl("peer", "resume", "up.test")
    wait_for("the middle again", lambda: stuck() and up.sessions >= 2)
    down.peers[0] = down.peers[0].replace("1h", "2h")
    down.write_conf()
    down.ctl("reload")
    wait_for("the middle once more", lambda: up.sessions >= 3 and stuck())
    down.stop()
    hold[0] = False
    down.start()
    wait_for("all of them", lambda: ids_in(down, "misc.test") == ids)
    down.ctl("peer", "pause", "up.test")
    down.peers.clear()
    down.write_conf()
    down.ctl("reload")
    wait_for("nothing to pull", lambda: show(down, "pulling") is None)
    down.stop()
    up.close()


def test_the_operator_is_told():
    up, ids = up_site(n=2)
    down = down_site(up.port).start()
    wait_for("the first run", lambda: runs(down) >= 1)
    told = down.ctl("peer", "test", "up.test", check=False).stdout
    assert "as a newsreader" in told and "misc.*" in told, told
    assert 'freshet_pulled_total{peer="up.test",result="stored"} 2' in down.ctl("metrics")
    assert [r["state"] for r in json.loads(down.ctl("peer", "list", json=True))["rows"] if r["peer"] == "up.test"] == ["idle"]
    r = down.ctl("peer", "refeed", "up.test", "1", check=False)
    assert r.returncode != 0 and "nothing is sent to that peer" in r.stdout + r.stderr
    down.stop()
    up.stop()


# ---- posting ----

def post(site, mid=None, groups="misc.test", **k):
    c = site.client()
    assert c.cmd("POST").startswith("340")
    mid, wire = make_article(mid, groups=groups, path=None, **k)
    c.send(wire)
    r = c.line()
    c.close()
    assert r.startswith("240"), r
    return mid


def test_posts_go_up_and_come_back_once():
    up, ids = up_site(n=2)
    down = down_site(up.port, pull_post="true").start()
    wait_for("the first run", lambda: runs(down) >= 1)
    fed = feed(down, 1)                                       # came by a feed: no post of ours
    mid = post(down, Organization="here")
    other = post(down, groups="comp.x")                       # not pulled, so not posted there
    wait_for("the post", lambda: mid in ids_in(up, "misc.test"))
    c = up.client()
    a = c.article(mid)
    c.close()
    assert header(a, "Path").startswith("up.test!.POSTED") and "down.test" not in header(a, "Path"), header(a, "Path")
    assert header(a, "Xref").startswith("up.test ") and header(a, "Organization") == "here"
    assert "down.test" not in header(a, "Injection-Info")
    pull_now(down)
    pull_now(down)
    assert ids_in(up, "misc.test") == ids + [mid] and sorted(ids_in(down, "misc.test")) == sorted(ids + fed + [mid])
    assert ids_in(up, "comp.x") == [] and ids_in(down, "comp.x") == [other]
    assert show(down, "accepted") == "1" and show(down, "offered") == "1", down.ctl("peer", "show", "up.test")
    assert show(down, "pulled: known already") == "1"
    down.stop()
    up.stop()


def test_answers_to_posts():
    up = Upstream()
    up.groups["misc.test"] = {}
    down = down_site(up.port, pull_post="true", retry="1s").start()
    wait_for("the first run", lambda: runs(down) >= 1)
    up.post_answer = lambda wire: b"441 435 Duplicate\r\n"
    post(down)
    wait_for("done", lambda: show(down, "refused") == "1" and show(down, "lag") == "0")
    up.post_answer = lambda wire: b"441 437 No such group\r\n"
    mid = post(down)
    wait_for("set aside", lambda: show(down, "set aside now") == "1")
    assert mid + " is set aside" in down.log_text() and "441 437 No such group" in show(down, "last error")
    later = []
    up.post_answer = lambda wire: later.append(1) or (b"441 436 try later\r\n" if len(later) < 3 else b"240 ok\r\n")
    post(down)
    wait_for("accepted in the end", lambda: show(down, "accepted") == "1")
    assert len(later) == 3
    n = len(up.posted)
    up.trick = lambda line, out: b"440 no posting\r\n" if line == "POST" else out
    up.answer = (lambda a: lambda line, state: b"440 no posting\r\n" if line == "POST" else a(line, state))(up.answer)
    post(down)
    wait_for("440", lambda: "440" in show(down, "last error"))
    assert len(up.posted) == n and show(down, "lag") == "1" and show(down, "set aside now") == "1"
    wire = up.posted[-1]
    assert not any(l.split(b":")[0].lower() in (b"path", b"xref", b"injection-info") for l in wire.split(b"\r\n\r\n")[0].split(b"\r\n"))
    down.stop()
    up.close()


if __name__ == "__main__":
    main([v for k, v in sorted(globals().items()) if k.startswith("test_")])

"""Pulling from servers that are old, damaged, out of step, or hang up."""
from pullkit import *


def test_numbers_that_begin_anew_are_noticed():
    up = Upstream()
    old = up.add("misc.test", range(100, 120))
    down = down_site(up.port).start()
    wait_for("the first run", lambda: runs(down) >= 1)
    assert ids_in(down, "misc.test") == old
    up.groups["misc.test"] = dict(zip(range(1, 21), up.groups["misc.test"].values()))     # the same, and two more
    new = up.add("misc.test", [21, 22])
    up.heard.clear()
    pull_now(down)
    assert ids_in(down, "misc.test") == old + new
    assert [h for h in up.heard if h.startswith("ARTICLE")] == ["ARTICLE 21", "ARTICLE 22"]
    assert "its numbers begin anew" in down.log_text()
    up.groups["misc.test"] = {}                                # empty is not anew
    pull_now(down)
    new += up.add("misc.test", [23])
    pull_now(down)
    assert ids_in(down, "misc.test") == old + new
    down.stop()
    up.close()


def test_groups_come_and_go():
    up = Upstream()
    one, two = up.add("misc.test", [1]), up.add("misc.two", [5])
    down = down_site(up.port, pull='{ "misc.test", "misc.two", "misc.nowhere" }').start()
    wait_for("the first run", lambda: runs(down) >= 1)
    assert not [h for h in up.heard if h.startswith("LIST")]             # names alone: no list is needed
    assert "GROUP misc.nowhere" not in up.heard and show(down, "pull groups that are not here") == "1"
    kept = up.groups.pop("misc.test")
    two += up.add("misc.two", [6])
    pull_now(down)
    assert ids_in(down, "misc.two") == two
    up.groups["misc.test"] = kept
    one += up.add("misc.test", [2])
    pull_now(down)
    assert ids_in(down, "misc.test") == one and show(down, "pulled: known already") == "0"
    down.stop()
    up.close()


def test_holes_are_jumped_over_and_late_overview_is_waited_for():
    up = Upstream()
    late = []

    def trick(line, out):
        if line.startswith("OVER") and late:
            return b"".join(l + b"\r\n" for l in out.split(b"\r\n")[:-1] if not l.startswith(b"%d\t" % late[0]))
        return out
    up.trick = trick
    old = up.add("misc.test", [1])
    down = down_site(up.port).start()
    wait_for("the first run", lambda: runs(down) >= 1)
    far = up.add("misc.test", [3000000, 3000001])
    late.append(3000001)
    up.heard.clear()
    pull_now(down)
    assert ids_in(down, "misc.test") == old + far[:1]
    assert len([h for h in up.heard if h.startswith("OVER")]) < 40
    late.clear()
    pull_now(down)
    assert ids_in(down, "misc.test") == old + far
    down.stop()
    up.close()


def test_damage_harms_nothing_but_itself():
    up = Upstream()
    ids = up.add("misc.test", range(1, 9))
    a = up.groups["misc.test"]
    a[2] = (a[2][0], b"this is no article\r\n.\r\n")
    a[3] = (a[3][0], a[4][1])                                  # another one than announced
    a[5] = (a[5][0], make_article(mid=a[5][0], groups="misc.unknown")[1])

    def trick(line, out):
        if line == "OVER 1-8":
            return out.replace(b"224 over\r\n", b"224 over\r\n\xff\x00\t\r\n7\r\n99999999999999999999\ts\tf\td\t<a@b>\r\n"
                               b"%s\r\n9\ts\tf\td\t<out@of.range>\r\n4\ts\tf\td\tno id\r\n" % (b"z" * 300000))
        if line == "ARTICLE 6":
            return b"423 gone meanwhile\r\n"
        if line == "ARTICLE 8":
            return b"220 8 x\r\n" + b"Subject: x\r\n\r\n" + (b"y" * 98 + b"\r\n") * 30000 + b".\r\n"
        return out
    up.trick = trick
    down = down_site(up.port, accept_groups='{ "misc.test" }').start()
    wait_for("the first run", lambda: runs(down) >= 1)
    assert ids_in(down, "misc.test") == [ids[0], ids[3], ids[6]], down.ctl("peer", "show", "up.test") + down.log_text()
    assert show(down, "pulled: overview lines without sense") == "5", down.ctl("peer", "show", "up.test")
    assert show(down, "pulled: gone meanwhile") == "1" and show(down, "pulled: larger than article-max") == "1"
    assert show(down, "pulled: refused") == "3" and show(down, "pulled: refused: id_differs") == "1"
    up.heard.clear()
    pull_now(down)
    assert not [h for h in up.heard if h.startswith(("OVER", "ARTICLE"))], up.heard
    down.stop()
    up.close()


def test_groups_that_end_runs_keep_no_others_waiting():
    up = Upstream()
    for n in range(20):
        up.add("misc.away%d" % n, [1])                         # not carried here, but in the list
    ids = {g: up.add(g, [1]) for g in ("misc.a", "misc.b", "misc.c", "misc.d", "misc.e")}

    def trick(line, out):
        if line in ("GROUP misc.b", "GROUP misc.c"):
            raise EOFError
        return out
    up.trick = trick
    down = down_site(up.port, groups=tuple(ids)).start()
    wait_for("the first run", lambda: runs(down) >= 1)
    for _ in range(3):
        pull_now(down)
    for g in ("misc.a", "misc.d", "misc.e"):
        assert ids_in(down, g) == ids[g], (g, up.heard)
    up.trick = None
    pull_now(down)
    assert ids_in(down, "misc.b") + ids_in(down, "misc.c") == ids["misc.b"] + ids["misc.c"]
    down.stop()
    up.close()


def test_two_servers_that_have_the_same_do_not_end_each_others_runs():
    one, two = Upstream(), Upstream()
    ids = one.add("misc.test", range(1, 601))
    two.groups["misc.test"] = one.groups["misc.test"]
    down = down_site(one.port, pull_first="1000")
    down.peers.append(down.peers[0].replace(str(one.port), str(two.port)).replace("up.test", "too.test"))
    down.write_conf()
    down.start()
    wait_for("the first runs", lambda: runs(down) >= 1 and runs(down, "too.test") >= 1)
    assert sorted(ids_in(down, "misc.test")) == sorted(ids)
    assert show(down, "pull error") == "" and show(down, "pull error", "too.test") == "", down.log_text()[-2000:]
    assert int(show(down, "pulled")) + int(show(down, "pulled", "too.test")) == len(ids)
    down.stop()
    one.close()
    two.close()


def test_an_article_that_ends_the_connection_is_left_out_after_three_times():
    up = Upstream()
    ids = up.add("misc.test", range(1, 6))
    other = up.add("misc.two", [1])

    def trick(line, out):
        if line == "ARTICLE 3":
            raise EOFError
        return out
    up.trick = trick
    down = down_site(up.port).start()
    wait_for("the first run", lambda: runs(down) >= 1)
    assert "hung up" in show(down, "pull error")
    pull_now(down)
    assert ids_in(down, "misc.two") == other                   # others do not wait
    for _ in range(4):                                         # the first time it may take others with it
        pull_now(down)
    assert ids_in(down, "misc.test") == ids[:2] + ids[3:]
    assert show(down, "pulled: left out after three tries") == "1" and "article 3 is left out" in down.log_text()
    down.stop()
    up.close()


def test_two_that_end_the_connection_keep_no_others_waiting():
    up = Upstream()
    ids = up.add("misc.test", range(1, 7))
    other = up.add("misc.two", [1])

    def trick(line, out):
        if line in ("ARTICLE 3", "ARTICLE 4"):
            raise EOFError
        return out
    up.trick = trick
    down = down_site(up.port).start()
    wait_for("the first run", lambda: runs(down) >= 1)
    for _ in range(6):
        pull_now(down)
    assert ids_in(down, "misc.test") == ids[:2] + ids[4:] and ids_in(down, "misc.two") == other, down.log_text()[-2000:]
    assert show(down, "pulled: left out after three tries") == "2"
    down.stop()
    up.close()


def test_a_server_that_gives_no_article_at_all_loses_none():
    up = Upstream()
    ids = up.add("misc.test", range(1, 6))
    for refusal in (b"400 quota exceeded\r\n", b"403 no storage\r\n", None):
        def trick(line, out):
            if line.startswith("ARTICLE"):
                if refusal is None:
                    raise EOFError
                return refusal
            return out
        up.trick = trick
        if refusal == b"400 quota exceeded\r\n":
            down = down_site(up.port).start()
            wait_for("the first run", lambda: runs(down) >= 1)
        for _ in range(4):
            pull_now(down)
    assert not ids_in(down, "misc.test") and show(down, "pulled: left out after three tries") == "0"
    up.trick = None
    pull_now(down)
    assert sorted(ids_in(down, "misc.test")) == sorted(ids), (ids_in(down, "misc.test"), ids)
    down.stop()
    up.close()


def test_a_server_that_hangs_up_within_an_article_loses_nothing():
    up = Upstream()
    ids = up.add("misc.test", range(1, 40))
    cut = [5, 17, 18]

    def trick(line, out):
        if cut and line == "ARTICLE %d" % cut[0]:
            cut.pop(0)
            up.hang_up = True
            return out[:len(out) // 2]
        return out
    up.trick = trick
    down = down_site(up.port).start()
    wait_for("the first run", lambda: runs(down) >= 1)
    for _ in range(3):
        pull_now(down)
    assert ids_in(down, "misc.test") == ids, (ids_in(down, "misc.test"), ids)
    down.stop()
    up.close()


def test_a_server_out_of_step_loses_nothing():
    """Half an answer is left out: the next article goes into the one before, and each after it for another."""
    up = Upstream()
    ids = up.add("misc.test", range(1, 101))
    cut = [10]

    def trick(line, out):
        if cut and line == "ARTICLE %d" % cut[0]:
            cut.pop(0)
            return out[:len(out) // 2]
        return out
    up.trick = trick
    down = down_site(up.port, reply_time="5s").start()
    wait_for("the first run", lambda: runs(down) >= 1)
    assert show(down, "pull error").startswith("220 "), show(down, "pull error")
    for _ in range(3):
        pull_now(down)
    got = ids_in(down, "misc.test")
    assert set(ids) - set(got) <= {ids[9]}, set(ids) - set(got)
    down.stop()
    up.close()


def test_what_has_no_end_and_what_makes_no_sense_ends_the_run_alone():
    up = Upstream()
    ids = up.add("misc.test", [1])
    now = [None]
    up.trick = lambda line, out: now[0](line, out) if now[0] else out
    down = down_site(up.port)
    site = lambda: down.client().cmd("DATE")[:3] == "111"
    down.start()
    wait_for("the first run", lambda: runs(down) >= 1)
    more = up.add("misc.test", [2])

    def flood(first, piece, times):
        return lambda verb: lambda line, out: first + piece * times if line.startswith(verb) else out
    for verb, say in (("LIST", flood(b"215 x\r\n", b"a" * 1000, 3000)), ("LIST", flood(b"", b"junk\r\n", 100)),
                      ("GROUP", flood(b"", b"211 " + b"9" * 5000, 1)), ("GROUP", flood(b"211 a b c\r\n", b"", 1)),
                      ("GROUP", flood(b"\x00\xff\x1f", b"\x8b", 9000)), ("GROUP", flood(b"200 hello\r\n", b"200 x\r\n", 50)),
                      ("OVER", flood(b"224 x\r\n", b"1\ts\tf\td\t<a@b>\r\n", 100000)),
                      ("OVER", flood(b"222 x\r\n", b"", 1)), ("OVER", flood(b"224 x\r\n", b"b" * 1000, 3000)),
                      ("MODE", flood(b"400 go away\r\n", b"", 1)), ("MODE", flood(b"502 never\r\n", b"", 1))):
        now[0] = say(verb)
        pull_now(down)
        assert show(down, "pull error") or verb == "GROUP", (verb, say)
        assert site() and ids_in(down, "misc.test") == ids
    now[0] = None
    pull_now(down)
    assert ids_in(down, "misc.test") == ids + more
    now[0] = lambda line, out: b"220 3 x\r\n" + b"z" * 20000000 if line == "ARTICLE 3" else out
    last = up.add("misc.test", [3, 4])
    for _ in range(4):
        pull_now(down)
    assert ids_in(down, "misc.test") == ids + more + last[1:], down.log_text()[-3000:]
    down.stop()
    up.close()


def test_old_servers_know_xover_alone_and_no_patterns():
    up = Upstream()
    ids = up.add("misc.test", range(1, 4))
    up.trick = lambda line, out: b"500 what\r\n" if line.startswith(("OVER", "LIST ACTIVE ", "MODE")) else out
    down = down_site(up.port, pull='{ "misc.*", "!misc.two" }').start()
    up.add("misc.two", [1])
    wait_for("the first run", lambda: runs(down) >= 1)
    assert ids_in(down, "misc.test") == ids and not ids_in(down, "misc.two")
    assert "LIST ACTIVE" in up.heard and "XOVER 1-3" in up.heard
    down.stop()
    up.close()


if __name__ == "__main__":
    main([v for k, v in sorted(globals().items()) if k.startswith("test_")])

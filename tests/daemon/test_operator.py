"""What an operator does to a site: every command's words, root's part, rotated logs, backups."""
import json
import pwd
import re
import threading

from kit import *

NEWSCTL = os.path.join(BIN, "newsctl")


def run(*words, **k):
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL,
                          errors="surrogateescape", timeout=120, **k)


def commands():
    """Those that newsctl's help lists, with arguments that may be given in any state."""
    given = {"init": [fresh_dir("new")], "group list": [], "group add": ["op.new", "y", "Caf\udce9"], "group change": ["op.new", "n", "x"],
             "group remove": ["op.new"], "group import": ["/nonexistent"], "peer show": ["peer.test"], "peer test": ["peer.test"],
             "peer invite": ["friend.test", "--address", "192.0.2.1"], "peer accept": ["freshet1:x"], "peer flush": ["peer.test"],
             "peer pause": ["peer.test"], "peer resume": ["peer.test"], "peer refeed": ["peer.test", "1"], "why": ["<no@such>"],
             "cancel": ["<no@such>"], "import": ["/nonexistent"], "export": [os.path.join(tmp(), "all.gz")], "user add": ["bad name"],
             "user passwd": ["nobody"], "user off": ["nobody"], "user on": ["nobody"], "user del": ["nobody"]}
    helped = re.findall(r"^  ([a-z]+(?: [a-z]+)?)(?= |$)", run(NEWSCTL, "--help").stdout, re.M)
    assert len(helped) > 30 and set(given) <= set(helped), set(given) - set(helped)
    return [(c, given.get(c, [])) for c in helped if c != "init"]


def asked(s, command, args):
    r = run(NEWSCTL, "-c", s.conf, "--json", *(command.split() + args))
    try:
        return r.returncode, json.loads(r.stdout.encode("utf-8", "surrogateescape").decode("utf-8"))
    except ValueError as e:
        raise AssertionError("newsctl --json %s: %s\n%r\n%r" % (command, e, r.stdout, r.stderr))


def every_command_answers_in_json():
    s = Site("json.test", groups=["op.test y Gr\udcfc\udcdfe \"\\"])
    s.peers.append('peer "peer.test" { address = "127.0.0.1" connect = "127.0.0.1:%d" send = true accept = false }' % free_port())
    s.write_conf()
    s.start()
    c = s.client()
    assert c.takethis(*make_article(groups="op.test")).startswith("239 ")
    c.close()
    s.ctl("peer", "list")
    rows = set()
    for state in ("runs", "stopped"):
        if state == "stopped":
            s.stop()
        for command, args in commands():
            if command in ("stop", "rebuild") and state == "runs":
                continue
            status, answer = asked(s, command, args)
            assert answer["ok"] == (status == 0) and isinstance(answer["text"], str), (command, status, answer)
            assert status in (0, 1, 3), (command, status)
            assert answer["ok"] or answer["text"], command
            if "rows" in answer:
                assert all(isinstance(r, dict) and len(r) > 1 for r in answer["rows"]), (command, answer)
                rows.add(command)
    assert {"status", "group list", "peer list", "peer show", "log list", "user list", "peer invite"} <= rows, rows


def wrong_words_are_told_with_what_is_right():
    s = Site("words.test")
    for args, status, want in [
            ((), 2, "usage: newsctl"), (("foo",), 2, "no such command: foo"), (("group",), 2, "group add NAME"),
            (("group", "foo"), 2, "group list [WILDMAT]"), (("group", "add"), 2, "usage: newsctl group add NAME"),
            (("status", "x"), 2, "usage: newsctl status"), (("--foo",), 2, "usage: newsctl"), (("-c",), 2, "usage: newsctl"),
            (("status",), 3, "the site does not run"), (("reload",), 3, "the site does not run"), (("stop",), 3, "the site does not run"),
            (("peer", "list"), 3, "no peer has send = true"), (("group", "remove", "no.such"), 1, "no.such: no such group"),
            (("why", "x"), 1, "not a Message-ID"), (("log", "list", "x"), 1, "a sequence number"),
            (("import", "/nonexistent"), 1, "/nonexistent: No such file"), (("export", "/nonexistent/x"), 1, "/nonexistent/x: No such file")]:
        r = run(NEWSCTL, "-c", s.conf, *args)
        assert r.returncode == status and want in r.stderr and len(r.stderr) < 6000, (args, r)
        assert status == 2 and not args or r.stderr.count("\n") <= 12 or args[0][0] == "-", (args, r.stderr)
    r = run(NEWSCTL, "-c", "/nonexistent/nntpd.conf", "status")
    assert r.returncode == 2 and "/nonexistent/nntpd.conf: No such file" in r.stderr and "newsctl init" in r.stderr, r
    s.start()
    r = run(NEWSCTL, "-c", s.conf, "rebuild")
    assert r.returncode == 1 and "in use by process %d" % s.proc.pid in r.stderr and "newsctl stop" in r.stderr, r
    s.stop()


def a_group_that_takes_no_post_yet_is_told():
    s = Site("notes.test", groups=[], site='moderators = "op.mod.*:mod@example.org"')
    for state in ("stopped", "runs"):
        if state == "runs":
            s.start()
        g = "op.%s" % state
        assert s.ctl("group", "add", g).strip() == "made"
        assert s.ctl("group", "add", "op.mod." + state, "m").strip() == "made"
        assert "no moderators setting fits it" in s.ctl("group", "add", g + ".m", "m", "Moderated")
        assert "there is no group op.nowhere yet" in s.ctl("group", "add", g + ".a", "=op.nowhere")
        assert "there is no group op.nowhere yet" in s.ctl("group", "change", g, "=op.nowhere")
        assert s.ctl("group", "change", g, "=op.mod." + state).strip() == "changed"
    s.stop()


def what_the_configuration_names_is_looked_for():
    s = Site("names.test", groups=[])
    full = ('site "names.test" { directory = "%s" %%s }\nlisten "127.0.0.1:0" {}\naccess "a" { user = "*" read = "*" }\n' % s.dir)
    for settings, want in [
            ("", ""), ('motd-file = "/nonexistent/motd"', "motd-file: /nonexistent/motd: No such file"),
            ('login-program = "/nonexistent/x"', "login-program: /nonexistent/x: No such file"),
            ('login-program = "/etc"', "login-program: /etc: Is a directory"), ('login-program = "/bin/true"', ""),
            ('sendmail = "/nonexistent/x -t"', ""),
            ('moderators = "*:a@b.example" sendmail = "/nonexistent/x -t"', "sendmail: /nonexistent/x: No such file"),
            ('log-file = "/nonexistent/x/log"', "log-file: /nonexistent/x: No such file"), ('log-file = "new.log"', ""),
            ('log-file = "/proc/1/x"', "log-file: ")]:
        with open(s.conf, "w") as f:
            f.write(full % settings)
        r = run(os.path.join(BIN, "nntpd"), "-c", s.conf, "-t")
        assert r.returncode == 0 and r.stdout == s.conf + ": good\n", (settings, r)
        assert (want in r.stderr and r.stderr.startswith(s.conf)) if want else r.stderr == "", (settings, r)
    with open(s.conf, "w") as f:
        f.write((full % 'motd-file = "/nonexistent"').replace(s.dir, s.dir + "/a/b").replace(":0", ":%d" % s.port))
    s.start(wait=False)                                  # it makes its directory, and says what is missing
    wait_for("the start", lambda: "serves" in s.log_text())
    assert "warning: %s: motd-file: /nonexistent: No such file" % s.conf in s.log_text(), s.log_text()
    s.stop()


def manual(section):
    """The commands that newsctl(8) gives there."""
    with open(os.path.join(ROOT, "doc/man/newsctl.8")) as f:
        text = f.read().split(".Sh %s\n" % section, 1)[1].split("\n.Sh ", 1)[0]
    return re.findall(r"\.Bd -literal -offset indent\n(.*?)\.Ed", text, re.S)


def news_site(name):
    """A site whose directory belongs to the user news; None when we cannot give it away, or there is no such user."""
    try:
        news = pwd.getpwnam("news")
    except KeyError:
        return None, None
    if os.geteuid() != 0:
        return None, None
    s = Site(name, groups=[])
    os.chmod(tmp(), 0o755)                               # mkdtemp's is for us alone
    os.chown(s.dir, news.pw_uid, news.pw_gid)
    s.bin = for_others(BIN)
    return s, news


def a_site_that_root_starts_runs_as_its_owner():
    s, news = news_site("owner.test")
    if s is None:
        return "skip"
    s.peers.append('peer "peer.test" { address = "192.0.2.1" connect = "127.0.0.1:%d" send = true }' % free_port())
    s.write_conf()
    s.ctl("group", "add", "op.test")                     # root's own newsctl leaves no file of root's
    s.start()
    s.ctl("peer", "list")
    for pid in (s.proc.pid, s.feeder_pid()):
        with open("/proc/%d/status" % pid) as f:
            told = dict(l.rstrip("\n").split(":\t", 1) for l in f if ":\t" in l)
        assert told["Uid"].split() == [str(news.pw_uid)] * 4 and told["Gid"].split() == [str(news.pw_gid)] * 4, told
        assert "0" not in told["Groups"].split(), told
        if pid == s.proc.pid:                            # ports below 1024, and nothing else
            assert int(told["CapEff"], 16) in (0, 1 << 10) and int(told["CapPrm"], 16) in (0, 1 << 10), told
        else:
            assert int(told["CapPrm"], 16) == 0, told
    s.stop()
    s.ctl("rebuild")
    s.ctl("verify")
    for d, _, files in os.walk(s.dir):
        for p in [d] + [os.path.join(d, f) for f in files]:
            if os.path.basename(p) not in ("nntpd.conf", "nntpd.log"):
                assert os.lstat(p).st_uid == news.pw_uid, p
    etc = fresh_dir("etc")                               # as /etc/freshet is root's
    os.makedirs(etc)
    with open(os.path.join(etc, "nntpd.conf"), "w") as f, open(s.conf) as was:
        f.write(was.read())
    r = subprocess.run([NEWSCTL, "-c", f.name, "user", "add", "wilma"], input="x\n", text=True, capture_output=True)
    assert r.returncode == 0 and os.stat(etc + "/users").st_uid == news.pw_uid, r
    os.chmod(s.conf, 0o600)                              # a reload could not read it
    r = run(os.path.join(BIN, "nntpd"), "-c", s.conf, "-t")
    assert r.returncode == 2 and "nntpd.conf: the site's user, news, cannot read it" in r.stderr, r


def a_configured_site_gets_its_first_groups():
    s = Site("first.test", groups=[])
    for state in ("stopped", "runs"):
        r = run(NEWSCTL, "-c", s.conf, "init", "--group", "op.%s=For %s" % (state, state))
        assert r.returncode == 0 and "groups made" in r.stdout, r
        assert sorted(os.listdir(s.dir)) == sorted(set(os.listdir(s.dir)) - {"active.new", "newsgroups.new"})
        if state == "stopped":
            s.start()
    told = s.ctl("group", "list")
    for g in ("control.cancel", "junk", "op.stopped", "op.runs"):
        assert re.search(r"^%s +%s " % (g, "y" if g.startswith("op.") else "n"), told, re.M), told
    assert "local." not in told and "For runs" in told, told
    r = run(NEWSCTL, "-c", s.conf, "init", fresh_dir("other"))          # which of the two?
    assert r.returncode == 2, r
    other = fresh_dir("other")
    for words, want in ((("init", other, "--group", "a b=c"), "no blanks"), (("-c", "/nonexistent", "init"), "init DIRECTORY makes")):
        r = run(NEWSCTL, *words)
        assert r.returncode == 2 and want in r.stderr, r
    assert not os.path.exists(other)
    s.stop()


def who_may_not_ask_is_told_so():
    s, news = news_site("rights.test")
    if s is None:
        return "skip"
    s.start()
    nobody = pwd.getpwnam("nobody").pw_uid
    r = run(os.path.join(s.bin, "newsctl"), "-c", s.conf, "status", user=nobody, group=pwd.getpwnam("nobody").pw_gid, extra_groups=[])
    assert r.returncode == 1 and "you may not ask there" in r.stderr and "(news)" in r.stderr, r
    s.stop()
    r = run(os.path.join(s.bin, "newsctl"), "-c", s.conf, "group", "list", user=nobody, group=pwd.getpwnam("nobody").pw_gid, extra_groups=[])
    assert r.returncode == 1 and "Permission denied" in r.stderr, r


def a_rotated_log_is_opened_anew_whatever_the_configuration():
    s = Site("rotate.test", site='log-file = "all.log"')
    s.peers.append('peer "peer.test" { address = "192.0.2.1" connect = "127.0.0.1:%d" send = true }' % free_port())
    s.write_conf()
    s.start()
    s.ctl("peer", "list")
    log = os.path.join(s.dir, "all.log")

    def has(path, text):
        try:
            with open(path) as f:
                return text in f.read()
        except OSError:
            return False

    assert has(log, "nntpd[") and has(log, "feeder[")
    for i, bad in enumerate(("", "this is wrong\n")):
        with open(s.conf, "a") as f:
            f.write(bad)
        os.rename(log, log + ".%d" % i)
        s.proc.send_signal(signal.SIGHUP)
        wait_for("nntpd to write a new one", lambda: has(log, "nntpd["))
        wait_for("feeder to write a new one", lambda: has(log, "feeder["))
        if bad:
            assert has(log, "nntpd.conf:") and has(log, "the old one stays"), open(log).read()
    s.stop()
    assert has(log, "stopped")


def a_copy_of_a_running_site_is_restored_whole():
    s = Site("backup.test", site='segment = "64K"').start()
    mids, stop = [], threading.Event()

    def feed():
        c = s.client()
        while not stop.is_set():
            mid, wire = make_article(body="x" * 3000 + "\r\n")
            assert c.takethis(mid, wire).startswith("239 ")
            mids.append(mid)
        c.close()

    t = threading.Thread(target=feed)
    t.start()
    wait_for("some segments", lambda: len(os.listdir(s.dir + "/log")) > 4)
    before = len(mids)
    to = fresh_dir("copy")
    copy, restore = manual("BACKUP")
    copy = copy.replace("/etc/freshet/nntpd.conf", s.conf).replace("/var/lib/freshet", s.dir).replace("/backup", to)
    for _ in range(2):                                   # the second time brings what the first has not
        r = run("sh", "-c", copy)
        assert r.returncode == 0, r
    stop.set()
    t.join()
    s.stop()
    with open(s.conf) as f:
        text = f.read()
    conf = os.path.join(to, "nntpd.conf")
    with open(conf, "w") as f:
        f.write(text.replace(s.dir, to))
    r = run("sh", "-c", restore, env=dict(os.environ, FRESHET_CONF=conf, PATH=BIN + ":" + os.environ["PATH"]))
    assert r.returncode == 0 and "log and indexes agree" in r.stdout, r
    kept = set(re.findall(r"<\S+>", run(NEWSCTL, "-c", conf, "log", "list").stdout))
    assert before > 50 and set(mids[:before]) <= kept and kept <= set(mids), (before, len(kept), len(mids))


def what_is_left_on_the_disk_is_kept_for_the_indexes():
    s = Site("reserve.test").start()
    mid, wire = make_article()
    c = s.client()
    assert c.takethis(mid, wire).startswith("239 ")
    c.close()
    s.stop()
    s.site = "disk-reserve = 1T"                         # more than there is
    s.write_conf()
    s.start()
    c = s.client()
    assert c.ihave(*make_article()).startswith("436 ")
    assert c.article(mid)                                # readers are served
    c.close()
    assert "disk-reserve" in s.status("storing"), s.status("storing")
    assert int(s.status("disk_free_bytes")) > 0
    s.stop()
    s.site = "disk-reserve = 0"
    s.write_conf()
    s.start()
    c = s.client()
    assert c.takethis(*make_article()).startswith("239 ")
    c.close()
    s.stop()


def an_export_tells_what_is_damaged():
    s = Site("export.test").start()
    c = s.client()
    for i in range(3):
        assert c.takethis(*make_article(body="number %d\r\n" % i)).startswith("239 ")
    c.close()
    s.stop()
    to = os.path.join(s.dir, "all.rnews")
    s.ctl("export", to)
    assert len(list(rnews(to))) == 3
    os.unlink(to)
    with open(s.dir + "/log/0000000001.seg", "r+b") as f:
        at = f.read().index(b"number 1")
        f.seek(at)
        f.write(b"numbed 1")
    r = s.ctl("export", to, check=False)
    assert r.returncode == 1 and "2 articles written, but 1 are damaged" in r.stderr, r
    assert len(list(rnews(to))) == 2
    r = s.ctl("verify", check=False)
    assert r.returncode == 1 and "1 faults" in r.stderr, r


def lines_of_an_active_file_that_make_no_sense_are_passed_over():
    s = Site("active.test")
    active = os.path.join(s.dir, "active")
    with open(active, "w") as f:
        f.write("misc.high 18446744073709551615 1 y\nmisc.on 0000000041 0000000001 y\n%s 0 1 y\nmisc.on 7 1 y\n" % ("x" * 100000))
    r = s.ctl("group", "import", active, check=False)
    assert r.returncode == 1 and "1 groups made, 1 were there, but 2 lines give no name" in r.stderr, r
    assert "passed over: misc.high" in r.stdout, r
    s.start()
    c = s.client()
    assert c.takethis(*make_article(groups="misc.on")).startswith("239 ")
    assert c.cmd("GROUP misc.on").startswith("211 1 42 42 ")
    assert c.cmd("GROUP misc.high").startswith("411 ")
    c.close()
    s.stop()


if __name__ == "__main__":
    main([every_command_answers_in_json, wrong_words_are_told_with_what_is_right, what_the_configuration_names_is_looked_for,
          a_group_that_takes_no_post_yet_is_told,
          a_site_that_root_starts_runs_as_its_owner,
          a_configured_site_gets_its_first_groups, who_may_not_ask_is_told_so, a_rotated_log_is_opened_anew_whatever_the_configuration,
          a_copy_of_a_running_site_is_restored_whole, what_is_left_on_the_disk_is_kept_for_the_indexes,
          an_export_tells_what_is_damaged, lines_of_an_active_file_that_make_no_sense_are_passed_over])

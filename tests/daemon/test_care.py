"""What an operator meets at three in the morning: answers that do not fit, files that are being edited, odd starts."""
import json

from kit import *

NEWSCTL = os.path.join(BIN, "newsctl")


def run(*words, **k):
    return subprocess.run(words, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL, timeout=120, **k)


def no_file_of_the_site_gets_a_number_that_the_log_is_written_to():
    s = Site("closed.test")
    s.start(wrapper=["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"])
    for i in range(3):
        assert os.readlink("/proc/%d/fd/%d" % (s.proc.pid, i)) == "/dev/null", i
    s.stop()
    assert "agree" in s.ctl("verify")


def an_answer_that_could_not_be_written_is_no_success():
    s = Site("full.test").start()
    for words in (["status"], ["metrics"], ["--json", "user", "list"], ["show", "conf"], ["group", "list"], ["--help"]):
        with open("/dev/full", "w") as full:
            r = run(NEWSCTL, "-c", s.conf, *words, stdout=full)
        assert r.returncode == 1 and "standard output: No space left" in r.stderr, (words, r)
    s.stop()


def what_waits_for_a_restart_is_told_until_there_is_one():
    s = Site("restart.test", site="workers = 2")
    s.peers.append('peer "peer.test" { address = "192.0.2.1" connect = "127.0.0.1:%d" send = true }' % free_port())
    s.write_conf()
    s.start()
    s.ctl("peer", "list")
    s.site = "workers = 3"
    s.write_conf()
    for _ in range(2):
        assert "site: workers is changed by a restart alone" in s.ctl("reload")
    # nor is it half in force
    s.name, s.site = "renamed.test", 'workers = 2 run-directory = "elsewhere"'
    s.write_conf()
    told = run(NEWSCTL, "-c", s.conf, "status", stdout=subprocess.PIPE)
    assert told.returncode == 3, told               # it looks for the sockets where the file says
    s.proc.send_signal(signal.SIGHUP)
    wait_for("the reload", lambda: 'the name stays "restart.test"' in s.log_text())
    c = s.client()
    assert c.greeting.startswith("200 restart.test "), c.greeting
    mid, article = make_article()
    assert c.takethis(mid, article).startswith("239 ") and c.cmd("HEAD " + mid).startswith("221")
    assert c.block()[0].startswith(b"Path: restart.test!"), "the new name"
    c.close()
    s.name, s.site = "restart.test", "workers = 2"
    s.write_conf()
    assert "peer.test" in s.ctl("peer", "list")      # feeder is where it was
    assert s.ctl("reload").strip() == "reloaded"
    s.stop()


def a_feeder_that_is_just_being_started_stands_a_reload():
    s = Site("hasty.test").start()
    s.peers.append('peer "peer.test" { address = "192.0.2.1" connect = "127.0.0.1:%d" send = true }' % free_port())
    s.write_conf()
    for _ in range(5):
        s.ctl("reload")
    s.ctl("peer", "list")
    s.stop()
    assert "feeder: started" in s.log_text() and "killed by signal" not in s.log_text(), s.log_text()


def what_was_mistyped_is_told():
    s = Site("typo.test").start()
    c = s.client()
    mid, article = make_article()
    assert c.takethis(mid, article).startswith("239 ")
    assert s.ctl("cancel", "<typo@nowhere>").startswith("noted, but there is no such article here")
    assert s.ctl("cancel", mid).strip() == "cancelled"
    assert s.ctl("cancel", mid).strip() == "it was cancelled already"
    for bad in (["a.flag", "q"], ["a.flag", "M", "Moderated"], ["a.flag", "y", "two\nlines"], ["a.flag", "y", "bell\a"]):
        assert s.ctl("group", "add", *bad, check=False).returncode == 1, bad
    assert "a.flag" not in s.ctl("group", "list")
    s.ctl("group", "add", "a.flag", "A", "flag, it seems")
    assert s.ctl("group", "change", "a.flag", "y", "two\r\nlines", check=False).returncode == 1
    assert "A flag, it seems" in s.ctl("group", "list")
    active = os.path.join(tmp(), "active")
    with open(active, "w") as f:
        f.write("good.group 0 1 y\nbad..group 0 1 y\n")
    r = s.ctl("group", "import", active, check=False)
    assert r.returncode == 1 and "1 groups made" in r.stderr and "bad..group" in r.stdout, r
    for name in ("-", "/dev/stdin", "/dev/fd/0"):
        r = s.ctl("import", name, check=False)
        assert r.returncode == 1 and "a name is wanted" in r.stderr, (name, r)
    c.close()
    s.stop()


def a_line_is_found_in_the_mail_that_it_came_in():
    us, them = Site("us.test"), Site("them.test")
    mail = us.ctl("peer", "invite", "them.test", "--address", "us.test.example")
    line = [l for l in mail.splitlines() if l.startswith("freshet1:")][0]
    want = them.ctl("peer", "accept", line)
    broken = "\n".join("> " + line[i:i + 60] for i in range(0, len(line), 60))
    for text in (mail, "Hello,\n\n> For them:\n>\n" + broken + "\n>\n> Yours\n", broken):
        r = subprocess.run([NEWSCTL, "-c", them.conf, "peer", "accept", "-"], input=text, stdout=subprocess.PIPE, text=True, timeout=60)
        assert r.returncode == 0 and r.stdout == want, r
    r = subprocess.run([NEWSCTL, "-c", them.conf, "peer", "accept", "-"], input=mail.replace(line, line[:-3]), stderr=subprocess.PIPE,
                       stdout=subprocess.PIPE, text=True, timeout=60)
    assert r.returncode == 1 and "token" in r.stderr, r


def a_file_that_is_being_edited_does_not_keep_the_operator_out():
    s = Site("edited.test").start()
    bad = 'peer "half.test" { address = "192.0.2.1" send = maybe\n organization = "open\n'
    with open(s.conf, "a") as f:
        f.write(bad)
    r = subprocess.run([NEWSCTL, "-c", s.conf, "user", "add", "spam"], input="secret\n", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert r.returncode == 0 and "to no end yet: no access block has user" in r.stdout, r
    for words in (["status"], ["group", "list"], ["user", "off", "spam"], ["why", "<no@such>"], ["peer", "list"]):
        r = s.ctl(*words, check=False)
        assert r.returncode == {"why": 1, "peer": 3}.get(words[0], 0), (words, r)
        assert "nntpd.conf:" in r.stderr and "is asked all the same" in r.stderr, (words, r)
    assert json.loads(s.ctl("status", json=True))["ok"]
    for words in (["reload"], ["rebuild"], ["show", "conf"], ["peer", "invite", "a.test"]):
        r = s.ctl(*words, check=False)
        assert r.returncode == 2 and "all the same" not in r.stderr, (words, r)
    assert s.ctl("stop").strip() == "stopping"
    s.proc.wait(30)
    for words in (["status"], ["user", "off", "spam"], ["group", "list"]):
        r = s.ctl(*words, check=False)
        assert r.returncode == 2 and "nntpd.conf:" in r.stderr and "all the same" not in r.stderr, (words, r)


def who_started_it_hears_when_it_serves():
    s = Site("notify.test")
    at = os.path.join(tmp(), "notify")
    ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    ear.bind(at)
    ear.settimeout(60)
    s.start(env={"NOTIFY_SOCKET": at}, wait=False)
    assert ear.recv(100) == b"READY=1"
    s.client().close()                              # at once
    s.stop()
    assert ear.recv(100) == b"STOPPING=1"
    with open(s.conf, "a") as f:
        f.write("wrong\n")
    s.start(env={"NOTIFY_SOCKET": at}, wait=False)
    assert s.proc.wait(60) == 2
    s.proc = None
    ear.setblocking(False)
    try:
        raise AssertionError("it said %r" % ear.recv(100))
    except BlockingIOError:
        ear.close()


def an_import_that_waits_for_the_disk_ends_with_the_site_and_with_newsctl():
    s = Site("waits.test")
    s.site = 'disk-reserve = 1T'
    s.write_conf()
    batch = os.path.join(tmp(), "waits.rnews")
    with open(batch, "wb") as f:
        for i in range(300):
            text = make_article(body="number %d\r\n" % i)[1].replace(b"\r\n", b"\n")[:-2]
            f.write(b"#! rnews %d\n" % len(text) + text)
    for way in ("newsctl", "site"):
        s.start()
        p = subprocess.Popen([NEWSCTL, "-c", s.conf, "import", batch], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert any("waiting, the site cannot store" in l for l in iter(p.stderr.readline, "")), "newsctl ended"
        if way == "newsctl":
            p.send_signal(signal.SIGINT)
            p.wait(30)
        s.stop()
        if way == "site":
            assert p.wait(30) == 1
        p.communicate()
    assert s.log_text().count("import: <") < 50, "each try in the log of a site whose disk is full"


if __name__ == "__main__":
    main([an_import_that_waits_for_the_disk_ends_with_the_site_and_with_newsctl, who_started_it_hears_when_it_serves, a_file_that_is_being_edited_does_not_keep_the_operator_out, what_was_mistyped_is_told, a_line_is_found_in_the_mail_that_it_came_in,
          no_file_of_the_site_gets_a_number_that_the_log_is_written_to, an_answer_that_could_not_be_written_is_no_success,
          what_waits_for_a_restart_is_told_until_there_is_one, a_feeder_that_is_just_being_started_stands_a_reload])

"""Logging in on a whole site: newsctl user, the file while nntpd runs, the login program, what the log says."""
import base64
import os
import pty
import re
import select
import stat
import subprocess
import time

from kit import *

MEMBERS = 'access "members" { user = "*" read = { "*" } post = { "*" } }'
_n = [0]


def one(site="", access=MEMBERS, **k):
    _n[0] += 1
    s = Site("login%d.test" % _n[0], site=site, feed=False, **k)
    with open(s.conf) as f:
        text = f.read()
    with open(s.conf, "w") as f:
        f.write(text.replace('access "all" { from = { "*" } read = { "*" } post = { "*" } }', access))
    return s


def user(s, verb, name=None, password=None, check=True):
    words = ["user", verb] + ([name] if name else [])
    r = subprocess.run([os.path.join(BIN, "newsctl"), "-c", s.conf] + words, input=(password or "") + "\n",
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    assert not check or r.returncode == 0, (words, r)
    return r.stdout + r.stderr if check else r


def login(s, name, password, c=None):
    c = c or s.client()
    r = c.cmd("AUTHINFO USER " + name)
    return c, c.cmd("AUTHINFO PASS " + password) if r.startswith("381") else r


def counter(s, name):
    return int(re.search(r"^%s +(\d+)" % re.escape(name), s.ctl("status"), re.M).group(1))


def settled(s):
    """Forget failures: a new site process has none."""
    s.stop()
    s.start()


def users_come_and_go_while_the_site_runs():
    s = one().start()
    assert login(s, "wilma", "flintstone")[1].startswith("481 ")
    settled(s)
    user(s, "add", "wilma", "flintstone")
    assert stat.S_IMODE(os.stat(os.path.join(s.dir, "users")).st_mode) == 0o600
    c, r = login(s, "wilma", "flintstone")
    assert r.startswith("281 "), r
    assert c.cmd("GROUP misc.test").startswith("211 ")
    user(s, "passwd", "wilma", "pebbles")
    assert login(s, "wilma", "pebbles")[1].startswith("281 ")
    user(s, "off", "wilma")
    assert login(s, "wilma", "pebbles")[1].startswith("481 ")
    settled(s)
    user(s, "on", "wilma")
    assert login(s, "wilma", "pebbles")[1].startswith("281 ")
    user(s, "del", "wilma")
    assert login(s, "wilma", "pebbles")[1].startswith("481 ")
    assert counter(s, "users.good") == 0
    s.stop()


def who_may_not_log_in_any_more_is_sent_away_at_once():
    s = one().start()
    for name in ("wilma", "fred"):
        user(s, "add", name, "x")
    fred = login(s, "fred", "x")[0]
    for verb, password in (("off", None), ("passwd", "y"), ("del", None)):
        c, r = login(s, "wilma", "x")
        assert r.startswith("281 "), r
        said = user(s, verb, "wilma", password)
        assert "connections with the old login are ended" in said, said
        assert c.line().startswith("400 ") and c.f.readline() == b""
        assert fred.cmd("GROUP misc.test").startswith("211 ")
        if verb == "passwd":
            user(s, "passwd", "wilma", "x")
        user(s, "on", "wilma", check=False)
    said = user(s, "add", "wilma", "x")
    assert "ended" not in said, said
    s.stop()
    assert "ended" not in user(s, "off", "wilma")       # nobody is there to end them


def newsctl_tells_what_it_does_not_do():
    s = one()
    user(s, "add", "wilma", "x")
    for verb, name, password in (("add", "wilma", "y"), ("add", "a b", "y"), ("add", "a:b", "y"), ("add", "fred", ""),
                                 ("passwd", "fred", "y"), ("del", "fred", None), ("off", "fred", None),
                                 ("add", "fred", "p" * 256)):
        r = user(s, verb, name, password, check=False)
        assert r.returncode == 1 and r.stderr, (verb, name, r)
    assert user(s, "list").split() == ["wilma", "good", "1", "users,", "0", "damaged", "lines"], user(s, "list")
    assert user(s, "nonsense", check=False).returncode == 2


def a_damaged_line_is_told_with_its_number_and_others_log_in():
    s = one()
    for name in "wilma", "fred":
        user(s, "add", name, "secret")
    path = os.path.join(s.dir, "users")
    with open(path) as f:
        lines = f.read().splitlines()
    with open(path, "w") as f:
        f.write("# users\n" + lines[0][:-8] + ":\n" + lines[1] + "\n")
    s.start()
    assert login(s, "fred", "secret")[1].startswith("281 ")
    assert login(s, "wilma", "secret")[1].startswith("481 ")
    assert "users:2: the hash is cut off" in s.log_text()
    assert counter(s, "users.damaged_lines") == 1
    assert "damaged: line 2" in user(s, "list")
    settled(s)
    user(s, "passwd", "wilma", "secret")           # newsctl mends it, and keeps the rest
    assert login(s, "wilma", "secret")[1].startswith("281 ")
    with open(path) as f:
        assert f.read().splitlines()[::2] == ["# users", lines[1]]
    s.stop()


def newsctl_reads_a_password_from_a_terminal_without_echo():
    s = one()
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(os.path.join(BIN, "newsctl"), ["newsctl", "-c", s.conf, "user", "add", "wilma"])
    seen = b""

    def until(text):
        nonlocal seen
        end = time.monotonic() + 30 * SLOW
        while text not in seen:
            assert time.monotonic() < end, seen
            if select.select([fd], [], [], 0.2)[0]:
                seen += os.read(fd, 1000)

    until(b"Password: ")
    os.write(fd, b"hush-hush\n")
    until(b"Again: ")
    os.write(fd, b"hush-hush\n")
    until(b"may log in")
    assert os.waitpid(pid, 0)[1] == 0
    os.close(fd)
    assert b"hush" not in seen, seen
    s.start()
    assert login(s, "wilma", "hush-hush")[1].startswith("281 ")
    s.stop()


def passwords_are_in_no_log():
    s = one(site="login-program = { \"/bin/false\" }").start()
    user(s, "add", "wilma", "xyzzy-good")
    assert login(s, "wilma", "xyzzy-good")[1].startswith("281 ")
    assert login(s, "wilma", "xyzzy-bad")[1].startswith("481 ")
    settled(s)
    assert login(s, "nobody", "xyzzy-prog")[1].startswith("481 ")
    settled(s)
    c = s.client()
    c.cmd("AUTHINFO USER wilma")
    assert c.cmd("AUTHINFO PASS xyzzy-" + "l" * 3000).startswith("501 ")
    assert c.cmd("AUTHINFO PASS").startswith("501 ")
    assert c.cmd("AUTHINFO PAS xyzzy-typo").startswith("501 ")
    assert c.cmd("AUTHINFO SASL PLAIN " + base64.b64encode(b"\0wilma\0xyzzy-sasl").decode()).startswith("481 ")
    c.close()
    s.stop()
    text = s.log_text()
    assert "xyzzy" not in text and base64.b64encode(b"xyzzy").decode()[:6] not in text, text
    assert "login as wilma failed" in text and "reader wilma 127.0.0.1: has logged in" in text, text


def many_log_in_at_once_and_all_are_answered():
    s = one().start()
    for i in range(4):
        user(s, "add", "u%d" % i, "p%d" % i)
    cs = [s.client() for _ in range(60)]
    for i, c in enumerate(cs):
        c.send("AUTHINFO USER u%d\r\nAUTHINFO PASS p%d\r\nGROUP misc.test\r\n" % (i % 4, i % 4))
    for c in cs:
        got = [c.line() for _ in range(3)]
        assert [g[:4] for g in got] == ["381 ", "281 ", "211 "], got
    assert counter(s, "logins") == 60
    s.stop()


PROGRAM = r"""#!/bin/sh
# yes to wilma (told as another name), no to fred; the rest are troubles
while read -r line; do
    line=$(printf '%%s' "$line" | tr -d '\r')
    case $line in
    "ClientAuthname: "*) name=${line#*: } ;;
    "ClientPassword: "*) password=${line#*: } ;;
    "ClientIP: "*) ip=${line#*: } ;;
    .) break ;;
    esac
done
case $name in
wilma) [ "$password" = 'flint "stone' ] && [ "$ip" = 127.0.0.1 ] && printf 'User:wilma@ldap\r\n' && exit 0; exit 1 ;;
silent) exit 0 ;;
odd) printf 'User:a b\r\n'; exit 0 ;;
broken) echo "the directory is down" >&2; exit 3 ;;
killed) kill -9 $$ ;;
slow) echo $$ > %s; exec sleep 1000 ;;
*) exit 1 ;;
esac
"""


def with_program(time_limit=""):
    s = one()
    path, pid = os.path.join(s.dir, "checker"), os.path.join(s.dir, "slow.pid")
    with open(path, "w") as f:
        f.write(PROGRAM % pid)
    os.chmod(path, 0o755)
    with open(s.conf) as f:
        text = f.read()
    with open(s.conf, "w") as f:
        f.write(text.replace("log-level", 'login-program = { "%s", "an argument; not a $(shell)" } %s\n log-level' % (path, time_limit), 1))
    return s.start(), pid


def the_program_says_yes_with_a_name_no_or_what_is_neither():
    s, _ = with_program()
    c, r = login(s, "wilma", 'flint "stone')
    assert r.startswith("281 "), r
    assert "reader wilma@ldap 127.0.0.1: has logged in" in s.log_text()
    assert login(s, "wilma", "other")[1].startswith("481 ")
    settled(s)
    assert login(s, "fred", "x")[1].startswith("481 ")
    settled(s)
    for name, why in (("silent", "named no user"), ("odd", "named no user"), ("broken", "ended with 3"), ("killed", "ended with 137 (a signal)")):
        c, r = login(s, name, "x")
        assert r.startswith("403 "), (name, r)
        assert why in s.log_text()
    assert "the directory is down" in s.log_text()
    assert counter(s, "login_later") == 4 and counter(s, "login_failures") == 0
    # who is in the file is not asked about
    user(s, "add", "broken", "here")
    assert login(s, "broken", "here")[1].startswith("281 ")
    assert login(s, "broken", "there")[1].startswith("481 ")
    s.stop()


def a_program_that_is_not_there_is_later_not_no():
    s = one(site='login-program = { "/no/such/program" }').start()
    c, r = login(s, "wilma", "x")
    assert r.startswith("403 ") and "/no/such/program" in s.log_text(), r
    assert c.cmd("GROUP misc.test").startswith("480 ")
    s.stop()


def gone(pid_file):
    with open(pid_file) as f:
        pid = int(f.read())
    return not os.path.exists("/proc/%d" % pid)


def a_program_that_takes_too_long_is_ended():
    s, pid = with_program("login-program-time = 1s")
    c, r = login(s, "slow", "x")
    assert r.startswith("403 "), r
    assert gone(pid) and "took too long" in s.log_text()
    s.stop()


def a_site_that_stops_waits_for_no_program():
    s, pid = with_program("login-program-time = 5m")
    c = s.client()
    c.send("AUTHINFO USER slow\r\nAUTHINFO PASS x\r\n")
    wait_for("the program to run", lambda: os.path.exists(pid) and os.path.getsize(pid) > 0)
    s.stop()
    assert gone(pid)


def a_client_that_went_away_harms_nothing():
    s, pid = with_program("login-program-time = 1s")
    c = s.client()
    c.send("AUTHINFO USER slow\r\nAUTHINFO PASS x\r\n")
    wait_for("the program to run", lambda: os.path.exists(pid) and os.path.getsize(pid) > 0)
    c.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    c.close()
    wait_for("the program to end", lambda: gone(pid))
    assert login(s, "wilma", 'flint "stone')[1].startswith("281 ")
    s.stop()


def posts_tell_in_the_log_who_posted():
    s = one().start()
    user(s, "add", "wilma", "flintstone")
    c, _ = login(s, "wilma", "flintstone")
    mid, wire = make_article()
    assert c.cmd("POST").startswith("340 ")
    c.send(b"\r\n".join(l for l in wire.split(b"\r\n") if not l.startswith(b"Path:")))
    r = c.line()
    assert r.startswith("240 "), r
    assert "post wilma 127.0.0.1" in s.ctl("why", mid), s.ctl("why", mid)
    s.stop()


def a_reload_of_the_configuration_reads_users_of_another_file():
    s = one().start()
    user(s, "add", "wilma", "flintstone")
    os.rename(os.path.join(s.dir, "users"), os.path.join(s.dir, "people"))
    with open(s.conf) as f:
        text = f.read()
    with open(s.conf, "w") as f:
        f.write(text.replace("log-level", 'users-file = "people"\n log-level', 1))
    s.ctl("reload")
    assert login(s, "wilma", "flintstone")[1].startswith("281 ")
    s.stop()


main([users_come_and_go_while_the_site_runs, who_may_not_log_in_any_more_is_sent_away_at_once, newsctl_tells_what_it_does_not_do,
      a_damaged_line_is_told_with_its_number_and_others_log_in, newsctl_reads_a_password_from_a_terminal_without_echo,
      passwords_are_in_no_log, many_log_in_at_once_and_all_are_answered, the_program_says_yes_with_a_name_no_or_what_is_neither,
      a_program_that_is_not_there_is_later_not_no, a_program_that_takes_too_long_is_ended, a_site_that_stops_waits_for_no_program,
      a_client_that_went_away_harms_nothing, posts_tell_in_the_log_who_posted, a_reload_of_the_configuration_reads_users_of_another_file])

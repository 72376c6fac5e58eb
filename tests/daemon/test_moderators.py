"""Posts to moderated groups on a whole site: the program that takes the mail, and what the poster hears."""
import shutil
import threading

from kit import *

KEEPER = r"""#!/bin/sh
# keeps what it is called with and what it is given; then does what its site wants
dir=%s
for a; do printf '%%s\n' "$a"; done > $dir/argv.$$
cat > $dir/letter.$$
env > $dir/env.$$
mv $dir/letter.$$ $dir/letter
mv $dir/argv.$$ $dir/argv
%s
"""
_n = [0]


def one(then="", options="-oi", time="", moderators='"misc.mod:%s@mod.example", "*:rest@mod.example"', program=None):
    _n[0] += 1
    s = Site("mod%d.test" % _n[0], groups=("misc.test", "misc.mod m", "misc.other-mod m"), feed=False)
    path = os.path.join(s.dir, "keeper")
    with open(path, "w") as f:
        f.write(KEEPER % (s.dir, then % {"dir": s.dir} if then else ""))
    os.chmod(path, 0o755)
    s.site = 'moderators = { %s }\n sendmail = "%s"\n %s' % (moderators, program or path + " " + options, time)
    s.write_conf()
    return s.start()


def post(c, groups="misc.mod", body="Text.\r\n", **head):
    _, wire = make_article(groups=groups, body=body, Path=None, **head)
    r = c.cmd("POST")
    assert r.startswith("340 "), r
    c.send(wire)
    return c.line()


def kept(s, name):
    with open(os.path.join(s.dir, name), "rb") as f:
        return f.read()


def articles(s, c):
    """How many there are in all groups."""
    return sum(int(c.cmd("GROUP " + g).split()[1]) for g in ("misc.test", "misc.mod", "misc.other-mod"))


def the_letter_is_the_post_as_mail_has_it():
    s = one()
    c = s.client()
    r = post(c, groups="misc.test,misc.mod", mid="<letter@example.com>", Subject="gr\xc3\xbc\xc3\x9fe",
             To="other@example.com", Bcc="secret@example.com", Return_Path="<x@example.com>",
             body=".a dot\r\n.\r\nFrom here on\r\nTo: nobody\r\n\r\nlast\r\n")
    assert r == "240 Article mailed to the moderator of misc.mod", r
    assert kept(s, "argv") == b"-oi\nmisc-mod@mod.example\n", kept(s, "argv")
    head, body = kept(s, "letter").split(b"\n\n", 1)
    assert b"\r" not in head + body
    lines = head.split(b"\n")
    assert lines[0] == b"To: misc-mod@mod.example" and lines[1] == b"From: Joe <joe@example.com>", lines
    names = [l.split(b":")[0] for l in lines if l[:1] not in b" \t"]
    assert len(names) == len(set(names)) and names.count(b"To") == 1, names
    for gone in (b"Bcc", b"Path", b"Return-Path", b"Xref", b"Injection-Date", b"Injection-Info"):
        assert gone not in names, names
    for there in (b"Subject: gr\xc3\xbc\xc3\x9fe", b"Newsgroups: misc.test,misc.mod", b"Message-ID: <letter@example.com>",
                  b"X-Original-To: other@example.com", b"X-Original-Bcc: secret@example.com"):
        assert there in lines, (there, lines)
    assert any(n == b"Date" for n in names) and any(l.startswith(b"Cancel-Lock: sha256:") for l in lines)
    assert body == b".a dot\n.\nFrom here on\nTo: nobody\n\nlast\n", body      # RFC 3977 3.1.1: dots as they were
    assert articles(s, c) == 0
    assert c.cmd("STAT <letter@example.com>").startswith("430 ")
    s.stop()


def no_shell_is_between():
    s = one(options="-oi $(touch pwned) *;id `id` -X>out")
    c = s.client()
    assert post(c).startswith("240 ")
    assert kept(s, "argv").split(b"\n") == b"-oi $(touch pwned) *;id `id` -X>out misc-mod@mod.example".split(b" ") + [b""]
    assert not os.path.exists(os.path.join(s.dir, "pwned")) and not os.path.exists(os.path.join(s.dir, "out"))
    s.stop()


def the_first_pattern_that_fits_counts():
    s = one()
    c = s.client()
    assert post(c, groups="misc.other-mod,misc.mod").endswith("moderator of misc.other-mod")
    assert kept(s, "argv") == b"-oi\nrest@mod.example\n"
    s.stop()


FAILS = (                                      # what the program does, what the poster hears
    ("echo 'no such user' >&2; echo 'more lines' >&2; exit 67", "ended with 67: no such user"),
    ("echo 'queue is full'; exit 75", "ended with 75: queue is full"),
    ("kill -9 $$", "ended with 137"),
    ("sleep 600", "took too long and was ended"),
)


def a_program_that_fails_is_told_and_nothing_is_lost():
    for then, why in FAILS:
        s = one(then=then, time="sendmail-time = 1s")
        c = s.client()
        r = post(c, mid="<again@example.com>")
        assert r.startswith("441 Not mailed to the moderator, please try again later: ") and r.endswith(why), r
        assert "misc-mod@mod.example: " in s.log_text() and why in s.log_text()
        assert articles(s, c) == 0
        # it is the poster's as it was: the same post may come again, here and once it is approved
        with open(os.path.join(s.dir, "keeper"), "w") as f:
            f.write(KEEPER % (s.dir, ""))
        r = post(c, mid="<again@example.com>")
        assert r.startswith("240 "), r
        assert s.status("verdict.p_mail") == "1" and s.status("verdict.p_mailed") == "1"
        c.close()
        s.stop()


def one_that_is_not_there_is_told():
    s = one(program="/no/such/sendmail -oi")
    r = post(s.client())
    assert r.startswith("441 Not mailed to the moderator, please try again later: /no/such/sendmail: No such file"), r
    s.stop()


def a_slow_program_holds_up_its_poster_alone():
    s = one(then="while [ ! -e %(dir)s/go ]; do sleep 0.05; done", time="sendmail-time = 5m")
    slow = s.client()
    assert slow.cmd("POST").startswith("340 ")
    slow.send(make_article(groups="misc.mod", Path=None)[1])
    wait_for("the program to run", lambda: os.path.exists(os.path.join(s.dir, "argv")))
    c = s.client()
    assert post(c, groups="misc.test").startswith("240 ")
    assert articles(s, c) == 1
    open(os.path.join(s.dir, "go"), "w").close()
    assert slow.line() == "240 Article mailed to the moderator of misc.mod"
    s.stop()


def a_site_that_stops_waits_for_no_program():
    s = one(then="sleep 600", time="sendmail-time = 5m")
    c = s.client()
    assert c.cmd("POST").startswith("340 ")
    c.send(make_article(groups="misc.mod", Path=None)[1])
    wait_for("the program to run", lambda: os.path.exists(os.path.join(s.dir, "argv")))
    s.stop()
    assert c.line() == "441 Not mailed to the moderator, please try again later: %s was ended, for we are closing" % \
        os.path.join(s.dir, "keeper")


def smtp_host(listener, said):
    """The least that an SMTP host must do (RFC 5321), once."""
    c, _ = listener.accept()
    f, text = c.makefile("rwb", 0), False
    f.write(b"220 mail.test\r\n")
    for l in iter(f.readline, b""):
        said.append(l)
        if text:
            if l == b".\r\n":
                text = False
                f.write(b"250 taken\r\n")
        elif l.upper().startswith(b"QUIT"):
            f.write(b"221 bye\r\n")
            break
        else:
            text = l.upper().startswith(b"DATA")
            f.write(b"354 go on\r\n" if text else b"250 good\r\n")
    c.close()


def msmtp_hands_it_to_an_smtp_host():
    """the line that nntpd.conf(5) gives"""
    msmtp = shutil.which("msmtp")
    if not msmtp:
        return "skip"
    said, listener = [], socket.create_server(("127.0.0.1", 0))
    t = threading.Thread(target=smtp_host, args=(listener, said), daemon=True)
    t.start()
    s = one(program="%s --host=127.0.0.1 --port=%d --from=news@mod.test" % (msmtp, listener.getsockname()[1]))
    assert post(s.client(), body="..dot\r\n").startswith("240 ")
    t.join(60 * SLOW)
    text = b"".join(said)
    assert b"RCPT TO:<misc-mod@mod.example>\r\n" in text and b"MAIL FROM:<news@mod.test>" in text, text
    assert b"\r\n...dot\r\n.\r\n" in text, text
    listener.close()                           # and nobody is there now
    r = post(s.client())
    assert r.startswith("441 Not mailed to the moderator") and "msmtp" in r, r
    s.stop()


main([the_letter_is_the_post_as_mail_has_it, no_shell_is_between, the_first_pattern_that_fits_counts,
      a_program_that_fails_is_told_and_nothing_is_lost, one_that_is_not_there_is_told,
      a_slow_program_holds_up_its_poster_alone, a_site_that_stops_waits_for_no_program, msmtp_hands_it_to_an_smtp_host])

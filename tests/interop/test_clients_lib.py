"""Libraries that scripts are written with - Python's nntplib, Perl's Net::NNTP - against a site: open, with a login,
with a login under STARTTLS and under TLS from the first octet."""
from readers import *

PY_CONNECT = {
    "open": 'n = nntplib.NNTP("127.0.0.1", port, readermode=True)',
    "login": 'n = nntplib.NNTP("127.0.0.1", port, user, password, readermode=True)',
    "starttls": 'n = nntplib.NNTP("127.0.0.1", port)\nassert "STARTTLS" in n.getcapabilities()\nn.starttls(tls)\n'
                'assert "STARTTLS" not in n.getcapabilities()\nn.login(user, password)',
    "tls": 'n = nntplib.NNTP_SSL("127.0.0.1", port, user, password, ssl_context=tls)',
}

PY_TALK = r'''
caps = n.getcapabilities()
assert "OVER" in caps and "READER" in caps and "POST" in caps, caps
assert sorted(g.group for g in n.list("misc.*")[1]) == ["misc.other", "misc.test"]
assert n.description("misc.test") == "Testing"
assert n.descriptions("misc.*")[1]["misc.other"] == "Other things"
assert n.group("misc.test")[1:] == (13, 1, 13, "misc.test")
r, rows = n.over((1, None))
assert rows[0][1]["subject"] == "A letter to read" and len(rows) == 13
assert int(rows[0][1][":lines"]) == 3
assert nntplib.decode_header(rows[10][1]["subject"]) == shown and rows[11][1]["subject"] == raw
assert [v for _, v in n.xhdr("subject", "1-2")[1]][0] == "A letter to read"
r, info = n.article(1)
assert info.number == 1 and info.message_id == mids[0]
assert b"What everybody shall show." in info.lines and b".a dot at the beginning" in info.lines
assert "caf\xe9 in Latin-1".encode("latin-1") in info.lines
assert (shown + " f\xfcr alle").encode() in n.body(mids[10])[1].lines
assert n.stat(mids[0])[2] == mids[0]
assert n.stat(1)[1] == 1 and n.next()[1] == 2 and n.last()[1] == 1
both = [l for l in n.head(mids[12])[1].lines if l.startswith(b"Xref:")][0]
assert b"misc.test:13" in both and b"misc.other:1" in both, both
ids = n.newnews("*", datetime.datetime.utcnow() - datetime.timedelta(days=1))[1]
assert sorted(ids) == sorted(mids)
assert abs((n.date()[1] - datetime.datetime.utcnow()).total_seconds()) < 60
head = "From: Joe <joe@example.com>\nNewsgroups: misc.test\n"
def post(text):
    return n.post((head + text).encode())
post("Subject: Posted by nntplib\nMessage-ID: <mine@example.com>\n\nWords.\n.\n..\n")
post("Subject: Re: A letter to read\nReferences: " + mids[0] + "\nMessage-ID: <answer@example.com>\n\nWords.\n")
post("Subject: gone soon\nMessage-ID: <gone@example.com>\n\nWords.\n")
post("Subject: cmsg cancel <gone@example.com>\nControl: cancel <gone@example.com>\n\nWords.\n")
post("Subject: cmsg cancel " + mids[1] + "\nControl: cancel " + mids[1] + "\n\nIt is not mine.\n")
def no(code, f, *a):
    try:
        f(*a)
    except (nntplib.NNTPTemporaryError, nntplib.NNTPPermanentError) as e:
        assert str(e).startswith(code), e
    else:
        sys.exit("not refused: " + repr(a))
no("441", n.post, b"From: me@example.com\nNewsgroups: no.such.group\nSubject: x\n\ny\n")
no("411", n.group, "no.such.group")
no("430", n.stat, "<gone@example.com>")
n.quit()
'''


def python(way):
    s = Room("nntplib", way, site="cancel-lock = address")   # without a login the address says whose an article is
    names = dict(port=s.port, ca=s.ca, user=s.user, password=s.password, mids=s.mids, shown=SHOWN, raw=RAW)
    prog = "import nntplib, sys, datetime, ssl\n" + "".join("%s = %r\n" % i for i in names.items())
    prog += "tls = ssl.create_default_context(cafile=ca)\n" + PY_CONNECT[way] + PY_TALK
    mine = s.mids[1]
    run(["/usr/bin/python3", "-W", "ignore", "-c", prog])
    s.logged_in()
    a = s.c.article("<mine@example.com>")
    assert a.endswith(b"\r\n\r\nWords.\r\n.\r\n..\r\n"), a
    assert header(s.c.article("<answer@example.com>"), "References") == s.mids[0]
    s.cancelled("<gone@example.com>")
    assert s.c.cmd("STAT " + mine).startswith("223")
    s.stop()


def pythons_nntplib_reads_posts_and_cancels():
    python("open")


def pythons_nntplib_logs_in_reads_posts_and_cancels():
    python("login")


def pythons_nntplib_goes_on_after_starttls_and_a_login():
    python("starttls")


def pythons_nntplib_logs_in_under_tls():
    python("tls")


def another_user_cannot_cancel_what_a_user_posted():
    s = Room("nntplib", "tls", articles=False)
    prog = ("import nntplib, sys, ssl\nn = nntplib.NNTP_SSL('127.0.0.1', %d, sys.argv[1], %r, ssl_context=ssl.create_default_context(cafile=%r))\n"
            "n.post(b'From: Joe <joe@example.com>\\nNewsgroups: misc.test\\n' + sys.argv[2].encode() + b'\\n\\nWords.\\n')" % (s.port, PASSWORD, s.ca))
    post = lambda user, head: run(["/usr/bin/python3", "-W", "ignore", "-c", prog, user, head])
    post(USER, "Subject: mine\nMessage-ID: <mine@example.com>")
    post(OTHER, "Subject: cmsg cancel\nMessage-ID: <c1@example.com>\nControl: cancel <mine@example.com>")
    assert s.c.cmd("STAT <c1@example.com>").startswith("223")          # the message itself is an article like others
    # a later cancel that is right has been done: then this one has been looked at, too
    post(USER, "Subject: gone soon\nMessage-ID: <gone@example.com>")
    post(USER, "Subject: cmsg cancel\nMessage-ID: <c3@example.com>\nControl: cancel <gone@example.com>")
    s.cancelled("<gone@example.com>")
    assert s.c.cmd("STAT <mine@example.com>").startswith("223")
    post(USER, "Subject: cmsg cancel\nMessage-ID: <c2@example.com>\nControl: cancel <mine@example.com>")
    s.cancelled("<mine@example.com>")
    s.stop()


def pythons_nntplib_tells_a_wrong_password():
    s = Room("nntplib", "tls", articles=False)
    out = run(["/usr/bin/python3", "-W", "ignore", "-c", "import nntplib, ssl\nnntplib.NNTP_SSL('127.0.0.1', %d, %r, %r, "
               "ssl_context=ssl.create_default_context(cafile=%r))" % (s.port, USER, WRONG, s.ca)], ok=(1,))
    assert "NNTPTemporaryError: 481" in out, out
    s.refused()
    s.stop()


PERL_CONNECT = {
    "open": "", "login": "",
    "starttls": 'ok($n->starttls(SSL_ca_file => $ca), "starttls");',
    "tls": "",
}

PERL_TALK = r'''
ok($n->authinfo($user, $password), "authinfo") if $user;
$n->reader;
ok($n->postok, "postok");
my $l = $n->list; ok($l->{"misc.test"}[0] == 13 && $l->{"misc.test"}[2] eq "y", "list");
my $d = $n->newsgroups("misc.*"); ok($d->{"misc.test"} =~ /Testing/, "newsgroups");
my @g = $n->group("misc.test"); ok($g[0] == 13 && $g[1] == 1 && $g[2] == 13, "group");
my $o = $n->xover([1, 13]); ok($o->{1}[0] eq "A letter to read" && $o->{11}[0] eq $cooked, "xover");
my $h = $n->xhdr("Subject", [2, 3]); ok($h->{2} =~ /^number 1\r?$/, "xhdr"); # under TLS Perl leaves the CR
my $p = $n->xpat("Subject", "*letter*", [1, 13]); ok(keys %$p == 1 && $p->{1}, "xpat");
my $a = $n->article(1); ok(scalar(grep /^What everybody/, @$a) == 1 && scalar(grep /^\.a dot/, @$a) == 1, "article");
ok(scalar(grep /^Xref: \S+ misc.test:13 misc.other:1|^Xref: \S+ misc.other:1 misc.test:13/, @{$n->head(13)}) == 1, "crosspost");
ok(@{$n->listgroup("misc.test")} == 13, "listgroup");
ok($n->nntpstat($mid) eq $mid, "stat");
ok(@{$n->newnews(time - 86400, "misc.*")} == 13, "newnews");
ok($n->newgroups(time - 86400)->{"misc.test"}, "newgroups");
ok(abs($n->date - time) < 60, "date");
my @head = ("From: joe\@example.com\n", "Newsgroups: misc.test\n");
ok($n->post(@head, "Message-ID: <mine\@example.com>\n", "Subject: Posted by Perl\n", "\n", "Words.\n", ".dot\n"), "post");
ok($n->post(@head, "Message-ID: <answer\@example.com>\n", "Subject: Re: A letter to read\n", "References: $mid\n", "\n", "Words.\n"), "answer");
ok($n->post(@head, "Message-ID: <gone\@example.com>\n", "Subject: gone soon\n", "\n", "Words.\n"), "post");
ok($n->post(@head, "Control: cancel <gone\@example.com>\n", "Subject: cmsg cancel\n", "\n", "Words.\n"), "cancel");
ok(!$n->post("Newsgroups: no.such.group\n", "From: joe\@example.com\n", "Subject: x\n", "\n", "Words.\n"), "bad post");
ok($n->code == 441, "its code");
ok(!$n->ihave('<a@b>', "x") && $n->code == 502 || $n->code == 500 || $n->code == 480, "ihave");
$n->quit;
'''


def perl(way):
    if not have("perl") or subprocess.run(["perl", "-MNet::NNTP", "-MIO::Socket::SSL", "-e", "1"], stderr=subprocess.DEVNULL).returncode != 0:
        return "skip"
    s = Room("netnntp", way, site="cancel-lock = address")
    names = dict(port=str(s.port), ca=s.ca, user=s.user or "", password=s.password or "", mid=s.mids[0], cooked=COOKED)
    prog = "use Net::NNTP;\nuse IO::Socket::SSL;\nsub ok { $_[0] or die \"$_[1]: \" . $n->code . ' ' . $n->message . \"\\n\" }\n"
    prog += "".join("$%s = '%s';\n" % i for i in names.items())
    prog += '$n = Net::NNTP->new("127.0.0.1", Port => $port, Timeout => 30, Reader => 0%s) or die "no connection: $@";\n' % (
        ", SSL => 1, SSL_ca_file => $ca" if way == "tls" else "")
    run(["perl", "-e", prog + PERL_CONNECT[way] + PERL_TALK])
    s.logged_in()
    a = s.c.article("<mine@example.com>")
    assert a.endswith(b"\r\n\r\nWords.\r\n.dot\r\n"), a
    assert header(s.c.article("<answer@example.com>"), "References") == s.mids[0]
    s.cancelled("<gone@example.com>")
    s.stop()


def perls_net_nntp_reads_posts_and_cancels():
    return perl("open")


def perls_net_nntp_logs_in_reads_posts_and_cancels():
    return perl("login")


def perls_net_nntp_goes_on_after_starttls_and_a_login():
    return perl("starttls")


def perls_net_nntp_logs_in_under_tls():
    return perl("tls")


def perls_net_nntp_tells_a_wrong_password():
    if not have("perl"):
        return "skip"
    s = Room("netnntp", "login", articles=False)
    out = run(["perl", "-e", 'use Net::NNTP; $n = Net::NNTP->new("127.0.0.1", Port => %d); print $n->authinfo("%s", "%s") ? "yes" : "no",'
               ' " ", $n->code, " ", $n->message; print $n->group("misc.test") ? "yes" : "no", " ", $n->code' % (s.port, USER, WRONG)])
    assert re.match(r"no 481 .+\n?.*no 480$", out), out
    s.refused()
    s.stop()


if __name__ == "__main__":
    main([pythons_nntplib_reads_posts_and_cancels, pythons_nntplib_logs_in_reads_posts_and_cancels,
          pythons_nntplib_goes_on_after_starttls_and_a_login, pythons_nntplib_logs_in_under_tls, pythons_nntplib_tells_a_wrong_password,
          another_user_cannot_cancel_what_a_user_posted,
          perls_net_nntp_reads_posts_and_cancels, perls_net_nntp_logs_in_reads_posts_and_cancels,
          perls_net_nntp_goes_on_after_starttls_and_a_login, perls_net_nntp_logs_in_under_tls, perls_net_nntp_tells_a_wrong_password])

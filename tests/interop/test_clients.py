"""Newsreaders and tools from Debian's packages, against a site: they list, search, read, post, follow up,
cancel; what they show or keep is checked, not only that they end well."""
import glob
import re
import shutil
import textwrap

from inn import *
from screen import Screen

BODY = "What everybody shall show.\r\n.a dot at the beginning\r\ncaf\xe9 in Latin-1\r\n"


def have(*programs):
    return all(shutil.which(p) for p in programs)


def home(name):
    d = os.path.join(tmp(), "home-" + name)
    os.makedirs(d, exist_ok=True)
    return d


def site_with_articles(name):
    """A site with two groups; ten articles in misc.test, the first with a letter to read."""
    s = Site(name, groups=["misc.test y Testing", "misc.other y Other things"]).start()
    c = s.client()
    mids = []
    for i in range(10):
        mid, wire = make_article(Subject="A letter to read" if i == 0 else "number %d" % i, body=BODY if i == 0 else "body %d\r\n" % i)
        assert c.takethis(mid, wire).startswith("239")
        mids.append(mid)
    c.close()
    return s, mids


def run(words, input=None, env=None, seconds=60, ok=(0,)):
    r = subprocess.run(words, input=input, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=dict(os.environ, **(env or {})),
                       timeout=seconds * SLOW)
    out = r.stdout.decode("utf-8", "replace")
    assert r.returncode in ok, "%s ended with %d:\n%s" % (" ".join(words), r.returncode, out[-3000:])
    return out


def posted(site, n, subject):
    """Article n of misc.test, when it has come."""
    c = site.client()
    c.cmd("GROUP misc.test")
    a = wait_for("article %d in misc.test" % n, lambda: c.article(n), 20)
    c.close()
    assert header(a, "Subject") == subject, a
    assert header(a, "Message-ID") and header(a, "Date") and ".POSTED" in header(a, "Path"), a
    return a


def pythons_nntplib_lists_searches_reads_and_posts():
    if not os.path.exists("/usr/bin/python3"):
        return "skip"
    s, mids = site_with_articles("nntplib.test")
    prog = textwrap.dedent('''
        import io, nntplib, sys, datetime
        n = nntplib.NNTP("127.0.0.1", %d, readermode=True)
        caps = n.getcapabilities()
        assert "OVER" in caps and "READER" in caps and "POST" in caps, caps
        assert sorted(g.group for g in n.list("misc.*")[1]) == ["misc.other", "misc.test"]
        assert n.description("misc.test") == "Testing"
        assert n.descriptions("misc.*")[1]["misc.other"] == "Other things"
        r, count, first, last, name = n.group("misc.test")
        assert (count, first, last, name) == (10, 1, 10, "misc.test")
        r, rows = n.over((1, None))
        assert rows[0][1]["subject"] == "A letter to read" and len(rows) == 10
        assert int(rows[0][1][":lines"]) == 3
        assert [v for _, v in n.xhdr("subject", "1-2")[1]][0] == "A letter to read"
        r, info = n.article(1)
        assert info.number == 1 and info.message_id == %r
        assert b"What everybody shall show." in info.lines and b".a dot at the beginning" in info.lines
        assert "caf\\xe9 in Latin-1".encode("latin-1") in info.lines
        assert n.stat(%r)[2] == %r
        assert n.next()[1] == 2 and n.last()[1] == 1
        ids = n.newnews("*", datetime.datetime.utcnow() - datetime.timedelta(days=1))[1]
        assert sorted(ids) == sorted(%r)
        assert abs((n.date()[1] - datetime.datetime.utcnow()).total_seconds()) < 60
        n.post(b"From: me@example.com\\nNewsgroups: misc.test\\nSubject: Posted by nntplib\\nReferences: " + %r.encode() + b"\\n\\nWords.\\n.\\n..\\n")
        try:
            n.post(b"From: me@example.com\\nNewsgroups: no.such.group\\nSubject: x\\n\\ny\\n")
            sys.exit("posted to no group")
        except nntplib.NNTPTemporaryError as e:
            assert str(e).startswith("441"), e
        try:
            n.group("no.such.group")
            sys.exit("no such group is there")
        except nntplib.NNTPTemporaryError as e:
            assert str(e).startswith("411"), e
        n.quit()
    ''') % (s.port, mids[0], mids[0], mids[0], mids, mids[0])
    run(["/usr/bin/python3", "-W", "ignore", "-c", prog])
    a = posted(s, 11, "Posted by nntplib")
    assert a.endswith(b"\r\n\r\nWords.\r\n.\r\n..\r\n"), a
    assert header(a, "References") == mids[0]
    s.stop()


def perls_net_nntp_lists_searches_reads_and_posts():
    if not have("perl") or subprocess.run(["perl", "-MNet::NNTP", "-e", "1"], stderr=subprocess.DEVNULL).returncode != 0:
        return "skip"
    s, mids = site_with_articles("netnntp.test")
    prog = textwrap.dedent(r'''
        use Net::NNTP;
        sub ok { $_[0] or die "$_[1]: " . $n->message . "\n" }
        $n = Net::NNTP->new("127.0.0.1", Port => %d, Timeout => 30) or die "no connection";
        ok($n->postok, "postok");
        my $l = $n->list; ok($l->{"misc.test"}[0] == 10 && $l->{"misc.test"}[2] eq "y", "list");
        my $d = $n->newsgroups("misc.*"); ok($d->{"misc.test"} =~ /Testing/, "newsgroups");
        my @g = $n->group("misc.test"); ok($g[0] == 10 && $g[1] == 1 && $g[2] == 10, "group");
        my $o = $n->xover([1, 10]); ok($o->{1}[0] eq "A letter to read", "xover");
        my $h = $n->xhdr("Subject", [2, 3]); ok($h->{2} eq "number 1", "xhdr");
        my $p = $n->xpat("Subject", "*letter*", [1, 10]); ok(keys %%$p == 1 && $p->{1}, "xpat");
        my $a = $n->article(1); ok(scalar(grep /^What everybody/, @$a) == 1 && scalar(grep /^\.a dot/, @$a) == 1, "article");
        ok(@{$n->listgroup("misc.test")} == 10, "listgroup");
        ok($n->nntpstat("%s") eq "%s", "stat");
        ok(@{$n->newnews(time - 86400, "misc.*")} == 10, "newnews");
        ok($n->newgroups(time - 86400)->{"misc.test"}, "newgroups");
        ok(abs($n->date - time) < 60, "date");
        ok($n->post("From: me\@example.com\n", "Newsgroups: misc.test\n", "Subject: Posted by Perl\n", "\n", "Words.\n", ".dot\n"), "post");
        ok(!$n->ihave("<a\@b>", "x") || 1, "ihave");
        $n->quit;
    ''') % (s.port, mids[0].replace("@", "\\@"), mids[0].replace("@", "\\@"))
    run(["perl", "-e", prog])
    a = posted(s, 11, "Posted by Perl")
    assert a.endswith(b"\r\n\r\nWords.\r\n.dot\r\n"), a
    s.stop()


def slrnpull_fetches_all_and_posts():
    if not have("slrnpull"):
        return "skip"
    s, mids = site_with_articles("slrnpull.test")
    d = home("slrnpull")
    os.makedirs(d + "/out.going", exist_ok=True)
    with open(d + "/slrnpull.conf", "w") as f:
        f.write("default 100 14\nmisc.test\n")
    with open(d + "/out.going/X1", "w") as f:
        f.write("From: me@example.com\nNewsgroups: misc.test\nSubject: Posted by slrnpull\n\nWords.\n")
    run(["slrnpull", "-d", d, "-h", "127.0.0.1:%d" % s.port])
    a = posted(s, 11, "Posted by slrnpull")
    assert a.endswith(b"\r\n\r\nWords.\r\n"), a
    run(["slrnpull", "-d", d, "-h", "127.0.0.1:%d" % s.port])
    texts = [open(p, "rb").read() for p in glob.glob(d + "/news/misc/test/[0-9]*")]
    got = {re.search(rb"(?im)^Message-ID: (\S+)", t).group(1).decode() for t in texts}
    assert got >= set(mids) and len(got) == 11, (len(got), os.listdir(d))
    first = [t for t in texts if mids[0].encode() in t][0]
    assert b"\nWhat everybody shall show.\n.a dot at the beginning\ncaf\xe9 in Latin-1\n" in first, first
    s.stop()


def suck_fetches_all_and_rpost_posts():
    if not have("suck", "rpost"):
        return "skip"
    s, mids = site_with_articles("suck.test")
    d = home("suck")
    for sub in ("data", "temp", "msgs"):
        os.makedirs("%s/%s" % (d, sub), exist_ok=True)
    with open(d + "/data/sucknewsrc", "w") as f:
        f.write("misc.test 0\n")
    run(["suck", "127.0.0.1", "-N", str(s.port), "-dd", d + "/data", "-dt", d + "/temp", "-dm", d + "/msgs", "-m", "-c", "-H", "-M"],
        ok=(0, 1, 2))
    texts = [open(p, "rb").read() for p in glob.glob(d + "/msgs/*") if os.path.isfile(p)]
    got = {m.decode() for t in texts for m in re.findall(rb"(?im)^Message-ID: (\S+)", t)}
    assert got == set(mids), (len(got), len(mids))
    run(["rpost", "127.0.0.1", "-N", str(s.port), "-M"], ok=(0, 1, 2),
        input=b"From: me@example.com\nNewsgroups: misc.test\nSubject: Posted by rpost\n\nWords.\n")
    a = posted(s, 11, "Posted by rpost")
    assert b"\r\nWords.\r\n" in a, a
    s.stop()


def leafnodes_fetchnews_pulls_and_posts():
    prog = os.path.join(os.path.dirname(os.path.dirname(BIN)), "build", "leafnode/usr/sbin/fetchnews")
    if not os.path.exists(prog) or os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL).returncode != 0:
        return "skip"
    s, mids = site_with_articles("leafnode.test")
    d = home("leafnode")
    os.chmod(tmp(), 0o755)
    for sub in ("spool/message.id", "spool/leaf.node", "spool/interesting.groups", "spool/out.going", "spool/failed.postings",
                "spool/temp.files", "etc/leafnode"):
        os.makedirs("%s/%s" % (d, sub))
    for i in range(1000):
        os.makedirs("%s/spool/message.id/%03d" % (d, i))
    open(d + "/spool/interesting.groups/misc.test", "w").close()
    with open(d + "/etc/leafnode/config", "w") as f:
        f.write("server = 127.0.0.1\nport = %d\nexpire = 20\nhostname = leaf.freshet.news\ninitialfetch = 100\n" % s.port)
    subprocess.run(["chown", "-R", "news:news", d], check=True)
    # its directories are built in: it gets its own in a mount namespace
    script = "mount --bind %s/etc /etc/news && mount --bind %s/spool /var/spool/news && exec %s -f -n -vvv" % (d, d, prog)
    out = run(["unshare", "-m", "sh", "-c", script], ok=(0, 1, 2), seconds=60)
    texts = [open(os.path.join(r, f), "rb").read() for r, _, fs in os.walk(d + "/spool/misc") for f in fs if f.isdigit()]
    got = {m.decode() for t in texts for m in re.findall(rb"(?im)^Message-ID: (\S+)", t)}
    assert got == set(mids), "%d of %d\n%s" % (len(got), len(mids), out[-2000:])
    s.stop()


def tin_lists_reads_and_posts():
    if not have("tin", "tmux"):
        return "skip"
    s, mids = site_with_articles("tin.test")
    d = home("tin")
    os.makedirs(d + "/.tin", exist_ok=True)
    with open(d + "/.newsrc", "w") as f:
        f.write("misc.test:\n")
    t = Screen("tin -r -g 127.0.0.1 -p %d -f %s/.newsrc; sleep 100" % (s.port, d),
               {"HOME": d, "NNTPSERVER": "127.0.0.1", "LC_ALL": "C.UTF-8", "EDITOR": "true"})
    try:
        wait_for("misc.test in tin's list; it shows:\n" + t.text(), lambda: nag(t, "misc.test"), 20)
        t.keys("Enter")
        t.see("A letter to read")
        t.keys("1", "Enter", "Enter")
        t.see("What everybody shall show.")
        t.see(".a dot at the beginning")
    finally:
        t.end()
    s.stop()


def nag(screen, word):
    """Is the word there?  First-time questions of a program are answered with Enter."""
    text = screen.text()
    if word in text:
        return True
    screen.keys("Enter")
    time.sleep(0.5)
    return False


def gnus_lists_reads_and_posts():
    if not have("emacs", "tmux"):
        return "skip"
    s, mids = site_with_articles("gnus.test")
    d = home("gnus")
    with open(d + "/init.el", "w") as f:
        f.write("""(setq user-full-name "Joe" user-mail-address "joe@example.com" gnus-home-directory "%s/" message-directory "%s/"
  gnus-select-method '(nntp "127.0.0.1" (nntp-port-number %d)) gnus-novice-user nil gnus-read-active-file t
  gnus-interactive-exit nil gnus-save-newsrc-file nil gnus-read-newsrc-file t gnus-startup-file "%s/newsrc"
  gnus-agent nil inhibit-startup-screen t gnus-large-newsgroup nil
  gnus-show-threads nil gnus-auto-select-first nil)
""" % (d, d, s.port, d))
    with open(d + "/newsrc", "w") as f:
        f.write("misc.test:\n")
    t = Screen("emacs -nw -Q -l %s/init.el -f gnus; sleep 100" % d, {"HOME": d, "LC_ALL": "C.UTF-8"})
    try:
        t.see("misc.test")
        t.keys("Enter")
        t.see("A letter to read")
        t.keys("M-<", "Enter")
        t.see("What everybody shall show.")
    finally:
        t.end()
    # posting by Gnus's own backend
    prog = """(progn (setq user-mail-address "joe@example.com") (require 'nntp)
      (nntp-open-server "127.0.0.1" '((nntp-port-number %d) (nntp-address "127.0.0.1")))
      (with-temp-buffer (insert "From: joe@example.com\\nNewsgroups: misc.test\\nSubject: Posted by Gnus\\n\\nWords.\\n.dot\\n")
        (unless (nntp-request-post "127.0.0.1") (kill-emacs 3))) (nntp-close-server "127.0.0.1"))""" % s.port
    run(["emacs", "--batch", "-Q", "--eval", prog], env={"HOME": d})
    a = posted(s, 11, "Posted by Gnus")
    assert a.endswith(b"\r\n\r\nWords.\r\n.dot\r\n"), a
    s.stop()


def alpine_reads_a_group():
    if not have("alpine", "tmux"):
        return "skip"
    s, mids = site_with_articles("alpine.test")
    d = home("alpine")
    with open(d + "/pinerc", "w") as f:
        f.write("personal-name=Joe\nuser-domain=example.com\nnntp-server=127.0.0.1:%d/nntp\ninbox-path={127.0.0.1:%d/nntp}#news.misc.test\n"
                "last-version-used=7.0\nfeature-list=quit-without-confirm,enable-newmail-in-xterm-icon\n" % (s.port, s.port))
    t = Screen("alpine -p %s/pinerc -i; sleep 100" % d, {"HOME": d, "LC_ALL": "C.UTF-8"})
    try:
        wait_for("the letter in alpine's index", lambda: nag_alpine(t, "A letter to read"), 30)
        t.keys("j", "1", "Enter")
        time.sleep(0.5)
        t.keys("Enter")
        t.see("What everybody shall show.")
    finally:
        t.end()
    s.stop()


def nag_alpine(screen, word):
    text = screen.text()
    if word in text:
        return True
    if "Create" in text or "create" in text:
        screen.keys("y")
    elif "EXIT this greeting" in text or "greeting" in text.lower():
        screen.keys("e")
    time.sleep(0.5)
    return False


def yenc(data, name, part, parts, begin, total):
    """One article body of a yEnc post (lines of 128)."""
    import zlib
    out, line = [], bytearray()
    for b in data:
        c = (b + 42) & 255
        if c in (0, 10, 13, 61) or (c in (9, 32, 46) and not line):
            line += bytes((61, (c + 64) & 255))
        else:
            line.append(c)
        if len(line) >= 128:
            out.append(bytes(line))
            line = bytearray()
    if line:
        out.append(bytes(line))
    head = "=ybegin part=%d total=%d line=128 size=%d name=%s\r\n=ypart begin=%d end=%d\r\n" % (
        part, parts, total, name, begin + 1, begin + len(data))
    tail = "=yend size=%d part=%d pcrc32=%08x\r\n" % (len(data), part, zlib.crc32(data))
    return head.encode() + b"".join(l + b"\r\n" for l in out) + tail.encode()


def nzbget_fetches_a_yenc_binary():
    if not have("nzbget"):
        return "skip"
    s = Site("nzbget.test", groups=["alt.binaries.test"], site="article-max = 1M").start()
    data = bytes(random.Random(1).randrange(256) for _ in range(300000))
    c, parts = s.client(), []
    for i in range(3):
        body = yenc(data[i * 100000:(i + 1) * 100000], "file.bin", i + 1, 3, i * 100000, len(data))
        mid = make_id()
        raw = ("Path: src.example!x\r\nFrom: joe@example.com\r\nNewsgroups: alt.binaries.test\r\nSubject: \"file.bin\" yEnc (%d/3)\r\n"
               "Message-ID: %s\r\nDate: %s\r\n\r\n" % (i + 1, mid, time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime()))).encode() + body
        assert c.takethis(mid, to_wire(raw)).startswith("239")
        parts.append((mid, len(body)))
    d = home("nzbget")
    for sub in ("nzb", "dst", "inter", "queue", "tmp"):
        os.makedirs("%s/%s" % (d, sub), exist_ok=True)
    opts = {"MainDir": d, "DestDir": d + "/dst", "InterDir": d + "/inter", "NzbDir": d + "/nzb", "QueueDir": d + "/queue", "TempDir": d + "/tmp",
            "LockFile": d + "/lock", "LogFile": d + "/log", "ControlPort": str(free_port()), "ControlIP": "127.0.0.1", "NzbDirInterval": "1",
            "NzbDirFileAge": "0", "Server1.Active": "yes", "Server1.Host": "127.0.0.1", "Server1.Port": str(s.port),
            "Server1.Connections": "3", "Server1.Encryption": "no", "WriteLog": "append", "OutputMode": "log", "DirectUnpack": "no",
            "ParCheck": "manual", "Unpack": "no", "WebDir": "", "ScriptDir": d, "DiskSpace": "0"}
    words = ["nzbget", "-s", "-n"]
    for k, v in opts.items():
        words += ["-o", "%s=%s" % (k, v)]
    with open(d + "/out", "wb") as out:
        p = subprocess.Popen(words, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
    try:
        with open(d + "/nzb/.test.nzb", "w") as f:
            f.write('<?xml version="1.0" encoding="UTF-8"?>\n<nzb xmlns="http://www.newzbin.com/DTD/2003/nzb">\n'
                    '<file poster="joe" date="%d" subject="&quot;file.bin&quot; yEnc (1/3)">\n<groups><group>alt.binaries.test</group></groups>\n<segments>\n'
                    % time.time() + "".join('<segment bytes="%d" number="%d">%s</segment>\n' % (n, i + 1, m.strip("<>")) for i, (m, n) in enumerate(parts))
                    + "</segments>\n</file>\n</nzb>\n")
        os.rename(d + "/nzb/.test.nzb", d + "/nzb/test.nzb")
        try:
            found = wait_for("the file from nzbget", lambda: glob.glob(d + "/dst/**/file.bin", recursive=True), 40)
        except AssertionError as e:
            raise AssertionError("%s\n%s" % (e, open(d + "/out", errors="replace").read()[-2000:]))
        wait_for("all of it", lambda: os.path.getsize(found[0]) == len(data), 10)
        assert open(found[0], "rb").read() == data
    finally:
        p.kill()
        p.wait()
    s.stop()


TESTS = [pythons_nntplib_lists_searches_reads_and_posts, perls_net_nntp_lists_searches_reads_and_posts,
         slrnpull_fetches_all_and_posts, suck_fetches_all_and_rpost_posts, leafnodes_fetchnews_pulls_and_posts,
         tin_lists_reads_and_posts, gnus_lists_reads_and_posts, alpine_reads_a_group, nzbget_fetches_a_yenc_binary]

if __name__ == "__main__":
    main(TESTS)

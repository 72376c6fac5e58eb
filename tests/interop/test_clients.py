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
        f.write("From: me@example.com\nNewsgroups: misc.test\nSubject: Posted by slrnpull\n\nWords.\n.dot\n")
    run(["slrnpull", "-d", d, "-h", "127.0.0.1:%d" % s.port])
    a = posted(s, 11, "Posted by slrnpull")
    assert a.endswith(b"\r\n\r\nWords.\r\n.dot\r\n"), a
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
    with open(d + "/post", "w") as f:
        f.write("From: me@example.com\nNewsgroups: misc.test\nSubject: Posted by rpost\n\nWords.\n.dot\n")
    with open(d + "/list", "w") as f:
        f.write(d + "/post\n")
    run(["rpost", "127.0.0.1", "-N", str(s.port), "-M", "-b", d + "/list", "-f", "$$i"], ok=(0, 1, 2))
    a = posted(s, 11, "Posted by rpost")
    assert b"\r\nWords.\r\n" in a, a
    s.stop()


TESTS = [pythons_nntplib_lists_searches_reads_and_posts, perls_net_nntp_lists_searches_reads_and_posts,
         slrnpull_fetches_all_and_posts, suck_fetches_all_and_rpost_posts]

if __name__ == "__main__":
    main(TESTS)

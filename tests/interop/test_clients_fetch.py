"""Programs that fetch and post without a screen - slrnpull, suck and rpost, leafnode's fetchnews, nzbget - against
a site: open, with a login, with a login under TLS, each as far as Debian's package can."""
import glob

from readers import *


def ids_in(texts):
    return {m.decode() for t in texts for m in re.findall(rb"(?im)^Message-ID: (\S+)", t)}


def files(pattern):
    return [open(p, "rb").read() for p in glob.glob(pattern, recursive=True) if os.path.isfile(p)]


def slrnpull(way):
    if not have("slrnpull"):
        return "skip"
    s = Room("slrnpull", way)
    d = home("slrnpull")
    write(d + "/slrnpull.conf", "default 100 14\nmisc.test\n")
    write(d + "/out.going/X1", "From: me@example.com\nNewsgroups: misc.test\nSubject: Posted by slrnpull\nReferences: %s\n\nWords.\n" % s.mids[0])
    if s.login:
        write(d + "/authinfo", "%s\n%s\n" % (USER, PASSWORD))
    words = ["slrnpull", "-d", d, "-h", ("snews://" if way == "tls" else "") + "127.0.0.1:%d" % s.port]
    run(words)
    s.logged_in()
    a = s.followed_up("Posted by slrnpull", s.mids[0])
    assert a.endswith(b"\r\n\r\nWords.\r\n"), a
    run(words)
    texts = files(d + "/news/misc/test/[0-9]*")
    assert ids_in(texts) >= set(s.mids) and len(texts) == 14, (len(texts), os.listdir(d))
    first = [t for t in texts if b"\nSubject: A letter to read\n" in t][0]
    assert b"\nWhat everybody shall show.\n.a dot at the beginning\ncaf\xe9 in Latin-1\n" in first, first
    assert [t for t in texts if ("Subject: %s\n" % COOKED).encode() in t and ("%s f\xfcr alle\n" % SHOWN).encode("utf-8") in t]
    s.stop()


def slrnpull_fetches_all_and_posts():
    return slrnpull("open")


def slrnpull_logs_in_fetches_all_and_posts():
    return slrnpull("login")


def slrnpull_logs_in_under_tls():
    return slrnpull("tls")


def slrnpull_tells_a_wrong_password():
    if not have("slrnpull"):
        return "skip"
    s = Room("slrnpull", "tls", articles=False)
    d = home("slrnpull")
    write(d + "/slrnpull.conf", "default 100 14\nmisc.test\n")
    write(d + "/authinfo", "%s\n%s\n" % (USER, WRONG))
    run(["slrnpull", "-d", d, "--logfile", d + "/log", "-h", "snews://127.0.0.1:%d" % s.port], ok=(3,))
    out = open(d + "/log").read()
    assert "Reason: 481 Authentication failed" in out, out
    s.refused()
    s.stop()


def suck(way):
    if not have("suck", "rpost"):
        return "skip"
    s = Room("suck", way)
    d = home("suck")
    for sub in ("temp", "msgs"):
        os.makedirs("%s/%s" % (d, sub))
    write(d + "/data/sucknewsrc", "misc.test 0\n")
    who = ["-U", USER, "-P", PASSWORD] if s.login else []
    # -N behind -ssl and -z, which set the port
    words = lambda tls: ["127.0.0.1"] + ([tls] if way == "tls" else []) + ["-N", str(s.port), "-M"] + who
    run(["suck"] + words("-ssl") + ["-dd", d + "/data", "-dt", d + "/temp", "-dm", d + "/msgs", "-m", "-c", "-H"], ok=(0, 1, 2))
    s.logged_in()
    got = ids_in(files(d + "/msgs/*"))
    assert got == set(s.mids), (len(got), len(s.mids))
    run(["rpost"] + words("-z"), ok=(0, 1, 2),
        input=b"From: me@example.com\nNewsgroups: misc.test\nSubject: Posted by rpost\nReferences: %s\n\nWords.\n" % s.mids[0].encode())
    a = s.followed_up("Posted by rpost", s.mids[0])
    assert b"\r\nWords.\r\n" in a, a
    s.stop()


def suck_fetches_all_and_rpost_posts():
    return suck("open")


def suck_and_rpost_log_in():
    return suck("login")


def suck_and_rpost_log_in_under_tls():
    return suck("tls")


def suck_tells_a_wrong_password():
    if not have("suck"):
        return "skip"
    s = Room("suck", "login", articles=False)
    d = home("suck")
    write(d + "/sucknewsrc", "misc.test 0\n")
    out = run(["suck", "127.0.0.1", "-N", str(s.port), "-U", USER, "-P", WRONG, "-dd", d, "-dt", d, "-dm", d, "-m", "-c"], ok=None)
    assert "uthori" in out and "481" in out, out
    s.refused()
    s.stop()


LEAFNODE = os.path.join(os.path.dirname(BIN), "leafnode/usr/sbin/fetchnews")


def fetchnews(s, password, posts=()):
    """(its directory, what it said); its paths are built in: it gets its own in a mount namespace."""
    d = home("leafnode")
    os.chmod(tmp(), 0o755)
    os.chmod(d, 0o755)
    for sub in ("leaf.node", "out.going", "failed.postings", "temp.files"):
        os.makedirs("%s/spool/%s" % (d, sub))
    for i in range(1000):
        os.makedirs("%s/spool/message.id/%03d" % (d, i))
    write(d + "/spool/interesting.groups/misc.test", "")
    for i, text in enumerate(posts):
        write("%s/spool/out.going/%d" % (d, i), text)
    conf = "server = 127.0.0.1\nport = %d\n" % s.port
    if s.login:
        conf += "username = %s\npassword = %s\n" % (USER, password)
    write(d + "/etc/leafnode/config", conf + "expire = 20\nhostname = leaf.freshet.news\ninitialfetch = 100\n")
    subprocess.run(["chown", "-R", "news:news", d], check=True)
    script = "mount --bind %s/etc /etc/news && mount --bind %s/spool /var/spool/news && exec %s -f -n -vvv" % (d, d, LEAFNODE)
    return d, run(["unshare", "-m", "sh", "-c", script], ok=None)


def can_leafnode():
    return os.path.exists(LEAFNODE) and os.geteuid() == 0 and subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL).returncode == 0


def leafnode(way):
    if not can_leafnode():
        return "skip"
    s = Room("leafnode", way)
    post = ("From: me@example.com\nNewsgroups: misc.test\nSubject: Posted by leafnode\nReferences: %s\nMessage-ID: <leaf1@leaf.freshet.news>\n"
            "Date: %s\n\nWords.\n" % (s.mids[0], time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime())))
    d, out = fetchnews(s, PASSWORD, [post])
    s.logged_in()
    got = ids_in(files(d + "/spool/misc/**/[0-9]*"))
    # leafnode itself throws away again what has octets beyond ASCII in its head
    assert got | {s.mids[11]} >= set(s.mids), "%d of %d\n%s" % (len(got), len(s.mids), out[-2000:])
    s.followed_up("Posted by leafnode", s.mids[0])
    s.stop()


def leafnodes_fetchnews_pulls_and_posts():
    return leafnode("open")


def leafnodes_fetchnews_logs_in():
    return leafnode("login")


def leafnodes_fetchnews_tells_a_wrong_password():
    if not can_leafnode():
        return "skip"
    s = Room("leafnode", "login", articles=False)
    d, out = fetchnews(s, WRONG)
    assert "uth" in out, out
    s.refused()
    s.stop()


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


def binary(s):
    """Three articles with a file: (their ids and sizes, the file)."""
    data = bytes(random.Random(1).randrange(256) for _ in range(300000))
    parts = []
    for i in range(3):
        body = yenc(data[i * 100000:(i + 1) * 100000], "file.bin", i + 1, 3, i * 100000, len(data))
        mid = make_id()
        raw = ("Path: src.example!x\r\nFrom: joe@example.com\r\nNewsgroups: alt.binaries.test\r\nSubject: \"file.bin\" yEnc (%d/3)\r\n"
               "Message-ID: %s\r\nDate: %s\r\n\r\n" % (i + 1, mid, time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime()))).encode() + body
        assert s.c.takethis(mid, to_wire(raw)).startswith("239")
        parts.append((mid, len(body)))
    return parts, data


def nzbget(way, password=PASSWORD):
    if not have("nzbget"):
        return "skip"
    s = Room("nzbget", way, groups=["alt.binaries.test"], site="article-max = 1M", articles=False)
    parts, data = binary(s)
    d = home("nzbget")
    for sub in ("nzb", "dst", "inter", "queue", "tmp"):
        os.makedirs("%s/%s" % (d, sub), exist_ok=True)
    opts = {"MainDir": d, "DestDir": d + "/dst", "InterDir": d + "/inter", "NzbDir": d + "/nzb", "QueueDir": d + "/queue", "TempDir": d + "/tmp",
            "LockFile": d + "/lock", "LogFile": d + "/log", "ControlPort": str(free_port()), "ControlIP": "127.0.0.1", "NzbDirInterval": "1",
            "NzbDirFileAge": "0", "Server1.Active": "yes", "Server1.Host": "127.0.0.1", "Server1.Port": str(s.port),
            "Server1.Username": USER if s.login else "", "Server1.Password": password,
            "Server1.Connections": "3", "Server1.Encryption": "yes" if way == "tls" else "no", "WriteLog": "append", "OutputMode": "log", "DirectUnpack": "no",
            "ParCheck": "manual", "Unpack": "no", "WebDir": "", "ScriptDir": d, "DiskSpace": "0"}
    words = ["nzbget", "-s", "-n"]
    for k, v in opts.items():
        words += ["-o", "%s=%s" % (k, v)]
    with open(d + "/out", "wb") as out:
        p = subprocess.Popen(words, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
    said = lambda: open(d + "/out", errors="replace").read()
    try:
        with open(d + "/nzb/.test.nzb", "w") as f:
            f.write('<?xml version="1.0" encoding="UTF-8"?>\n<nzb xmlns="http://www.newzbin.com/DTD/2003/nzb">\n'
                    '<file poster="joe" date="%d" subject="&quot;file.bin&quot; yEnc (1/3)">\n<groups><group>alt.binaries.test</group></groups>\n<segments>\n'
                    % time.time() + "".join('<segment bytes="%d" number="%d">%s</segment>\n' % (n, i + 1, m.strip("<>")) for i, (m, n) in enumerate(parts))
                    + "</segments>\n</file>\n</nzb>\n")
        os.rename(d + "/nzb/.test.nzb", d + "/nzb/test.nzb")
        if password == WRONG:
            wait_for("nzbget to tell; it says:\n" + said(), lambda: "481" in said(), 40)
            s.refused()
            return
        try:
            found = wait_for("the file from nzbget", lambda: glob.glob(d + "/dst/**/file.bin", recursive=True), 40)
        except AssertionError as e:
            raise AssertionError("%s\n%s" % (e, said()[-2000:]))
        wait_for("all of it", lambda: os.path.getsize(found[0]) == len(data), 10)
        assert open(found[0], "rb").read() == data
        s.logged_in()
    finally:
        p.kill()
        p.wait()
    s.stop()


def nzbget_fetches_a_yenc_binary():
    return nzbget("open")


def nzbget_logs_in_and_fetches_a_yenc_binary():
    return nzbget("login")


def nzbget_fetches_a_yenc_binary_under_tls():
    return nzbget("tls")


def nzbget_tells_a_wrong_password():
    return nzbget("tls", WRONG)


if __name__ == "__main__":
    main([slrnpull_fetches_all_and_posts, slrnpull_logs_in_fetches_all_and_posts, slrnpull_logs_in_under_tls, slrnpull_tells_a_wrong_password,
          suck_fetches_all_and_rpost_posts, suck_and_rpost_log_in, suck_and_rpost_log_in_under_tls, suck_tells_a_wrong_password,
          leafnodes_fetchnews_pulls_and_posts, leafnodes_fetchnews_logs_in, leafnodes_fetchnews_tells_a_wrong_password,
          nzbget_fetches_a_yenc_binary, nzbget_logs_in_and_fetches_a_yenc_binary, nzbget_fetches_a_yenc_binary_under_tls,
          nzbget_tells_a_wrong_password])

"""A site that was INN's: its groups and its articles, as newsctl(8) says under FROM INN."""
from inn import *


AGES = (1, 5, 40, 400)                                   # days


def dated(days, **k):
    t = time.gmtime(time.time() - days * 86400)
    return make_article(Date=time.strftime("%a, %d %b %Y %H:%M:%S +0000", t), **k)


def manual():
    """The commands that the manual page gives, in order."""
    with open(os.path.join(ROOT, "doc/man/newsctl.8")) as f:
        text = f.read().split(".Sh FROM INN\n", 1)[1].split("\n.Sh ", 1)[0]
    return [b.strip() for b in re.findall(r"\.Bd -literal -offset indent\n(.*?)\.Ed", text, re.S)]


def groups_and_articles_come_over_from_inn():
    if not usable():
        return "skip"
    inn = Inn("old.test", ["misc.test", ("misc.mod", "m"), "misc.other"]).start()
    kept = {}
    with_dots = "..\r\n.a line with a dot\r\nlast\r\n"
    c = inn.client()
    for i in range(40):
        mid, wire = dated(AGES[i % 4], groups="misc.test" if i % 3 else "misc.test,misc.other", body=with_dots)
        r = c.ihave(mid, wire)
        assert r.startswith("235"), r
        kept[mid] = wire
    gone = sorted(kept)[:3]
    c.close()
    for m in gone:
        inn.ctl("cancel", m)
        del kept[m]
    inn.ctl("flush", "")
    high = int(inn.client(reader=True).cmd("GROUP misc.test").split()[3])
    inn.stop()

    s = Site("old.test", groups=[], site="age-max = forever").start()
    given = manual()
    print("# " + "\n# ".join("\n".join(given).splitlines()))
    here = fresh_dir("work")
    os.makedirs(here)
    os.chown(here, pwd.getpwnam("news").pw_uid, -1)
    tools = {"PATH": "%s:%s:%s" % (BIN, PROGRAMS, os.environ["PATH"]), "FRESHET_CONF": s.conf, "INNCONF": inn.dir + "/etc/inn.conf",
             "LD_PRELOAD": preload(), "SYSLOG_FILE": inn.dir + "/log/syslog"}
    told = ""
    for block in given:
        for a, b in (("/var/lib/news", inn.dir + "/db"), ("/var/spool/news", inn.dir + "/spool"), ("/var/tmp/", here + "/")):
            block = block.replace(a, b)
        r = subprocess.run(["sh", "-ec", block], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=here,
                           env=dict(os.environ, **tools), timeout=120)
        assert r.returncode == 0, (block, r.stdout)
        told += r.stdout
    print("# " + told.replace("\n", "\n# "))
    c = s.client()
    for mid, wire in kept.items():
        got = c.article(mid)
        sent = wire[:-3].replace(b"\r\n..", b"\r\n.")
        assert got and got.split(b"\r\n\r\n", 1)[1] == sent.split(b"\r\n\r\n", 1)[1], (mid, got)
        assert header(got, "Path").startswith("old.test!"), got
    r = c.cmd("GROUP misc.test").split()
    assert int(r[1]) == len(kept) and int(r[2]) == high + 1, (r, high)
    assert re.search(r"^misc.mod +m ", s.ctl("group", "list"), re.M)
    assert all(c.ihave(m, b"").startswith("435") for m in kept)
    assert not any(c.article(m) for m in gone)
    s.ctl("verify")
    s.stop()


if __name__ == "__main__":
    main([groups_and_articles_come_over_from_inn])

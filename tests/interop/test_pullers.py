"""INN's own pullers, pullnews and nntpget, fetch from our site as readers and give what they get to INN."""
import collections

from articles import *

N = int(os.environ.get("ARTICLES", "400"))


def rows():
    return groups() + [("control", "n"), ("junk", "n")]


def full_site(name, **k):
    """A site with N articles, started; {group: ids in it}, {id: wire}."""
    us = Site(name, groups=[], site="age-max = 0 future-max = 10y article-max = 2M", **k)
    with open(us.dir + "/active", "w") as f:
        f.writelines("%s 0000000000 0000000001 %s\n" % g for g in rows())
    us.ctl("group", "import", us.dir + "/active")
    us.start()
    arts = dict(articles(N))
    taken = give(us, list(arts.items()))
    assert len(taken) > N * 9 // 10
    known, filed = {g for g, _ in rows()}, collections.defaultdict(set)
    for m in taken:
        for g in header(unwire(arts[m]), "Newsgroups").replace(" ", "").split(","):
            filed[g].update([m] if g in known else [])
    return us, filed, {m: arts[m] for m in taken}


def ends_up_at_inn(us, inn, arts, extra):
    """All of them are there, unchanged, with INN's name in front; INN says why of the few it does not take."""
    lost = missing(inn, list(arts))
    assert len(lost) <= len(arts) // 20, "%d of %d are missing at INN" % (len(lost), len(arts))
    inn.ctl("flushlogs")
    log = "".join(open(inn.dir + "/log/" + f, errors="replace").read() for f in ("news", "news.old"))
    assert all(" %s 43" % m in log for m in lost), lost
    got = [m for m in arts if m not in set(lost)]
    same_but_for_the_path(fetch(us, got), fetch(inn, got), inn.name + "!" + extra)
    print("# %d articles pulled, %d of them refused by INN" % (len(arts), len(lost)))


def pullnews_pulls_all_groups_and_goes_on_where_it_stopped():
    if not usable() or subprocess.run(["perl", "-MNet::NNTP", "-e", "1"], stderr=subprocess.DEVNULL).returncode != 0:
        return "skip"
    us, filed, arts = full_site("pulled.test")
    inn = Inn("puller.test", groups()).start()
    marks = inn.dir + "/db/pullnews.marks"
    with open(marks, "w") as f:
        f.write("127.0.0.1:%d\n" % us.port + "".join("\t%s 0 0\n" % g for g in sorted(filed)))
    os.chmod(marks, 0o666)
    pull = ("pullnews", "-c", marks, "-s", "127.0.0.1:%d" % inn.port, "-Q", "1")
    r = inn.run(*pull)
    assert r.returncode == 0, r.stdout[-2000:]
    ends_up_at_inn(us, inn, arts, "")
    with open(marks) as f:
        high = {l.split()[0]: int(l.split()[2]) for l in f if l[0] in " \t"}
    assert high == {g: len(ids) for g, ids in filed.items()}
    # the next run takes what is new, and nothing else
    before = int(us.status("articles_sent"))
    late = dict(make_article(groups=g, path="late!not-for-mail") for g, f in rows()[:200] if f == "y" and g in filed)
    assert len(give(us, list(late.items()))) == len(late)
    r = inn.run(*pull)
    assert r.returncode == 0, r.stdout[-2000:]
    assert int(us.status("articles_sent")) - before == len(late)
    ends_up_at_inn(us, inn, late, "")
    us.stop()
    inn.stop()


def nntpget_fetches_by_newnews_what_inn_has_not():
    if not usable():
        return "skip"
    # it knows no other port than 119: an address of loopback that nobody else has
    pid = os.getpid()
    at = "127.%d.%d.%d" % (119 + (pid >> 16 & 63), pid >> 8 & 255, pid & 255 or 1)
    us, filed, arts = full_site("got.test", extra='listen "%s:119" {}' % at)
    inn = Inn("getter.test", groups()).start()
    had = dict(list(arts.items())[:50])
    assert len(give(inn, list(had.items()))) > 45
    since = time.strftime("%Y%m%d %H%M%S GMT", time.gmtime(time.time() - 3600))
    before = int(us.status("articles_sent"))
    r = inn.run("nntpget", "-o", "-v", "-t", since, at)
    assert r.returncode == 0, r.stdout[-2000:]
    new = {m: a for m, a in arts.items() if m not in had}
    assert len(new) <= int(us.status("articles_sent")) - before < len(arts)
    ends_up_at_inn(us, inn, new, "")
    us.stop()
    inn.stop()


if __name__ == "__main__":
    main([pullnews_pulls_all_groups_and_goes_on_where_it_stopped, nntpget_fetches_by_newnews_what_inn_has_not])

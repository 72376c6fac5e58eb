"""INN's nnrpd as a server that is pulled from, and posted to.

The articles are real ones when the corpus is there (FRESHET_CORPUS, or ../shared/corpus beside the checkout).
ARTICLES=n: so many.
"""
import json

from articles import *

N = int(os.environ.get("ARTICLES", "600"))


def value(us, inn, name):
    r = us.ctl("peer", "show", inn.name, check=False, json=True)
    rows = json.loads(r.stdout)["rows"] if r.returncode == 0 else []
    return next((row["value"] for row in rows if row["name"] == name), 0)


def pull_now(us, inn):
    before = value(us, inn, "pull runs")
    us.ctl("peer", "flush", inn.name)
    wait_for("a run", lambda: value(us, inn, "pull runs") > before, 120)


def puller(inn, **k):
    """A Freshet that reads all of INN's groups, not started."""
    opt = {"address": '"192.0.2.1"', "connect": '"127.0.0.1:%d"' % inn.port, "pull": '{ "*", "!control.*", "!junk" }',
           "pull-every": "1h", "pull-first": "100000"}
    opt.update({a.replace("_", "-"): v for a, v in k.items()})
    us = Site("pull.test", ['peer "%s" {\n%s\n}' % (inn.name, "\n".join(" %s = %s" % i for i in opt.items()))], groups=[],
              site="age-max = 0 future-max = 10y article-max = 2M")
    active = us.dir + "/active"
    with open(active, "w") as f:
        f.writelines("%s 0000000000 0000000001 %s\n" % g for g in groups() + [("control", "n"), ("junk", "n")])
    us.ctl("group", "import", active)
    return us


def what_inn_has_is_pulled_as_it_is():
    if not usable():
        return "skip"
    inn = Inn("inn-pull.test", groups())
    inn.start()
    arts = articles(N)
    theirs = give(inn, arts)
    assert len(theirs) > 0.9 * len(arts)
    us = puller(inn).start()
    wait_for("the first run", lambda: value(us, inn, "pull runs") >= 1, 120)
    refused = value(us, inn, "pulled: refused")
    here = [m for m in theirs if m not in set(missing(us, theirs))]
    # those in control or junk alone are not asked for
    assert value(us, inn, "pulled") == len(here) and len(here) + refused > 0.9 * len(theirs), us.ctl("peer", "show", inn.name)
    assert refused < len(theirs) // 20, us.ctl("peer", "show", inn.name)
    assert value(us, inn, "pull error") == "" and value(us, inn, "pulled: overview lines without sense") == 0
    same_but_for_the_path(fetch(inn, here), fetch(us, here), us.name + "!!")
    print("# %d at INN, %d pulled, %d refused" % (len(theirs), len(here), refused))
    # some more, by another run: nothing is fetched twice
    more = give(inn, [make_article(groups=g) for g, f in groups() if f == "y"][:5])
    pull_now(us, inn)
    assert not missing(us, more) and value(us, inn, "pulled") == len(here) + len(more)
    assert value(us, inn, "pulled: refused") == refused
    assert us.ctl("verify", check=False).returncode == 0
    us.stop()
    inn.stop()


def post(us, group):
    c = us.client()
    assert c.cmd("POST").startswith("340")
    c.send("From: Joe <joe@example.com>\r\nNewsgroups: %s\r\nSubject: up\r\nUser-Agent: x\r\nOrganization: o\r\n\r\n"
           "hello\r\n..dot\r\n.\r\n" % group)
    r = c.line()
    c.close()
    assert r.startswith("240"), r
    return re.search("<.*>", r).group()


def a_post_goes_up_to_inn_and_is_not_pulled_again():
    if not usable():
        return "skip"
    inn = Inn("inn-post.test", groups())
    inn.start()
    us = puller(inn, pull_post="true").start()
    wait_for("the first run", lambda: value(us, inn, "pull runs") >= 1, 120)
    group = next(g for g, f in groups() if f == "y")
    mid = post(us, group)
    wait_for("it at INN", lambda: not missing(inn, [mid]))
    a, b = fetch(us, [mid])[mid], fetch(inn, [mid])[mid]
    assert header(b, "Path").startswith(inn.name + "!.POSTED") and us.name not in header(b, "Path"), header(b, "Path")
    for name in ("From", "Date", "Message-ID", "Subject", "User-Agent", "Injection-Date", "Organization"):
        assert header(a, name) == header(b, name), (name, header(a, name), header(b, name))
    assert b.partition(b"\r\n\r\n")[2] == b"hello\r\n.dot\r\n"
    pull_now(us, inn)
    assert value(us, inn, "pulled") == 0 and value(us, inn, "pulled: known already") == 1
    assert value(us, inn, "accepted") == 1 and value(us, inn, "set aside now") == 0
    us.ctl("group", "add", "only.here")
    post(us, "only.here")
    wait_for("INN's no", lambda: value(us, inn, "set aside now") == 1)
    assert value(us, inn, "last error").startswith("441"), value(us, inn, "last error")
    us.stop()
    inn.stop()


if __name__ == "__main__":
    main([what_inn_has_is_pulled_as_it_is, a_post_goes_up_to_inn_and_is_not_pulled_again])

"""Cancels and Supersedes travel: posted at one of three sites, they act at all of them (RFC 5537 5.3, 5.4; RFC 8315)."""
import base64
import hashlib

from kit import *

GROUPS = ["misc.test", "misc.other", "control.cancel n"]


def three():
    """a - b - c: what a has comes to c through b."""
    a, b, c = (Site(n + ".test", groups=GROUPS) for n in "abc")
    for s, o in ((a, b), (b, a), (b, c), (c, b)):
        s.peer(o)
    for s in (a, b, c):
        s.start()
    return a, b, c


def lock_and_key(word):
    """Cancel-Lock and Cancel-Key, as a newsreader makes them."""
    key = base64.b64encode(word.encode()).decode()
    return "sha256:" + base64.b64encode(hashlib.sha256(key.encode()).digest()).decode(), "sha256:" + key


def post(site, groups="misc.test", body="words\r\n", **head):
    mid, c = make_id(), site.client()
    assert c.cmd("POST").startswith("340")
    f = {"From": "Joe <joe@example.com>", "Newsgroups": groups, "Subject": "t", "Message-ID": mid}
    f.update({k.replace("_", "-"): v for k, v in head.items()})
    c.send(to_wire(("".join("%s: %s\r\n" % i for i in f.items()) + "\r\n" + body).encode()))
    r = c.line()
    assert r.startswith("240"), r
    c.close()
    return mid


def code(site, cmd):
    c = site.client()
    r = c.cmd(cmd)
    c.close()
    return r.split()[0]


def at_all(sites, mid):
    for s in sites:
        wait_for("%s at %s" % (mid, s.name), lambda: code(s, "STAT " + mid) == "223")


def gone_at_all(sites, mid):
    """Not to be read anywhere, in no group, and nobody wants it again."""
    for s in sites:
        wait_for("%s to be gone at %s" % (mid, s.name), lambda: code(s, "STAT " + mid) == "430")
        wait_for("the refusal to be remembered", lambda: code(s, "CHECK " + mid) == "438")     # until then: 431
        assert code(s, "IHAVE " + mid) == "435"
        c = s.client()
        for g in ("misc.test", "misc.other"):
            _, n, lo, hi, _ = c.cmd("GROUP " + g).split()
            assert n == "0" or c.cmd("OVER %s-%s" % (lo, hi)).startswith("224") and not any(mid.encode() in l for l in c.block())
        c.close()
        assert "cancel" in s.ctl("why", mid).lower(), s.ctl("why", mid)


def end(sites):
    for s in sites:
        s.stop()
        r = s.ctl("verify", check=False)
        assert r.returncode == 0, r.stdout[-2000:] + r.stderr


def a_cancel_with_the_key_takes_the_article_away_everywhere_and_one_without_nowhere():
    a, b, c = sites = three()
    lock, key = lock_and_key("mine")
    for at, by in ((a, c), (b, a), (c, c)):                # where it was posted, and where it is cancelled
        mid = post(at, groups="misc.test,misc.other", Cancel_Lock=lock)
        at_all(sites, mid)
        for bad in ({}, {"Cancel_Key": lock_and_key("another's")[1]}):
            no = post(by, Control="cancel " + mid, **bad)
            at_all(sites, no)
        assert all(code(s, "STAT " + mid) == "223" for s in sites), "taken away without its key"
        yes = post(by, Control="cancel " + mid, Cancel_Key=key)
        at_all(sites, yes)
        gone_at_all(sites, mid)
    for s in sites:
        cl = s.client()
        assert cl.cmd("GROUP control.cancel").split()[1] == "9"
        cl.close()
    end(sites)


def what_supersedes_takes_the_place_of_the_other_everywhere():
    a, b, c = sites = three()
    lock, key = lock_and_key("one")
    first = post(a, Cancel_Lock=lock)
    at_all(sites, first)
    forged = post(b, Supersedes=first)
    at_all(sites, forged)
    assert all(code(s, "STAT " + first) == "223" for s in sites)
    lock2, key2 = lock_and_key("two")
    second = post(c, Supersedes=first, Cancel_Key=key, Cancel_Lock=lock2)
    at_all(sites, second)
    gone_at_all(sites, first)
    third = post(a, Supersedes=second, Cancel_Key=key2)
    at_all(sites, third)
    gone_at_all(sites, second)
    end(sites)


def an_article_that_comes_after_its_cancel_is_refused_everywhere():
    a, b, c = sites = three()
    lock, key = lock_and_key("late")
    mid, wire = make_article(Cancel_Lock=lock)
    other, other_wire = make_article(Cancel_Lock=lock_and_key("somebody else's")[0])
    for target in (mid, other):
        at_all(sites, post(a, Control="cancel " + target, Cancel_Key=key))
    for s in (c, b, a):
        cl = s.client()
        assert cl.takethis(mid, wire).startswith("439 %s Cancelled before it came" % mid)
        cl.close()
    gone_at_all(sites, mid)
    for s in sites:
        assert "Cancelled before it came" in s.ctl("why", mid), s.ctl("why", mid)
    # a cancel whose key does not fit keeps nothing away
    cl = b.client()
    assert cl.takethis(other, other_wire).startswith("239")
    cl.close()
    at_all(sites, other)
    end(sites)


def a_site_that_was_down_gets_the_cancel_and_not_the_article():
    a, b, c = sites = three()
    lock, key = lock_and_key("x")
    c.stop()
    mid = post(a, Cancel_Lock=lock)
    at_all((a, b), mid)
    yes = post(a, Control="cancel " + mid, Cancel_Key=key)
    at_all((a, b), yes)
    gone_at_all((a, b), mid)
    c.start()
    b.ctl("peer", "flush", c.name)
    at_all(sites, yes)
    assert code(c, "STAT " + mid) == "430"
    wait_for("b to be done", lambda: " lag 0 " in " ".join(b.ctl("peer", "show", c.name).split()))
    assert code(c, "STAT " + mid) == "430"
    end(sites)


if __name__ == "__main__":
    main([a_cancel_with_the_key_takes_the_article_away_everywhere_and_one_without_nowhere,
          what_supersedes_takes_the_place_of_the_other_everywhere,
          an_article_that_comes_after_its_cancel_is_refused_everywhere,
          a_site_that_was_down_gets_the_cancel_and_not_the_article])

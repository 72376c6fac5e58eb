"""What an operator does with peers while the site runs."""
from kit import *


def answers(site, peer):
    """What 'peer' said so far: accepted, refused, rejected ... as numbers."""
    words = [l.split() for l in site.ctl("peer", "show", peer).splitlines()]
    return {" ".join(w[:-1]): int(w[-1]) for w in words if len(w) > 1 and w[-1].isdigit()}


def refeed_offers_again_what_was_asked_for_and_nothing_else():
    groups = ["misc.test", "misc.other"]
    a, b = Site("a.test", groups=groups), Site("b.test", groups=groups)
    a.peer(b)
    a.start(), b.start()
    c = a.client()
    for i in range(30):
        mid, wire = make_article(groups=groups[i % 3 == 0])
        assert c.takethis(mid, wire).startswith("239")
    wait_for("30 articles at b", lambda: answers(a, "b.test")["accepted"] == 30)
    a.ctl("peer", "refeed", "b.test", "--since", "1h", "--group", "misc.other")
    wait_for("10 of them again", lambda: answers(a, "b.test")["refused"] == 10)
    wait_for("the cursor at the end", lambda: answers(a, "b.test")["lag"] == 0)
    mid, wire = make_article(groups="misc.test")           # what is new comes whatever its group
    assert c.takethis(mid, wire).startswith("239")
    wait_for("the new one", lambda: answers(a, "b.test")["accepted"] == 31)
    assert answers(a, "b.test")["refused"] == 10
    a.ctl("peer", "refeed", "b.test", "--since", "1h")
    wait_for("all of them again", lambda: answers(a, "b.test")["refused"] == 41)
    a.ctl("peer", "refeed", "b.test", "--since", "2100-01-01")
    assert answers(a, "b.test")["lag"] == 0
    for bad in (["0"], ["--since", "yesterday"], ["--since", "3"], ["--since", "2026-11-31"], ["1", "--groups", "x"], ["--since"], ["--group", "x"], ["1", "2"], ["--since", "1h", "5"]):
        r = a.ctl("peer", "refeed", "b.test", *bad, check=False)
        assert r.returncode != 0 and (r.stderr or r.stdout), bad
    a.stop(), b.stop()


def peer_show_tells_delay_first_offers_and_why_it_refused():
    a, b = Site("a.test"), Site("b.test", groups=["misc.another"])
    a.peer(b)
    a.start(), b.start()
    c = a.client()
    for i in range(5):
        mid, wire = make_article()
        assert c.takethis(mid, wire).startswith("239")
    wait_for("5 answers", lambda: answers(a, "b.test")["rejected"] == 5)
    b.ctl("group", "add", "misc.test")
    for i in range(5):
        mid, wire = make_article()
        assert c.takethis(mid, wire).startswith("239")
    wait_for("5 taken", lambda: answers(a, "b.test")["accepted"] == 5)
    text = a.ctl("peer", "show", "b.test")
    assert "rejected: Unwanted newsgroup" in text, text
    assert "delay, median" in text and "we were first with" in text and "100.0 %" in text, text
    b.kill()
    mid, wire = make_article()
    assert c.takethis(mid, wire).startswith("239")
    wait_for("it to be called dead", lambda: "UTC" in [l for l in a.ctl("peer", "show", "b.test").splitlines()
                                                        if "dead since" in l][0])
    a.stop()


def one_who_may_not_stream_is_fed_by_ihave():
    """502 is said to MODE STREAM alone, not to the connection."""
    a, b = Site("a.test"), Site("b.test", feed=False)
    a.peer(b)
    b.peer(a, streaming="false")
    a.start(), b.start()
    c, mids = a.client(), []
    for i in range(20):
        mid, wire = make_article()
        assert c.takethis(mid, wire).startswith("239")
        mids.append(mid)
    wait_for("20 articles at b", lambda: answers(a, "b.test")["accepted"] == 20)
    assert "connected to 127.0.0.1, IHAVE" in a.log_text()
    a.stop(), b.stop()


if __name__ == "__main__":
    main([refeed_offers_again_what_was_asked_for_and_nothing_else,
          peer_show_tells_delay_first_offers_and_why_it_refused,
          one_who_may_not_stream_is_fed_by_ihave])

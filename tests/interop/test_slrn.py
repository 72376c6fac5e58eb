"""slrn, driven in tmux as a person would: it subscribes, reads, searches, posts, follows up and cancels; what it
shows is checked."""
from readers import *
from screen import Screen, editor


def start(s, password, d=None):
    d = d or home("slrn")
    host = "snews://127.0.0.1:%d" % s.port if s.way == "tls" else "127.0.0.1:%d" % s.port
    edit = editor(d + "/edit", "Words from slrn.")
    write(d + "/.slrnrc", 'set editor_command "%s %%s"\nset username "joe"\nset hostname "example.com"\nset realname "Joe"\n'
          'set signature ""\nset auto_mark_article_as_read 0\nset show_thread_subject 1\nset confirm_actions 0\n'
          'visible_headers "From:,Subject:,Newsgroups:"\n' % edit
          + ('nnrpaccess "%s" "%s" "%s"\n' % (host, USER, password) if password else ""))
    return Screen("slrn -i %s/.slrnrc -f %s/newsrc --create -h %s" % (d, d, host), {"HOME": d})


def at(screen, word):
    """Does slrn's arrow point at the line that holds the word?"""
    return any(l.startswith("->") and word in l for l in screen.text().splitlines())


def go(screen, word):
    """To the line with the word: to the top, then down."""
    screen.rest()
    first = lambda: next((l for l in screen.lines() if "Joe" in l or "misc." in l), "").startswith("->")
    screen.press(["M-<"], first, "the first line")
    screen.press(["Down"], lambda: at(screen, word), "the arrow at " + word)


def regroup(screen, word):
    """Leave the group, ask what is new, enter again."""
    screen.press(["q"], lambda: "-*-News Groups" in screen.text(), "the groups")
    screen.keys("G")
    screen.until("the new articles", lambda: re.search(r" 15 +misc.test", screen.text()))
    screen.press(["Enter"], lambda: word in screen.text(), word)


def slrn(way):
    if not have("slrn", "tmux"):
        return "skip"
    # slrn leaves Message-ID to us, and so can make no Cancel-Lock: without a login the address has to do
    s = Room("slrn", way, site="cancel-lock = address")
    t = start(s, s.password)
    asked = [("Post the message", ["y"]), ("^Newsgroup: ", ["Enter"]), ("Are you sure", ["y"])]
    try:
        t.see("misc.test", "misc.other")                  # a new user is shown all groups
        go(t, "misc.test")
        t.keys("s", "Enter")
        t.see("A letter to read", SHOWN, RAW, "in both groups")
        s.logged_in()
        # reading, and searching
        go(t, "A letter to read")
        t.keys("Enter")
        t.see("What everybody shall show.", ".a dot at the beginning", "caf\xe9 in Latin-1")
        t.keys("s")
        t.see("Subject search")
        t.type("Gr\xfc\xdfe")
        t.keys("Enter")
        t.until("the search to arrive", lambda: at(t, SHOWN))
        t.keys("Enter")
        t.see("Subject: " + SHOWN, SHOWN + " f\xfcr alle")
        go(t, "in both groups")
        t.keys("Enter")
        t.see("Newsgroups: misc.test,misc.other")
        # posting
        t.keys("P")
        t.answer(asked, lambda: t.last().startswith("Subject:"), "slrn to ask for the subject")
        t.type("Gr\xfc\xdfe von slrn")
        t.keys("Enter")
        t.answer(asked, lambda: "done" in t.last(), "the post")
        a = s.posted("Gr\xfc\xdfe von slrn", screen=t)
        assert b"Words from slrn.\r\n" in a, a
        mine = header(a, "Message-ID")
        # following up
        go(t, "A letter to read")
        t.keys("Enter")
        t.see("What everybody shall show.")
        t.keys("f")
        t.answer(asked, lambda: "done" in t.last(), "the answer")
        a = s.followed_up("Re: A letter to read", s.mids[0], t)
        assert b"> What everybody shall show.\r\n> .a dot" in a and b"Words from slrn." in a, a
        # cancelling
        regroup(t, "Gr\xfc\xdfe von slrn")
        go(t, "Gr\xfc\xdfe von slrn")
        t.keys("Enter")
        t.see("Words from slrn.")
        t.keys("Escape", "C-c")
        t.answer(asked, lambda: t.last() == "Done.", "the cancel")
        s.cancelled(mine, t)
    finally:
        t.end()
    s.stop()


def slrn_reads_posts_and_cancels():
    return slrn("open")


def slrn_logs_in_reads_posts_and_cancels():
    return slrn("login")


def slrn_logs_in_under_tls_reads_posts_and_cancels():
    return slrn("tls")


def slrn_tells_a_wrong_password():
    if not have("slrn", "tmux"):
        return "skip"
    s = Room("slrn", "tls", articles=False)
    t = start(s, WRONG)
    try:
        t.see("481 Authentication failed", "It has ended.")
        s.refused()
    finally:
        t.end()
    s.stop()


if __name__ == "__main__":
    main([slrn_reads_posts_and_cancels, slrn_logs_in_reads_posts_and_cancels, slrn_logs_in_under_tls_reads_posts_and_cancels,
          slrn_tells_a_wrong_password])

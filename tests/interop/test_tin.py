"""tin, driven in tmux as a person would: it lists, reads, searches, posts, follows up and cancels; what it shows is
checked."""
from readers import *
from screen import Screen, editor


def start(s, password):
    d = home("tin")
    edit = editor(d + "/edit", "Words from tin.")
    write(d + "/.newsrc", "misc.test:\nmisc.other:\n")
    write(d + "/.cancelsecret", "its own secret for Cancel-Locks\n")
    if password:
        write(d + "/.newsauth", "127.0.0.1 %s %s\n" % (password, USER))
    write(d + "/.tin/tinrc", "default_editor_format=%%E %%F\nmail_address=Joe <joe@example.com>\ntls_ca_cert_file=%s\n"
          "mm_network_charset=UTF-8\nbeginner_level=OFF\nnews_headers_to_display=Newsgroups Subject\n" % s.ca)
    return Screen("tin -r -g 127.0.0.1 -p %d %s -f %s/.newsrc" % (s.port, "-T" if s.way == "tls" else "", d),
                  {"HOME": d, "EDITOR": edit, "VISUAL": edit})


def find(t, subject):
    """Search the list of articles, and open what is found."""
    t.see("misc.test (1")
    t.keys("/")
    t.see("Search forwards")
    t.type(subject)
    t.keys("Enter")
    t.gone("Search forwards")
    t.keys("Enter")


def leave(t):
    t.press(["q"], lambda: "Group Selection" in t.text(), "the groups")


def tin(way):
    if not have("tin", "tmux"):
        return "skip"
    s = Room("tin", way)
    t = start(s, s.password)
    asked = [("p=post", ["p"]), ("rticle posted", ["Enter"]), ("Cancel .delete. or supersede", ["d"]), ("=delete .cancel", ["d"]),
             ("rticle cancelled", ["Enter"])]
    try:
        t.see("Group Selection (127.0.0.1" + ("[T]" if s.tls else ""), "misc.test", "Testing", "misc.other", "Other things")
        s.logged_in()
        t.keys("Enter")
        t.see("misc.test (13B", "A letter to read", SHOWN, "in both groups")
        # reading, and searching
        t.keys("1", "Enter", "Enter")
        t.see("What everybody shall show.", ".a dot at the beginning", "caf\xe9 in Latin-1")
        t.keys("q")
        find(t, "Gr\xfc\xdfe")
        t.see("Newsgroups: misc.test", SHOWN + " f\xfcr alle")
        t.keys("q")
        t.see("misc.test (13B")
        # posting
        t.keys("w")
        t.see("Post subject")
        t.type("Gr\xfc\xdfe von tin")
        t.keys("Enter")
        t.see("p=post")                                 # the list of articles stands there until then
        t.answer(asked, lambda: "misc.test (1" in t.text(), "the post")
        a = s.posted("Gr\xfc\xdfe von tin", screen=t)
        assert b"Words from tin.\r\n" in a, a
        mine = header(a, "Message-ID")
        assert mine.endswith("@tin.test>"), mine                # ours, which 340 recommended
        # following up
        t.keys("1", "Enter", "Enter")
        t.see("What everybody shall show.")
        t.keys("f")
        t.see("p=post")
        t.answer(asked, lambda: "What everybody" in t.text() and "p=post" not in t.text() and "posted" not in t.text(), "the answer")
        a = s.followed_up("Re: A letter to read", s.mids[0], t)
        assert b"> What everybody shall show.\r\n> .a dot" in a and b"Words from tin." in a, a
        # cancelling
        leave(t)
        t.keys("y", "y", "Enter")                       # reads the list of groups again
        t.see("Gr\xfc\xdfe von tin")
        find(t, "von tin")
        t.see("Words from tin.")
        t.keys("D")
        t.answer(asked, lambda: s.c.cmd("STAT " + mine).startswith("430"), "the cancel")
        s.cancelled(mine, t)
        leave(t)
    finally:
        t.end()
    s.stop()


def tin_reads_posts_and_cancels():
    return tin("open")


def tin_logs_in_reads_posts_and_cancels():
    return tin("login")


def tin_logs_in_under_tls_reads_posts_and_cancels():
    return tin("tls")


def tin_tells_a_wrong_password():
    if not have("tin", "tmux"):
        return "skip"
    s = Room("tin", "tls", articles=False)
    t = start(s, WRONG)
    try:
        t.see("Authorization failed for user: wilma", "Please enter username")
        s.refused()
    finally:
        t.end()
    s.stop()


if __name__ == "__main__":
    main([tin_reads_posts_and_cancels, tin_logs_in_reads_posts_and_cancels, tin_logs_in_under_tls_reads_posts_and_cancels,
          tin_tells_a_wrong_password])

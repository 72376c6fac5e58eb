"""Alpine, driven in tmux as a person would: it lists, reads, searches, posts, follows up (it cannot cancel); what it
shows is checked.  Its only way to TLS is from the first octet: for STARTTLS it would want LIST EXTENSIONS, of a draft."""
from readers import *
from screen import Screen


def start(s, password):
    d = home("alpine")
    # the authority goes in by the client's own environment, never into the system's store
    flags = "/nntp" + ("/ssl" if s.way == "tls" else "/notls") + ("/user=" + USER if password else "")
    os.makedirs(d + "/mail")
    where = "localhost:%d%s" % (s.port, flags)
    write(d + "/pinerc", "personal-name=Joe\nuser-domain=example.com\nnntp-server=%s\ndefault-fcc=\"\"\ninbox-path=%s/inbox\nnews-collections=News *{%s}#news.[]\n"
          "last-version-used=7.0\nfeature-list=quit-without-confirm,news-post-without-validation,"
          "include-text-in-reply\n"
          "newsrc-path=%s/newsrc\ncharacter-set=UTF-8\nposting-character-set=UTF-8\nuser-id=joe\n" % (where.replace("/nntp", ""), d, where, d))
    write(d + "/newsrc", "misc.test:\nmisc.other:\n")
    return Screen("alpine -i -nowrite_password_cache -p %s/pinerc -f '{%s}#news.misc.test'" % (d, where), {"HOME": d, "SSL_CERT_FILE": s.ca})


def asked(t, password):
    """Alpine's questions, and what a person says."""
    def give():
        t.type(password)
        t.keys("Enter")
    return [("ENTER PASSWORD: *$", give), ("greeting", ["e"]), ("Preserve password", ["n"]), ("Send message.$", ["y"]), ("Really post.$", ["y"]),
            ("Create.$", ["n"]), ("Post to current newsgroup", ["y"]), ("Include original message", ["y"]), ("[Ff]ollow-?up to news group", ["f"]),
            ("Continue anyway", ["y"])]


def to_subject(t):
    """The cursor to the composer's subject."""
    t.rest()
    t.press(["Up"], lambda: t.at().startswith("Newsgrps"), "the first field")
    t.press(["Down"], lambda: t.at().startswith("Subject"), "the subject")


def alpine(way):
    if not have("alpine", "tmux"):
        return "skip"
    s = Room("alpine", way)
    t = start(s, s.password)
    answers = asked(t, s.password or "none")
    index = lambda: "MESSAGE INDEX" in t.text() and "in both groups" in t.text()
    try:
        t.answer(answers, index, "the list of articles")
        t.see("A letter to read", SHOWN, RAW, "number 9")
        s.logged_in()
        # reading, and searching
        open_first(t)
        t.see("What everybody shall show.", ".a dot at the beginning")
        t.press(["i"], index, "the list of articles")
        t.keys("w")
        t.see("Word to search for")
        t.type("Gr\xfc\xdfe")
        t.keys("Enter")
        t.see("Message 11 of 13")
        t.keys("Enter")
        t.see("Subject: " + SHOWN, SHOWN + " f\xfcr alle")
        t.press(["i"], index, "the list of articles")
        # posting: without a subject we refuse it, and alpine tells why
        t.keys("c")
        t.answer(answers, lambda: "COMPOSE MESSAGE" in t.text(), "the composer")
        t.see("Newsgrps: misc.test")
        t.keys("C-x")
        t.answer(answers, lambda: "441 Missing required Subject" in t.text(), "the refusal")
        to_subject(t)
        t.type("Gr\xfc\xdfe von alpine")
        t.see("Gr\xfc\xdfe von alpine")
        t.keys("Down")
        t.rest()
        t.type("Words from alpine.")
        t.see("Words from alpine.")
        t.keys("C-x")
        t.answer(answers, index, "the post")
        a = s.posted("Gr\xfc\xdfe von alpine", screen=t)
        assert b"Words from alpine.\r\n" in a, a
        # following up
        open_first(t)
        t.see("What everybody shall show.")
        t.keys("r")
        t.answer(answers, lambda: "COMPOSE MESSAGE REPLY" in t.text(), "the composer")
        t.see("> What everybody shall show.")
        t.keys("C-x")
        t.answer(answers, lambda: "COMPOSE" not in t.text(), "the answer")
        a = s.followed_up("Re: A letter to read", s.mids[0], t)
        assert b"> What everybody shall show." in a, a
    finally:
        t.end()
    s.stop()


def open_first(t):
    t.keys("j")
    t.see("jump to")
    t.keys("1", "Enter")
    t.see("Message  1 of")
    t.rest()
    t.keys("Enter")


def alpine_reads_and_posts():
    return alpine("open")


def alpine_logs_in_reads_and_posts():
    return alpine("login")


def alpine_logs_in_under_tls():
    return alpine("tls")


def alpine_tells_a_wrong_password():
    if not have("alpine", "tmux"):
        return "skip"
    s = Room("alpine", "tls", articles=False)
    t = start(s, WRONG)
    try:
        t.answer(asked(t, WRONG), lambda: "481" in t.text() or "ailed" in t.text() or "nvalid" in t.text(), "the refusal")
        s.refused()
    finally:
        t.end()
    s.stop()


if __name__ == "__main__":
    main([alpine_reads_and_posts, alpine_logs_in_reads_and_posts, alpine_logs_in_under_tls,
          alpine_tells_a_wrong_password])

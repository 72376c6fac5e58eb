"""NeoMutt, driven in tmux as a person would: it lists, reads, searches, posts and follows up (it cannot cancel); what
it shows is checked.  STARTTLS is its way to TLS: for news from the first octet it knows port 563 alone."""
from readers import *
from screen import Screen, editor


def start(s, password):
    d = home("neomutt")
    edit = editor(d + "/edit", "Words from neomutt.")
    rc = ('set news_server="news://%s127.0.0.1:%d"\nset newsrc="%s/newsrc"\nset news_cache_dir="%s/cache"\nset editor="%s"\nset folder="%s"\n'
          'set realname="Joe" from="joe@example.com" use_domain=no ssl_ca_certificates_file="/dev/null" certificate_file="%s/certs" sort=date-received\n'
          'set record="" postponed="" mbox="" spoolfile="" abort_unmodified=no copy=no nntp_listgroup=yes mark_old=no\n'
          'set ssl_starttls=%s ssl_force_tls=%s\nset sleep_time=0 net_inc=0 read_inc=0 time_inc=0 wait_key=no timeout=1 mail_check=1 nntp_poll=0\nbind index P post-message\nbind index,pager F followup-message\nset arrow_cursor=yes post_moderated=yes charset=utf-8 send_charset="utf-8" show_new_news=no catchup_newsgroup=no\n'
          % (USER + "@" if password else "", s.port, d, d, edit, d, d, "yes" if s.tls else "no", "yes" if s.tls else "no"))
    if password:
        rc += 'set nntp_user="%s" nntp_pass="%s"\n' % (USER, password)
    if s.tls:
        shutil.copy(s.ca, d + "/certs")
    write(d + "/rc", rc)
    write(d + "/newsrc", "misc.test:\nmisc.other:\n")
    return Screen("neomutt -F %s/rc -G" % d, {"HOME": d, "EDITOR": edit})


def neomutt(way):
    if not have("neomutt", "tmux"):
        return "skip"
    s = Room("neomutt", way)
    t = start(s, s.password)
    asked = [("^Newsgroups: [a-z.]*$", ["Enter"]), ("Followup-To: *$", ["Enter"]), ("Update encoding", ["y"]), ("Include message|Empty subject", ["y"])]
    try:
        t.see("misc.test", "Testing", "misc.other", "Other things")
        s.logged_in()
        t.press(["Down"], lambda: at(t, "misc.test"), "misc.test")
        t.keys("Enter")
        t.see("misc.test [Msgs:13", "A letter to read", SHOWN, RAW, "in both groups")
        # reading, and searching
        t.keys("Home")
        t.rest()
        t.keys("Enter")
        t.see("What everybody shall show.", ".a dot at the beginning")
        t.keys("q")
        t.see("in both groups")
        t.keys("/")
        t.see("Search for")
        t.type("Gr\xfc\xdfe")
        t.keys("Enter")
        t.gone("Search for")
        t.keys("Enter")
        t.see("Subject: " + SHOWN, SHOWN + " f\xfcr alle")
        t.keys("q")
        t.see("in both groups")
        # posting: first where it cannot go
        compose(t, asked, "P", "no.such.group", "Gr\xfc\xdfe von NeoMutt")
        t.answer(asked, lambda: "Can't post article: 441 No valid newsgroups" in t.text(), "the refusal")
        t.keys("q")
        t.answer([("ostpone|Save", ["n"])], lambda: "in both groups" in t.text(), "the index")
        compose(t, asked, "P", "misc.test", "Gr\xfc\xdfe von NeoMutt")
        t.answer(asked, lambda: "in both groups" in t.text() and "y:Send" not in t.text(), "the post")
        a = s.posted("Gr\xfc\xdfe von NeoMutt", screen=t)
        assert b"Words from neomutt.\r\n" in a, a
        # following up
        t.keys("Home")
        t.rest()
        t.keys("Enter")
        t.see("What everybody shall show.")
        compose(t, asked, "F", None, None)
        t.answer(asked, lambda: "y:Send" not in t.text(), "the answer")
        a = s.followed_up("Re: A letter to read", s.mids[0], t)
        assert b"> What everybody shall show.\r\n> .a dot" in a and b"Words from neomutt." in a, a
    finally:
        t.end()
    s.stop()


def at(t, word):
    """Does the arrow point at the line with the word?"""
    return any(l.startswith("->") and word in l for l in t.text().splitlines())


def compose(t, asked, key, group, subject):
    """Up to the menu that sends, and send."""
    t.keys(key)
    if group:
        t.see("Newsgroups: ")
        t.keys("C-u")
        t.type(group)
        t.keys("Enter")
    t.answer(asked, lambda: t.last().startswith("Subject:") or "y:Send" in t.text(), "the question for the subject")
    if subject:
        t.type(subject)
    if "y:Send" not in t.text():
        t.keys("Enter")
    t.answer(asked, lambda: "y:Send" in t.text(), "the menu that sends")
    t.rest()
    t.keys("y")


def neomutt_reads_and_posts():
    return neomutt("open")


def neomutt_logs_in_reads_and_posts():
    return neomutt("login")


def neomutt_goes_over_to_tls_and_logs_in():
    return neomutt("starttls")


def neomutt_tells_a_wrong_password():
    if not have("neomutt", "tmux"):
        return "skip"
    s = Room("neomutt", "starttls", articles=False)
    t = start(s, WRONG)
    try:
        t.see("USER authentication failed", "It has ended.")
        s.refused()
    finally:
        t.end()
    s.stop()


if __name__ == "__main__":
    main([neomutt_reads_and_posts, neomutt_logs_in_reads_and_posts, neomutt_goes_over_to_tls_and_logs_in, neomutt_tells_a_wrong_password])

"""Gnus (Emacs), driven in tmux as a person would: it lists, reads, searches, posts, follows up and cancels; what it
shows is checked."""
from readers import *
from screen import Screen

HOW = {"open": "nntp-open-network-stream", "login": "nntp-open-network-stream", "starttls": "nntp-open-network-stream", "tls": "nntp-open-tls-stream"}


def start(s, password):
    d = home("gnus")
    if password:
        write(d + "/authinfo", "machine 127.0.0.1 login %s password %s force yes\n" % (USER, password))
    write(d + "/init.el", """(setq user-full-name "Joe" user-mail-address "joe@example.com" gnus-home-directory "%(d)s/" message-directory "%(d)s/"
  gnus-select-method '(nntp "127.0.0.1" (nntp-port-number %(port)d) (nntp-address "127.0.0.1") (nntp-open-connection-function %(how)s))
  gnus-novice-user nil gnus-expert-user t gnus-read-active-file t gnus-interactive-exit nil gnus-save-newsrc-file nil gnus-startup-file "%(d)s/newsrc"
  gnus-agent nil inhibit-startup-screen t gnus-large-newsgroup nil gnus-show-threads nil gnus-auto-select-first nil
  auth-sources '("%(d)s/authinfo") nntp-authinfo-file "%(d)s/authinfo" gnutls-trustfiles '("%(ca)s") network-security-level 'medium
  gnutls-verify-error nil nsm-settings-file "%(d)s/nsm" message-signature nil message-confirm-send nil make-backup-files nil
  gnus-group-line-format "%%y:%%g %%C\\n" message-auto-save-directory nil auto-save-default nil gnus-inhibit-startup-message t
  canlock-password "its own secret" canlock-password-for-verify "its own secret" message-insert-canlock t message-kill-buffer-on-exit t
  gnus-message-archive-group nil message-shoot-gnksa-feet t mail-host-address "gnus.example" message-user-fqdn "gnus.example")
(prefer-coding-system 'utf-8)
(defalias 'yes-or-no-p 'y-or-n-p)
""" % dict(d=d, port=s.port, how=HOW[s.way], ca=s.ca))
    write(d + "/newsrc", "misc.test:\nmisc.other:\n")
    return Screen("emacs -nw -Q -l %s/init.el -f gnus" % d, {"HOME": d}, width=140)


def enter(t, s, n):
    """From the groups into misc.test, which has n articles for us."""
    t.see("%d:misc.test" % n)
    t.keys("M-<", "Enter")
    t.see("Gnus: m.test [0] {%d more}" % n)
    t.rest()


def find(t, subject, *whats):
    """Show only articles with the subject, and open the first."""
    t.keys("/", "s")
    t.see("Limit to subject")
    t.type(subject)
    t.keys("Enter")
    t.gone("Limit to subject")
    t.keys("M-<", "Enter")
    t.see(*whats)


def send(t, words):
    t.see("text follows this line")
    t.keys("M->")
    t.type(words)
    t.see(words)
    t.keys("C-c", "C-c")
    t.gone("text follows this line")


def gnus(way):
    if not have("emacs", "tmux"):
        return "skip"
    s = Room("gnus", way)
    t = start(s, s.password)
    try:
        t.answer([("Continue connecting", ["s"])], lambda: "misc.test" in t.text(), "the groups")
        t.see("13:misc.test", "1:misc.other")
        s.logged_in()
        enter(t, s, 13)
        t.see("A letter to read", SHOWN, RAW, "in both groups")
        # reading, and searching
        t.keys("M-<", "Enter")
        t.see("What everybody shall show.", ".a dot at the beginning")
        find(t, "Gr\xfc\xdfe", "Subject: " + SHOWN, SHOWN + " f\xfcr alle")
        t.keys("/", "w")
        t.see("in both groups")
        find(t, "in both", "Newsgroups: misc.test, misc.other", "stored once.")
        t.keys("/", "w")
        t.see("number 9")
        # posting
        t.keys("a")
        t.see("unsent posting on misc.test", "Subject:")
        t.type("Gr\xfc\xdfe von Gnus")
        send(t, "Words from Gnus.")
        a = s.posted("Gr\xfc\xdfe von Gnus", screen=t)
        assert a.endswith(b"\r\n\r\nWords from Gnus.\r\n"), a
        mine = header(a, "Message-ID")
        assert "gnus.example" in mine and len(header(a, "Cancel-Lock").split()) >= (3 if s.login else 1), a       # its own, and ours
        # following up
        t.keys("M-<", "Enter")
        t.see("What everybody shall show.")
        t.keys("F")
        t.see("> What everybody shall show.")
        send(t, "Words to a letter.")
        a = s.followed_up("Re: A letter to read", s.mids[0], t)
        assert b"> What everybody shall show." in a and b"Words to a letter." in a, a
        # cancelling
        t.keys("q")
        t.see("Gnus: *Group*")
        t.keys("g")
        t.press(["g"], lambda: re.search(r" *[0-9]+:misc.test", t.text()), "the groups again")
        t.rest()
        t.keys("M-<", "Enter")
        t.see("von Gnus")
        find(t, "von Gnus", "Words from Gnus.")
        t.keys("C")
        t.answer([("cancel", ["y"])], lambda: s.c.cmd("STAT " + mine).startswith("430"), "the cancel")
        s.cancelled(mine, t)
    finally:
        t.end()
    s.stop()


def gnus_reads_posts_and_cancels():
    return gnus("open")


def gnus_logs_in_reads_posts_and_cancels():
    return gnus("login")


def gnus_goes_over_to_tls_and_logs_in():
    return gnus("starttls")


def gnus_logs_in_under_tls():
    return gnus("tls")


def gnus_tells_a_wrong_password():
    if not have("emacs", "tmux"):
        return "skip"
    s = Room("gnus", "tls", articles=False)
    t = start(s, WRONG)
    try:
        t.answer([("Continue connecting", ["s"])], lambda: "481" in t.text() or "enied" in t.text(), "the refusal")
        s.refused()
    finally:
        t.end()
    s.stop()


if __name__ == "__main__":
    main([gnus_reads_posts_and_cancels, gnus_logs_in_reads_posts_and_cancels, gnus_goes_over_to_tls_and_logs_in, gnus_logs_in_under_tls,
          gnus_tells_a_wrong_password])

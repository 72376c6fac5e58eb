"""slrn, driven in tmux as a person would: subscribes, reads and posts; what it shows is checked."""
import shutil

from inn import *
from screen import Screen


def slrn_subscribes_reads_and_posts():
    if not (shutil.which("slrn") and shutil.which("tmux")):
        return "skip"
    site = Site("slrn.test", groups=["misc.test y Testing", "misc.other y Other things"]).start()
    c = site.client()
    mid, wire = make_article(Subject="A letter to read", body="What slrn shall show.\r\n..dotted\r\n")
    assert c.takethis(mid, wire).startswith("239")
    home = os.path.join(tmp(), "home")
    os.makedirs(home)
    edit = os.path.join(home, "edit")
    with open(edit, "w") as f:
        f.write("#!/bin/sh\nsed -i 's/^Subject:.*/Subject: Posted by slrn/' \"$1\"\necho 'Words from slrn.' >> \"$1\"\n")
    os.chmod(edit, 0o755)
    with open(home + "/.slrnrc", "w") as f:
        f.write('set editor_command "%s %%s"\nset username "joe"\nset hostname "example.com"\nset realname "Joe"\n'
                'set signature ""\nset auto_mark_article_as_read 0\n' % edit)
    s = Screen("slrn -i %s/.slrnrc -f %s/newsrc --create; sleep 100" % (home, home),
               {"HOME": home, "NNTPSERVER": "127.0.0.1:%d" % site.port, "LC_ALL": "C.UTF-8"})
    try:
        s.see("misc.test")                # a new user is shown all groups
        for _ in range(6):                # stand on misc.test, subscribe, enter
            if s_at(s, "misc.test"):
                break
            s.keys("Down")
            time.sleep(0.3)
        s.keys("s")
        s.keys("Enter")
        s.see("A letter to read")
        s.keys("Enter")
        s.see("What slrn shall show.")
        s.see(".dotted")
        s.keys("P")                       # post
        time.sleep(1)
        for _ in range(20):               # answer slrn's questions one by one
            asked = (s.text().rstrip().splitlines() or [""])[-1]
            if asked.startswith("Newsgroup"):
                s.keys("Enter")
            elif asked.startswith("Subject"):
                s.keys("Posted by slrn", "Enter")
            elif "sure" in asked or "Post the message" in asked or "[Y]es" in asked:
                s.keys("y")
            if c.cmd("GROUP misc.test").split()[1] == "2":
                break
            time.sleep(0.5)
        wait_for("the post to arrive; slrn shows:\n" + s.text(), lambda: c.cmd("GROUP misc.test").split()[1] == "2", 10)
        a = c.article(2)
        assert header(a, "Subject") == "Posted by slrn", a
        assert b"Words from slrn." in a
        assert header(a, "Message-ID") and header(a, "Date") and ".POSTED" in header(a, "Path")
    finally:
        s.end()
    site.stop()


def s_at(screen, word):
    """Does slrn's arrow point at the line that holds the word?"""
    return any(l.startswith("->") and word in l for l in screen.text().splitlines())


if __name__ == "__main__":
    main([slrn_subscribes_reads_and_posts])

"""Newsreaders and tools from Debian's packages, against a site: they list, search, read, post, follow up,
cancel; what they show or keep is checked, not only that they end well."""
import glob
import re
import shutil
import textwrap

from inn import *
from screen import Screen

BODY = "What everybody shall show.\r\n.a dot at the beginning\r\ncaf\xe9 in Latin-1\r\n"


def have(*programs):
    return all(shutil.which(p) for p in programs)


def home(name):
    d = os.path.join(tmp(), "home-" + name)
    os.makedirs(d, exist_ok=True)
    return d


def site_with_articles(name):
    """A site with two groups; ten articles in misc.test, the first with a letter to read."""
    s = Site(name, groups=["misc.test y Testing", "misc.other y Other things"]).start()
    c = s.client()
    mids = []
    for i in range(10):
        mid, wire = make_article(Subject="A letter to read" if i == 0 else "number %d" % i, body=BODY if i == 0 else "body %d\r\n" % i)
        assert c.takethis(mid, wire).startswith("239")
        mids.append(mid)
    c.close()
    return s, mids


def run(words, input=None, env=None, seconds=60, ok=(0,)):
    r = subprocess.run(words, input=input, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=dict(os.environ, **(env or {})),
                       timeout=seconds * SLOW)
    out = r.stdout.decode("utf-8", "replace")
    assert r.returncode in ok, "%s ended with %d:\n%s" % (" ".join(words), r.returncode, out[-3000:])
    return out


def posted(site, n, subject):
    """Article n of misc.test, when it has come."""
    c = site.client()
    c.cmd("GROUP misc.test")
    a = wait_for("article %d in misc.test" % n, lambda: c.article(n), 20)
    c.close()
    assert header(a, "Subject") == subject, a
    assert header(a, "Message-ID") and header(a, "Date") and ".POSTED" in header(a, "Path"), a
    return a


def alpine_reads_a_group():
    if not have("alpine", "tmux"):
        return "skip"
    s, mids = site_with_articles("alpine.test")
    d = home("alpine")
    with open(d + "/pinerc", "w") as f:
        f.write("personal-name=Joe\nuser-domain=example.com\nnntp-server=127.0.0.1:%d/nntp\ninbox-path={127.0.0.1:%d/nntp}#news.misc.test\n"
                "last-version-used=7.0\nfeature-list=quit-without-confirm,enable-newmail-in-xterm-icon\n" % (s.port, s.port))
    t = Screen("alpine -p %s/pinerc -i; sleep 100" % d, {"HOME": d, "LC_ALL": "C.UTF-8"})
    try:
        wait_for("the letter in alpine's index", lambda: nag_alpine(t, "A letter to read"), 30)
        t.keys("j", "1", "Enter")
        time.sleep(0.5)
        t.keys("Enter")
        t.see("What everybody shall show.")
    finally:
        t.end()
    s.stop()


def nag_alpine(screen, word):
    text = screen.text()
    if word in text:
        return True
    if "Create" in text or "create" in text:
        screen.keys("y")
    elif "EXIT this greeting" in text or "greeting" in text.lower():
        screen.keys("e")
    time.sleep(0.5)
    return False


TESTS = [alpine_reads_a_group]

if __name__ == "__main__":
    main(TESTS)

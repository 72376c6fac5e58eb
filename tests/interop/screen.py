"""A program on a terminal, driven as a person would (tmux): look, then press, never press and hope."""
import re

from inn import *


class Screen:
    """A program in a tmux of its own (a private socket: nobody else's sessions are touched)."""

    def __init__(self, command, env, width=110, height=40):
        self.sock = fresh_dir("tmux")
        e = dict(os.environ, **dict({"TERM": "screen", "LC_ALL": "C.UTF-8"}, **env))
        e.pop("TMUX", None)
        # when the program ends, its last words stay to be read
        subprocess.run(["tmux", "-S", self.sock, "-f", "/dev/null", "new-session", "-d", "-x", str(width), "-y", str(height),
                        command + "; echo; echo It has ended.; sleep 1000"], check=True, env=e)
        # by default a lone escape waits for half a second
        subprocess.run(["tmux", "-S", self.sock, "set-option", "-s", "escape-time", "0"], check=True)

    def text(self):
        return subprocess.run(["tmux", "-S", self.sock, "capture-pane", "-p"], stdout=subprocess.PIPE, text=True, encoding="utf-8").stdout

    def lines(self):
        """Those with text on them."""
        return [l for l in self.text().splitlines() if l.strip()]

    def last(self):
        """The lowest of them; "" while the screen is being drawn anew."""
        return (self.lines() or [""])[-1]

    def __str__(self):
        return "\n".join(self.lines())

    def at(self):
        """The line that the cursor is in."""
        y = subprocess.run(["tmux", "-S", self.sock, "display-message", "-p", "#{cursor_y}"], stdout=subprocess.PIPE, text=True).stdout
        return (self.text().split("\n") + [""] * int(y))[int(y)]

    def keys(self, *keys):
        subprocess.run(["tmux", "-S", self.sock, "send-keys"] + list(keys), check=True)

    def type(self, text):
        subprocess.run(["tmux", "-S", self.sock, "send-keys", "-l", "--", text], check=True)

    def until(self, what, fn, seconds=30):
        """Until fn() is true; what the screen shows is told when it never is."""
        try:
            return wait_for(what, fn, seconds)
        except AssertionError as e:
            raise AssertionError("%s; it shows:\n%s" % (e, self))

    def see(self, *whats):
        for w in whats:
            self.until("%r on the screen" % w, lambda: w in self.text())

    def gone(self, what):
        self.until("%r to go from the screen" % what, lambda: what not in self.text())

    def press(self, keys, fn, what):
        """Keys that are pressed again and again until fn() is true; each time the screen may come to rest first."""
        end = time.monotonic() + 30 * SLOW
        while not fn():
            if time.monotonic() > end:
                raise AssertionError("pressed %s in vain for: %s; it shows:\n%s" % (keys, what, self))
            self.keys(*keys)
            self.rest(fn)

    def rest(self, fn=lambda: False):
        """Wait for a change (half a second, or fn() at most), then until nothing changes any more."""
        last, calm, end = self.text(), 0, time.monotonic() + 0.5
        changed = False
        while calm < 3 and (changed or time.monotonic() < end) and not fn():
            time.sleep(0.03)
            now = self.text()
            changed, calm = changed or now != last, calm + 1 if now == last and changed else 0
            last = now

    def answer(self, rules, fn, what, seconds=30):
        """Until fn() is true: whenever the last lines hold the first of a rule, its second is done (keys, or a
        function).  The same question is answered again only when the screen has changed."""
        end, done = time.monotonic() + seconds * SLOW, None
        while not fn():
            if time.monotonic() > end:
                raise AssertionError("answered in vain for: %s; it shows:\n%s" % (what, self))
            text = self.text()
            if text != done:
                bottom = "\n".join(self.lines()[-4:])
                for pattern, act in rules:
                    if re.search(pattern, bottom, re.M):
                        done = text
                        act() if callable(act) else self.keys(*act)
                        break
            time.sleep(0.05)

    def end(self):
        subprocess.run(["tmux", "-S", self.sock, "kill-server"], stderr=subprocess.DEVNULL)


def editor(path, words):
    """An editor that adds a line of words to the file, its last argument; the file looks changed whatever its clock."""
    with open(path, "w") as f:
        f.write("#!/bin/sh\nfor f; do :; done\nprintf '%%s\\n' '%s' >> \"$f\"\ntouch -d '+3 seconds' \"$f\"\n" % words)
    os.chmod(path, 0o755)
    return path

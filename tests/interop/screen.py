"""A program on a terminal, driven as a person would (tmux)."""
from inn import *
from kit import tmp


class Screen:
    """A program in a tmux of its own (a private socket: nobody else's sessions are touched)."""

    def __init__(self, command, env):
        self.sock = os.path.join(tmp(), "tmux")
        e = dict(os.environ, TERM="screen", **env)
        e.pop("TMUX", None)
        subprocess.run(["tmux", "-S", self.sock, "-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "40", command],
                       check=True, env=e)

    def text(self):
        return subprocess.run(["tmux", "-S", self.sock, "capture-pane", "-p"], stdout=subprocess.PIPE, text=True).stdout

    def keys(self, *keys):
        subprocess.run(["tmux", "-S", self.sock, "send-keys"] + list(keys), check=True)

    def see(self, what):
        try:
            wait_for("%r on the screen" % what, lambda: what in self.text(), 20)
        except AssertionError as e:
            raise AssertionError("%s; it shows:\n%s" % (e, self.text()))

    def end(self):
        subprocess.run(["tmux", "-S", self.sock, "kill-server"], stderr=subprocess.DEVNULL)

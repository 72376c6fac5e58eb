"""Who may send us articles: a peer known by name, and what its block lets it do."""
from kit import *


def site(name, block, access=""):
    """A site to which 127.0.0.1 is nobody but what 'block' and 'access' say."""
    s = Site(name, peers=[block], feed=False)
    with open(s.conf) as f:
        text = f.read()
    with open(s.conf, "w") as f:
        f.write(text.replace('access "all" { from = { "*" } read = { "*" } post = { "*" } }', access))
    return s


def peer_is_known_by_the_addresses_of_its_name():
    s = site("named.test", 'peer "friend.test" { address = { "localhost" } }').start()
    c = s.client()
    assert c.cmd("CHECK <1@a.example>").startswith("238 "), "localhost is not known as the peer"
    # another name in the block counts from the reload on
    with open(s.conf) as f:
        text = f.read()
    with open(s.conf, "w") as f:
        f.write(text.replace("localhost", "nobody.invalid"))
    s.ctl("reload")
    wait_for("the old name's address to be a stranger's", lambda: s.client().greeting.startswith("502 "))
    s.stop()


main([peer_is_known_by_the_addresses_of_its_name])

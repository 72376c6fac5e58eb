"""neomutt, driven in tmux."""
from readers import *
from screen import Screen, editor


def start(s, password):
    d = home("neomutt")
    edit = editor(d + "/edit", "Words from neomutt.")
    rc = ('set news_server="news://%s127.0.0.1:%d"\nset newsrc="%s/newsrc"\nset news_cache_dir="%s/cache"\nset editor="%s"\nset folder="%s"\n'
          'set realname="Joe" from="joe@example.com" use_domain=no ssl_ca_certificates_file="/dev/null" certificate_file="%s/certs" sort=date-received\n'
          'set record="" postponed="" mbox="" spoolfile="" abort_unmodified=no copy=no nntp_listgroup=yes mark_old=no\n'
          'set ssl_starttls=%s ssl_force_tls=%s\nset sleep_time=0 net_inc=0 read_inc=0 time_inc=0 wait_key=no timeout=1 mail_check=1 nntp_poll=0\nset charset=utf-8 send_charset="utf-8" show_new_news=no catchup_newsgroup=no\n'
          % (USER + "@" if password else "", s.port, d, d, edit, d, d, "yes" if s.tls else "no", "yes" if s.tls else "no"))
    if password:
        rc += 'set nntp_user="%s" nntp_pass="%s"\n' % (USER, password)
    if s.tls:
        shutil.copy(s.ca, d + "/certs")
    write(d + "/rc", rc)
    write(d + "/newsrc", "misc.test:\nmisc.other:\n")
    return Screen("neomutt -F %s/rc -G" % d, {"HOME": d, "EDITOR": edit})

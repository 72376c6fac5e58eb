/* main.c - nntpd: arguments, configuration, start, signals, stop.
 *
 * The only place of the program that reads the configuration for the first
 * time; what is below gets it handed down.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "conf/conf.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/notify.h"
#include "lib/own.h"
#include "lib/stdfds.h"
#include "nntpd/control.h"
#include "nntpd/outside.h"
#include "nntpd/secure.h"
#include "nntpd/server.h"

#ifndef FRESHET_CONF
#define FRESHET_CONF "/etc/freshet/nntpd.conf"
#endif

struct arguments {
    const char *conf;
    const char *level;      /* NULL: as configured                     */
    bool        check;      /* -t                                      */
    bool        show;       /* -T                                      */
    bool        once;       /* -x: the words that are left             */
    char      **words;
    int         n_words;
};

static void usage(FILE *f)
{
    fputs("usage: nntpd [-c FILE] [-l LEVEL] [-t | -T | -x COMMAND [ARGUMENT ...]]\n"
          "  -c FILE   configuration (" FRESHET_CONF ")\n"
          "  -l LEVEL  log from this level on: error, warning, notice, info, debug\n"
          "  -t        check the configuration and end\n"
          "  -T        the same, and print all settings in force\n"
          "  -x        run one control command on a site that is not running\n"
          "  -V        print the version\n", f);
}

static struct arguments read_arguments(int argc, char **argv)
{
    struct arguments a = { .conf = FRESHET_CONF };
    int c;

    while ((c = getopt(argc, argv, "+c:l:tTxVh")) != -1) {
        switch (c) {
        case 'c': a.conf = optarg; break;
        case 'l': a.level = optarg; break;
        case 't': a.check = true; break;
        case 'T': a.check = a.show = true; break;
        case 'x': a.once = true; break;
        case 'V': puts("Freshet nntpd " FRESHET_VERSION); exit(0);
        case 'h': usage(stdout); exit(0);
        default: usage(stderr); exit(2);
        }
    }
    a.words = argv + optind;
    a.n_words = argc - optind;
    if (a.once != (a.n_words > 0)) {
        usage(stderr);
        exit(2);
    }
    return a;
}

/* Many peers and readers want many descriptors: take all that we may. */
static void raise_descriptor_limit(void)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
        r.rlim_cur = r.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &r);
    }
}

static void open_log(const struct conf *c, const struct arguments *a)
{
    enum log_level level = LOG_INFO;
    struct err e;

    if (log_level_read(a->level != NULL ? a->level : c->site.log_level, &level) != 0)
        die(2, "no such log level: %s", a->level != NULL ? a->level : c->site.log_level);
    /* a single command speaks to the one who typed it */
    if (log_open("nntpd", a->once ? LOG_WARNING : level, a->once ? NULL : c->site.log_file, &e) != 0)
        die(1, "%s", e.text);
}

/* -t, -T: what the configuration names is looked at as well. */
static int check(struct conf **conf, const struct arguments *a)
{
    struct buf told = { 0 }, text = { 0 };
    enum secure s = secure_make(*conf, clock_now_us(), NULL, &told);
    bool good = s == SECURE_GOOD || s == SECURE_SOON;

    outside_look(*conf, &told);
    fprintf(stderr, "%.*s", SPAN_F(buf_span(&told)));
    if (a->show) {
        conf_show(*conf, &text);
        fwrite(buf_data(&text), 1, buf_len(&text), stdout);
    } else if (good) {
        printf("%s: good\n", a->conf);
    }
    buf_fini(&told);
    buf_fini(&text);
    conf_free(conf);
    if (fflush(stdout) != 0)
        die(1, "standard output: %s", strerror(errno));
    return good ? 0 : 2;
}

/* Root's part ends here, but for the ports: all that is written, run and listened to is the site's. */
static void leave_root(const struct conf *c, const struct arguments *a)
{
    char name[64];
    struct err e;

    if (own_become(c->site.directory, !a->once && !a->check, &e) != 0)
        die(1, "%s", e.text);
    if (access(c->file, R_OK) == 0)
        return;
    fprintf(stderr, "%s: the site's user, %s, cannot read it\n", c->file, own_name(c->site.directory, name));
    exit(2);
}

/* logrotate may say SIGHUP while a large log is still being looked through: it waits for
 * who understands it (watch_signals), and does not end us. */
static void keep_hangups(void)
{
    sigset_t hup;

    sigemptyset(&hup);
    sigaddset(&hup, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &hup, NULL);
}

static void serve(struct nntpd *n)
{
    notify_say("READY=1");
    nntpd_run(n);
    notify_say("STOPPING=1");
}

int main(int argc, char **argv)
{
    struct arguments a;
    struct buf errors = { 0 };
    struct conf *conf;
    struct nntpd *n;
    struct err e;
    int status = 0;

    stdfds_open();
    a = read_arguments(argc, argv);
    if ((conf = conf_read(a.conf, &errors)) == NULL) {
        fprintf(stderr, "%.*s", SPAN_F(buf_span(&errors)));
        buf_fini(&errors);
        return 2;
    }
    buf_fini(&errors);
    leave_root(conf, &a);
    if (a.check)
        return check(&conf, &a);
    if (!a.once)
        keep_hangups();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);       /* a file-size limit is an error of write(2), not our end */
    raise_descriptor_limit();
    open_log(conf, &a);
    if (a.once && strcmp(a.words[0], "rebuild") == 0) {
        status = control_rebuild(conf, STDOUT_FILENO);
        conf_free(&conf);
        return status;
    }
    if ((n = nntpd_open(conf, !a.once, &e)) == NULL)
        die(1, "%s", e.text);
    if (a.once)
        status = control_once(n, a.words, a.n_words, STDOUT_FILENO);
    else
        serve(n);
    nntpd_close(&n);
    if (!a.once)
        log_msg(LOG_NOTICE, "stopped");
    return status;
}

/* main.c - newsctl: what the operator types, and who answers it. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf.h"
#include "ctl/ask.h"
#include "ctl/ctl.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/stdfds.h"

#ifndef FRESHET_CONF
#define FRESHET_CONF "/etc/freshet/nntpd.conf"
#endif

enum who {
    RUNNING,       /* nntpd must run                                                  */
    EITHER,        /* the running nntpd, or one started for this command              */
    STOPPED,       /* the site must not run                                           */
    FEEDER,        /* feeder's socket                                                 */
    HERE           /* newsctl itself                                                  */
};

static const struct {
    const char *words;        /* what the command begins with                         */
    enum who    who;
    int         min, max;     /* words after those                                    */
    const char *arguments, *help;
} commands[] = {
    { "init",          HERE,    0, 600, "[DIRECTORY] [--name N] [--listen A:P] [--group NAME[=TEXT]]...",
      "make a new site; without DIRECTORY, the first groups of one that is configured" },
    { "status",        RUNNING, 0, 0, "", "what nntpd is doing" },
    { "metrics",       RUNNING, 0, 0, "", "figures of nntpd and feeder, for a monitor (Prometheus' text format)" },
    { "reload",        RUNNING, 0, 0, "", "read the configuration again" },
    { "stop",          RUNNING, 0, 0, "", "end nntpd" },
    { "group list",    EITHER,  0, 1, "[WILDMAT]", "groups with their marks" },
    { "group add",     EITHER,  1, 60, "NAME [FLAG] [DESCRIPTION]", "make a group" },
    { "group change",  EITHER,  2, 60, "NAME FLAG [DESCRIPTION]", "change its flag or description" },
    { "group remove",  EITHER,  1, 1, "NAME", "remove a group (its articles stay in others)" },
    { "group import",  EITHER,  1, 2, "ACTIVE [NEWSGROUPS]", "groups from INN's files; numbers go on from their marks" },
    { "peer list",     FEEDER,  0, 0, "", "all outgoing peers" },
    { "peer show",     FEEDER,  1, 1, "NAME", "all about one" },
    { "peer test",     FEEDER,  1, 1, "NAME", "try a connection now, step by step; no article is offered" },
    { "peer invite",   HERE,    1, 60, "NAME [--address OURS]... [--groups WILDMATS] [--connect HOST:PORT] [--inn]",
      "a line for a friend to accept, our block for them" },
    { "peer accept",   HERE,    1, 60, "TOKEN|- [--address OURS]... [--groups WILDMATS]", "the block that a friend's line asks for" },
    { "peer flush",    FEEDER,  1, 1, "NAME", "connect and retry now" },
    { "peer pause",    FEEDER,  1, 1, "NAME", "send nothing for the time being" },
    { "peer resume",   FEEDER,  1, 1, "NAME", "go on" },
    { "peer refeed",   FEEDER,  2, 5, "NAME SEQUENCE|--since TIME [--group WILDMAT]", "offer again what came since" },
    { "why",           EITHER,  1, 2, "MESSAGE-ID [PEER]", "what became of an article, and why" },
    { "cancel",        EITHER,  1, 2, "MESSAGE-ID [REASON]", "remove an article" },
    { "log list",      EITHER,  0, 2, "[FROM-SEQUENCE [COUNT]]", "records of the article log" },
    { "verify",        EITHER,  0, 0, "", "compare log and indexes" },
    { "rebuild",       STOPPED, 0, 0, "", "make the indexes again from the log" },
    { "import",        EITHER,  1, 60, "FILE...", "take in rnews batches (gzip'd or not)" },
    { "export",        EITHER,  1, 2, "FILE [WILDMAT]", "write articles as an rnews batch (.gz: gzip'd)" },
    { "user add",      HERE,    1, 1, "NAME", "who may log in; the password is asked for, or read from standard input" },
    { "user passwd",   HERE,    1, 1, "NAME", "another password, likewise" },
    { "user off",      HERE,    1, 1, "NAME", "the user may not log in for the time being" },
    { "user on",       HERE,    1, 1, "NAME", "and may again" },
    { "user del",      HERE,    1, 1, "NAME", "remove the user" },
    { "user list",     HERE,    0, 0, "", "all users" },
    { "show conf",     HERE,    0, 0, "", "all settings in force" },
};
#define COMMANDS (sizeof commands / sizeof *commands)

/* The commands that begin with the word (NULL: all).  Return how many. */
static int list_commands(FILE *f, const char *word)
{
    int told = 0;

    for (size_t i = 0; i < COMMANDS; i++) {
        size_t n = word != NULL ? strlen(word) : 0;
        int wide;

        if (n > 0 && (strncmp(commands[i].words, word, n) != 0 || commands[i].words[n] != ' '))
            continue;
        wide = fprintf(f, "  %s %s", commands[i].words, commands[i].arguments);
        fprintf(f, wide > 44 ? "\n%*s%s\n" : "%*s%s\n", wide > 44 ? 46 : 46 - wide, "", commands[i].help);
        told++;
    }
    return told;
}

static void usage(FILE *f)
{
    fputs("usage: newsctl [-c FILE] [--json] COMMAND\n\n", f);
    list_commands(f, NULL);
    fputs("\nWithout -c: $FRESHET_CONF, ./nntpd.conf, ./var/nntpd.conf, " FRESHET_CONF ".\n"
          "Exit: 0 done, 1 refused or failed, 2 wrong usage, 3 the site does not run.\n", f);
}

/* No row fits: what was meant? */
static void no_such(int n, char **w)
{
    if (n == 0) {
        usage(stderr);
        return;
    }
    fprintf(stderr, "newsctl: no such command: %s%s%s\n", w[0], n > 1 ? " " : "", n > 1 ? w[1] : "");
    if (list_commands(stderr, w[0]) == 0)
        fputs("newsctl --help lists all commands\n", stderr);
}

static const char *default_conf(void)
{
    static const char *const places[] = { "nntpd.conf", "var/nntpd.conf" };
    const char *env = getenv("FRESHET_CONF");

    if (env != NULL && env[0] != '\0')
        return env;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (access(places[i], R_OK) == 0)
            return places[i];
    return FRESHET_CONF;
}

/* The row whose words the arguments begin with; *used is how many. */
static int find_command(int n, char **w, int *used)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        const char *space = strchr(commands[i].words, ' ');
        size_t first = space != NULL ? (size_t)(space - commands[i].words) : strlen(commands[i].words);

        if (n < 1 || strlen(w[0]) != first || strncmp(w[0], commands[i].words, first) != 0)
            continue;
        if (space != NULL && (n < 2 || strcmp(w[1], space + 1) != 0))
            continue;
        *used = space != NULL ? 2 : 1;
        return (int)i;
    }
    return -1;
}

/* Nobody answers: why? */
static const char *why_down(enum who who, const struct conf *c)
{
    char path[PATH_MAX], *words[] = { (char[]){ "status" } };
    bool wanted = false;

    if (who != FEEDER)
        return "the site does not run";
    for (size_t i = 0; i < c->n_peer; i++)
        wanted = wanted || c->peer[i].send || c->peer[i].pull.n > 0;
    if (!wanted)
        return "feeder does not run: no peer has send = true or pull";
    snprintf(path, sizeof path, "%s/control.sock", c->site.run_directory);
    return ask_quietly(path, 1, words) ? "feeder does not run: nntpd's log says why, and when it is started again"
                                       : "feeder does not run, and neither does the site";
}

static int ask(enum who who, const struct conf *c, int n, char **w, struct show *show)
{
    char path[PATH_MAX];
    int status;

    snprintf(path, sizeof path, "%s/%s", c->site.run_directory, who == FEEDER ? "feeder.sock" : "control.sock");
    if (who != STOPPED) {
        status = ask_socket(path, n, w, show);
        if (status != CTL_DOWN || who != EITHER) {
            if (status == CTL_DOWN)
                show_end(show, false, span_of(why_down(who, c)));
            return status;
        }
    }
    return ask_stopped(c->file, n, w, show);
}

/* Files are named from where newsctl stands, not from where nntpd does, who opens them; what
 * newsctl has open itself means something else there.  Return the first such name, or NULL. */
static const char *make_absolute(int n, char **w)
{
    for (int i = 0; i < n; i++) {
        if (strcmp(w[i], "-") == 0 || strncmp(w[i], "/dev/std", 8) == 0 || strncmp(w[i], "/dev/fd/", 8) == 0 ||
            strncmp(w[i], "/proc/self/", 11) == 0)
            return w[i];
        if (w[i][0] != '/') {
            char cwd[PATH_MAX];

            if (getcwd(cwd, sizeof cwd) != NULL)
                w[i] = xasprintf("%s/%s", cwd, w[i]);
        }
    }
    return NULL;
}

/* How many of its arguments are names of files. */
static int files_of(const char *words, int n)
{
    if (strcmp(words, "import") == 0 || strcmp(words, "group import") == 0)
        return n;
    return strcmp(words, "export") == 0 ? 1 : 0;
}

/* What newsctl does by itself. */
static int run_here(const struct conf *c, bool json, int n, char **w)
{
    struct buf text = { 0 };
    struct show *show;
    int status;

    if (strcmp(w[0], "user") == 0) {
        show = show_new(json);
        status = user_command(c, w[1], n > 2 ? w[2] : NULL, show);
        show_free(&show);
        return status;
    }
    if (strcmp(w[0], "peer") == 0) {
        show = show_new(json);
        status = invite_command(c, n - 1, w + 1, show);
        show_free(&show);
        return status;
    }
    conf_show(c, &text);
    show = show_new(json);
    if (buf_len(&text) > 0)
        show_text(show, (struct span){ buf_data(&text), buf_len(&text) - 1 });    /* its last newline comes again */
    show_end(show, true, SPAN(""));
    show_free(&show);
    buf_fini(&text);
    return CTL_OK;
}

/* What is wrong with the file, or that there is none. */
static void bad_conf(const char *file, bool json, struct span errors)
{
    static const char which[] = "newsctl: which site?  Say -c FILE, or set FRESHET_CONF; newsctl init DIRECTORY makes a new one\n";
    struct show *show = show_new(json);

    if (json)
        show_end(show, false, (struct span){ errors.p, errors.n > 0 ? errors.n - 1 : 0 });
    else
        fprintf(stderr, "%.*s%s", SPAN_F(errors), access(file, F_OK) != 0 ? which : "");
    show_free(&show);
}

/* The file has errors, perhaps because it is being edited: a site that runs is asked and stopped, and its
 * users are changed, all the same.  NULL: this is not for such a file, or nothing runs. */
static struct conf *conf_of_running(const char *file, int row)
{
    char path[PATH_MAX], *words[] = { (char[]){ "status" } };
    const char *w = commands[row].words;
    struct conf *c;

    if (commands[row].who == STOPPED || strcmp(w, "reload") == 0 || (commands[row].who == HERE && strncmp(w, "user ", 5) != 0) ||
        (c = conf_read_rest(file)) == NULL)
        return NULL;
    snprintf(path, sizeof path, "%s/control.sock", c->site.run_directory);
    if (!ask_quietly(path, 1, words))
        conf_free(&c);
    return c;
}

/* NULL: what is wrong with it has been told. */
static struct conf *read_conf(const char *file, bool json, int row)
{
    struct buf errors = { 0 };
    struct conf *c = conf_read(file, &errors);

    if (c == NULL && (c = conf_of_running(file, row)) != NULL)
        fprintf(stderr, "%.*snewsctl: these are errors of the file; the site that runs is asked all the same\n", SPAN_F(buf_span(&errors)));
    else if (c == NULL)
        bad_conf(file, json, buf_span(&errors));
    buf_fini(&errors);
    return c;
}

static int run(const char *file, bool json, int row, int n, char **w, int used)
{
    struct conf *c = read_conf(file, json, row);
    struct show *show;
    int status = CTL_OK;

    if (c == NULL)
        return CTL_USAGE;
    if (commands[row].who == HERE) {
        status = run_here(c, json, n, w);
    } else {
        const char *ours = make_absolute(files_of(commands[row].words, n - used), w + used);

        show = show_new(json);
        if (strcmp(commands[row].words, "peer test") == 0)
            show_live(show);
        if (ours == NULL)
            status = ask(commands[row].who, c, n, w, show);
        else
            status = show_no(show, "%s: nntpd opens the file, so a name is wanted that it can open, too", ours);
        show_free(&show);
    }
    conf_free(&c);
    return status;
}

/* Who puts the answer into a file wants to know that it is all there. */
static int flushed(int status)
{
    if (fflush(stdout) == 0 && ferror(stdout) == 0)
        return status;
    fprintf(stderr, "newsctl: standard output: %s\n", strerror(errno));
    return status != CTL_OK ? status : CTL_NO;
}

int main(int argc, char **argv)
{
    const char *file = NULL;
    bool json = false;
    int i = 1, row, used = 0, left;

    stdfds_open();
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "-c") == 0 && i + 1 < argc) {
            file = argv[++i];
        } else if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else if (strcmp(argv[i], "-V") == 0) {
            puts("Freshet newsctl " FRESHET_VERSION);
            return flushed(CTL_OK);
        } else if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
            usage(stdout);
            return flushed(CTL_OK);
        } else {
            fprintf(stderr, strcmp(argv[i], "-c") == 0 ? "newsctl: %s wants a file behind it\n" :
                    "newsctl: no such option before the command: %s\n", argv[i]);
            fputs("usage: newsctl [-c FILE] [--json] COMMAND (newsctl --help lists them)\n", stderr);
            return CTL_USAGE;
        }
    }
    log_open("newsctl", LOG_WARNING, NULL, NULL);
    row = find_command(argc - i, argv + i, &used);
    left = argc - i - used;
    if (row < 0 || left < commands[row].min || left > commands[row].max) {
        if (row >= 0)
            fprintf(stderr, "usage: newsctl %s %s\n", commands[row].words, commands[row].arguments);
        else
            no_such(argc - i, argv + i);
        return CTL_USAGE;
    }
    if (strcmp(commands[row].words, "init") == 0)
        return flushed(init_site(file != NULL ? file : default_conf(), file != NULL, left, argv + i + used));
    return flushed(run(file != NULL ? file : default_conf(), json, row, argc - i, argv + i, used));
}

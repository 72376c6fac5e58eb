/* init.c - make a site: directories, configuration, first groups.
 *
 * Nothing that is there is overwritten.  The groups are made by nntpd itself
 * ("group import"), since nobody else writes a site's log.
 */
#include "ctl/ctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/conf.h"
#include "ctl/ask.h"
#include "lib/buf.h"
#include "lib/disk.h"
#include "lib/mem.h"

#define GROUPS_MOST 256

struct plan {
    const char *directory, *name, *listen;
    char       *socket;            /* of a site that may run already; else NULL       */
    struct { struct span name, description; } group[GROUPS_MOST];
    size_t n_groups;
};

static const struct { const char *name, *description; } first_groups[] = {
    { "local.general", "Talk among the people of this site" },
    { "local.test", "Try it out here" },
};

/* Where articles go that are not for people: made on every site (RFC 5537 5). */
static const struct { const char *name, *description; } service_groups[] = {
    { "control", "Control messages of no other kind" },
    { "control.cancel", "Cancel messages" },
    { "control.checkgroups", "Lists of a hierarchy's groups" },
    { "control.newgroup", "Messages that make groups" },
    { "control.rmgroup", "Messages that remove groups" },
    { "junk", "Articles in no group of this site" },
};

static int usage(void)
{
    fputs("usage: newsctl init DIRECTORY [--name NAME] [--listen ADDRESS:PORT] [--group NAME[=DESCRIPTION]]...\n"
          "       newsctl [-c FILE] init [--group NAME[=DESCRIPTION]]...\n", stderr);
    return CTL_USAGE;
}

/* The machine's full name when it has one, else one that cannot be mistaken for a real site. */
static const char *default_name(void)
{
    static char name[256];

    if (gethostname(name, sizeof name - 16) != 0 || name[0] == '\0')
        strcpy(name, "news");
    for (char *p = name; *p != '\0'; p++)
        if (!(*p == '.' || *p == '-' || (*p >= '0' && *p <= '9') || ((*p | 32) >= 'a' && (*p | 32) <= 'z')))
            *p = '-';
    if (strchr(name, '.') == NULL)
        strcat(name, ".localhost");
    return name;
}

static int read_plan(struct plan *p, int n, char **w)
{
    *p = (struct plan){ 0 };
    for (int i = 0; i < n; i++) {
        if (w[i][0] != '-') {
            if (p->directory != NULL)
                return -1;
            p->directory = w[i];
        } else if (i + 1 == n) {
            return -1;
        } else if (strcmp(w[i], "--name") == 0) {
            p->name = w[++i];
        } else if (strcmp(w[i], "--listen") == 0) {
            p->listen = w[++i];
        } else if (strcmp(w[i], "--group") == 0 && p->n_groups < GROUPS_MOST) {
            struct span s = span_of(w[++i]), name = s;

            span_next(&s, '=', &name);
            if (name.n == 0 || strcspn(name.p, " \t\n") < name.n) {
                fprintf(stderr, "newsctl: --group %s: a group's name has no blanks; its text stands behind =\n", w[i]);
                return -1;
            }
            p->group[p->n_groups].name = name;
            p->group[p->n_groups++].description = s.p != NULL ? s : SPAN("");
        } else {
            return -1;
        }
    }
    return 0;
}

static void write_conf(struct buf *b, const struct plan *p)
{
    buf_printf(b,
        "# The configuration of this site; see nntpd.conf(5).  After a change:\n"
        "#     nntpd -c THIS-FILE -t       check it\n"
        "#     newsctl -c THIS-FILE reload\n"
        "\n"
        "site \"%s\" {\n"
        "    directory = \".\"                # articles, database, cursors\n"
        "    local-groups = { \"local.*\" }   # these never leave, whatever a peer's groups say\n"
        "#   organization = \"Example forum\"\n"
        "#   complaints = \"abuse@example.org\"\n"
        "}\n"
        "\n"
        "listen \"%s\" {}\n"
        "\n"
        "# Who may read and post where.  As it stands: this machine alone.\n"
        "access \"here\" {\n"
        "    from = { \"127.0.0.0/8\", \"::1\" }\n"
        "    read = { \"*\" }\n"
        "    post = { \"*\", \"!control\", \"!control.*\", \"!junk\" }\n"
        "}\n"
        "\n"
        "# Who has logged in, from anywhere (newsctl user add NAME); passwords are taken by TLS alone, unless they\n"
        "# come from this machine: it wants tls-certificate and tls-key in the site block.\n"
        "#access \"members\" {\n"
        "#    user = { \"*\" }\n"
        "#    read = { \"*\" }\n"
        "#    post = { \"*\", \"!control\", \"!control.*\", \"!junk\" }\n"
        "#}\n"
        "\n"
        "# A peer is one block; the other side needs one that names us.\n"
        "#peer \"news.friend.net\" {\n"
        "#    address = { \"news.friend.net\" }\n"
        "#    groups  = { \"*\" }\n"
        "#    send    = true\n"
        "#    accept  = true\n"
        "#}\n", p->name, p->listen);
}

static void group_lines(const struct plan *p, struct buf *active, struct buf *newsgroups)
{
    for (size_t i = 0; i < sizeof service_groups / sizeof *service_groups; i++) {
        buf_printf(active, "%s 0 1 n\n", service_groups[i].name);
        buf_printf(newsgroups, "%s\t%s\n", service_groups[i].name, service_groups[i].description);
    }
    for (size_t i = 0; p->n_groups == 0 && p->socket == NULL && i < sizeof first_groups / sizeof *first_groups; i++) {
        buf_printf(active, "%s 0 1 y\n", first_groups[i].name);
        buf_printf(newsgroups, "%s\t%s\n", first_groups[i].name, first_groups[i].description);
    }
    for (size_t i = 0; i < p->n_groups; i++) {
        buf_printf(active, "%.*s 0 1 y\n", SPAN_F(p->group[i].name));
        if (p->group[i].description.n > 0)
            buf_printf(newsgroups, "%.*s\t%.*s\n", SPAN_F(p->group[i].name), SPAN_F(p->group[i].description));
    }
}

static int make_groups(const struct plan *p, const char *conf)
{
    struct buf active = { 0 }, newsgroups = { 0 };
    char *a = xasprintf("%s/active.new", p->directory), *n = xasprintf("%s/newsgroups.new", p->directory);
    char *words[] = { (char *)"group", (char *)"import", a, n };
    struct show *s = show_new(false);
    int status = CTL_NO;

    group_lines(p, &active, &newsgroups);
    if (disk_replace(a, buf_data(&active), buf_len(&active), 0644) == 0 &&
        disk_replace(n, buf_data(&newsgroups), buf_len(&newsgroups), 0644) == 0)
        status = p->socket != NULL ? ask_socket(p->socket, 4, words, s) : CTL_DOWN;
    else
        fprintf(stderr, "newsctl: %s: %s\n", p->directory, strerror(errno));
    if (status == CTL_DOWN)
        status = ask_stopped(conf, 4, words, s);
    (void)disk_unlink(a);
    (void)disk_unlink(n);
    buf_fini(&active);
    buf_fini(&newsgroups);
    show_free(&s);
    free(a);
    free(n);
    return status;
}

/* The configuration is there already: the groups of every site, and those that were named. */
static int init_groups(struct plan *p, const char *file)
{
    struct buf errors = { 0 };
    struct conf *c = conf_read(file, &errors);
    int status = CTL_USAGE;

    if (c == NULL) {
        fprintf(stderr, "%.*s%s", SPAN_F(buf_span(&errors)),
                access(file, F_OK) != 0 ? "newsctl: newsctl init DIRECTORY makes a new site\n" : "");
    } else {
        p->directory = c->site.directory;
        p->socket = xasprintf("%s/control.sock", c->site.run_directory);
        if (disk_mkdirs(p->directory, 0750) == 0) {
            status = make_groups(p, file);
        } else {
            fprintf(stderr, "newsctl: %s: %s\n", p->directory, strerror(errno));
            status = CTL_NO;
        }
        free(p->socket);
        conf_free(&c);
    }
    buf_fini(&errors);
    return status;
}

int init_site(const char *conf, bool given, int n, char **words)
{
    struct buf text = { 0 }, errors = { 0 };
    struct plan p;
    struct conf *c;
    char *file;
    int status = CTL_NO;

    if (read_plan(&p, n, words) != 0 || (p.directory == NULL && (p.name != NULL || p.listen != NULL)) ||
        (p.directory != NULL && given))
        return usage();
    if (p.directory == NULL)
        return init_groups(&p, conf);
    if (p.name == NULL)
        p.name = default_name();
    if (p.listen == NULL)
        p.listen = "127.0.0.1:1119";
    file = xasprintf("%s/nntpd.conf", p.directory);
    write_conf(&text, &p);
    if (access(file, F_OK) == 0) {
        fprintf(stderr, "newsctl: %s is there already; nothing was changed\n", file);
    } else if ((c = conf_read_text(file, buf_data(&text), &errors)) == NULL) {
        fprintf(stderr, "%.*s", SPAN_F(buf_span(&errors)));
    } else {
        conf_free(&c);
        if (disk_mkdirs(p.directory, 0750) != 0 || disk_replace(file, buf_data(&text), buf_len(&text), 0640) != 0)
            fprintf(stderr, "newsctl: %s: %s\n", file, strerror(errno));
        else if ((status = make_groups(&p, file)) == CTL_OK)
            printf("The site %s is in %s; it will serve on %s.\n", p.name, p.directory, p.listen);
    }
    buf_fini(&text);
    buf_fini(&errors);
    free(file);
    return status;
}

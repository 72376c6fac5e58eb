/* ctl.h - what the files of newsctl share.
 *
 * newsctl asks the running nntpd (or feeder) by its control socket; on a site
 * that is not running it starts nntpd for the one command ("nntpd -x").  It
 * never touches the site's files itself, but to make a new site and to keep the
 * users file, which is nobody else's to write.
 */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"
#include "lib/span.h"

/* Exit codes, for scripts. */
enum { CTL_OK = 0, CTL_NO = 1, CTL_USAGE = 2, CTL_DOWN = 3 };

/* ctl/show.c: answer lines, one at a time, to a table, text, JSON or a progress bar. */
struct show;
struct show *show_new(bool json);
bool show_is_json(const struct show *s);
void show_live(struct show *s);      /* rows go out as they come, in columns of a fixed width */
void show_progress(struct show *s, struct span what, unsigned long long done, unsigned long long total);
void show_columns(struct show *s, const struct span *name, size_t n);
void show_row(struct show *s, const struct span *value, size_t n);
void show_text(struct show *s, struct span text);
void show_end(struct show *s, bool good, struct span text);    /* prints what was kept; the last word */
int show_no(struct show *s, const char *fmt, ...) printf_like(2, 3);    /* show_end with why not; CTL_NO */
void show_free(struct show **s);

/* ctl/init.c: make a site.  Words: DIRECTORY [--name N] [--listen A:P] [--group NAME[=DESCRIPTION]]...
 * Without DIRECTORY: the groups of the site that 'conf' describes.  'given': somebody named 'conf'. */
int init_site(const char *conf, bool given, int n, char **words);

/* ctl/invite.c: "invite" NAME or "accept" TOKEN, with their options (newsctl.8). */
struct conf;
int invite_command(const struct conf *c, int n, char **words, struct show *show);

/* ctl/user.c: add, passwd, del, off, on (a name), list (NULL). */
int user_command(const struct conf *c, const char *verb, const char *name, struct show *show);

#endif

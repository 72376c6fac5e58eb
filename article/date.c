/* date.c - dates in articles and commands.  See date.h.
 *
 * One scanner for both readings: words, numbers and signs, comments and folds
 * passed over.  The strict reading takes what RFC 5322 has, obsolete forms
 * too; the lax one what forty years of news software wrote.
 */
#include "article/date.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *const months[] = { "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec" };
static const char *const days[] = { "sun", "mon", "tue", "wed", "thu", "fri", "sat" };

/* Names of zones: those of RFC 5322 first, then what else is met. */
static const struct { const char *name; int minutes; bool strict; } zones[] = {
    { "gmt", 0, true }, { "ut", 0, true }, { "est", -300, true }, { "edt", -240, true }, { "cst", -360, true },
    { "cdt", -300, true }, { "mst", -420, true }, { "mdt", -360, true }, { "pst", -480, true }, { "pdt", -420, true },
    { "utc", 0, false }, { "wet", 0, false }, { "west", 60, false }, { "bst", 60, false }, { "cet", 60, false },
    { "met", 60, false }, { "mez", 60, false }, { "cest", 120, false }, { "mest", 120, false }, { "mesz", 120, false },
    { "eet", 120, false }, { "eest", 180, false }, { "msk", 180, false }, { "msd", 240, false }, { "ist", 330, false },
    { "jst", 540, false }, { "kst", 540, false }, { "hkt", 480, false }, { "sgt", 480, false }, { "awst", 480, false },
    { "acst", 570, false }, { "aest", 600, false }, { "aedt", 660, false }, { "nzst", 720, false }, { "nzdt", 780, false },
    { "nst", -210, false }, { "ndt", -150, false }, { "ast", -240, false }, { "adt", -180, false },
    { "akst", -540, false }, { "akdt", -480, false }, { "hst", -600, false },
};

/* Days since 1970 of a date in the Gregorian calendar. */
static int64_t days_of(int64_t y, int m, int d)
{
    int64_t era, yoe, doy;

    y -= m <= 2;
    era = (y >= 0 ? y : y - 399) / 400;
    yoe = y - era * 400;
    doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static int month_days(int64_t y, int m)
{
    static const int n[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    return n[m - 1] + (m == 2 && ((y % 4 == 0 && y % 100 != 0) || y % 400 == 0));
}

/* Put together and check.  A leap second is taken as the next minute. */
static int make_time(int64_t y, int mon, int d, int h, int min, int s, int zone_minutes, int64_t *t)
{
    if (y < 1900 || mon < 1 || mon > 12 || d < 1 || d > month_days(y, mon) || h > 23 || min > 59 || s > 60)
        return -1;
    *t = days_of(y, mon, d) * 86400 + h * 3600 + min * 60 + s - (int64_t)zone_minutes * 60;
    /* the zone must not carry it out of what can be written again */
    return *t >= days_of(1900, 1, 1) * 86400 && *t < days_of(10000, 1, 1) * 86400 ? 0 : -1;
}

/* ---- the scanner ---- */

struct scan { struct span rest; bool lax; };

static void skip_cfws(struct scan *s)
{
    int depth = 0;

    while (s->rest.n > 0) {
        char c = s->rest.p[0];

        if (c == '\\' && depth > 0 && s->rest.n > 1)
            s->rest = span_from(s->rest, 1);
        else if (c == '(')
            depth++;
        else if (c == ')' && depth > 0)
            depth--;
        else if (depth == 0 && c != ' ' && c != '\t' && c != '\r' && c != '\n')
            return;
        s->rest = span_from(s->rest, 1);
    }
}

static bool letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static struct span take_word(struct scan *s)
{
    struct span w = { s->rest.p, 0 };

    while (w.n < s->rest.n && letter(s->rest.p[w.n]))
        w.n++;
    s->rest = span_from(s->rest, w.n);
    return w;
}

/* Up to 'most' digits; how many there were, 0: none. */
static int take_number(struct scan *s, int most, int *v)
{
    int n = 0;

    *v = 0;
    while (n < most && (size_t)n < s->rest.n && s->rest.p[n] >= '0' && s->rest.p[n] <= '9')
        *v = *v * 10 + (s->rest.p[n++] - '0');
    s->rest = span_from(s->rest, (size_t)n);
    return n;
}

static bool take_char(struct scan *s, char c)
{
    if (s->rest.n == 0 || s->rest.p[0] != c)
        return false;
    s->rest = span_from(s->rest, 1);
    return true;
}

/* Index of a name; lax: its first three letters are enough.  -1: none. */
static int name_index(struct span w, const char *const *names, int n, bool lax)
{
    if (w.n < 3 || (!lax && w.n != 3))
        return -1;
    w.n = 3;
    for (int i = 0; i < n; i++)
        if (span_ieq(w, span_of(names[i])))
            return i;
    return -1;
}

/* "Fri," in front, if any. */
static bool skip_weekday(struct scan *s)
{
    struct span w;

    if (s->rest.n == 0 || !letter(s->rest.p[0]))
        return true;
    w = take_word(s);
    if (name_index(w, days, 7, s->lax) < 0)
        return false;
    skip_cfws(s);
    if (!take_char(s, ',') && !s->lax)
        return false;
    skip_cfws(s);
    return true;
}

static bool take_year(struct scan *s, int64_t *y)
{
    int v, n = take_number(s, 4, &v);

    if (n < 2 || (s->rest.n > 0 && s->rest.p[0] >= '0' && s->rest.p[0] <= '9'))
        return false;
    *y = n == 2 ? v + (v < 50 ? 2000 : 1900) : n == 3 ? v + 1900 : v;     /* RFC 5322 4.3 */
    return true;
}

/* "20 May 2004", lax also "7-Nov-86". */
static bool take_date(struct scan *s, int64_t *y, int *mon, int *d)
{
    if (take_number(s, 2, d) == 0)
        return false;
    skip_cfws(s);
    if (s->lax && take_char(s, '-'))
        skip_cfws(s);
    if ((*mon = name_index(take_word(s), months, 12, s->lax) + 1) == 0)
        return false;
    if (s->lax)
        (void)take_char(s, '.');
    skip_cfws(s);
    if (s->lax && take_char(s, '-'))
        skip_cfws(s);
    return take_year(s, y);
}

static bool take_time(struct scan *s, int *h, int *min, int *sec)
{
    int least = s->lax ? 1 : 2;

    *sec = 0;
    if (take_number(s, 2, h) < least)
        return false;
    skip_cfws(s);
    if (!take_char(s, ':'))
        return false;
    skip_cfws(s);
    if (take_number(s, 2, min) < least)
        return false;
    skip_cfws(s);
    if (!take_char(s, ':'))
        return true;
    skip_cfws(s);
    return take_number(s, 2, sec) >= least;
}

/* "+0100": the minutes are within 59 (RFC 5322 3.3); lax: one to five digits,
 * as "GMT+2", "-500" and "+02120" are met. */
static bool take_offset(struct scan *s, int *minutes)
{
    int sign = s->rest.p[0] == '-' ? -1 : 1, v, n;

    s->rest = span_from(s->rest, 1);
    n = take_number(s, 6, &v);
    if (s->lax ? n < 1 || n > 5 : n != 4)
        return false;
    if (n <= 2)
        v *= 100;
    if (v / 100 > 99 || v % 100 > 59)
        return false;
    *minutes = sign * (v / 100 * 60 + v % 100);
    return true;
}

static bool take_zone(struct scan *s, int *minutes)
{
    struct span w;

    if (s->rest.n > 0 && (s->rest.p[0] == '+' || s->rest.p[0] == '-'))
        return take_offset(s, minutes);
    w = take_word(s);
    if (w.n == 1) {
        /* the military letters were used both ways round and say nothing (RFC 5322 4.3) */
        *minutes = 0;
        return (w.p[0] | 32) != 'j';
    }
    for (size_t i = 0; i < sizeof zones / sizeof *zones; i++) {
        if ((s->lax || zones[i].strict) && span_ieq(w, span_of(zones[i].name))) {
            *minutes = zones[i].minutes;
            if (s->lax && *minutes == 0 && s->rest.n > 0 && (s->rest.p[0] == '+' || s->rest.p[0] == '-'))
                return take_offset(s, minutes);     /* "GMT+0100" */
            return true;
        }
    }
    return false;
}

static int read_date(struct span text, bool lax, int64_t *t)
{
    struct scan s = { text, lax };
    int mon, d, h, min, sec, zone = 0;
    int64_t y;

    skip_cfws(&s);
    if (!skip_weekday(&s) || !take_date(&s, &y, &mon, &d))
        return -1;
    skip_cfws(&s);
    if (!take_time(&s, &h, &min, &sec))
        return -1;
    skip_cfws(&s);
    if (!take_zone(&s, &zone)) {
        if (!lax)
            return -1;
        zone = 0;
    }
    skip_cfws(&s);
    if (!lax && s.rest.n > 0)
        return -1;
    return make_time(y, mon, d, h, min, sec, zone, t);
}

/* "Fri Nov 20 23:56:59 2026", "Mon Feb  3 12:00:00 EST 1986": as ctime(3) and date(1) write. */
static int read_ctime(struct span text, int64_t *t)
{
    struct scan s = { text, true };
    int mon, d, h, min, sec, zone = 0;
    int64_t y;

    skip_cfws(&s);
    if (!skip_weekday(&s) || (mon = name_index(take_word(&s), months, 12, true) + 1) == 0)
        return -1;
    skip_cfws(&s);
    if (take_number(&s, 2, &d) == 0)
        return -1;
    skip_cfws(&s);
    if (!take_time(&s, &h, &min, &sec))
        return -1;
    skip_cfws(&s);
    if (s.rest.n > 0 && !(s.rest.p[0] >= '0' && s.rest.p[0] <= '9') && !take_zone(&s, &zone))
        return -1;
    skip_cfws(&s);
    return take_year(&s, &y) ? make_time(y, mon, d, h, min, sec, zone, t) : -1;
}

int date_read(struct span text, int64_t *t)
{
    return read_date(text, false, t);
}

int date_read_lax(struct span text, int64_t *t)
{
    if (read_date(text, false, t) == 0 || read_date(text, true, t) == 0)
        return 0;
    return read_ctime(text, t);
}

/* Year, month, day of days since 1970. */
static void civil(int64_t z, int64_t *y, int *m, int *d)
{
    int64_t era, doe, yoe, doy, mp;

    z += 719468;
    era = (z >= 0 ? z : z - 146096) / 146097;
    doe = z - era * 146097;
    yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    mp = (5 * doy + 2) / 153;
    *d = (int)(doy - (153 * mp + 2) / 5 + 1);
    *m = (int)(mp < 10 ? mp + 3 : mp - 9);
    *y = yoe + era * 400 + (*m <= 2);
}

/* Cut a time into days since 1970 and seconds of the day. */
static int64_t day_of(int64_t t, int *seconds)
{
    *seconds = (int)(t % 86400 + (t % 86400 < 0 ? 86400 : 0));
    return t / 86400 - (t % 86400 < 0);
}

void date_write(int64_t t, char out[DATE_TEXT_MAX])
{
    static const char *const day_name[] = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" };
    static const char *const month_name[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    int m, d, s;
    int64_t day = day_of(t, &s), y;

    civil(day, &y, &m, &d);
    snprintf(out, DATE_TEXT_MAX, "%s, %02d %s %04lld %02d:%02d:%02d +0000", day_name[(day % 7 + 7) % 7], d,
             month_name[m - 1], (long long)y, s / 3600, s / 60 % 60, s % 60);
}

void date_write_nntp(int64_t t, char out[DATE_TEXT_MAX])
{
    int m, d, s;
    int64_t day = day_of(t, &s), y;

    civil(day, &y, &m, &d);
    snprintf(out, DATE_TEXT_MAX, "%04lld%02d%02d%02d%02d%02d", (long long)y, m, d, s / 3600, s / 60 % 60, s % 60);
}

int date_read_nntp(struct span date, struct span time, int64_t now, int64_t *t)
{
    uint64_t d, h, y;
    int64_t this_year;
    int m, day;

    if ((date.n != 6 && date.n != 8) || time.n != 6 || span_u64(date, &d) != 0 || span_u64(time, &h) != 0)
        return -1;
    y = d / 10000;
    if (date.n == 6) {                  /* RFC 3977 7.3.2: this century unless the year is to come */
        civil(now / 86400, &this_year, &m, &day);
        y += (uint64_t)(this_year / 100 * 100);
        if ((int64_t)y > this_year)
            y -= 100;
    }
    return make_time((int64_t)y, (int)(d / 100 % 100), (int)(d % 100), (int)(h / 10000), (int)(h / 100 % 100),
                     (int)(h % 100), 0, t);
}

/* groups.c - newsgroup names and lists of them.  See groups.h. */
#include "article/groups.h"

#include "article/wildmat.h"

#define DISTRIBUTION_MOST 128

static bool component_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '-' ||
           c == '_';
}

bool group_name_valid(struct span name)
{
    bool inside = false;

    if (name.n == 0 || name.n > GROUP_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.n; i++) {
        if (component_char(name.p[i]))
            inside = true;
        else if (name.p[i] == '.' && inside)
            inside = false;
        else
            return false;
    }
    return inside;
}

static bool separates(char c)
{
    return c == ',' || c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool groups_next(struct span list, size_t *at, struct span *name)
{
    size_t i = *at;

    while (i < list.n && separates(list.p[i]))
        i++;
    *at = i;
    *name = (struct span){ NULL, 0 };
    if (i == list.n)
        return false;
    name->p = list.p + i;
    while (i < list.n && !separates(list.p[i]))
        i++;
    name->n = (size_t)(list.p + i - name->p);
    *at = i;
    return true;
}

size_t groups_count(struct span list)
{
    struct span name;
    size_t at = 0, n = 0;

    while (groups_next(list, &at, &name))
        n++;
    return n;
}

/* A long one is cut: nobody's rules are that long. */
static struct span lower(struct span s, char out[DISTRIBUTION_MOST])
{
    size_t n = s.n < DISTRIBUTION_MOST ? s.n : DISTRIBUTION_MOST;

    for (size_t i = 0; i < n; i++)
        out[i] = s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] | 32) : s.p[i];
    return (struct span){ out, n };
}

static bool value_wanted(char *const *rule, size_t n, struct span value)
{
    char a[DISTRIBUTION_MOST], b[DISTRIBUTION_MOST];
    bool some_not = false;

    for (size_t i = 0; i < n; i++)
        some_not |= rule[i][0] == '!';
    while (n-- > 0) {
        bool not = rule[n][0] == '!';

        if (wildmat_simple(lower(value, a), lower(span_of(rule[n] + not), b)))
            return !not;
    }
    return some_not;
}

bool distribution_wanted(char *const *rule, size_t n, struct span values)
{
    struct span value;
    size_t at = 0;

    if (n == 0 || groups_count(values) == 0)
        return true;
    while (groups_next(values, &at, &value))
        if (value_wanted(rule, n, value))
            return true;
    return false;
}

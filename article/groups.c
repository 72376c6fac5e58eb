/* groups.c - newsgroup names and lists of them.  See groups.h. */
#include "article/groups.h"

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
    name->p = list.p + i;
    while (i < list.n && !separates(list.p[i]))
        i++;
    name->n = (size_t)(list.p + i - name->p);
    *at = i;
    return name->n > 0;
}

size_t groups_count(struct span list)
{
    struct span name;
    size_t at = 0, n = 0;

    while (groups_next(list, &at, &name))
        n++;
    return n;
}

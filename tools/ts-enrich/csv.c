/* SPDX-License-Identifier: MIT */
/* Reading CSV in place. */
#include "csv.h"

#include <strings.h>

/* A cell in quotes; c->p is after the opening one and comes to stand after the closing one. */
static int quoted(struct csv *c, struct slice *cell, struct fault *why)
{
    char *to = c->p;

    *cell = (struct slice){c->p, 0};
    for (; c->p < c->end; c->p++) {
        if (*c->p == '"' && (c->p + 1 == c->end || c->p[1] != '"'))
            break;
        c->p += *c->p == '"';
        c->next += *c->p == '\n';
        *to++ = *c->p;
    }
    if (c->p == c->end)
        return fault_set(why, EX_CONFIG, "%s:%u: a quote \" is never closed", c->path, c->line);
    c->p++;
    cell->n = (size_t)(to - cell->p);
    return 0;
}

static void plain(struct csv *c, struct slice *cell)
{
    *cell = (struct slice){c->p, 0};
    while (c->p < c->end && *c->p != c->separator && *c->p != '\n' &&
           !(*c->p == '\r' && (c->p + 1 == c->end || c->p[1] == '\n')))
        c->p++;
    cell->n = (size_t)(c->p - cell->p);
}

/* Steps over what ends a cell: 1 for a separator, 0 for the end of the row. */
static int cell_end(struct csv *c, struct fault *why)
{
    if (c->p < c->end && *c->p == c->separator) {
        c->p++;
        return 1;
    }
    if (c->p < c->end && *c->p == '\r')
        c->p++;
    if (c->p < c->end && *c->p != '\n')
        return fault_set(why, EX_CONFIG,
            "%s:%u: text after a closing quote: write a quote inside quotes twice", c->path,
            c->line);
    c->p += c->p < c->end;
    c->next++;
    return 0;
}

void csv_start(struct csv *c)
{
    static const char known[] = ",;\t";
    size_t count[sizeof known - 1] = {0}, best = 0;
    bool quoted = false;

    c->next = 1;
    while (c->p < c->end && (*c->p == '\n' || *c->p == '\r'))
        c->next += *c->p++ == '\n';
    if (c->end - c->p > 5 && strncasecmp(c->p, "sep=", 4) == 0 &&
        (c->p[5] == '\n' || c->p[5] == '\r')) {
        c->separator = c->p[4];
        c->p += 5;
        return;
    }
    for (const char *p = c->p; p < c->end && (quoted || *p != '\n'); p++) {
        const char *at = quoted || *p == '\0' ? NULL : strchr(known, *p);

        quoted ^= *p == '"';
        if (at)
            count[at - known]++;
    }
    for (size_t i = 1; i < sizeof known - 1; i++)
        if (count[i] > count[best])
            best = i;
    c->separator = known[best];
}

int csv_row(struct csv *c, struct slice cells[CSV_COLUMNS_MAX], unsigned *count, struct fault *why)
{
    int more = 1;

    while (c->p < c->end && (*c->p == '\n' || *c->p == '\r')) {
        c->next += *c->p == '\n';
        c->p++;
    }
    if (c->p == c->end)
        return 0;
    c->line = c->next;
    for (*count = 0; more > 0; ++*count) {
        if (*count == CSV_COLUMNS_MAX)
            return fault_set(
                why, EX_CONFIG, "%s:%u: more than %d columns", c->path, c->line, CSV_COLUMNS_MAX);
        if (c->p < c->end && *c->p == '"') {
            c->p++;
            if (quoted(c, &cells[*count], why) < 0)
                return -1;
        } else {
            plain(c, &cells[*count]);
        }
        more = cell_end(c, why);
    }
    return more < 0 ? -1 : 1;
}

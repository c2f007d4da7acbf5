/* SPDX-License-Identifier: MIT */
/* Stretches with something missing, and the numbers seen in each. */
#include "missing.h"

#include <stdlib.h>

#include "buf.h"
#include "ranges.h"

struct stretch {
    struct slice device, day; /* owned */
    struct gap gap;
    struct ranges seen;
};

struct missing {
    struct stretch *at;
    size_t count, cap;
};

struct missing *missing_new(void)
{
    struct missing *m = mem_alloc(sizeof *m);

    *m = (struct missing){0};
    return m;
}

void missing_free(struct missing *m)
{
    for (size_t i = 0; m && i < m->count; i++) {
        free((char *)m->at[i].device.p);
        free((char *)m->at[i].day.p);
        ranges_free(&m->at[i].seen);
    }
    if (m)
        free(m->at);
    free(m);
}

static struct slice copy(struct slice text)
{
    return text.p ? (struct slice){mem_text(text), text.n} : SLICE_NONE;
}

void missing_add(struct missing *m, struct slice device, struct slice day, const struct gap *gap)
{
    if (m->count == m->cap) {
        m->cap = m->cap ? m->cap * 2 : 64;
        m->at = mem_resize(m->at, m->cap * sizeof *m->at);
    }
    m->at[m->count++] = (struct stretch){copy(device), copy(day), *gap, {0}};
}

/* Whether all of it is missing. */
static bool exact(const struct stretch *s)
{
    return s->gap.count - 1 == s->gap.last - s->gap.first;
}

bool missing_needs_lines(const struct missing *m)
{
    for (size_t i = 0; i < m->count; i++)
        if (!exact(&m->at[i]))
            return true;
    return false;
}

/* Bytewise, as the store sorts. */
static int order(struct slice a, struct slice b)
{
    int c = memcmp(a.n ? a.p : "", b.n ? b.p : "", a.n < b.n ? a.n : b.n);

    return c ? c : (a.n > b.n) - (a.n < b.n);
}

static size_t first_of(const struct missing *m, struct slice device)
{
    size_t low = 0, high = m->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (order(m->at[middle].device, device) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void missing_seen(struct missing *m, struct slice device, int64_t serial)
{
    for (size_t i = first_of(m, device); i < m->count; i++) {
        struct stretch *s = &m->at[i];

        if (!slice_eq(s->device, device))
            return;
        if (serial >= s->gap.first && serial <= s->gap.last && !exact(s))
            ranges_add(&s->seen, (uint64_t)serial, (uint64_t)serial);
    }
}

/* The n-th hole between what was seen. */
static void hole(const struct stretch *s, size_t n, struct missing_row *row)
{
    row->first = n == 0 ? s->gap.first : (int64_t)s->seen.at[n - 1].last + 1;
    row->last = n == s->seen.count ? s->gap.last : (int64_t)s->seen.at[n].first - 1;
    row->count = row->last - row->first + 1;
}

/* Not more than are missing: then no line is gone, and each hole is one. */
static bool holes_fit(const struct stretch *s)
{
    struct missing_row row;
    int64_t left = s->gap.count;

    for (size_t n = 0; n <= s->seen.count && left >= 0; n++) {
        hole(s, n, &row);
        left -= row.last >= row.first ? row.count : 0;
    }
    return left >= 0;
}

int missing_each(
    const struct missing *m, int (*each)(void *arg, const struct missing_row *row), void *arg)
{
    for (size_t i = 0; i < m->count; i++) {
        const struct stretch *s = &m->at[i];
        struct missing_row row = {
            s->device, s->day, s->gap.first, s->gap.last, s->gap.count, exact(s)};

        if (exact(s) || !holes_fit(s)) {
            if (each(arg, &row) < 0)
                return -1;
            continue;
        }
        row.exact = true;
        for (size_t n = 0; n <= s->seen.count; n++) {
            hole(s, n, &row);
            if (row.last >= row.first && each(arg, &row) < 0)
                return -1;
        }
    }
    return 0;
}

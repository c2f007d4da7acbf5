/* SPDX-License-Identifier: MIT */
/* A sorted list of holes in a fixed place. */
#include "serials.h"

#include <string.h>

void serials_begin(struct serials *s, int64_t top)
{
    *s = (struct serials){.top = top};
}

/* The hole with n in it, or `count`. */
static unsigned find(const struct serials *s, int64_t n)
{
    unsigned i = 0;

    while (i < s->count && (n < s->hole[i].first || n > s->hole[i].last))
        i++;
    return i;
}

bool serials_have(const struct serials *s, int64_t n)
{
    return n <= s->top && find(s, n) == s->count;
}

static void take_out(struct serials *s, unsigned i)
{
    memmove(&s->hole[i], &s->hole[i + 1], (--s->count - i) * sizeof *s->hole);
}

/* Makes room at i.  Where there is none, the hole before it takes in this one. */
static void put_in(struct serials *s, unsigned i, struct serials_hole hole)
{
    if (s->count == SERIALS_HOLES) {
        s->hole[i - 1].last = hole.last;
        return;
    }
    memmove(&s->hole[i + 1], &s->hole[i], (s->count++ - i) * sizeof *s->hole);
    s->hole[i] = hole;
}

void serials_reach(struct serials *s, int64_t n)
{
    if (s->top >= 0 && n > s->top)
        put_in(s, s->count, (struct serials_hole){s->top + 1, n});
    if (n > s->top)
        s->top = n;
}

void serials_add(struct serials *s, int64_t n)
{
    struct serials_hole *hole;
    unsigned i;

    if (n > s->top) {
        if (n > s->top + 1)
            serials_reach(s, n - 1);
        s->top = n;
        return;
    }
    i = find(s, n);
    if (i == s->count)
        return;
    hole = &s->hole[i];
    if (hole->first == hole->last) {
        take_out(s, i);
    } else if (n == hole->first) {
        hole->first++;
    } else if (n == hole->last) {
        hole->last--;
    } else {
        struct serials_hole rest = {n + 1, hole->last};

        hole->last = n - 1;
        put_in(s, i + 1, rest);
    }
}

void serials_forget(struct serials *s, int64_t n)
{
    while (s->count > 0 && s->hole[0].first < n) {
        if (s->hole[0].last >= n) {
            s->hole[0].first = n;
            return;
        }
        take_out(s, 0);
    }
}

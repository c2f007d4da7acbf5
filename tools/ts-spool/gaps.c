/* SPDX-License-Identifier: MIT */
/* Clusters of overlapping days, in runs between two restarts of the counter. */
#include "gaps.h"

#include <stdlib.h>
#include <string.h>

#include "buf.h"

#define ODD_RUN SIZE_MAX /* of a day that fits nowhere: it counts alone */

struct cluster {
    int64_t first, last, serials;
    int64_t missing; /* not yet told to a day */
    bool told;       /* what is missing before it was */
};

/* Sorted, and apart from each other. */
struct run {
    struct cluster *at;
    size_t count, cap, number;
};

/* A hostile or broken counter must not overflow the sums. */
static int64_t plus(int64_t a, int64_t b)
{
    return a > INT64_MAX - b ? INT64_MAX : a + b;
}

static int64_t span(int64_t first, int64_t last)
{
    return last < first ? 0 : plus(last - first, 1);
}

static int64_t less(int64_t a, int64_t b)
{
    return a > b ? a - b : 0;
}

/* The first cluster that does not end below n. */
static size_t find(const struct run *r, int64_t n)
{
    size_t low = 0, high = r->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (r->at[middle].last < n)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Puts one cluster in the place of `gone` others. */
static void replace(struct run *r, size_t at, size_t gone, struct cluster c)
{
    if (r->count == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 64;
        r->at = mem_resize(r->at, r->cap * sizeof *r->at);
    }
    memmove(&r->at[at + 1], &r->at[at + gone], (r->count - at - gone) * sizeof *r->at);
    r->at[at] = c;
    r->count = r->count + 1 - gone;
}

/* Whether an odd day that overlaps nothing is in its place: between others, or next to them. */
static bool odd_fits(const struct run *r, size_t at, const struct gap_day *d)
{
    if (at > 0 && at < r->count)
        return true;
    return r->count == 0 ||
           (at == 0 ? r->at[0].first - 1 == d->last : plus(r->at[at - 1].last, 1) == d->first);
}

/* False: the day cannot belong to this run. */
static bool place(struct run *r, const struct gap_day *d)
{
    struct cluster c = {d->first, d->last, d->serials, 0, false};
    size_t from = find(r, d->first), to = from;

    for (; to < r->count && r->at[to].first <= d->last; to++) {
        c.first = r->at[to].first < c.first ? r->at[to].first : c.first;
        c.last = r->at[to].last > c.last ? r->at[to].last : c.last;
        c.serials = plus(c.serials, r->at[to].serials);
    }
    if (to > from && c.serials > span(c.first, c.last))
        return false;
    if (to == from && d->odd && !odd_fits(r, from, d))
        return false;
    if (to == from && !d->odd && from == 0 && r->count > 0)
        return false;
    replace(r, from, to - from, c);
    return true;
}

/* Tells the days of a cluster what is missing in them: no more than they can miss. */
static void tell_day(struct run *r, struct gap_day *d)
{
    size_t n = find(r, d->first);
    struct cluster *c = &r->at[n];
    int64_t own = less(span(d->first, d->last), d->serials);

    d->missing = own < c->missing ? own : c->missing;
    c->missing -= d->missing;
    if (n > 0 && d->first == c->first && !c->told) {
        d->missing_before = less(c->first - 1, c[-1].last);
        c->told = true;
    }
}

static size_t day_of(const struct gap_day *days, size_t count, const struct run *r, int64_t first)
{
    for (size_t i = 0; i < count; i++)
        if (days[i].run == r->number && days[i].serials > 0 && days[i].first == first)
            return i;
    return 0;
}

struct report {
    void (*found)(void *arg, const struct gap *gap);
    void *arg;
    int64_t sum;
};

static void report(struct report *to, int64_t first, int64_t last, int64_t count, size_t day)
{
    struct gap gap = {first, last, count, day};

    if (count == 0)
        return;
    to->sum = plus(to->sum, count);
    if (to->found)
        to->found(to->arg, &gap);
}

static void end_run(struct run *r, struct gap_day *days, size_t count, struct report *to)
{
    for (size_t i = 0; i < r->count; i++) {
        struct cluster *c = &r->at[i];
        size_t day = to->found ? day_of(days, count, r, c->first) : 0;

        c->missing = less(span(c->first, c->last), c->serials);
        if (i > 0)
            report(to, c[-1].last + 1, c->first - 1, less(c->first - 1, c[-1].last), day);
        report(to, c->first, c->last, c->missing, day);
    }
    for (size_t i = 0; i < count; i++)
        if (days[i].serials > 0 && days[i].run == r->number)
            tell_day(r, &days[i]);
    r->count = 0;
    r->number++;
}

static void place_odd(struct run *r, struct gap_day *days, size_t i, struct report *to)
{
    struct gap_day *d = &days[i];

    d->run = r->number;
    if (place(r, d))
        return;
    d->run = ODD_RUN;
    d->missing = less(span(d->first, d->last), d->serials);
    report(to, d->first, d->last, d->missing, i);
}

int64_t gaps_find(
    struct gap_day *days, size_t count, void (*found)(void *arg, const struct gap *gap), void *arg)
{
    struct report to = {found, arg, 0};
    struct run r = {0};

    for (size_t i = 0; i < count; i++) {
        days[i].missing = days[i].missing_before = 0;
        days[i].run = ODD_RUN;
        if (days[i].serials == 0 || days[i].odd)
            continue;
        if (!place(&r, &days[i])) {
            end_run(&r, days, count, &to);
            place(&r, &days[i]);
        }
        days[i].run = r.number;
    }
    for (size_t i = 0; i < count; i++)
        if (days[i].serials > 0 && days[i].odd)
            place_odd(&r, days, i, &to);
    end_run(&r, days, count, &to);
    free(r.at);
    return to.sum;
}

/* SPDX-License-Identifier: MIT */
/* A sorted array: answers come nearly in order, so most additions change the last few entries. */
#include "ranges.h"

#include <stdlib.h>
#include <string.h>

#include "buf.h"

/* Index of the first range that ends at `first - 1` or later: the one to merge with, or to stand
   before. */
static size_t place(const struct ranges *r, uint64_t first)
{
    size_t low = 0, high = r->count;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (r->at[mid].last + 1 < first)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void insert(struct ranges *r, size_t n, uint64_t first, uint64_t last)
{
    if (r->count == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 64;
        r->at = mem_resize(r->at, r->cap * sizeof *r->at);
    }
    memmove(r->at + n + 1, r->at + n, (r->count - n) * sizeof *r->at);
    r->at[n] = (struct range){first, last};
    r->count++;
}

static void drop(struct ranges *r, size_t from, size_t to)
{
    if (from == to)
        return;
    memmove(r->at + from, r->at + to, (r->count - to) * sizeof *r->at);
    r->count -= to - from;
}

void ranges_add(struct ranges *r, uint64_t first, uint64_t last)
{
    size_t n = place(r, first), end = n;

    while (end < r->count && r->at[end].first <= last + 1)
        end++;
    if (end == n) {
        insert(r, n, first, last);
        return;
    }
    if (first < r->at[n].first)
        r->at[n].first = first;
    if (r->at[end - 1].last > last)
        last = r->at[end - 1].last;
    r->at[n].last = last;
    drop(r, n + 1, end);
}

uint64_t ranges_floor(struct ranges *r, uint64_t floor)
{
    size_t n = 0;

    for (; n < r->count && r->at[n].first <= floor; n++)
        if (r->at[n].last >= floor)
            floor = r->at[n].last + 1;
    drop(r, 0, n);
    return floor;
}

bool ranges_have(const struct ranges *r, uint64_t n)
{
    size_t i = place(r, n);

    while (i < r->count && r->at[i].last < n)
        i++; /* one that only touches it */
    return i < r->count && r->at[i].first <= n;
}

void ranges_copy(struct ranges *r, const struct ranges *from)
{
    if (r->cap < from->count) {
        r->cap = from->cap;
        r->at = mem_resize(r->at, r->cap * sizeof *r->at);
    }
    r->count = from->count;
    if (r->count > 0)
        memcpy(r->at, from->at, r->count * sizeof *r->at);
}

void ranges_free(struct ranges *r)
{
    free(r->at);
    *r = (struct ranges){0};
}

int ranges_diff(
    const struct ranges *from, const struct ranges *to, const struct ranges_change *change)
{
    size_t f = 0, t = 0;

    while (f < from->count || t < to->count) {
        const struct range *old = f < from->count ? &from->at[f] : NULL;
        const struct range *new = t < to->count ? &to->at[t] : NULL;
        int rc = 0;

        if (old && (!new || old->first < new->first)) {
            rc = change->drop(change->arg, old);
            f++;
        } else if (!old || new->first < old->first || new->last != old->last) {
            rc = change->add(change->arg, new);
            f += old && old->first == new->first;
            t++;
        } else {
            f++;
            t++;
        }
        if (rc < 0)
            return -1;
    }
    return 0;
}

/* SPDX-License-Identifier: MIT */
/* A set of numbers as sorted ranges, adjacent ones merged: the arrival numbers that are settled
   above the floor, below which all are. */
#ifndef TS_SPOOL_RANGES_H
#define TS_SPOOL_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct range {
    uint64_t first, last; /* both inside */
};

struct ranges {
    struct range *at; /* owned */
    size_t count, cap;
};

/* Adds first..last, which may touch or overlap what is there. */
void ranges_add(struct ranges *r, uint64_t first, uint64_t last);

/* Drops what lies below the floor or touches it from above; returns the floor that results: the
   lowest number that is not in the set. */
uint64_t ranges_floor(struct ranges *r, uint64_t floor);

bool ranges_have(const struct ranges *r, uint64_t n);

/* Makes *r an equal set of its own. */
void ranges_copy(struct ranges *r, const struct ranges *from);

void ranges_free(struct ranges *r);

/* What turns `from` into `to`: calls drop with a range of `from` that is not in `to`, add with one
   of `to` that is not in `from`; ends early with -1 when a call gives -1.  A changed end alone is
   an add: it has the same first. */
struct ranges_change {
    int (*drop)(void *arg, const struct range *range);
    int (*add)(void *arg, const struct range *range);
    void *arg;
};
int ranges_diff(
    const struct ranges *from, const struct ranges *to, const struct ranges_change *change);

#endif

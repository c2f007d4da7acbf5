/* SPDX-License-Identifier: MIT */
/*
 * What the site file says about the clock of one device: its zone, or its zones by date; the
 * periods in which the clock was wrong, and by how much; whether the offset counts that the device
 * writes behind its times.  All by the device's own wall clock, in local seconds (clock.h).
 */
#ifndef TS_ENRICH_CLOCKWORK_H
#define TS_ENRICH_CLOCKWORK_H

#include "zone.h"

struct zone_period {
    int64_t from_s; /* INT64_MIN: always */
    struct zone *zone;
};

/* The wall clock was wrong in [from_s, until_s): this is what has to be added to it. */
struct clock_fix {
    int64_t from_s, until_s, add_s;
};

/* Zero: nothing is said.  The arrays belong to it. */
struct clockwork {
    struct zone_period *zones; /* by from_s, ascending */
    struct clock_fix *fixes;   /* in any order; no two overlap */
    size_t zone_count, fix_count;
    bool ignore_offset;
};

/* The zone at this wall clock; NULL: none is said. */
struct zone *clockwork_zone(const struct clockwork *w, int64_t local_s);

/* The correction that covers what the clock showed, or NULL. */
const struct clock_fix *clockwork_fix(const struct clockwork *w, int64_t local_s);

/* Whether two periods have a second in common. */
bool clockwork_overlap(const struct clock_fix *a, const struct clock_fix *b);

void clockwork_free(struct clockwork *w);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The names of missing serial numbers.  Counts by day say that some are missing in a stretch; the
 * lines of the events say which.  Where lines were purged only the stretch can be named.
 */
#ifndef TS_SPOOL_MISSING_H
#define TS_SPOOL_MISSING_H

#include "gaps.h"
#include "slice.h"

struct missing;

struct missing *missing_new(void);
void missing_free(struct missing *m);

/* One gap of a device, which must come in the order of devices. */
void missing_add(struct missing *m, struct slice device, struct slice day, const struct gap *gap);

/* Whether lines could tell more. */
bool missing_needs_lines(const struct missing *m);

/* There is a line with this number. */
void missing_seen(struct missing *m, struct slice device, int64_t serial);

struct missing_row {
    struct slice device, day;
    int64_t first, last; /* both missing with all between them; or, if not exact, … */
    int64_t count;       /* … so many in this stretch */
    bool exact;
};

/* Calls row for each, until it gives -1, which is then returned. */
int missing_each(
    const struct missing *m, int (*row)(void *arg, const struct missing_row *row), void *arg);

#endif

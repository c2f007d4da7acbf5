/* SPDX-License-Identifier: MIT */
/*
 * How far the clocks of devices are off, measured from live events: what the device said against
 * when it came.  Nothing is corrected by it; it is told to people.
 *
 * Whatever delays an event on its way makes the clock look late, never early: so of a window of a
 * day the event that looks earliest is the one to believe.  An event that a device kept during an
 * outage, or a whole history that it sends again, says nothing.
 */
#ifndef TS_ENRICH_DRIFT_H
#define TS_ENRICH_DRIFT_H

#include <stdint.h>

#include "buf.h"
#include "zone.h"

/* What one event says. */
struct drift_sample {
    struct slice device;
    bool known;          /* it is in the site file: never pushed out by names that are not */
    int64_t received_ms; /* by our clock */
    int64_t skew_ms;     /* the device's moment, as it comes out, less ours */
    int64_t local_s;     /* what its wall clock showed, local seconds, before any correction */
    int64_t added_s;     /* the correction */
    struct zone *zone;   /* that the configuration has; NULL: none */
    bool ignoring;       /* … which says that the device's own offsets do not count */
    bool told;           /* the device itself wrote the offset that counts … */
    int32_t offset_s;    /* … this one */
};

struct drift;

struct drift *drift_new(void);
void drift_free(struct drift *d);

/* Takes a sample; limit_ms: what is not worth a word. */
void drift_add(struct drift *d, const struct drift_sample *sample, int64_t limit_ms);

/* Whether a device may have something to be said that was not said yet. */
bool drift_has_news(const struct drift *d);

/* Says it, a line a device.  What was said is said again when it changed by more than the limit, or
   is right again. */
void drift_tell(struct drift *d, int64_t limit_ms, void (*say)(const char *text));

#endif

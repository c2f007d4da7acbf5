/* SPDX-License-Identifier: MIT */
/*
 * Up to when is everything of a device in?  Its mark is the time of the newest of its settled
 * events (delivered or skipped) that
 *
 *   - is earlier than each of its events that is not settled (waiting, out, held, dead), and
 *   - is older than `settle`, by its own time and by when it was put: what a device hands over late
 *     or out of order has so long to come, and a clock that is ahead proves nothing.
 *
 * No mark is better than a wrong one: whoever is marked absent for a punch that comes later loses
 * pay.  An event without a device stops all, one without a time its device.  A mark is exact as of
 * one moment; every doubt makes it earlier.
 */
#ifndef TS_SPOOL_MARKS_H
#define TS_SPOOL_MARKS_H

#include "clock.h"
#include "store.h"

struct marks_config {
    int64_t settle_ms, now_ms;
    unsigned ignored; /* STATE_BITs of held and dead: as if they were settled */
};

/* Times of one event, or of somebody's word. */
struct mark_time {
    bool known;
    int64_t wall_ms;    /* local, as if it were UTC */
    int64_t instant_ms; /* where has_instant */
    bool has_instant;
    char time[CLOCK_TEXT], local_time[CLOCK_TEXT]; /* as the event has them; "": it has not */
};

struct mark {
    struct slice device;
    bool left_out;             /* to be set by the caller */
    struct mark_time complete; /* likewise: somebody knows that all was put up to then */
    struct mark_time upto;     /* known: the mark */
    struct mark_time first;    /* the earliest that is not settled */
    int64_t open[STATES];      /* how many are not, by state */
    bool timeless;             /* one of them has no time */
};

struct marks {
    struct mark *mark; /* in the order of the devices' names */
    size_t count;
    int64_t nameless; /* events that are not settled and name no device */
};

/* The devices of the store.  0, or -1 and *why; marks_free in any case. */
int marks_open(struct marks *m, struct store *s, struct fault *why);
void marks_free(struct marks *m);
struct mark *marks_find(const struct marks *m, struct slice device); /* NULL: not known */

/* Fills upto, first, open, timeless and nameless.  1; 0: the store changed under the look, so that
   nothing can be said; -1 and *why. */
int marks_look(
    struct marks *m, struct store *s, const struct marks_config *config, struct fault *why);

/* The times of an event or, from RFC 3339 with an offset, of a word. */
void mark_time_of(struct mark_time *t, struct slice time, struct slice local_time);

#endif

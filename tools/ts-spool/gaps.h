/* SPDX-License-Identifier: MIT */
/*
 * Which serial numbers of one device are missing, from what is known of each day: how many there
 * were, the first and the last.
 *
 * A device counts its events up, so a number that is on no day was never received.  Days may
 * overlap, because a clock was set back, or not set at all (2000-01-01): then what is missing on
 * one day is counted as found on another where the numbers allow it.  A day whose numbers cannot
 * be new (used already, or lower than all before) begins the count again: the device was cleared.
 */
#ifndef TS_SPOOL_GAPS_H
#define TS_SPOOL_GAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gap_day {
    int64_t serials, first, last; /* of the day; serials 0: it has none */
    bool odd;                     /* its date tells nothing of the order of days */
    int64_t missing;              /* out: inside this day */
    int64_t missing_before;       /* out: between this one and what lies before */
    size_t run;                   /* the gaps' own */
};

struct gap {
    int64_t first, last; /* the stretch in which they are */
    int64_t count;       /* missing there; all of first..last, or some */
    size_t day;          /* index of a day at its end */
};

/* days: in the order of their dates.  Fills in what is missing, calls found (may be NULL) for each
   gap in rising order within a run, and returns the sum. */
int64_t gaps_find(
    struct gap_day *days, size_t count, void (*found)(void *arg, const struct gap *gap), void *arg);

#endif

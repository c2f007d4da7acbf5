/* SPDX-License-Identifier: MIT */
/* Counts of events by a key and by state.  Bounded: beyond TALLY_KEYS keys the rest is one row. */
#ifndef TS_SPOOL_TALLY_H
#define TS_SPOOL_TALLY_H

#include "store.h"

#define TALLY_KEYS 50000u
#define TALLY_KEY_BYTES 200u /* longer keys are cut, as are longer names, devices and reasons */
#define TALLY_TIME_BYTES 19u /* YYYY-MM-DDThh:mm:ss */

struct tally;

struct tally *tally_new(void);
void tally_free(struct tally *t);

/* What else is known of an event; each may be SLICE_NONE. */
struct tally_seen {
    struct slice time; /* wall clock; its first TALLY_TIME_BYTES are compared as text */
    struct slice name, device, reason;
};

/* seen may be NULL. */
void tally_count(
    struct tally *t, struct slice key, enum state state, const struct tally_seen *seen);

/* The rows in the order of their first event, the rest last: its key is SLICE_NONE.  False when
   there are no more.  Start with *n = 0. */
struct tally_row {
    struct slice key;
    uint64_t in[STATES], all;
    struct slice first, last;          /* the lowest and the highest time */
    struct slice name, device, reason; /* the first that were seen */
    bool more_devices, more_reasons;   /* others were seen too */
};
bool tally_next(const struct tally *t, size_t *n, struct tally_row *row);

#endif

/* SPDX-License-Identifier: MIT */
/* Counts of events by a key and by state.  Bounded: beyond TALLY_KEYS keys the rest is one row. */
#ifndef TS_SPOOL_TALLY_H
#define TS_SPOOL_TALLY_H

#include "store.h"

#define TALLY_KEYS 50000u
#define TALLY_KEY_BYTES 200u /* longer keys are cut */

struct tally;

struct tally *tally_new(void);
void tally_free(struct tally *t);

void tally_count(struct tally *t, struct slice key, enum state state);

/* The rows in the order of their first event, the rest last: its key is SLICE_NONE.  False when
   there are no more.  Start with *n = 0. */
struct tally_row {
    struct slice key;
    uint64_t in[STATES], all;
};
bool tally_next(const struct tally *t, size_t *n, struct tally_row *row);

#endif

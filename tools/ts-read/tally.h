/* SPDX-License-Identifier: MIT */
/*
 * --count: what sources hold, by device and day, as ts-spool audit has it for the queue.  Passages
 * that have one id are one event; how many records that are stands beside it.
 */
#ifndef TS_TALLY_H
#define TS_TALLY_H

#include <stdint.h>

#include "buf.h"

struct tally;

struct tally *tally_new(void);
void tally_free(struct tally *t);

/* One record.  device: JSON text; who and clock (YYYY-MM-DDThh:mm:ss…) as the identity has them;
   clock SLICE_NONE: not understood. */
void tally_add(struct tally *t, struct slice device, struct slice who, struct slice clock);

/* A device that answers has a line, also without a record. */
void tally_knows(struct tally *t, const char *device);

/* What a device says of itself: how many records it holds, and has room for (0: it does not say).
 */
void tally_says(struct tally *t, struct slice device, uint64_t holds, uint64_t room);

/*
 * {"device":"…","day":"2026-05-04","events":212,"records":214}, a line a day, and for each device
 * at last {"device":"…","events":…,"records":…,"first":"…","last":"…","not_understood":0,
 * "says":…,"room":…}.
 */
void tally_print(const struct tally *t, struct buf *out);

#endif

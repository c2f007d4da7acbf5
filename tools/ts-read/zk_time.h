/* SPDX-License-Identifier: MIT */
/*
 * The wall clock of ZKTeco devices: as text in files and pushes, and packed into 32 bits in their
 * logs and on the wire.
 *
 *     packed = ((((year - 2000) * 12 + month - 1) * 31 + day - 1) * 24 + hour) * 60 + …
 *
 * A terminal whose clock was never set counts seconds from 1970 and holds them as a negative
 * distance from 2000 in months of 31 days; its firmware prints every field cut toward zero, signs
 * and all: "1971--10--29 -23:-59:-53" is 7 seconds after 1970-01-01T00:00:00.
 */
#ifndef TS_ZK_TIME_H
#define TS_ZK_TIME_H

#include "clock.h"

#define ZK_TIME_BYTES 19

/* Zeroed to begin with; kept from row to row, most of which have the date of the row before. */
struct zk_time {
    char date[10];          /* the last one that exists */
    char local[CLOCK_TEXT]; /* YYYY-MM-DDThh:mm:ss, ZK_TIME_BYTES of it */
    bool unset;             /* the clock was never set */
};

/* "YYYY-MM-DD hh:mm:ss", or what an unset clock prints.  NULL: `local` and `unset` are filled in;
 * else why not: "not a time", "impossible date". */
const char *zk_time_read(struct zk_time *t, struct slice text);

/* The packed form; its sign bit is of a clock that was never set. */
const char *zk_time_unpack(struct zk_time *t, uint32_t packed);

/* Local seconds in the packed form; 0 before 2000. */
uint32_t zk_time_pack(int64_t local_s);

/* For sniffing: whether text has the shape of such a time. */
bool zk_time_looks(struct slice text);

#endif

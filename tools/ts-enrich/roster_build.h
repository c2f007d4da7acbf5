/* SPDX-License-Identifier: MIT */
/* Inside the roster: filling it row by row. */
#ifndef TS_ENRICH_ROSTER_BUILD_H
#define TS_ENRICH_ROSTER_BUILD_H

#include "buf.h"
#include "roster.h"

#define ROSTER_ID_BYTES 200 /* of an id, and of a device's name */

struct row {
    uint32_t line;
    uint32_t employee, employee_bytes; /* JSON, in the roster's text */
    uint32_t hr, hr_bytes;             /* 0 bytes: none */
    int32_t from, until;               /* days, inclusive; INT32_MIN and INT32_MAX: open */
};

struct roster *roster_new(void);

/* The text that rows point into; append to it before roster_add_row. */
struct buf *roster_text(struct roster *r);

void roster_add_row(struct roster *r, const struct row *row);

/* What became of an id: it is the last row's, or its own employee's already (NULL), or another
   row's too on some day, which is given. */
enum roster_added { ROSTER_ADDED, ROSTER_SHARED, ROSTER_CROWDED /* too many owners */ };

/* Gives an id to the last row, on one device or (SLICE_NONE) on all.  The id is not empty, and it
   and the device's name are not longer than ROSTER_ID_BYTES. */
enum roster_added roster_add_id(struct roster *r, enum roster_key key, struct slice id,
    struct slice device, const struct row **other);

/* Gives back memory that was kept for more rows. */
void roster_finish(struct roster *r);

#endif

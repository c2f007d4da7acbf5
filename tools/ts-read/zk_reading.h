/* SPDX-License-Identifier: MIT */
/*
 * Reading on in the log of a ZKTeco device from where it was left: bytes become whole records,
 * those that are known already are left out, and the mark of how far it was read moves on.  Pure.
 */
#ifndef TS_ZK_READING_H
#define TS_ZK_READING_H

#include "zk_mark.h"

/* zk_reading_forget to begin with. */
struct zk_reading {
    struct zk_mark seen; /* how far the log was read, by this process or by the checkpoint's */
    struct buf tail;     /* the last bytes before that */
    struct buf rest;     /* the beginning of a record that is not whole */
    unsigned back;       /* steps back of the device's clock since zk_reading_begin … */
    int64_t back_s;      /* … and the largest, in seconds */
};

void zk_reading_free(struct zk_reading *r);

/* Nothing was read yet, of whichever device. */
void zk_reading_forget(struct zk_reading *r);

/* From an offset in the table (4: its first record) on; before: the bytes in front of it. */
void zk_reading_begin(
    struct zk_reading *r, enum zk_layout layout, uint32_t from, struct slice before);

/*
 * The bytes that follow.  Copies the records that `is_new` says yes to into out, which has room for
 * zk_reading_room bytes; how many bytes that are.
 */
size_t zk_reading_room(const struct zk_reading *r, struct slice data);
size_t zk_reading_take(struct zk_reading *r, struct slice data, char *out,
    bool (*is_new)(void *arg, const struct zk_passage *p), void *arg);

/* The mark is complete: it may be printed. */
void zk_reading_end(struct zk_reading *r);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * How far the log of a device is read, where its records have no numbers: on which device, where in
 * the table, and a fingerprint of the last records before that place.  It is the cursor of zk:// in
 * the checkpoint.  Pure.
 *
 *     zk1 LAYOUT END RECORDS WINDOW FINGERPRINT LAST SERIAL
 *
 * A log that only grew has the same bytes before the place.  One that wrapped has them elsewhere;
 * one that was cleared has them nowhere.
 */
#ifndef TS_ZK_MARK_H
#define TS_ZK_MARK_H

#include "zk_table.h"

#define ZK_SERIAL_BYTES 65   /* with its NUL */
#define ZK_WINDOW_BYTES 392u /* eight records of 49 */
#define ZK_NO_TIME INT64_MIN

struct zk_mark {
    enum zk_layout layout;
    uint32_t end;     /* offset in the table, after the last record that was read; 0: none was */
    uint64_t records; /* before it */
    uint32_t window;  /* how many bytes before it the fingerprint is of */
    char fingerprint[40];
    int64_t last_s; /* wall clock of the newest record; ZK_NO_TIME */
    char serial[ZK_SERIAL_BYTES];
};

/* As text, NUL-terminated; and back: false when it is none. */
void zk_mark_print(struct buf *out, const struct zk_mark *m);
bool zk_mark_parse(const char *text, struct zk_mark *m);

/* Takes the fingerprint of as much as it is of: the last bytes before the place. */
void zk_mark_take(struct zk_mark *m, struct slice before);

/* Whether these are the bytes before the place. */
bool zk_mark_matches(const struct zk_mark *m, struct slice window);

/* Looks for them, from the end; both ends of `bytes` are ends of records.  Offset after them, or
   0. */
size_t zk_mark_find(const struct zk_mark *m, struct slice bytes);

#endif

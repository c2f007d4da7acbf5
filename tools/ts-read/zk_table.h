/* SPDX-License-Identifier: MIT */
/*
 * The binary tables of ZKTeco devices, record by record: attendance of 8, 16, 40 and 49 bytes,
 * users of 28 and 72, and live events.  Nothing in a table says which it is: sizes tell, and else
 * which reading makes sense.  Pure.
 *
 * 40   u16 uid, user id (24, text up to a NUL), verify, u32 time, state, 8 others
 * 49   the same and 9 more, which begin with ff in most cases
 * 16   u32 user id, u32 time, state, verify, 2 others, u32 workcode
 * 8    u16 uid, verify, u32 time, state
 *      or u16 uid, flags (bits 0-2 state, 3-4 verify), 0, u32 time
 *
 * uid is a number inside the device; who the person is, says its table of users.
 */
#ifndef TS_ZK_TABLE_H
#define TS_ZK_TABLE_H

#include <stdint.h>

#include "buf.h"

enum zk_layout { ZK_UNKNOWN_LAYOUT, ZK_8, ZK_8_FLAGS, ZK_16, ZK_40, ZK_49, ZK_LAYOUTS };

/* Bytes of a record; 0 for the unknown. */
size_t zk_layout_bytes(enum zk_layout layout);

/* By its name: "8", "8-flags", "16", "40", "49". */
enum zk_layout zk_layout_named(struct slice name);
const char *zk_layout_name(enum zk_layout layout);

/* Whether people stand in it by uid alone. */
static inline bool zk_layout_needs_users(enum zk_layout layout)
{
    return layout == ZK_8 || layout == ZK_8_FLAGS;
}

/*
 * Which layout a table has, from its first records: bytes of the whole table (without its leading
 * size), how many records the device counts (0: it does not say, or lies).  ZK_UNKNOWN_LAYOUT when
 * it makes no sense in any: devices have been seen to give other memory in place of the log.
 */
#define ZK_SAMPLE_BYTES 16384u
enum zk_layout zk_layout_find(struct slice sample, uint64_t bytes, uint64_t count);

/* Some firmware leaves these before a record of 40 bytes. */
#define ZK_MARK_BYTES 9u
bool zk_is_mark(const void *p);

/* What a record of the log, or a live event, says. */
struct zk_passage {
    char person[25]; /* "" when it is known by uid alone */
    bool empty;      /* nobody, nothing: a record that was begun and not filled */
    bool by_uid;
    uint16_t uid;
    uint8_t verify, state;
    bool dated, unset; /* there is such a date; the clock was never set */
    int64_t local_s;   /* wall clock */
};

/* p: zk_layout_bytes of them. */
void zk_record_read(enum zk_layout layout, const void *p, struct zk_passage *out);

/*
 * A live event, by its length; some packets carry several.  Takes the first one off *data; false
 * when there is none, or what is there is none.
 *
 * 32.. user id (24), verify, state, time (6), others     12  u32 user id, verify, state, time
 * 14.. as 10, and 4 others                               10  u16 uid, verify, state, time
 */
bool zk_event_read(struct slice *data, struct zk_passage *out);

/* ---- users ---- */

/* 28 or 72: of the table, by how many users the device counts; 0 when neither fits. */
size_t zk_user_bytes(struct slice table, uint64_t count);

/* The uid and the user id of an entry; all else in it is nobody's business.  False for an empty
   entry. */
bool zk_user_read(const void *p, size_t bytes, uint16_t *uid, char person[25]);

#endif

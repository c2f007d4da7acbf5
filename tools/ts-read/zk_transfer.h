/* SPDX-License-Identifier: MIT */
/*
 * One transfer of a ZKTeco device: a part of a table, or all of one, in the forms in which devices
 * send them.
 *
 *     [ZK_PREPARE size] ZK_DATA … [ZK_ACK_OK]
 *
 * Over UDP datagrams may be lost, doubled or swapped.  Devices number the data of a transfer in the
 * session field; where the numbers make sense, they are put in order by them.  Pure.
 */
#ifndef TS_ZK_TRANSFER_H
#define TS_ZK_TRANSFER_H

#include "zk_packet.h"

#define ZK_BULK_MAX (12u << 20) /* bytes of a table that an old device hands over in one go */

/* Zeroed to begin with, but for udp. */
struct zk_transfer {
    bool udp;
    bool part;          /* a range was asked for; else the whole table comes */
    uint32_t wanted;    /* bytes, as far as is known; 0: not yet */
    uint32_t announced; /* by ZK_PREPARE */
    struct buf got;     /* what came; when it is whole: at least `wanted` bytes of it */
    struct buf chunks;  /* struct chunk, over UDP */
    bool echoes;        /* the device's parts carry our reply ids */
    bool loose;         /* … and yet they do not: all is taken */
    bool strange;       /* one of this transfer did not */
    unsigned stale;     /* packets dropped for that */
};

void zk_transfer_free(struct zk_transfer *t);

/* A new one; bytes: of the part that is asked for, 0 for a whole table. */
void zk_transfer_begin(struct zk_transfer *t, uint32_t bytes);

/* The same is asked for again: what came of it is forgotten. */
void zk_transfer_again(struct zk_transfer *t);

enum zk_transferred {
    ZK_TRANSFER_WAIT, /* nothing of it came */
    ZK_TRANSFER_MORE, /* something came, more is to come */
    ZK_TRANSFER_WHOLE,
    ZK_TRANSFER_BROKEN,    /* it will not become whole */
    ZK_TRANSFER_REFUSED,   /* the device says no */
    ZK_TRANSFER_TOO_LARGE, /* a whole table, over ZK_BULK_MAX */
};

/* What a packet does to it; reply: id of the request that it is the answer to. */
enum zk_transferred zk_transfer_take(
    struct zk_transfer *t, const struct zk_packet *p, uint16_t reply);

/* Nothing more came for a long time: WHOLE when that is all, for the end may be missing; else
   BROKEN. */
enum zk_transferred zk_transfer_late(struct zk_transfer *t);

/* Whether a packet belongs to an earlier request: what an impatient repetition leaves behind. */
bool zk_transfer_is_stale(struct zk_transfer *t, const struct zk_packet *p, uint16_t reply);

/* Whether it is an answer that says no. */
bool zk_is_error(const struct zk_packet *p);

#endif

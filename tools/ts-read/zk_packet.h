/* SPDX-License-Identifier: MIT */
/*
 * Packets of ZKTeco's binary protocol (port 4370), and the small values inside them.  Pure: bytes
 * in, values out.
 *
 *     TCP   50 50 82 7d, u32 length of the packet, packet
 *     UDP   one packet a datagram
 *
 *     packet: u16 command, u16 checksum, u16 session, u16 reply id, data; all little-endian
 *
 * There is no command here that changes or deletes anything on a device, or stops people from
 * using it.  Keep it so.
 */
#ifndef TS_ZK_PACKET_H
#define TS_ZK_PACKET_H

#include <stdint.h>

#include "buf.h"

enum zk_command {
    /* what we send */
    ZK_USERS = 9, /* the old way to read users */
    ZK_OPTION = 11,
    ZK_LOG = 13, /* the old way to read the log */
    ZK_FREE_SIZES = 50,
    ZK_CLOCK = 201,
    ZK_REG_EVENT = 500, /* also what live events come as */
    ZK_CONNECT = 1000,
    ZK_EXIT = 1001,
    ZK_AUTH = 1102,
    ZK_FREE_DATA = 1502,
    ZK_TABLE_OPEN = 1503,
    ZK_TABLE_PART = 1504,

    /* what devices answer */
    ZK_PREPARE = 1500,
    ZK_DATA = 1501,
    ZK_ACK_OK = 2000,
    ZK_ACK_ERROR = 2001,
    ZK_ACK_RETRY = 2003,
    ZK_ACK_REPEAT = 2004,
    ZK_ACK_UNAUTH = 2005,
    ZK_NO_LOG = 4989,      /* to ZK_TABLE_OPEN: the device is set up for access control */
    ZK_OTHER_SDK = 6001,   /* to ZK_CONNECT: firmware that wants the vendor's own library */
    ZK_ERROR_DATA = 65531, /* this one and all above it are errors */
    ZK_UNKNOWN = 65535,
};

#define ZK_HEAD_BYTES 8u         /* of a packet */
#define ZK_TOP_BYTES 8u          /* before it, on TCP */
#define ZK_DATA_BYTES (1u << 20) /* of one packet, at most */

struct zk_packet {
    uint16_t command, session, reply;
    struct slice data;
    bool damaged; /* the checksum is wrong: told, as devices send such bulk data */
};

uint16_t zk_u16(const void *p);
uint32_t zk_u32(const void *p);
void zk_put_u32(void *p, uint32_t value);

/* Of a packet whose checksum field counts as 0. */
uint16_t zk_checksum(struct slice packet);

/* Appends it, with its checksum; tcp: as a frame. */
void zk_packet_print(struct buf *out, bool tcp, const struct zk_packet *p);

enum zk_take {
    ZK_TAKE_PACKET, /* *p is one; *used bytes are done */
    ZK_TAKE_JUNK,   /* *used bytes are none: go on after them */
    ZK_TAKE_MORE,   /* not whole yet */
};

/* The next frame of a TCP stream.  What stands before a frame, a frame that cannot be one, and a
   short frame that was cut off are junk. */
enum zk_take zk_packet_take(struct slice in, size_t *used, struct zk_packet *p);

/* A packet by itself; false when it is none. */
bool zk_packet_parse(struct slice packet, struct zk_packet *p);

/* What ZK_AUTH carries, from the communication key and the session. */
void zk_auth(uint32_t key, uint16_t session, unsigned char out[4]);

/* ---- values ---- */

/*
 * A packed time: ((year - 2000) * 372 + (month - 1) * 31 + day - 1) * 86400 + seconds of the day.
 * A clock that was never set is before 2000, which is a negative number.  Gives the wall clock as
 * local seconds, and whether it was unset; false when there is no such date.
 */
bool zk_time(uint32_t packed, int64_t *local_s, bool *unset);

/* Six bytes: year - 2000, month, day, hour, minute, second. */
bool zk_time6(const void *six, int64_t *local_s);

/* The answer to ZK_FREE_SIZES. */
struct zk_sizes {
    uint32_t users, records, record_room;
};
bool zk_sizes_parse(struct slice data, struct zk_sizes *sizes);

/* The value in "name=value\0", as ZK_OPTION is answered; SLICE_NONE when it is not of that name. */
struct slice zk_option_value(struct slice data, const char *name);

#endif

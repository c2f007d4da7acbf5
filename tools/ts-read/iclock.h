/* SPDX-License-Identifier: MIT */
/*
 * The words of ZKTeco push over HTTP, both dialects: attendance (1.x, 2.x) and access control (3.x,
 * DeviceType=acc).  Pure: requests and bodies of devices to structures, and what is answered to
 * text.  The records themselves are the format zk-push.
 *
 *     GET  /iclock/cdata?SN=CGXH2012345&options=all&pushver=2.4.0     who am I to you?
 *     POST /iclock/cdata?SN=CGXH2012345&table=ATTLOG&Stamp=9999       records
 *     GET  /iclock/getrequest?SN=CGXH2012345                          anything to do?
 *     POST /iclock/devicecmd?SN=CGXH2012345                           what came of it
 *
 * Paths may end in .aspx or a slash and begin with /iclock twice; names of parameters are written
 * in any case; a value may hold spaces (`table=ATTLOG Stamp=123`).
 */
#ifndef TS_ICLOCK_H
#define TS_ICLOCK_H

#include <stdint.h>

#include "buf.h"
#include "clock.h"
#include "fault.h"

#define ICLOCK_SERIAL 33 /* bytes of a serial number, with its NUL */
#define ICLOCK_STAMP 24
#define ICLOCK_NAME 33

/* Whether the path is one of theirs. */
bool iclock_path(struct slice path);

enum iclock_page {
    ICLOCK_CDATA,
    ICLOCK_FDATA,
    ICLOCK_REGISTRY,
    ICLOCK_PUSH,
    ICLOCK_GETREQUEST,
    ICLOCK_DEVICECMD,
    ICLOCK_QUERYDATA,
    ICLOCK_RTDATA,
    ICLOCK_HELLO, /* ping, exchange, service/control: OK will do */
    ICLOCK_NOWHERE,
};

/* What the records of a post are. */
enum iclock_table {
    ICLOCK_ATTLOG, /* attendance; also what no table is named for */
    ICLOCK_OPERLOG,
    ICLOCK_PHOTO,
    ICLOCK_EVENTS, /* access control: rtlog, transaction */
    ICLOCK_PEOPLE, /* users, templates, pictures of them: not wanted */
    ICLOCK_STATE,  /* options, rtstate: not kept */
    ICLOCK_OTHER,  /* a name that is not known */
};

/* Tables that a stamp is kept for. */
#define ICLOCK_STAMPS (ICLOCK_PHOTO + 1)

struct iclock_query {
    enum iclock_page page;
    enum iclock_table table;
    char serial[ICLOCK_SERIAL];  /* "": none, or none that could be one */
    int acc;                     /* DeviceType: 1 acc, 0 any other, -1 not said */
    char stamp[ICLOCK_STAMP];    /* of `table`; "": none */
    char tablename[ICLOCK_NAME]; /* of tabledata and querydata */
    char count[12];              /* digits, or "" */
    char type[16];
    long packs, pack; /* packcnt, packidx; 0: not said */
    long logs;        /* records in its memory, by INFO; -1: not said */
};

/* Reads path and query; nothing in them is too wrong to be read. */
void iclock_read(struct slice path, struct slice query, struct iclock_query *q);

/* ---- bodies ---- */

/* registry: one line "DeviceType=acc,~DeviceName=X,…", whose values may hold commas. */
int iclock_read_registry(struct slice body); /* its DeviceType, as above */

/* devicecmd: "ID=7&Return=0&CMD=DATA", one a line or one part a line. */
struct iclock_result {
    uint64_t id;
    long value; /* of Return */
};

/* The next one of a body, taken off it; false when none is left. */
bool iclock_next_result(struct slice *body, struct iclock_result *r);

/* What a Return means, in plain words; NULL: not known. */
const char *iclock_meaning(long value);

/* Lines with something in them. */
uint64_t iclock_lines(struct slice body);

/* ---- answers ---- */

struct iclock_terms {
    const char *serial;
    const char (*stamp)[ICLOCK_STAMP]; /* ICLOCK_STAMPS of them; "": not known */
    const char *timezone;              /* for TimeZone=; NULL: not told */
    size_t body_bytes;                 /* largest post */
    bool photos;
};

/* Attendance: GET OPTION FROM; access control: registry=ok, or without `registry` the list of
 * push. */
void iclock_print_options(struct buf *out, const struct iclock_terms *t);
void iclock_print_push(struct buf *out, const struct iclock_terms *t, bool registry);

/* 32 hexadecimal digits that are always the same for this device, and others for `what`. */
void iclock_print_code(struct buf *out, const char *serial, const char *what);

/* DateTime=…,ServerTZ=+hhmm of rtdata. */
void iclock_print_time(struct buf *out, int64_t utc_s, int32_t offset_s);

/* TimeZone=: whole hours, or minutes. */
void iclock_print_zone(struct buf *out, int32_t offset_s);

/* ---- asking for a period again ---- */

struct iclock_period {
    char serial[ICLOCK_SERIAL]; /* "": every device */
    int64_t from_s, to_s;       /* local seconds; both belong to it */
};

/* "[SN:]FROM..TO", each a date or a time without an offset. */
int iclock_read_period(struct slice text, struct iclock_period *p, struct fault *why);

/* The command for it. */
void iclock_print_query(struct buf *out, uint64_t id, const struct iclock_period *p, bool acc);

#endif

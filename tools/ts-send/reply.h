/* SPDX-License-Identifier: MIT */
/*
 * What is kept of an HTTP reply: its status, the few header fields that matter, the start of the
 * body.  Everything here comes from the other side, so nothing is longer than its array and nothing
 * is believed beyond its form.  Pure.
 */
#ifndef TS_SEND_REPLY_H
#define TS_SEND_REPLY_H

#include <stdint.h>

#include "buf.h"
#include "quota.h"

/* What became of the exchange itself, before any status counts. */
enum net {
    NET_OK,       /* a whole reply */
    NET_UNSENT,   /* nothing of the request can have arrived: no address, no connection, no TLS */
    NET_STRANGER, /* … since the other side has another key than --pin-sha256 says */
    NET_LOST,     /* the request was perhaps read; no whole reply came, also when it began well */
};

#define REPLY_TEXT_BYTES 256 /* of the body, for the reason of a refusal */
#define REPLY_WAIT_MAX_S (6 * 3600)

struct reply {
    enum net net;
    const char *net_text; /* in plain words, when net is not NET_OK; static */
    int status;           /* 0: none */
    char retry_after[48]; /* the fields' values as text; "": absent or too long */
    char date[48];
    char location[256];
    struct quota quota;
    char text[REPLY_TEXT_BYTES]; /* the body's first bytes, any bytes */
    size_t text_n;
    size_t header_bytes, body_bytes;

    /* For a jq profile, which reads all of it: the header lines and the body, where keep says so.
       Whoever gives out the reply bounds their sizes and frees them. */
    bool keep;
    struct buf lines, body;
};

/* Empties one that was zeroed at first; its buffers stay for the next reply. */
void reply_reset(struct reply *r);

/* A copy of its own; to: reset, or zeroed. */
void reply_copy(struct reply *to, const struct reply *from);

/* One line of the header block, as it came; a status line starts anew (after 100 Continue). */
void reply_header(struct reply *r, struct slice line);

/* The next bytes of the body. */
void reply_body(struct reply *r, struct slice bytes);

/* Seconds since 1970 of an HTTP date in any of its three forms (RFC 9110, 5.6.7); false: none. */
bool reply_date(struct slice text, int64_t now_s, int64_t *unix_s);

/* How long Retry-After asks to wait, in ms: measured against the reply's own Date where it has one,
   else against now; 0 to REPLY_WAIT_MAX_S; -1 when there is none or it is not understood.  A 429 or
   503 without it waits for the rate limit to begin anew, where the reply says when. */
int64_t reply_wait_ms(const struct reply *r, int64_t now_s);

/* What it says about a rate limit, measured likewise; false: nothing. */
bool reply_left(const struct reply *r, int64_t now_s, struct quota_left *left);

/* "Service Unavailable" for 503; "" for a status that nobody named. */
const char *reply_status_name(int status);

#endif

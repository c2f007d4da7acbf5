/* SPDX-License-Identifier: MIT */
/*
 * Inside the HTTP listener.  A connection is in one phase; each phase is a list in the order of
 * entering it, and has a limit of time that no byte moves.
 *
 *     IDLE --first byte--> HEAD --good--> BODY --whole--> FEED --all in the sink--> WAIT
 *       ^                    |              |                                        | commit
 *       +------ sent ------ REPLY <---------+----------------------------------------+
 *                             +--to be closed, not all read--> LINGER --> (closed)
 *
 * http.c         the source: accepting, readiness, time, the back-channel
 * http_read.c    bytes to requests: head, body, and what is refused before anything is read
 * http_events.c  a whole body to events
 * http_reply.c   answers
 *
 * What peers speak is none of its business: http_dialect.h.
 */
#ifndef TS_HTTP_H
#define TS_HTTP_H

#include "body.h"
#include "http_dialect.h"
#include "listener.h"
#include "push_watch.h"
#include "source.h"

#define HTTP_SCRATCH_BYTES (64u << 10) /* one read */
#define HTTP_DROPPED_BYTES (64u << 20) /* of a body that is read and dropped */
#define HTTP_HELD_BYTES (4u << 20)     /* of all that was read of all peers; see http_read.c */

enum phase {
    PHASE_IDLE,
    PHASE_HEAD,
    PHASE_BODY,
    PHASE_FEED,
    PHASE_WAIT,
    PHASE_REPLY,
    PHASE_LINGER,
    PHASES
};

struct http;

struct conn {
    struct http *http;
    struct conn *next, *previous; /* in the list of its phase */
    struct conn *next_ready;      /* in the list of those to look at */
    struct peer peer;
    char name[ADDRESS_TEXT], host[ADDRESS_TEXT]; /* of the peer, with its port and without */
    enum phase phase;
    int64_t deadline_ms;
    bool ready;              /* stands in a list to look at */
    bool readable, writable; /* as far as is known */
    bool gone;               /* to be closed when it is looked at */
    bool starved;            /* is not read, because others hold too much */
    bool close;              /* to be closed after the answer */
    bool bare;               /* HEAD: the answer has no body */
    bool packed, deflated;   /* the body is gzip; is deflate */
    enum plan plan;          /* what is done with the body */
    struct request request;  /* for its dialect */
    struct buf in;           /* read, and not used yet: half a head, or a next request */
    struct body reading;
    struct buf body;
    size_t held;    /* bytes of these that count against HTTP_HELD_BYTES */
    struct buf out; /* of the answer, what the socket did not take yet */
    size_t out_from;
    struct stream *stream;
    struct track *track;
};

struct phase_list {
    struct conn *first, *last;
};

struct http {
    const struct source_env *env;
    const char *operand;
    size_t number;
    struct listener *listener;
    int epoll;
    struct phase_list phase[PHASES];
    struct phase_list ready, starved; /* by next_ready */
    size_t held_bytes;
    void *dialect[DIALECTS_MAX]; /* the state of each */
    struct push_watch *watch;
    struct buf text; /* of the answer in hand */
    struct buf token;
    bool waiting; /* somebody may wait to be accepted */
    bool stopping, failed;
    struct fault why;
    char date[40]; /* of the second date_s */
    int64_t date_s;
    char scratch[HTTP_SCRATCH_BYTES];
};

/* ---- http.c ---- */

/* Enters a phase; its time begins. */
void http_enter(struct conn *c, enum phase phase);

/* To be looked at in this turn or the next. */
void http_ready(struct conn *c);

/* What it keeps in memory has changed. */
void http_hold(struct conn *c);

/* ---- http_read.c ---- */

/* Reads once, in a phase that reads. */
void http_read(struct conn *c);

/* Uses what was read: at most one request of it. */
void http_use(struct conn *c, struct slice in);

/* ---- http_events.c ---- */

/* Unpacks the body where it is gzip; false when the request was refused. */
bool http_unpack(struct conn *c);

/* Hands on as many events of the body as the sink takes. */
void http_feed(struct conn *c);

/* Answers when all of them have. */
void http_settled(struct conn *c, enum verdict verdict);

/* Lets go of the body, its events, and what the dialect keeps. */
void http_forget(struct conn *c);
void http_leave_dialect(struct request *r);

/* ---- http_reply.c ---- */

/* An answer for a dialect to fill in, and its way out. */
void http_reply_begin(struct conn *c, struct reply *reply);
void http_reply(struct conn *c, const struct reply *reply);

/* Answers without the dialect; error NULL: what the status says. */
void http_refuse(struct conn *c, unsigned status, const char *error);

/* Asks for the body. */
void http_continue(struct conn *c);

/* Sends what is left of an answer. */
void http_send(struct conn *c);

/* For peers that get no place. */
extern const char http_forbidden[], http_busy[];

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What is spoken over the HTTP listener.  The listener knows HTTP: heads, bodies, limits, time,
 * receipts.  A dialect knows what its peers mean: whether a request is one of theirs, what is
 * answered at once, what a body is, and what is said when its events are safe.  A dialect is one
 * file http_NAME.c with one `struct dialect` and one line in http_dialect.c's table.
 *
 *     head good --takes--> begin --+-- PLAN_ANSWER: *reply goes out, the body is not read
 *                                  +-- PLAN_READ:   the whole body --answer--> *reply
 *                                  +-- PLAN_DROP:   the body is read and dropped --answer--> *reply
 *                                  +-- PLAN_FEED:   the whole body --claims?--> feed --> events
 *                                        all have their final receipts --accepted--> *reply
 *                                        else                           --refused--> 503, 413, …
 *
 * All of it is called on the one thread of the listener, never waits, and keeps no more than a
 * fixed amount for each request and for all peers together: peers are hostile.
 */
#ifndef TS_HTTP_DIALECT_H
#define TS_HTTP_DIALECT_H

#include "head.h"
#include "source.h"

/* A head that is whole and good. */
struct ask {
    const struct head *head;
    struct slice path, query; /* of its target: before and after the first ?, not decoded */
    const char *peer, *host;  /* address of who sent it, with its port and without */
};

/* A request in hand; of its connection. */
struct request {
    const struct dialect *dialect;
    void *state;     /* the dialect's, of the listener */
    void *own;       /* the dialect's, of this request: made by begin, undone by forget */
    struct buf kept; /* what begin keeps of the head; the listener counts and frees it */
};

/* status 0: 200.  A status from 400 on without a text is answered with {"error":…}. */
struct reply {
    unsigned status;
    const char *type;   /* NULL: application/json */
    const char *fields; /* further ones, each with its line end; NULL: none */
    const char *error;  /* plain words without a quote; NULL: what the status says */
    struct buf *text;   /* the body: append to it */
};

enum plan { PLAN_ANSWER, PLAN_READ, PLAN_DROP, PLAN_FEED };

/* How a body becomes events. */
struct feed {
    const struct format *format; /* NULL: told by its first bytes */
    bool certain;                /* format stands above -f */
    const char *device;          /* the device's own name: stands above -d; NULL: not known */
    const struct format_options *options;                  /* of the format; NULL: those of -o */
    void (*see)(void *arg, const struct decoded *decoded); /* each event on its way; may be NULL */
    void *arg;
};

struct dialect {
    const char *name;
    const char *const *options; /* -o keys that it reads, NULL-ended; NULL: none */

    /* For one listener; NULL and *why (64, 66, …) when an option is wrong.  May all be NULL. */
    void *(*open)(const struct source_env *env, struct fault *why);
    void (*reload)(void *state); /* SIGHUP */
    void (*close)(void *state);

    /* Whether it is its request.  The first of the table that says so has it; the last takes all.
     */
    bool (*takes)(const struct ask *ask);

    /* The same by the body, of a request that only the last of the table took: then feed is called
     * without begin.  May be NULL. */
    bool (*claims)(struct slice body);

    /* Whether it knows the peer without the bearer token of --token-file; NULL: never. */
    bool (*knows)(void *state, const struct ask *ask);

    /* What is to be done.  The head is gone afterwards. */
    enum plan (*begin)(struct request *r, const struct ask *ask, struct reply *reply);

    /* PLAN_READ and PLAN_DROP: the body is here, unpacked (of a dropped one: nothing). */
    void (*answer)(struct request *r, struct slice body, struct reply *reply);

    /* PLAN_FEED: the body is here, unpacked; it may be changed, or replaced by another buffer.
     * True: it is for the stream.  False: *reply says why not. */
    bool (*feed)(struct request *r, struct buf *body, struct feed *feed, struct reply *reply);

    /* Every event has its final receipt; bad: those of them that were not understood. */
    void (*accepted)(struct request *r, uint64_t events, uint64_t bad, struct reply *reply);

    /* It is answered with such a status instead, and not by the dialect.  May be NULL. */
    void (*refused)(struct request *r, unsigned status);

    /* The request is over, however it ended.  May be NULL. */
    void (*forget)(struct request *r);
};

#define DIALECTS_MAX 8

/* In the order of asking; the last takes everything; NULL ends the table. */
extern const struct dialect *const dialects[];

const struct dialect *dialect_last(void);

/* Whether one of them reads this -o key. */
bool dialect_option(struct slice key);

#endif

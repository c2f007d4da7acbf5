/* SPDX-License-Identifier: MIT */
/*
 * What a receiver needs: how an event looks to it, how several travel together, what its replies
 * mean.  A profile knows nothing of connections, order or time; the sender knows nothing of fields.
 * To add one: a file with its struct, and one line in profile.c.
 */
#ifndef TS_SEND_PROFILE_H
#define TS_SEND_PROFILE_H

#include "event.h"
#include "verdict.h"

struct profile_defaults {
    unsigned connections;
    unsigned batch;      /* events a request */
    bool arrays;         /* whether several events may travel in one request at all */
    size_t body_bytes;   /* the largest body */
    const char *content; /* Content-Type */
};

struct profile {
    const char *name;
    const char *title; /* one line for people */

    void (*defaults)(struct profile_defaults *d);

    /* Appends one event as it will wait and travel.  id replaces event_id unless SLICE_NONE. */
    void (*event)(struct buf *out, const struct event *e, struct slice id);

    /* Appends the body of a request for n events in that form. */
    void (*request)(struct buf *out, const struct slice *events, size_t n, bool array);
    bool as_is; /* the body for one event, not in an array, is that event: it needs no copy */

    /* What the reply means for the request.  ACT_REFUSED and ACT_DUPLICATE for more than one event
       are about one of them at least: the request is split. */
    struct verdict (*verdict)(const struct reply *reply, size_t n);
};

/* By name; NULL when there is none. */
const struct profile *profile_find(const char *name);

/* The names, for messages: "plain, …". */
void profile_names(struct buf *out);

extern const struct profile profile_plain;

#endif

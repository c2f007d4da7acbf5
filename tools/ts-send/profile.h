/* SPDX-License-Identifier: MIT */
/*
 * What a receiver needs: how an event looks to it, how several travel together, what its replies
 * mean.  A profile knows nothing of connections, order or time; the sender knows nothing of fields.
 * `plain` is C, for its speed; all others are jq files (scripted.h).
 */
#ifndef TS_SEND_PROFILE_H
#define TS_SEND_PROFILE_H

#include "event.h"
#include "verdict.h"

enum arrays {
    ARRAYS_NONE,   /* one event a request */
    ARRAYS_ATOMIC, /* several; one that is refused refuses all, so the array is split */
    ARRAYS_ITEMS,  /* several; the reply may judge each */
};

struct profile_defaults {
    unsigned connections;
    unsigned connections_most; /* more are not opened, whatever -j says; 0: no such limit */
    unsigned batch;            /* events a request */
    enum arrays arrays;
    size_t body_bytes;   /* the largest body */
    int64_t rate_us;     /* at least, between the starts of two requests; 0: no limit */
    int64_t late_s;      /* older events cannot be delivered; -1: any age */
    const char *content; /* Content-Type; NULL: each request has its own */
};

struct scripted;

struct profile {
    const char *name;
    const char *title; /* one line for people */
    struct profile_defaults defaults;

    /* Appends one event as it will wait and travel.  id replaces event_id unless SLICE_NONE. */
    void (*event)(struct buf *out, const struct event *e, struct slice id);

    struct scripted *scripted; /* a jq file: NULL for a native profile, which has the rest */

    /* Appends the body of a request for n events in that form. */
    void (*request)(struct buf *out, const struct slice *events, size_t n, bool array);
    bool as_is; /* the body for one event, not in an array, is that event: it needs no copy */

    /* What the reply means for the request.  ACT_REFUSED and ACT_DUPLICATE for more than one event
       are about one of them at least: the request is split. */
    struct verdict (*verdict)(const struct reply *reply, size_t n);
};

/* What the command line gives to a profile. */
#define PROFILE_SETTINGS_MAX 64

struct profile_settings {
    const char *option[PROFILE_SETTINGS_MAX]; /* "key=value" */
    unsigned options;
    const char *secret[PROFILE_SETTINGS_MAX]; /* "NAME=FILE" */
    unsigned secrets;
    const char *token_file; /* the secret "token" */
    bool oauth;             /* … which comes by scripted_token */
    const char *url;
};

/* By name, or a jq file where the name has a slash or ends in ".jq".  NULL and *why. */
const struct profile *profile_open(
    const char *name, const struct profile_settings *given, struct fault *why);
void profile_close(const struct profile *p); /* NULL is fine */

/* What there is, for people. */
int profile_list(struct buf *out, struct fault *why);

/* "10", "10/s", "600/m", "5000/h": the microseconds between two requests.  False: it is none. */
bool profile_rate(const char *text, int64_t *between_us);

extern const struct profile profile_plain;

#endif

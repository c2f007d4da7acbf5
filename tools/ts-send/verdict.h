/* SPDX-License-Identifier: MIT */
/*
 * What a reply means, from its status and from what became of the exchange.  Pure: one table.
 * "2xx is not stored, 4xx is not permanent": a profile may decide otherwise; this is the table of
 * the plain profile and the base of the others.
 */
#ifndef TS_SEND_VERDICT_H
#define TS_SEND_VERDICT_H

#include "reply.h"

enum act {
    ACT_DELIVERED, /* the receiver has it */
    ACT_DUPLICATE, /* it had it already; of an array: one of them at least, so it is split */
    ACT_REFUSED,   /* this event is refused for good; an array is split */
    ACT_RETRY,     /* try again later */
    ACT_STOP,      /* no event can get through now: the destination stops */
    /* Only a jq profile says these. */
    ACT_HELD,    /* the event is fine, the receiver's master data is not */
    ACT_SKIPPED, /* not for this receiver, and no error */
    ACT_SESSION, /* log in again, then the same once more */
    ACT_SPLIT,   /* too many at once: the array is halved */
    ACT_THEN,    /* ask for the next request */
};

/* Why a destination stops.  The order is that of seriousness: it decides the exit status. */
enum cause {
    CAUSE_NONE,
    CAUSE_BUSY,    /* it asks to be spared for a while */
    CAUSE_OUTAGE,  /* not reachable, or failing in a row */
    CAUSE_AUTH,    /* it does not know us */
    CAUSE_ADDRESS, /* wrong URL or method, a redirect */
    CAUSE_TIME,    /* it keeps another time than it was sent */
    CAUSE_CONFIG,  /* it, or the profile's options, must be set up otherwise */
    CAUSE_REFUSES, /* it refuses every event */
};

struct verdict {
    enum act act;
    enum cause cause; /* for ACT_RETRY and ACT_STOP */
    bool at_once;     /* it concerns every event, not this one */
    bool perhaps;     /* the event may have arrived all the same */
    bool its_own;     /* the event itself may be what the receiver stumbles over */

    /* Of a jq profile; the texts live as long as its judgement. */
    const char *reason;   /* in plain words; NULL: none */
    const char *location; /* where the receiver keeps it; NULL: not said */
    int64_t wait_ms;      /* before the next try; 0: not said */
};

/* status is 0 where no reply line came.  at_once and perhaps follow from the table too. */
struct verdict verdict_of(enum net net, int status);

/* "outage", "auth": as a jq profile says it; CAUSE_NONE where there is none of that name. */
const char *verdict_cause(enum cause cause);
enum cause verdict_cause_of(const char *name);

/* "the credentials are refused" and the like, for people. */
const char *verdict_words(enum cause cause);

#endif

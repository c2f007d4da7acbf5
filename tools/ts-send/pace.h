/* SPDX-License-Identifier: MIT */
/*
 * How fast requests may follow each other while the receiver takes events: --rate, the limit that
 * the receiver itself tells (quota.h), and how many may be under way at once.  Pure: time is handed
 * in, in ms of a monotonic clock.
 *
 * Connections follow the rule of TCP: slow start, then additive increase and multiplicative
 * decrease (Chiu and Jain, 1989; RFC 5681).  They begin with PACE_FIRST, grow by one with each good
 * reply up to -j, and halve on overload: a reply that says so, none in time, or latency far above
 * the lowest seen.  After that they grow by one for as many good replies as there are connections.
 */
#ifndef TS_SEND_PACE_H
#define TS_SEND_PACE_H

#include "quota.h"

#define PACE_FIRST 4      /* connections at the start */
#define PACE_SLACK_MS 250 /* of latency that says nothing: pauses of this machine, of the way */
#define PACE_SMALL 16     /* so few remaining requests are spread, where the limit is not said */

struct pace {
    unsigned most;      /* -j */
    unsigned window;    /* connections that may be in use now */
    unsigned threshold; /* slow start up to here */
    unsigned credit;    /* good replies towards the next connection */
    uint64_t started;   /* requests so far */
    uint64_t cut;       /* as many had been started when the window was halved last */

    int64_t smooth_us, lowest_us; /* latency; 0: none seen */

    int64_t rate_us;   /* between two starts, at least; 0: no limit */
    int64_t due_us;    /* the last start, as it should have been */
    int64_t hold_ms;   /* no start before: the limit is used up */
    int64_t spread_us; /* between two starts, while the limit is nearly used up … */
    int64_t spread_ms; /* … which is until then */
};

void pace_init(struct pace *p, unsigned most, int64_t rate_us);

/* Whether one more request may start, with so many under way. */
static inline bool pace_free(const struct pace *p, unsigned busy)
{
    return busy < p->window;
}

/* Whether the limit of the receiver is used up, or nearly. */
static inline bool pace_limited(const struct pace *p, int64_t now_ms)
{
    return now_ms < p->hold_ms || now_ms < p->spread_ms;
}

/* When the next one may start, as far as rates go. */
int64_t pace_next_ms(const struct pace *p, int64_t now_ms);

/* One starts: its number, to be given back with its reply. */
uint64_t pace_start(struct pace *p, int64_t now_ms);

struct pace_reply {
    uint64_t number;
    int64_t took_ms;               /* latency; -1: it cannot be compared with others */
    bool overload;                 /* it says so, or did not come */
    unsigned busy;                 /* still under way */
    const struct quota_left *left; /* NULL: it says nothing about a limit */
};
void pace_reply(struct pace *p, const struct pace_reply *r, int64_t now_ms);

/* The receiver is overloaded: the same, where only its profile can tell. */
void pace_overload(struct pace *p, uint64_t number, unsigned busy);

#endif

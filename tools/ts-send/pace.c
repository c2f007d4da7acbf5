/* SPDX-License-Identifier: MIT */
/*
 * Latency is smoothed as TCP smooths it (RFC 6298: 1/8).  When it is too high, a single request
 * goes alone before slow start to the half, and its latency is the lowest from then on: a receiver
 * that has become slower for good is not overloaded.
 */
#include "pace.h"

#define LATE_US 10000 /* a start that is so late is made good by the next ones */
#define FAR 4         /* times the lowest latency: overload */

void pace_init(struct pace *p, unsigned most, int64_t rate_us)
{
    *p = (struct pace){.most = most,
        .window = most < PACE_FIRST ? most : PACE_FIRST,
        .threshold = most,
        .rate_us = rate_us,
        .due_us = INT64_MIN / 4};
}

/* ---- rates ---- */

int64_t pace_next_ms(const struct pace *p, int64_t now_ms)
{
    int64_t next_ms = INT64_MIN / 8000;

    if (p->rate_us > 0)
        next_ms = (p->due_us + p->rate_us + 999) / 1000;
    if (now_ms < p->spread_ms) {
        int64_t at_ms = (p->due_us + p->spread_us + 999) / 1000;

        at_ms = at_ms < p->spread_ms ? at_ms : p->spread_ms;
        next_ms = at_ms > next_ms ? at_ms : next_ms;
    }
    return next_ms > p->hold_ms ? next_ms : p->hold_ms;
}

uint64_t pace_start(struct pace *p, int64_t now_ms)
{
    int64_t now_us = now_ms * 1000, due_us = p->due_us + p->rate_us;

    p->due_us = p->rate_us > 0 && due_us > now_us - LATE_US ? due_us : now_us;
    return ++p->started;
}

/* The requests under way are perhaps not counted yet: they come off what remains. */
static void take_limit(struct pace *p, const struct quota_left *left, unsigned busy, int64_t now_ms)
{
    int64_t few = left->limit > 0 ? left->limit / 10 : PACE_SMALL;
    int64_t rest = left->remaining > busy ? left->remaining - busy : 0;

    p->hold_ms = p->spread_ms = 0;
    if (left->reset_ms == 0)
        return;
    if (rest == 0) {
        p->hold_ms = now_ms + left->reset_ms;
    } else if (left->remaining <= few) {
        p->spread_us = left->reset_ms * 1000 / rest;
        p->spread_ms = now_ms + left->reset_ms;
    }
}

/* ---- connections ---- */

static void overload(struct pace *p, uint64_t number, unsigned busy, bool alone)
{
    unsigned used = busy + 1 < p->window ? busy + 1 : p->window;

    if (number <= p->cut) /* it was sent before the last cut, and knows nothing of it */
        return;
    p->cut = p->started;
    p->threshold = used > 1 ? used / 2 : 1;
    p->window = alone ? 1 : p->threshold;
    p->credit = 0;
}

void pace_overload(struct pace *p, uint64_t number, unsigned busy)
{
    overload(p, number, busy, false);
}

/* Whether latency is far above the lowest. */
static bool take_latency(struct pace *p, const struct pace_reply *r)
{
    int64_t took_us = r->took_ms * 1000 + 1;
    bool alone = p->window == 1 && r->busy == 0 && r->number > p->cut;

    if (p->smooth_us == 0 || alone)
        p->smooth_us = p->lowest_us = took_us;
    p->smooth_us += (took_us - p->smooth_us) / 8;
    if (p->smooth_us < p->lowest_us)
        p->lowest_us = p->smooth_us;
    return p->smooth_us > FAR * p->lowest_us + PACE_SLACK_MS * 1000;
}

static void grow(struct pace *p)
{
    if (p->window == p->most)
        return;
    if (p->window >= p->threshold && ++p->credit < p->window)
        return;
    p->credit = 0;
    p->window++;
}

void pace_reply(struct pace *p, const struct pace_reply *r, int64_t now_ms)
{
    bool slow = !r->overload && r->took_ms >= 0 && take_latency(p, r);

    if (r->left)
        take_limit(p, r->left, r->busy, now_ms);
    if (slow || r->overload)
        overload(p, r->number, r->busy, slow);
    else
        grow(p);
}

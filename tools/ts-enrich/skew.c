/* SPDX-License-Identifier: MIT */
/*
 * Step: how far the device's clock is from ours, where a live source said when the event came.
 * skew_s is the device's time less ours, in whole seconds, so a clock that runs ahead is positive.
 * An event that a device kept while its line was down looks the same as a clock that lags.
 */
#include <inttypes.h>
#include <stdio.h>

#include "enrich.h"

static int64_t allowed_ms(const struct context *c)
{
    return c->settings.max_skew_ms >= 0 ? c->settings.max_skew_ms : c->site->max_skew_ms;
}

void step_skew(const struct event *e, struct context *c, struct draft *d)
{
    int64_t skew_ms, limit = allowed_ms(c);

    if (!c->has_received)
        return;
    skew_ms = c->resolved ? c->instant_ms - c->received_ms : 0;
    if (skew_ms > limit || skew_ms < -limit) {
        int n = snprintf(c->skew, sizeof c->skew, "%" PRId64, skew_ms / 1000);

        draft_json(d, EV_SKEW_S, (struct slice){c->skew, (size_t)n});
        if (!c->note.p)
            PUT(e, d, EV_TIME_NOTE, "drift");
    } else {
        put_nothing(e, d, EV_SKEW_S);
        if (slice_is(c->note, "drift"))
            put_nothing(e, d, EV_TIME_NOTE);
    }
}

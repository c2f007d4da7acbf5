/* SPDX-License-Identifier: MIT */
/*
 * Step: how far the device's clock is from ours, where a live source said when the event came.
 * skew_s is the device's time less ours, in whole seconds, so a clock that runs ahead is positive.
 * An event that a device kept while its line was down looks the same as a clock that lags.
 */
#include <inttypes.h>
#include <stdio.h>

#include "enrich.h"

int64_t context_max_skew_ms(const struct context *c)
{
    return c->settings.max_skew_ms >= 0 ? c->settings.max_skew_ms : c->site->max_skew_ms;
}

static void measure(struct context *c, int64_t skew_ms, int64_t limit)
{
    const struct moment *m = &c->moment;
    int64_t added_s = m->fix ? m->fix->add_s : 0;
    struct drift_sample sample = {
        .device = c->device_id,
        .known = c->device != NULL,
        .received_ms = c->received_ms,
        .skew_ms = skew_ms,
        .local_s = m->wall.local_s - added_s,
        .added_s = added_s,
        .zone = m->zone,
        .ignoring = c->device && c->device->clock.ignore_offset,
        .told = m->trusted,
        .offset_s = m->offset_s,
    };

    drift_add(c->drift, &sample, limit);
}

void step_skew(const struct event *e, struct context *c, struct draft *d)
{
    int64_t skew_ms, limit = context_max_skew_ms(c);

    if (!c->has_received)
        return;
    skew_ms = c->resolved ? c->instant_ms - c->received_ms : 0;
    if (c->resolved && c->moment.known && clock_is_set(c->received_ms))
        measure(c, skew_ms, limit);
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

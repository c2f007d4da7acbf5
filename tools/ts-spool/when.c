/* SPDX-License-Identifier: MIT */
/* Moments against which the time of an event is held. */
#include "when.h"

int when_parse(const char *option, const char *text, struct when *w, struct fault *why)
{
    w->set = clock_parse(slice_of(text), &w->time);
    if (w->set)
        return 0;
    return fault_set(why, EX_USAGE,
        "--%s %s: not understood; write it like 2024-05-31 or 2024-05-31T08:00:00+08:00", option,
        text);
}

bool when_before(const struct event *e, const struct when *w)
{
    struct slice text = event_str(e, EV_TIME);
    struct clock_time t;

    if (!text.p || !clock_parse(text, &t)) {
        text = event_str(e, EV_LOCAL_TIME);
        if (!text.p || !clock_parse(text, &t))
            return false;
    }
    if (t.has_offset && w->time.has_offset)
        return clock_instant_ms(&t) < clock_instant_ms(&w->time);
    if (t.local_s != w->time.local_s)
        return t.local_s < w->time.local_s;
    return t.ms < w->time.ms;
}

int64_t when_instant_ms(const struct when *w)
{
    return clock_instant_ms(&w->time);
}

/* SPDX-License-Identifier: MIT */
/* Step: the placeholder of the picture, so that receivers always find the field. */
#include "enrich.h"

void step_snapshot(const struct event *e, struct context *c, struct draft *d)
{
    (void)c;
    if (!event_has(e, EV_SNAPSHOT))
        draft_json(d, EV_SNAPSHOT, SLICE("null"));
}

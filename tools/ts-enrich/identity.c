/* SPDX-License-Identifier: MIT */
/* Step: event_id, from the device's canonical name.  What has one keeps it. */
#include "enrich.h"

void step_identity(const struct event *e, struct context *c, struct draft *d)
{
    struct identity *id = &c->identity;

    if (event_str(e, EV_EVENT_ID).n > 0)
        return;
    if (c->has_clock && !event_has(e, EV_ERROR))
        identity_at(id, e, c->device_id, c->local, &c->clock, c->settings.hash);
    else
        identity_of(id, e, c->device_id, c->settings.hash);
    if (c->state && counts_passages(c))
        state_expect(c->state, id->octets);
    identity_print(id, c->event_id + 1);
    c->event_id[0] = c->event_id[IDENTITY_TEXT] = '"';
    draft_json(d, EV_EVENT_ID, (struct slice){c->event_id, IDENTITY_TEXT + 1});
}

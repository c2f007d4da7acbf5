/* SPDX-License-Identifier: MIT */
/* Step: --drop.  Fields of the event itself go, nothing else with them. */
#include "enrich.h"

void step_drop(const struct event *e, struct context *c, struct draft *d)
{
    const struct names *names = &c->settings.drop;

    if (names->count == 0)
        return;
    for (unsigned i = 0; i < names->count; i++) {
        enum event_field field = event_field_of(names->name[i]);

        if (field < EVENT_FIELDS)
            draft_remove(d, field);
        if (field == EV_RAW)
            draft_remove(d, EV_RAW_BASE64); /* the same in another form */
    }
    event_drop(e, names->name, names->count);
}

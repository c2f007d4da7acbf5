/* SPDX-License-Identifier: MIT */
/* Step: --redact.  The fields go, also inside `hr`; the device's own record goes with them, since
   it may hold the same things in its own words. */
#include "enrich.h"

/* An `hr` that came with the event: its members are looked through as those of an event are. */
static void redact_hr(const struct event *e, struct context *c, struct draft *d)
{
    struct event hr;
    struct draft none;
    struct fault why;

    if (!event_has(e, EV_HR) || (d->set | d->gone) & EVENT_BIT(EV_HR))
        return; /* the roster's, which was made without them */
    if (event_read(c->hr_reader, event_json(e, EV_HR), &hr, &why) < 0) {
        draft_remove(d, EV_HR);
        return;
    }
    if (event_drop(&hr, c->settings.redact.name, c->settings.redact.count) == 0)
        return;
    draft_reset(&none);
    c->hr.len = 0;
    event_write(&c->hr, &hr, &none);
    if (slice_is(buf_all(&c->hr), "{}"))
        draft_remove(d, EV_HR);
    else
        draft_json(d, EV_HR, buf_all(&c->hr));
}

void step_redact(const struct event *e, struct context *c, struct draft *d)
{
    const struct names *names = &c->settings.redact;

    if (names->count == 0)
        return;
    redact_hr(e, c, d);
    for (unsigned i = 0; i < names->count; i++) {
        enum event_field field = event_field_of(names->name[i]);

        if (field < EVENT_FIELDS)
            draft_remove(d, field);
    }
    draft_remove(d, EV_RAW);
    draft_remove(d, EV_RAW_BASE64);
    event_drop(e, names->name, names->count);
}

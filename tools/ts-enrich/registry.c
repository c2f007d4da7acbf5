/* SPDX-License-Identifier: MIT */
/* Step: the device's one name, from the site file's aliases, or from -d where the line has none. */
#include "enrich.h"

static const struct device *look_up(struct context *c, struct slice id)
{
    if (c->last_known && slice_eq(id, (struct slice){c->last_id, c->last_bytes}))
        return c->last_device;
    c->last_device = site_find(c->site, id);
    c->last_known = id.n <= sizeof c->last_id;
    if (c->last_known) {
        memcpy(c->last_id, id.p, id.n);
        c->last_bytes = id.n;
    }
    return c->last_device;
}

/* A site file that lists devices, but not this one: most likely one of the two has a typing
   mistake, and then the ids match no other path. */
static void count_stranger(struct context *c, struct slice id)
{
    size_t n = id.n < sizeof c->stranger ? id.n : sizeof c->stranger - 1;

    if (c->strangers++ > 0)
        return;
    memcpy(c->stranger, id.p, n);
    c->stranger[n] = '\0';
}

void step_registry(const struct event *e, struct context *c, struct draft *d)
{
    struct slice given = event_str(e, EV_DEVICE_ID), id = given;

    if (id.n == 0)
        id = c->settings.device;
    if (id.n == 0) {
        c->nameless++;
        return;
    }
    c->device = look_up(c, id);
    c->device_id = c->device ? c->device->name : id;
    if (!c->device && c->site->device_count > 0)
        count_stranger(c, id);
    if (!slice_eq(c->device_id, given))
        draft_str(d, EV_DEVICE_ID, c->device_id);
}

/* SPDX-License-Identifier: MIT */
/*
 * Step: in or out, and how that is known.  From the surest to the least sure:
 *
 *   punch    the device's own table in the site file: somebody wrote down what its keys mean
 *   reader   the site file says on which side the reader hangs
 *   device   … or the whole device
 *   punch    the site's table, or the usual one: customers re-label keys, so this comes last
 */
#include "enrich.h"

static enum way reader_way(const struct device *device, struct slice reader)
{
    for (size_t i = 0; reader.p && i < device->reader_count; i++)
        if (slice_eq(device->readers[i].reader, reader))
            return device->readers[i].way;
    return WAY_UNSAID;
}

static bool put_way(struct draft *d, enum way way, struct slice from)
{
    if (way != WAY_IN && way != WAY_OUT)
        return false;
    draft_json(d, EV_DIRECTION, way == WAY_IN ? SLICE("\"in\"") : SLICE("\"out\""));
    draft_json(d, EV_DIRECTION_FROM, from);
    return true;
}

void step_direction(const struct event *e, struct context *c, struct draft *d)
{
    enum punch punch = punch_find(event_str(e, EV_PUNCH));
    const struct device *device = c->device;
    enum way own = device && punch < PUNCHES ? device->punch[punch] : WAY_UNSAID;

    if (event_str(e, EV_DIRECTION).n > 0 || put_way(d, own, SLICE("\"punch\"")))
        return;
    if (device && (put_way(d, reader_way(device, event_str(e, EV_READER)), SLICE("\"reader\"")) ||
                      put_way(d, device->direction, SLICE("\"device\""))))
        return;
    /* A null in the device's own table silences the site's. */
    if (punch < PUNCHES && own == WAY_UNSAID)
        put_way(d, c->site->punch[punch], SLICE("\"punch\""));
}

/* SPDX-License-Identifier: MIT */
/*
 * Step: in or out, and how that is known.  From the surest to the least sure:
 *
 *   punch      the device's own table in the site file: somebody wrote down what its keys mean
 *   reader     the site file says on which side the reader hangs
 *   device     … or the whole device
 *   alternate  one of the two, or the site, says that people pass in and out by turns: the next
 *              step finds out whose turn it is
 *   punch      the site's table, or the usual one: customers re-label keys, so this comes last
 */
#include "enrich.h"

static enum way reader_way(const struct device *device, struct slice reader)
{
    for (size_t i = 0; reader.p && i < device->reader_count; i++)
        if (slice_eq(device->readers[i].reader, reader))
            return device->readers[i].way;
    return WAY_UNSAID;
}

static enum way code_way(const struct code_table *codes, struct slice code)
{
    for (size_t i = 0; code.n > 0 && i < codes->rows; i++)
        if (slice_eq(codes->row[i].code, code))
            return codes->row[i].way;
    return WAY_UNSAID;
}

/* What a table says of the key: by its name, or by its code where it has none. */
static enum way key_way(
    const struct event *e, enum punch punch, const enum way *ways, const struct code_table *codes)
{
    return punch < PUNCHES ? ways[punch] : code_way(codes, event_str(e, EV_CODE));
}

static bool is_said(struct context *c, enum way way, struct slice from)
{
    c->alternate = way == WAY_ALTERNATE;
    if (way != WAY_IN && way != WAY_OUT)
        return c->alternate;
    c->way = way;
    c->way_from = from;
    return true;
}

/* Reader, device, site: the first that speaks, be it only to say nothing. */
static bool is_said_by_place(const struct event *e, struct context *c)
{
    enum way reader = c->device ? reader_way(c->device, event_str(e, EV_READER)) : WAY_UNSAID;
    enum way device = c->device ? c->device->direction : WAY_UNSAID;

    if (reader != WAY_UNSAID)
        return is_said(c, reader, SLICE("\"reader\""));
    if (device != WAY_UNSAID)
        return is_said(c, device, SLICE("\"device\""));
    return is_said(c, c->site->direction, SLICE_NONE);
}

static void find_way(const struct event *e, struct context *c)
{
    enum punch punch = punch_find(event_str(e, EV_PUNCH));
    const struct device *device = c->device;
    enum way own = device ? key_way(e, punch, device->punch, &device->codes) : WAY_UNSAID;

    if (is_said(c, own, SLICE("\"punch\"")) || is_said_by_place(e, c))
        return;
    /* A null in the device's own table silences the site's. */
    if (own == WAY_UNSAID)
        is_said(c, key_way(e, punch, c->site->punch, &c->site->codes), SLICE("\"punch\""));
}

void put_way(const struct event *e, struct draft *d, enum way way, struct slice from)
{
    put_quoted(e, d, EV_DIRECTION, way == WAY_IN ? SLICE("\"in\"") : SLICE("\"out\""));
    put_quoted(e, d, EV_DIRECTION_FROM, from);
}

/* Whether a table gave the direction in an earlier run, for a device of which today's site file
   speaks: then its tables of today count.  Whose turn it was, and what came with the event, stays.
 */
static bool is_from_tables(const struct event *e, const struct context *c)
{
    struct slice from = event_str(e, EV_DIRECTION_FROM);

    if (!c->device)
        return false;
    if (slice_is(from, "punch"))
        return event_str(e, EV_PUNCH).n > 0 || event_str(e, EV_CODE).n > 0;
    return slice_is(from, "device") || (slice_is(from, "reader") && event_str(e, EV_READER).n > 0);
}

void step_direction(const struct event *e, struct context *c, struct draft *d)
{
    struct slice text = event_str(e, EV_DIRECTION);
    enum way given = slice_is(text, "in") ? WAY_IN : slice_is(text, "out") ? WAY_OUT : WAY_UNSAID;

    c->alternate = false;
    c->way = WAY_UNSAID;
    if (text.n == 0 || (given != WAY_UNSAID && is_from_tables(e, c)))
        find_way(e, c);
    if (c->way != WAY_UNSAID)
        put_way(e, d, c->way, c->way_from);
    else if (!c->alternate)
        c->way = given;
}

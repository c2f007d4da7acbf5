/* SPDX-License-Identifier: MIT */
/*
 * Step: the moment.  The device's wall clock in the device's zone gives `time`, each time anew, so
 * that a zone corrected late still comes out right.  Which zone: the device's in the site file,
 * else -z, else the site's.
 *
 * A clock that was never set starts at 1970 or 2000-01-01 when the power comes: such a time is
 * nobody's punch.  The event keeps what the device said and waits.
 */
#include "enrich.h"

#define FIRST_TRUE_S 946771200 /* 2000-01-02T00:00:00 */

static struct zone *zone_of(const struct context *c)
{
    if (c->device && c->device->zone)
        return c->device->zone;
    return c->settings.zone ? c->settings.zone : c->site->zone;
}

/* Notes that this step and step_skew write; any other is the reader's and stays. */
static bool note_is_ours(struct slice note)
{
    return slice_is(note, "gap") || slice_is(note, "fold") || slice_is(note, "drift");
}

static void set_note(const struct event *e, struct context *c, struct draft *d, enum zone_note note)
{
    if (c->note.p && !note_is_ours(c->note))
        return;
    c->note = note == ZONE_GAP ? SLICE("gap") : note == ZONE_FOLD ? SLICE("fold") : SLICE_NONE;
    if (note == ZONE_GAP)
        PUT(e, d, EV_TIME_NOTE, "gap");
    else if (note == ZONE_FOLD)
        PUT(e, d, EV_TIME_NOTE, "fold");
    else
        put_nothing(e, d, EV_TIME_NOTE);
}

static void count_zoneless(struct context *c)
{
    size_t n = c->device_id.n;

    if (c->zoneless++ > 0)
        return;
    n = n < sizeof c->zoneless_device ? n : sizeof c->zoneless_device - 1;
    if (n > 0)
        memcpy(c->zoneless_device, c->device_id.p, n);
    c->zoneless_device[n] = '\0';
}

static void unset_clock(const struct event *e, struct context *c, struct draft *d, bool keep_time)
{
    c->clock_unset = true;
    c->hold = HOLD_CLOCK;
    c->note = SLICE("clock_unset");
    PUT(e, d, EV_TIME_NOTE, "clock_unset");
    if (!keep_time)
        put_nothing(e, d, EV_TIME);
}

/* Whether the text is as clock_print_local would print it: then it need not be printed again. */
static bool is_canonical(struct slice text)
{
    return text.n == 19 && text.p[10] == 'T' && text.p[17] != '6';
}

/* Into c->time, in quotes; returns its length. */
static size_t print_time(struct context *c, int32_t offset_s)
{
    char *p = c->time;
    size_t n;

    *p++ = '"';
    if (is_canonical(c->local) && c->offset[0] && c->offset_s == offset_s) {
        memcpy(p, c->local.p, 19);
        memcpy(p + 19, c->offset, 6);
        p += 25;
    } else {
        n = clock_print_zoned(p, c->clock.local_s, c->clock.ms, offset_s);
        p += n;
        c->offset[0] = '\0';
        if (p[-1] != 'Z')
            memcpy(c->offset, p - 6, 6);
        c->offset_s = offset_s;
    }
    *p++ = '"';
    return (size_t)(p - c->time);
}

static void resolve(const struct event *e, struct context *c, struct draft *d)
{
    const struct clock_time *t = &c->clock;
    int32_t offset_s;

    set_note(e, c, d, zone_offset(zone_of(c), t->local_s, &offset_s));
    c->resolved = true;
    c->instant_ms = (t->local_s - offset_s) * 1000 + t->ms;
    put_quoted(e, d, EV_TIME, (struct slice){c->time, print_time(c, offset_s)});
}

/* `time` as it came, where nothing better can be had. */
static bool take_time(const struct event *e, struct context *c)
{
    struct slice text = event_str(e, EV_TIME);
    struct clock_time t;

    if (!text.p || !clock_parse(text, &t) || !t.has_offset)
        return false;
    c->resolved = true;
    c->instant_ms = clock_instant_ms(&t);
    return true;
}

void step_when(const struct event *e, struct context *c, struct draft *d)
{
    c->note = event_str(e, EV_TIME_NOTE);
    if (slice_is(c->note, "clock_unset") || (c->has_clock && c->clock.local_s < FIRST_TRUE_S))
        unset_clock(e, c, d, !c->has_clock);
    else if (c->has_clock && zone_of(c))
        resolve(e, c, d);
    else if (!take_time(e, c) && c->has_clock)
        count_zoneless(c);
    else if (!c->resolved && event_has(e, EV_LOCAL_TIME))
        PUT(e, d, EV_ERROR, "local_time: not a time like 2026-05-04T06:35:30");
}

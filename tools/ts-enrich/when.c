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
    if (c->note.p)
        put_str(e, d, EV_TIME_NOTE, c->note);
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
    put_str(e, d, EV_TIME_NOTE, c->note);
    if (!keep_time)
        put_nothing(e, d, EV_TIME);
}

static void resolve(const struct event *e, struct context *c, struct draft *d, struct slice text,
    const struct clock_time *t)
{
    int32_t offset_s;
    size_t n;

    set_note(e, c, d, zone_offset(zone_of(c), t->local_s, &offset_s));
    c->resolved = true;
    c->instant_ms = (t->local_s - offset_s) * 1000 + t->ms;
    n = clock_print_zoned(c->time, t->local_s, t->ms, offset_s);
    (void)text;
    put_str(e, d, EV_TIME, (struct slice){c->time, n});
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
    struct slice local = event_str(e, EV_LOCAL_TIME);
    struct clock_time t;
    bool unset, have_local = local.p && clock_parse(local, &t) && t.whole_bytes > 0;

    c->note = event_str(e, EV_TIME_NOTE);
    unset = slice_is(c->note, "clock_unset");
    if (unset || (have_local && t.local_s < FIRST_TRUE_S)) {
        unset_clock(e, c, d, !have_local);
    } else if (have_local && zone_of(c)) {
        resolve(e, c, d, local, &t);
    } else if (!take_time(e, c) && have_local) {
        count_zoneless(c);
    } else if (!c->resolved && event_has(e, EV_LOCAL_TIME)) {
        draft_str(d, EV_ERROR, SLICE("local_time: not a time like 2026-05-04T06:35:30"));
    }
}

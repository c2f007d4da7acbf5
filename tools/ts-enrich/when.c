/* SPDX-License-Identifier: MIT */
/*
 * Step: the moment, worked out anew each time from what the device said, so that a zone or a clock
 * that is corrected late still comes out right.  What the device said is its wall clock and, on
 * some, an offset behind it; neither is ever changed.
 *
 *   wall clock + correction that covers it  (site file: clock)
 *            - offset that the device wrote (unless the site file says that it lies)
 *              or that of the zone then     (the device's in the site file, else -z, else the
 * site's) = time
 *
 * A clock that was never set starts at 1970 or 2000-01-01 when the power comes, or shows a year to
 * come: such a time is nobody's punch.  The event keeps what the device said and waits.
 */
#include "enrich.h"

#define FIRST_TRUE_S 946771200             /* 2000-01-02T00:00:00 */
#define FUTURE_MS (24 * 3600 * 1000ll)     /* further ahead of us than this nobody has punched */
#define FURTHEST_S (14 * 3600)             /* the most that any zone is ahead of UTC */
#define WALL_LAST_S (253402300799 - 86400) /* year 9999, with room for an offset */

static const struct clockwork *clockwork_of(const struct context *c)
{
    static const struct clockwork nothing_said;

    return c->device ? &c->device->clock : &nothing_said;
}

static struct zone *zone_of(const struct context *c, int64_t local_s)
{
    struct zone *zone = clockwork_zone(clockwork_of(c), local_s);

    if (!zone)
        zone = c->settings.zone ? c->settings.zone : c->site->zone;
    return zone;
}

/* ---- what the device said ---- */

/* Z or an offset at the end of a text that clock_parse took. */
static size_t offset_bytes(struct slice text, const struct clock_time *t)
{
    if (!t->has_offset)
        return 0;
    return text.p[text.n - 1] == 'Z' || text.p[text.n - 1] == 'z' ? 1 : 6;
}

/* False when there is no wall clock to work from. */
static bool read_wall(const struct event *e, struct context *c, struct moment *m)
{
    size_t n;

    m->text = c->local;
    m->wall = c->clock;
    if (!c->has_clock) {
        yyjson_val *local = e->field[EV_LOCAL_TIME];

        m->text = event_str(e, EV_TIME);
        m->only_time = true;
        if ((local && !yyjson_is_null(local)) || !m->text.p || !clock_parse(m->text, &m->wall) ||
            m->wall.whole_bytes == 0)
            return false;
    }
    n = offset_bytes(m->text, &m->wall);
    m->text.n -= n;
    if (n > 0) {
        m->offset = (struct slice){m->text.p + m->text.n, n};
        m->offset_s = m->wall.offset_s;
    }
    m->known = true;
    return true;
}

/* The field utc_offset, where the event has it; false when it is none. */
static bool read_offset(const struct event *e, struct moment *m)
{
    yyjson_val *v = e->field[EV_UTC_OFFSET];

    if (!v || yyjson_is_null(v))
        return true;
    m->offset = event_str(e, EV_UTC_OFFSET);
    return m->offset.p && clock_parse_offset(m->offset, &m->offset_s);
}

/* ---- notes ---- */

/* Notes that this step and step_skew write; any other is the reader's and stays. */
static bool note_is_ours(struct slice note)
{
    static const char *const ours[] = {"gap", "fold", "drift", "clock_unset", "unset_corrected",
        "clock_corrected", "zone_corrected"};

    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (slice_is(note, ours[i]))
            return true;
    return false;
}

/* In its quotes; SLICE_NONE: none. */
static void set_note(const struct event *e, struct context *c, struct draft *d, struct slice note)
{
    if (c->note.p && !note_is_ours(c->note) && !c->moment.unset)
        return;
    c->note = note.p ? (struct slice){note.p + 1, note.n - 2} : SLICE_NONE;
    if (note.p)
        put_quoted(e, d, EV_TIME_NOTE, note);
    else
        put_nothing(e, d, EV_TIME_NOTE);
}

/* The weightiest of what can be said.  One that was unset keeps the word for it, so that it waits
   again when the correction is taken back. */
static struct slice choose_note(const struct moment *m, enum zone_note note, int32_t offset_s)
{
    if (m->unset)
        return SLICE("\"unset_corrected\"");
    if (note != ZONE_PLAIN)
        return note == ZONE_GAP ? SLICE("\"gap\"") : SLICE("\"fold\"");
    if (m->fix && m->fix->add_s != 0)
        return SLICE("\"clock_corrected\"");
    return m->offset.p && m->offset_s != offset_s ? SLICE("\"zone_corrected\"") : SLICE_NONE;
}

/* ---- what cannot be resolved ---- */

/* Where the event has `time` alone: what the device said gets fields of its own, before `time` is
   changed or goes. */
static void keep_said(const struct event *e, struct draft *d, const struct moment *m)
{
    if (!m->known || !m->only_time)
        return;
    draft_str(d, EV_LOCAL_TIME, m->text);
    if (m->offset.p && !event_str(e, EV_UTC_OFFSET).p)
        draft_str(d, EV_UTC_OFFSET, m->offset);
}

static void hold_unset(
    const struct event *e, struct context *c, struct draft *d, const struct moment *m)
{
    count_first(&c->unset, c->device_id);
    c->clock_unset = true;
    c->hold = HOLD_CLOCK;
    c->note = SLICE("clock_unset");
    PUT(e, d, EV_TIME_NOTE, "clock_unset");
    keep_said(e, d, m);
    if (m->known)
        put_nothing(e, d, EV_TIME);
}

/* Whether a moment is too far ahead of when it came, or of now.  What the site file corrected is
   held against now alone: perhaps it was our clock that was wrong then. */
static bool is_future(struct context *c, int64_t instant_ms, bool corrected)
{
    if (c->has_received && !corrected && clock_is_set(c->received_ms))
        return instant_ms > c->received_ms + FUTURE_MS;
    if (instant_ms <= c->now_ms + FUTURE_MS)
        return false;
    c->now_ms = clock_now_ms();
    return instant_ms > c->now_ms + FUTURE_MS && clock_is_set(c->now_ms);
}

/* Whether it was too far ahead before it was corrected. */
static bool was_future(struct context *c, const struct moment *m, int64_t instant_ms)
{
    return m->fix && is_future(c, instant_ms - m->fix->add_s * 1000, false);
}

/* `time` as it came. */
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

/* No zone, and no offset that counts. */
static void leave(const struct event *e, struct context *c, struct draft *d, const struct moment *m)
{
    int64_t earliest_ms = (m->wall.local_s - FURTHEST_S) * 1000;
    bool overruled = m->fix || m->offset.p; /* `time` is not what the site file wants */

    if (m->unset || is_future(c, earliest_ms, m->fix != NULL) || was_future(c, m, earliest_ms)) {
        hold_unset(e, c, d, m);
    } else if (overruled || m->only_time || !take_time(e, c)) {
        count_first(&c->zoneless, c->device_id);
        if (overruled) {
            set_note(e, c, d, SLICE_NONE);
            keep_said(e, d, m);
            put_nothing(e, d, EV_TIME);
        }
    }
}

/* ---- the moment ---- */

/* Whether the text is as clock_print_local would print it: then it need not be printed again. */
static bool is_canonical(struct slice text)
{
    return text.n == 19 && text.p[10] == 'T' && text.p[17] != '6';
}

/* Into c->time, in quotes; returns its length. */
static size_t print_time(struct context *c, const struct moment *m, int32_t offset_s)
{
    const struct clock_time *t = &m->wall;
    char *p = c->time;

    *p++ = '"';
    if (m->trusted) { /* what the device wrote, as it wrote it */
        p += clock_print_local(p, t->local_s, t->ms);
        memcpy(p, m->offset.n == 1 ? "Z" : m->offset.p, m->offset.n);
        p += m->offset.n;
    } else if (!m->fix && is_canonical(m->text) && c->offset[0] && c->offset_s == offset_s) {
        memcpy(p, m->text.p, 19);
        memcpy(p + 19, c->offset, 6);
        p += 25;
    } else {
        p += clock_print_zoned(p, t->local_s, t->ms, offset_s);
        c->offset[0] = '\0';
        if (p[-1] != 'Z')
            memcpy(c->offset, p - 6, 6);
        c->offset_s = offset_s;
    }
    *p++ = '"';
    return (size_t)(p - c->time);
}

/* False when the correction leads to another time that is none. */
static bool correct(struct moment *m)
{
    m->wall.local_s += m->fix->add_s;
    return m->wall.local_s >= FIRST_TRUE_S && m->wall.local_s <= WALL_LAST_S;
}

static void resolve(const struct event *e, struct context *c, struct draft *d, struct moment *m)
{
    enum zone_note note = ZONE_PLAIN;
    int32_t offset_s = m->offset_s;
    int64_t instant_ms;

    if (!m->trusted)
        note = zone_offset(m->zone, m->wall.local_s, &offset_s);
    instant_ms = (m->wall.local_s - offset_s) * 1000 + m->wall.ms;
    if (is_future(c, instant_ms, m->fix != NULL)) {
        hold_unset(e, c, d, m);
        return;
    }
    m->unset = m->unset || was_future(c, m, instant_ms);
    set_note(e, c, d, choose_note(m, note, offset_s));
    c->resolved = true;
    c->instant_ms = instant_ms;
    if (m->only_time && m->trusted && !m->fix && m->offset.p == m->text.p + m->text.n)
        return; /* as it came, with its own offset */
    keep_said(e, d, m);
    put_quoted(e, d, EV_TIME, (struct slice){c->time, print_time(c, m, offset_s)});
}

void step_when(const struct event *e, struct context *c, struct draft *d)
{
    const struct clockwork *w = clockwork_of(c);
    struct moment *m = &c->moment;

    *m = (struct moment){0};
    c->note = event_str(e, EV_TIME_NOTE);
    m->unset =
        c->note.p && (slice_is(c->note, "clock_unset") || slice_is(c->note, "unset_corrected"));
    if (!read_wall(e, c, m)) {
        if (m->unset)
            hold_unset(e, c, d, m);
        else if (!take_time(e, c) && event_has(e, EV_LOCAL_TIME))
            PUT(e, d, EV_ERROR, "local_time: not a time like 2026-05-04T06:35:30");
        return;
    }
    if (!read_offset(e, m)) {
        PUT(e, d, EV_ERROR, "utc_offset: neither Z nor an offset like +08:00");
        return;
    }
    m->fix = clockwork_fix(w, m->wall.local_s);
    m->unset = m->unset || m->wall.local_s < FIRST_TRUE_S;
    if ((m->unset && !m->fix) || (m->fix && !correct(m))) {
        hold_unset(e, c, d, m);
        return;
    }
    m->zone = zone_of(c, m->wall.local_s);
    m->trusted = m->offset.p && !w->ignore_offset;
    if (m->trusted || m->zone)
        resolve(e, c, d, m);
    else
        leave(e, c, d, m);
}

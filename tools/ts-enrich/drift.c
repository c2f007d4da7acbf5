/* SPDX-License-Identifier: MIT */
/*
 * A record a device, found by hash, and for each the window of this day and that of the day before.
 * Names that are not in the site file are anybody's to send: so many of them are measured, no more.
 */
#include "drift.h"

#include <inttypes.h>
#include <stdlib.h>

#include "clock.h"

#define NAME_BYTES 64
#define STRANGERS_MAX 256
#define DEVICES_MAX 65536
#define WINDOW_MS (24 * 3600 * 1000ll)
#define QUARTER_MS (15 * 60 * 1000)
#define NEAR_MS (2 * 60 * 1000) /* to a whole quarter of an hour: zones, not clocks */
/* A clock is ahead by so many events that are; behind, when so many came at so many times (minutes)
   and not one of them was better. */
#define AHEAD_MIN 3
#define BEHIND_MIN 10
#define MINUTES_MIN 5

struct window {
    int64_t start_ms; /* of its first event */
    int64_t best_ms;  /* the greatest skew */
    int64_t first_s;  /* the wall clock of its first event */
    int64_t minute;   /* of the last event */
    uint32_t events, minutes, ahead;
};

struct record {
    char name[NAME_BYTES];
    size_t name_bytes; /* 0: free */
    struct window now, before;
    int64_t said_ms; /* what people were told last; 0: nothing */
    struct zone *zone;
    int64_t added_s;
    bool ignoring, told;
    int32_t offset_s;
    bool news;
};

struct drift {
    struct record *record;
    size_t records, used, strangers;
    bool news;
};

struct drift *drift_new(void)
{
    struct drift *d = mem_alloc(sizeof *d);

    *d = (struct drift){0};
    return d;
}

void drift_free(struct drift *d)
{
    if (d)
        free(d->record);
    free(d);
}

/* ---- records ---- */

/* Its record, or the free one that it would have; there is one. */
static struct record *look_up(const struct drift *d, struct slice name)
{
    uint32_t hash = 2166136261u;
    size_t at;

    for (size_t i = 0; i < name.n; i++)
        hash = (hash ^ (unsigned char)name.p[i]) * 16777619u;
    for (at = hash & (d->records - 1); d->record[at].name_bytes > 0;
         at = (at + 1) & (d->records - 1))
        if (slice_eq(name, (struct slice){d->record[at].name, d->record[at].name_bytes}))
            break;
    return &d->record[at];
}

static void grow(struct drift *d)
{
    struct drift old = *d;

    d->records = old.records ? old.records * 2 : 16;
    d->record = mem_alloc(d->records * sizeof *d->record);
    memset(d->record, 0, d->records * sizeof *d->record);
    for (size_t i = 0; i < old.records; i++) {
        const struct record *r = &old.record[i];

        if (r->name_bytes > 0)
            *look_up(d, (struct slice){r->name, r->name_bytes}) = *r;
    }
    free(old.record);
}

/* NULL: it is one too many. */
static struct record *record_of(struct drift *d, const struct drift_sample *s)
{
    struct record *r;

    if (s->device.n == 0 || s->device.n > NAME_BYTES)
        return NULL;
    if (d->used * 4 >= d->records * 3)
        grow(d);
    r = look_up(d, s->device);
    if (r->name_bytes > 0)
        return r;
    if (d->used >= DEVICES_MAX || (!s->known && d->strangers >= STRANGERS_MAX))
        return NULL;
    d->used++;
    d->strangers += !s->known;
    memcpy(r->name, s->device.p, s->device.n);
    r->name_bytes = s->device.n;
    return r;
}

/* ---- windows ---- */

/* Whether the window shows what the clock is like, and not only what the way of its events is. */
static bool shows(const struct window *w, int64_t limit_ms)
{
    if (w->best_ms > limit_ms)
        return w->ahead >= AHEAD_MIN;
    return w->events >= BEHIND_MIN && w->minutes >= MINUTES_MIN;
}

static const struct window *best_window(const struct record *r, int64_t limit_ms)
{
    return shows(&r->now, limit_ms) ? &r->now : shows(&r->before, limit_ms) ? &r->before : NULL;
}

static int64_t size_of(int64_t ms)
{
    return ms < 0 ? -ms : ms;
}

static bool is_news(const struct record *r, int64_t limit_ms)
{
    const struct window *w = best_window(r, limit_ms);

    if (!w)
        return false;
    if (size_of(w->best_ms) <= limit_ms)
        return r->said_ms != 0;
    return r->said_ms == 0 || size_of(w->best_ms - r->said_ms) > limit_ms;
}

static void take(struct window *w, const struct drift_sample *s, int64_t limit_ms)
{
    int64_t minute = s->received_ms / 60000;

    if (w->events == 0)
        *w = (struct window){.start_ms = s->received_ms,
            .best_ms = s->skew_ms,
            .first_s = s->local_s,
            .minute = minute - 1};
    if (s->skew_ms > w->best_ms)
        w->best_ms = s->skew_ms;
    if (s->skew_ms > limit_ms && w->ahead++ == 0)
        w->first_s = s->local_s;
    w->minutes += minute != w->minute;
    w->minute = minute;
    w->events++;
}

void drift_add(struct drift *d, const struct drift_sample *s, int64_t limit_ms)
{
    struct record *r = record_of(d, s);

    if (!r)
        return;
    /* What people set since is measured anew. */
    if (r->zone != s->zone || r->added_s != s->added_s || r->ignoring != s->ignoring) {
        r->before = r->now = (struct window){0};
    } else if (r->now.events > 0 && size_of(s->received_ms - r->now.start_ms) >= WINDOW_MS) {
        r->before = r->now;
        r->now = (struct window){0};
    }
    r->zone = s->zone;
    r->added_s = s->added_s;
    r->ignoring = s->ignoring;
    r->told = s->told;
    r->offset_s = s->offset_s;
    take(&r->now, s, limit_ms);
    r->news = is_news(r, limit_ms);
    d->news = d->news || r->news;
}

bool drift_has_news(const struct drift *d)
{
    return d->news;
}

/* ---- words ---- */

enum cause { CAUSE_CLOCK, CAUSE_LABEL, CAUSE_ZONE };

/* How far from a whole quarter of an hour. */
static int64_t off_quarter(int64_t ms)
{
    int64_t off = size_of(ms) % QUARTER_MS;

    return off < QUARTER_MS - off ? off : QUARTER_MS - off;
}

/* By what it looks like; people decide. */
static enum cause cause_of(const struct record *r, const struct window *w)
{
    int64_t ms = size_of(w->best_ms);
    int32_t zone_s = 0;

    if (r->told && r->zone) {
        zone_offset(r->zone, w->first_s, &zone_s);
        return zone_s != r->offset_s &&
                       size_of(w->best_ms - (zone_s - r->offset_s) * 1000ll) <= NEAR_MS
                   ? CAUSE_LABEL
                   : CAUSE_CLOCK;
    }
    /* Half hours and more, as zones and summer time differ. */
    if (ms < 2 * QUARTER_MS - NEAR_MS || off_quarter(ms) > NEAR_MS)
        return CAUSE_CLOCK;
    return r->told ? CAUSE_LABEL : CAUSE_ZONE;
}

static void put_advice(struct buf *out, const struct record *r, const struct window *w)
{
    char from[CLOCK_TEXT];

    switch (cause_of(r, w)) {
    case CAUSE_LABEL:
        buf_printf(out,
            "as if it wrote local time and called it %s; in the site file %s\"utc_offset\": "
            "\"ignore\" mends that",
            r->offset_s == 0 ? "UTC" : "another zone's", r->zone ? "" : "\"zone\" and ");
        break;
    case CAUSE_ZONE:
        buf_printf(out, "as if its zone were not %s, or its summer time not set",
            r->zone ? zone_name(r->zone) : "what its events say");
        break;
    default:
        clock_print_local(from, w->first_s, 0);
        buf_printf(out,
            "set it; what it wrote until then is corrected in the site file by "
            "\"clock\": [{\"from\": \"%s\", \"add_s\": %" PRId64 "}]",
            from, r->added_s - (w->best_ms + (w->best_ms < 0 ? -500 : 500)) / 1000);
    }
}

static void tell(struct record *r, int64_t limit_ms, void (*say)(const char *text))
{
    const struct window *w = best_window(r, limit_ms);
    struct buf out = {0};

    r->news = false;
    if (!w)
        return;
    buf_printf(&out, "device %.*s: its clock is ", (int)r->name_bytes, r->name);
    if (size_of(w->best_ms) <= limit_ms) {
        buf_text(&out, "right again");
        r->said_ms = 0;
    } else {
        buf_printf(&out, "%" PRId64 " s %s, ", (size_of(w->best_ms) + 500) / 1000,
            w->best_ms > 0 ? "ahead" : "behind");
        put_advice(&out, r, w);
        r->said_ms = w->best_ms;
    }
    buf_char(&out, '\0');
    say(out.data);
    buf_free(&out);
}

void drift_tell(struct drift *d, int64_t limit_ms, void (*say)(const char *text))
{
    d->news = false;
    for (size_t i = 0; i < d->records; i++)
        if (d->record[i].news)
            tell(&d->record[i], limit_ms, say);
}

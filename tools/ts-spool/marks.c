/* SPDX-License-Identifier: MIT */
/*
 * Three looks at the store, each in short transactions while others work: what is not settled, then
 * the newest of what is, then again what is not.  An event that is put, or put back, between them
 * is seen by the last one.
 */
#include "marks.h"

#include <stdlib.h>

#include "stop.h"

#define DAY_MS 86400000ll
#define SETTLED (STATE_BIT(STATE_DELIVERED) | STATE_BIT(STATE_SKIPPED))

/* How far back the newest settled event of a device is looked for, by when it was put. */
static const int64_t windows_ms[] = {2 * DAY_MS, 32 * DAY_MS};

struct looking {
    struct marks *marks;
    const struct marks_config *config;
    struct event_reader *parser;
    bool again;   /* the last look: nothing is counted, only earlier ones are noted */
    bool changed; /* … and there was one */
};

/* ---- times ---- */

static void keep_text(char out[CLOCK_TEXT], struct slice text)
{
    if (text.n < CLOCK_TEXT)
        memcpy(out, text.p, text.n);
}

void mark_time_of(struct mark_time *t, struct slice time, struct slice local_time)
{
    struct clock_time c;

    *t = (struct mark_time){0};
    if (time.n > 0 && clock_parse(time, &c) && c.whole_bytes > 0) {
        t->known = true;
        t->wall_ms = c.local_s * 1000 + c.ms;
        t->has_instant = c.has_offset;
        t->instant_ms = c.has_offset ? clock_instant_ms(&c) : 0;
        keep_text(t->time, time);
    }
    if (local_time.n > 0 && clock_parse(local_time, &c) && c.whole_bytes > 0) {
        t->known = true;
        t->wall_ms = c.local_s * 1000 + c.ms;
        keep_text(t->local_time, local_time);
    }
}

static void time_of(struct mark_time *t, const struct event *e)
{
    mark_time_of(t, event_str(e, EV_TIME), event_str(e, EV_LOCAL_TIME));
}

/* By wall clock and by instant, where both have one: a zone that was corrected, or an hour that the
   clocks show twice, may make these two disagree. */
static bool earlier(const struct mark_time *a, const struct mark_time *b)
{
    return a->wall_ms < b->wall_ms &&
           (!a->has_instant || !b->has_instant || a->instant_ms < b->instant_ms);
}

/* Lowers *t to what is the earlier in either way. */
static void lower(struct mark_time *t, const struct mark_time *to)
{
    if (!t->known) {
        *t = *to;
        return;
    }
    if (to->wall_ms < t->wall_ms)
        t->wall_ms = to->wall_ms;
    if (to->has_instant && (!t->has_instant || to->instant_ms < t->instant_ms)) {
        t->has_instant = true;
        t->instant_ms = to->instant_ms;
    }
}

/* ---- devices ---- */

static int by_name(const void *a, const void *b)
{
    const struct slice *x = &((const struct mark *)a)->device,
                       *y = &((const struct mark *)b)->device;
    size_t n = x->n < y->n ? x->n : y->n;
    int rc = n > 0 ? memcmp(x->p, y->p, n) : 0;

    return rc != 0 ? rc : (x->n > y->n) - (x->n < y->n);
}

static int add_device(void *arg, const struct device_seen *d)
{
    struct marks *m = arg;

    if ((m->count & (m->count + 1)) == 0) /* 1, 3, 7, … are full */
        m->mark = mem_resize(m->mark, (m->count * 2 + 1) * sizeof *m->mark);
    m->mark[m->count++] = (struct mark){.device = {mem_text(d->device), d->device.n}};
    return 0;
}

int marks_open(struct marks *m, struct store *s, struct fault *why)
{
    *m = (struct marks){0};
    if (store_devices(s, add_device, m, why) < 0)
        return -1;
    if (m->count > 0)
        qsort(m->mark, m->count, sizeof *m->mark, by_name);
    return 0;
}

void marks_free(struct marks *m)
{
    for (size_t i = 0; i < m->count; i++)
        free((char *)(uintptr_t)m->mark[i].device.p);
    free(m->mark);
    *m = (struct marks){0};
}

struct mark *marks_find(const struct marks *m, struct slice device)
{
    const struct mark key = {.device = device};

    return m->count > 0 ? bsearch(&key, m->mark, m->count, sizeof *m->mark, by_name) : NULL;
}

/* The event of a row and whose it is; NULL: it names no device, or is no event. */
static struct mark *mark_of(struct looking *l, const struct row *row, struct event *e)
{
    struct slice device;
    struct fault why;

    if (event_read(l->parser, row->line, e, &why) < 0)
        return NULL;
    device = event_str(e, EV_DEVICE_ID);
    if (device.n > STORE_DEVICE_MAX)
        device.n = STORE_DEVICE_MAX;
    return device.n > 0 ? marks_find(l->marks, device) : NULL;
}

/* ---- the looks ---- */

/* Of the last look: one that the first has not seen, and that the mark is not before. */
static bool is_new(const struct mark *m, const struct mark_time *t)
{
    return t->known ? m->upto.known && !earlier(&m->upto, t) : !m->timeless;
}

static int note_open(void *arg, const struct row *row)
{
    struct looking *l = arg;
    struct mark_time t;
    struct event e;
    struct mark *m = mark_of(l, row, &e);

    if (m && m->left_out)
        return 0;
    if (l->again) {
        if (m)
            time_of(&t, &e);
        l->changed |= m ? is_new(m, &t) : l->marks->nameless == 0;
        return 0;
    }
    if (!m) {
        l->marks->nameless++;
        return 0;
    }
    m->open[row->state]++;
    time_of(&t, &e);
    if (t.known)
        lower(&m->first, &t);
    else
        m->timeless = true;
    return 0;
}

/* Whether it says that everything before it is in. */
static bool proves(const struct mark *m, const struct mark_time *t, int64_t latest_ms)
{
    return t->has_instant && t->instant_ms <= latest_ms && !m->timeless &&
           (!m->first.known || earlier(t, &m->first));
}

static void raise(struct mark *m, const struct mark_time *t)
{
    if (!m->upto.known || t->instant_ms > m->upto.instant_ms)
        m->upto = *t;
}

static int note_settled(void *arg, const struct row *row)
{
    struct looking *l = arg;
    int64_t latest_ms = l->config->now_ms - l->config->settle_ms;
    struct mark_time t;
    struct event e;
    struct mark *m;

    if (row->put_ms > latest_ms)
        return 0;
    m = mark_of(l, row, &e);
    if (!m)
        return 0;
    time_of(&t, &e);
    /* Its texts are what is told: a time whose text was too long is none. */
    if (t.known && t.time[0] && proves(m, &t, latest_ms))
        raise(m, &t);
    return 0;
}

static int look(struct looking *l, struct store *s, unsigned states, uint64_t after,
    int (*row)(void *arg, const struct row *row), struct fault *why)
{
    struct page page = {.states = states, .after = after, .row = row, .arg = l};

    while (!page.ended) {
        if (stop_requested())
            return fault_set(why, EX_TEMPFAIL, "interrupted");
        if (store_page(s, &page, why) < 0)
            return -1;
    }
    return 0;
}

/* ---- where a window begins ---- */

static int first_row(void *arg, const struct row *row)
{
    int64_t *put_ms = arg;

    if (*put_ms == 0)
        *put_ms = row->put_ms;
    return 0;
}

/* When the first event after that arrival number was put; INT64_MAX: there is none. */
static int put_after(struct store *s, uint64_t after, int64_t *put_ms, struct fault *why)
{
    struct page page = {.states = STATES_ALL, .after = after, .row = first_row, .arg = put_ms};

    *put_ms = 0;
    while (!page.ended && *put_ms == 0)
        if (store_page(s, &page, why) < 0)
            return -1;
    if (*put_ms == 0)
        *put_ms = INT64_MAX;
    return 0;
}

/* An arrival number after which everything stands that was put since then.  Clocks that were set
   make it too late at worst, which makes marks earlier. */
static int find_start(struct store *s, int64_t since_ms, uint64_t *after, struct fault *why)
{
    uint64_t low = 0, high = 1;
    int64_t put_ms = 0;

    while (put_ms < since_ms) {
        if (put_after(s, high, &put_ms, why) < 0)
            return -1;
        if (put_ms < since_ms) {
            low = high;
            high *= 2;
        }
    }
    while (low + 1 < high) {
        uint64_t mid = low + (high - low) / 2;

        if (put_after(s, mid, &put_ms, why) < 0)
            return -1;
        *(put_ms < since_ms ? &low : &high) = mid;
    }
    *after = low;
    return 0;
}

static bool all_known(const struct marks *m)
{
    for (size_t i = 0; i < m->count; i++)
        if (!m->mark[i].upto.known && !m->mark[i].left_out)
            return false;
    return true;
}

int marks_look(
    struct marks *m, struct store *s, const struct marks_config *config, struct fault *why)
{
    unsigned open = STATES_ALL & ~(SETTLED | config->ignored), settled = SETTLED | config->ignored;
    struct looking l = {.marks = m, .config = config, .parser = event_reader_new()};
    uint64_t after;
    int rc = look(&l, s, open, 0, note_open, why);

    for (size_t i = 0; i < m->count; i++)
        if (m->mark[i].complete.known && proves(&m->mark[i], &m->mark[i].complete, config->now_ms))
            raise(&m->mark[i], &m->mark[i].complete);
    for (size_t i = 0; rc == 0 && i < sizeof windows_ms / sizeof *windows_ms; i++) {
        if (i > 0 && all_known(m))
            break;
        rc = find_start(s, config->now_ms - windows_ms[i], &after, why);
        if (rc == 0)
            rc = look(&l, s, settled, after, note_settled, why);
    }
    l.again = true;
    if (rc == 0)
        rc = look(&l, s, open, 0, note_open, why);
    event_reader_free(l.parser);
    return rc < 0 ? -1 : !l.changed;
}

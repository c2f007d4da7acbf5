/* SPDX-License-Identifier: MIT */
/*
 * The audit by device and day, and other small reading.
 *
 * How many events a day received is counted at put; how many of them are not delivered is counted
 * here, by walking once over the arrival numbers: below the floor over rows of exception alone,
 * above it over all events.  Rows of table day are read in the transaction in which the walk has
 * come to the last event, so none is taken for delivered because it came after.
 */
#include <stdlib.h>

#include "sqlite.h"
#include "stop.h"

#define STRETCH_MS 20              /* of one transaction */
#define CLOCK_ROWS 64              /* between two looks at the clock */
#define DAYS_PAGE 256              /* rows of day in one transaction */
#define PLACES_MIN 1024            /* power of two */
#define HIGHEST "\xf4\x8f\xbf\xbf" /* above all text but its own like */

/* ---- events that are not delivered, by row of day ---- */

struct tally {
    int64_t day; /* 0: the place is free */
    int64_t in[STATES];
};

struct tallies {
    struct tally *at; /* owned */
    size_t count, cap;
};

static struct tally *tally_place(const struct tallies *t, int64_t day)
{
    size_t n = (size_t)day & (t->cap - 1); /* rowids are dense: they are their own hash */

    while (t->at[n].day != 0 && t->at[n].day != day)
        n = (n + 1) & (t->cap - 1);
    return &t->at[n];
}

static void tallies_grow(struct tallies *t)
{
    struct tallies old = *t;

    t->cap = old.cap ? old.cap * 2 : PLACES_MIN;
    t->at = mem_alloc(t->cap * sizeof *t->at);
    memset(t->at, 0, t->cap * sizeof *t->at);
    for (size_t i = 0; i < old.cap; i++)
        if (old.at[i].day != 0)
            *tally_place(t, old.at[i].day) = old.at[i];
    free(old.at);
}

static void tally_add(struct tallies *t, int64_t day, enum state state)
{
    struct tally *place;

    if (day == 0)
        return;
    if (t->count * 2 >= t->cap)
        tallies_grow(t);
    place = tally_place(t, day);
    if (place->day == 0) {
        place->day = day;
        t->count++;
    }
    place->in[state]++;
}

/* ---- the walk ---- */

/* A row of day, copied: it is given out after its transaction. */
struct day_copy {
    struct day day;
    size_t device_at;
    bool has_device, has_day;
};

struct walk {
    struct sqlite *s;
    const struct audit *audit;
    struct tallies tallies;
    int64_t seq; /* the last one looked at */
    struct day_copy copies[DAYS_PAGE];
    int count;
    struct buf texts, device, day; /* of the copies; the last row that was read */
    bool ended;
};

/* Goes on with the walk: 1 when the last event is behind it, 0 when the time is over. */
static int walk_on(struct walk *w, const struct view *v, struct fault *why)
{
    int64_t end_ms = monotonic_ms() + STRETCH_MS, floor = v->meta[META_FLOOR];
    bool below = w->seq + 1 < floor;
    sqlite3_stmt *q = sqlite_query(w->s, below ? Q_AUDIT_EXCEPTIONS : Q_AUDIT_ALL, why);
    int rc = 0;

    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, w->seq);
    if (below)
        sqlite3_bind_int64(q, 2, floor);
    for (int n = 1; (rc = sqlite_step(w->s, q, why)) > 0; n++) {
        enum state state;

        w->seq = sqlite3_column_int64(q, 0);
        state = sqlite_state(v, sqlite3_column_int(q, 2), (uint64_t)w->seq);
        if (state != STATE_DELIVERED)
            tally_add(&w->tallies, sqlite3_column_int64(q, 1), state);
        if (n % CLOCK_ROWS == 0 && monotonic_ms() >= end_ms)
            break;
    }
    sqlite3_reset(q);
    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (below)
        w->seq = floor - 1;
    return !below;
}

static void copy_day(struct walk *w, sqlite3_stmt *q)
{
    struct slice device = sqlite_text(q, 1), day = sqlite_text(q, 2);
    const struct tally *t =
        w->tallies.cap ? tally_place(&w->tallies, sqlite3_column_int64(q, 0)) : &(struct tally){0};
    struct day_copy *copy = &w->copies[w->count++];
    struct day *d = &copy->day;
    bool serials = sqlite3_column_type(q, 7) != SQLITE_NULL;

    *copy = (struct day_copy){.device_at = w->texts.len};
    d->device.n = device.n;
    d->day.n = day.n;
    buf_slice(&w->texts, device);
    buf_slice(&w->texts, day);
    d->received = sqlite3_column_int64(q, 3);
    d->duplicates = sqlite3_column_int64(q, 4);
    d->erased = sqlite3_column_int64(q, 5);
    d->serials = sqlite3_column_int64(q, 6);
    d->first_serial = serials ? sqlite3_column_int64(q, 7) : -1;
    d->last_serial = serials ? sqlite3_column_int64(q, 8) : -1;
    d->last_put_ms = sqlite3_column_int64(q, 9);
    memcpy(d->in, t->in, sizeof d->in);
    d->in[STATE_DELIVERED] = d->received - d->erased - d->in[STATE_WAITING] - d->in[STATE_HELD] -
                             d->in[STATE_DEAD] - d->in[STATE_SKIPPED];
    if (d->in[STATE_DELIVERED] < 0) /* one was erased behind the walk */
        d->in[STATE_DELIVERED] = 0;
}

static void remember(struct buf *text, struct slice value)
{
    text->len = 0;
    buf_slice(text, value);
}

static struct slice remembered(const struct buf *text)
{
    return text->data ? buf_all(text) : SLICE("");
}

static int read_days(struct walk *w, struct fault *why)
{
    const struct audit *a = w->audit;
    bool bound = a->since || a->until;
    sqlite3_stmt *q = sqlite_query(w->s, Q_DAYS, why);
    int rc = 1;

    if (!q)
        return -1;
    sqlite_bind(q, 1, remembered(&w->device));
    sqlite_bind(q, 2, remembered(&w->day));
    sqlite_bind(q, 3, slice_of(a->device ? a->device : HIGHEST));
    sqlite_bind(q, 4, slice_of(a->since ? a->since : bound ? "0" : ""));
    sqlite_bind(q, 5, slice_of(a->until ? a->until : HIGHEST));
    w->count = 0;
    w->texts.len = 0;
    while (w->count < DAYS_PAGE && (rc = sqlite_step(w->s, q, why)) > 0)
        copy_day(w, q);
    if (rc > 0) {
        remember(&w->device, sqlite_text(q, 1));
        remember(&w->day, sqlite_text(q, 2));
        buf_char(&w->day, '\1'); /* the next is above it */
        sqlite3_reset(q);
    }
    w->ended = rc == 0;
    return rc < 0 ? -1 : 0;
}

/* One transaction: a stretch of the walk, then days if it has come to its end. */
static int stretch(struct walk *w, struct fault *why)
{
    struct view v = {0};
    int rc = -1;

    w->count = 0;
    if (sqlite_begin(w->s, false, why) == 0 && sqlite_view(w->s, &v, why) == 0) {
        rc = walk_on(w, &v, why);
        if (rc > 0)
            rc = read_days(w, why);
        if (rc >= 0)
            rc = sqlite_commit(w->s, why);
    }
    if (rc < 0)
        sqlite_undo(w->s);
    ranges_free(&v.done);
    return rc;
}

static int give_days(struct walk *w)
{
    for (int i = 0; i < w->count; i++) {
        struct day_copy *copy = &w->copies[i];
        const char *p = w->texts.data + copy->device_at;
        struct day *d = &copy->day;

        d->device.p = d->device.n > 0 ? p : NULL;
        d->day.p = d->day.n > 0 ? p + d->device.n : NULL;
        if (w->audit->row(w->audit->arg, d) < 0)
            return -1;
    }
    return 0;
}

int sqlite_audit(struct store *store, const struct audit *audit, struct fault *why)
{
    struct walk *w = mem_alloc(sizeof *w);
    int rc = 0;

    *w = (struct walk){.s = (struct sqlite *)store, .audit = audit};
    if (audit->device) /* all that is read is of it */
        remember(&w->device, slice_of(audit->device));
    while (rc == 0 && !w->ended) {
        rc = stretch(w, why);
        if (rc == 0)
            rc = give_days(w);
    }
    free(w->tallies.at);
    buf_free(&w->texts);
    buf_free(&w->device);
    buf_free(&w->day);
    free(w);
    return rc;
}

/* ---- devices ---- */

static int next_device(struct sqlite *s, struct buf *device, bool *found, struct fault *why)
{
    sqlite3_stmt *q = sqlite_query(s, Q_DEVICE_NEXT, why);
    int rc;

    if (!q)
        return -1;
    sqlite_bind(q, 1, remembered(device));
    rc = sqlite_step(s, q, why);
    if (rc < 0)
        return -1;
    *found = sqlite3_column_type(q, 0) != SQLITE_NULL;
    if (*found)
        remember(device, sqlite_text(q, 0));
    sqlite3_reset(q);
    return 0;
}

/* Each device is a transaction of its own. */
static int see_device(struct sqlite *s, const struct buf *device, struct buf *day,
    struct device_seen *seen, struct fault *why)
{
    sqlite3_stmt *q = sqlite_query(s, Q_DEVICE_SEEN, why);
    int rc;

    if (!q)
        return -1;
    sqlite_bind(q, 1, buf_all(device));
    rc = sqlite_step(s, q, why);
    if (rc < 0)
        return -1;
    remember(day, sqlite_text(q, 1));
    *seen = (struct device_seen){
        buf_all(device), sqlite3_column_int64(q, 0), day->len > 0 ? buf_all(day) : SLICE_NONE};
    sqlite3_reset(q);
    return 0;
}

int sqlite_devices(struct store *store, int (*row)(void *arg, const struct device_seen *device),
    void *arg, struct fault *why)
{
    struct sqlite *s = (struct sqlite *)store;
    struct buf device = {0}, day = {0};
    struct device_seen seen;
    bool found = true;
    int rc = 0;

    while (rc == 0 && found) {
        rc = next_device(s, &device, &found, why);
        if (rc == 0 && found)
            rc = see_device(s, &device, &day, &seen, why);
        if (rc == 0 && found)
            rc = row(arg, &seen);
    }
    buf_free(&device);
    buf_free(&day);
    return rc;
}

/* ---- actions ---- */

static int read_action(
    struct sqlite *s, int64_t after, struct action_row *a, struct buf *texts, struct fault *why)
{
    sqlite3_stmt *q = sqlite_query(s, Q_ACTIONS, why);
    struct slice *out[] = {&a->who, &a->what, &a->reason};
    int rc;

    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, after);
    rc = sqlite_step(s, q, why);
    if (rc <= 0)
        return rc;
    *a = (struct action_row){.id = sqlite3_column_int64(q, 0),
        .at_ms = sqlite3_column_int64(q, 1),
        .count = sqlite3_column_int64(q, 2)};
    texts->len = 0;
    for (int i = 0; i < 3; i++) {
        *out[i] = sqlite_text(q, 3 + i);
        buf_slice(texts, *out[i]);
    }
    for (size_t i = 0, at = 0; i < 3; at += out[i++]->n)
        if (out[i]->p)
            out[i]->p = texts->data + at;
    sqlite3_reset(q);
    return 1;
}

int sqlite_actions(struct store *store, int64_t after,
    int (*row)(void *arg, const struct action_row *action), void *arg, struct fault *why)
{
    struct sqlite *s = (struct sqlite *)store;
    struct buf texts = {0};
    struct action_row a = {.id = after};
    int rc;

    while ((rc = read_action(s, a.id, &a, &texts, why)) > 0)
        if (row(arg, &a) < 0) {
            rc = -1;
            break;
        }
    buf_free(&texts);
    return rc;
}

/* ---- notes ---- */

int sqlite_note_get(struct store *store, const char *key, int64_t *value, struct fault *why)
{
    struct sqlite *s = (struct sqlite *)store;
    sqlite3_stmt *q = sqlite_query(s, Q_NOTE_GET, why);
    int rc;

    if (!q)
        return -1;
    sqlite_bind(q, 1, slice_of(key));
    *value = 0;
    rc = sqlite_step(s, q, why);
    if (rc <= 0)
        return rc;
    *value = sqlite3_column_int64(q, 0);
    sqlite3_reset(q);
    return 0;
}

int sqlite_note_set(struct store *store, const char *key, int64_t value, struct fault *why)
{
    struct sqlite *s = (struct sqlite *)store;
    sqlite3_stmt *q = sqlite_query(s, Q_NOTE_SET, why);

    if (!q)
        return -1;
    sqlite_bind(q, 1, slice_of(key));
    sqlite3_bind_int64(q, 2, value);
    return sqlite_step(s, q, why); /* a transaction of its own */
}

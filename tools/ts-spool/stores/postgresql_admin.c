/* SPDX-License-Identifier: MIT */
/* Reading the store, and changes by hand.  Readers keep nobody waiting here; still they read in
   pages, and hand out what they read between them. */
#include <stdlib.h>

#include "clock.h"
#include "postgresql.h"

#define WEEK_S (7 * 86400)
#define PAGE_ROWS 256
#define DAYS_PAGE 4096
#define DAY_BYTES 10

/* A job that asks one thing; work fills *r. */
struct asking {
    enum pg_query q;
    void (*add)(struct pg_params *p, const void *arg);
    const void *arg;
    PGresult *r;
};

static int ask(struct postgresql *s, void *arg, struct fault *why)
{
    struct asking *a = arg;
    struct pg_params *p = pg_params(s);

    a->add(p, a->arg);
    a->r = pg_ask(s, a->q, why);
    return a->r ? 0 : -1;
}

static PGresult *ask_once(struct store *store, enum pg_query q,
    void (*add)(struct pg_params *p, const void *arg), const void *arg, struct fault *why)
{
    struct asking a = {.q = q, .add = add, .arg = arg};
    struct pg_job job = {.work = ask, .arg = &a};

    return pg_do((struct postgresql *)store, &job, why) < 0 ? NULL : a.r;
}

/* ---- stat ---- */

/* As for SQLite: days are of the devices' clocks, which may be ahead of UTC by most of a day. */
static void add_week(struct pg_params *p, const void *arg)
{
    int64_t now_s = *(const int64_t *)arg;
    char text[CLOCK_TEXT];

    clock_print_local(text, now_s - WEEK_S, 0);
    pg_bytes(p, (struct slice){text, DAY_BYTES});
    clock_print_local(text, now_s + 2 * 86400, 0);
    pg_bytes(p, (struct slice){text, DAY_BYTES});
}

int pg_stat(struct store *store, struct store_stat *stat, struct fault *why)
{
    int64_t now_s = clock_now_ms() / 1000, v[21];
    PGresult *r = ask_once(store, PG_STAT, add_week, &now_s, why);

    if (!r)
        return -1;
    for (int i = 0; i < 21; i++)
        v[i] = pg_get(r, 0, i, 0);
    PQclear(r);
    *stat = (struct store_stat){
        .in = {[STATE_WAITING] = v[0] - v[2] - v[4] - v[5] - v[6] - v[7],
            [STATE_HELD] = v[4],
            [STATE_DEAD] = v[5],
            [STATE_SKIPPED] = v[6],
            [STATE_DELIVERED] = v[2]},
        .stored = v[0],
        .duplicates = v[1],
        .known = v[3],
        .erased = v[7],
        .purged = v[8],
        .first_put_ms = v[9],
        .last_put_ms = v[10],
        .last_delivered_ms = v[11],
        .failing_since_ms = v[12],
        .failing_status = (int)v[13],
        .limit_bytes = v[14],
        .put_last_week = v[15],
        .actions = v[16],
        .oldest_waiting_ms = v[17],
        .oldest_held_ms = v[18],
        .bytes = v[19],
        .free_bytes = -1,
        .draining = v[20] != 0,
    };
    return 0;
}

/* ---- pages ---- */

static enum state state_of(int64_t open)
{
    switch (open) {
    case -1:
        return STATE_DELIVERED;
    case OPEN_HELD:
        return STATE_HELD;
    case OPEN_DEAD:
        return STATE_DEAD;
    case OPEN_SKIPPED:
        return STATE_SKIPPED;
    default:
        return STATE_WAITING;
    }
}

/* An array of what spool_open.state may be for these states. */
static void add_states(struct pg_params *p, unsigned states)
{
    size_t count = 0;

    for (int i = 0; i < OPEN_STATES; i++)
        count += (states & STATE_BIT(state_of(i))) != 0;
    pg_array(p, PG_INT2, count);
    for (int i = 0; i < OPEN_STATES; i++)
        if (states & STATE_BIT(state_of(i)))
            pg_put_int(p, PG_INT2, i);
}

static void add_page(struct pg_params *p, const void *arg)
{
    const struct page *page = arg;

    if (page->id) {
        pg_bytes(p, (struct slice){(const char *)page->id->octets, sizeof page->id->octets});
        return;
    }
    pg_int8(p, (int64_t)page->after);
    pg_int8(p, PAGE_ROWS);
    if (!(page->states & STATE_BIT(STATE_DELIVERED)))
        add_states(p, page->states);
}

static int give_rows(struct store *store, struct page *page, const PGresult *r, struct fault *why)
{
    for (int i = 0; i < PQntuples(r); i++) {
        struct row row = {
            .seq = (uint64_t)pg_get(r, i, 0, 0),
            .person = pg_get_bytes(r, i, 1),
            .put_ms = pg_get(r, i, 2, 0),
            .line = pg_get_bytes(r, i, 3),
            .state = state_of(pg_get(r, i, 4, -1)),
            .attempts = (unsigned)pg_get(r, i, 5, 0),
            .ambiguous = pg_get(r, i, 6, 0) != 0,
            .reason = pg_get_bytes(r, i, 7),
        };

        page->after = row.seq;
        if (page->states & STATE_BIT(row.state) && page->row(page->arg, &row) < 0)
            return fault_set(
                why, EX_SOFTWARE, "%s: the list was given up", ((struct postgresql *)store)->name);
    }
    return 0;
}

int pg_page(struct store *store, struct page *page, struct fault *why)
{
    enum pg_query q = page->id                                    ? PG_PAGE_ID
                      : page->states & STATE_BIT(STATE_DELIVERED) ? PG_PAGE_ALL
                      : page->states & STATE_BIT(STATE_WAITING)   ? PG_PAGE_OPEN
                                                                  : PG_PAGE_EXCEPT;
    PGresult *r = ask_once(store, q, add_page, page, why);
    int rc;

    if (!r)
        return -1;
    page->ended = page->id || PQntuples(r) < PAGE_ROWS;
    rc = give_rows(store, page, r, why);
    PQclear(r);
    return rc;
}

struct finding {
    const struct found *found;
    size_t count;
};

static void add_found(struct pg_params *p, const void *arg)
{
    const struct finding *f = arg;

    pg_array(p, PG_UUID, f->count);
    for (size_t i = 0; i < f->count; i++)
        pg_put_bytes(
            p, (struct slice){(const char *)f->found[i].id.octets, sizeof f->found[i].id.octets});
}

int pg_find(struct store *store, struct found *found, size_t count, struct fault *why)
{
    struct finding finding = {found, count};
    PGresult *r = ask_once(store, PG_FIND, add_found, &finding, why);

    if (!r)
        return -1;
    for (size_t i = 0; i < count; i++)
        found[i].there = false;
    for (int i = 0; i < PQntuples(r); i++) {
        int64_t n = pg_get(r, i, 0, 0);

        if (n < 1 || (size_t)n > count)
            continue;
        found[n - 1].there = true;
        found[n - 1].state = state_of(pg_get(r, i, 1, -1));
    }
    PQclear(r);
    return 0;
}

/* ---- changes ---- */

struct changing {
    struct action *action;
    const uint64_t *seq;
    size_t count;
    int64_t now_ms, id, changed;
};

static void add_numbers(struct pg_params *p, const struct changing *c)
{
    pg_array(p, PG_INT8, c->count);
    for (size_t i = 0; i < c->count; i++)
        pg_put_int(p, PG_INT8, (int64_t)c->seq[i]);
}

/* Moves the counters by columns `state` before and after of r. */
static void count_changes(struct postgresql *s, struct changing *c, const PGresult *r)
{
    for (int i = 0; i < PQntuples(r); i++) {
        pg_count_state(s, pg_get(r, i, 1, 0), -1);
        pg_count_state(s, pg_get(r, i, 2, 0), 1);
    }
    c->changed += PQntuples(r);
}

static int retry(struct postgresql *s, struct changing *c, struct fault *why)
{
    const struct slice reason = SLICE("put back by hand");
    struct pg_params *p = pg_params(s);
    PGresult *r;

    add_numbers(p, c);
    add_states(p, c->action->states);
    pg_int8(p, c->now_ms);
    pg_bytes(p, reason);
    r = pg_ask(s, PG_RETRY_OPEN, why);
    if (!r)
        return -1;
    count_changes(s, c, r);
    PQclear(r);
    if (!(c->action->states & STATE_BIT(STATE_DELIVERED)))
        return 0;
    p = pg_params(s);
    add_numbers(p, c);
    pg_int8(p, c->now_ms);
    pg_bytes(p, reason);
    r = pg_ask(s, PG_RETRY_DELIVERED, why);
    if (!r)
        return -1;
    s->delta[COUNT_DELIVERED] -= PQntuples(r);
    c->changed += PQntuples(r);
    PQclear(r);
    return 0;
}

static int skip(struct postgresql *s, struct changing *c, struct fault *why)
{
    struct pg_params *p = pg_params(s);
    PGresult *r;
    int rc;

    add_numbers(p, c);
    add_states(p, c->action->states);
    pg_int8(p, c->now_ms);
    pg_bytes(p, slice_of(c->action->reason));
    r = pg_ask(s, PG_SKIP, why);
    if (!r)
        return -1;
    count_changes(s, c, r);
    rc = pg_promote(s, r, 0, c->now_ms, why);
    PQclear(r);
    return rc;
}

/* The days of what was erased before it was delivered. */
static int count_days(struct postgresql *s, const PGresult *r, struct fault *why)
{
    struct pg_params *p = pg_params(s);
    size_t count = 0;

    for (int i = 0; i < PQntuples(r); i++)
        count += !PQgetisnull(r, i, 1);
    pg_array(p, PG_INT8, count);
    for (int i = 0; i < PQntuples(r); i++)
        if (!PQgetisnull(r, i, 1))
            pg_put_int(p, PG_INT8, pg_get(r, i, 2, 0));
    return count > 0 ? pg_run(s, PG_ERASE_DAYS, why) : 0;
}

static int erase(struct postgresql *s, struct changing *c, struct fault *why)
{
    struct pg_params *p = pg_params(s);
    PGresult *r;
    int rc;

    add_numbers(p, c);
    add_states(p, c->action->states);
    pg_bool(p, (c->action->states & STATE_BIT(STATE_DELIVERED)) != 0);
    r = pg_ask(s, PG_ERASE, why);
    if (!r)
        return -1;
    for (int i = 0; i < PQntuples(r); i++) {
        pg_count_state(s, pg_get(r, i, 1, 0), -1);
        s->delta[PQgetisnull(r, i, 1) ? COUNT_PURGED : COUNT_ERASED]++;
        s->delta[COUNT_BYTES] -= pg_get(r, i, 3, 0);
    }
    c->changed += PQntuples(r);
    rc = count_days(s, r, why);
    if (rc == 0)
        rc = pg_promote(s, r, 0, c->now_ms, why);
    PQclear(r);
    return rc;
}

static int note_action(struct postgresql *s, struct changing *c, struct fault *why)
{
    const struct action *a = c->action;
    struct pg_params *p = pg_params(s);
    PGresult *r;

    if (a->id != 0) {
        pg_int8(p, c->id = a->id);
        pg_int8(p, c->changed);
        return pg_run(s, PG_ACTION_COUNT, why);
    }
    pg_int8(p, c->now_ms);
    pg_int8(p, c->changed);
    pg_bytes(p, slice_of(a->who));
    pg_bytes(p, slice_of(a->what));
    pg_bytes(p, slice_of(a->reason));
    r = pg_ask(s, PG_ACTION_ADD, why);
    if (!r)
        return -1;
    c->id = pg_get(r, 0, 0, 0);
    PQclear(r);
    return 0;
}

/* One change by hand at a time: of two that free a person each would leave it to the other. */
static int change(struct postgresql *s, void *arg, struct fault *why)
{
    static int (*const does[])(struct postgresql *, struct changing *, struct fault *) = {
        [CHANGE_RETRY] = retry,
        [CHANGE_SKIP] = skip,
        [CHANGE_ERASE] = erase,
    };
    struct changing *c = arg;
    struct pg_params *p = pg_params(s);

    memset(s->delta, 0, sizeof s->delta);
    c->changed = 0;
    pg_int4(p, s->lock);
    pg_int4(p, LOCK_CHANGE);
    if (pg_run(s, PG_CHANGE_LOCK, why) < 0 || does[c->action->change](s, c, why) < 0 ||
        note_action(s, c, why) < 0)
        return -1;
    return pg_count(s, 0, why);
}

int pg_change(struct store *store, struct action *action, const uint64_t *seq, size_t count,
    int64_t now_ms, struct fault *why)
{
    struct postgresql *s = (struct postgresql *)store;
    struct changing c = {.action = action, .seq = seq, .count = count, .now_ms = now_ms};
    struct pg_job job = {.work = change, .arg = &c, .transaction = true};

    if (pg_do(s, &job, why) < 0)
        return -1;
    action->id = c.id;
    action->count += c.changed;
    pg_send(s, PG_NOTIFY);
    return 0;
}

/* ---- the audit ---- */

struct days {
    const struct audit *audit;
    struct buf device, day; /* of the last one that was read */
    bool began;
};

static struct slice text_of(const struct buf *b)
{
    return b->data ? buf_all(b) : SLICE("");
}

static void add_days(struct pg_params *p, const void *arg)
{
    const struct days *d = arg;
    const struct audit *a = d->audit;
    bool bound = a->since || a->until;

    pg_bytes(p, d->began ? text_of(&d->device) : SLICE_NONE);
    pg_bytes(p, text_of(&d->day));
    pg_bytes(p, a->device ? slice_of(a->device) : SLICE(""));
    pg_bool(p, !a->device);
    pg_bytes(p, a->since ? slice_of(a->since) : bound ? SLICE("0") : SLICE(""));
    pg_bytes(p, slice_of(a->until));
    pg_int8(p, DAYS_PAGE);
}

static struct slice known(struct slice text)
{
    return text.n > 0 ? text : SLICE_NONE;
}

static void read_day(const PGresult *r, int i, struct day *d)
{
    *d = (struct day){
        .device = known(pg_get_bytes(r, i, 0)),
        .day = known(pg_get_bytes(r, i, 1)),
        .received = pg_get(r, i, 2, 0),
        .duplicates = pg_get(r, i, 3, 0),
        .erased = pg_get(r, i, 4, 0),
        .serials = pg_get(r, i, 5, 0),
        .first_serial = pg_get(r, i, 6, -1),
        .last_serial = pg_get(r, i, 7, -1),
        .last_put_ms = pg_get(r, i, 8, 0),
        .in = {[STATE_WAITING] = pg_get(r, i, 9, 0),
            [STATE_HELD] = pg_get(r, i, 10, 0),
            [STATE_DEAD] = pg_get(r, i, 11, 0),
            [STATE_SKIPPED] = pg_get(r, i, 12, 0)},
    };
    d->in[STATE_DELIVERED] = d->received - d->erased - d->in[STATE_WAITING] - d->in[STATE_HELD] -
                             d->in[STATE_DEAD] - d->in[STATE_SKIPPED];
}

static void remember(struct buf *b, struct slice text)
{
    b->len = 0;
    buf_slice(b, text);
}

static int give_days(struct days *d, const PGresult *r)
{
    struct day day;
    int n = PQntuples(r);

    for (int i = 0; i < n; i++) {
        read_day(r, i, &day);
        if (d->audit->row(d->audit->arg, &day) < 0)
            return -1;
    }
    if (n > 0) {
        remember(&d->device, pg_get_bytes(r, n - 1, 0));
        remember(&d->day, pg_get_bytes(r, n - 1, 1));
        d->began = true;
    }
    return 0;
}

int pg_audit(struct store *store, const struct audit *audit, struct fault *why)
{
    struct days d = {.audit = audit};
    int rc = 0, n = DAYS_PAGE;

    while (rc == 0 && n == DAYS_PAGE) {
        PGresult *r = ask_once(store, PG_DAYS, add_days, &d, why);

        rc = r ? give_days(&d, r) : -1;
        n = PQntuples(r);
        PQclear(r);
    }
    buf_free(&d.device);
    buf_free(&d.day);
    return rc;
}

/* ---- devices, actions ---- */

#define SMALL_PAGE 1000 /* as in the statements */

static void add_text(struct pg_params *p, const void *arg)
{
    pg_bytes(p, text_of(arg));
}

int pg_devices(struct store *store, int (*row)(void *arg, const struct device_seen *device),
    void *arg, struct fault *why)
{
    struct buf last = {0};
    int rc = 0, n = SMALL_PAGE;

    while (rc == 0 && n == SMALL_PAGE) {
        PGresult *r = ask_once(store, PG_DEVICES, add_text, &last, why);

        rc = r ? 0 : -1;
        n = PQntuples(r);
        for (int i = 0; rc == 0 && i < n; i++)
            rc = row(arg, &(struct device_seen){pg_get_bytes(r, i, 0), pg_get(r, i, 1, 0),
                              known(pg_get_bytes(r, i, 2))});
        if (rc == 0 && n > 0)
            remember(&last, pg_get_bytes(r, n - 1, 0));
        PQclear(r);
    }
    buf_free(&last);
    return rc;
}

static void add_number(struct pg_params *p, const void *arg)
{
    pg_int8(p, *(const int64_t *)arg);
}

int pg_actions(struct store *store, int64_t after,
    int (*row)(void *arg, const struct action_row *action), void *arg, struct fault *why)
{
    int rc = 0, n = SMALL_PAGE;

    while (rc == 0 && n == SMALL_PAGE) {
        PGresult *r = ask_once(store, PG_ACTIONS, add_number, &after, why);

        rc = r ? 0 : -1;
        n = PQntuples(r);
        for (int i = 0; rc == 0 && i < n; i++) {
            after = pg_get(r, i, 0, 0);
            rc = row(arg, &(struct action_row){after, pg_get(r, i, 1, 0), pg_get(r, i, 2, 0),
                              pg_get_bytes(r, i, 3), pg_get_bytes(r, i, 4), pg_get_bytes(r, i, 5)});
        }
        PQclear(r);
    }
    return rc;
}

/* ---- backup and notes ---- */

int pg_backup(struct store *store, const char *to, struct fault *why)
{
    (void)to;
    return fault_set(why, EX_CONFIG,
        "%s: is a server's: back it up with pg_dump or pg_basebackup, as the other databases there",
        ((struct postgresql *)store)->name);
}

/* Beside the engine's own marks. */
static void note_key(struct buf *key, const char *name)
{
    buf_lit(key, "note:");
    buf_text(key, name);
}

int pg_note_get(struct store *store, const char *name, int64_t *value, struct fault *why)
{
    struct buf key = {0};
    PGresult *r;

    note_key(&key, name);
    r = ask_once(store, PG_MARK_GET, add_text, &key, why);
    buf_free(&key);
    if (!r)
        return -1;
    *value = PQntuples(r) > 0 ? pg_get(r, 0, 0, 0) : 0;
    PQclear(r);
    return 0;
}

struct noting {
    const char *key;
    int64_t value;
};

static int note(struct postgresql *s, void *arg, struct fault *why)
{
    const struct noting *n = arg;

    return pg_mark_set(s, n->key, n->value, why);
}

int pg_note_set(struct store *store, const char *name, int64_t value, struct fault *why)
{
    struct buf key = {0};
    struct noting n = {.value = value};
    struct pg_job job = {.work = note, .arg = &n};
    int rc;

    note_key(&key, name);
    buf_char(&key, '\0');
    n.key = key.data;
    rc = pg_do((struct postgresql *)store, &job, why);
    buf_free(&key);
    return rc;
}

/* SPDX-License-Identifier: MIT */
/*
 * Put: one statement a batch, which is its own transaction.
 *
 * Arrival numbers are drawn under a lock for each bucket of persons in the batch: small batches of
 * different persons commit side by side, large ones one after the other.  Each batch has a number
 * at random, kept with its events: when the answer to a commit is lost, the repetition finds the
 * ids there, and by that number knows which of them it stored itself.
 */
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "../flights.h"
#include "postgresql.h"

struct putting {
    struct record *records;
    size_t count;
    int64_t now_ms, batch;
    size_t stored;
};

void pg_limit(struct store *store, int64_t bytes)
{
    struct postgresql *s = (struct postgresql *)store;

    s->limit = bytes > 0 ? bytes : 0;
}

/* A number that no other batch of any process has. */
static int64_t batch_number(struct postgresql *s)
{
    if (s->batch == 0 && getrandom(&s->batch, sizeof s->batch, 0) != sizeof s->batch)
        s->batch = (uint64_t)getpid() << 32 | (uint64_t)PQbackendPID(s->conn);
    return (int64_t)s->batch++;
}

/* ---- parameters ---- */

static struct slice text_of(const struct record *r, size_t field)
{
    const struct slice *text = (const struct slice *)((const char *)r + field);

    return *text;
}

/* Texts of all records; the absent ones as NULL, or as empty. */
static void add_texts(struct pg_params *p, const struct putting *w, size_t field, bool null)
{
    pg_array(p, PG_BYTEA, w->count);
    for (size_t i = 0; i < w->count; i++) {
        struct slice text = text_of(&w->records[i], field);

        pg_put_bytes(p, text.p || null ? text : SLICE(""));
    }
}

static void add_ids(struct pg_params *p, const struct putting *w)
{
    pg_array(p, PG_UUID, w->count);
    for (size_t i = 0; i < w->count; i++)
        pg_put_bytes(
            p, (struct slice){(const char *)w->records[i].id.octets, sizeof w->records[i].id});
}

static void add_states(struct pg_params *p, const struct putting *w)
{
    static const int states[STATES] = {[STATE_WAITING] = OPEN_FRESH,
        [STATE_HELD] = OPEN_HELD,
        [STATE_DEAD] = OPEN_DEAD,
        [STATE_SKIPPED] = OPEN_SKIPPED};

    pg_array(p, PG_INT2, w->count);
    for (size_t i = 0; i < w->count; i++)
        pg_put_int(p, PG_INT2, states[w->records[i].state]);
}

static void add_serials(struct pg_params *p, const struct putting *w)
{
    pg_array(p, PG_INT8, w->count);
    for (size_t i = 0; i < w->count; i++)
        if (w->records[i].serial >= 0)
            pg_put_int(p, PG_INT8, w->records[i].serial);
        else
            pg_put_null(p);
}

/* The buckets of the persons, each once and rising: nobody waits for another in a circle. */
static void add_buckets(struct pg_params *p, const struct putting *w)
{
    bool used[BUCKETS] = {false};
    size_t count = 0;

    for (size_t i = 0; i < w->count; i++) {
        uint64_t person = flights_person(w->records[i].person);

        if (person != 0 && !used[(person >> 32) % BUCKETS]) {
            used[(person >> 32) % BUCKETS] = true;
            count++;
        }
    }
    pg_array(p, PG_INT4, count);
    for (int b = 0; b < BUCKETS; b++)
        if (used[b])
            pg_put_int(p, PG_INT4, LOCK_BUCKETS + b);
}

static void add_all(struct postgresql *s, const struct putting *w)
{
    struct pg_params *p = pg_params(s);

    add_ids(p, w);
    add_texts(p, w, offsetof(struct record, person), true);
    add_texts(p, w, offsetof(struct record, line), false);
    add_states(p, w);
    add_texts(p, w, offsetof(struct record, reason), true);
    add_texts(p, w, offsetof(struct record, device), false);
    add_texts(p, w, offsetof(struct record, day), false);
    add_serials(p, w);
    pg_int8(p, w->now_ms);
    pg_int8(p, w->batch);
    add_buckets(p, w);
    pg_int4(p, s->lock);
    pg_int4(p, s->slot);
    pg_int8(p, w->now_ms + STORE_HOLD_MS);
}

/* ---- the batch ---- */

/* Marks the records that a result names as new. */
static void mark_new(const PGresult *r, struct putting *w)
{
    for (int i = 0; i < PQntuples(r); i++) {
        int64_t n = pg_get(r, i, 0, 0);

        if (n >= 1 && (size_t)n <= w->count) {
            w->records[n - 1].known = false;
            w->stored++;
        }
    }
}

/* What an earlier try of this batch stored before its answer was lost.  An id that stands twice in
   the batch is new once. */
static int mark_mine(struct postgresql *s, struct putting *w, struct fault *why)
{
    struct pg_params *p = pg_params(s);
    PGresult *r;

    add_ids(p, w);
    pg_int8(p, w->batch);
    r = pg_ask(s, PG_MINE, why);
    if (!r)
        return -1;
    mark_new(r, w);
    PQclear(r);
    for (size_t i = 0; i < w->count; i++)
        for (size_t k = 0; !w->records[i].known && k < i; k++)
            if (!w->records[k].known &&
                memcmp(&w->records[k].id, &w->records[i].id, sizeof w->records[i].id) == 0)
                w->records[i].known = true;
    return 0;
}

/* Counted, not measured: a file that PostgreSQL has never shrinks, and its free pages are used
   again. */
static int check_size(struct postgresql *s, struct fault *why)
{
    PGresult *r;
    int64_t size;

    if (s->limit == 0)
        return 0;
    pg_params(s);
    r = pg_ask(s, PG_SIZE, why);
    if (!r)
        return -1;
    size = pg_get(r, 0, 0, 0);
    PQclear(r);
    s->trouble = PG_FINAL;
    return size < s->limit ? 0
                           : fault_set(why, EX_IOERR, "%s: has reached its largest size", s->name);
}

static int put_batch(struct postgresql *s, void *arg, struct fault *why)
{
    struct putting *w = arg;
    PGresult *r;

    for (size_t i = 0; i < w->count; i++)
        w->records[i].known = true;
    w->stored = 0;
    if (check_size(s, why) < 0)
        return -1;
    add_all(s, w);
    r = pg_ask(s, PG_PUT, why);
    if (!r)
        return -1;
    mark_new(r, w);
    PQclear(r);
    return s->lost && w->stored < w->count ? mark_mine(s, w, why) : 0;
}

int pg_mark_set(struct postgresql *s, const char *key, int64_t value, struct fault *why)
{
    struct pg_params *p = pg_params(s);

    pg_bytes(p, slice_of(key));
    pg_int8(p, value);
    return pg_run(s, PG_MARK_SET, why);
}

int pg_put(
    struct store *store, struct record *records, size_t count, int64_t now_ms, struct fault *why)
{
    struct postgresql *s = (struct postgresql *)store;
    struct putting w = {
        .records = records, .count = count, .now_ms = now_ms, .batch = batch_number(s)};
    struct pg_job job = {.work = put_batch, .arg = &w};
    struct fault ignored;

    if (pg_do(s, &job, why) < 0)
        return -1;
    if (w.stored == 0)
        return 0;
    if (s->limit != s->limit_written && pg_mark_set(s, "limit", s->limit, &ignored) == 0)
        s->limit_written = s->limit;
    pg_send(s, PG_NOTIFY);
    return 0;
}

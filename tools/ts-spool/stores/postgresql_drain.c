/* SPDX-License-Identifier: MIT */
/* Settling, leases, and the exchange as a whole; postgresql_take.c hands out. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "postgresql.h"
#include "stop.h"

#define DAY_MS 86400000ll /* no receiver may put an event off for longer */
#define FAR_MS (2 * DAY_MS)
#define RENEW_MS 2000
#define REAP_MS 5000
#define FROM_MS 1000
#define PLAN_MS 10000
#define BUSY_MS 50 /* before another look at what some other program is working on */

/* ---- counters ---- */

void pg_count_state(struct postgresql *s, int64_t state, int64_t by)
{
    static const int counters[OPEN_STATES] = {[OPEN_FRESH] = PG_COUNTERS,
        [OPEN_HELD] = COUNT_HELD,
        [OPEN_DEAD] = COUNT_DEAD,
        [OPEN_SKIPPED] = COUNT_SKIPPED,
        [OPEN_DEFERRED] = PG_COUNTERS,
        [OPEN_RETRY] = PG_COUNTERS};

    if (state >= 0 && state < OPEN_STATES && counters[state] != PG_COUNTERS)
        s->delta[counters[state]] += by;
}

int pg_count(struct postgresql *s, int64_t delivered_ms, struct fault *why)
{
    struct pg_params *p = pg_params(s);
    bool any = delivered_ms != 0;

    pg_int4(p, s->slot);
    for (int i = 0; i < PG_COUNTERS; i++) {
        pg_int8(p, s->delta[i]);
        any |= s->delta[i] != 0;
    }
    if (delivered_ms != 0)
        pg_int8(p, delivered_ms);
    else
        pg_null(p);
    return any ? pg_run(s, PG_COUNT, why) : 0;
}

int pg_promote(
    struct postgresql *s, const PGresult *r, int person, int64_t now_ms, struct fault *why)
{
    struct pg_params *p = pg_params(s);
    size_t count = 0;

    for (int i = 0; i < PQntuples(r); i++)
        count += !PQgetisnull(r, i, person);
    pg_array(p, PG_BYTEA, count);
    for (int i = 0; i < PQntuples(r); i++)
        if (!PQgetisnull(r, i, person))
            pg_put_bytes(p, pg_get_bytes(r, i, person));
    pg_int8(p, now_ms);
    return count > 0 ? pg_run(s, PG_PROMOTE, why) : 0;
}

/* ---- settling ---- */

static bool delivered(const struct settled *a)
{
    return a->outcome == OUTCOME_DELIVERED || a->outcome == OUTCOME_DUPLICATE ||
           a->outcome == OUTCOME_STORED;
}

/* Arrays of arrival number and lease, of the answers of one kind. */
static void add_tokens(struct postgresql *s, const struct exchange *x, bool kind, size_t count)
{
    struct pg_params *p = &s->params;

    pg_array(p, PG_INT8, count);
    for (size_t i = 0; i < x->count; i++)
        if (delivered(&x->settled[i]) == kind)
            pg_put_int(
                p, PG_INT8, (int64_t)(x->settled[i].token & ((UINT64_C(1) << SEQ_BITS) - 1)));
    pg_array(p, PG_INT8, count);
    for (size_t i = 0; i < x->count; i++)
        if (delivered(&x->settled[i]) == kind) {
            size_t lease = (size_t)(x->settled[i].token >> SEQ_BITS);

            pg_put_int(p, PG_INT8, lease < s->lease_count ? s->leases[lease] : 0);
        }
}

static int settle_delivered(
    struct postgresql *s, const struct exchange *x, size_t count, struct fault *why)
{
    struct pg_params *p = pg_params(s);
    PGresult *r;
    int rc;

    add_tokens(s, x, true, count);
    pg_array(p, PG_BOOL, count);
    for (size_t i = 0; i < x->count; i++)
        if (delivered(&x->settled[i]))
            pg_put_int(p, PG_BOOL, x->settled[i].outcome == OUTCOME_DUPLICATE);
    r = pg_ask(s, PG_SETTLE_DELIVERED, why);
    if (!r)
        return -1;
    for (int i = 0; i < PQntuples(r); i++) {
        s->delta[COUNT_DELIVERED]++;
        s->delta[COUNT_KNOWN] += pg_get(r, i, 2, 0);
        pg_count_state(s, pg_get(r, i, 1, 0), -1);
    }
    rc = pg_promote(s, r, 0, x->now_ms, why);
    PQclear(r);
    return rc;
}

static int state_after(const struct settled *a)
{
    switch (a->outcome) {
    case OUTCOME_REJECTED:
        return OPEN_DEAD;
    case OUTCOME_SKIPPED:
        return OPEN_SKIPPED;
    case OUTCOME_HELD:
        return OPEN_HELD;
    case OUTCOME_DEFERRED:
        return OPEN_DEFERRED;
    default:
        return OPEN_RETRY;
    }
}

/* 0: by the number of its attempts, which the statement knows. */
static int64_t due_after(const struct settled *a, int64_t now_ms)
{
    if (a->outcome != OUTCOME_HELD && a->outcome != OUTCOME_DEFERRED)
        return 0;
    if (a->due_ms > 0)
        return a->due_ms < now_ms + DAY_MS ? a->due_ms : now_ms + DAY_MS;
    return a->outcome == OUTCOME_HELD ? now_ms + STORE_HOLD_MS : 0;
}

#define EACH_OTHER(a)                                                                              \
    for (const struct settled *a = x->settled; a < x->settled + x->count; a++)                     \
        if (!delivered(a))

static void add_others(struct postgresql *s, const struct exchange *x, size_t count)
{
    struct pg_params *p = pg_params(s);

    add_tokens(s, x, false, count);
    pg_array(p, PG_INT2, count);
    EACH_OTHER(a)
    pg_put_int(p, PG_INT2, state_after(a));
    pg_array(p, PG_INT8, count);
    EACH_OTHER(a)
    {
        if (due_after(a, x->now_ms) != 0)
            pg_put_int(p, PG_INT8, due_after(a, x->now_ms));
        else
            pg_put_null(p);
    }
    pg_array(p, PG_INT4, count);
    EACH_OTHER(a)
    pg_put_int(p, PG_INT4, a->attempts);
    pg_array(p, PG_BOOL, count);
    EACH_OTHER(a)
    pg_put_int(p, PG_BOOL, a->ambiguous);
    pg_array(p, PG_BYTEA, count);
    EACH_OTHER(a)
    pg_put_bytes(p, a->reason);
    pg_int8(p, x->now_ms);
}

static int settle_others(
    struct postgresql *s, const struct exchange *x, size_t count, struct fault *why)
{
    PGresult *r;
    bool final = false;
    int rc = 0;

    add_others(s, x, count);
    r = pg_ask(s, PG_SETTLE_OTHER, why);
    if (!r)
        return -1;
    for (int i = 0; i < PQntuples(r); i++) {
        int64_t state = pg_get(r, i, 2, 0);

        pg_count_state(s, pg_get(r, i, 1, 0), -1);
        pg_count_state(s, state, 1);
        final |= state == OPEN_DEAD || state == OPEN_SKIPPED;
    }
    if (final) /* those that are not final keep the others where they are */
        rc = pg_promote(s, r, 0, x->now_ms, why);
    PQclear(r);
    return rc;
}

static int settle(struct postgresql *s, const struct exchange *x, struct fault *why)
{
    size_t count = 0;

    for (size_t i = 0; i < x->count; i++)
        count += delivered(&x->settled[i]);
    if (count > 0 && settle_delivered(s, x, count, why) < 0)
        return -1;
    return count < x->count ? settle_others(s, x, x->count - count, why) : 0;
}

/* ---- leases ---- */

static int take_lease(struct postgresql *s, struct fault *why)
{
    struct pg_params *p = pg_params(s);
    char holder[120] = "";
    PGresult *r;

    gethostname(holder, 64);
    snprintf(holder + strlen(holder), 20, ":%ld", (long)getpid());
    pg_int4(p, (int32_t)s->lease_s);
    pg_bytes(p, slice_of(holder));
    r = pg_ask(s, PG_LEASE_NEW, why);
    if (!r)
        return -1;
    s->leases = mem_resize(s->leases, (s->lease_count + 1) * sizeof *s->leases);
    s->leases[s->lease_count++] = pg_get(r, 0, 0, 0);
    s->renewed_ms = monotonic_ms();
    PQclear(r);
    return 0;
}

/* Ours is good for another while; a new one if it was taken from us. */
static int renew_lease(struct postgresql *s, struct fault *why)
{
    struct pg_params *p = pg_params(s);
    PGresult *r;
    int there;

    if (s->lease_count == 0)
        return take_lease(s, why);
    pg_int8(p, pg_lease_now(s));
    pg_int4(p, (int32_t)s->lease_s);
    r = pg_ask(s, PG_LEASE_RENEW, why);
    if (!r)
        return -1;
    there = PQntuples(r);
    PQclear(r);
    s->renewed_ms = monotonic_ms();
    return there > 0 ? 0 : take_lease(s, why);
}

static void add_numbers(struct pg_params *p, const PGresult *r)
{
    pg_array(p, PG_INT8, (size_t)PQntuples(r));
    for (int i = 0; i < PQntuples(r); i++)
        pg_put_int(p, PG_INT8, pg_get(r, i, 0, 0));
}

/* Puts back what was out at these leases, and removes them. */
static int end_leases(
    struct postgresql *s, const PGresult *leases, int64_t now_ms, struct fault *why)
{
    struct pg_params *p = pg_params(s);
    PGresult *r;

    add_numbers(p, leases);
    pg_int8(p, now_ms);
    pg_bytes(p, SLICE("the drain ended before the answer"));
    r = pg_ask(s, PG_REAP, why);
    if (!r)
        return -1;
    for (int i = 0; i < PQntuples(r); i++)
        pg_count_state(s, pg_get(r, i, 0, 0), -1);
    PQclear(r);
    add_numbers(pg_params(s), leases);
    return pg_run(s, PG_LEASE_DROP, why);
}

static int reap(struct postgresql *s, int64_t now_ms, struct fault *why)
{
    PGresult *r;
    int rc = 0;

    pg_params(s);
    r = pg_ask(s, PG_LEASE_EXPIRED, why);
    if (!r)
        return -1;
    if (PQntuples(r) > 0)
        rc = end_leases(s, r, now_ms, why);
    PQclear(r);
    s->reaped_ms = monotonic_ms();
    return rc;
}

void pg_leave(struct postgresql *s)
{
    struct fault ignored;

    pg_int8(pg_params(s), pg_lease_now(s));
    pg_run(s, PG_LEASE_END, &ignored);
}

/* ---- the exchange ---- */

struct exchanging {
    struct exchange *x;
    int32_t first_take; /* of the tries of this exchange */
    struct pg_view view;
    int64_t held_from; /* before it */
};

static bool receiver_changed(const struct postgresql *s, const struct exchange *x)
{
    return s->failing[0] != x->failing_since_ms || s->failing[1] != x->failing_status;
}

static int note_receiver(struct postgresql *s, const struct exchange *x, struct fault *why)
{
    if (!receiver_changed(s, x))
        return 0;
    if (pg_mark_set(s, "failing_since", x->failing_since_ms, why) < 0)
        return -1;
    return pg_mark_set(s, "failing_status", x->failing_status, why);
}

/* An earlier try may have been committed without our knowing: what it took was never given out. */
static int forget_earlier_try(struct postgresql *s, const struct exchanging *e, struct fault *why)
{
    struct pg_params *p = pg_params(s);

    pg_int8(p, pg_lease_now(s));
    pg_int4(p, e->first_take);
    return s->lost ? pg_run(s, PG_UNTAKE, why) : 0;
}

static int bring_near(struct postgresql *s, int64_t now_ms, struct fault *why)
{
    struct pg_params *p = pg_params(s);

    pg_int8(p, now_ms + FAR_MS);
    pg_int8(p, now_ms);
    return pg_run(s, PG_BRING_NEAR, why);
}

/* Statements that were planned when there was next to nothing are planned for what there is now. */
static int plan_again(struct postgresql *s, struct fault *why)
{
    if (monotonic_ms() - s->planned_ms < PLAN_MS)
        return 0;
    s->planned_ms = monotonic_ms();
    pg_params(s);
    return pg_run(s, PG_DISCARD, why);
}

/* Numbers of leases and of exchanges rise only: they are not for a second use. */
static int prepare_exchange(struct postgresql *s, struct exchanging *e, struct fault *why)
{
    pg_took_clear(s);
    memset(s->delta, 0, sizeof s->delta);
    s->held_from = e->held_from;
    s->take++;
    e->x->given = 0;
    e->x->more = false;
    if (renew_lease(s, why) < 0 || forget_earlier_try(s, e, why) < 0)
        return -1;
    if (plan_again(s, why) < 0)
        return -1;
    return monotonic_ms() - s->reaped_ms >= REAP_MS ? reap(s, e->x->now_ms, why) : 0;
}

static int look_further(struct postgresql *s, struct exchanging *e, struct fault *why)
{
    struct exchange *x = e->x;

    if (pg_look(s, x->now_ms, &e->view, why) < 0)
        return -1;
    if (!e->view.far)
        return 0;
    return bring_near(s, x->now_ms, why) < 0 ? -1 : pg_look(s, x->now_ms, &e->view, why);
}

static bool anything(const struct exchange *x, const struct pg_view *v)
{
    return v->fresh > 0 || v->far || v->held || (v->due_ms > 0 && v->due_ms <= x->now_ms);
}

static int work(struct postgresql *s, void *arg, struct fault *why)
{
    struct exchanging *e = arg;
    struct exchange *x = e->x;
    bool moved = false;

    if (prepare_exchange(s, e, why) < 0 || settle(s, x, why) < 0 || look_further(s, e, why) < 0)
        return -1;
    if (x->events == 0)
        x->more = anything(x, &e->view);
    else if (anything(x, &e->view) &&
             (pg_take(s, x, &e->view, &moved, why) < 0 || pg_look(s, x->now_ms, &e->view, why) < 0))
        return -1;
    x->due_ms = e->view.due_ms;
    if (x->events > 0 && moved && (e->view.held || (x->due_ms > 0 && x->due_ms <= x->now_ms)))
        x->more = true;
    else if (x->due_ms > 0 && x->due_ms <= x->now_ms && !x->more)
        x->due_ms = x->now_ms + BUSY_MS;
    /* Last, as other drains may wait for these rows. */
    if (note_receiver(s, x, why) < 0)
        return -1;
    return pg_count(s, s->delta[COUNT_DELIVERED] > 0 ? x->now_ms : 0, why);
}

static int look_only(struct postgresql *s, void *arg, struct fault *why)
{
    struct exchanging *e = arg;

    return pg_look(s, e->x->now_ms, &e->view, why);
}

/* A put that is heard of while we are at it may have come after we looked. */
static bool heard_something(struct postgresql *s)
{
    PGnotify *n;
    bool any = false;

    while (s->conn && (n = PQnotifies(s->conn)) != NULL) {
        PQfreemem(n);
        any = true;
    }
    return any;
}

/* On a full disk events cannot be marked as out, but answers can be settled, which only frees: the
   drain goes on as long as it waits for some. */
static int exchange_or_settle(struct postgresql *s, struct exchanging *e, struct fault *why)
{
    struct pg_job job = {.work = work, .arg = e, .transaction = true};
    unsigned events = e->x->events;
    int rc;

    s->full = false;
    rc = pg_do(s, &job, why);
    if (rc == 0 || !s->full || events == 0 || s->out == 0)
        return rc;
    e->x->events = 0;
    rc = pg_do(s, &job, why);
    e->x->events = events;
    e->x->more = false;
    return rc;
}

int pg_exchange(struct store *store, struct exchange *x, struct fault *why)
{
    struct postgresql *s = (struct postgresql *)store;
    struct exchanging e = {.x = x, .first_take = s->take + 1, .held_from = s->held_from};
    struct pg_job look = {.work = look_only, .arg = &e};
    int64_t now = monotonic_ms();

    if (now - s->from_ms >= FROM_MS) {
        s->from = 0;
        s->from_ms = now;
    }
    x->given = 0;
    if (x->count == 0 && !receiver_changed(s, x) && s->lease_count > 0 &&
        now - s->renewed_ms < RENEW_MS) {
        if (pg_do(s, &look, why) < 0)
            return -1;
        x->more = anything(x, &e.view);
        x->due_ms = e.view.due_ms;
        if (!x->more || x->events == 0)
            return 0;
    }
    if (exchange_or_settle(s, &e, why) < 0)
        return -1;
    s->out -= (int64_t)x->count;
    s->failing[0] = x->failing_since_ms;
    s->failing[1] = x->failing_status;
    pg_give(s, x);
    s->out += x->given;
    x->more |= heard_something(s);
    return 0;
}

/* ---- begin and end ---- */

static int number_of(
    struct postgresql *s, enum pg_query q, int64_t none, int64_t *value, struct fault *why)
{
    PGresult *r = pg_ask(s, q, why);

    if (!r)
        return -1;
    *value = PQntuples(r) > 0 ? pg_get(r, 0, 0, none) : none;
    PQclear(r);
    return 0;
}

static int read_mark(struct postgresql *s, const char *key, int64_t *value, struct fault *why)
{
    pg_bytes(pg_params(s), slice_of(key));
    return number_of(s, PG_MARK_GET, 0, value, why);
}

static int start_walk(struct postgresql *s, int64_t now_ms, struct fault *why)
{
    int64_t last;

    pg_params(s);
    if (number_of(s, PG_LAST_SEQ, 0, &last, why) < 0)
        return -1;
    s->held_from = 1;
    s->held_last = last;
    s->held_ms = now_ms;
    return 0;
}

static int begin(struct postgresql *s, void *arg, struct fault *why)
{
    int64_t now_ms = *(int64_t *)arg;

    memset(s->delta, 0, sizeof s->delta);
    if (renew_lease(s, why) < 0 || reap(s, now_ms, why) < 0)
        return -1;
    pg_int8(pg_params(s), now_ms);
    if (pg_run(s, PG_WAKE_ALL, why) < 0 || start_walk(s, now_ms, why) < 0 ||
        read_mark(s, "failing_since", &s->failing[0], why) < 0 ||
        read_mark(s, "failing_status", &s->failing[1], why) < 0)
        return -1;
    return pg_count(s, 0, why);
}

int pg_drain_begin(struct store *store, int64_t now_ms, struct fault *why)
{
    struct pg_job job = {.work = begin, .arg = &now_ms, .transaction = true};

    return pg_do((struct postgresql *)store, &job, why);
}

struct ending {
    bool left;
    int64_t now_ms;
};

static int own_lease(struct postgresql *s, PGresult **r, struct fault *why)
{
    struct pg_params *p = pg_params(s);

    pg_int8(p, pg_lease_now(s));
    pg_int4(p, 1);
    *r = pg_ask(s, PG_LEASE_RENEW, why); /* one row with its id, or none when it is gone */
    return *r ? 0 : -1;
}

static int end(struct postgresql *s, void *arg, struct fault *why)
{
    struct ending *e = arg;
    int64_t left = 0;
    PGresult *r;
    int rc;

    memset(s->delta, 0, sizeof s->delta);
    if (own_lease(s, &r, why) < 0)
        return -1;
    rc = PQntuples(r) > 0 ? end_leases(s, r, e->now_ms, why) : 0;
    PQclear(r);
    pg_params(s);
    if (rc < 0 || number_of(s, PG_LEFT, 0, &left, why) < 0)
        return -1;
    e->left = left != 0;
    return pg_count(s, 0, why);
}

int pg_drain_end(struct store *store, bool *left, struct fault *why)
{
    struct postgresql *s = (struct postgresql *)store;
    struct ending e = {.now_ms = clock_now_ms()};
    struct pg_job job = {.work = end, .arg = &e, .transaction = true};

    if (pg_do(s, &job, why) < 0)
        return -1;
    *left = e.left;
    s->lease_count = 0; /* every token is answered */
    return 0;
}

static int wake(struct postgresql *s, void *arg, struct fault *why)
{
    return start_walk(s, *(int64_t *)arg, why);
}

int pg_wake_held(struct store *store, int64_t now_ms, struct fault *why)
{
    struct pg_job job = {.work = wake, .arg = &now_ms};

    return pg_do((struct postgresql *)store, &job, why);
}

/* ---- waking up ---- */

int pg_watch(struct store *store)
{
    struct postgresql *s = (struct postgresql *)store;

    return s->conn && s->lease_count > 0 ? PQsocket(s->conn) : -1;
}

void pg_heard(struct store *store)
{
    struct postgresql *s = (struct postgresql *)store;

    if (s->conn && !PQconsumeInput(s->conn)) {
        PQfinish(s->conn); /* the next exchange finds another server */
        s->conn = NULL;
        memset(s->prepared, 0, sizeof s->prepared);
    }
    heard_something(s);
}

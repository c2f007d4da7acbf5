/* SPDX-License-Identifier: MIT */
/*
 * Handing out: a stretch of events is marked as out here in one statement, in which nobody waits
 * for anybody (SKIP LOCKED); a second one finds, for the persons among them, what stands in the
 * way; those that have to wait are put back by a third, in the same transaction.
 *
 * To say that an event is behind another one, so that it is not looked at until that one is final,
 * the other one is locked first: it cannot become final at the same moment without seeing it.
 */
#include <stdlib.h>

#include "postgresql.h"

#define SCAN_MAX 4096u /* events looked at in one transaction */

enum how { AS_WAS, BEHIND, LATER, OURS };

struct pg_took {
    const PGresult *r; /* has the row */
    int row;
    int64_t seq, order;
    int state;
    struct slice person, line;
    enum how how;
    size_t prev;  /* index of the one before it of the same person in this stretch, or NONE */
    size_t group; /* its person's */
};

#define NONE ((size_t)-1)

/* What stands in the way of one person. */
struct group {
    struct slice person;
    int64_t seq, state, lease; /* the first event that is not out here; seq 0: none */
    int64_t last_out;          /* the last one that is out since an earlier exchange */
    bool locked;
};

struct stretch {
    struct pg_took *at;
    size_t count;
    struct group *groups;
    size_t group_count;
    bool fresh;
};

/* Columns of the statements that take. */
enum { COL_SEQ, COL_ORDER, COL_PERSON, COL_STATE, COL_ATTEMPTS, COL_AMBIGUOUS, COL_LINE };

/* ---- what was taken ---- */

void pg_took_clear(struct postgresql *s)
{
    for (size_t i = 0; i < s->result_count; i++)
        PQclear(s->results[i]);
    s->result_count = s->took_count = 0;
}

void pg_took_free(struct postgresql *s)
{
    pg_took_clear(s);
    free(s->results);
    free(s->took);
}

static int compare(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int by_order(const void *a, const void *b)
{
    const struct pg_took *x = a, *y = b;

    return x->order != y->order ? compare(x->order, y->order) : compare(x->seq, y->seq);
}

static int by_person(const void *a, const void *b)
{
    const struct pg_took *x = *(struct pg_took *const *)a, *y = *(struct pg_took *const *)b;
    size_t n = x->person.n < y->person.n ? x->person.n : y->person.n;
    int order = n > 0 ? memcmp(x->person.p, y->person.p, n) : 0;

    if (order == 0)
        order = compare((int64_t)x->person.n, (int64_t)y->person.n);
    return order != 0 ? order : compare(x->seq, y->seq);
}

/* Appends the rows of r, in the order of handing out, and keeps r. */
static void keep_rows(struct postgresql *s, PGresult *r)
{
    size_t rows = (size_t)PQntuples(r), bytes = 0;
    struct pg_took *first;

    if (s->result_count == s->result_cap) {
        s->result_cap = s->result_cap ? s->result_cap * 2 : 8;
        s->results = mem_resize(s->results, s->result_cap * sizeof *s->results);
    }
    s->results[s->result_count++] = r;
    if (s->took_count + rows > s->took_cap) {
        s->took_cap = (s->took_count + rows) * 2;
        s->took = mem_resize(s->took, s->took_cap * sizeof *s->took);
    }
    first = s->took + s->took_count;
    for (size_t i = 0; i < rows; i++) {
        int row = (int)i;

        first[i] = (struct pg_took){.r = r,
            .row = row,
            .seq = pg_get(r, row, COL_SEQ, 0),
            .order = pg_get(r, row, COL_ORDER, 0),
            .state = (int)pg_get(r, row, COL_STATE, 0),
            .person = pg_get_bytes(r, row, COL_PERSON),
            .line = pg_get_bytes(r, row, COL_LINE),
            .prev = NONE,
            .group = NONE};
        bytes += first[i].line.n;
    }
    if (rows > 0) {
        qsort(first, rows, sizeof *first, by_order);
        s->line_bytes = (s->line_bytes + bytes / rows) / 2 + 1;
    }
    s->took_count += rows;
}

/* ---- what stands in the way ---- */

/* Links the events of each person, and makes a group of each. */
static void group_persons(struct stretch *t)
{
    struct pg_took **sorted = mem_alloc((t->count + 1) * sizeof *sorted);
    size_t n = 0;

    t->groups = mem_alloc((t->count + 1) * sizeof *t->groups);
    for (size_t i = 0; i < t->count; i++)
        if (t->at[i].person.p)
            sorted[n++] = &t->at[i];
    qsort(sorted, n, sizeof *sorted, by_person);
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && slice_eq(sorted[i]->person, sorted[i - 1]->person))
            sorted[i]->prev = (size_t)(sorted[i - 1] - t->at);
        else
            t->groups[t->group_count++] = (struct group){.person = sorted[i]->person};
        sorted[i]->group = t->group_count - 1;
    }
    free(sorted);
}

static int find_obstacles(struct postgresql *s, struct stretch *t, struct fault *why)
{
    struct pg_params *p = pg_params(s);
    PGresult *r;

    pg_array(p, PG_BYTEA, t->group_count);
    for (size_t i = 0; i < t->group_count; i++)
        pg_put_bytes(p, t->groups[i].person);
    pg_int8(p, pg_lease_now(s));
    pg_int4(p, s->take);
    r = pg_ask(s, PG_OBSTACLES, why);
    if (!r)
        return -1;
    for (int i = 0; i < PQntuples(r); i++) {
        int64_t n = pg_get(r, i, 0, 0);

        if (n < 1 || (size_t)n > t->group_count)
            continue;
        t->groups[n - 1].seq = pg_get(r, i, 1, 0);
        t->groups[n - 1].state = pg_get(r, i, 2, 0);
        t->groups[n - 1].lease = pg_get(r, i, 3, 0);
        t->groups[n - 1].last_out = pg_get(r, i, 4, 0);
    }
    PQclear(r);
    return 0;
}

/* Whether it is one that others may be said to be behind. */
static bool may_lead(const struct group *g)
{
    return g->seq > 0 && g->lease == 0 && g->state != OPEN_FRESH;
}

static int lock_leaders(struct postgresql *s, struct stretch *t, struct fault *why)
{
    struct pg_params *p = pg_params(s);
    size_t count = 0;
    PGresult *r;

    for (size_t i = 0; i < t->group_count; i++)
        count += may_lead(&t->groups[i]);
    if (count == 0)
        return 0;
    pg_array(p, PG_INT8, count);
    for (size_t i = 0; i < t->group_count; i++)
        if (may_lead(&t->groups[i]))
            pg_put_int(p, PG_INT8, t->groups[i].seq);
    r = pg_ask(s, PG_LOCK, why);
    if (!r)
        return -1;
    /* Rows come by number, groups by person. */
    for (size_t i = 0; i < t->group_count; i++) {
        int low = 0, high = PQntuples(r);

        while (low < high) {
            int mid = (low + high) / 2;

            if (pg_get(r, mid, 0, 0) < t->groups[i].seq)
                low = mid + 1;
            else
                high = mid;
        }
        t->groups[i].locked = low < PQntuples(r) && pg_get(r, low, 0, 0) == t->groups[i].seq;
    }
    PQclear(r);
    return 0;
}

/* ---- the decision ---- */

/* Whether one that was not taken stays an exception, whose end others will hear of. */
static bool leads(const struct pg_took *e)
{
    return e->state != OPEN_FRESH || e->how == BEHIND;
}

static enum how decide(const struct stretch *t, const struct pg_took *e)
{
    enum how not_now = t->fresh ? AS_WAS : LATER;
    const struct group *g;

    if (e->group == NONE)
        return OURS;
    g = &t->groups[e->group];
    if (g->seq > 0 && g->seq < e->seq)
        return may_lead(g) && g->locked ? BEHIND : not_now;
    if (e->prev != NONE && t->at[e->prev].how != OURS)
        return leads(&t->at[e->prev]) ? BEHIND : not_now;
    if (e->prev != NONE && e->state == OPEN_HELD && t->at[e->prev].state == OPEN_HELD)
        return BEHIND; /* of the held the first alone tries */
    return !t->fresh && g->last_out > e->seq ? LATER : OURS;
}

static int put_back(
    struct postgresql *s, const struct stretch *t, int64_t now_ms, struct fault *why)
{
    struct pg_params *p = pg_params(s);
    size_t count = 0;

    for (size_t i = 0; i < t->count; i++)
        count += t->at[i].how != OURS;
    if (count == 0)
        return 0;
    s->from = 0; /* what is fresh as it was stands below */
    pg_array(p, PG_INT8, count);
    for (size_t i = 0; i < t->count; i++)
        if (t->at[i].how != OURS)
            pg_put_int(p, PG_INT8, t->at[i].seq);
    pg_array(p, PG_INT2, count);
    for (size_t i = 0; i < t->count; i++)
        if (t->at[i].how != OURS)
            pg_put_int(p, PG_INT2, t->at[i].how);
    pg_int8(p, now_ms);
    pg_bytes(p, SLICE("behind an earlier event of the same person"));
    return pg_run(s, PG_REFUSE, why);
}

/* ---- stretches ---- */

struct taking {
    struct exchange *x;
    size_t bytes;
    unsigned looked;
    bool moved;
    int64_t cut; /* the lowest that there was no room for; 0: none */
};

/* Judges the last `rows` of what was taken, and leaves there only what is handed out. */
static int judge(struct postgresql *s, struct taking *k, size_t rows, bool fresh, struct fault *why)
{
    struct stretch t = {.at = s->took + s->took_count - rows, .count = rows, .fresh = fresh};
    size_t kept = 0;
    int rc = -1;

    group_persons(&t);
    if (t.group_count > 0 && (find_obstacles(s, &t, why) < 0 || lock_leaders(s, &t, why) < 0))
        goto out;
    for (size_t i = 0; i < rows; i++) {
        struct pg_took *e = &t.at[i];

        if (k->bytes < k->x->bytes)
            e->how = decide(&t, e);
        else if (k->cut == 0 || e->seq < k->cut)
            k->cut = e->seq;
        if (e->how == OURS)
            k->bytes += e->line.n;
        k->moved |= e->how != AS_WAS;
    }
    if (put_back(s, &t, k->x->now_ms, why) < 0)
        goto out;
    for (size_t i = 0; i < rows; i++)
        if (t.at[i].how == OURS)
            t.at[kept++] = t.at[i];
    s->took_count -= rows - kept;
    rc = 0;
out:
    free(t.groups);
    return rc;
}

/* The parameters that all statements that take begin with. */
static void add_common(struct postgresql *s, unsigned limit)
{
    struct pg_params *p = pg_params(s);

    pg_int8(p, pg_lease_now(s));
    pg_int4(p, s->take);
    pg_int4(p, (int32_t)limit);
}

/* One stretch; *full: there may be more of the kind. */
static int take_some(struct postgresql *s, struct taking *k, enum pg_query q, unsigned limit,
    bool *full, struct fault *why)
{
    size_t rows, fit = (k->x->bytes - k->bytes) / s->line_bytes + 1;
    struct pg_params *p = &s->params;
    PGresult *r;

    if (limit > fit)
        limit = (unsigned)fit;
    add_common(s, limit);
    if (q != PG_TAKE_FRESH)
        pg_int8(p, k->x->now_ms);
    pg_int8(p, s->from);
    if (q == PG_TAKE_HELD) {
        pg_int8(p, s->held_from);
        pg_int8(p, s->held_last);
        pg_int8(p, s->held_ms);
    }
    r = pg_ask(s, q, why);
    if (!r)
        return -1;
    rows = (size_t)PQntuples(r);
    keep_rows(s, r);
    if (q == PG_TAKE_HELD && rows > 0)
        s->held_from = s->took[s->took_count - 1].seq + 1;
    k->looked += (unsigned)rows;
    k->cut = 0;
    *full = rows == limit;
    if (judge(s, k, rows, q == PG_TAKE_FRESH, why) < 0)
        return -1;
    if (q == PG_TAKE_HELD && k->cut > 0)
        s->held_from = k->cut;
    return 0;
}

/* Stretches of one kind until there are `events` of all kinds, or no more of it. */
static int take_kind(struct postgresql *s, struct taking *k, enum pg_query q, unsigned events,
    bool *full, struct fault *why)
{
    *full = true;
    k->looked = 0;
    while (*full && s->took_count < events && k->bytes < k->x->bytes && k->looked < SCAN_MAX) {
        bool before = k->moved;

        k->moved = false;
        if (take_some(s, k, q, events - (unsigned)s->took_count, full, why) < 0)
            return -1;
        *full = *full && k->moved;
        k->moved |= before;
    }
    return 0;
}

int pg_take(struct postgresql *s, struct exchange *x, const struct pg_view *v, bool *moved,
    struct fault *why)
{
    struct taking k = {.x = x};
    unsigned most = x->events - x->events / 4; /* a quarter is for the fresh */
    bool full = false, due = v->due_ms > 0 && v->due_ms <= x->now_ms;
    int rc = 0;

    if (due)
        rc = take_kind(s, &k, PG_TAKE_DUE, most, &full, why);
    if (rc == 0 && v->held)
        rc = take_kind(s, &k, PG_TAKE_HELD, most, &full, why);
    full = false;
    if (rc == 0 && v->fresh > 0)
        rc = take_kind(s, &k, PG_TAKE_FRESH, x->events, &full, why);
    x->more = full;
    *moved = k.moved;
    return rc;
}

void pg_give(struct postgresql *s, struct exchange *x)
{
    uint64_t lease = (uint64_t)(s->lease_count - 1) << SEQ_BITS;

    x->given = (unsigned)s->took_count;
    for (size_t i = 0; i < s->took_count; i++) {
        const struct pg_took *e = &s->took[i];

        x->give(x->arg, &(struct handed){.token = (uint64_t)e->seq | lease,
                            .line = e->line,
                            .attempts = (unsigned)pg_get(e->r, e->row, COL_ATTEMPTS, 0),
                            .ambiguous = pg_get(e->r, e->row, COL_AMBIGUOUS, 0) != 0});
    }
    pg_took_clear(s);
}

int pg_look(struct postgresql *s, int64_t now_ms, struct pg_view *v, struct fault *why)
{
    const int64_t far_ms = 2 * 86400000ll;
    struct pg_params *p = pg_params(s);
    PGresult *r;

    pg_int8(p, s->from);
    pg_int8(p, now_ms + far_ms);
    pg_int8(p, s->held_from);
    pg_int8(p, s->held_last);
    pg_int8(p, now_ms);
    pg_int8(p, s->held_ms);
    r = pg_ask(s, PG_LOOK, why);
    if (!r)
        return -1;
    v->fresh = pg_get(r, 0, 0, 0);
    v->due_ms = pg_get(r, 0, 1, 0);
    v->far = pg_get(r, 0, 2, 0) != 0;
    v->held = pg_get(r, 0, 3, 0) != 0;
    PQclear(r);
    s->from = v->fresh;
    if (!v->held) /* the walk is over: what is answered held from now on is not tried by it */
        s->held_from = s->held_last + 1;
    return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Handing out and settling.
 *
 *   1 …………… floor …………………………… next ……… stored
 *     settled     | settled and out  | fresh
 *                                handed: at next - 1 or a bounded stretch above
 *
 * Fresh events are marked by moving `handed` ahead of them, in one commit for many; they are given
 * out after that commit.  Answers that come in order only move the floor.  Everything else works on
 * rows of exception: see sqlite.h.
 *
 * Held events that are to be tried before their time are not made due in one go, which would lock
 * the store for long when there are many: the drain walks over them once, beside all else.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "sqlite.h"

#define AHEAD 1024u       /* events that the mark covers beyond what is handed out */
#define AHEAD_IDLE 64u    /* the same, of those that are not even there */
#define SCAN_MAX 4096u    /* events looked at in one transaction */
#define DUE_PAGE 256      /* due events read at once */
#define DAY_MS 86400000ll /* no receiver may put an event off for longer */
#define FAR_MS (2 * DAY_MS)
#define LATER_MS 1000    /* for an event that a later one of its person has to make room for */
#define TRIES_AT_ONCE 3u /* of an unanswered event, before it waits between tries */

/* 1 or 0: whether the query finds an event of the person beside this one. */
static int has_other(
    struct sqlite *s, enum query which, struct slice person, uint64_t seq, struct fault *why)
{
    sqlite3_stmt *q;
    int rc;

    if (!person.p)
        return 0;
    q = sqlite_query(s, which, why);
    if (!q)
        return -1;
    sqlite_bind(q, 1, person);
    sqlite3_bind_int64(q, 2, (int64_t)seq);
    rc = sqlite_step(s, q, why);
    if (rc > 0)
        rc = sqlite3_column_int(q, 0) != 0;
    sqlite3_reset(q);
    return rc;
}

/* Whether an earlier event of the person has to go first. */
static int behind(struct sqlite *s, struct slice person, uint64_t seq, struct fault *why)
{
    return has_other(s, Q_LOWER, person, seq, why);
}

/* Whether a later event of the person is out. */
static int overtaken(struct sqlite *s, struct slice person, uint64_t seq, struct fault *why)
{
    if (person.p && flights_above(&s->flights, seq, flights_person(person)))
        return 1;
    return has_other(s, Q_HIGHER_OUT, person, seq, why);
}

int sqlite_promote(struct sqlite *s, struct slice person, int64_t now_ms, struct fault *why)
{
    sqlite3_stmt *q;
    int64_t first = 0;
    int rc;

    if (!person.p)
        return 0;
    q = sqlite_query(s, Q_BEHIND_FIRST, why);
    if (!q)
        return -1;
    sqlite_bind(q, 1, person);
    rc = sqlite_step(s, q, why);
    if (rc <= 0)
        return rc;
    first = sqlite3_column_int64(q, 0);
    sqlite3_reset(q);
    rc = behind(s, person, (uint64_t)first, why);
    if (rc != 0)
        return rc < 0 ? -1 : 0; /* a lower one is due: it will be final some time */
    q = sqlite_query(s, Q_PROMOTE, why);
    if (!q)
        return -1;
    sqlite_bind(q, 1, person);
    sqlite3_bind_int64(q, 2, now_ms);
    return sqlite_step(s, q, why);
}

/* ---- settling ---- */

/* The bit of a token that says that the event had an exception row when it was handed out. */
#define TOKEN_AGAIN (1ull << 63)

static int settle_delivered(
    struct sqlite *s, const struct settled *a, int64_t now_ms, struct fault *why)
{
    uint64_t seq = a->token & ~TOKEN_AGAIN;
    struct known k;

    if (a->token & TOKEN_AGAIN) {
        if (sqlite_known(s, seq, &k, why) < 0 || (k.state && sqlite_forget(s, seq, &k, why) < 0))
            return -1;
        if (!k.state)
            return 0;
        if (sqlite_promote(s, k.person, now_ms, why) < 0)
            return -1;
    } else {
        ranges_add(&s->now.settled, seq, seq);
        flights_answer(&s->flights, seq);
    }
    s->delta[META_DELIVERED]++;
    if (a->outcome == OUTCOME_DUPLICATE)
        s->delta[META_KNOWN]++;
    return 0;
}

/* The row of an event that was answered otherwise, or not at all. */
static void answer_row(struct except *x, const struct settled *a, int64_t now_ms)
{
    unsigned waits = x->attempts;
    int64_t due_ms = a->due_ms < now_ms + DAY_MS ? a->due_ms : now_ms + DAY_MS;

    switch (a->outcome) {
    case OUTCOME_REJECTED:
        x->state = EX_DEAD;
        break;
    case OUTCOME_SKIPPED:
        x->state = EX_SKIPPED;
        break;
    case OUTCOME_HELD:
        x->state = EX_HELD;
        x->due_ms = due_ms > 0 ? due_ms : now_ms + STORE_HOLD_MS;
        break;
    case OUTCOME_DEFERRED:
        x->state = EX_DEFERRED;
        x->due_ms = due_ms > 0 ? due_ms : now_ms + store_backoff_ms(waits);
        break;
    default:
        x->state = EX_RETRY;
        x->due_ms = now_ms;
        if (waits > TRIES_AT_ONCE)
            x->due_ms += store_backoff_ms(waits - TRIES_AT_ONCE);
    }
}

static int settle_otherwise(
    struct sqlite *s, const struct settled *a, int64_t now_ms, struct fault *why)
{
    bool again = a->token & TOKEN_AGAIN;
    struct except x = {.seq = a->token & ~TOKEN_AGAIN, .reason = a->reason};
    struct known k;

    if (sqlite_known(s, x.seq, &k, why) < 0)
        return -1;
    if (!again) {
        ranges_add(&s->now.settled, x.seq, x.seq);
        flights_answer(&s->flights, x.seq);
    }
    if (!k.there || (again && !k.state))
        return 0;
    x.attempts = k.attempts + (a->outcome != OUTCOME_DEFERRED);
    if (a->attempts > 0)
        x.attempts = a->attempts;
    x.ambiguous = k.ambiguous || a->ambiguous;
    answer_row(&x, a, now_ms);
    return sqlite_except(s, &x, &k, now_ms, why);
}

static int settle(struct sqlite *s, const struct exchange *x, struct fault *why)
{
    for (size_t i = 0; i < x->count; i++) {
        const struct settled *a = &x->settled[i];
        bool delivered = a->outcome == OUTCOME_DELIVERED || a->outcome == OUTCOME_DUPLICATE ||
                         a->outcome == OUTCOME_STORED;

        if ((delivered ? settle_delivered : settle_otherwise)(s, a, x->now_ms, why) < 0)
            return -1;
    }
    if (s->delta[META_DELIVERED] > 0)
        return sqlite_meta_set(s, META_LAST_DELIVERED, x->now_ms, why);
    return 0;
}

/* ---- handing out ---- */

static void hand_out(
    struct sqlite *s, struct exchange *x, const struct handed *event, uint64_t person)
{
    if (s->given_count == s->given_cap) {
        s->given_cap = s->given_cap ? s->given_cap * 2 : 256;
        s->given = mem_resize(s->given, s->given_cap * sizeof *s->given);
    }
    s->given[s->given_count++] = (struct given){*event, person};
    buf_slice(&s->lines, event->line);
    x->given++;
}

static bool enough(const struct sqlite *s, const struct exchange *x, unsigned events)
{
    return x->given >= events || s->lines.len >= x->bytes;
}

static int set_due(struct sqlite *s, uint64_t seq, int64_t due_ms, struct fault *why)
{
    sqlite3_stmt *q = sqlite_query(s, Q_DUE_SET, why);

    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, (int64_t)seq);
    if (due_ms != 0)
        sqlite3_bind_int64(q, 2, due_ms);
    else
        sqlite3_bind_null(q, 2);
    return sqlite_step(s, q, why);
}

/* When it can be handed out: DUE_OUT: now; 0: when it is promoted; or an instant to look again. */
static int when_out(struct sqlite *s, struct slice person, uint64_t seq, int64_t now_ms,
    int64_t *due_ms, struct fault *why)
{
    int rc = behind(s, person, seq, why);

    *due_ms = 0;
    if (rc == 0) {
        rc = overtaken(s, person, seq, why);
        *due_ms = rc > 0 ? now_ms + LATER_MS : DUE_OUT;
    }
    return rc < 0 ? -1 : 0;
}

static int hand_out_due(struct sqlite *s, struct exchange *x, uint64_t seq, struct fault *why)
{
    sqlite3_stmt *q = sqlite_query(s, Q_KNOWN, why);
    struct known k;
    int64_t due_ms;
    int rc;

    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, (int64_t)seq);
    rc = sqlite_step(s, q, why);
    if (rc <= 0)
        return rc;
    sqlite_known_row(q, &k);
    rc = when_out(s, k.person, seq, x->now_ms, &due_ms, why);
    if (rc == 0 && due_ms == DUE_OUT)
        hand_out(s, x,
            &(struct handed){seq | TOKEN_AGAIN, sqlite_text(q, 5), k.attempts, k.ambiguous}, 0);
    sqlite3_reset(q);
    return rc < 0 ? -1 : set_due(s, seq, due_ms, why);
}

/* Reads up to DUE_PAGE arrival numbers; returns how many, or -1. */
static int read_numbers(struct sqlite *s, enum query which, const int64_t *args, int count,
    uint64_t seq[DUE_PAGE], struct fault *why)
{
    sqlite3_stmt *q = sqlite_query(s, which, why);
    int n = 0, rc = 0;

    if (!q)
        return -1;
    for (int i = 0; i < count; i++)
        sqlite3_bind_int64(q, i + 1, args[i]);
    while (n < DUE_PAGE && (rc = sqlite_step(s, q, why)) > 0)
        seq[n++] = (uint64_t)sqlite3_column_int64(q, 0);
    sqlite3_reset(q);
    return rc < 0 ? -1 : n;
}

/* Events that are due, in the order of their times; at most three quarters of what is wanted, so
   that fresh ones get through beside them. */
static int take_due(struct sqlite *s, struct exchange *x, struct fault *why)
{
    unsigned events = x->events - x->events / 4, seen = 0;
    uint64_t seq[DUE_PAGE];

    while (!enough(s, x, events) && seen < SCAN_MAX) {
        int64_t args[] = {x->now_ms, (int64_t)s->now.next, DUE_PAGE};
        int n = read_numbers(s, Q_DUE, args, 3, seq, why);

        if (n <= 0)
            return n;
        for (int i = 0; i < n && !enough(s, x, events); i++)
            if (hand_out_due(s, x, seq[i], why) < 0)
                return -1;
        seen += (unsigned)n;
    }
    x->more = true;
    return 0;
}

/* ---- held events before their time ---- */

static uint64_t held_end(const struct frontier *f)
{
    return f->next <= f->held_last ? f->next : f->held_last + 1;
}

static void start_walk(struct sqlite *s, int64_t stored, int64_t now_ms)
{
    struct frontier *both[] = {&s->now, &s->written};

    for (int i = 0; i < 2; i++) {
        both[i]->held_from = 1;
        both[i]->held_last = (uint64_t)stored;
        both[i]->held_ms = now_ms;
    }
}

/* The next of them, at most `limit`; when there are none the walk has come to its end, for now. */
static int read_held(
    struct sqlite *s, int64_t now_ms, int limit, uint64_t seq[DUE_PAGE], struct fault *why)
{
    struct frontier *f = &s->now;
    int64_t args[] = {
        (int64_t)f->held_from, (int64_t)held_end(f), now_ms, f->held_ms, (int64_t)limit};
    int n = f->held_from < held_end(f) ? read_numbers(s, Q_HELD, args, 5, seq, why) : 0;

    if (n == 0 && f->held_from < held_end(f))
        f->held_from = held_end(f);
    return n;
}

/* After those that are due, and within the same three quarters. */
static int take_held(struct sqlite *s, struct exchange *x, struct fault *why)
{
    unsigned events = x->events - x->events / 4, seen = 0;
    uint64_t seq[DUE_PAGE];

    while (!enough(s, x, events) && seen < SCAN_MAX) {
        int n = read_held(s, x->now_ms, DUE_PAGE, seq, why);

        if (n <= 0)
            return n;
        for (int i = 0; i < n && !enough(s, x, events); i++) {
            if (hand_out_due(s, x, seq[i], why) < 0)
                return -1;
            s->now.held_from = seq[i] + 1;
        }
        seen += (unsigned)n;
    }
    return 0;
}

/* ---- fresh events ---- */

static int put_behind(
    struct sqlite *s, uint64_t seq, struct slice person, int64_t now_ms, struct fault *why)
{
    struct known fresh = {.there = true, .person = person};
    struct except x = {.seq = seq,
        .state = EX_DEFERRED,
        .ambiguous = seq <= s->ambiguous,
        .reason = SLICE("behind an earlier event of the same person")};

    return sqlite_except(s, &x, &fresh, now_ms, why);
}

static int is_exception(struct sqlite *s, uint64_t seq, bool *is, struct fault *why)
{
    int64_t arg = (int64_t)seq, one;

    if (sqlite_number(s, Q_EXCEPT_IS, &arg, 1, 0, &one, why) < 0)
        return -1;
    *is = one != 0;
    return 0;
}

/* What take_fresh knows before it starts, to spare look-ups. */
struct in_the_way {
    int64_t last_exception; /* highest arrival number with an exception row */
    int64_t any;            /* whether some person has an event that is held or due */
};

/* One fresh event: handed out, or settled because its exception row says what it is. */
static int take_one(struct sqlite *s, struct exchange *x, const struct in_the_way *w,
    sqlite3_stmt *q, struct fault *why)
{
    uint64_t seq = (uint64_t)sqlite3_column_int64(q, 0);
    struct slice person = sqlite_text(q, 1);
    bool is = false;
    int rc = 0;

    if (seq > s->now.next) /* purged */
        ranges_add(&s->now.settled, s->now.next, seq - 1);
    s->now.next = seq + 1;
    if ((int64_t)seq <= w->last_exception && is_exception(s, seq, &is, why) < 0)
        return -1;
    if (!is && w->any && (rc = behind(s, person, seq, why)) < 0)
        return -1;
    if (rc > 0 && put_behind(s, seq, person, x->now_ms, why) < 0)
        return -1;
    if (is || rc > 0)
        ranges_add(&s->now.settled, seq, seq);
    else
        hand_out(s, x,
            &(struct handed){
                .token = seq, .line = sqlite_text(q, 2), .ambiguous = seq <= s->ambiguous},
            flights_person(person));
    return 0;
}

static int take_fresh(struct sqlite *s, struct exchange *x, int64_t stored, struct fault *why)
{
    struct in_the_way w;
    sqlite3_stmt *q = NULL;
    unsigned seen = 0;
    int rc = 0;

    if ((int64_t)s->now.next > stored)
        return 0;
    if (sqlite_number(s, Q_EXCEPT_MAX, NULL, 0, 0, &w.last_exception, why) < 0 ||
        sqlite_number(s, Q_OPEN_ANY, NULL, 0, 0, &w.any, why) < 0 ||
        !(q = sqlite_query(s, Q_EVENTS_FROM, why)))
        return -1;
    sqlite3_bind_int64(q, 1, (int64_t)s->now.next);
    while (!enough(s, x, x->events) && seen++ < SCAN_MAX && (rc = sqlite_step(s, q, why)) > 0)
        if (take_one(s, x, &w, q, why) < 0) {
            rc = -1;
            break;
        }
    sqlite3_reset(q);
    if (rc < 0)
        return -1;
    if (rc == 0 && !enough(s, x, x->events) && (int64_t)s->now.next <= stored) {
        ranges_add(&s->now.settled, s->now.next, (uint64_t)stored); /* purged up to the end */
        s->now.next = (uint64_t)stored + 1;
    }
    if ((int64_t)s->now.next <= stored)
        x->more = true;
    return 0;
}

/* ---- the marks ---- */

static int done_drop(void *arg, const struct range *range)
{
    struct sqlite *s = arg;
    struct fault why;
    int64_t first = (int64_t)range->first, ignored;

    return sqlite_number(s, Q_DONE_DROP, &first, 1, 0, &ignored, &why);
}

static int done_add(void *arg, const struct range *range)
{
    struct sqlite *s = arg;
    struct fault why;
    int64_t args[] = {(int64_t)range->first, (int64_t)range->last}, ignored;

    return sqlite_number(s, Q_DONE_ADD, args, 2, 0, &ignored, &why);
}

/* Brings meta and done to what s->now says. */
static int write_frontier(struct sqlite *s, struct fault *why)
{
    struct frontier *now = &s->now;
    struct ranges_change change = {done_drop, done_add, s};

    now->floor = ranges_floor(&now->settled, now->floor);
    if (now->floor != s->written.floor &&
        sqlite_meta_set(s, META_FLOOR, (int64_t)now->floor, why) < 0)
        return -1;
    if (now->handed != s->written.handed &&
        sqlite_meta_set(s, META_HANDED, (int64_t)now->handed, why) < 0)
        return -1;
    if (ranges_diff(&s->written.settled, &now->settled, &change) < 0)
        return sqlite_fault(s, why);
    return 0;
}

/* The mark has to cover what was taken; it is moved early when there is a commit anyway, and a
   little beyond what is stored, so that the next event to come needs no commit before it goes. */
static void move_mark(struct sqlite *s, int64_t stored, bool commits)
{
    uint64_t last = s->now.next - 1, ahead = last + AHEAD;

    if (ahead > (uint64_t)stored)
        ahead = (uint64_t)stored;
    if (ahead < last + AHEAD_IDLE)
        ahead = last + AHEAD_IDLE;
    if (s->now.handed < last || (commits && s->now.handed < ahead))
        s->now.handed = ahead;
}

static void copy_frontier(struct frontier *to, const struct frontier *from)
{
    struct ranges settled = to->settled;

    ranges_copy(&settled, &from->settled);
    *to = *from;
    to->settled = settled;
}

/* ---- the exchange ---- */

/* Whether anything could be handed out now, and when the next event is due.  far: something waits
   for longer than anything ever does. */
static int look(struct sqlite *s, struct exchange *x, int64_t *stored, bool *far, struct fault *why)
{
    int64_t meta[METAS] = {0}, next = (int64_t)s->now.next, limit = x->now_ms + FAR_MS, one;
    uint64_t seq[DUE_PAGE];
    int held = read_held(s, x->now_ms, 1, seq, why);

    if (held < 0 || sqlite_meta(s, meta, why) < 0 ||
        sqlite_number(s, Q_DUE_FAR, &limit, 1, 0, &one, why) < 0 ||
        sqlite_number(s, Q_DUE_NEXT, &next, 1, 0, &x->due_ms, why) < 0)
        return -1;
    *stored = meta[META_STORED];
    *far = one != 0;
    x->more = *far || held > 0 || next <= *stored || (x->due_ms > 0 && x->due_ms <= x->now_ms);
    return 0;
}

/* The clock was years ahead and is right again, say: what was put off by it is due now. */
static int bring_near(struct sqlite *s, int64_t now_ms, struct fault *why)
{
    int64_t args[] = {now_ms + FAR_MS, now_ms}, ignored;

    return sqlite_number(s, Q_DUE_NEAR, args, 2, 0, &ignored, why);
}

/* What the drain says of the receiver, where it has changed. */
static bool receiver_changed(const struct sqlite *s, const struct exchange *x)
{
    return s->failing[0] != x->failing_since_ms || s->failing[1] != x->failing_status;
}

static int note_receiver(struct sqlite *s, const struct exchange *x, struct fault *why)
{
    if (!receiver_changed(s, x))
        return 0;
    return sqlite_meta_set(s, META_FAILING_SINCE, x->failing_since_ms, why) < 0 ||
                   sqlite_meta_set(s, META_FAILING_STATUS, x->failing_status, why) < 0
               ? -1
               : 0;
}

static int work(struct sqlite *s, struct exchange *x, int64_t stored, struct fault *why)
{
    int64_t next;

    if (settle(s, x, why) < 0 || note_receiver(s, x, why) < 0)
        return -1;
    x->more = false;
    if (x->events > 0 &&
        (take_due(s, x, why) < 0 || take_held(s, x, why) < 0 || take_fresh(s, x, stored, why) < 0))
        return -1;
    move_mark(s, stored, x->count > 0);
    next = (int64_t)s->now.next;
    if (write_frontier(s, why) < 0 ||
        sqlite_number(s, Q_DUE_NEXT, &next, 1, 0, &x->due_ms, why) < 0)
        return -1;
    if ((x->events == 0 && next <= stored) || s->now.held_from < held_end(&s->now) ||
        (x->due_ms > 0 && x->due_ms <= x->now_ms))
        x->more = true;
    return 0;
}

static int transact(struct sqlite *s, struct exchange *x, struct fault *why)
{
    int64_t stored = 0;
    bool far;

    x->given = 0;
    x->more = false;
    s->given_count = s->lines.len = 0;
    if (x->count == 0) {
        if (sqlite_begin(s, false, why) < 0 || look(s, x, &stored, &far, why) < 0 ||
            sqlite_commit(s, why) < 0)
            return -1;
        if ((!x->more || x->events == 0) && !receiver_changed(s, x))
            return 0;
    }
    if (sqlite_begin(s, true, why) < 0 || look(s, x, &stored, &far, why) < 0 ||
        (far && bring_near(s, x->now_ms, why) < 0) || work(s, x, stored, why) < 0)
        return -1;
    return sqlite_commit(s, why);
}

static void give_all(struct sqlite *s, struct exchange *x)
{
    const char *p = s->lines.data;

    for (size_t i = 0; i < s->given_count; i++) {
        struct given *g = &s->given[i];

        g->event.line.p = p;
        p += g->event.line.n;
        if (!(g->event.token & TOKEN_AGAIN))
            flights_add(&s->flights, g->event.token, g->person);
        x->give(x->arg, &g->event);
    }
}

/* After a transaction failed: everything as before it, and true when it is worth another try: what
   was delivered has to be settled even on a full disk, the reserve is for that. */
static bool try_again(struct sqlite *s, const struct fault *why)
{
    sqlite_undo(s);
    copy_frontier(&s->now, &s->written);
    if (!why->full || !sqlite_release_reserve(s))
        return false;
    s->reserve_used = true;
    return true;
}

/* Without it a full disk is met earlier: at the next commit. */
static void restore_reserve(struct sqlite *s)
{
    struct fault ignored;

    s->reserve_used = sqlite_reserve(s, &ignored) < 0;
}

int sqlite_exchange(struct store *store, struct exchange *x, struct fault *why)
{
    struct sqlite *s = (struct sqlite *)store;

    if (x->count == 0 && sqlite_in_place(s, why) < 0)
        return -1;
    while (transact(s, x, why) < 0)
        if (!try_again(s, why))
            return -1;
    if (s->reserve_used)
        restore_reserve(s);
    copy_frontier(&s->written, &s->now);
    s->failing[0] = x->failing_since_ms;
    s->failing[1] = x->failing_status;
    give_all(s, x);
    return 0;
}

/* ---- begin and end ---- */

static int read_frontier(struct sqlite *s, int64_t *stored, struct fault *why)
{
    int64_t meta[METAS] = {0};
    sqlite3_stmt *q = sqlite_query(s, Q_DONE_ALL, why);
    int rc;

    if (!q || sqlite_meta(s, meta, why) < 0)
        return -1;
    *stored = meta[META_STORED];
    s->failing[0] = meta[META_FAILING_SINCE];
    s->failing[1] = meta[META_FAILING_STATUS];
    s->now.floor = (uint64_t)meta[META_FLOOR];
    s->now.handed = (uint64_t)meta[META_HANDED];
    if (s->now.handed > (uint64_t)meta[META_STORED])
        s->now.handed = (uint64_t)meta[META_STORED];
    s->now.next = s->now.handed + 1;
    s->now.settled.count = 0;
    while ((rc = sqlite_step(s, q, why)) > 0)
        ranges_add(&s->now.settled, (uint64_t)sqlite3_column_int64(q, 0),
            (uint64_t)sqlite3_column_int64(q, 1));
    return rc;
}

static int put_back(struct sqlite *s, uint64_t seq, bool again, int64_t now_ms, struct fault *why)
{
    struct settled a = {.token = seq | (again ? TOKEN_AGAIN : 0),
        .outcome = OUTCOMES,
        .ambiguous = true,
        .reason = SLICE("the drain ended before the answer")};

    return settle_otherwise(s, &a, now_ms, why);
}

/* The fresh events that were out, or about to be. */
static int put_back_fresh(struct sqlite *s, int64_t now_ms, struct fault *why)
{
    uint64_t seq = ranges_floor(&s->now.settled, s->now.floor);

    for (; seq <= s->now.handed; seq = ranges_floor(&s->now.settled, seq)) {
        bool is;

        if (is_exception(s, seq, &is, why) < 0)
            return -1;
        if (is)
            ranges_add(&s->now.settled, seq, seq);
        else if (put_back(s, seq, false, now_ms, why) < 0)
            return -1;
    }
    s->now.floor = seq;
    return 0;
}

static int put_back_again(struct sqlite *s, int64_t now_ms, struct fault *why)
{
    uint64_t seq[DUE_PAGE], last = 0;
    int n;

    do {
        int64_t args[] = {(int64_t)last, DUE_PAGE};

        n = read_numbers(s, Q_OUT, args, 2, seq, why);
        for (int i = 0; i < n; i++)
            if (put_back(s, last = seq[i], true, now_ms, why) < 0)
                return -1;
    } while (n == DUE_PAGE);
    return n < 0 ? -1 : 0;
}

static int recover(struct sqlite *s, int64_t now_ms, struct fault *why)
{
    int64_t stored, ignored;

    if (sqlite_begin(s, true, why) < 0 || read_frontier(s, &stored, why) < 0)
        return -1;
    copy_frontier(&s->written, &s->now);
    if (put_back_again(s, now_ms, why) < 0 || put_back_fresh(s, now_ms, why) < 0 ||
        sqlite_number(s, Q_WAKE_ALL, &now_ms, 1, 0, &ignored, why) < 0)
        return -1;
    move_mark(s, stored, true);
    if (write_frontier(s, why) < 0)
        return -1;
    start_walk(s, stored, now_ms);
    return sqlite_commit(s, why);
}

int sqlite_drain_begin(struct store *store, int64_t now_ms, struct fault *why)
{
    struct sqlite *s = (struct sqlite *)store;

    while (recover(s, now_ms, why) < 0)
        if (!try_again(s, why))
            return -1;
    copy_frontier(&s->written, &s->now);
    restore_reserve(s);
    return 0;
}

static int close_marks(struct sqlite *s, bool *left, struct fault *why)
{
    int64_t meta[METAS] = {0}, one;

    if (sqlite_begin(s, true, why) < 0 || sqlite_meta(s, meta, why) < 0)
        return -1;
    s->now.handed = s->now.next - 1;
    if (write_frontier(s, why) < 0 || sqlite_number(s, Q_LEFT, NULL, 0, 0, &one, why) < 0)
        return -1;
    *left = one != 0 || (int64_t)s->now.next <= meta[META_STORED];
    return sqlite_commit(s, why);
}

int sqlite_drain_end(struct store *store, bool *left, struct fault *why)
{
    struct sqlite *s = (struct sqlite *)store;

    while (close_marks(s, left, why) < 0)
        if (!try_again(s, why))
            return -1;
    copy_frontier(&s->written, &s->now);
    return 0;
}

int sqlite_wake_held(struct store *store, int64_t now_ms, struct fault *why)
{
    struct sqlite *s = (struct sqlite *)store;
    int64_t meta[METAS] = {0};

    if (sqlite_begin(s, false, why) < 0 || sqlite_meta(s, meta, why) < 0 ||
        sqlite_commit(s, why) < 0) {
        sqlite_undo(s);
        return -1;
    }
    start_walk(s, meta[META_STORED], now_ms);
    return 0;
}

/* ---- waking up ---- */

int sqlite_watch(struct store *store)
{
    struct sqlite *s = (struct sqlite *)store;

    if (s->watch_fd >= 0)
        return s->watch_fd;
    s->watch_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    /* A commit writes to the file under its exclusive lock: whoever looks after this finds it. */
    if (s->watch_fd >= 0 && inotify_add_watch(s->watch_fd, s->path, IN_MODIFY) < 0) {
        close(s->watch_fd);
        s->watch_fd = -1;
    }
    return s->watch_fd;
}

void sqlite_heard(struct store *store)
{
    struct sqlite *s = (struct sqlite *)store;
    char events[4096];

    while (s->watch_fd >= 0 && read(s->watch_fd, events, sizeof events) > 0)
        ;
}

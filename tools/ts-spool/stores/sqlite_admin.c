/* SPDX-License-Identifier: MIT */
/* Reading the store, and changes by hand.  Under a rollback journal a reader keeps writers waiting:
   so counters are kept, not counted, and lists are read in short pages. */
#include <stdlib.h>
#include <sys/statvfs.h>

#include "clock.h"
#include "sqlite.h"

#define WEEK_S (7 * 86400)
#define PAGE_ROWS 256
#define PAGE_BYTES (512u << 10)
#define OLDEST_SCAN 5000 /* events looked at to find the oldest that waits */

/* ---- states ---- */

int sqlite_view(struct sqlite *s, struct view *v, struct fault *why)
{
    sqlite3_stmt *q = sqlite_query(s, Q_DONE_ALL, why);
    int rc;

    *v = (struct view){0};
    if (!q || sqlite_meta(s, v->meta, why) < 0)
        return -1;
    while ((rc = sqlite_step(s, q, why)) > 0)
        ranges_add(
            &v->done, (uint64_t)sqlite3_column_int64(q, 0), (uint64_t)sqlite3_column_int64(q, 1));
    return rc;
}

static bool delivered(const struct view *v, uint64_t seq)
{
    return seq < (uint64_t)v->meta[META_FLOOR] || ranges_have(&v->done, seq);
}

enum state sqlite_state(const struct view *v, int exception, uint64_t seq)
{
    switch (exception) {
    case EX_HELD:
        return STATE_HELD;
    case EX_DEAD:
        return STATE_DEAD;
    case EX_SKIPPED:
        return STATE_SKIPPED;
    case 0:
        return delivered(v, seq) ? STATE_DELIVERED : STATE_WAITING;
    default:
        return STATE_WAITING;
    }
}

/* ---- stat ---- */

/* Days are of the devices' clocks, which may be ahead of UTC by most of a day. */
static int put_last_week(struct sqlite *s, int64_t now_s, int64_t *events, struct fault *why)
{
    sqlite3_stmt *q = sqlite_query(s, Q_DAY_WEEK, why);
    char after[CLOCK_TEXT], before[CLOCK_TEXT];
    int rc;

    *events = 0;
    if (!q)
        return -1;
    clock_print_local(after, now_s - WEEK_S, 0);
    clock_print_local(before, now_s + 2 * 86400, 0);
    sqlite3_bind_text(q, 1, after, 10, SQLITE_STATIC);
    sqlite3_bind_text(q, 2, before, 10, SQLITE_STATIC);
    rc = sqlite_step(s, q, why);
    if (rc > 0)
        *events = sqlite3_column_int64(q, 0);
    sqlite3_reset(q);
    return rc < 0 ? -1 : 0;
}

static int64_t free_bytes(const struct sqlite *s)
{
    struct statvfs disk;

    return statvfs(s->path, &disk) == 0 ? (int64_t)(disk.f_bavail * disk.f_frsize) : -1;
}

/* When the oldest waiting event without an exception row was put.  It is looked for over a bounded
   stretch; beyond, the event at its end is taken: older than what is waiting, never younger. */
static int oldest_fresh(struct sqlite *s, struct view *v, int64_t *at_ms, struct fault *why)
{
    int64_t seq = v->meta[META_FLOOR], is, at;

    for (int n = 0; n < OLDEST_SCAN; n++, seq++) {
        seq = (int64_t)ranges_floor(&v->done, (uint64_t)seq);
        if (seq > v->meta[META_STORED])
            return 0;
        if (sqlite_number(s, Q_EXCEPT_IS, &seq, 1, 0, &is, why) < 0 ||
            sqlite_number(s, Q_EVENT_AT, &seq, 1, 0, &at, why) < 0)
            return -1;
        if (at != 0)
            *at_ms = at;
        if (at != 0 && !is)
            return 0;
    }
    return 0;
}

/* When the oldest one with an exception row in this state was put, unless *at_ms is older. */
static int oldest_exception(struct sqlite *s, int64_t state, int64_t *at_ms, struct fault *why)
{
    int64_t seq, at;

    if (sqlite_number(s, Q_OLDEST_OPEN, &state, 1, 0, &seq, why) < 0 ||
        sqlite_number(s, Q_EVENT_AT, &seq, 1, 0, &at, why) < 0)
        return -1;
    if (at != 0 && (*at_ms == 0 || at < *at_ms))
        *at_ms = at;
    return 0;
}

static int oldest(struct sqlite *s, struct view *v, struct store_stat *stat, struct fault *why)
{
    int64_t *waiting = &stat->oldest_waiting_ms;

    if (stat->in[STATE_WAITING] > 0 && (oldest_fresh(s, v, waiting, why) < 0 ||
                                           oldest_exception(s, EX_DEFERRED, waiting, why) < 0 ||
                                           oldest_exception(s, EX_RETRY, waiting, why) < 0))
        return -1;
    return oldest_exception(s, EX_HELD, &stat->oldest_held_ms, why);
}

static int stat_read(struct sqlite *s, struct store_stat *stat, struct view *v, struct fault *why)
{
    const int64_t *meta = v->meta;
    int64_t pages;

    if (sqlite_begin(s, false, why) < 0 || sqlite_view(s, v, why) < 0 ||
        sqlite_number(s, Q_PAGES, NULL, 0, 0, &pages, why) < 0)
        return -1;
    *stat = (struct store_stat){
        .in = {[STATE_HELD] = meta[META_HELD],
            [STATE_DEAD] = meta[META_DEAD],
            [STATE_SKIPPED] = meta[META_SKIPPED],
            [STATE_DELIVERED] = meta[META_DELIVERED]},
        .stored = meta[META_STORED],
        .duplicates = meta[META_DUPLICATES],
        .known = meta[META_KNOWN],
        .erased = meta[META_ERASED],
        .purged = meta[META_PURGED],
        .first_put_ms = meta[META_FIRST_PUT],
        .last_put_ms = meta[META_LAST_PUT],
        .last_delivered_ms = meta[META_LAST_DELIVERED],
        .failing_since_ms = meta[META_FAILING_SINCE],
        .failing_status = (int)meta[META_FAILING_STATUS],
        .bytes = pages * s->page_bytes,
        .limit_bytes = meta[META_LIMIT],
        .free_bytes = free_bytes(s),
        .draining = sqlite_draining(s),
    };
    stat->in[STATE_WAITING] = meta[META_STORED] - meta[META_DELIVERED] - meta[META_HELD] -
                              meta[META_DEAD] - meta[META_SKIPPED] - meta[META_ERASED];
    if (oldest(s, v, stat, why) < 0 ||
        put_last_week(s, clock_now_ms() / 1000, &stat->put_last_week, why) < 0 ||
        sqlite_number(s, Q_ACTION_LAST, NULL, 0, 0, &stat->actions, why) < 0)
        return -1;
    return sqlite_commit(s, why);
}

int sqlite_stat(struct store *store, struct store_stat *stat, struct fault *why)
{
    struct sqlite *s = (struct sqlite *)store;
    struct view v = {0};
    int rc = stat_read(s, stat, &v, why);

    if (rc < 0)
        sqlite_undo(s);
    ranges_free(&v.done);
    return rc;
}

/* ---- pages ---- */

static int page_row(struct page *page, const struct view *v, sqlite3_stmt *q)
{
    struct row row = {
        .seq = (uint64_t)sqlite3_column_int64(q, 0),
        .person = sqlite_text(q, 1),
        .put_ms = sqlite3_column_int64(q, 2),
        .line = sqlite_text(q, 3),
        .attempts = (unsigned)sqlite3_column_int(q, 5),
        .ambiguous = sqlite3_column_int(q, 6) != 0,
        .reason = sqlite_text(q, 7),
    };

    if (page->id && row.seq != page->after + 1)
        return 0; /* its line was purged: this is the next one */
    page->after = row.seq;
    row.state = sqlite_state(v, sqlite3_column_int(q, 4), row.seq);
    if (row.state == STATE_WAITING && row.seq <= (uint64_t)v->meta[META_AMBIGUOUS])
        row.ambiguous = true; /* fresh in a copy; others have it in their row */
    return page->states & STATE_BIT(row.state) ? page->row(page->arg, &row) : 0;
}

/* The page that has one event alone. */
static int seek(struct sqlite *s, struct page *page, struct fault *why)
{
    sqlite3_stmt *q = sqlite_query(s, Q_ID_FIND, why);
    int rc;

    if (!q)
        return -1;
    sqlite3_bind_blob(q, 1, page->id->octets, sizeof page->id->octets, SQLITE_STATIC);
    rc = sqlite_step(s, q, why);
    if (rc <= 0)
        return rc;
    page->after = (uint64_t)sqlite3_column_int64(q, 0) - 1;
    sqlite3_reset(q);
    return 1;
}

static int read_rows(struct sqlite *s, struct page *page, const struct view *v, sqlite3_stmt *q,
    int limit, struct fault *why)
{
    size_t bytes = 0;
    int rows = 0, rc = 1;

    sqlite3_bind_int64(q, 1, (int64_t)page->after);
    sqlite3_bind_int64(q, 2, limit);
    while (bytes < PAGE_BYTES && (rc = sqlite_step(s, q, why)) > 0) {
        if (page_row(page, v, q) < 0)
            return fault_set(why, EX_SOFTWARE, "%s: the list was given up", s->name);
        bytes += (size_t)sqlite3_column_bytes(q, 3);
        rows++;
    }
    sqlite3_reset(q);
    return rc < 0 ? -1 : rc == 0 && rows < limit;
}

/* Where the delivered are not wanted, only exceptions are read below the floor. */
static int page_read(struct sqlite *s, struct page *page, struct view *v, struct fault *why)
{
    int64_t floor;
    bool exceptions;
    sqlite3_stmt *q;
    int rc = 1;

    if (sqlite_begin(s, false, why) < 0 || sqlite_view(s, v, why) < 0)
        return -1;
    if (page->id && (rc = seek(s, page, why)) < 0)
        return -1;
    floor = v->meta[META_FLOOR];
    exceptions = !page->id && !(page->states & STATE_BIT(STATE_DELIVERED)) &&
                 (int64_t)page->after + 1 < floor;
    q = sqlite_query(s, exceptions ? Q_PAGE_EXCEPTIONS : Q_PAGE_ALL, why);
    if (!q)
        return -1;
    if (exceptions)
        sqlite3_bind_int64(q, 3, floor);
    if (rc > 0)
        rc = read_rows(s, page, v, q, page->id ? 1 : PAGE_ROWS, why);
    if (rc < 0)
        return -1;
    page->ended = page->id || (rc > 0 && !exceptions);
    if (rc > 0 && exceptions)
        page->after = (uint64_t)floor - 1;
    return sqlite_commit(s, why);
}

int sqlite_page(struct store *store, struct page *page, struct fault *why)
{
    struct sqlite *s = (struct sqlite *)store;
    struct view v = {0};
    int rc = page_read(s, page, &v, why);

    if (rc < 0)
        sqlite_undo(s);
    ranges_free(&v.done);
    return rc;
}

static int find_one(struct sqlite *s, const struct view *v, struct found *f, struct fault *why)
{
    struct page page = {.id = &f->id};
    struct known known;
    int rc = seek(s, &page, why);

    f->there = rc > 0;
    if (rc <= 0)
        return rc;
    if (sqlite_known(s, page.after + 1, &known, why) < 0)
        return -1;
    f->state = known.there ? sqlite_state(v, known.state, page.after + 1) : STATE_DELIVERED;
    return 0;
}

int sqlite_find(struct store *store, struct found *found, size_t count, struct fault *why)
{
    struct sqlite *s = (struct sqlite *)store;
    struct view v = {0};
    int rc = sqlite_begin(s, false, why) < 0 || sqlite_view(s, &v, why) < 0 ? -1 : 0;

    for (size_t i = 0; i < count && rc == 0; i++)
        rc = find_one(s, &v, &found[i], why);
    if (rc == 0)
        rc = sqlite_commit(s, why);
    if (rc < 0)
        sqlite_undo(s);
    ranges_free(&v.done);
    return rc;
}

/* ---- changes ---- */

struct changing {
    struct sqlite *s;
    const struct view *view;
    const struct action *action;
    int64_t now_ms;
};

/* Each returns 1 when the event was changed, 0 when it stays, -1. */

static int retry(const struct changing *c, uint64_t seq, const struct known *k, struct fault *why)
{
    struct except x = {.seq = seq,
        .state = EX_RETRY,
        .due_ms = c->now_ms,
        .attempts = k->attempts,
        .ambiguous = k->state != 0 && k->ambiguous,
        .reason = SLICE("put back by hand")};

    if (k->due_ms == DUE_OUT)
        return 0;
    if (k->state == 0 && !delivered(c->view, seq))
        return 0;
    if (k->state == 0)
        c->s->delta[META_DELIVERED]--;
    return sqlite_except(c->s, &x, k, c->now_ms, why) < 0 ? -1 : 1;
}

static int skip(const struct changing *c, uint64_t seq, const struct known *k, struct fault *why)
{
    struct except x = {.seq = seq,
        .state = EX_SKIPPED,
        .attempts = k->attempts,
        .ambiguous = k->ambiguous,
        .reason = slice_of(c->action->reason)};

    if (k->due_ms == DUE_OUT || k->state == 0 || k->state == EX_SKIPPED)
        return 0;
    return sqlite_except(c->s, &x, k, c->now_ms, why) < 0 ? -1 : 1;
}

static int erase(const struct changing *c, uint64_t seq, const struct known *k, struct fault *why)
{
    int64_t arg = (int64_t)seq, ignored;
    bool done = k->state == 0 && delivered(c->view, seq);

    if (k->due_ms == DUE_OUT)
        return 0;
    if (sqlite_number(c->s, Q_EVENT_DROP, &arg, 1, 0, &ignored, why) < 0)
        return -1;
    c->s->delta[done ? META_PURGED : META_ERASED]++;
    if (!done && sqlite_number(c->s, Q_DAY_ERASED, &k->day, 1, 0, &ignored, why) < 0)
        return -1;
    if (k->state == 0)
        return 1;
    if (sqlite_forget(c->s, seq, k, why) < 0 || sqlite_promote(c->s, k->person, c->now_ms, why) < 0)
        return -1;
    return 1;
}

static int note_action(
    struct sqlite *s, struct action *a, int64_t changed, int64_t now_ms, struct fault *why)
{
    int64_t args[] = {a->id, changed}, ignored;
    sqlite3_stmt *q;

    if (a->id == 0) {
        q = sqlite_query(s, Q_ACTION_ADD, why);
        if (!q)
            return -1;
        sqlite3_bind_int64(q, 1, now_ms);
        sqlite_bind(q, 2, slice_of(a->who));
        sqlite_bind(q, 3, slice_of(a->what));
        sqlite_bind(q, 4, slice_of(a->reason));
        if (sqlite_step(s, q, why) < 0)
            return -1;
        args[0] = sqlite3_last_insert_rowid(s->db);
    }
    if (sqlite_number(s, Q_ACTION_COUNT, args, 2, 0, &ignored, why) < 0 ||
        sqlite_commit(s, why) < 0)
        return -1;
    a->id = args[0];
    a->count += changed;
    return 0;
}

static int change_all(struct sqlite *s, struct action *a, const uint64_t *seq, size_t count,
    int64_t now_ms, struct view *v, struct fault *why)
{
    static int (*const does[])(
        const struct changing *, uint64_t, const struct known *, struct fault *) = {
        [CHANGE_RETRY] = retry,
        [CHANGE_SKIP] = skip,
        [CHANGE_ERASE] = erase,
    };
    struct changing c = {s, v, a, now_ms};
    struct known k;
    int64_t changed = 0;

    if (sqlite_begin(s, true, why) < 0 || sqlite_view(s, v, why) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        int rc = sqlite_known(s, seq[i], &k, why);

        if (rc == 0 && k.there && a->states & STATE_BIT(sqlite_state(v, k.state, seq[i])))
            rc = does[a->change](&c, seq[i], &k, why);
        if (rc < 0)
            return -1;
        changed += rc;
    }
    return note_action(s, a, changed, now_ms, why);
}

int sqlite_change(struct store *store, struct action *action, const uint64_t *seq, size_t count,
    int64_t now_ms, struct fault *why)
{
    struct sqlite *s = (struct sqlite *)store;
    struct view v = {0};
    int rc = change_all(s, action, seq, count, now_ms, &v, why);

    if (rc < 0)
        sqlite_undo(s);
    ranges_free(&v.done);
    return rc;
}

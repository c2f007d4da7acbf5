/* SPDX-License-Identifier: MIT */
/* Put, and what put and drain share: the reserve, and rows of exception. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "sqlite.h"

/* ---- the reserve ---- */

static char *reserve_name(const struct sqlite *s)
{
    struct buf name = {0};

    buf_printf(&name, "%s-reserve%c", s->path, '\0');
    return name.data;
}

/* Asked first: an attempt that fails takes what is left for a moment, and others need it. */
static bool room_for_reserve(const struct sqlite *s)
{
    struct statvfs disk;

    return statvfs(s->path, &disk) < 0 || disk.f_bavail * disk.f_frsize >= RESERVE_BYTES * 5 / 4;
}

static int make_reserve(struct sqlite *s, const char *name, struct fault *why)
{
    int fd = -1, error = 0;

    if (sqlite_in_place(s, why) < 0)
        return -1;
    /* The store's own entry first: a power cut must not leave a reserve without it. */
    if (sqlite_sync_folder(s->path) < 0)
        return fault_errno(why, EX_IOERR, "%s: cannot sync its folder", s->name);
    if (!room_for_reserve(s))
        return fault_set(why, EX_IOERR, "%s: the disk is full: no room for the reserve", s->name);
    fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return fault_errno(why, EX_CANTCREAT, "%s-reserve: cannot make", s->name);
    do
        error = posix_fallocate(fd, 0, RESERVE_BYTES);
    while (error == EINTR);
    close(fd);
    if (!error)
        return 0;
    unlink(name);
    errno = error;
    return fault_errno(why, EX_IOERR, "%s: no room for the reserve", s->name);
}

int sqlite_reserve(struct sqlite *s, struct fault *why)
{
    char *name = reserve_name(s);
    struct stat st;
    int rc = 0;

    if (lstat(name, &st) < 0 || st.st_size < RESERVE_BYTES)
        rc = make_reserve(s, name, why);
    free(name);
    return rc;
}

bool sqlite_release_reserve(struct sqlite *s)
{
    char *name = reserve_name(s);
    bool had = unlink(name) == 0;

    free(name);
    return had;
}

/* ---- exceptions ---- */

void sqlite_known_row(sqlite3_stmt *q, struct known *k)
{
    struct slice person = sqlite_text(q, 1);

    *k = (struct known){.there = true,
        .state = sqlite3_column_int(q, 0),
        .due_ms = sqlite3_column_int64(q, 2),
        .attempts = (unsigned)sqlite3_column_int(q, 3),
        .ambiguous = sqlite3_column_int(q, 4) != 0,
        .day = sqlite3_column_int64(q, 6)};
    if (person.p && person.n <= sizeof k->person_text) {
        memcpy(k->person_text, person.p, person.n);
        k->person = (struct slice){k->person_text, person.n};
    }
}

int sqlite_known(struct sqlite *s, uint64_t seq, struct known *k, struct fault *why)
{
    sqlite3_stmt *q = sqlite_query(s, Q_KNOWN, why);
    int rc;

    k->there = false;
    k->state = 0;
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, (int64_t)seq);
    rc = sqlite_step(s, q, why);
    if (rc <= 0)
        return rc;
    sqlite_known_row(q, k);
    k->ambiguous |= k->state == 0 && seq <= s->ambiguous;
    sqlite3_reset(q);
    return 0;
}

/* Moves a counter for an exception state that comes or goes. */
static void count(struct sqlite *s, int state, int64_t by)
{
    static const enum meta counters[] = {
        [0] = METAS, /* waiting is what the counters leave over */
        [EX_HELD] = META_HELD,
        [EX_DEAD] = META_DEAD,
        [EX_SKIPPED] = META_SKIPPED,
        [EX_DEFERRED] = METAS,
        [EX_RETRY] = METAS,
    };

    if (counters[state] != METAS)
        s->delta[counters[state]] += by;
}

int sqlite_except(struct sqlite *s, const struct except *x, const struct known *old, int64_t now_ms,
    struct fault *why)
{
    bool open = sqlite_open_state(x->state);
    sqlite3_stmt *q = sqlite_query(s, Q_EXCEPT, why);

    if (!q)
        return -1;
    count(s, old->state, -1);
    count(s, x->state, 1);
    sqlite3_bind_int64(q, 1, (int64_t)x->seq);
    sqlite3_bind_int(q, 2, x->state);
    sqlite_bind(q, 3, open ? old->person : SLICE_NONE);
    if (open && x->due_ms != 0)
        sqlite3_bind_int64(q, 4, x->due_ms);
    else
        sqlite3_bind_null(q, 4);
    sqlite3_bind_int(q, 5, (int)x->attempts);
    sqlite3_bind_int(q, 6, x->ambiguous);
    sqlite3_bind_int64(q, 7, now_ms);
    sqlite_bind(q, 8, x->reason);
    if (sqlite_step(s, q, why) < 0)
        return -1;
    return open ? 0 : sqlite_promote(s, old->person, now_ms, why);
}

int sqlite_forget(struct sqlite *s, uint64_t seq, const struct known *k, struct fault *why)
{
    int64_t arg = (int64_t)seq, ignored;

    count(s, k->state, -1);
    return sqlite_number(s, Q_EXCEPT_DROP, &arg, 1, 0, &ignored, why);
}

/* ---- put ---- */

/* Of an event that is held, dead or skipped from the start. */
static int put_exception(
    struct sqlite *s, const struct record *r, uint64_t seq, int64_t now_ms, struct fault *why)
{
    static const int states[STATES] = {
        [STATE_HELD] = EX_HELD, [STATE_DEAD] = EX_DEAD, [STATE_SKIPPED] = EX_SKIPPED};
    struct except x = {.seq = seq, .state = states[r->state], .reason = r->reason};
    struct known fresh = {.there = true, .person = r->person};

    if (r->state == STATE_HELD)
        x.due_ms = now_ms + STORE_HOLD_MS;
    return sqlite_except(s, &x, &fresh, now_ms, why);
}

static int put_record(
    struct sqlite *s, struct record *r, int64_t *seq, int64_t now_ms, struct fault *why)
{
    sqlite3_stmt *q = sqlite_query(s, Q_ID_ADD, why);
    int64_t day;

    if (!q)
        return -1;
    sqlite3_bind_blob(q, 1, r->id.octets, sizeof r->id.octets, SQLITE_STATIC);
    sqlite3_bind_int64(q, 2, *seq + 1);
    if (sqlite_step(s, q, why) < 0)
        return -1;
    r->known = sqlite3_changes(s->db) == 0;
    if (sqlite_day_count(s, r, now_ms, &day, why) < 0)
        return -1;
    if (r->known) {
        s->delta[META_DUPLICATES]++;
        return 0;
    }
    q = sqlite_query(s, Q_EVENT_ADD, why);
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, ++*seq);
    sqlite_bind(q, 2, r->person);
    sqlite3_bind_int64(q, 3, now_ms);
    sqlite3_bind_int64(q, 4, day);
    sqlite3_bind_blob(q, 5, r->line.p, (int)r->line.n, SQLITE_STATIC);
    if (sqlite_step(s, q, why) < 0)
        return -1;
    s->delta[META_STORED]++;
    return r->state == STATE_WAITING ? 0 : put_exception(s, r, (uint64_t)*seq, now_ms, why);
}

/* What the first put that stores something says of itself, and each one. */
static int note_put(struct sqlite *s, const int64_t meta[METAS], int64_t now_ms, struct fault *why)
{
    if (s->delta[META_STORED] == 0)
        return 0;
    if (meta[META_FIRST_PUT] == 0 && sqlite_meta_set(s, META_FIRST_PUT, now_ms, why) < 0)
        return -1;
    if (meta[META_LIMIT] != s->limit && sqlite_meta_set(s, META_LIMIT, s->limit, why) < 0)
        return -1;
    return sqlite_meta_set(s, META_LAST_PUT, now_ms, why);
}

static int put_all(
    struct sqlite *s, struct record *records, size_t count, int64_t now_ms, struct fault *why)
{
    int64_t meta[METAS] = {0}, seq;

    if (sqlite_begin(s, true, why) < 0 || sqlite_meta(s, meta, why) < 0)
        return -1;
    seq = meta[META_STORED];
    for (size_t i = 0; i < count; i++)
        if (put_record(s, &records[i], &seq, now_ms, why) < 0)
            return -1;
    if (sqlite_day_write(s, why) < 0 || note_put(s, meta, now_ms, why) < 0)
        return -1;
    return sqlite_commit(s, why);
}

int sqlite_put(
    struct store *store, struct record *records, size_t count, int64_t now_ms, struct fault *why)
{
    struct sqlite *s = (struct sqlite *)store;

    if (sqlite_reserve(s, why) < 0)
        return -1;
    if (put_all(s, records, count, now_ms, why) == 0)
        return 0;
    sqlite_undo(s);
    sqlite_day_forget(s);
    return -1;
}

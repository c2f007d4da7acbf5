/* SPDX-License-Identifier: MIT */
/*
 * A copy of a store that others work on.
 *
 * SQLite's own way to copy pages begins anew when somebody writes, and would not end under a stream
 * of events; holding the lock for all of it would stop the devices.  What a store holds, though, is
 * only added to: so rows are copied, in short transactions, up to the last event that was there at
 * the beginning.
 *
 * What moves meanwhile: the ranges that are settled are read first, rows of exception after them.
 * So an event that is in a range and has no row is delivered, and one that moved later is at worst
 * sent again.  That is why all that is not final counts as ambiguous, which it would anyway when a
 * copy of yesterday comes back: what was waiting then has arrived since.
 *
 * The rows of one transaction are kept in memory until it is over: a slow disk under the copy does
 * not keep the devices waiting either.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sqlite.h"
#include "stop.h"

#define STRETCH_MS 15 /* of one transaction on the store */
#define STRETCH_BYTES (1u << 20)
#define STRETCH_ROWS 4096
#define COLUMNS_MAX 10

/* A table, and how its rows are read and written: from ?1 on, its first column, up to the event ?2.
 */
struct part {
    const char *from, *to;
    bool blob; /* what its first column is, if not a number */
};

struct backup {
    struct sqlite *from, *to;
    const char *name; /* of the copy, as given */
    char *path, *partial;
    int64_t stored;                                 /* the last event of the copy */
    sqlite3_value *rows[STRETCH_ROWS][COLUMNS_MAX]; /* owned */
    int count, columns;
};

/* The rows of a part, in stretches.  An event that is not final: see at the top.  Where one waits
   for another of its person may be true no more: all are due, and the drain finds out. */
static const struct part parts[] = {
    {"SELECT seq, state, person, CASE WHEN state IN (2, 3) THEN NULL WHEN due>0 AND state=1"
     " THEN due ELSE 1 END, attempts, CASE WHEN state IN (2, 3) THEN ambiguous ELSE 1 END, since,"
     " reason FROM exception WHERE seq>?1 AND seq<=?2 ORDER BY seq",
        "INSERT INTO exception(seq, state, person, due, attempts, ambiguous, since, reason)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        false},
    {"SELECT seq, person, at, day, line FROM event WHERE seq>?1 AND seq<=?2 ORDER BY seq",
        "INSERT INTO event(seq, person, at, day, line) VALUES(?1, ?2, ?3, ?4, ?5)", false},
    {"SELECT id, seq FROM id WHERE id>?1 AND seq<=?2 ORDER BY id",
        "INSERT INTO id(id, seq) VALUES(?1, ?2)", true},
};

/* Small tables, as they are at the beginning. */
static const struct part whole[] = {
    {"SELECT key, value FROM meta", "INSERT OR REPLACE INTO meta(key, value) VALUES(?1, ?2)",
        false},
    {"SELECT first, last FROM done", "INSERT INTO done(first, last) VALUES(?1, ?2)", false},
    {"SELECT key, value FROM note", "INSERT INTO note(key, value) VALUES(?1, ?2)", false},
    {"SELECT id, at, who, what, why, count FROM action",
        "INSERT INTO action(id, at, who, what, why, count) VALUES(?1, ?2, ?3, ?4, ?5, ?6)", false},
    {"SELECT id, device, day, received, duplicates, erased, serials, first_serial, last_serial,"
     " last_put FROM day",
        "INSERT INTO day(id, device, day, received, duplicates, erased, serials, first_serial,"
        " last_serial, last_put) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        false},
};

/* The counters that follow from the rows of the copy.  An event whose line was erased meanwhile
   leaves no row. */
static const char recount[] =
    "DELETE FROM exception WHERE NOT EXISTS(SELECT 1 FROM event e WHERE e.seq=exception.seq);"
    "UPDATE meta SET value=(SELECT count(*) FROM exception WHERE state=1) WHERE key='held';"
    "UPDATE meta SET value=(SELECT count(*) FROM exception WHERE state=2) WHERE key='dead';"
    "UPDATE meta SET value=(SELECT count(*) FROM exception WHERE state=3) WHERE key='skipped';"
    "UPDATE meta SET value=(SELECT value FROM meta WHERE key='stored') WHERE key='ambiguous';"
    "UPDATE meta SET value=(SELECT value FROM meta WHERE key='stored')"
    " -(SELECT sum(value) FROM meta WHERE key IN ('erased', 'held', 'dead', 'skipped'))"
    " -(SELECT count(*) FROM exception WHERE state>3)"
    " -(SELECT count(*) FROM event e WHERE seq>=(SELECT value FROM meta WHERE key='floor')"
    "   AND NOT EXISTS(SELECT 1 FROM exception x WHERE x.seq=e.seq)"
    "   AND e.seq>ifnull((SELECT last FROM done WHERE first<=e.seq ORDER BY first DESC LIMIT 1), "
    "0))"
    " WHERE key='delivered';";

/* ---- rows ---- */

static int prepare(struct sqlite *s, const char *text, sqlite3_stmt **q, struct fault *why)
{
    return sqlite3_prepare_v2(s->db, text, -1, q, NULL) == SQLITE_OK ? 0 : sqlite_fault(s, why);
}

static size_t keep_row(struct backup *b, sqlite3_stmt *q)
{
    size_t bytes = 0;

    for (int i = 0; i < b->columns; i++) {
        b->rows[b->count][i] = sqlite3_value_dup(sqlite3_column_value(q, i));
        bytes += (size_t)sqlite3_column_bytes(q, i);
    }
    b->count++;
    return bytes;
}

static void free_rows(struct backup *b)
{
    for (int n = 0; n < b->count; n++)
        for (int i = 0; i < b->columns; i++)
            sqlite3_value_free(b->rows[n][i]);
    b->count = 0;
}

static int write_rows(struct backup *b, sqlite3_stmt *q, struct fault *why)
{
    for (int n = 0; n < b->count; n++) {
        for (int i = 0; i < b->columns; i++)
            sqlite3_bind_value(q, i + 1, b->rows[n][i]);
        if (sqlite_step(b->to, q, why) < 0)
            return -1;
    }
    return 0;
}

/* Reads rows until the time is over: 1, or 0 at the end. */
static int read_rows(struct backup *b, sqlite3_stmt *q, struct fault *why)
{
    int64_t end_ms = monotonic_ms() + STRETCH_MS;
    size_t bytes = 0;
    int rc;

    b->columns = sqlite3_column_count(q);
    while ((rc = sqlite_step(b->from, q, why)) > 0) {
        bytes += keep_row(b, q);
        if (b->count == STRETCH_ROWS || bytes >= STRETCH_BYTES ||
            (b->count % 64 == 0 && monotonic_ms() >= end_ms))
            break;
    }
    return rc;
}

/* ---- parts ---- */

/* One stretch, which is a transaction of its own; *last is where it began, and ended. */
static int copy_stretch(struct backup *b, sqlite3_stmt *from, sqlite3_stmt *to,
    sqlite3_value **last, bool blob, struct fault *why)
{
    int more, rc;

    if (*last)
        sqlite3_bind_value(from, 1, *last);
    else if (blob)
        sqlite3_bind_zeroblob(from, 1, 0);
    else
        sqlite3_bind_int64(from, 1, 0);
    sqlite3_bind_int64(from, 2, b->stored);
    more = read_rows(b, from, why);
    sqlite3_reset(from);
    rc = more < 0 ? -1 : write_rows(b, to, why);
    if (rc == 0 && b->count > 0) {
        sqlite3_value_free(*last);
        *last = sqlite3_value_dup(b->rows[b->count - 1][0]);
    }
    free_rows(b);
    return rc < 0 ? -1 : more;
}

static int copy_part(struct backup *b, const struct part *part, struct fault *why)
{
    sqlite3_stmt *from = NULL, *to = NULL;
    sqlite3_value *last = NULL;
    int rc = -1;

    if (prepare(b->from, part->from, &from, why) == 0 && prepare(b->to, part->to, &to, why) == 0)
        do {
            rc = stop_requested() ? fault_set(why, EX_TEMPFAIL, "%s: not made: stopped", b->name)
                                  : copy_stretch(b, from, to, &last, part->blob, why);
        } while (rc > 0);
    sqlite3_value_free(last);
    sqlite3_finalize(from);
    sqlite3_finalize(to);
    return rc;
}

static int copy_whole(struct backup *b, const struct part *part, struct fault *why)
{
    sqlite3_stmt *from = NULL, *to = NULL;
    int rc = -1;

    if (prepare(b->from, part->from, &from, why) == 0 && prepare(b->to, part->to, &to, why) == 0)
        do {
            rc = read_rows(b, from, why);
            if (rc >= 0 && write_rows(b, to, why) < 0)
                rc = -1;
            free_rows(b);
        } while (rc > 0);
    sqlite3_finalize(from);
    sqlite3_finalize(to);
    return rc;
}

/* In one transaction: the counters and what they belong to. */
static int copy_beginning(struct backup *b, struct fault *why)
{
    int64_t meta[METAS] = {0};

    if (sqlite_begin(b->from, false, why) < 0 || sqlite_meta(b->from, meta, why) < 0)
        return -1;
    if (meta[META_UNDATED] > 0)
        return fault_set(
            why, EX_TEMPFAIL, "%s: is being brought forward: try again later", b->from->name);
    b->stored = meta[META_STORED];
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        if (copy_whole(b, &whole[i], why) < 0)
            return -1;
    return sqlite_commit(b->from, why);
}

static int copy_all(struct backup *b, struct fault *why)
{
    int64_t erased;

    if (sqlite_execute(b->to,
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE",
            why) < 0 ||
        sqlite_begin(b->to, true, why) < 0 || sqlite_make_tables(b->to, why) < 0 ||
        copy_beginning(b, why) < 0)
        return -1;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (copy_part(b, &parts[i], why) < 0)
            return -1;
    if (sqlite_ask(b->from, "SELECT value FROM meta WHERE key='erased'", &erased, why) < 0 ||
        sqlite_meta_set(b->to, META_ERASED, erased, why) < 0)
        return -1;
    return sqlite_execute(b->to, recount, why) < 0 ? -1 : sqlite_commit(b->to, why);
}

/* ---- the file ---- */

/* An empty file beside the copy, and a connection to it. */
static int open_partial(struct backup *b, struct fault *why)
{
    struct buf name = {0};
    struct stat st;
    int fd;

    if (lstat(b->path, &st) == 0)
        return fault_set(why, EX_CANTCREAT, "%s: is there already", b->name);
    buf_printf(&name, "%s.XXXXXX%c", b->path, '\0');
    b->partial = name.data;
    fd = mkstemp(b->partial); /* mode 0600 */
    if (fd < 0) {
        free(b->partial);
        b->partial = NULL;
        return fault_errno(why, EX_CANTCREAT, "%s: cannot make", b->name);
    }
    close(fd);
    b->to = sqlite_new(b->name);
    return sqlite3_open_v2(b->partial, &b->to->db,
               SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
               NULL) == SQLITE_OK
               ? 0
               : sqlite_fault(b->to, why);
}

static int rename_new(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    return link(from, to) < 0 ? -1 : unlink(from); /* a file system that cannot do it in one */
}

/* From the finished file beside it to the copy. */
static int finish(struct backup *b, struct fault *why)
{
    int fd = open(b->partial, O_RDONLY | O_CLOEXEC), rc = fd < 0 ? -1 : fsync(fd);

    if (fd >= 0)
        close(fd);
    if (rc < 0)
        return fault_errno(why, EX_IOERR, "%s: cannot write", b->name);
    if (rename_new(b->partial, b->path) < 0)
        return errno == EEXIST ? fault_set(why, EX_CANTCREAT, "%s: is there already", b->name)
                               : fault_errno(why, EX_CANTCREAT, "%s: cannot make", b->name);
    free(b->partial);
    b->partial = NULL;
    if (sqlite_sync_folder(b->path) < 0)
        return fault_errno(why, EX_IOERR, "%s: cannot sync its folder", b->name);
    return 0;
}

int sqlite_backup(struct store *store, const char *to, struct fault *why)
{
    struct backup *b = mem_alloc(sizeof *b);
    struct buf path = {0};
    int rc = -1;

    b->from = (struct sqlite *)store;
    b->to = NULL;
    b->name = to;
    b->partial = NULL;
    b->count = 0;
    buf_printf(&path, "%s%s%c", *to == '/' ? "" : "./", to, '\0');
    b->path = path.data;
    if (open_partial(b, why) == 0)
        rc = copy_all(b, why);
    if (b->to)
        sqlite_free(b->to);
    if (rc == 0)
        rc = finish(b, why);
    if (rc < 0)
        sqlite_undo(b->from);
    if (b->partial)
        unlink(b->partial);
    free(b->partial);
    free(b->path);
    free(b);
    return rc;
}

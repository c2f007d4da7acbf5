/* SPDX-License-Identifier: MIT */
/*
 * The embedded store: opening it, its statements and transactions.
 *
 * journal_mode=TRUNCATE with synchronous=FULL keeps every commit through crashes and power cuts and
 * does not depend on a directory entry; WAL is not used, as libraries before 3.51.3 can corrupt it
 * when several processes commit and checkpoint.  The file is never opened outside SQLite: closing
 * such a descriptor would drop the locks of this process.
 */
#include "sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define BUSY_STEPS 10000 /* of 1 ms: SQLite's own steps grow to 100 ms and spoil latency */
#define CACHE_KIB "8192"
#define LENGTH_MAX (16 << 20)

const char *const sqlite_meta_keys[METAS] = {
    [META_STORED] = "stored",
    [META_DUPLICATES] = "duplicates",
    [META_DELIVERED] = "delivered",
    [META_KNOWN] = "known",
    [META_HELD] = "held",
    [META_DEAD] = "dead",
    [META_SKIPPED] = "skipped",
    [META_ERASED] = "erased",
    [META_PURGED] = "purged",
    [META_LAST_PUT] = "last_put",
    [META_LAST_DELIVERED] = "last_delivered",
    [META_FIRST_PUT] = "first_put",
    [META_FAILING_SINCE] = "failing_since",
    [META_FAILING_STATUS] = "failing_status",
    [META_LIMIT] = "limit",
    [META_UNDATED] = "undated",
    [META_AMBIGUOUS] = "ambiguous",
    [META_FLOOR] = "floor",
    [META_HANDED] = "handed",
};

/* Whether an event of the person with a lower number is in the way: behind, or due. */
#define LOWER(person, seq)                                                                         \
    "(EXISTS(SELECT 1 FROM exception l WHERE l.person=" person " AND l.due IS NULL AND l.seq<" seq \
    ") OR EXISTS(SELECT 1 FROM exception l WHERE l.person=" person " AND l.due>=0 AND l.seq<" seq  \
    "))"

/* The states in these texts are those of the enum in sqlite.h: 1 is EX_HELD. */
static const char *const sql[QUERIES] = {
    [Q_BEGIN] = "BEGIN",
    [Q_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [Q_COMMIT] = "COMMIT",
    [Q_ROLLBACK] = "ROLLBACK",
    [Q_META_ALL] = "SELECT key, value FROM meta",
    [Q_META_GET] = "SELECT value FROM meta WHERE key=?1",
    [Q_META_ADD] = "UPDATE meta SET value=value+?2 WHERE key=?1",
    [Q_META_SET] = "UPDATE meta SET value=?2 WHERE key=?1",
    [Q_ID_ADD] = "INSERT OR IGNORE INTO id(id, seq) VALUES(?1, ?2)",
    [Q_ID_FIND] = "SELECT seq FROM id WHERE id=?1",
    [Q_EVENT_ADD] = "INSERT INTO event(seq, person, at, day, line) VALUES(?1, ?2, ?3, ?4, ?5)",
    [Q_EVENTS_FROM] = "SELECT seq, person, line FROM event WHERE seq>=?1 ORDER BY seq",
    [Q_EXCEPT] = "INSERT OR REPLACE INTO exception"
                 "(seq, state, person, due, attempts, ambiguous, since, reason) VALUES(?1, ?2, ?3,"
                 " CASE WHEN ?4 IS NOT NULL AND ?3 IS NOT NULL AND " LOWER("?3", "?1") //
    " THEN NULL ELSE ?4 END, ?5, ?6, ?7, ?8)",
    [Q_EXCEPT_DROP] = "DELETE FROM exception WHERE seq=?1",
    [Q_KNOWN] = "SELECT x.state, e.person, x.due, x.attempts, x.ambiguous, e.line, e.day"
                " FROM event e LEFT JOIN exception x USING(seq) WHERE e.seq=?1",
    [Q_EXCEPT_IS] = "SELECT 1 FROM exception WHERE seq=?1",
    [Q_EXCEPT_MAX] = "SELECT max(seq) FROM exception",
    [Q_OPEN_ANY] = "SELECT 1 FROM exception WHERE person IS NOT NULL LIMIT 1",
    [Q_LOWER] = "SELECT " LOWER("?1", "?2"),
    [Q_HIGHER_OUT] = "SELECT EXISTS(SELECT 1 FROM exception WHERE person=?1 AND due=-1"
                     " AND seq>?2)",
    [Q_BEHIND_FIRST] = "SELECT seq FROM exception WHERE person=?1 AND due IS NULL"
                       " ORDER BY seq LIMIT 1",
    [Q_PROMOTE] = "UPDATE exception SET due=?2 WHERE seq IN (SELECT seq FROM exception"
                  " WHERE person=?1 AND due IS NULL ORDER BY seq LIMIT 64)",
    [Q_DUE] = "SELECT seq FROM exception WHERE due>=0 AND due<=?1 AND seq<?2"
              " ORDER BY due, seq LIMIT ?3",
    [Q_DUE_NEXT] = "SELECT due FROM exception WHERE due>=0 AND seq<?1 ORDER BY due, seq LIMIT 1",
    [Q_DUE_FAR] = "SELECT 1 FROM exception WHERE due>?1 LIMIT 1",
    [Q_DUE_NEAR] = "UPDATE exception SET due=?2 WHERE due>?1",
    [Q_DUE_SET] = "UPDATE exception SET due=?2 WHERE seq=?1",
    [Q_OUT] = "SELECT seq FROM exception WHERE due=-1 AND seq>?1 ORDER BY seq LIMIT ?2",
    [Q_WAKE_ALL] = "UPDATE exception SET due=?1 WHERE due>?1 AND state<>1",
    [Q_HELD] = "SELECT seq FROM exception INDEXED BY exception_state WHERE state=1 AND seq>=?1"
               " AND seq<?2 AND due>?3 AND since<=?4 ORDER BY seq LIMIT ?5",
    [Q_LEFT] = "SELECT 1 FROM exception x WHERE x.due>=0 AND x.state<>1 AND NOT EXISTS("
               "SELECT 1 FROM exception h WHERE h.person=x.person AND +h.state=1 AND h.seq<x.seq)"
               " LIMIT 1",
    [Q_DONE_ALL] = "SELECT first, last FROM done ORDER BY first",
    [Q_DONE_ADD] = "INSERT OR REPLACE INTO done(first, last) VALUES(?1, ?2)",
    [Q_DONE_DROP] = "DELETE FROM done WHERE first=?1",
    [Q_OLDEST_OPEN] = "SELECT min(seq) FROM exception WHERE state=?1",
    [Q_EVENT_AT] = "SELECT at FROM event WHERE seq=?1",
    [Q_PAGES] = "PRAGMA page_count",
    [Q_PAGE_ALL] = "SELECT e.seq, e.person, e.at, e.line, x.state, x.attempts, x.ambiguous,"
                   " x.reason FROM event e LEFT JOIN exception x USING(seq) WHERE e.seq>?1"
                   " ORDER BY e.seq LIMIT ?2",
    [Q_PAGE_EXCEPTIONS] = "SELECT x.seq, e.person, e.at, e.line, x.state, x.attempts, x.ambiguous,"
                          " x.reason FROM exception x CROSS JOIN event e USING(seq)"
                          " WHERE x.seq>?1 AND x.seq<?3 ORDER BY x.seq LIMIT ?2",
    [Q_EVENT_DAY] = "UPDATE event SET day=?2 WHERE seq=?1",
    [Q_UNDATED] = "SELECT seq, at, line FROM event WHERE seq<=?1 ORDER BY seq DESC",
    [Q_EVENT_DROP] = "DELETE FROM event WHERE seq=?1",
    [Q_ACTION_ADD] = "INSERT INTO action(at, who, what, why, count) VALUES(?1, ?2, ?3, ?4, 0)",
    [Q_ACTION_COUNT] = "UPDATE action SET count=count+?2 WHERE id=?1",
    [Q_ACTION_LAST] = "SELECT max(id) FROM action",
    [Q_ACTIONS] = "SELECT id, at, count, who, what, why FROM action WHERE id>?1 ORDER BY id",
    [Q_DAY_FIND] = "SELECT id FROM day WHERE device=?1 AND day=?2",
    [Q_DAY_NEW] = "INSERT INTO day(device, day, received, duplicates, erased, serials, last_put)"
                  " VALUES(?1, ?2, 0, 0, 0, 0, 0)",
    [Q_DAY_ADD] = "UPDATE day SET received=received+?2, duplicates=duplicates+?3,"
                  " serials=serials+?4, first_serial=min(ifnull(first_serial, ?5),"
                  " ifnull(?5, first_serial)), last_serial=max(ifnull(last_serial, ?6),"
                  " ifnull(?6, last_serial)), last_put=max(last_put, ?7) WHERE id=?1",
    [Q_DAY_ERASED] = "UPDATE day SET erased=erased+1 WHERE id=?1",
    [Q_DAY_WEEK] = "WITH RECURSIVE d(x) AS (SELECT min(device) FROM day UNION ALL"
                   " SELECT (SELECT min(device) FROM day WHERE device>x) FROM d"
                   " WHERE x IS NOT NULL)"
                   " SELECT sum(received) FROM d CROSS JOIN day ON device=x AND day>?1 AND day<?2",
    [Q_DAYS] = "SELECT id, device, day, received, duplicates, erased, serials, first_serial,"
               " last_serial, last_put FROM day WHERE (device, day)>=(?1, ?2)"
               " AND device<=?3 AND day>=?4 AND day<=?5 ORDER BY device, day",
    [Q_AUDIT_ALL] = "SELECT e.seq, e.day, x.state FROM event e LEFT JOIN exception x USING(seq)"
                    " WHERE e.seq>?1 ORDER BY e.seq",
    [Q_AUDIT_EXCEPTIONS] = "SELECT x.seq, e.day, x.state FROM exception x CROSS JOIN event e"
                           " USING(seq) WHERE x.seq>?1 AND x.seq<?2 ORDER BY x.seq",
    [Q_DEVICE_NEXT] = "SELECT min(device) FROM day WHERE device>?1",
    [Q_DEVICE_SEEN] = "SELECT max(last_put), max(day) FROM day WHERE device=?1",
    [Q_NOTE_GET] = "SELECT value FROM note WHERE key=?1",
    [Q_NOTE_SET] = "INSERT OR REPLACE INTO note(key, value) VALUES(?1, ?2)",
};

/* ---- statements and transactions ---- */

static int status_of(int code)
{
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return EX_TEMPFAIL;
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
        return EX_CANTCREAT;
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return EX_NOPERM;
    case SQLITE_NOTADB:
        return EX_CONFIG;
    case SQLITE_NOMEM:
        return EX_OSERR;
    case SQLITE_FULL:
    case SQLITE_IOERR:
        return EX_IOERR;
    default:
        return EX_SOFTWARE;
    }
}

/* SQLITE_FULL is said of the disk and of store_limit alike. */
static int full_fault(struct sqlite *s, struct fault *why)
{
    struct statvfs disk;

    if (s->limit > 0 && statvfs(s->path, &disk) == 0 &&
        disk.f_bavail * disk.f_frsize > RESERVE_BYTES)
        fault_set(why, EX_IOERR, "%s: has reached its largest size", s->name);
    else
        fault_set(why, EX_IOERR, "%s: the disk is full", s->name);
    why->full = true;
    return -1;
}

static int moved_fault(struct sqlite *s, struct fault *why)
{
    return fault_set(why, EX_TEMPFAIL, "%s: was moved or deleted while it was in use", s->name);
}

int sqlite_in_place(struct sqlite *s, struct fault *why)
{
    int moved = 0;

    sqlite3_file_control(s->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    return moved ? moved_fault(s, why) : 0;
}

/* SQLite gives the error of its last call, which may be a second try at something else. */
static int true_error(const struct sqlite *s, int error)
{
    char *folder = sqlite_folder(s->path);
    struct statvfs disk;

    if ((error == ENOENT || error == EBADF) && statvfs(folder, &disk) == 0) {
        if (disk.f_flag & ST_RDONLY)
            error = EROFS;
        else if (disk.f_files > 0 && disk.f_favail == 0)
            error = ENOSPC; /* no inode for the file, or its journal */
        else if (error == EBADF)
            error = EIO; /* the file system is gone */
    }
    free(folder);
    return error;
}

/* SQLite also calls a file damaged that it could not read. */
static int damage_fault(struct sqlite *s, struct fault *why)
{
    int error = 0;

    sqlite3_file_control(s->db, "main", SQLITE_FCNTL_LAST_ERRNO, &error);
    errno = error;
    if (error == EIO || error == ENXIO)
        return fault_errno(why, EX_IOERR, "%s: cannot read", s->name);
    return fault_set(why, EX_IOERR, "%s: is damaged: keep it as it is and restore a copy", s->name);
}

static int memory_fault(struct sqlite *s, struct fault *why)
{
    return fault_set(why, EX_OSERR, "%s: out of memory", s->name);
}

int sqlite_fault(struct sqlite *s, struct fault *why)
{
    int code = sqlite3_extended_errcode(s->db), status = status_of(code);
    int error = sqlite3_system_errno(s->db);

    if (code == SQLITE_READONLY_DBMOVED)
        return moved_fault(s, why);
    if ((code & 0xff) == SQLITE_BUSY)
        return fault_set(why, status, "%s: another program has kept it locked for %d s", s->name,
            BUSY_STEPS / 1000);
    if ((code & 0xff) == SQLITE_NOTADB)
        return fault_set(
            why, status, "%s: is not a spool: name a new file, or the right one", s->name);
    if ((code & 0xff) == SQLITE_CORRUPT)
        return damage_fault(s, why);
    if ((code & 0xff) == SQLITE_FULL)
        return full_fault(s, why);
    if (status == EX_CANTCREAT || (code & 0xff) == SQLITE_IOERR) {
        error = true_error(s, error ? error : status == EX_CANTCREAT ? EROFS : EIO);
        errno = error;
        fault_errno(why, error == ENOSPC ? EX_IOERR : status, "%s: cannot write", s->name);
        why->full = error == ENOSPC;
        return -1;
    }
    return fault_set(why, status, "%s: %s", s->name, sqlite3_errmsg(s->db));
}

sqlite3_stmt *sqlite_query(struct sqlite *s, enum query q, struct fault *why)
{
    if (!s->query[q] && sqlite3_prepare_v3(s->db, sql[q], -1, SQLITE_PREPARE_PERSISTENT,
                            &s->query[q], NULL) != SQLITE_OK)
        sqlite_fault(s, why);
    return s->query[q];
}

int sqlite_step(struct sqlite *s, sqlite3_stmt *q, struct fault *why)
{
    int rc = sqlite3_step(q);

    if (rc == SQLITE_ROW)
        return 1;
    if (rc != SQLITE_DONE)
        sqlite_fault(s, why); /* before the reset, which may change the error */
    sqlite3_reset(q);
    return rc == SQLITE_DONE ? 0 : -1;
}

int sqlite_run(struct sqlite *s, enum query q, struct fault *why)
{
    sqlite3_stmt *statement = sqlite_query(s, q, why);

    return statement ? sqlite_step(s, statement, why) : -1;
}

int sqlite_number(struct sqlite *s, enum query q, const int64_t *args, int count, int64_t none,
    int64_t *value, struct fault *why)
{
    sqlite3_stmt *statement = sqlite_query(s, q, why);
    int rc;

    if (!statement)
        return -1;
    for (int i = 0; i < count; i++)
        sqlite3_bind_int64(statement, i + 1, args[i]);
    *value = none;
    rc = sqlite_step(s, statement, why);
    if (rc > 0 && sqlite3_column_type(statement, 0) != SQLITE_NULL)
        *value = sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    return rc < 0 ? -1 : 0;
}

int sqlite_begin(struct sqlite *s, bool write, struct fault *why)
{
    memset(s->delta, 0, sizeof s->delta);
    return sqlite_run(s, write ? Q_BEGIN_WRITE : Q_BEGIN, why);
}

static int meta_write(
    struct sqlite *s, enum query how, enum meta meta, int64_t value, struct fault *why)
{
    sqlite3_stmt *q = sqlite_query(s, how, why);

    if (!q)
        return -1;
    sqlite3_bind_text(q, 1, sqlite_meta_keys[meta], -1, SQLITE_STATIC);
    sqlite3_bind_int64(q, 2, value);
    return sqlite_step(s, q, why);
}

int sqlite_meta_set(struct sqlite *s, enum meta meta, int64_t value, struct fault *why)
{
    return meta_write(s, Q_META_SET, meta, value, why);
}

int sqlite_commit(struct sqlite *s, struct fault *why)
{
    if (sqlite3_get_autocommit(s->db)) /* SQLite undid it when it ran out of memory */
        return memory_fault(s, why);
    for (unsigned m = 0; m < METAS; m++)
        if (s->delta[m] != 0 && meta_write(s, Q_META_ADD, m, s->delta[m], why) < 0)
            return -1;
    return sqlite_run(s, Q_COMMIT, why);
}

void sqlite_undo(struct sqlite *s)
{
    struct fault ignored;

    for (unsigned q = 0; q < QUERIES; q++)
        sqlite3_reset(s->query[q]);
    if (!sqlite3_get_autocommit(s->db))
        sqlite_run(s, Q_ROLLBACK, &ignored);
}

static int meta_of(struct slice key)
{
    for (int m = 0; m < METAS; m++)
        if (slice_is(key, sqlite_meta_keys[m]))
            return m;
    return METAS;
}

int sqlite_meta(struct sqlite *s, int64_t meta[METAS], struct fault *why)
{
    sqlite3_stmt *q = sqlite_query(s, Q_META_ALL, why);
    int rc;

    if (!q)
        return -1;
    while ((rc = sqlite_step(s, q, why)) > 0) {
        struct slice key = sqlite_text(q, 0);
        int m = meta_of(key);

        if (!key.p)
            return memory_fault(s, why);
        if (m < METAS)
            meta[m] = sqlite3_column_int64(q, 1);
    }
    s->ambiguous = (uint64_t)meta[META_AMBIGUOUS];
    return rc;
}

/* ---- opening ---- */

static int on_busy(void *arg, int tries)
{
    (void)arg;
    usleep(1000);
    return tries < BUSY_STEPS;
}

int sqlite_execute(struct sqlite *s, const char *text, struct fault *why)
{
    return sqlite3_exec(s->db, text, NULL, NULL, NULL) == SQLITE_OK ? 0 : sqlite_fault(s, why);
}

/* The first value that a pragma or query gives, as text in `text`. */
static int ask(struct sqlite *s, const char *question, char *text, size_t size, struct fault *why)
{
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(s->db, question, -1, &q, NULL);

    *text = '\0';
    if (rc == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        bool none = sqlite3_column_type(q, 0) == SQLITE_NULL;
        const unsigned char *got = sqlite3_column_text(q, 0);

        snprintf(text, size, "%s", got ? (const char *)got : "");
        if (!got && !none) {
            sqlite3_finalize(q);
            return memory_fault(s, why);
        }
        rc = SQLITE_DONE;
    }
    rc = rc == SQLITE_DONE ? 0 : sqlite_fault(s, why);
    sqlite3_finalize(q);
    return rc;
}

int sqlite_ask(struct sqlite *s, const char *question, int64_t *value, struct fault *why)
{
    char text[32];

    if (ask(s, question, text, sizeof text, why) < 0)
        return -1;
    *value = strtoll(text, NULL, 10);
    return 0;
}

char *sqlite_folder(const char *path)
{
    return mem_text((struct slice){path, (size_t)(strrchr(path, '/') - path) + 1});
}

static int set_up(struct sqlite *s, enum store_use use, struct fault *why)
{
    static const char settings[] = "PRAGMA synchronous=FULL; PRAGMA cell_size_check=ON;"
                                   "PRAGMA mmap_size=0; PRAGMA cache_size=-" CACHE_KIB ";"
                                   "PRAGMA foreign_keys=OFF; PRAGMA secure_delete=FAST";
    char mode[16];

    sqlite3_busy_handler(s->db, on_busy, NULL);
    sqlite3_limit(s->db, SQLITE_LIMIT_LENGTH, LENGTH_MAX);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (sqlite_execute(s, settings, why) < 0 || sqlite_schema(s, use, why) < 0 ||
        ask(s, "PRAGMA journal_mode=TRUNCATE", mode, sizeof mode, why) < 0 ||
        sqlite_ask(s, "PRAGMA page_size", &s->page_bytes, why) < 0)
        return -1;
    if (strcmp(mode, "truncate") != 0)
        return fault_set(why, EX_CONFIG,
            "%s: journal mode is %s and cannot be changed: is another program using it?", s->name,
            mode);
    if (use == STORE_READ)
        return sqlite_execute(s, "PRAGMA query_only=ON", why);
    if (sqlite3_db_readonly(s->db, "main") == 1)
        return fault_set(
            why, EX_CANTCREAT, "%s: cannot write: it is read-only for this user", s->name);
    /* What is erased by hand must not stay in free pages. */
    return use == STORE_CHANGE || use == STORE_ERASE
               ? sqlite_execute(s, "PRAGMA secure_delete=ON", why)
               : 0;
}

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

void sqlite_free(struct sqlite *s)
{
    if (s->db)
        sqlite_undo(s);
    for (unsigned q = 0; q < QUERIES; q++)
        sqlite3_finalize(s->query[q]);
    sqlite3_close(s->db);
    close_fd(s->lock_fd);
    close_fd(s->watch_fd);
    ranges_free(&s->now.settled);
    ranges_free(&s->written.settled);
    buf_free(&s->lines);
    flights_free(&s->flights);
    sqlite_day_forget(s);
    free(s->given);
    free(s->path);
    free(s);
}

static void sqlite_close(struct store *store)
{
    sqlite_free((struct sqlite *)store);
}

/* Whoever looks whether a drain is at work has the lock for a moment: that is no drain. */
static int take_lock(int fd)
{
    for (int i = 0; i < 20; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return 0;
        if (errno != EWOULDBLOCK)
            return -1;
        usleep(5000);
    }
    errno = EWOULDBLOCK;
    return -1;
}

/* One drain a store: a lock on a file of its own, for as long as the store is open. */
static int lock_drain(struct sqlite *s, struct fault *why)
{
    struct buf name = {0};
    int rc = -1;

    buf_printf(&name, "%s-drain%c", s->path, '\0');
    s->lock_fd = open(name.data, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->lock_fd < 0)
        fault_errno(why, EX_CANTCREAT, "%s: cannot open", name.data);
    else if (take_lock(s->lock_fd) == 0)
        rc = 0;
    else if (errno == EWOULDBLOCK)
        fault_set(why, EX_TEMPFAIL, "%s: another drain is at work on it", s->name);
    else
        fault_errno(why, EX_IOERR, "%s: cannot lock", name.data);
    buf_free(&name);
    return rc;
}

bool sqlite_draining(struct sqlite *s)
{
    struct buf name = {0};
    bool held = false;
    int fd;

    buf_printf(&name, "%s-drain%c", s->path, '\0');
    fd = open(name.data, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    /* Shared: two that look at once do not take each other for a drain. */
    if (fd >= 0)
        held = flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
    close_fd(fd);
    buf_free(&name);
    return held;
}

/* Why a file could not be made.  SQLite tries to read it in the end and says that it is missing. */
static int make_error(const struct sqlite *s, int error)
{
    char *folder = sqlite_folder(s->path);

    error = true_error(s, error);
    if (error == ENOENT && faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) < 0)
        error = errno;
    free(folder);
    return error;
}

static int open_file(struct sqlite *s, bool make, struct fault *why)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int error;

    if (sqlite3_open_v2(s->path, &s->db, flags | (make ? SQLITE_OPEN_CREATE : 0), NULL) ==
        SQLITE_OK)
        return 0;
    error = s->db ? sqlite3_system_errno(s->db) : ENOMEM;
    errno = error ? error : EIO;
    if (make) {
        errno = make_error(s, errno);
        return fault_errno(
            why, errno == ENOMEM ? EX_OSERR : EX_CANTCREAT, "%s: cannot make the store", s->name);
    }
    return fault_errno(why,
        errno == EACCES   ? EX_NOPERM
        : errno == ENOMEM ? EX_OSERR
                          : EX_NOINPUT,
        "%s: cannot open the store", s->name);
}

struct sqlite *sqlite_new(const char *name)
{
    struct sqlite *s = mem_alloc(sizeof *s);
    struct buf path = {0};

    *s = (struct sqlite){.base.engine = &engine_sqlite, .lock_fd = -1, .watch_fd = -1};
    /* A leading "./" keeps "file:…" and ":memory:" what they are: names of files. */
    buf_printf(&path, "%s%s%c", *name == '/' ? "" : "./", name, '\0');
    s->path = path.data;
    s->name = *name == '/' ? s->path : s->path + 2;
    return s;
}

static struct store *sqlite_open(const char *name, enum store_use use, struct fault *why)
{
    static bool configured;
    struct sqlite *s = sqlite_new(name);

    if (!configured) {
        sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
        sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
        configured = true;
    }
    if (open_file(s, use == STORE_PUT || use == STORE_FOLLOW, why) == 0 &&
        sqlite_check_file(s, why) == 0 && set_up(s, use, why) == 0 &&
        ((use != STORE_DRAIN && use != STORE_FOLLOW && use != STORE_ERASE) ||
            lock_drain(s, why) == 0))
        return &s->base;
    sqlite_free(s);
    return NULL;
}

static void sqlite_limit(struct store *store, int64_t bytes)
{
    struct sqlite *s = (struct sqlite *)store;
    char text[64];
    struct fault ignored;

    s->limit = bytes;
    snprintf(text, sizeof text, "PRAGMA max_page_count=%lld",
        (long long)(bytes > 0 ? bytes / s->page_bytes : INT32_MAX));
    sqlite_execute(s, text, &ignored);
}

const struct engine engine_sqlite = {
    .name = "sqlite",
    .open = sqlite_open,
    .close = sqlite_close,
    .limit = sqlite_limit,
    .put = sqlite_put,
    .drain_begin = sqlite_drain_begin,
    .exchange = sqlite_exchange,
    .drain_end = sqlite_drain_end,
    .wake_held = sqlite_wake_held,
    .watch = sqlite_watch,
    .heard = sqlite_heard,
    .stat = sqlite_stat,
    .page = sqlite_page,
    .find = sqlite_find,
    .change = sqlite_change,
    .audit = sqlite_audit,
    .devices = sqlite_devices,
    .actions = sqlite_actions,
    .backup = sqlite_backup,
    .note_get = sqlite_note_get,
    .note_set = sqlite_note_set,
};

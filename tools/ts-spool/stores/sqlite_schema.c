/* SPDX-License-Identifier: MIT */
/*
 * What file is this?  A new one gets the tables; one of an older schema is brought forward; what is
 * newer, foreign or damaged is refused, with advice, and not touched.
 *
 * user_version holds the schema's version in its low byte and a random stamp above, which tells one
 * store from another where nothing but the first page can be read: see sqlite_check.c.
 *
 * Version 1 had no days.  One transaction gives it the tables of version 2; then its events are
 * read and counted from the last to the first, in transactions of a moment each, by whoever opens
 * it for more than reading.  Killed in between it goes on where it was.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "../facts.h"
#include "sqlite.h"
#include "stop.h"

#define APPLICATION_ID 0x54735370 /* "TsSp" */
#define VERSION 2
#define STRETCH_MS 200 /* of one transaction that brings an old store forward */

#define TABLE_DAY                                                                                  \
    "CREATE TABLE day(id INTEGER PRIMARY KEY, device TEXT NOT NULL, day TEXT NOT NULL,"            \
    " received INTEGER NOT NULL, duplicates INTEGER NOT NULL, erased INTEGER NOT NULL,"            \
    " serials INTEGER NOT NULL, first_serial INTEGER, last_serial INTEGER,"                        \
    " last_put INTEGER NOT NULL, UNIQUE(device, day));"
#define TABLE_NOTE "CREATE TABLE note(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"

static const char schema[] =
    "CREATE TABLE id(id BLOB PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE event(seq INTEGER PRIMARY KEY, person TEXT, at INTEGER, day INTEGER,"
    " line BLOB);"
    "CREATE TABLE exception(seq INTEGER PRIMARY KEY, state INTEGER NOT NULL, person TEXT,"
    " due INTEGER, attempts INTEGER NOT NULL, ambiguous INTEGER NOT NULL, since INTEGER NOT NULL,"
    " reason TEXT);"
    "CREATE INDEX exception_state ON exception(state, seq);"
    "CREATE INDEX exception_person ON exception(person, due, seq) WHERE person IS NOT NULL;"
    "CREATE INDEX exception_due ON exception(due, seq) WHERE due IS NOT NULL;"
    "CREATE TABLE done(first INTEGER PRIMARY KEY, last INTEGER NOT NULL);"
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE action(id INTEGER PRIMARY KEY, at INTEGER NOT NULL, who TEXT NOT NULL,"
    " what TEXT NOT NULL, why TEXT, count INTEGER NOT NULL);" TABLE_DAY TABLE_NOTE;

/* Lines that are gone are counted where neither device nor day is known. */
static const char from_1[] =
    "ALTER TABLE event ADD COLUMN day INTEGER;" TABLE_DAY TABLE_NOTE
    "INSERT INTO day(device, day, received, duplicates, erased, serials, last_put)"
    " SELECT '', '', e.value+p.value, 0, e.value, 0, 0 FROM meta e, meta p"
    " WHERE e.key='erased' AND p.key='purged' AND e.value+p.value>0;"
    "UPDATE meta SET value=(SELECT value FROM meta WHERE key='stored') WHERE key='undated';"
    "UPDATE meta SET value=ifnull((SELECT at FROM event ORDER BY seq LIMIT 1), 0)"
    " WHERE key='first_put';";

/* ---- making ---- */

/* Rows of meta that are not there yet. */
static int make_meta(struct sqlite *s, struct fault *why)
{
    char text[128];

    for (int m = 0; m < METAS; m++) {
        snprintf(text, sizeof text, "INSERT OR IGNORE INTO meta VALUES('%s', %d)",
            sqlite_meta_keys[m], m == META_FLOOR ? 1 : 0);
        if (sqlite_execute(s, text, why) < 0)
            return -1;
    }
    return 0;
}

/* Says in the header that it is a store of this version, with a stamp of its own. */
static int make_header(struct sqlite *s, struct fault *why)
{
    char text[128];
    unsigned stamp = 0;

    if (getrandom(&stamp, sizeof stamp, GRND_NONBLOCK) < 0)
        stamp = (unsigned)getpid();
    snprintf(text, sizeof text, "PRAGMA application_id=%d; PRAGMA user_version=%u", APPLICATION_ID,
        (stamp & 0x7fffff00u) | VERSION);
    return sqlite_execute(s, text, why);
}

int sqlite_make_tables(struct sqlite *s, struct fault *why)
{
    return sqlite_execute(s, schema, why) < 0 || make_meta(s, why) < 0 ? -1 : make_header(s, why);
}

int sqlite_sync_folder(const char *path)
{
    char *folder = sqlite_folder(path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = -1;

    if (fd >= 0) {
        rc = fsync(fd);
        close(fd);
    }
    free(folder);
    return rc;
}

/* ---- recognising ---- */

/* Version of the schema, 0: the file is empty; -1: it is something else. */
static int recognise(struct sqlite *s, struct fault *why)
{
    int64_t tables, id, version;

    if (sqlite_ask(s, "SELECT count(*) FROM sqlite_schema", &tables, why) < 0 ||
        sqlite_ask(s, "PRAGMA application_id", &id, why) < 0 ||
        sqlite_ask(s, "PRAGMA user_version", &version, why) < 0)
        return -1;
    version &= 0xff;
    if (tables == 0 && id == 0)
        return 0;
    if (id != APPLICATION_ID || version == 0)
        return fault_set(why, EX_CONFIG,
            "%s: is a database of some other program: name a new file, or the right one", s->name);
    if (version > VERSION)
        return fault_set(why, EX_CONFIG,
            "%s: was written by a newer ts-spool (schema %d, this one knows %d): update this one",
            s->name, (int)version, VERSION);
    return (int)version;
}

/* A store has company from its first put on: an empty file beside it has lost what it held. */
static int must_be_new(struct sqlite *s, struct fault *why)
{
    static const char *const ends[] = {"-reserve", "-drain"};
    struct buf name = {0};
    int rc = 0;

    for (int i = 0; i < 2 && rc == 0; i++) {
        name.len = 0;
        buf_printf(&name, "%s%s%c", s->path, ends[i], '\0');
        if (access(name.data, F_OK) == 0)
            rc = fault_set(why, EX_CONFIG,
                "%s: is empty but was a spool: put a copy in its place, or remove %s%s to begin"
                " a new one",
                s->name, s->name, ends[i]);
    }
    buf_free(&name);
    return rc;
}

static int make(struct sqlite *s, struct fault *why)
{
    int rc;

    if (sqlite_begin(s, true, why) < 0)
        return -1;
    rc = recognise(s, why); /* another one may have been faster: then there is company already */
    if (rc == 0 && (must_be_new(s, why) < 0 || sqlite_make_tables(s, why) < 0))
        return -1;
    if (rc < 0 || sqlite_commit(s, why) < 0)
        return -1;
    /* SQLite has done it for the journal: this is for the store. */
    if (sqlite_sync_folder(s->path) < 0)
        return fault_errno(why, EX_IOERR, "%s: cannot sync its folder", s->name);
    return 0;
}

/* ---- from version 1 ---- */

static int begin_forward(struct sqlite *s, struct fault *why)
{
    int rc;

    if (sqlite_begin(s, true, why) < 0)
        return -1;
    rc = recognise(s, why);
    if (rc < 0 || (rc == 1 && (make_meta(s, why) < 0 || sqlite_execute(s, from_1, why) < 0 ||
                                  make_header(s, why) < 0)))
        return -1;
    return sqlite_commit(s, why);
}

/* Gives one event its day. */
static int date_event(struct sqlite *s, struct event_reader *parser, sqlite3_stmt *from,
    int64_t *seq, struct fault *why)
{
    struct record r = {.line = sqlite_text(from, 2), .serial = -1};
    sqlite3_stmt *q = sqlite_query(s, Q_EVENT_DAY, why);
    struct event e;
    struct fault ignored;
    int64_t day;

    *seq = sqlite3_column_int64(from, 0);
    if (event_read(parser, r.line, &e, &ignored) == 0)
        facts_of(&r, &e);
    if (!q || sqlite_day_count(s, &r, sqlite3_column_int64(from, 1), &day, why) < 0)
        return -1;
    sqlite3_bind_int64(q, 1, *seq);
    sqlite3_bind_int64(q, 2, day);
    return sqlite_step(s, q, why);
}

/* One transaction of it; *left is what META_UNDATED says after it. */
static int date_some(
    struct sqlite *s, struct event_reader *parser, int64_t *left, struct fault *why)
{
    int64_t meta[METAS] = {0}, end_ms = monotonic_ms() + STRETCH_MS;
    sqlite3_stmt *q;
    int rc;

    if (sqlite_begin(s, true, why) < 0 || sqlite_meta(s, meta, why) < 0 ||
        !(q = sqlite_query(s, Q_UNDATED, why)))
        return -1;
    *left = meta[META_UNDATED];
    sqlite3_bind_int64(q, 1, *left);
    while ((rc = sqlite_step(s, q, why)) > 0) {
        if (date_event(s, parser, q, left, why) < 0)
            return -1;
        --*left;
        if (monotonic_ms() >= end_ms)
            break;
    }
    sqlite3_reset(q);
    if (rc == 0)
        *left = 0;
    if (rc < 0 || sqlite_day_write(s, why) < 0 || sqlite_meta_set(s, META_UNDATED, *left, why) < 0)
        return -1;
    return sqlite_commit(s, why);
}

static int undated(struct sqlite *s, int64_t *left, struct fault *why)
{
    return sqlite_ask(s, "SELECT value FROM meta WHERE key='undated'", left, why);
}

static int bring_forward(struct sqlite *s, int version, struct fault *why)
{
    struct event_reader *parser;
    int64_t left;
    int rc = 0;

    if ((version < VERSION && begin_forward(s, why) < 0) || undated(s, &left, why) < 0)
        return -1;
    if (left == 0)
        return 0;
    parser = event_reader_new();
    while (rc == 0 && left > 0)
        rc = date_some(s, parser, &left, why);
    event_reader_free(parser);
    return rc;
}

/* The version, looked at once, with the size of the file. */
static int look(struct sqlite *s, struct fault *why)
{
    int version = -1;

    if (sqlite_begin(s, false, why) == 0)
        version = recognise(s, why);
    if (version > 0 && sqlite_check_size(s, why) < 0)
        version = -1;
    if (version < 0 || sqlite_run(s, Q_COMMIT, why) < 0) {
        sqlite_undo(s);
        return -1;
    }
    return version;
}

int sqlite_schema(struct sqlite *s, enum store_use use, struct fault *why)
{
    int version = look(s, why);

    if (version < 0)
        return -1;
    if (version == 0 && use != STORE_PUT && use != STORE_FOLLOW)
        return fault_set(why, EX_NOINPUT, "%s: is empty: nothing was ever put into it", s->name);
    if (version == 0)
        return make(s, why);
    if (use != STORE_READ)
        return bring_forward(s, version, why);
    if (version < VERSION)
        return fault_set(why, EX_CONFIG,
            "%s: was written by an older ts-spool: the next put or drain brings it forward",
            s->name);
    return 0;
}

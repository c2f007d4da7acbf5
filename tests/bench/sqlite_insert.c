/* SPDX-License-Identifier: MIT */
/* The bare loop that `ts-spool put` is measured against: the same two tables, the same durability
 * and the same rows a transaction, and nothing else (no receipts, no states, no checks).
 *
 * usage: sqlite_insert [-n ROWS] DB < events.ndjson
 * Keep the schema and the pragmas as in tools/ts-spool/stores/sqlite.c. */
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "peek.h"

static const char schema[] =
    "PRAGMA journal_mode=TRUNCATE;"
    "PRAGMA synchronous=FULL;"
    "PRAGMA cache_size=-8192;"
    "CREATE TABLE IF NOT EXISTS event(seq INTEGER PRIMARY KEY, person TEXT, at INTEGER,"
    " line BLOB);"
    "CREATE TABLE IF NOT EXISTS id(id BLOB PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;";

static sqlite3 *db;

/* Ends the program with SQLite's message unless `rc` is the result that is wanted. */
static void must(int rc, int wanted)
{
    if (rc == wanted)
        return;
    fprintf(stderr, "sqlite_insert: %s\n", sqlite3_errmsg(db));
    exit(74);
}

static void insert(
    sqlite3_stmt *to_id, sqlite3_stmt *to_event, int64_t seq, const char *line, size_t len)
{
    unsigned char key[16];
    size_t id_len = 0, who_len = 0;
    const char *id = member(line, len, "\"event_id\":\"", &id_len);
    const char *who = member(line, len, "\"person_id\":\"", &who_len);

    uuid_bytes(id ? id : "", id_len, key);
    sqlite3_bind_blob(to_id, 1, key, 16, SQLITE_STATIC);
    sqlite3_bind_int64(to_id, 2, seq);
    must(sqlite3_step(to_id), SQLITE_DONE);
    sqlite3_reset(to_id);
    sqlite3_bind_int64(to_event, 1, seq);
    sqlite3_bind_text(to_event, 2, who, (int)who_len, SQLITE_STATIC);
    sqlite3_bind_int64(to_event, 3, (int64_t)time(NULL));
    sqlite3_bind_blob(to_event, 4, line, (int)len, SQLITE_STATIC);
    must(sqlite3_step(to_event), SQLITE_DONE);
    sqlite3_reset(to_event);
}

int main(int argc, char **argv)
{
    sqlite3_stmt *to_id = NULL, *to_event = NULL;
    int64_t seq = 0, rows = 4096;
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    int c;

    while ((c = getopt(argc, argv, "n:")) != -1)
        rows = c == 'n' ? atoll(optarg) : 0;
    if (rows < 1 || optind + 1 != argc) {
        fputs("usage: sqlite_insert [-n ROWS] DB < events.ndjson\n", stderr);
        return 64;
    }
    setvbuf(stdin, NULL, _IOFBF, 1 << 18);
    must(sqlite3_open(argv[optind], &db), SQLITE_OK);
    must(sqlite3_exec(db, schema, NULL, NULL, NULL), SQLITE_OK);
    must(sqlite3_prepare_v2(db, "INSERT OR IGNORE INTO id VALUES(?,?)", -1, &to_id, NULL),
        SQLITE_OK);
    must(sqlite3_prepare_v2(db, "INSERT INTO event VALUES(?,?,?,?)", -1, &to_event, NULL),
        SQLITE_OK);
    while ((len = getline(&line, &room, stdin)) > 0) {
        if (seq % rows == 0)
            must(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
        insert(to_id, to_event, ++seq, line, (size_t)len - (line[len - 1] == '\n'));
        if (seq % rows == 0)
            must(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    }
    if (seq % rows)
        must(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_finalize(to_id);
    sqlite3_finalize(to_event);
    must(sqlite3_close(db), SQLITE_OK);
    free(line);
    return 0;
}

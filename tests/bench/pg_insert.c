/* SPDX-License-Identifier: MIT */
/* The bare loop that `ts-spool put postgresql://…` is measured against: the same tables, the same
 * durability and the same rows a transaction, in one statement, and nothing else (no receipts, no
 * locks for the order of a person, no days, no counters).
 *
 * usage: pg_insert [-n ROWS] URL < events.ndjson
 * The tables are those of `ts-spool put URL </dev/null`; keep the statement as in
 * tools/ts-spool/stores/postgresql_schema.c. */
#include <libpq-fe.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "peek.h"

#define OID_UUID 2950
#define OID_BYTEA 17

static const char insert[] =
    "WITH n AS MATERIALIZED (SELECT u.*, nextval('spool_seq') AS seq FROM unnest($1::uuid[],"
    " $2::bytea[], $3::bytea[]) AS u(id, person, line)),"
    " f AS (INSERT INTO spool_id(id, seq) SELECT id, seq FROM n ON CONFLICT DO NOTHING RETURNING"
    " seq),"
    " e AS (INSERT INTO spool_event(seq, person, at, day, batch, line) SELECT seq, person,"
    " $4::bigint, 1, 1, line FROM n JOIN f USING (seq)),"
    " o AS (INSERT INTO spool_open(seq, day, since, state, person) SELECT seq, 1, $4, 0, person"
    " FROM n JOIN f USING (seq))"
    " SELECT seq FROM f";

static PGconn *conn;

static void must(const PGresult *r)
{
    ExecStatusType status = PQresultStatus(r);

    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
        return;
    fprintf(stderr, "pg_insert: %s", PQerrorMessage(conn));
    exit(74);
}

static void add32(struct buf *b, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        buf_char(b, (char)(value >> shift & 0xff));
}

static void add_bytes(struct buf *b, const void *p, size_t n)
{
    add32(b, (uint32_t)n);
    buf_add(b, p, n);
}

/* The elements of the three arrays; their heads come when their number is known. */
static struct buf column[3];
static uint32_t rows;

static void add_row(const char *line, size_t len)
{
    unsigned char key[16];
    size_t id_len = 0, who_len = 0;
    const char *id = member(line, len, "\"event_id\":\"", &id_len);
    const char *who = member(line, len, "\"person_id\":\"", &who_len);

    uuid_bytes(id ? id : "", id_len, key);
    add_bytes(&column[0], key, sizeof key);
    add_bytes(&column[1], who ? who : "", who_len);
    add_bytes(&column[2], line, len);
    rows++;
}

static void commit(void)
{
    static const uint32_t oids[3] = {OID_UUID, OID_BYTEA, OID_BYTEA};
    static const int formats[4] = {1, 1, 1, 1};
    struct buf value[4] = {0};
    const char *values[4];
    int lengths[4];
    PGresult *r;

    if (rows == 0)
        return;
    for (int i = 0; i < 3; i++) {
        add32(&value[i], 1);
        add32(&value[i], 0);
        add32(&value[i], oids[i]);
        add32(&value[i], rows);
        add32(&value[i], 1);
        buf_slice(&value[i], buf_all(&column[i]));
        column[i].len = 0;
    }
    add32(&value[3], 0);
    add32(&value[3], (uint32_t)time(NULL));
    for (int i = 0; i < 4; i++) {
        values[i] = value[i].data;
        lengths[i] = (int)value[i].len;
    }
    r = PQexecPrepared(conn, "insert", 4, values, lengths, formats, 1);
    must(r);
    PQclear(r);
    for (int i = 0; i < 4; i++)
        buf_free(&value[i]);
    rows = 0;
}

int main(int argc, char **argv)
{
    uint32_t batch = 100;
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    PGresult *r;
    int c;

    while ((c = getopt(argc, argv, "n:")) != -1)
        batch = c == 'n' ? (uint32_t)atoi(optarg) : 0;
    if (batch < 1 || optind + 1 != argc) {
        fputs("usage: pg_insert [-n ROWS] URL < events.ndjson\n", stderr);
        return 64;
    }
    setvbuf(stdin, NULL, _IOFBF, 1 << 18);
    conn = PQconnectdb(argv[optind]);
    r = PQprepare(conn, "insert", insert, 0, NULL);
    must(r);
    PQclear(r);
    while ((len = getline(&line, &room, stdin)) > 0) {
        add_row(line, (size_t)len - (line[len - 1] == '\n'));
        if (rows == batch)
            commit();
    }
    commit();
    PQfinish(conn);
    free(line);
    return 0;
}

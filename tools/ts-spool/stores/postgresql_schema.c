/* SPDX-License-Identifier: MIT */
/*
 * Tables and statements.  All names are fixed and found through a search path of the store's schema
 * alone; everything that comes from outside is a parameter.  Texts of events are bytea: they may
 * hold any bytes, and the database any encoding.
 */
#include <stdio.h>
#include <stdlib.h>

#include "postgresql.h"

#define SCHEMA_VERSION 1
#define CREATE_LOCK "1414746992, 0" /* "TsSp"; before there is a table to derive it from */

/* The tables of the queue turn over all the time: they are cleaned early. */
#define CHURN                                                                                      \
    " WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02,"                               \
    " autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0)"

static const char schema[] =
    "CREATE TABLE spool_store(version int NOT NULL);"
    "INSERT INTO spool_store VALUES (1);"
    "CREATE SEQUENCE spool_seq AS bigint;"
    "CREATE SEQUENCE spool_lease_id AS bigint;"
    "CREATE TABLE spool_id(id uuid PRIMARY KEY, seq bigint NOT NULL);"
    "CREATE TABLE spool_event(seq bigint PRIMARY KEY, person bytea, at bigint NOT NULL,"
    " day bigint NOT NULL, batch bigint NOT NULL, line bytea NOT NULL);"
    "CREATE TABLE spool_open(seq bigint PRIMARY KEY, day bigint NOT NULL, due bigint,"
    " lease bigint, since bigint NOT NULL, take int, attempts int NOT NULL DEFAULT 0,"
    " state smallint NOT NULL, ambiguous boolean NOT NULL DEFAULT false, person bytea,"
    " reason bytea)" CHURN ";"
    /* Along these an event is looked for: they hold what is meant, in its order, and no more. */
    "CREATE INDEX spool_open_fresh ON spool_open(seq) WHERE state = 0 AND lease IS NULL;"
    "CREATE INDEX spool_open_due ON spool_open(due, seq) WHERE due IS NOT NULL AND lease IS NULL;"
    "CREATE INDEX spool_open_person ON spool_open(person, seq)"
    " WHERE person IS NOT NULL AND state <> 2 AND state <> 3;"
    "CREATE INDEX spool_open_behind ON spool_open(person, seq)"
    " WHERE due IS NULL AND lease IS NULL AND state IN (1, 4, 5);"
    "CREATE INDEX spool_open_out ON spool_open(person, seq) WHERE lease IS NOT NULL;"
    "CREATE INDEX spool_open_state ON spool_open(state, seq) WHERE state <> 0;"
    "CREATE INDEX spool_open_except ON spool_open(seq) WHERE state <> 0;"
    "CREATE TABLE spool_lease(id bigint PRIMARY KEY, holder text NOT NULL,"
    " began timestamptz NOT NULL, expires timestamptz NOT NULL) WITH (fillfactor = 20);"
    "CREATE TABLE spool_day(id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " device bytea NOT NULL, day bytea NOT NULL, received bigint NOT NULL,"
    " duplicates bigint NOT NULL, erased bigint NOT NULL, serials bigint NOT NULL,"
    " first_serial bigint, last_serial bigint, last_put bigint NOT NULL,"
    " UNIQUE(device, day)) WITH (fillfactor = 80);"
    "CREATE TABLE spool_count(slot int PRIMARY KEY, stored bigint NOT NULL DEFAULT 0,"
    " duplicates bigint NOT NULL DEFAULT 0, delivered bigint NOT NULL DEFAULT 0,"
    " known bigint NOT NULL DEFAULT 0, held bigint NOT NULL DEFAULT 0,"
    " dead bigint NOT NULL DEFAULT 0, skipped bigint NOT NULL DEFAULT 0,"
    " erased bigint NOT NULL DEFAULT 0, purged bigint NOT NULL DEFAULT 0,"
    " bytes bigint NOT NULL DEFAULT 0, first_put bigint, last_put bigint,"
    " last_delivered bigint) WITH (fillfactor = 10);"
    "CREATE TABLE spool_mark(key text PRIMARY KEY, value bigint NOT NULL);"
    "CREATE TABLE spool_action(id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " at bigint NOT NULL, count bigint NOT NULL, who bytea NOT NULL, what bytea NOT NULL,"
    " reason bytea)";

/* ---- statements ---- */

#define OPEN_STATES_ALIVE "(1, 4, 5)"

/* What waits for an earlier event of its person, along its index. */
#define BEHIND(x) x ".due IS NULL AND " x ".lease IS NULL AND " x ".state IN " OPEN_STATES_ALIVE

/* When an event with so many attempts (a) is tried again: as store_backoff_ms. */
#define BACKOFF(a) "(1000::bigint << least(" a ", 8))"
#define TRIES_AT_ONCE "3" /* of an unanswered one, before it waits */
#define RETRY_DUE(now, a)                                                                          \
    "(" now " + CASE WHEN " a " > " TRIES_AT_ONCE                                                  \
    " THEN " BACKOFF(a " - " TRIES_AT_ONCE) " ELSE 0 END)"

/* Marks the rows that `pick` (columns seq, due) found as out at lease $1 by exchange $2. */
#define TAKE(pick)                                                                                 \
    "WITH c AS MATERIALIZED (" pick ") UPDATE spool_open o SET lease = $1::bigint,"                \
    " take = $2::int FROM c JOIN spool_event e ON e.seq = c.seq WHERE o.seq = c.seq"               \
    " RETURNING o.seq, c.due, o.person, o.state, o.attempts, o.ambiguous, e.line"

/* Events whose person has something out at another drain are left to it. */
#define NOT_ELSEWHERE                                                                              \
    " AND NOT EXISTS (SELECT 1 FROM spool_open x WHERE x.person = p.person"                        \
    " AND x.lease IS NOT NULL AND x.lease <> $1)"

/* The first fresh event: exceptions behind it are not looked at, their turn comes. */
#define FRONTIER                                                                                   \
    "coalesce((SELECT f.seq FROM spool_open f WHERE f.state = 0 AND f.lease IS NULL"               \
    " AND f.seq >= $5::bigint ORDER BY f.seq LIMIT 1), 9223372036854775807)"

/* How far beyond the first fresh event others are looked for, when most of their persons are out at
   another drain. */
#define SPAN "16384"

/* Counters move by what the rows were and what they are. */
const char *const pg_sql[PG_QUERIES] = {
    [PG_DISCARD] = "DISCARD PLANS",
    [PG_BEGIN] = "BEGIN",
    [PG_COMMIT] = "COMMIT",
    [PG_ROLLBACK] = "ROLLBACK",
    /* One round trip a batch.  held: the locks are there before the first number is drawn.  Ids are
       added in their own order, as rows of days and counters are: two puts never wait for each
       other in a circle.  */
    [PG_PUT] =
        "WITH l AS MATERIALIZED (SELECT count(pg_advisory_xact_lock($12::int, b)) AS held"
        " FROM unnest($11::int[]) AS b),"
        " n AS MATERIALIZED (SELECT i.*, nextval('spool_seq') AS seq FROM (SELECT u.* FROM l,"
        " unnest($1::uuid[], $2::bytea[], $3::bytea[], $4::int2[], $5::bytea[], $6::bytea[],"
        " $7::bytea[], $8::int8[]) WITH ORDINALITY AS u(id, person, line, state, reason, device,"
        " day, serial, n) WHERE l.held >= 0 ORDER BY u.n) i),"
        " f AS (INSERT INTO spool_id(id, seq) SELECT id, seq FROM n ORDER BY id, seq"
        " ON CONFLICT DO NOTHING RETURNING seq),"
        " d AS (INSERT INTO spool_day AS t(device, day, received, duplicates, erased, serials,"
        " first_serial, last_serial, last_put) SELECT n.device, n.day, count(f.seq),"
        " count(*) - count(f.seq), 0, count(n.serial) FILTER (WHERE f.seq IS NOT NULL),"
        " min(n.serial) FILTER (WHERE f.seq IS NOT NULL),"
        " max(n.serial) FILTER (WHERE f.seq IS NOT NULL), $9::bigint"
        " FROM n LEFT JOIN f USING (seq) GROUP BY n.device, n.day ORDER BY n.device, n.day"
        " ON CONFLICT (device, day) DO UPDATE SET received = t.received + excluded.received,"
        " duplicates = t.duplicates + excluded.duplicates, serials = t.serials + excluded.serials,"
        " first_serial = least(t.first_serial, excluded.first_serial),"
        " last_serial = greatest(t.last_serial, excluded.last_serial),"
        " last_put = excluded.last_put RETURNING t.id, t.device, t.day),"
        " e AS (INSERT INTO spool_event(seq, person, at, day, batch, line) SELECT n.seq, n.person,"
        " $9, d.id, $10::bigint, n.line FROM n JOIN f USING (seq) JOIN d USING (device, day)),"
        " o AS (INSERT INTO spool_open(seq, day, due, since, state, person, reason) SELECT n.seq,"
        " d.id, CASE WHEN n.state = 1 THEN $14::bigint END, $9, n.state, n.person, n.reason"
        " FROM n JOIN f USING (seq) JOIN d USING (device, day)),"
        " c AS (UPDATE spool_count t SET stored = t.stored + k.fresh, duplicates = t.duplicates +"
        " k.total - k.fresh, held = t.held + k.held, dead = t.dead + k.dead, skipped = t.skipped +"
        " k.skipped, bytes = t.bytes + k.bytes,"
        " first_put = CASE WHEN k.fresh > 0 THEN coalesce(t.first_put, $9) ELSE t.first_put END,"
        " last_put = CASE WHEN k.fresh > 0 THEN $9 ELSE t.last_put END"
        " FROM (SELECT count(*) AS total, count(f.seq) AS fresh,"
        " count(f.seq) FILTER (WHERE n.state = 1) AS held,"
        " count(f.seq) FILTER (WHERE n.state = 2) AS dead,"
        " count(f.seq) FILTER (WHERE n.state = 3) AS skipped,"
        " coalesce(sum(octet_length(n.line)) FILTER (WHERE f.seq IS NOT NULL), 0) AS bytes"
        " FROM n LEFT JOIN f USING (seq)) k, (SELECT count(*) AS days FROM d) x"
        " WHERE t.slot = $13::int AND x.days >= 0)"
        " SELECT n.n FROM n JOIN f USING (seq)",
    [PG_MINE] =
        "SELECT u.n FROM unnest($1::uuid[]) WITH ORDINALITY AS u(id, n)"
        " JOIN spool_id i USING (id) JOIN spool_event e USING (seq) WHERE e.batch = $2::bigint",
    /* Not in the transaction of put, which would keep the next one waiting for its commit. */
    [PG_NOTIFY] = "SELECT set_config('synchronous_commit', 'off', true), pg_notify('ts_spool', '')"
                  " FROM spool_lease LIMIT 1",
    [PG_SIZE] = "SELECT (sum(bytes) + 320 * sum(stored - erased - purged) + 64 * sum(stored))"
                "::bigint FROM spool_count",
    [PG_MARK_SET] = "INSERT INTO spool_mark VALUES (convert_from($1::bytea, 'UTF8'), $2::bigint)"
                    " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    [PG_MARK_GET] = "SELECT value FROM spool_mark WHERE key = convert_from($1::bytea, 'UTF8')",

    [PG_LEASE_NEW] = "INSERT INTO spool_lease SELECT nextval('spool_lease_id'),"
                     " convert_from($2::bytea, 'UTF8'), clock_timestamp(), clock_timestamp()"
                     " + $1::int * interval '1 s' RETURNING id",
    [PG_LEASE_RENEW] =
        "UPDATE spool_lease SET expires = clock_timestamp() + $2::int * interval '1 s'"
        " WHERE id = $1::bigint RETURNING id",
    [PG_LEASE_END] = "UPDATE spool_lease SET expires = '-infinity' WHERE id = $1::bigint",
    [PG_LEASE_EXPIRED] = "SELECT id FROM spool_lease WHERE expires < clock_timestamp()"
                         " ORDER BY id FOR UPDATE SKIP LOCKED",
    [PG_LEASE_DROP] = "DELETE FROM spool_lease WHERE id = ANY($1::bigint[])",
    [PG_REAP] =
        "WITH old AS MATERIALIZED (SELECT seq, state FROM spool_open WHERE lease IS NOT NULL"
        " AND lease = ANY($1::bigint[]) ORDER BY seq FOR UPDATE)"
        " UPDATE spool_open o SET lease = NULL, take = NULL, state = 5, ambiguous = true,"
        " attempts = attempts + 1, since = $2::bigint, due = " RETRY_DUE(
            "$2::bigint", "(attempts + 1)") ","
                                            " reason = $3::bytea FROM old WHERE o.seq = old.seq "
                                            "RETURNING old.state",
    [PG_UNTAKE] = "UPDATE spool_open SET lease = NULL, take = NULL"
                  " WHERE lease IS NOT NULL AND lease = $1::bigint AND take >= $2::int",

    [PG_SETTLE_DELIVERED] =
        "DELETE FROM spool_open o USING unnest($1::bigint[], $2::bigint[], $3::bool[])"
        " AS t(seq, lease, known) WHERE o.seq = t.seq AND o.lease = t.lease"
        " RETURNING o.person, o.state, t.known",
    [PG_SETTLE_OTHER] =
        "WITH t AS MATERIALIZED (SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::int2[],"
        " $4::int8[], $5::int4[], $6::bool[], $7::bytea[]) AS t(seq, lease, state, due, attempts,"
        " ambiguous, reason)),"
        " old AS MATERIALIZED (SELECT o.seq, o.state, t.state AS new, t.due, t.ambiguous,"
        " t.reason, CASE WHEN t.attempts > 0 THEN t.attempts WHEN t.state = 4 THEN o.attempts"
        " ELSE o.attempts + 1 END AS tries FROM t JOIN spool_open o ON o.seq = t.seq"
        " AND o.lease = t.lease FOR UPDATE OF o)"
        " UPDATE spool_open o SET lease = NULL, take = NULL, state = old.new,"
        " attempts = old.tries, ambiguous = o.ambiguous OR old.ambiguous, since = $8::bigint,"
        " reason = old.reason, due = CASE WHEN old.new IN (2, 3) THEN NULL"
        " WHEN old.due IS NOT NULL THEN old.due WHEN old.new = 4 THEN $8::bigint + " BACKOFF(
            "old.tries") " ELSE " RETRY_DUE("$8::bigint",
            "old.tries") " END"
                         " FROM old WHERE o.seq = old.seq RETURNING o.person, old.state, o.state",
    /* A few at a time: those behind them become due when these are final.  One that is not out
       and stands before the first that is behind has a due time. */
    [PG_PROMOTE] =
        "UPDATE spool_open o SET due = $2::bigint FROM"
        " (SELECT DISTINCT u.person FROM unnest($1::bytea[]) AS u(person) WHERE EXISTS"
        " (SELECT 1 FROM spool_open z WHERE " BEHIND(
            "z") ")) p"
                 " CROSS JOIN LATERAL (SELECT b.seq FROM spool_open b WHERE b.person = p.person "
                 "AND " BEHIND("b") " ORDER BY b.seq LIMIT 1) first"
                                    " LEFT JOIN LATERAL (SELECT l.seq FROM spool_open l WHERE "
                                    "l.person = p.person"
                                    " AND l.seq < first.seq AND l.lease IS NULL AND l.state <> 0 "
                                    "AND l.state <> 2"
                                    " AND l.state <> 3 ORDER BY l.seq LIMIT 1) before ON true"
                                    " CROSS JOIN LATERAL (SELECT b.seq FROM spool_open b WHERE "
                                    "b.person = p.person AND " BEHIND(
                                        "b") " ORDER BY b.seq LIMIT 64) b"
                                             " WHERE before.seq IS NULL AND o.seq = b.seq AND "
                                             "o.due IS NULL AND o.lease IS NULL",

    [PG_LOOK] =
        "SELECT (SELECT seq FROM spool_open WHERE state = 0 AND lease IS NULL AND seq >= $1::bigint"
        " ORDER BY seq LIMIT 1), (SELECT due FROM spool_open WHERE due IS NOT NULL AND lease IS"
        " NULL ORDER BY due, seq LIMIT 1), EXISTS (SELECT 1 FROM spool_open WHERE due > $2::bigint"
        " AND lease IS NULL), EXISTS (SELECT 1 FROM spool_open WHERE state = 1 AND lease IS NULL"
        " AND seq >= $3::bigint AND seq <= $4::bigint AND due > $5::bigint AND since <= "
        "$6::bigint)",
    [PG_BRING_NEAR] =
        "UPDATE spool_open SET due = $2::bigint WHERE due > $1::bigint AND lease IS NULL",
    [PG_TAKE_DUE] =
        TAKE("SELECT p.seq, p.due FROM spool_open p WHERE p.due <= $4::bigint AND p.lease IS NULL"
             " AND p.seq < " FRONTIER NOT_ELSEWHERE " ORDER BY p.due, p.seq LIMIT $3::int"
             " FOR UPDATE SKIP LOCKED"),
    [PG_TAKE_HELD] =
        TAKE("SELECT p.seq, p.seq AS due FROM spool_open p WHERE p.state = 1 AND p.lease IS NULL"
             " AND p.due > $4::bigint AND p.seq >= $6::bigint AND p.seq <= $7::bigint"
             " AND p.since <= $8::bigint AND p.seq < " FRONTIER NOT_ELSEWHERE
             " ORDER BY p.seq LIMIT $3::int FOR UPDATE SKIP LOCKED"),
    [PG_TAKE_FRESH] =
        TAKE("SELECT p.seq, p.seq AS due FROM spool_open p WHERE p.state = 0 AND p.lease IS NULL"
             " AND p.seq >= $4::bigint AND p.seq < " SPAN " + (SELECT f.seq FROM spool_open f"
             " WHERE f.state = 0 AND f.lease IS NULL AND f.seq >= $4 ORDER BY f.seq"
             " LIMIT 1)" NOT_ELSEWHERE " ORDER BY p.seq LIMIT $3::int FOR UPDATE SKIP LOCKED"),
    /* For each person the first event that is not out here, and the last one that was out before
       exchange $3. */
    [PG_OBSTACLES] =
        "SELECT p.n, l.seq, l.state, l.lease, (SELECT m.seq FROM spool_open m"
        " WHERE m.person = p.person AND m.lease IS NOT NULL AND (m.lease <> $2::bigint OR m.take "
        "<> $3::int)"
        " ORDER BY m.seq DESC LIMIT 1)"
        " FROM unnest($1::bytea[]) WITH ORDINALITY AS p(person, n) LEFT JOIN LATERAL"
        " (SELECT o.seq, o.state, o.lease FROM spool_open o WHERE o.person = p.person"
        " AND o.state <> 2 AND o.state <> 3 AND (o.lease IS NULL OR o.lease <> $2::bigint)"
        " ORDER BY o.seq LIMIT 1) l ON true",
    [PG_LOCK] = "SELECT seq FROM spool_open WHERE seq = ANY($1::bigint[]) AND lease IS NULL"
                " AND state IN " OPEN_STATES_ALIVE " ORDER BY seq FOR UPDATE SKIP LOCKED",
    /* how: 0 as it was, 1 behind another one, 2 later. */
    [PG_REFUSE] = "UPDATE spool_open o SET lease = NULL, take = NULL,"
                  " due = CASE t.how WHEN 1 THEN NULL WHEN 2 THEN $3::bigint + 1000 ELSE o.due END,"
                  " since = CASE WHEN t.how = 1 AND o.state = 0 THEN $3::bigint ELSE o.since END,"
                  " reason = CASE WHEN t.how = 1 AND o.state = 0 THEN $4::bytea ELSE o.reason END,"
                  " state = CASE WHEN t.how = 1 AND o.state = 0 THEN 4 ELSE o.state END"
                  " FROM unnest($1::bigint[], $2::int2[]) AS t(seq, how) WHERE o.seq = t.seq",
    [PG_COUNT] =
        "UPDATE spool_count SET delivered = delivered + $2::bigint, known = known + $3::bigint, "
        "held = held + $4::bigint,"
        " dead = dead + $5::bigint, skipped = skipped + $6::bigint, erased = erased + $7::bigint, "
        "purged = purged + $8::bigint,"
        " bytes = bytes + $9::bigint, last_delivered = coalesce($10::bigint, last_delivered)"
        " WHERE slot = $1::int",
    [PG_WAKE_ALL] = "UPDATE spool_open SET due = $1::bigint WHERE due > $1::bigint AND state <> 1"
                    " AND lease IS NULL",
    [PG_LAST_SEQ] = "SELECT coalesce(max(seq), 0) FROM spool_event",
    [PG_LEFT] = "SELECT EXISTS (SELECT 1 FROM spool_open WHERE state = 0 AND lease IS NULL) OR"
                " EXISTS (SELECT 1 FROM spool_open x WHERE x.due IS NOT NULL AND x.lease IS NULL"
                " AND x.state <> 1 AND NOT EXISTS (SELECT 1 FROM spool_open h"
                " WHERE h.person = x.person AND h.state = 1 AND h.seq < x.seq))",

    [PG_STAT] =
        "SELECT sum(stored)::bigint, sum(duplicates)::bigint, sum(delivered)::bigint,"
        " sum(known)::bigint, sum(held)::bigint, sum(dead)::bigint, sum(skipped)::bigint,"
        " sum(erased)::bigint, sum(purged)::bigint, min(first_put), max(last_put),"
        " max(last_delivered),"
        " (SELECT value FROM spool_mark WHERE key = 'failing_since'),"
        " (SELECT value FROM spool_mark WHERE key = 'failing_status'),"
        " (SELECT value FROM spool_mark WHERE key = 'limit'),"
        " (SELECT sum(received)::bigint FROM spool_day WHERE day > $1::bytea AND day < $2::bytea),"
        " (SELECT count(*) FROM spool_action),"
        " (SELECT min(e.at) FROM spool_event e WHERE e.seq IN ("
        " (SELECT min(seq) FROM spool_open WHERE state = 0 AND lease IS NULL),"
        " (SELECT min(seq) FROM spool_open WHERE lease IS NOT NULL AND state <> 1),"
        " (SELECT min(seq) FROM spool_open WHERE state = 4),"
        " (SELECT min(seq) FROM spool_open WHERE state = 5))),"
        " (SELECT e.at FROM spool_event e WHERE e.seq ="
        " (SELECT min(seq) FROM spool_open WHERE state = 1)),"
        " (SELECT sum(pg_total_relation_size(x::regclass))::bigint FROM unnest(ARRAY["
        "'spool_id', 'spool_event', 'spool_open', 'spool_day', 'spool_count', 'spool_action'])"
        " AS x), EXISTS (SELECT 1 FROM spool_lease WHERE expires > clock_timestamp())"
        " FROM spool_count",
    [PG_PAGE_ALL] = "SELECT e.seq, e.person, e.at, e.line, o.state, o.attempts, o.ambiguous,"
                    " o.reason FROM spool_event e LEFT JOIN spool_open o ON o.seq = e.seq"
                    " WHERE e.seq > $1::bigint ORDER BY e.seq LIMIT $2::bigint",
    [PG_PAGE_OPEN] =
        "SELECT e.seq, e.person, e.at, e.line, o.state, o.attempts, o.ambiguous,"
        " o.reason FROM spool_open o JOIN spool_event e ON e.seq = o.seq"
        " WHERE o.seq > $1::bigint AND o.state = ANY($3::int2[]) ORDER BY o.seq LIMIT $2::bigint",
    [PG_PAGE_EXCEPT] = "SELECT e.seq, e.person, e.at, e.line, o.state, o.attempts, o.ambiguous,"
                       " o.reason FROM spool_open o JOIN spool_event e ON e.seq = o.seq"
                       " WHERE o.seq > $1::bigint AND o.state <> 0 AND o.state = ANY($3::int2[])"
                       " ORDER BY o.seq LIMIT $2::bigint",
    [PG_PAGE_ID] = "SELECT e.seq, e.person, e.at, e.line, o.state, o.attempts, o.ambiguous,"
                   " o.reason FROM spool_id i JOIN spool_event e ON e.seq = i.seq"
                   " LEFT JOIN spool_open o ON o.seq = e.seq WHERE i.id = $1::uuid",
    [PG_FIND] = "SELECT u.n, o.state FROM unnest($1::uuid[]) WITH ORDINALITY AS u(id, n)"
                " JOIN spool_id i USING (id) LEFT JOIN spool_open o USING (seq)",

    [PG_CHANGE_LOCK] = "SELECT pg_advisory_xact_lock($1::int, $2::int)",
    [PG_RETRY_OPEN] =
        "WITH old AS MATERIALIZED (SELECT seq, state FROM spool_open WHERE seq = ANY($1::bigint[])"
        " AND state <> 0 AND lease IS NULL AND state = ANY($2::int2[]) ORDER BY seq FOR UPDATE)"
        " UPDATE spool_open o SET state = 5, due = $3::bigint, since = $3::bigint, reason = "
        "$4::bytea FROM old"
        " WHERE o.seq = old.seq RETURNING o.person, old.state, o.state",
    [PG_RETRY_DELIVERED] = "INSERT INTO spool_open(seq, day, due, since, state, person, reason) "
                           "SELECT seq, day, $2::bigint,"
                           " $2::bigint, 5, person, $3::bytea FROM spool_event e WHERE seq = "
                           "ANY($1::bigint[]) AND NOT EXISTS"
                           " (SELECT 1 FROM spool_open o WHERE o.seq = e.seq) ORDER BY seq"
                           " ON CONFLICT DO NOTHING RETURNING seq",
    [PG_SKIP] =
        "WITH old AS MATERIALIZED (SELECT seq, state FROM spool_open WHERE seq = ANY($1::bigint[])"
        " AND state NOT IN (0, 3) AND lease IS NULL AND state = ANY($2::int2[]) ORDER BY seq"
        " FOR UPDATE)"
        " UPDATE spool_open o SET state = 3, due = NULL, since = $3::bigint, reason = $4::bytea "
        "FROM old"
        " WHERE o.seq = old.seq RETURNING o.person, old.state, o.state",
    /* x: in which state it was; NULL: delivered. */
    [PG_ERASE] =
        "WITH x AS MATERIALIZED (SELECT e.seq, o.state FROM spool_event e LEFT JOIN spool_open o"
        " ON o.seq = e.seq WHERE e.seq = ANY($1::bigint[]) AND (o.lease IS NULL OR o.state = 0)"
        " AND (CASE WHEN o.seq IS NULL THEN $3::bool ELSE o.state = ANY($2::int2[]) END)"
        " ORDER BY e.seq FOR UPDATE OF e),"
        " p AS (DELETE FROM spool_open o USING x WHERE o.seq = x.seq RETURNING o.seq)"
        " DELETE FROM spool_event e USING x WHERE e.seq = x.seq"
        " RETURNING e.person, x.state, e.day, octet_length(e.line)",
    [PG_ERASE_DAYS] = "UPDATE spool_day d SET erased = erased + t.n FROM (SELECT day, count(*) AS n"
                      " FROM unnest($1::bigint[]) AS day GROUP BY day) t WHERE d.id = t.day",
    [PG_ACTION_ADD] = "INSERT INTO spool_action(at, count, who, what, reason) VALUES ($1::bigint, "
                      "$2::bigint, $3::bytea,"
                      " $4::bytea, $5::bytea) RETURNING id",
    [PG_ACTION_COUNT] = "UPDATE spool_action SET count = count + $2::bigint WHERE id = $1::bigint",
    [PG_ACTIONS] = "SELECT id, at, count, who, what, reason FROM spool_action WHERE id > $1::bigint"
                   " ORDER BY id LIMIT 1000",
    [PG_DAYS] =
        "SELECT d.device, d.day, d.received, d.duplicates, d.erased, d.serials, d.first_serial,"
        " d.last_serial, d.last_put, coalesce(o.waiting, 0), coalesce(o.held, 0),"
        " coalesce(o.dead, 0), coalesce(o.skipped, 0) FROM (SELECT * FROM spool_day"
        " WHERE ($1::bytea IS NULL OR (device, day) > ($1, $2::bytea)) AND device >= $3::bytea"
        " AND ($4::bool OR device = $3::bytea) AND day >= $5::bytea AND ($6::bytea IS NULL OR day "
        "<= $6::bytea)"
        " ORDER BY device, day LIMIT $7::bigint) d LEFT JOIN (SELECT day,"
        " count(*) FILTER (WHERE state IN (0, 4, 5)) AS waiting,"
        " count(*) FILTER (WHERE state = 1) AS held, count(*) FILTER (WHERE state = 2) AS dead,"
        " count(*) FILTER (WHERE state = 3) AS skipped FROM spool_open GROUP BY day) o"
        " ON o.day = d.id ORDER BY d.device, d.day",
    [PG_DEVICES] = "SELECT device, max(last_put), (array_agg(day ORDER BY day DESC))[1] FROM "
                   "spool_day WHERE device > $1::bytea"
                   " GROUP BY device ORDER BY device LIMIT 1000",
};

/* ---- making and recognising ---- */

/* From now on only names of this schema are found. */
static int use_schema(struct postgresql *s, const char *name, struct fault *why)
{
    char *quoted = PQescapeIdentifier(s->conn, name, strlen(name));
    struct buf text = {0};
    int rc = -1;

    if (quoted) {
        buf_printf(&text, "SET search_path = %s, pg_temp%c", quoted, '\0');
        rc = pg_text(s, text.data, why);
    } else {
        fault_set(why, EX_CONFIG, "%s: the schema has an impossible name", s->name);
    }
    PQfreemem(quoted);
    buf_free(&text);
    return rc;
}

static int check_version(struct postgresql *s, struct fault *why)
{
    PGresult *r = pg_text_ask(s, "SELECT version FROM spool_store", why);
    int version = 0;

    if (!r)
        return -1;
    if (PQntuples(r) == 1)
        version = (int)strtol(PQgetvalue(r, 0, 0), NULL, 10);
    PQclear(r);
    s->trouble = PG_FINAL;
    if (version < 1)
        return fault_set(why, EX_CONFIG,
            "%s: has a table spool_store of some other program: name another schema", s->name);
    if (version != SCHEMA_VERSION)
        return fault_set(why, EX_CONFIG,
            "%s: was written by a newer ts-spool (schema %d, this one knows %d): update this one",
            s->name, version, SCHEMA_VERSION);
    return 1;
}

int pg_recognise(struct postgresql *s, struct fault *why)
{
    PGresult *r = pg_text_ask(s,
        "SELECT n.nspname, c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n"
        " ON n.oid = c.relnamespace WHERE c.oid = to_regclass('spool_store')",
        why);
    int rc = 0;

    if (r && PQntuples(r) == 1) {
        s->lock = (int32_t)strtoul(PQgetvalue(r, 0, 1), NULL, 10);
        rc = use_schema(s, PQgetvalue(r, 0, 0), why);
        if (rc == 0)
            rc = check_version(s, why);
    }
    PQclear(r);
    return r ? rc : -1;
}

int pg_make_tables(struct postgresql *s, struct fault *why)
{
    char slots[120];
    int rc;

    snprintf(slots, sizeof slots, "INSERT INTO spool_count(slot) SELECT generate_series(0, %d)",
        SLOTS - 1);
    if (pg_text(s, "BEGIN; SELECT pg_advisory_xact_lock(" CREATE_LOCK ")", why) < 0)
        return -1;
    rc = pg_recognise(s, why); /* another one may have been faster */
    if (rc == 0 && (pg_text(s, schema, why) < 0 || pg_text(s, slots, why) < 0))
        rc = -1;
    if (rc < 0 || pg_text(s, "COMMIT", why) < 0)
        return -1;
    return pg_recognise(s, why);
}

/* SPDX-License-Identifier: MIT */
/*
 * The shared store: connections, statements, and what happens when the server goes away.
 *
 * Every wait has an end: connecting by connect_timeout, a statement by the deadline of its job, the
 * server's own waits by lock_timeout.  Messages carry the server's words but never the URL, whose
 * user part may hold a password.
 */
#include "postgresql.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "stop.h"

#define PAUSE_FIRST_MS 50
#define PAUSE_LAST_MS 2000
#define STOP_GRACE_MS 10000 /* for the server to answer, after SIGTERM */
#define LEAVE_MS 2000
#define LEASE_LEAST_S 6 /* longer than STORE_HEARTBEAT_MS */
#define LEASE_MOST_S 3600
#define SERVER_OLDEST 130000

/* ---- faults ---- */

/* By the first characters of the SQLSTATE, the longest match first. */
static const struct {
    const char *state;
    int status;
    enum pg_trouble trouble;
    const char *text; /* instead of the server's words */
} states[] = {
    {"25006", EX_CANTCREAT, PG_LOST, "the server is read-only"},
    {"25P03", EX_TEMPFAIL, PG_LOST, NULL},
    {"28", EX_NOPERM, PG_FINAL, NULL},
    {"3D", EX_NOINPUT, PG_FINAL, NULL},
    {"3F", EX_CONFIG, PG_FINAL, NULL},
    {"40", EX_TEMPFAIL, PG_AGAIN, NULL}, /* serialization, deadlock */
    {"42501", EX_NOPERM, PG_FINAL, NULL},
    {"42P01", EX_CONFIG, PG_FINAL, NULL},
    {"53100", EX_IOERR, PG_FINAL, "the disk of the server is full"},
    {"53300", EX_TEMPFAIL, PG_LOST, NULL}, /* too many connections */
    {"53", EX_TEMPFAIL, PG_AGAIN, NULL},
    {"55P03", EX_TEMPFAIL, PG_AGAIN, "other programs have kept it locked for 10 s"},
    {"57014", EX_TEMPFAIL, PG_AGAIN, NULL}, /* cancelled by an administrator */
    {"57", EX_TEMPFAIL, PG_LOST, NULL},     /* shutdown, crash, starting up */
    {"58", EX_IOERR, PG_FINAL, NULL},
    {"XX", EX_IOERR, PG_FINAL, NULL},
    {"08", EX_TEMPFAIL, PG_LOST, NULL},
};

static int result_fault(struct postgresql *s, const PGresult *r, struct fault *why)
{
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);

    s->trouble = PG_FINAL;
    s->full = state && strcmp(state, "53100") == 0;
    for (size_t i = 0; state && i < sizeof states / sizeof *states; i++)
        if (strncmp(state, states[i].state, strlen(states[i].state)) == 0) {
            s->trouble = states[i].trouble;
            return fault_set(why, states[i].status, "%s: %s", s->name,
                states[i].text ? states[i].text
                : text         ? text
                               : state);
        }
    return fault_set(why, EX_SOFTWARE, "%s: %s", s->name, text ? text : "no reason given");
}

/* Without the lines that libpq adds as advice. */
static void first_line(const char *text, char *out, size_t size)
{
    size_t n = text ? strcspn(text, "\n") : 0;

    snprintf(out, size, "%.*s", (int)(n < size ? n : size - 1), n > 0 ? text : "no reason given");
}

static void hang_up(struct postgresql *s)
{
    if (s->conn) /* without a connection there may be no library */
        PQfinish(s->conn);
    s->conn = NULL;
    s->answer_due = false;
    memset(s->prepared, 0, sizeof s->prepared);
}

static int lost_fault(struct postgresql *s, const char *what, struct fault *why)
{
    char text[200];

    first_line(s->conn ? PQerrorMessage(s->conn) : "", text, sizeof text);
    fault_set(why, EX_TEMPFAIL, "%s: %s: %s", s->name, what, text);
    s->trouble = PG_LOST;
    hang_up(s);
    return -1;
}

/* ---- waiting for answers ---- */

/* 1 when there is something to read or to write, 0 when it is time to give up. */
static int wait_for_socket(struct postgresql *s, bool write)
{
    struct pollfd fd = {.fd = PQsocket(s->conn), .events = POLLIN};
    int64_t left = s->deadline_ms - monotonic_ms();

    if (write)
        fd.events |= POLLOUT;
    if (stop_requested() && !s->stopping) {
        s->stopping = true;
        if (s->deadline_ms > monotonic_ms() + STOP_GRACE_MS)
            s->deadline_ms = monotonic_ms() + STOP_GRACE_MS;
    }
    if (left <= 0)
        return 0;
    return stop_wait(&fd, 1, left < 1000 ? (int)left : 1000, true) < 0 ? 0 : 1;
}

/* The answer to what was sent, of several the last; NULL when the connection is of no use. */
static PGresult *read_answer(struct postgresql *s, struct fault *why)
{
    PGresult *r, *last = NULL;
    int flush;

    do {
        while ((flush = PQflush(s->conn)) > 0 || PQisBusy(s->conn)) {
            if (!wait_for_socket(s, flush > 0)) {
                PQclear(last);
                lost_fault(s, "no answer in time", why);
                return NULL;
            }
            if (!PQconsumeInput(s->conn))
                break;
        }
        r = PQgetResult(s->conn);
        if (r) {
            PQclear(last);
            last = r;
        }
    } while (r && PQstatus(s->conn) == CONNECTION_OK);
    s->answer_due = false;
    if (PQstatus(s->conn) == CONNECTION_OK && last)
        return last;
    PQclear(last);
    lost_fault(s, "the connection broke", why);
    return NULL;
}

static PGresult *check_answer(struct postgresql *s, struct fault *why)
{
    PGresult *r = read_answer(s, why);
    ExecStatusType status = PQresultStatus(r);

    if (!r || status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
        return r;
    result_fault(s, r, why);
    if (s->trouble == PG_LOST)
        hang_up(s);
    PQclear(r);
    return NULL;
}

/* The answer that nobody waited for.  What went wrong with it shows in the next one. */
static int settle_answer(struct postgresql *s, struct fault *why)
{
    PGresult *r;

    if (!s->conn)
        return lost_fault(s, "not connected", why);
    if (!s->answer_due)
        return 0;
    r = read_answer(s, why);
    PQclear(r);
    return r ? 0 : -1;
}

/* A statement as text, with results as text. */
PGresult *pg_text_ask(struct postgresql *s, const char *text, struct fault *why)
{
    if (settle_answer(s, why) < 0)
        return NULL;
    if (!PQsendQuery(s->conn, text)) {
        lost_fault(s, "cannot send", why);
        return NULL;
    }
    return check_answer(s, why);
}

int pg_text(struct postgresql *s, const char *text, struct fault *why)
{
    PGresult *r = pg_text_ask(s, text, why);

    PQclear(r);
    return r ? 0 : -1;
}

/* ---- statements ---- */

struct pg_params *pg_params(struct postgresql *s)
{
    s->params.bytes.len = 0;
    s->params.count = 0;
    return &s->params;
}

static int prepare(struct postgresql *s, enum pg_query q, const char *name, struct fault *why)
{
    PGresult *r;

    if (s->prepared[q])
        return 0;
    if (!PQsendPrepare(s->conn, name, pg_sql[q], 0, NULL))
        return lost_fault(s, "cannot send", why);
    r = check_answer(s, why);
    s->prepared[q] = r != NULL;
    PQclear(r);
    return r ? 0 : -1;
}

static int send_query(struct postgresql *s, enum pg_query q, struct fault *why)
{
    const struct pg_params *p = &s->params;
    const char *values[PG_PARAMS_MAX];
    int formats[PG_PARAMS_MAX];
    char name[16];

    snprintf(name, sizeof name, "q%d", (int)q);
    if (settle_answer(s, why) < 0 || prepare(s, q, name, why) < 0)
        return -1;
    for (int i = 0; i < p->count; i++) {
        values[i] = p->null[i] ? NULL : p->bytes.data ? p->bytes.data + p->at[i] : "";
        formats[i] = 1;
    }
    if (!PQsendQueryPrepared(s->conn, name, p->count, values, p->lengths, formats, 1))
        return lost_fault(s, "cannot send", why);
    return 0;
}

PGresult *pg_ask(struct postgresql *s, enum pg_query q, struct fault *why)
{
    return send_query(s, q, why) < 0 ? NULL : check_answer(s, why);
}

int pg_run(struct postgresql *s, enum pg_query q, struct fault *why)
{
    PGresult *r = pg_ask(s, q, why);

    PQclear(r);
    return r ? 0 : -1;
}

void pg_send(struct postgresql *s, enum pg_query q)
{
    struct fault ignored;

    pg_params(s);
    if (send_query(s, q, &ignored) < 0)
        return;
    PQflush(s->conn);
    s->answer_due = true;
}

/* ---- connecting ---- */

/* A commit whose wait for the standbys was broken off counts as done, says the server: for us it is
   not, until a later one has reached them. */
static void on_notice(void *arg, const PGresult *r)
{
    struct postgresql *s = arg;
    const char *function = PQresultErrorField(r, PG_DIAG_SOURCE_FUNCTION);

    if (function && strcmp(function, "SyncRepWaitForLSN") == 0)
        s->uncertain = true;
}

/* That the server answers but is a standby, or forbids writing, is worth knowing. */
static bool only_reads(struct postgresql *s)
{
    PGconn *conn;
    bool answers = false;

    for (size_t i = 0; s->keywords[i]; i++)
        if (strcmp(s->keywords[i], "target_session_attrs") == 0 &&
            strcmp(s->values[i], "any") != 0) {
            char *wanted = s->values[i];

            s->values[i] = (char[]){"any"};
            conn = PQconnectdbParams(
                (const char *const *)s->keywords, (const char *const *)s->values, 0);
            answers = PQstatus(conn) == CONNECTION_OK;
            PQfinish(conn);
            s->values[i] = wanted;
        }
    return answers;
}

static int connect_fault(struct postgresql *s, struct fault *why)
{
    bool password = PQconnectionNeedsPassword(s->conn) || PQconnectionUsedPassword(s->conn);
    char text[250];

    first_line(PQerrorMessage(s->conn), text, sizeof text);
    hang_up(s);
    s->trouble = PG_LOST;
    if (password)
        return fault_set(why, EX_NOPERM, "%s: %s", s->name, text);
    if (s->greeted)
        return fault_set(why, EX_TEMPFAIL, "%s: %s", s->name, text);
    if (only_reads(s))
        return fault_set(
            why, EX_CANTCREAT, "%s: cannot write: every server is read-only: %s", s->name, text);
    return fault_set(why, EX_UNAVAILABLE, "%s: %s", s->name, text);
}

/* Settings of the session, whatever the server, the database or the role has; unknown ones of later
   versions are left out.  Plans: tables that were small when a statement was planned grow, so it
   has to go along the indexes from the beginning. */
static const char settings[] =
    "SELECT set_config(name, v, false) FROM (VALUES ('statement_timeout', '0'),"
    " ('lock_timeout', '10s'), ('idle_in_transaction_session_timeout', '20s'),"
    " ('idle_session_timeout', '0'), ('client_connection_check_interval', '5s'),"
    " ('default_transaction_isolation', 'read committed'), ('client_min_messages', 'warning'),"
    " ('client_encoding', 'UTF8'), ('jit', 'off'), ('enable_seqscan', 'off'),"
    " ('enable_bitmapscan', 'off'), ('plan_cache_mode', 'force_generic_plan'),"
    " ('synchronous_commit', CASE WHEN current_setting('synchronous_commit') = 'remote_apply'"
    " THEN 'remote_apply' ELSE 'on' END)) AS t(name, v) JOIN pg_catalog.pg_settings USING (name)";

/* All that a drain asks is found by an index, row by row. */
static const char drain_only[] = "SET enable_hashjoin = off; SET enable_mergejoin = off";

static const char read_only[] = "SET default_transaction_read_only = on";

static const char facts[] =
    "SELECT current_setting('synchronous_commit'), current_setting('fsync'),"
    " current_setting('server_version_num'), current_setting('ts_spool.lease_s', true)";

static bool is_drain(const struct postgresql *s)
{
    return s->use == STORE_DRAIN || s->use == STORE_FOLLOW;
}

static int check_facts(struct postgresql *s, struct fault *why)
{
    PGresult *r = pg_text_ask(s, facts, why);
    const char *commit, *lease;
    int rc = -1;

    if (!r)
        return -1;
    s->trouble = PG_FINAL;
    commit = PQgetvalue(r, 0, 0);
    lease = PQgetvalue(r, 0, 3);
    if (strcmp(commit, "on") != 0 && strcmp(commit, "remote_apply") != 0)
        fault_set(why, EX_CONFIG,
            "%s: synchronous_commit is %s and cannot be set: receipts would not hold", s->name,
            commit);
    else if (strcmp(PQgetvalue(r, 0, 1), "on") != 0)
        fault_set(why, EX_CONFIG,
            "%s: the server has fsync off: receipts would not hold when it loses power", s->name);
    else if (strtol(PQgetvalue(r, 0, 2), NULL, 10) < SERVER_OLDEST)
        fault_set(why, EX_CONFIG, "%s: the server is older than PostgreSQL 13", s->name);
    else
        rc = 0;
    s->lease_s = *lease ? (int)strtol(lease, NULL, 10) : 30;
    if (s->lease_s < LEASE_LEAST_S)
        s->lease_s = LEASE_LEAST_S;
    if (s->lease_s > LEASE_MOST_S)
        s->lease_s = LEASE_MOST_S;
    PQclear(r);
    return rc;
}

/* Many drains, or one that erases, and none of the two beside the other.  The lock lives as long as
   the session. */
static int lock_drains(struct postgresql *s, struct fault *why)
{
    char text[120];
    PGresult *r;
    bool got;

    snprintf(text, sizeof text, "SELECT pg_try_advisory_lock%s(%d, %d)",
        is_drain(s) ? "_shared" : "", s->lock, LOCK_DRAINS);
    r = pg_text_ask(s, text, why);
    if (!r)
        return -1;
    got = *PQgetvalue(r, 0, 0) == 't';
    PQclear(r);
    if (got)
        return is_drain(s) ? pg_text(s, "LISTEN ts_spool", why) : 0;
    s->trouble = is_drain(s) ? PG_AGAIN : PG_FINAL;
    return fault_set(why, EX_TEMPFAIL, "%s: %s", s->name,
        is_drain(s) ? "events are being erased from it" : "a drain is at work on it");
}

static int begin_session(struct postgresql *s, struct fault *why)
{
    bool make = s->use == STORE_PUT || s->use == STORE_FOLLOW;
    int rc;

    if (pg_text(s, settings, why) < 0 || check_facts(s, why) < 0 ||
        (s->use == STORE_READ && pg_text(s, read_only, why) < 0) ||
        (is_drain(s) && pg_text(s, drain_only, why) < 0))
        return -1;
    rc = pg_recognise(s, why);
    if (rc == 0 && make)
        rc = pg_make_tables(s, why);
    if (rc < 0)
        return -1;
    if (rc == 0) {
        s->trouble = PG_FINAL;
        return fault_set(
            why, EX_NOINPUT, "%s: has no spool: nothing was ever put into it", s->name);
    }
    return is_drain(s) || s->use == STORE_ERASE ? lock_drains(s, why) : 0;
}

static int dial(struct postgresql *s, struct fault *why)
{
    hang_up(s);
    s->conn =
        PQconnectdbParams((const char *const *)s->keywords, (const char *const *)s->values, 0);
    if (!s->conn) {
        s->trouble = PG_FINAL;
        return fault_set(why, EX_OSERR, "%s: no memory for a connection", s->name);
    }
    if (PQstatus(s->conn) != CONNECTION_OK)
        return connect_fault(s, why);
    s->greeted = true;
    PQsetNoticeReceiver(s->conn, on_notice, s);
    PQsetnonblocking(s->conn, 1);
    s->slot = (int32_t)((unsigned)PQbackendPID(s->conn) % SLOTS);
    if (begin_session(s, why) == 0)
        return 0;
    if (s->conn)
        hang_up(s);
    return -1;
}

/* ---- jobs ---- */

static int try_once(struct postgresql *s, const struct pg_job *job, struct fault *why)
{
    PGresult *r;
    bool done;

    s->trouble = PG_FINAL; /* of faults that are not the server's */
    s->uncertain = false;
    if (!s->conn && dial(s, why) < 0)
        return -1;
    if (!job->transaction)
        return job->work(s, job->arg, why);
    pg_params(s);
    if (pg_run(s, PG_BEGIN, why) < 0)
        return -1;
    s->trouble = PG_FINAL;
    if (job->work(s, job->arg, why) < 0)
        return -1;
    pg_params(s);
    r = pg_ask(s, PG_COMMIT, why);
    if (!r)
        return -1;
    done = strcmp(PQcmdStatus(r), "COMMIT") == 0;
    PQclear(r);
    return done ? 0 : fault_set(why, EX_SOFTWARE, "%s: the commit was refused", s->name);
}

static void roll_back(struct postgresql *s)
{
    enum pg_trouble trouble = s->trouble;
    struct fault ignored;

    if (s->conn && PQtransactionStatus(s->conn) != PQTRANS_IDLE) {
        pg_params(s);
        pg_run(s, PG_ROLLBACK, &ignored);
    }
    s->trouble = trouble;
}

/* False when it is time to give up. */
static bool pause_before(struct postgresql *s, int *pause_ms)
{
    int64_t left = s->deadline_ms - monotonic_ms();

    if (left <= 0 || stop_requested())
        return false;
    stop_wait(NULL, 0, *pause_ms < left ? *pause_ms : (int)left, false);
    *pause_ms = *pause_ms * 2 < PAUSE_LAST_MS ? *pause_ms * 2 : PAUSE_LAST_MS;
    return true;
}

/* A store that was never reached may have a wrong name: that is told at once. */
static bool worth_it(const struct postgresql *s, const struct fault *why)
{
    return s->opened || (s->greeted && why->status == EX_TEMPFAIL);
}

int pg_do(struct postgresql *s, const struct pg_job *job, struct fault *why)
{
    int pause_ms = PAUSE_FIRST_MS;

    s->deadline_ms = monotonic_ms() + RETRY_MS;
    s->stopping = false;
    for (s->lost = false;; s->lost = true) {
        if (try_once(s, job, why) == 0) {
            if (!s->uncertain)
                return 0;
            fault_set(why, EX_TEMPFAIL, "%s: the standbys do not confirm", s->name);
            s->trouble = PG_AGAIN;
        }
        roll_back(s);
        if (s->trouble == PG_FINAL || !worth_it(s, why) || !pause_before(s, &pause_ms))
            return -1;
    }
}

/* ---- opening ---- */

static char *copy_text(const char *text)
{
    return mem_text(slice_of(text));
}

/* Hosts and database, for messages. */
static char *label_of(const PQconninfoOption *options)
{
    const char *host = NULL, *database = NULL;
    struct buf name = {0};

    for (const PQconninfoOption *o = options; o->keyword; o++) {
        if (strcmp(o->keyword, "host") == 0)
            host = o->val;
        if (strcmp(o->keyword, "dbname") == 0)
            database = o->val;
    }
    buf_printf(
        &name, "postgresql://%.100s/%.60s%c", host ? host : "", database ? database : "", '\0');
    return name.data;
}

static const struct {
    const char *keyword, *value;
} defaults[] = {
    {"connect_timeout", "10"},
    {"keepalives_idle", "10"},
    {"keepalives_interval", "5"},
    {"keepalives_count", "3"},
    {"tcp_user_timeout", "20000"},
    {"target_session_attrs", "read-write"},
    {"fallback_application_name", "ts-spool"},
};

#define DEFAULTS (sizeof defaults / sizeof *defaults)

static void keep_option(struct postgresql *s, size_t *n, const char *keyword, const char *value)
{
    for (size_t i = 0; i < *n; i++)
        if (strcmp(s->keywords[i], keyword) == 0)
            return;
    s->keywords[*n] = copy_text(keyword);
    s->values[(*n)++] = copy_text(value);
}

/* libpq's words on a URL that it does not understand may quote the password. */
static int parse_url(struct postgresql *s, const char *url, struct fault *why)
{
    char *ignored = NULL;
    PQconninfoOption *options = PQconninfoParse(url, &ignored);
    size_t count = 0, n = 0;

    PQfreemem(ignored);
    if (!options)
        return fault_set(why, EX_USAGE,
            "postgresql://…: the URL is not understood: percent-encode what is special in user, "
            "password and options, or leave them to ~/.pgpass and PGOPTIONS");
    while (options[count].keyword)
        count++;
    s->keywords = mem_alloc((count + DEFAULTS + 1) * sizeof(char *));
    s->values = mem_alloc((count + DEFAULTS + 1) * sizeof(char *));
    for (size_t i = 0; i < count; i++)
        if (options[i].val)
            keep_option(s, &n, options[i].keyword, options[i].val);
    for (size_t i = 0; i < DEFAULTS; i++)
        keep_option(s, &n, defaults[i].keyword, defaults[i].value);
    s->keywords[n] = s->values[n] = NULL;
    s->name = label_of(options);
    PQconninfoFree(options);
    return 0;
}

static void close_store(struct store *store)
{
    struct postgresql *s = (struct postgresql *)store;

    s->deadline_ms = monotonic_ms() + LEAVE_MS;
    if (s->conn && s->lease_count > 0)
        pg_leave(s);
    hang_up(s);
    for (size_t i = 0; s->keywords && s->keywords[i]; i++) {
        free(s->keywords[i]);
        explicit_bzero(s->values[i], strlen(s->values[i]));
        free(s->values[i]);
    }
    free(s->keywords);
    free(s->values);
    free(s->name);
    free(s->leases);
    buf_free(&s->params.bytes);
    pg_took_free(s);
    free(s);
}

static int nothing(struct postgresql *s, void *arg, struct fault *why)
{
    (void)s;
    (void)arg;
    (void)why;
    return 0;
}

static struct store *open_store(const char *url, enum store_use use, struct fault *why)
{
    struct postgresql *s = mem_alloc(sizeof *s);
    struct pg_job connect = {.work = nothing};

    *s = (struct postgresql){.base.engine = &engine_postgresql, .use = use, .line_bytes = 400};
    if (libpq_load(why) == 0 && parse_url(s, url, why) == 0 && pg_do(s, &connect, why) == 0) {
        s->opened = true;
        return &s->base;
    }
    close_store(&s->base);
    return NULL;
}

const struct engine engine_postgresql = {
    .name = "postgresql",
    .open = open_store,
    .close = close_store,
    .limit = pg_limit,
    .put = pg_put,
    .drain_begin = pg_drain_begin,
    .exchange = pg_exchange,
    .drain_end = pg_drain_end,
    .wake_held = pg_wake_held,
    .watch = pg_watch,
    .heard = pg_heard,
    .stat = pg_stat,
    .page = pg_page,
    .find = pg_find,
    .change = pg_change,
    .audit = pg_audit,
    .devices = pg_devices,
    .actions = pg_actions,
    .backup = pg_backup,
    .note_get = pg_note_get,
    .note_set = pg_note_set,
};

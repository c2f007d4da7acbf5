/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the PostgreSQL engine share; they alone know libpq-fe.h.  postgresql.c opens
 * and speaks, postgresql_schema.c has the tables and the statements, postgresql_put.c stores,
 * postgresql_drain.c and _take.c settle and hand out, postgresql_admin.c reads and changes by hand,
 * postgresql_param.c writes parameters, postgresql_library.c loads libpq.
 *
 *   spool_id      one row an event, for ever: its id and arrival number
 *   spool_event   one row an event until purge: person, time of put, line; never updated
 *   spool_open    one row an event that is not delivered: what the queue works on
 *   spool_lease   one row a drain at work
 *   spool_day     counters of a device and day
 *   spool_count   counters of the store, in slots so that writers do not wait for each other
 *   spool_mark    what stat shows beside, and notes;  spool_action  changes by hand
 *   spool_store   the version of all this
 *
 * spool_open.lease says at which drain an event is out, spool_open.take by which of its exchanges.
 * due is as in sqlite.h, but keeps its value while the event is out.  An event of state OPEN_FRESH
 * has no due; it is looked for by its arrival number, along an index of just these.
 *
 * Order.  put takes a lock for each bucket of persons in its batch before it draws arrival numbers,
 * and keeps it until its commit: of one person's events the lower number is always visible first.
 * Other numbers may become visible late: no drain remembers a number below which it does not look,
 * for longer than a second.  A drain first marks events as its own (SKIP LOCKED: nobody waits),
 * then looks whether something of the same person stands before them that is not its own, and puts
 * these back in the same transaction.  So a person's events are out at one drain at a time, in
 * order.
 *
 * Leases.  A drain renews its row of spool_lease in every exchange; whoever finds one that is past
 * its time puts back what was out there, as ambiguous, and removes it.  A drain that slept through
 * that takes a new lease.  Answers settle by lease: those of events that went on are without
 * effect.
 *
 * A commit without an answer.  Both put and exchange do the whole again on a new connection: put
 * knows its own rows by the number of the batch, an exchange undoes what it marked and never gave
 * out.  The repetition writes, so its commit also waits for the standbys that the first one had not
 * waited for.
 */
#ifndef TS_SPOOL_POSTGRESQL_H
#define TS_SPOOL_POSTGRESQL_H

#include "../store.h"
#include "buf.h"
#include "postgresql_library.h"

/* spool_open.state; those of exceptions are as in sqlite.h. */
enum { OPEN_FRESH, OPEN_HELD, OPEN_DEAD, OPEN_SKIPPED, OPEN_DEFERRED, OPEN_RETRY, OPEN_STATES };

#define SLOTS 16       /* rows of spool_count */
#define BUCKETS 64     /* of persons */
#define SEQ_BITS 48    /* of a token; above them stands which of our leases it was */
#define RETRY_MS 60000 /* how long a lost server is looked for */

/* Second key of the advisory locks; the first is the store's own. */
enum { LOCK_CHANGE = 1, LOCK_DRAINS = 2, LOCK_BUCKETS = 100 };

enum pg_query {
    PG_DISCARD,
    PG_BEGIN,
    PG_COMMIT,
    PG_ROLLBACK,
    PG_PUT,
    PG_MINE,
    PG_NOTIFY,
    PG_SIZE,
    PG_MARK_SET,
    PG_MARK_GET,
    PG_LEASE_NEW,
    PG_LEASE_RENEW,
    PG_LEASE_END,
    PG_LEASE_EXPIRED,
    PG_LEASE_DROP,
    PG_REAP,
    PG_UNTAKE,
    PG_SETTLE_DELIVERED,
    PG_SETTLE_OTHER,
    PG_PROMOTE,
    PG_LOOK,
    PG_BRING_NEAR,
    PG_TAKE_DUE,
    PG_TAKE_HELD,
    PG_TAKE_FRESH,
    PG_OBSTACLES,
    PG_LOCK,
    PG_REFUSE,
    PG_COUNT,
    PG_WAKE_ALL,
    PG_LAST_SEQ,
    PG_LEFT,
    PG_STAT,
    PG_PAGE_ALL,
    PG_PAGE_OPEN,
    PG_PAGE_EXCEPT,
    PG_PAGE_ID,
    PG_FIND,
    PG_CHANGE_LOCK,
    PG_RETRY_OPEN,
    PG_RETRY_DELIVERED,
    PG_SKIP,
    PG_ERASE,
    PG_ERASE_DAYS,
    PG_ACTION_ADD,
    PG_ACTION_COUNT,
    PG_ACTIONS,
    PG_DAYS,
    PG_DEVICES,
    PG_QUERIES,
};

extern const char *const pg_sql[PG_QUERIES];

/* The counters that drains and changes by hand move; their order is that of PG_COUNT. */
enum pg_counter {
    COUNT_DELIVERED,
    COUNT_KNOWN,
    COUNT_HELD,
    COUNT_DEAD,
    COUNT_SKIPPED,
    COUNT_ERASED,
    COUNT_PURGED,
    COUNT_BYTES,
    PG_COUNTERS,
};

/* Parameters of a statement, all in binary form. */
#define PG_PARAMS_MAX 16
struct pg_params {
    struct buf bytes;
    int count, lengths[PG_PARAMS_MAX];
    size_t at[PG_PARAMS_MAX];
    bool null[PG_PARAMS_MAX];
};

/* What the failure of a statement means for its transaction. */
enum pg_trouble {
    PG_FINAL, /* no use to try again */
    PG_AGAIN, /* try again on this connection */
    PG_LOST,  /* try again on a new one; a commit may have been done */
};

struct postgresql {
    struct store base;
    char *name;                /* for messages: no user, no password */
    char **keywords, **values; /* of the connection; NULL at their ends */
    enum store_use use;
    PGconn *conn;
    bool prepared[PG_QUERIES];
    bool answer_due;      /* a statement was sent whose answer is not read yet */
    bool uncertain;       /* the server said that a commit is not on the standbys */
    bool lost;            /* the work that is tried is not at its first try */
    bool greeted, opened; /* a server was there once; the store is open */
    bool stopping;
    bool full;               /* the last fault was a full disk of the server */
    enum pg_trouble trouble; /* of the last fault */
    int64_t deadline_ms;     /* of the job, by the clock that never steps back */
    int32_t lock;            /* first key of the advisory locks */
    int32_t slot;
    struct pg_params params;

    int64_t limit, limit_written;
    uint64_t batch; /* number of the next batch of this process */

    int64_t *leases; /* that were ours, the last one is; owned */
    size_t lease_count;
    int64_t lease_s, renewed_ms, reaped_ms, planned_ms;
    int32_t take; /* of the last exchange */
    int64_t from; /* no fresh event below, as far as known; 0 every second */
    int64_t from_ms;
    int64_t held_from, held_last, held_ms; /* as for SQLite */
    int64_t failing[2];
    int64_t delta[PG_COUNTERS];
    size_t line_bytes;    /* of a line, about */
    int64_t out;          /* events handed out by this process and not answered */
    struct pg_took *took; /* what this exchange took, in the order of handing out; owned */
    size_t took_count, took_cap;
    PGresult **results; /* that hold its lines; owned */
    size_t result_count, result_cap;
};

/* ---- postgresql.c ---- */

/* Empties s->params and returns them. */
struct pg_params *pg_params(struct postgresql *s);

/* Runs a statement with s->params; the result is for PQclear.  NULL, *why and s->trouble. */
PGresult *pg_ask(struct postgresql *s, enum pg_query q, struct fault *why);

/* The same where no row is wanted. */
int pg_run(struct postgresql *s, enum pg_query q, struct fault *why);

/* Sends a statement whose answer nobody waits for. */
void pg_send(struct postgresql *s, enum pg_query q);

/* Statements as text, for opening; results are text, too. */
PGresult *pg_text_ask(struct postgresql *s, const char *text, struct fault *why);
int pg_text(struct postgresql *s, const char *text, struct fault *why);

/* Runs work, between BEGIN and COMMIT if transaction is set, until it succeeds, fails for good, or
   the server has been away for RETRY_MS.  s->lost tells work that it ran before. */
struct pg_job {
    int (*work)(struct postgresql *s, void *arg, struct fault *why);
    void *arg;
    bool transaction;
};
int pg_do(struct postgresql *s, const struct pg_job *job, struct fault *why);

/* ---- postgresql_schema.c ---- */

/* 1: the tables are there, in a version that we know; 0: there are none; -1. */
int pg_recognise(struct postgresql *s, struct fault *why);
int pg_make_tables(struct postgresql *s, struct fault *why);

/* ---- postgresql_param.c ---- */

void pg_int8(struct pg_params *p, int64_t value);
void pg_int4(struct pg_params *p, int32_t value);
void pg_bool(struct pg_params *p, bool value);
void pg_null(struct pg_params *p);
void pg_bytes(struct pg_params *p, struct slice bytes); /* SLICE_NONE is NULL */

enum pg_type { PG_BOOL, PG_INT2, PG_INT4, PG_INT8, PG_BYTEA, PG_UUID };

/* An array: begin, then its elements. */
void pg_array(struct pg_params *p, enum pg_type type, size_t count);
void pg_put_int(struct pg_params *p, enum pg_type type, int64_t value);
void pg_put_bytes(struct pg_params *p, struct slice bytes);
void pg_put_null(struct pg_params *p);

/* Values of a result: integers and booleans of any width; NULL is `none`, or SLICE_NONE. */
int64_t pg_get(const PGresult *r, int row, int column, int64_t none);
struct slice pg_get_bytes(const PGresult *r, int row, int column);

/* ---- postgresql_put.c ---- */

void pg_limit(struct store *store, int64_t bytes);
int pg_mark_set(struct postgresql *s, const char *key, int64_t value, struct fault *why);

int pg_put(
    struct store *store, struct record *records, size_t count, int64_t now_ms, struct fault *why);

/* ---- postgresql_drain.c ---- */

int pg_drain_begin(struct store *store, int64_t now_ms, struct fault *why);
int pg_exchange(struct store *store, struct exchange *x, struct fault *why);
int pg_drain_end(struct store *store, bool *left, struct fault *why);
int pg_wake_held(struct store *store, int64_t now_ms, struct fault *why);
int pg_watch(struct store *store);
void pg_heard(struct store *store);

/* The orderly or sudden end of our leases: others need not wait for their time. */
void pg_leave(struct postgresql *s);

static inline int64_t pg_lease_now(const struct postgresql *s)
{
    return s->lease_count > 0 ? s->leases[s->lease_count - 1] : 0;
}

/* Adds delta to the counters of the store, if there is any. */
int pg_count(struct postgresql *s, int64_t delivered_ms, struct fault *why);

/* Moves the counter of a state by so many. */
void pg_count_state(struct postgresql *s, int64_t state, int64_t by);

/* After events of these persons became final (column `person` of r): what is behind becomes due. */
int pg_promote(
    struct postgresql *s, const PGresult *r, int person, int64_t now_ms, struct fault *why);

/* ---- postgresql_take.c ---- */

/* What there is to hand out. */
struct pg_view {
    int64_t fresh;  /* the first fresh event; 0: none */
    int64_t due_ms; /* when the next of the others is due; 0: none */
    bool far;       /* something waits for longer than anything ever does */
    bool held;      /* some held event is to be tried before its time */
};
int pg_look(struct postgresql *s, int64_t now_ms, struct pg_view *view, struct fault *why);

/* Marks events as out here and puts back those that have to wait; *moved: anything changed. */
int pg_take(struct postgresql *s, struct exchange *x, const struct pg_view *v, bool *moved,
    struct fault *why);

/* After the commit. */
void pg_give(struct postgresql *s, struct exchange *x);
void pg_took_clear(struct postgresql *s);
void pg_took_free(struct postgresql *s);

/* ---- postgresql_admin.c ---- */

int pg_stat(struct store *store, struct store_stat *stat, struct fault *why);
int pg_page(struct store *store, struct page *page, struct fault *why);
int pg_find(struct store *store, struct found *found, size_t count, struct fault *why);
int pg_change(struct store *store, struct action *action, const uint64_t *seq, size_t count,
    int64_t now_ms, struct fault *why);
int pg_audit(struct store *store, const struct audit *audit, struct fault *why);
int pg_devices(struct store *store, int (*row)(void *arg, const struct device_seen *device),
    void *arg, struct fault *why);
int pg_actions(struct store *store, int64_t after,
    int (*row)(void *arg, const struct action_row *action), void *arg, struct fault *why);
int pg_backup(struct store *store, const char *to, struct fault *why);
int pg_note_get(struct store *store, const char *key, int64_t *value, struct fault *why);
int pg_note_set(struct store *store, const char *key, int64_t value, struct fault *why);

#endif

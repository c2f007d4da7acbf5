/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the SQLite engine share; the only place that knows sqlite3.h.  sqlite.c opens
 * the file, sqlite_check.c and sqlite_schema.c say whether it is ours and make it, sqlite_put.c
 * stores, sqlite_day.c counts by device and day, sqlite_drain.c hands out and settles,
 * sqlite_admin.c reads and makes changes by hand, sqlite_audit.c audits, sqlite_backup.c copies.
 *
 *   id         one row an event, for ever: 16 octets and the arrival number
 *   event      one row an event until purge: person, time of put, line
 *   exception  one row an event that is neither fresh nor delivered
 *   done       ranges of arrival numbers that are settled above the floor
 *   meta       counters and marks
 *   action     changes by hand
 *   day        one row a device and day, with counters; event.day says which
 *   note       marks of subcommands
 *
 * The state of an event: its exception row says it; without one it is delivered below the floor and
 * inside done, and waiting (fresh, or out if not above `handed`) otherwise.  So a delivered event
 * costs no row of its own.
 *
 * exception.due: -1 handed out, an instant in ms, or NULL: behind an earlier event of the person,
 * or final.  exception.person is NULL in final rows, so that its index holds those in the way
 * alone.  Of the rows of one person that are not final the lowest always has a due.
 *
 * What is out of one person was handed out in rising order, and after an answer that is not final
 * nothing more is, until all of it is answered: so a command that keeps the order of its input, and
 * defers what is behind, keeps everybody's order.
 */
#ifndef TS_SPOOL_SQLITE_H
#define TS_SPOOL_SQLITE_H

#include <sqlite3.h>

#include "../flights.h"
#include "../ranges.h"
#include "../store.h"

enum { EX_HELD = 1, EX_DEAD, EX_SKIPPED, EX_DEFERRED, EX_RETRY }; /* exception.state, on disk */

#define DUE_OUT (-1)

enum meta {
    META_STORED, /* the last arrival number */
    META_DUPLICATES,
    META_DELIVERED,
    META_KNOWN,
    META_HELD,
    META_DEAD,
    META_SKIPPED,
    META_ERASED,
    META_PURGED,
    META_LAST_PUT,
    META_LAST_DELIVERED,
    META_FIRST_PUT,
    META_FAILING_SINCE,
    META_FAILING_STATUS,
    META_LIMIT,     /* bytes, as the last put had it */
    META_UNDATED,   /* up to here events of an older schema may have no day yet */
    META_AMBIGUOUS, /* up to here a fresh event may have been handed out: the file is a copy */
    META_FLOOR,     /* below it everything is settled */
    META_HANDED,    /* up to here events may have been handed out */
    METAS,
};

enum query {
    Q_BEGIN,
    Q_BEGIN_WRITE,
    Q_COMMIT,
    Q_ROLLBACK,
    Q_META_ALL,
    Q_META_GET,
    Q_META_ADD,
    Q_META_SET,
    Q_ID_ADD,
    Q_ID_FIND,
    Q_EVENT_ADD,
    Q_EVENTS_FROM,
    Q_EXCEPT,
    Q_EXCEPT_DROP,
    Q_KNOWN,
    Q_EXCEPT_IS,
    Q_EXCEPT_MAX,
    Q_OPEN_ANY,
    Q_LOWER,
    Q_HIGHER_OUT,
    Q_BEHIND_FIRST,
    Q_PROMOTE,
    Q_DUE,
    Q_DUE_NEXT,
    Q_DUE_FAR,
    Q_DUE_NEAR,
    Q_DUE_SET,
    Q_OUT,
    Q_WAKE_ALL,
    Q_HELD,
    Q_LEFT,
    Q_DONE_ALL,
    Q_DONE_ADD,
    Q_DONE_DROP,
    Q_OLDEST_OPEN,
    Q_EVENT_AT,
    Q_PAGES,
    Q_PAGE_ALL,
    Q_PAGE_EXCEPTIONS,
    Q_EVENT_DAY,
    Q_UNDATED,
    Q_EVENT_DROP,
    Q_ACTION_ADD,
    Q_ACTION_COUNT,
    Q_ACTION_LAST,
    Q_ACTIONS,
    Q_DAY_FIND,
    Q_DAY_NEW,
    Q_DAY_ADD,
    Q_DAY_ERASED,
    Q_DAY_WEEK,
    Q_DAYS,
    Q_AUDIT_ALL,
    Q_AUDIT_EXCEPTIONS,
    Q_DEVICE_NEXT,
    Q_DEVICE_SEEN,
    Q_NOTE_GET,
    Q_NOTE_SET,
    QUERIES,
};

/* The drain's view, as of its last commit. */
struct frontier {
    uint64_t floor, handed; /* as in meta */
    uint64_t next;          /* the first arrival number never looked at */
    struct ranges settled;  /* between floor and next: not out, and not waiting */

    /* The held that are tried before their time: those between the two, held_last among them, that
       were put or answered up to held_ms. */
    uint64_t held_from, held_last;
    int64_t held_ms;
};

struct given {
    struct handed event;
    uint64_t person; /* as in flights; fresh events only */
};

/* Counters of put that are not written yet, and the ids of their rows: see sqlite_day.c. */
struct days {
    struct day_sum *at; /* owned; a table of power-of-two size, by hash */
    size_t count, cap;
};

struct sqlite {
    struct store base;
    sqlite3 *db;
    char *path;       /* for opening: absolute or from "./" on */
    const char *name; /* for messages: as given */
    sqlite3_stmt *query[QUERIES];
    int64_t delta[METAS]; /* to be added to the counters before commit */
    int64_t page_bytes;
    int64_t limit;      /* of store_limit, bytes; 0: none */
    int64_t failing[2]; /* since and status, as written */
    uint64_t ambiguous; /* META_AMBIGUOUS, as last read */
    struct days days;
    bool reserve_used;            /* to be made again as soon as there is room */
    int lock_fd, watch_fd;        /* -1: none */
    struct frontier now, written; /* written.settled: what table done holds */
    struct flights flights;
    struct given *given; /* by this exchange, after its commit; their lines stand in `lines` */
    size_t given_count, given_cap;
    struct buf lines;
};

/* ---- sqlite.c ---- */

extern const char *const sqlite_meta_keys[METAS];

/* The folder of a path that holds a slash, with it at the end; owned. */
char *sqlite_folder(const char *path);

/* Runs statements that are used once. */
int sqlite_execute(struct sqlite *s, const char *text, struct fault *why);

/* The number that such a question has for an answer. */
int sqlite_ask(struct sqlite *s, const char *question, int64_t *value, struct fault *why);

/* A store of this name that is not open; and closes it. */
struct sqlite *sqlite_new(const char *name);
void sqlite_free(struct sqlite *s);

/* SQLite's last error as a fault; -1. */
int sqlite_fault(struct sqlite *s, struct fault *why);

/* -1 and *why when another file, or none, has the store's name now: what is put goes there. */
int sqlite_in_place(struct sqlite *s, struct fault *why);

/* The statement, ready for binding; NULL and *why. */
sqlite3_stmt *sqlite_query(struct sqlite *s, enum query q, struct fault *why);

/* 1: a row; 0: done, and reset; -1. */
int sqlite_step(struct sqlite *s, sqlite3_stmt *q, struct fault *why);

/* Runs a statement without parameters or with those bound, for its effect. */
int sqlite_run(struct sqlite *s, enum query q, struct fault *why);

/* Runs q with up to three numbers bound; *value is the first column of its first row, or `none`
   when there is no row or it is NULL. */
int sqlite_number(struct sqlite *s, enum query q, const int64_t *args, int count, int64_t none,
    int64_t *value, struct fault *why);

int sqlite_begin(struct sqlite *s, bool write, struct fault *why);

/* Writes the counters, then commits.  After -1 the transaction is still open. */
int sqlite_commit(struct sqlite *s, struct fault *why);

/* Whether a drain holds its lock; makes and keeps nothing. */
bool sqlite_draining(struct sqlite *s);

/* Undoes an open transaction, if there is one. */
void sqlite_undo(struct sqlite *s);

int sqlite_meta(struct sqlite *s, int64_t meta[METAS], struct fault *why);
int sqlite_meta_set(struct sqlite *s, enum meta meta, int64_t value, struct fault *why);

/* ---- sqlite_schema.c ---- */

/* Makes sure that the file is a store of this version: makes one of an empty file where `use` may,
   brings an older one forward, refuses everything else. */
int sqlite_schema(struct sqlite *s, enum store_use use, struct fault *why);

/* Makes the tables, in a transaction that writes, on an empty file. */
int sqlite_make_tables(struct sqlite *s, struct fault *why);

/* Syncs the folder of a path that holds a slash. */
int sqlite_sync_folder(const char *path);

/* ---- sqlite_check.c ---- */

/* -1 and *why when the file is no store that SQLite may touch: before anything is read. */
int sqlite_check_file(struct sqlite *s, struct fault *why);

/* -1 and *why when its last page is cut.  In a transaction: nobody changes the size then. */
int sqlite_check_size(struct sqlite *s, struct fault *why);

/* ---- sqlite_put.c ---- */

int sqlite_put(
    struct store *store, struct record *records, size_t count, int64_t now_ms, struct fault *why);

/* ---- sqlite_day.c ---- */

/* Counts a record that is being put; *id is of its row in table day. */
int sqlite_day_count(
    struct sqlite *s, const struct record *r, int64_t now_ms, int64_t *id, struct fault *why);

/* Writes what was counted; before the commit. */
int sqlite_day_write(struct sqlite *s, struct fault *why);

/* Forgets what was counted, and all ids: after a rollback some do not exist. */
void sqlite_day_forget(struct sqlite *s);

/* ---- sqlite_put.c: exceptions ---- */

/* An event and its exception row. */
struct known {
    bool there;  /* the event's line is */
    int64_t day; /* of the event; 0: none */
    int state;   /* of the exception row; 0: there is none */
    char person_text[STORE_PERSON_MAX];
    struct slice person; /* of the event, whatever its state */
    int64_t due_ms;      /* 0: NULL */
    unsigned attempts;
    bool ambiguous;
};
int sqlite_known(struct sqlite *s, uint64_t seq, struct known *k, struct fault *why);
void sqlite_known_row(sqlite3_stmt *q, struct known *k); /* q: Q_KNOWN, with a row */

/* An exception row to be written over the one that is there. */
struct except {
    uint64_t seq;
    int state;
    struct slice reason;
    int64_t due_ms; /* 0: NULL; becomes NULL when an earlier event of the person has to go first */
    unsigned attempts;
    bool ambiguous;
};

/* Writes it, moves the counters from the old state, and promotes those behind a final one. */
int sqlite_except(struct sqlite *s, const struct except *x, const struct known *old, int64_t now_ms,
    struct fault *why);

/* Takes an exception row away. */
int sqlite_forget(struct sqlite *s, uint64_t seq, const struct known *k, struct fault *why);

static inline bool sqlite_open_state(int state)
{
    return state != EX_DEAD && state != EX_SKIPPED;
}

/* The emergency reserve: a file of this size beside the store, which put keeps and a drain gives up
   when the disk is full, so that what was delivered can still be settled. */
#define RESERVE_BYTES (256 << 10)
int sqlite_reserve(struct sqlite *s, struct fault *why);
bool sqlite_release_reserve(struct sqlite *s);

static inline struct slice sqlite_text(sqlite3_stmt *q, int column)
{
    const char *p = sqlite3_column_blob(q, column);

    return (struct slice){p, p ? (size_t)sqlite3_column_bytes(q, column) : 0};
}

static inline void sqlite_bind(sqlite3_stmt *q, int n, struct slice text)
{
    if (text.p)
        sqlite3_bind_text(q, n, text.p, (int)text.n, SQLITE_STATIC);
    else
        sqlite3_bind_null(q, n);
}

/* ---- sqlite_drain.c ---- */

int sqlite_drain_begin(struct store *store, int64_t now_ms, struct fault *why);
int sqlite_exchange(struct store *store, struct exchange *x, struct fault *why);
int sqlite_drain_end(struct store *store, bool *left, struct fault *why);
int sqlite_wake_held(struct store *store, int64_t now_ms, struct fault *why);
int sqlite_watch(struct store *store);
void sqlite_heard(struct store *store);

/* After an event of the person became final: those behind it become due, a few at a time. */
int sqlite_promote(struct sqlite *s, struct slice person, int64_t now_ms, struct fault *why);

/* ---- sqlite_admin.c ---- */

/* What tells the delivered from the waiting where there is no exception row. */
struct view {
    int64_t meta[METAS];
    struct ranges done; /* owned */
};
int sqlite_view(struct sqlite *s, struct view *v, struct fault *why);

/* exception: of its row, 0: it has none. */
enum state sqlite_state(const struct view *v, int exception, uint64_t seq);

int sqlite_stat(struct store *store, struct store_stat *stat, struct fault *why);
int sqlite_page(struct store *store, struct page *page, struct fault *why);
int sqlite_find(struct store *store, struct found *found, size_t count, struct fault *why);
int sqlite_change(struct store *store, struct action *action, const uint64_t *seq, size_t count,
    int64_t now_ms, struct fault *why);

/* ---- sqlite_audit.c ---- */

int sqlite_audit(struct store *store, const struct audit *audit, struct fault *why);
int sqlite_devices(struct store *store, int (*row)(void *arg, const struct device_seen *device),
    void *arg, struct fault *why);
int sqlite_actions(struct store *store, int64_t after,
    int (*row)(void *arg, const struct action_row *action), void *arg, struct fault *why);
int sqlite_note_get(struct store *store, const char *key, int64_t *value, struct fault *why);
int sqlite_note_set(struct store *store, const char *key, int64_t value, struct fault *why);

/* ---- sqlite_backup.c ---- */

int sqlite_backup(struct store *store, const char *to, struct fault *why);

#endif

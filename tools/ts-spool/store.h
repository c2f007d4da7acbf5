/* SPDX-License-Identifier: MIT */
/*
 * A store keeps the events of one destination.  Every function is one transaction: when it returns
 * 0 its effect is on disk, when it returns -1 nothing of it is.
 *
 *   state      how it got there                       what gets it out
 *   waiting    put; deferred; put back; retry         an answer of the drain's command
 *     fresh      never handed out                     handed out in order of arrival
 *     due        tried, put back or retried           handed out again at its time
 *     behind     an earlier event of the person       … when that one is final
 *                is held or due
 *     out        handed out, no answer yet            the answer; a crash: due, `ambiguous`
 *   held       `hold` at put; answered held           as due, slowly; retry, skip
 *   delivered  answered delivered or duplicate        retry
 *   dead       `error` at put; answered rejected      retry, skip
 *   skipped    `skip` at put; answered skipped        retry
 *
 * An event's arrival number (seq, from 1) is given at put and never again.  Its id is remembered
 * for ever, its line until purge.
 *
 * After a crash of put: what has a receipt is there; of the rest, whole batches or nothing.  Of a
 * drain: what was out when it died, and a bounded number of events that were about to be, count
 * as ambiguous: they may have arrived.
 */
#ifndef TS_SPOOL_STORE_H
#define TS_SPOOL_STORE_H

#include "identity.h"
#include "receipt.h"

enum state { STATE_WAITING, STATE_HELD, STATE_DEAD, STATE_SKIPPED, STATE_DELIVERED, STATES };

#define STATE_BIT(state) (1u << (state))
#define STATES_ALL (STATE_BIT(STATES) - 1)

const char *state_name(enum state state);

/* What the store is opened for. */
enum store_use {
    STORE_PUT,    /* made when it is not there */
    STORE_FOLLOW, /* drain -F: the same; a second one is refused (75) */
    STORE_DRAIN,  /* must be there, as for the next two; a second one is refused (75) */
    STORE_READ,
    STORE_CHANGE,
    STORE_ERASE, /* as change, but no drain may be at work (75) */
};

struct store;

/* name is a path or a URL, as on the command line.  NULL and *why. */
struct store *store_open(const char *name, enum store_use use, struct fault *why);
void store_close(struct store *s);

/* ---- put ---- */

#define STORE_HOLD_MS (3600 * 1000) /* how long a held event waits by default */
#define STORE_PERSON_MAX 255
#define STORE_DEVICE_MAX 255

struct record {
    struct identity id;
    struct slice person; /* whose order it belongs to, cut at STORE_PERSON_MAX; or SLICE_NONE */
    struct slice device; /* cut at STORE_DEVICE_MAX; SLICE_NONE: unknown, as for day */
    struct slice day;    /* "YYYY-MM-DD" of the device's wall clock */
    int64_t serial;      /* the device's own number of it; -1: none */
    struct slice line;   /* JSON object without `ack` and newline */
    enum state state;    /* waiting, held, dead or skipped */
    struct slice reason; /* why it is not waiting */
    bool known;          /* out: its id was there already, nothing was stored */
};

/* Events past this size of the store are refused (74); 0: no limit.  The next put that stores
   something remembers it for stat. */
void store_limit(struct store *s, int64_t bytes);

/* All records or, with -1, none. */
int store_put(
    struct store *s, struct record *records, size_t count, int64_t now_ms, struct fault *why);

/* ---- drain ---- */

/* A drain calls store_exchange at least so often, also with nothing to settle or hand out: a shared
   store renews the drain's lease then. */
#define STORE_HEARTBEAT_MS 5000

/* What became of an event that was handed out. */
struct settled {
    uint64_t token;       /* as handed out */
    enum outcome outcome; /* OUTCOMES: it was not answered */
    unsigned attempts;    /* tries over all its lives; 0: not said */
    bool ambiguous;
    int64_t due_ms;      /* instant of the next try of a held or deferred one; 0: the store's own */
    struct slice reason; /* SLICE_NONE for the delivered */
};

struct handed {
    uint64_t token;
    struct slice line;
    unsigned attempts; /* earlier tries */
    bool ambiguous;
};

struct exchange {
    const struct settled *settled; /* in the order of their answers */
    size_t count;
    unsigned events; /* to hand out at most; 0: only look */
    size_t bytes;    /* enough when so many bytes are handed out */
    int64_t now_ms;
    int64_t failing_since_ms; /* since when no answer was a success, kept for stat; 0: it works */
    int failing_status;       /* of the last such answer, as the receiver gave it; 0: none */
    void (*give)(void *arg, const struct handed *event); /* called after the commit */
    void *arg;
    unsigned given; /* out */
    bool more;      /* out: something could be handed out now; more may be said than there is */
    int64_t due_ms; /* out: instant at which the next one is due; 0: none */
};

/* What a drain that died left behind is put back, and all are due at once: the held as by
   store_wake_held. */
int store_drain_begin(struct store *s, int64_t now_ms, struct fault *why);

/* Records the answers and hands out the next events, one person's in order. */
int store_exchange(struct store *s, struct exchange *x, struct fault *why);

/* The orderly end, with nothing handed out any more.  *left: whether some event waits for more than
   a held one of the same person. */
int store_drain_end(struct store *s, bool *left, struct fault *why);

/* What is held by now is handed out once before its time, in order of arrival and after what is
   due: the roster may have changed. */
int store_wake_held(struct store *s, int64_t now_ms, struct fault *why);

/* A descriptor that becomes readable when the store changes; -1: there is none.  store_heard makes
   it quiet again. */
int store_watch(struct store *s);
void store_heard(struct store *s);

/* How long an event that was tried so often waits. */
int64_t store_backoff_ms(unsigned attempts);

/* ---- reading ---- */

struct store_stat {
    int64_t in[STATES];        /* events by state */
    int64_t stored;            /* ever put */
    int64_t duplicates;        /* refused at put, their id was known */
    int64_t known;             /* of the delivered: the receiver had them already */
    int64_t erased;            /* purged without delivery */
    int64_t purged;            /* lines of delivered events purged */
    int64_t oldest_waiting_ms; /* when put; 0: none */
    int64_t oldest_held_ms;    /* the same of the held */
    int64_t first_put_ms, last_put_ms, last_delivered_ms; /* 0: never */
    int64_t failing_since_ms;                             /* as the last exchange said */
    int failing_status;
    int64_t put_last_week; /* events stored whose day is one of the last seven */
    int64_t actions;       /* changes by hand */
    int64_t bytes;         /* size of the store */
    int64_t limit_bytes;   /* its largest size, as the last put had it; 0: none */
    int64_t free_bytes;    /* of the file system; -1: not known */
    bool draining;         /* a drain is at work */
};

int store_stat(struct store *s, struct store_stat *stat, struct fault *why);

struct row {
    uint64_t seq;
    enum state state;
    struct slice line, person, reason;
    unsigned attempts;
    bool ambiguous;
    int64_t put_ms;
};

struct page {
    unsigned states;                              /* STATE_BITs wanted */
    uint64_t after;                               /* arrival number to go on from */
    const struct identity *id;                    /* only this event; NULL: all */
    int (*row)(void *arg, const struct row *row); /* its slices live as long as the call */
    void *arg;
    bool ended; /* out: there is nothing more */
};

/* The next page, in order of arrival; a page takes a few milliseconds, as a reader keeps writers
   waiting.  Start with after = 0 and go on until ended. */
int store_page(struct store *s, struct page *page, struct fault *why);

/* Whether an event with this id was ever put, and what became of it.  One whose line was purged
   counts as delivered. */
struct found {
    struct identity id;
    bool there;       /* out */
    enum state state; /* out, where it is there */
};

/* Fills them in.  They are looked up in one short transaction: a few hundred at a time. */
int store_find(struct store *s, struct found *found, size_t count, struct fault *why);

/* What all functions below have in common: `row` is called outside of any transaction, so it may
   wait for whoever reads its output; its slices live as long as the call; when it returns -1 the
   function does at once, with *why unchanged. */

/* One device on one day. */
struct day {
    struct slice device, day;          /* SLICE_NONE: unknown */
    int64_t received;                  /* stored, each id once */
    int64_t duplicates;                /* put again */
    int64_t erased;                    /* purged without delivery */
    int64_t in[STATES];                /* as of now; in all received - erased */
    int64_t serials;                   /* how many of the received had a serial number */
    int64_t first_serial, last_serial; /* the lowest and the highest; -1: none */
    int64_t last_put_ms;               /* of the received and the put again */
};

struct audit {
    const char *device;        /* NULL: all */
    const char *since, *until; /* days, both inside; NULL: no bound.  A bound leaves out those whose
                                  day is unknown. */
    int (*row)(void *arg, const struct day *day);
    void *arg;
};

/* Ordered by device and day, bytewise.  Works in short transactions: what moves meanwhile counts as
   what it was at some moment of the call. */
int store_audit(struct store *s, const struct audit *audit, struct fault *why);

struct device_seen {
    struct slice device;
    int64_t last_put_ms;
    struct slice last_day; /* SLICE_NONE: unknown */
};

/* Every device that is known by name. */
int store_devices(struct store *s, int (*row)(void *arg, const struct device_seen *device),
    void *arg, struct fault *why);

/* ---- changes by hand ---- */

enum change {
    CHANGE_RETRY, /* held, dead, skipped, delivered, deferred: due now */
    CHANGE_SKIP,  /* held, dead, deferred: skipped, with the reason */
    CHANGE_ERASE, /* the line goes, the id stays */
};

/* One action is one record, however many transactions it takes. */
struct action {
    enum change change;
    unsigned states; /* STATE_BITs meant: what has left them since it was looked at stays */
    const char *who, *what, *reason; /* reason may be NULL */
    int64_t id;                      /* 0 before the first */
    int64_t count;                   /* out: events changed */
};

/* What is handed out at the moment, or in no state for it, stays as it is. */
int store_change(struct store *s, struct action *action, const uint64_t *seq, size_t count,
    int64_t now_ms, struct fault *why);

struct action_row {
    int64_t id, at_ms, count; /* id: from 1, rising */
    struct slice who, what, reason;
};

/* The records of them with a higher id than `after`, oldest first. */
int store_actions(struct store *s, int64_t after,
    int (*row)(void *arg, const struct action_row *action), void *arg, struct fault *why);

/* ---- backup and notes ---- */

/* Writes a copy, as of the beginning of the call, while others work: beside `to`, synced, then
   renamed; `to` must not be there (73).  In the copy all that is not final counts as ambiguous: by
   the time it is restored it may have arrived.  A shared store refuses with advice (78). */
int store_backup(struct store *s, const char *to, struct fault *why);

/* Small marks that subcommands keep in the store; 0 when never set.  Setting one needs STORE_CHANGE
   or another use that writes. */
#define STORE_NOTE_MAX 255 /* bytes of a key */
int store_note_get(struct store *s, const char *key, int64_t *value, struct fault *why);
int store_note_set(struct store *s, const char *key, int64_t value, struct fault *why);

/* ---- engines ---- */

struct engine {
    const char *name;
    struct store *(*open)(const char *name, enum store_use use, struct fault *why);
    void (*close)(struct store *s);
    void (*limit)(struct store *s, int64_t bytes);
    int (*put)(
        struct store *s, struct record *records, size_t count, int64_t now_ms, struct fault *why);
    int (*drain_begin)(struct store *s, int64_t now_ms, struct fault *why);
    int (*exchange)(struct store *s, struct exchange *x, struct fault *why);
    int (*drain_end)(struct store *s, bool *left, struct fault *why);
    int (*wake_held)(struct store *s, int64_t now_ms, struct fault *why);
    int (*watch)(struct store *s);
    void (*heard)(struct store *s);
    int (*stat)(struct store *s, struct store_stat *stat, struct fault *why);
    int (*page)(struct store *s, struct page *page, struct fault *why);
    int (*find)(struct store *s, struct found *found, size_t count, struct fault *why);
    int (*change)(struct store *s, struct action *action, const uint64_t *seq, size_t count,
        int64_t now_ms, struct fault *why);
    int (*audit)(struct store *s, const struct audit *audit, struct fault *why);
    int (*devices)(struct store *s, int (*row)(void *arg, const struct device_seen *device),
        void *arg, struct fault *why);
    int (*actions)(struct store *s, int64_t after,
        int (*row)(void *arg, const struct action_row *action), void *arg, struct fault *why);
    int (*backup)(struct store *s, const char *to, struct fault *why);
    int (*note_get)(struct store *s, const char *key, int64_t *value, struct fault *why);
    int (*note_set)(struct store *s, const char *key, int64_t value, struct fault *why);
};

/* Every engine's store starts with this. */
struct store {
    const struct engine *engine;
};

extern const struct engine engine_sqlite;
extern const struct engine engine_postgresql; /* only where it is built in: TS_POSTGRESQL */

#endif

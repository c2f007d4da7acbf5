/* SPDX-License-Identifier: MIT */
/*
 * ts-spool drain: hands events to COMMAND and settles them by its receipts.
 *
 * One loop: let bytes flow both ways, note the answers, and now and then exchange with the store:
 * settled answers in, next events out, one transaction.  Answers are settled when nothing is
 * outstanding, when many have gathered, or after a moment; events are fetched when a good part of
 * the window is free.
 *
 * A receiver that is down must not turn the whole backlog into deferred events: when many answers
 * in a row were no success, only a few events go out at a time, with growing pauses, until one
 * comes through.
 *
 * An order that the command breaks cannot be mended here: an event that was handed out before the
 * answer to an earlier one of its person came may be delivered.  ts-send defers it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "into.h"
#include "json.h"
#include "msg.h"
#include "spool.h"
#include "stop.h"

#define SETTLE_EVENTS 2048
#define SETTLE_MS 20
#define FEW_EVENTS 64
#define FETCH_BYTES (1u << 20)
#define LOOK_MS 1000   /* in case the store's watch misses something */
#define DOWN_AFTER 256 /* answers without a success */
#define DOWN_WINDOW 16 /* events that try whether it is up again */
#define PROBE_FIRST_MS 500
#define PROBE_LAST_MS 60000
#define PROBE_LONG_MS 600000 /* … when the receiver has been away for long */
#define PROBE_AWAY 8         /* the wait is this part of that time at most */
#define ANSWER_MS 600000     /* for one event: a command that is silent for ever stops nobody */
#define STOP_MS 60000        /* for the command to answer what it has, after SIGTERM */
#define REASON_BYTES 500
#define DAY_MS 86400000ll
#define FULL_MS 1000  /* between two tries on a full disk */
#define STALE_MS 1000 /* for what was held by a roster that was being read again */
#define HOLD_LEAST_MS 100
#define DEATHS_MS 60000 /* between two lines that events died */

enum { OPT_INTO = OPTION_LONG, OPT_HOLD_RETRY, OPT_ANSWER };

static const struct option_spec options[] = {
    {OPT_INTO, "into", "COMMAND", "what gets the events and answers with receipts"},
    {'F', "follow", NULL, "go on for ever, start COMMAND again when it ends"},
    {'w', "window", "N", "events outstanding at most (4096)"},
    {OPT_HOLD_RETRY, "hold-retry", "TIME", "with -F: try held events again after this time (1h)"},
    {OPT_ANSWER, "answer-within", "TIME", "no answer in this time: put back (10m; 0: no limit)"},
    {'v', "verbose", NULL, "a line of progress a second on a terminal"},
    OPTION_HELP,
    {0},
};

struct drain {
    struct into_config config;
    bool follow, verbose;
    long long hold_ms;

    struct store *store;
    struct into *into;
    struct event_reader *parser;
    struct buf line;
    struct settled *settled; /* reasons are owned */
    size_t count;
    int64_t first_ms; /* when the first of them was answered */

    int64_t deaths_ms;    /* when the next line on rejected events may come */
    uint64_t deaths_said; /* how many the last one told */
    int reject_status;    /* of the last one */
    int64_t held_ms;      /* when to try the held again, with -F */

    unsigned stale; /* out when COMMAND was told to read its roster again */

    bool look;       /* the store may have something to hand out */
    int64_t look_ms; /* when to look anyway */
    bool closing;    /* nothing is handed out any more */
    int64_t stop_ms; /* when to give up waiting for answers; 0: never */

    unsigned failures; /* answers in a row that were no success */
    int64_t probe_ms, probe_wait_ms;
    int64_t resume_ms;        /* when the command wants to see events again */
    int64_t failing_since_ms; /* the first such answer, of an earlier drain maybe; 0: none */
    int failing_status;

    int64_t beat_ms; /* when the store wants to hear from us at the latest */
    int64_t full_ms; /* the disk is full: not to be tried before; 0: it is not */

    uint64_t outcomes[OUTCOMES + 1], given, given_before;
    int64_t progress_ms;
};

/* ---- answers ---- */

static bool down(const struct drain *d)
{
    return d->failures >= DOWN_AFTER;
}

/* A command that is started again meanwhile is told: for it the outage would begin anew. */
static void note_failing(struct drain *d, int64_t since_ms, int status)
{
    char text[32];

    if (since_ms != d->failing_since_ms && since_ms == 0)
        unsetenv("TS_FAILING_SINCE");
    if (since_ms != d->failing_since_ms && since_ms > 0) {
        snprintf(text, sizeof text, "%lld", (long long)since_ms / 1000);
        setenv("TS_FAILING_SINCE", text, 1);
    }
    d->failing_since_ms = since_ms;
    d->failing_status = status;
}

/* It would be asked in vain before: so long, and not longer than is good for the first events after
   an outage. */
static void note_resume(struct drain *d, int64_t retry_at_ms)
{
    int64_t wait_ms = retry_at_ms - clock_now_ms();

    if (retry_at_ms > 0 && wait_ms > 0)
        d->resume_ms = monotonic_ms() + (wait_ms < PROBE_LONG_MS ? wait_ms : PROBE_LONG_MS);
}

/* A held event that was never sent says nothing of the receiver. */
static void judge_receiver(struct drain *d, const struct receipt *r)
{
    enum outcome outcome = r->outcome;

    if (outcome == OUTCOME_HELD && r->status <= 0)
        return;
    if (outcome != OUTCOME_DEFERRED && outcome != OUTCOMES) {
        if (down(d))
            msg_warn("events are delivered again");
        d->failures = 0;
        d->probe_wait_ms = PROBE_FIRST_MS;
        d->resume_ms = 0;
        note_failing(d, 0, 0);
        return;
    }
    note_failing(d, d->failing_since_ms ? d->failing_since_ms : clock_now_ms(),
        r->status > 0 ? r->status : 0);
    note_resume(d, r->retry_at_ms);
    if (++d->failures == DOWN_AFTER) {
        msg_warn("%d answers without a success: trying a few events at a time", DOWN_AFTER);
        d->probe_ms = monotonic_ms() + d->probe_wait_ms;
    }
}

static struct slice reason_of(const struct receipt *r)
{
    struct buf text = {0};

    if (r->outcome == OUTCOMES)
        return SLICE("the command ended or was silent before it answered");
    if (r->status > 0)
        buf_printf(&text, "%d%s", r->status, r->error.n > 0 ? ": " : "");
    buf_slice(&text, r->error);
    if (text.len == 0)
        buf_text(&text, outcome_name(r->outcome));
    return (struct slice){text.data, text.len < REASON_BYTES ? text.len : REASON_BYTES};
}

static void note_answer(struct drain *d, const struct into_answer *answer)
{
    const struct receipt *r = &answer->receipt;
    struct settled *a = &d->settled[d->count++];
    bool stale = d->stale > 0;

    d->stale -= stale;
    *a = (struct settled){.token = answer->token,
        .outcome = r->outcome,
        .attempts = r->attempts,
        .ambiguous = r->ambiguous || r->outcome == OUTCOMES,
        .due_ms = r->retry_at_ms};
    if (r->outcome > OUTCOME_DUPLICATE)
        a->reason = reason_of(r);
    if (r->outcome == OUTCOME_HELD && !d->follow)
        a->due_ms = clock_now_ms() + DAY_MS; /* never twice in a run; the next one tries it first */
    else if (r->outcome == OUTCOME_HELD && stale)
        a->due_ms = clock_now_ms() + STALE_MS;
    else if (r->outcome == OUTCOME_HELD && a->due_ms == 0)
        a->due_ms = clock_now_ms() + d->hold_ms;
    if (d->count == 1)
        d->first_ms = monotonic_ms();
    if (r->outcome == OUTCOME_REJECTED)
        d->reject_status = r->status;
    d->outcomes[r->outcome]++;
    judge_receiver(d, r);
}

static void forget_answers(struct drain *d)
{
    for (size_t i = 0; i < d->count; i++)
        if (d->settled[i].outcome != OUTCOMES)
            free((char *)d->settled[i].reason.p);
    d->count = 0;
}

/* ---- the exchange with the store ---- */

static void give(void *arg, const struct handed *h)
{
    struct drain *d = arg;
    struct draft draft = {0};
    struct event e;
    struct fault why;
    struct buf attempts = {0};
    struct slice line = h->line;

    if ((h->attempts > 0 || h->ambiguous) && event_read(d->parser, line, &e, &why) == 0) {
        json_int(&attempts, h->attempts);
        if (h->attempts > 0)
            draft_json(&draft, EV_ATTEMPTS, buf_all(&attempts));
        if (h->ambiguous)
            draft_json(&draft, EV_AMBIGUOUS, SLICE("true"));
        d->line.len = 0;
        event_write(&d->line, &e, &draft);
        line = buf_all(&d->line);
    }
    into_send(d->into, line, h->token);
    buf_free(&attempts);
}

/* When the receiver may be tried again, after so many failures. */
static int64_t probe_at(const struct drain *d)
{
    return d->resume_ms > 0 ? d->resume_ms : d->probe_ms;
}

static int64_t longer_wait(const struct drain *d)
{
    int64_t last_ms = (clock_now_ms() - d->failing_since_ms) / PROBE_AWAY;

    last_ms = last_ms > PROBE_LONG_MS ? PROBE_LONG_MS : last_ms;
    last_ms = last_ms < PROBE_LAST_MS ? PROBE_LAST_MS : last_ms;
    return d->probe_wait_ms * 2 < last_ms ? d->probe_wait_ms * 2 : last_ms;
}

/* How many events may be handed out now. */
static unsigned allowed(const struct drain *d)
{
    unsigned window = d->config.window, out = into_outstanding(d->into);

    if (d->closing || !into_room(d->into))
        return 0;
    if (down(d)) {
        if (monotonic_ms() < probe_at(d))
            return 0;
        window = window < DOWN_WINDOW ? window : DOWN_WINDOW;
    }
    return out < window ? window - out : 0;
}

/* A full disk costs a drain that follows nothing but time: the answers stay here meanwhile. */
static bool waits_for_room(struct drain *d, const struct fault *why)
{
    if (!why->full || !d->follow || d->stop_ms > 0)
        return false;
    if (d->full_ms == 0)
        msg_warn("%s; trying again until there is room", why->text);
    d->full_ms = monotonic_ms() + FULL_MS;
    d->look = false;
    return true;
}

/* Settles the answers that there are, or leaves them for later, and hands out what it may. */
static int exchange(struct drain *d, bool settle, struct fault *why)
{
    struct exchange x = {
        .settled = d->settled,
        .count = settle ? d->count : 0,
        .events = allowed(d),
        .bytes = FETCH_BYTES,
        .now_ms = clock_now_ms(),
        .failing_since_ms = d->failing_since_ms,
        .failing_status = d->failing_status,
        .give = give,
        .arg = d,
    };
    int64_t now = monotonic_ms();

    if (store_exchange(d->store, &x, why) < 0)
        return waits_for_room(d, why) ? 0 : -1;
    if (d->full_ms > 0)
        msg_warn("there is room again");
    d->full_ms = 0;
    if (settle)
        forget_answers(d);
    d->given += x.given;
    d->look = x.more;
    d->look_ms = now + LOOK_MS;
    d->beat_ms = now + STORE_HEARTBEAT_MS;
    if (x.due_ms > 0 && x.due_ms > x.now_ms && x.due_ms - x.now_ms < LOOK_MS)
        d->look_ms = now + (x.due_ms - x.now_ms);
    if (down(d) && x.given > 0) {
        d->probe_wait_ms = longer_wait(d);
        d->resume_ms = 0;
        d->probe_ms = now + d->probe_wait_ms;
    }
    if (!d->follow && ((x.events > 0 && !x.more) || down(d)))
        d->closing = true;
    return 0;
}

static bool settle_now(const struct drain *d, int64_t now)
{
    return d->count > 0 && (into_outstanding(d->into) == 0 || d->count >= SETTLE_EVENTS ||
                               now - d->first_ms >= SETTLE_MS);
}

/* A few answers that were all deliveries may wait until an event that has just come is on its way:
   fetching it needs no commit of its own. */
static bool settle_later(const struct drain *d)
{
    for (size_t i = 0; i < d->count; i++)
        if (d->settled[i].outcome > OUTCOME_DUPLICATE)
            return false;
    return d->count < FEW_EVENTS;
}

/* Whether enough of the window is free to be worth a transaction. */
static bool may_fetch(const struct drain *d)
{
    unsigned free = allowed(d), enough = down(d) ? DOWN_WINDOW / 4 : d->config.window / 4;

    return free > 0 && free >= enough;
}

static int exchange_now(struct drain *d, int64_t now, struct fault *why)
{
    if (now < d->full_ms)
        return 0;
    if ((d->look || now >= d->look_ms) && may_fetch(d) && exchange(d, !settle_later(d), why) < 0)
        return -1;
    if (settle_now(d, now))
        return exchange(d, true, why);
    return now >= d->beat_ms ? exchange(d, false, why) : 0;
}

/* ---- the loop ---- */

static int look_at_signals(struct drain *d, struct fault *why)
{
    bool reload = stop_reload();

    if (reload) {
        into_reload(d->into); /* first: the held are looked up in the roster of today */
        d->stale = into_outstanding(d->into);
        d->probe_ms = d->resume_ms = 0; /* perhaps the receiver was mended */
    }
    if (reload || (d->follow && monotonic_ms() >= d->held_ms)) {
        d->held_ms = monotonic_ms() + d->hold_ms;
        if (store_wake_held(d->store, clock_now_ms(), why) < 0)
            return -1;
        d->look = true;
    }
    if (stop_requested() && d->stop_ms == 0) {
        d->closing = true;
        d->stop_ms = monotonic_ms() + STOP_MS;
    }
    return 0;
}

static const char *events(uint64_t n)
{
    return n == 1 ? "event" : "events";
}

/* With -F nothing else would tell.  The reason may be the receiver's words: those are in the list.
 */
static void tell_deaths(struct drain *d, int64_t now)
{
    uint64_t dead = d->outcomes[OUTCOME_REJECTED];
    char status[48] = "";

    if (!d->follow || dead == d->deaths_said || now < d->deaths_ms)
        return;
    if (d->reject_status > 0)
        snprintf(status, sizeof status, ", the last with status %d", d->reject_status);
    msg_warn("%llu %s rejected%s: see ts-spool list --dead --by reason", (unsigned long long)dead,
        events(dead), status);
    d->deaths_said = dead;
    d->deaths_ms = now + DEATHS_MS;
}

static void show_progress(struct drain *d, int64_t now)
{
    if (!d->verbose || now < d->progress_ms)
        return;
    msg_say("%llu handed out (%llu in the last second), %u outstanding, %llu delivered",
        (unsigned long long)d->given, (unsigned long long)(d->given - d->given_before),
        into_outstanding(d->into),
        (unsigned long long)(d->outcomes[OUTCOME_DELIVERED] + d->outcomes[OUTCOME_DUPLICATE] +
                             d->outcomes[OUTCOME_STORED]));
    d->given_before = d->given;
    d->progress_ms = now + 1000;
}

static void lower(int *timeout_ms, int64_t to_ms)
{
    if (to_ms < 0)
        to_ms = 0;
    if (*timeout_ms < 0 || to_ms < *timeout_ms)
        *timeout_ms = (int)to_ms;
}

/* When the store is to be asked next. */
static void store_timeout(const struct drain *d, int64_t now, int *timeout_ms)
{
    if (now < d->full_ms) {
        lower(timeout_ms, d->full_ms - now);
        return;
    }
    lower(timeout_ms, d->beat_ms - now);
    if (d->count > 0)
        lower(timeout_ms, d->first_ms + SETTLE_MS - now);
    if (may_fetch(d))
        lower(timeout_ms, d->look ? 0 : d->look_ms - now);
    else if (!d->closing && down(d) && probe_at(d) > now)
        lower(timeout_ms, probe_at(d) - now);
}

static int timeout_of(const struct drain *d, int64_t now)
{
    int timeout_ms = -1;

    store_timeout(d, now, &timeout_ms);
    if (d->follow && !d->closing)
        lower(&timeout_ms, d->held_ms - now);
    if (d->stop_ms > 0)
        lower(&timeout_ms, d->stop_ms - now);
    return timeout_ms;
}

static int wait_for_something(struct drain *d, struct fault *why)
{
    struct pollfd fds[INTO_FDS + 1];
    int timeout_ms = timeout_of(d, monotonic_ms()), watch = store_watch(d->store);
    nfds_t n = into_poll(d->into, fds, &timeout_ms);

    if (watch >= 0)
        fds[n] = (struct pollfd){.fd = watch, .events = POLLIN};
    if (stop_wait(fds, n + (watch >= 0), timeout_ms, d->closing) < 0)
        return fault_errno(why, EX_OSERR, "cannot wait");
    if (watch >= 0 && fds[n].revents) {
        store_heard(d->store);
        d->look = true;
    }
    return 0;
}

/* Until the command has ended and all is settled; 1 when it is time to give up waiting. */
static int loop(struct drain *d, struct fault *why)
{
    struct into_answer answer;

    for (;;) {
        int64_t now;

        if (look_at_signals(d, why) < 0 || into_run(d->into, why) < 0)
            return -1;
        while (d->count < d->config.window && into_next(d->into, &answer))
            note_answer(d, &answer);
        now = monotonic_ms();
        if (exchange_now(d, now, why) < 0)
            return -1;
        if (d->closing)
            into_finish(d->into);
        if (into_state(d->into) == INTO_ENDED && into_outstanding(d->into) == 0 && d->count == 0)
            return 0;
        if (d->stop_ms > 0 && now >= d->stop_ms)
            return 1;
        tell_deaths(d, now);
        show_progress(d, now);
        if (wait_for_something(d, why) < 0)
            return -1;
    }
}

/* Whether there is something to hand out now. */
static int anything(struct drain *d, struct fault *why)
{
    struct exchange x = {.now_ms = clock_now_ms(),
        .failing_since_ms = d->failing_since_ms,
        .failing_status = d->failing_status};

    return store_exchange(d->store, &x, why) < 0 ? -1 : x.more;
}

/* One life of the command.  1: it answered all, 0: not all, -1. */
static int live(struct drain *d, struct fault *why)
{
    uint64_t unanswered = d->outcomes[OUTCOMES];
    int rc;

    d->closing = d->stop_ms > 0;
    d->look = true;
    d->into = into_open(&d->config, why);
    if (!d->into)
        return -1;
    rc = loop(d, why);
    if (rc == 1 && d->count > 0 && exchange(d, true, why) < 0)
        rc = -1;
    unanswered = d->outcomes[OUTCOMES] - unanswered;
    if (rc == 0 && (!d->closing || unanswered > 0)) {
        msg_warn("--into: the command ended with exit status %d; %llu %s not answered",
            into_exit_status(d->into), (unsigned long long)unanswered,
            unanswered == 1 ? "event was" : "events were");
        rc = 1;
    }
    if (into_strays(d->into) > 0)
        msg_warn("--into: %llu lines of the command were receipts of nothing that was outstanding",
            (unsigned long long)into_strays(d->into));
    into_close(d->into);
    d->into = NULL;
    return rc < 0 ? -1 : rc == 0;
}

/* Without -F: as long as it leads anywhere, since what was behind others becomes due. */
static int lives(struct drain *d, struct fault *why)
{
    uint64_t before;
    int rc;

    do {
        rc = d->follow ? 1 : anything(d, why);
        if (rc <= 0)
            return rc;
        before = d->given;
        rc = live(d, why);
    } while (rc > 0 && !d->follow && !stop_requested() && !down(d) && d->given > before);
    return rc < 0 ? -1 : 0;
}

static int exit_status(const struct drain *d, bool left)
{
    if (d->follow || stop_requested())
        return 0;
    if (left)
        return EX_TEMPFAIL;
    return d->outcomes[OUTCOME_REJECTED] > 0 ? EX_DATAERR : 0;
}

/* Since when the receiver fails: a restart of the drain does not mend it. */
static int read_failing(struct drain *d, struct fault *why)
{
    struct store_stat stat;

    if (store_stat(d->store, &stat, why) < 0)
        return -1;
    note_failing(d, stat.failing_since_ms, stat.failing_status);
    return 0;
}

static int begin(struct drain *d, struct fault *why)
{
    while (store_drain_begin(d->store, clock_now_ms(), why) < 0)
        if (stop_requested() || !waits_for_room(d, why) || stop_wait(NULL, 0, FULL_MS, false) < 0)
            return -1;
    return 0;
}

static int drain(struct drain *d, struct fault *why)
{
    bool left = false;

    d->held_ms = monotonic_ms() + d->hold_ms;
    if (begin(d, why) < 0 || read_failing(d, why) < 0 || lives(d, why) < 0 ||
        store_drain_end(d->store, &left, why) < 0)
        return -1;
    if (d->outcomes[OUTCOME_REJECTED] > 0 && !d->follow)
        msg_warn("%llu %s rejected: see ts-spool list --dead --by reason",
            (unsigned long long)d->outcomes[OUTCOME_REJECTED],
            events(d->outcomes[OUTCOME_REJECTED]));
    return exit_status(d, left);
}

/* ---- the command ---- */

static int set_option(void *arg, const struct option_value *v, struct fault *why)
{
    struct drain *d = arg;
    long long n;

    switch (v->code) {
    case OPT_INTO:
        d->config.command = v->arg;
        return 0;
    case 'F':
        d->follow = d->config.restart = true;
        return 0;
    case 'w':
        if (option_number("window", v->arg, 1, 1 << 16, &n, why) < 0)
            return -1;
        d->config.window = (unsigned)n;
        return 0;
    case OPT_HOLD_RETRY:
        if (option_duration("hold-retry", v->arg, &d->hold_ms, why) < 0)
            return -1;
        if (d->hold_ms < HOLD_LEAST_MS)
            d->hold_ms = HOLD_LEAST_MS;
        return 0;
    case OPT_ANSWER:
        if (option_duration("answer-within", v->arg, &n, why) < 0)
            return -1;
        d->config.answer_ms = n;
        return 0;
    default:
        d->verbose = isatty(STDERR_FILENO);
        return 0;
    }
}

static int run(const struct program *program, int argc, char **argv, struct fault *why)
{
    struct drain d = {.config = {.window = INTO_WINDOW, .answer_ms = ANSWER_MS},
        .hold_ms = STORE_HOLD_MS,
        .probe_wait_ms = PROBE_FIRST_MS};
    int first, rc = command_options(program, argc, argv, set_option, &d, &first, why);
    const char *name;

    if (rc != 0)
        return rc;
    name = command_store(program, argc, argv, first, why);
    if (!name)
        return -1;
    if (!d.config.command)
        return fault_set(why, EX_USAGE, "--into COMMAND is needed; try %s --help", program->name);
    d.store = store_open(name, d.follow ? STORE_FOLLOW : STORE_DRAIN, why);
    if (!d.store)
        return -1;
    d.settled = mem_alloc(d.config.window * sizeof *d.settled);
    d.parser = event_reader_new();
    rc = drain(&d, why);
    forget_answers(&d);
    free(d.settled);
    event_reader_free(d.parser);
    buf_free(&d.line);
    store_close(d.store);
    return rc;
}

const struct command command_drain = {
    .program = {.name = "ts-spool drain",
        .synopsis = "[-F] [-w N] [option …] --into COMMAND STORE",
        .summary = "Hands events to COMMAND until each has its final receipt.",
        .options = options,
        .more = "SIGHUP tries held events again at once.\n"},
    .run = run,
};

/* SPDX-License-Identifier: MIT */
/*
 * ts-spool put: events in, receipts out.  Events gather in a batch; it is stored, in one
 * transaction a store, when it is full or before a wait for input.  Only after the last commit come
 * the receipts, in the order of the events.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "facts.h"
#include "msg.h"
#include "spool.h"
#include "stop.h"
#include "when.h"

#define BATCH_EVENTS 4096
#define BATCH_BYTES (2u << 20)
#define ROUND_NS 300000 /* how long the rest of a round is waited for, and how often */
#define ROUND_WAITS 2
#define REASON_BYTES 500
#define BAD_MS 60000            /* between two lines that some were not understood */
#define LINE_LONGEST (12 << 20) /* below what one row of a store may hold */

enum { OPT_MAX_SIZE = OPTION_LONG, OPT_MAX_LINE, OPT_NOT_BEFORE };

static const struct option_spec options[] = {
    {OPT_MAX_SIZE, "max-size", "SIZE", "refuse events when the store has this size"},
    {OPT_MAX_LINE, "max-line", "SIZE", "longest line that is an event (1M)"},
    {OPT_NOT_BEFORE, "not-before", "TIME", "older events are stored as skipped"},
    OPTION_HELP,
    {0},
};

/* Texts of a batch stand in one buffer, which may move: so places, not pointers. */
struct place {
    size_t at, n;
    bool there;
};

struct item {
    struct identity id;
    enum state state;
    bool fresh;                                   /* some store did not have it */
    struct place line, person, reason, ack, name; /* name: an event_id that is no UUID */
    struct place device, day;
    int64_t serial;
};

struct put {
    struct store **stores;
    size_t store_count;
    struct event_reader *parser;
    struct line_writer out;
    struct buf texts, scratch;
    struct item *items;
    struct record *records;
    size_t count, last_count;
    unsigned waits; /* for the rest of this batch */
    uint64_t lines, bad, torn, bad_said;
    int64_t bad_ms; /* when the next word on them may come */
    long long max_bytes, max_line;
    struct when not_before;
    const char *not_before_text;
};

/* ---- the batch ---- */

static struct place keep(struct put *p, struct slice text)
{
    struct place place = {p->texts.len, text.n, text.p != NULL};

    buf_slice(&p->texts, text);
    return place;
}

static struct slice text_at(const struct put *p, struct place place)
{
    return place.there ? (struct slice){p->texts.data + place.at, place.n} : SLICE_NONE;
}

static void print_receipt(struct put *p, const struct item *item, int64_t now_ms)
{
    char id[IDENTITY_TEXT];
    struct receipt r = {
        .ack = text_at(p, item->ack),
        .event_id = text_at(p, item->name),
        .outcome = item->fresh ? OUTCOME_STORED : OUTCOME_DUPLICATE,
        .error = text_at(p, item->reason),
        .at_ms = now_ms,
    };

    if (!r.event_id.p) {
        identity_print(&item->id, id);
        r.event_id = (struct slice){id, IDENTITY_TEXT - 1};
    }
    receipt_print(&p->out.buf, &r);
}

static void fill_records(struct put *p)
{
    for (size_t i = 0; i < p->count; i++)
        p->records[i] = (struct record){
            .id = p->items[i].id,
            .person = text_at(p, p->items[i].person),
            .line = text_at(p, p->items[i].line),
            .state = p->items[i].state,
            .reason = text_at(p, p->items[i].reason),
            .device = text_at(p, p->items[i].device),
            .day = text_at(p, p->items[i].day),
            .serial = p->items[i].serial,
        };
}

static void drop_batch(struct put *p)
{
    p->count = p->texts.len = 0;
}

/* Stores the batch everywhere, then answers: an event is a duplicate where all stores had it.  A
   batch that could not be stored is not tried again: after a sync failed nothing may be told. */
static int commit(struct put *p, struct fault *why)
{
    int64_t now_ms = clock_now_ms();

    if (p->count == 0)
        return 0;
    fill_records(p);
    for (size_t s = 0; s < p->store_count; s++) {
        if (store_put(p->stores[s], p->records, p->count, now_ms, why) < 0) {
            drop_batch(p);
            return -1;
        }
        for (size_t i = 0; i < p->count; i++)
            p->items[i].fresh |= !p->records[i].known;
    }
    for (size_t i = 0; i < p->count; i++)
        print_receipt(p, &p->items[i], now_ms);
    drop_batch(p);
    return line_flush(&p->out, why);
}

static const char *lines(uint64_t n)
{
    return n == 1 ? "line" : "lines";
}

/* Givers that wait for their receipts send the next events when they have them: while a batch is
   clearly smaller than the last one, the others of its round are waited for, a moment.  A lone
   event never waits. */
static bool round_goes_on(struct put *p)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    const struct timespec moment = {.tv_nsec = ROUND_NS};

    if (p->count * 4 < p->last_count * 3 && p->waits++ < ROUND_WAITS &&
        ppoll(&in, 1, &moment, NULL) > 0)
        return true;
    p->last_count = p->count;
    p->waits = 0;
    return false;
}

/* A live pipe may have no end at which to count them. */
static int on_idle(void *arg, struct fault *why)
{
    struct put *p = arg;

    if (p->bad > p->bad_said && monotonic_ms() >= p->bad_ms) {
        msg_warn("%llu %s not understood so far: see ts-spool list --dead",
            (unsigned long long)p->bad, lines(p->bad));
        p->bad_said = p->bad;
        p->bad_ms = monotonic_ms() + BAD_MS;
    }
    return p->count > 0 && round_goes_on(p) ? 0 : commit(p, why);
}

/* ---- one line ---- */

static struct item *next_item(struct put *p)
{
    struct item *item = &p->items[p->count++];

    *item = (struct item){.state = STATE_WAITING, .serial = -1};
    return item;
}

static struct slice cut(struct slice text, size_t longest)
{
    if (text.n > longest)
        text.n = longest;
    return text;
}

/* A line that is no event becomes a dead one that holds its bytes. */
static void take_bad(struct put *p, struct slice line, const char *error)
{
    struct item *item = next_item(p);

    identity_of_bytes(&item->id, line, NULL);
    item->state = STATE_DEAD;
    item->line = (struct place){p->texts.len, 0, true};
    event_print_bad(&p->texts, line, error, NULL);
    item->line.n = p->texts.len - item->line.at;
    item->reason = keep(p, cut(slice_of(error), REASON_BYTES));
    p->bad++;
}

/* The words of `error`, `skip` or `hold`; SLICE_NONE when it is absent, null or false. */
static struct slice mark(const struct event *e, enum event_field field)
{
    yyjson_val *v = e->field[field];
    struct slice text = event_str(e, field);

    if (!v || yyjson_is_null(v) || yyjson_is_false(v))
        return SLICE_NONE;
    if (text.p && text.n == 0)
        return SLICE("no reason given");
    return cut(text.p ? text : event_json(e, field), REASON_BYTES);
}

static void take_marks(struct put *p, struct item *item, const struct event *e)
{
    static const struct {
        enum event_field field;
        enum state state;
    } marks[] = {{EV_ERROR, STATE_DEAD}, {EV_SKIP, STATE_SKIPPED}, {EV_HOLD, STATE_HELD}};
    struct slice reason = SLICE_NONE;
    struct buf text = {0};

    for (size_t i = 0; i < sizeof marks / sizeof *marks && !reason.p; i++) {
        reason = mark(e, marks[i].field);
        if (reason.p)
            item->state = marks[i].state;
    }
    if (p->not_before.set && item->state != STATE_DEAD && when_before(e, &p->not_before)) {
        item->state = STATE_SKIPPED;
        buf_printf(&text, "before %s", p->not_before_text);
        reason = buf_all(&text);
    }
    item->reason = keep(p, reason);
    buf_free(&text);
}

/* The id that the event has, of whatever form, or the one that it ought to have: true then. */
static bool identify(struct put *p, struct item *item, const struct event *e)
{
    struct slice id = event_str(e, EV_EVENT_ID);

    if (id.n == 0) {
        identity_of(&item->id, e, SLICE_NONE, NULL);
        return true;
    }
    if (!identity_parse(id, &item->id)) {
        identity_of_bytes(&item->id, id, NULL);
        item->name = keep(p, id);
    }
    return false;
}

/* An event without an id that also has an ack: its bytes without the ack are what it is told by. */
static int without_ack(struct put *p, struct event *e, struct fault *why)
{
    struct draft d = {.gone = EVENT_BIT(EV_ACK)};

    p->scratch.len = 0;
    event_write(&p->scratch, e, &d);
    return event_read(p->parser, buf_all(&p->scratch), e, why);
}

static void take_facts(struct put *p, struct item *item, const struct event *e)
{
    struct record r;

    facts_of(&r, e);
    item->person = keep(p, cut(event_person(e), STORE_PERSON_MAX));
    item->device = keep(p, r.device);
    item->day = keep(p, r.day);
    item->serial = r.serial;
}

static int take_event(struct put *p, struct event *e, struct fault *why)
{
    struct item *item = next_item(p);
    struct draft d = {0};
    char id[IDENTITY_TEXT];

    item->ack = keep(p, event_str(e, EV_ACK));
    if (event_has(e, EV_ACK) && event_str(e, EV_EVENT_ID).n == 0 && without_ack(p, e, why) < 0)
        return -1;
    if (event_has(e, EV_ACK))
        draft_remove(&d, EV_ACK);
    if (identify(p, item, e)) {
        identity_print(&item->id, id);
        draft_str(&d, EV_EVENT_ID, (struct slice){id, IDENTITY_TEXT - 1});
    }
    take_marks(p, item, e);
    take_facts(p, item, e);
    if (!d.set && !d.gone) {
        item->line = keep(p, e->line);
        return 0;
    }
    item->line = (struct place){p->texts.len, 0, true};
    event_write(&p->texts, e, &d);
    item->line.n = p->texts.len - item->line.at;
    return 0;
}

static struct slice trim_end(struct slice line)
{
    for (; line.n > 0; line.n--) {
        char c = line.p[line.n - 1];

        if (c != ' ' && c != '\t' && c != '\r')
            break;
    }
    return line;
}

static int take_line(struct put *p, enum line kind, struct slice line, struct fault *why)
{
    char error[128];
    struct event e;

    p->lines++;
    if (kind == LINE_LONG) {
        snprintf(error, sizeof error, "longer than %lld bytes", p->max_line);
        take_bad(p, line, error);
    } else {
        line = trim_end(line);
        if (line.n == 0)
            return 0;
        if (event_read(p->parser, line, &e, why) == 0)
            return take_event(p, &e, why);
        /* Half a line is still its sender's: nobody was told that it is here. */
        if (kind == LINE_TORN)
            p->torn++;
        else
            take_bad(p, line, why->text);
    }
    return 0;
}

static int take_lines(struct put *p, struct line_reader *in, struct fault *why)
{
    struct slice line;
    enum line kind;

    while ((kind = line_next(in, &line, why)) != LINE_END && kind != LINE_ERROR) {
        if (take_line(p, kind, line, why) < 0)
            return -1;
        if ((p->count == BATCH_EVENTS || p->texts.len >= BATCH_BYTES) && commit(p, why) < 0)
            return -1;
    }
    if (kind == LINE_END)
        return commit(p, why);
    commit(p, &(struct fault){0}); /* what was read before the fault */
    return -1;
}

/* ---- the command ---- */

static int set_option(void *arg, const struct option_value *v, struct fault *why)
{
    struct put *p = arg;

    switch (v->code) {
    case OPT_MAX_SIZE:
        return option_size("max-size", v->arg, 64 << 10, 1ll << 46, &p->max_bytes, why);
    case OPT_MAX_LINE:
        return option_size("max-line", v->arg, 256, LINE_LONGEST, &p->max_line, why);
    default:
        p->not_before_text = v->arg;
        return when_parse("not-before", v->arg, &p->not_before, why);
    }
}

static int open_stores(struct put *p, int count, char **names, struct fault *why)
{
    p->stores = mem_alloc((size_t)count * sizeof(struct store *));
    for (int i = 0; i < count; i++) {
        struct store *s = store_open(names[i], STORE_PUT, why);

        if (!s)
            return -1;
        p->stores[p->store_count++] = s;
        store_limit(s, p->max_bytes);
    }
    return 0;
}

static int exit_status(const struct put *p)
{
    if (p->bad > 0)
        msg_warn("%llu %s not understood: %s among the dead%s", (unsigned long long)p->bad,
            p->bad == 1 ? "line was" : "lines were", p->bad == 1 ? "it is" : "they are",
            p->bad == p->lines ? "; is this NDJSON? ts-read makes it" : "");
    if (p->torn > 0)
        msg_warn("the last line has no end and is no event: it was not stored");
    return p->bad + p->torn > 0 ? EX_DATAERR : 0;
}

static void put_free(struct put *p)
{
    for (size_t i = 0; i < p->store_count; i++)
        store_close(p->stores[i]);
    free(p->stores);
    event_reader_free(p->parser);
    line_writer_free(&p->out);
    buf_free(&p->texts);
    buf_free(&p->scratch);
    free(p->items);
    free(p->records);
}

static int run(const struct program *program, int argc, char **argv, struct fault *why)
{
    struct put p = {.max_line = LINE_MAX_BYTES};
    struct line_reader *in = NULL;
    int first, rc = command_options(program, argc, argv, set_option, &p, &first, why);

    if (rc != 0)
        return rc;
    if (first == argc)
        return fault_set(why, EX_USAGE, "into which store? try %s --help", program->name);
    rc = open_stores(&p, argc - first, argv + first, why);
    if (rc < 0)
        goto out;
    p.parser = event_reader_new();
    p.items = mem_alloc(BATCH_EVENTS * sizeof *p.items);
    p.records = mem_alloc(BATCH_EVENTS * sizeof *p.records);
    line_writer_init(&p.out, 1, "standard output");
    in = line_reader_new(0, (size_t)p.max_line);
    line_on_idle(in, on_idle, &p);
    rc = take_lines(&p, in, why);
    if (rc == 0)
        rc = line_close(&p.out, why);
    if (rc == 0)
        rc = exit_status(&p);
out:
    line_reader_free(in);
    put_free(&p);
    return rc;
}

const struct command command_put = {
    .program = {.name = "ts-spool put",
        .synopsis = "[option …] STORE [STORE …]",
        .summary = "Stores events from standard input; receipts on standard output.",
        .options = options,
        .more = "With several stores the receipt comes when all of them have the event.\n"},
    .run = run,
};

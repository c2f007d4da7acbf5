/* SPDX-License-Identifier: MIT */
/* ts-spool list: the events of a store as NDJSON, as CSV, or counted. */
#include <stdlib.h>

#include "clock.h"
#include "json.h"
#include "print.h"
#include "select.h"
#include "spool.h"
#include "stop.h"
#include "tally.h"

enum { OPT_BY = OPTION_LONG, OPT_CSV };

static const struct option_spec options[] = {
    SELECT_STATE_OPTION(SELECT_WAITING, "waiting"),
    SELECT_STATE_OPTION(SELECT_HELD, "held"),
    SELECT_STATE_OPTION(SELECT_DEAD, "dead"),
    SELECT_STATE_OPTION(SELECT_SKIPPED, "skipped"),
    SELECT_STATE_OPTION(SELECT_DELIVERED, "delivered"),
    SELECT_OPTIONS,
    {OPT_BY, "by", "KEY", "counts by person, device, reason or day"},
    {OPT_CSV, "csv", NULL, "a table, safe to open in a spreadsheet"},
    OPTION_HELP,
    {0},
};

struct key;

struct list {
    struct selection selection;
    const struct key *by; /* NULL: events are listed, not counted */
    bool csv;
    struct event_reader *parser;
    struct buf scratch;
    struct tally *tally;
    struct line_writer out;
};

/* ---- keys to count by ---- */

/* Whoever it is, also where the clock was not set: there event_person tells nobody. */
static struct slice by_person(const struct event *e, const struct row *row)
{
    static const enum event_field fields[] = {EV_EMPLOYEE_ID, EV_PERSON_ID, EV_CARD_NO};
    struct slice text = SLICE_NONE;

    (void)row;
    for (size_t i = 0; i < sizeof fields / sizeof *fields && text.n == 0; i++)
        text = event_str(e, fields[i]);
    return text.p ? text : SLICE("");
}

static struct slice by_device(const struct event *e, const struct row *row)
{
    struct slice device = event_str(e, EV_DEVICE_ID);

    (void)row;
    return device.p ? device : SLICE("");
}

static struct slice by_reason(const struct event *e, const struct row *row)
{
    (void)e;
    return row->reason.p ? row->reason : SLICE("");
}

/* The date on the wall where it happened. */
static struct slice by_day(const struct event *e, const struct row *row)
{
    struct slice time = event_str(e, EV_TIME);

    (void)row;
    if (!time.p)
        time = event_str(e, EV_LOCAL_TIME);
    if (time.n > 10)
        time.n = 10;
    return time.p ? time : SLICE("");
}

/* What a row of counts tells beside them. */
enum { TELL_TIMES = 1, TELL_WHO = 2 };

static const struct key {
    const char *name;
    struct slice (*of)(const struct event *e, const struct row *row);
    unsigned tell;
} keys[] = {
    {"person", by_person, TELL_TIMES | TELL_WHO},
    {"device", by_device, TELL_TIMES},
    {"reason", by_reason, 0},
    {"day", by_day, 0},
};

static int set_by(struct list *l, const char *name, struct fault *why)
{
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(name, keys[i].name) == 0) {
            l->by = &keys[i];
            return 0;
        }
    return fault_set(why, EX_USAGE, "--by %s: must be person, device, reason or day", name);
}

/* The roster's columns with a name in their name: "Ada Example". */
static struct slice hr_name(struct buf *text, const struct event *e)
{
    yyjson_val *hr = e->field[EV_HR], *key, *value;
    yyjson_obj_iter column;

    text->len = 0;
    if (!yyjson_is_obj(hr))
        return SLICE_NONE;
    yyjson_obj_iter_init(hr, &column);
    while ((key = yyjson_obj_iter_next(&column))) {
        value = yyjson_obj_iter_get_val(key);
        if (!yyjson_is_str(value) || !strcasestr(yyjson_get_str(key), "name"))
            continue;
        if (text->len > 0)
            buf_char(text, ' ');
        buf_add(text, yyjson_get_str(value), yyjson_get_len(value));
    }
    return text->len > 0 ? buf_all(text) : SLICE_NONE;
}

/* ---- forms ---- */

/* The event, with what the store knows in place of members of these names. */
static void print_event(struct list *l, const struct event *e, const struct row *row)
{
    static const struct slice ours[] = {{"state", 5}, {"reason", 6}, {"stored_at", 9}};
    struct buf *out = &l->out.buf, attempts = {0};
    struct draft d = {0};

    event_drop(e, ours, 3);
    json_int(&attempts, row->attempts);
    if (row->attempts > 0)
        draft_json(&d, EV_ATTEMPTS, buf_all(&attempts));
    if (row->ambiguous)
        draft_json(&d, EV_AMBIGUOUS, SLICE("true"));
    event_write(out, e, &d);
    out->len--; /* the closing brace; an event has a member at least: its id */
    print_str(out, "state", slice_of(state_name(row->state)));
    if (row->reason.p)
        print_str(out, "reason", row->reason);
    print_moment(out, "stored_at", row->put_ms);
    buf_lit(out, "}\n");
    buf_free(&attempts);
}

static const enum event_field columns[] = {EV_EVENT_ID, EV_TIME, EV_LOCAL_TIME, EV_DEVICE_ID,
    EV_READER, EV_KIND, EV_DIRECTION, EV_PERSON_ID, EV_CARD_NO, EV_EMPLOYEE_ID};

#define COLUMNS (sizeof columns / sizeof *columns)

static void print_csv_head(struct buf *out)
{
    for (size_t i = 0; i < COLUMNS; i++)
        buf_printf(out, "%s,", event_key(columns[i]));
    buf_lit(out, "name,state,reason,attempts,stored_at\r\n");
}

static void print_csv_row(struct list *l, const struct event *e, const struct row *row)
{
    struct buf *out = &l->out.buf;

    for (size_t i = 0; i < COLUMNS; i++) {
        print_cell(out, event_str(e, columns[i]));
        buf_char(out, ',');
    }
    print_cell(out, hr_name(&l->scratch, e));
    buf_char(out, ',');
    print_cell(out, slice_of(state_name(row->state)));
    buf_char(out, ',');
    print_cell(out, row->reason);
    buf_printf(out, ",%u,", row->attempts);
    print_utc(out, row->put_ms);
    buf_lit(out, "\r\n");
}

/* ---- counts ---- */

static void count(struct list *l, const struct event *e, const struct row *row)
{
    struct tally_seen seen = {.time = event_str(e, EV_LOCAL_TIME), .reason = row->reason};

    if (!seen.time.p)
        seen.time = event_str(e, EV_TIME);
    if (l->by->tell & TELL_WHO) {
        seen.name = hr_name(&l->scratch, e);
        seen.device = event_str(e, EV_DEVICE_ID);
    }
    tally_count(l->tally, l->by->of(e, row), row->state, l->by->tell ? &seen : NULL);
}

static struct slice key_of(const struct tally_row *row)
{
    return row->key.p ? row->key : SLICE("(others)");
}

/* "D1", or "D1 and others". */
static struct slice with_more(struct buf *scratch, struct slice text, bool more)
{
    if (!more)
        return text;
    scratch->len = 0;
    buf_slice(scratch, text);
    buf_lit(scratch, " and others");
    return buf_all(scratch);
}

static void tally_csv_head(struct list *l)
{
    struct buf *out = &l->out.buf;

    buf_printf(out, "%s%s,events,waiting,held,dead,skipped,delivered%s%s\r\n", l->by->name,
        l->by->tell & TELL_WHO ? ",name,device" : "", l->by->tell & TELL_TIMES ? ",first,last" : "",
        l->by->tell & TELL_WHO ? ",reason" : "");
}

static void tally_csv_row(struct list *l, const struct tally_row *row)
{
    struct buf *out = &l->out.buf;

    print_cell(out, key_of(row));
    if (l->by->tell & TELL_WHO) {
        buf_char(out, ',');
        print_cell(out, row->name);
        buf_char(out, ',');
        print_cell(out, with_more(&l->scratch, row->device, row->more_devices));
    }
    buf_printf(out, ",%llu", (unsigned long long)row->all);
    for (int i = 0; i < STATES; i++)
        buf_printf(out, ",%llu", (unsigned long long)row->in[i]);
    if (l->by->tell & TELL_TIMES) {
        buf_char(out, ',');
        print_cell(out, row->first);
        buf_char(out, ',');
        print_cell(out, row->last);
    }
    if (l->by->tell & TELL_WHO) {
        buf_char(out, ',');
        print_cell(out, with_more(&l->scratch, row->reason, row->more_reasons));
    }
    buf_lit(out, "\r\n");
}

static void print_known(struct buf *out, const char *key, struct slice text)
{
    if (text.p)
        print_str(out, key, text);
}

static void tally_json_row(struct list *l, const struct tally_row *row)
{
    struct buf *out = &l->out.buf;

    buf_char(out, '{');
    print_str(out, l->by->name, key_of(row));
    print_known(out, "name", row->name);
    print_known(out, "device", with_more(&l->scratch, row->device, row->more_devices));
    print_int(out, "events", (int64_t)row->all);
    for (int i = 0; i < STATES; i++)
        if (row->in[i] > 0)
            print_int(out, state_name((enum state)i), (int64_t)row->in[i]);
    print_known(out, "first", row->first);
    print_known(out, "last", row->last);
    if (l->by->tell & TELL_WHO)
        print_known(out, "reason", with_more(&l->scratch, row->reason, row->more_reasons));
    buf_lit(out, "}\n");
}

static int print_tally(struct list *l, struct fault *why)
{
    struct tally_row row;
    size_t n = 0;

    if (l->csv)
        tally_csv_head(l);
    while (tally_next(l->tally, &n, &row)) {
        (l->csv ? tally_csv_row : tally_json_row)(l, &row);
        if (line_written(&l->out, why) < 0)
            return -1;
    }
    return 0;
}

/* ---- the command ---- */

static int take_row(void *arg, const struct row *row)
{
    struct list *l = arg;
    struct event e;
    struct fault why;

    if (event_read(l->parser, row->line, &e, &why) < 0 || !select_match(&l->selection, &e))
        return 0;
    if (l->tally)
        count(l, &e, row);
    else if (l->csv)
        print_csv_row(l, &e, row);
    else
        print_event(l, &e, row);
    return 0;
}

static int list(struct list *l, struct store *s, struct fault *why)
{
    if (l->csv && !l->tally)
        print_csv_head(&l->out.buf);
    for (size_t n = 0; n < select_pages(&l->selection); n++) {
        struct page page = select_page(&l->selection, n);

        page.row = take_row;
        page.arg = l;
        while (!page.ended && !stop_requested())
            if (store_page(s, &page, why) < 0 || line_written(&l->out, why) < 0)
                return -1;
    }
    if (l->tally && print_tally(l, why) < 0)
        return -1;
    return line_close(&l->out, why);
}

static int set_option(void *arg, const struct option_value *v, struct fault *why)
{
    struct list *l = arg;
    int rc = select_option(&l->selection, v, why);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (v->code == OPT_BY)
        return set_by(l, v->arg, why);
    l->csv = true;
    return 0;
}

static int run(const struct program *program, int argc, char **argv, struct fault *why)
{
    struct list l = {0};
    struct store *s;
    int rc = command_reads(program, argc, argv, set_option, &l, &s, why);

    if (rc != 0)
        return rc;
    l.parser = event_reader_new();
    if (l.by)
        l.tally = tally_new();
    line_writer_init(&l.out, 1, "standard output");
    rc = list(&l, s, why);
    line_writer_free(&l.out);
    tally_free(l.tally);
    buf_free(&l.scratch);
    event_reader_free(l.parser);
    free(l.selection.ids);
    store_close(s);
    return rc;
}

const struct command command_list = {
    .program = {.name = "ts-spool list",
        .synopsis = "[--waiting] [--held] [--dead] [--skipped] [--delivered] [option …] STORE",
        .summary = "Prints events with their state, or counts them.",
        .options = options},
    .run = run,
};

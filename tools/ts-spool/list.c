/* SPDX-License-Identifier: MIT */
/* ts-spool list: the events of a store as NDJSON, as CSV, or counted. */
#include <stdlib.h>

#include "json.h"
#include "msg.h"
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

struct list {
    struct selection selection;
    struct slice (*by)(const struct event *e, const struct row *row);
    const char *by_name;
    bool csv;
    struct event_reader *parser;
    struct buf scratch;
    struct tally *tally;
    struct line_writer out;
};

/* ---- keys to count by ---- */

static struct slice by_person(const struct event *e, const struct row *row)
{
    struct slice person = event_person(e);

    (void)row;
    return person.p ? person : SLICE("");
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

static int set_by(struct list *l, const char *name, struct fault *why)
{
    static const struct {
        const char *name;
        struct slice (*by)(const struct event *e, const struct row *row);
    } keys[] = {
        {"person", by_person}, {"device", by_device}, {"reason", by_reason}, {"day", by_day}};

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(name, keys[i].name) == 0) {
            l->by = keys[i].by;
            l->by_name = name;
            return 0;
        }
    return fault_set(why, EX_USAGE, "--by %s: must be person, device, reason or day", name);
}

/* ---- forms ---- */

static void print_member(struct buf *out, const char *key, struct slice text)
{
    buf_printf(out, ",\"%s\":", key);
    json_str(out, text);
}

/* The event, with what the store knows in place of members of these names. */
static void print_event(struct list *l, const struct event *e, const struct row *row)
{
    static const struct slice ours[] = {{"state", 5}, {"reason", 6}};
    struct buf *out = &l->out.buf, attempts = {0};
    struct draft d = {0};

    event_drop(e, ours, 2);
    json_int(&attempts, row->attempts);
    if (row->attempts > 0)
        draft_json(&d, EV_ATTEMPTS, buf_all(&attempts));
    if (row->ambiguous)
        draft_json(&d, EV_AMBIGUOUS, SLICE("true"));
    event_write(out, e, &d);
    out->len--; /* the closing brace; an event has a member at least: its id */
    print_member(out, "state", slice_of(state_name(row->state)));
    if (row->reason.p)
        print_member(out, "reason", row->reason);
    buf_lit(out, "}\n");
    buf_free(&attempts);
}

/* A cell that begins like a formula gets a quote before it, also behind a leading blank; what moves
   a terminal's cursor, or hides text, is spelled out. */
static void print_cell(struct buf *out, struct slice text)
{
    struct buf plain = {0};
    size_t blank = 0;

    msg_escape(&plain, text);
    while (blank < plain.len && plain.data[blank] == ' ')
        blank++;
    buf_char(out, '"');
    if (blank < plain.len && memchr("=+-@", plain.data[blank], 4))
        buf_char(out, '\'');
    for (size_t i = 0; i < plain.len; i++) {
        if (plain.data[i] == '"')
            buf_char(out, '"');
        buf_char(out, plain.data[i]);
    }
    buf_char(out, '"');
    buf_free(&plain);
}

static const enum event_field columns[] = {EV_EVENT_ID, EV_TIME, EV_LOCAL_TIME, EV_DEVICE_ID,
    EV_READER, EV_KIND, EV_DIRECTION, EV_PERSON_ID, EV_CARD_NO, EV_EMPLOYEE_ID};

#define COLUMNS (sizeof columns / sizeof *columns)

static void print_csv_head(struct buf *out)
{
    for (size_t i = 0; i < COLUMNS; i++)
        buf_printf(out, "%s,", event_key(columns[i]));
    buf_lit(out, "state,reason,attempts\r\n");
}

static void print_csv_row(struct list *l, const struct event *e, const struct row *row)
{
    struct buf *out = &l->out.buf;

    for (size_t i = 0; i < COLUMNS; i++) {
        print_cell(out, event_str(e, columns[i]));
        buf_char(out, ',');
    }
    print_cell(out, slice_of(state_name(row->state)));
    buf_char(out, ',');
    print_cell(out, row->reason);
    buf_printf(out, ",%u\r\n", row->attempts);
}

static int print_tally(struct list *l, struct fault *why)
{
    struct buf *out = &l->out.buf;
    struct tally_row row;
    size_t n = 0;

    if (l->csv)
        buf_printf(out, "%s,events,waiting,held,dead,skipped,delivered\r\n", l->by_name);
    while (tally_next(l->tally, &n, &row)) {
        struct slice key = row.key.p ? row.key : SLICE("(others)");

        if (l->csv) {
            print_cell(out, key);
            buf_printf(out, ",%llu", (unsigned long long)row.all);
        } else {
            buf_printf(out, "{\"%s\":", l->by_name);
            json_str(out, key);
            buf_printf(out, ",\"events\":%llu", (unsigned long long)row.all);
        }
        for (int i = 0; i < STATES; i++)
            if (l->csv)
                buf_printf(out, ",%llu", (unsigned long long)row.in[i]);
            else if (row.in[i] > 0)
                buf_printf(
                    out, ",\"%s\":%llu", state_name((enum state)i), (unsigned long long)row.in[i]);
        buf_text(out, l->csv ? "\r\n" : "}\n");
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
        tally_count(l->tally, l->by(&e, row), row->state);
    else if (l->csv)
        print_csv_row(l, &e, row);
    else
        print_event(l, &e, row);
    return 0;
}

static int list(struct list *l, struct store *s, struct fault *why)
{
    struct page page = select_page(&l->selection);

    page.row = take_row;
    page.arg = l;
    if (l->csv && !l->tally)
        print_csv_head(&l->out.buf);
    while (!page.ended && !stop_requested())
        if (store_page(s, &page, why) < 0 || line_written(&l->out, why) < 0)
            return -1;
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
    int first, rc = command_options(program, argc, argv, set_option, &l, &first, why);
    const char *name;

    if (rc != 0)
        return rc;
    name = command_store(program, argc, argv, first, why);
    s = name ? store_open(name, STORE_READ, why) : NULL;
    if (!s)
        return -1;
    l.parser = event_reader_new();
    if (l.by)
        l.tally = tally_new();
    line_writer_init(&l.out, 1, "standard output");
    rc = list(&l, s, why);
    line_writer_free(&l.out);
    tally_free(l.tally);
    event_reader_free(l.parser);
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

/* SPDX-License-Identifier: MIT */
/*
 * ts-spool audit: what became of each device's events, day by day, and which of its serial numbers
 * never came.  The days of one device are gathered, as a gap may lie between two of them; of other
 * devices nothing is kept but sums.
 */
#include "audit.h"
#include "against.h"

#include <stdlib.h>

#include "clock.h"
#include "facts.h"
#include "print.h"
#include "spool.h"
#include "stop.h"

#define DAYS_MAX 20000   /* of one device; what is beyond counts as if it were another one */
#define PLAUSIBLE "2015" /* an earlier date is that of an unset clock */
#define DAY_BYTES 11     /* YYYY-MM-DD */
#define WIDTH_MIN 6
#define WIDTH_MAX 40

enum {
    OPT_DEVICE = OPTION_LONG,
    OPT_DAY,
    OPT_SINCE,
    OPT_UNTIL,
    OPT_GAPS,
    OPT_AGAINST,
    OPT_JSON,
    OPT_CSV
};

static const struct option_spec options[] = {
    {OPT_DEVICE, "device", "ID", "of this device"},
    {OPT_DAY, "day", "DAY", "of this day, such as 2024-05-31"},
    {OPT_SINCE, "since", "DAY", "from this day on"},
    {OPT_UNTIL, "until", "DAY", "up to this day, with it"},
    {OPT_GAPS, "gaps", NULL, "the missing serial numbers, in place of days"},
    {OPT_AGAINST, "against", "FILE", "what of that, by ts-read, is missing or not in"},
    {OPT_JSON, "json", NULL, "one JSON object a line; the last one is the sum"},
    {OPT_CSV, "csv", NULL, "a table, safe to open in a spreadsheet"},
    OPTION_HELP,
    {0},
};

struct audited {
    struct day is; /* its day is the text below */
    char day[DAY_BYTES];
};

struct auditing {
    struct audit query;
    struct audit_view view;
    const struct audit_form *form;
    const char *against; /* NULL: not asked */
    struct audit_sum sum;
    struct line_writer out;
    struct missing *missing;
    struct event_reader *parser;
    struct fault *why;
    char tomorrow[CLOCK_TEXT];

    /* The device at hand. */
    struct buf device;
    bool begun, named, numbered;
    struct audited *day;
    struct gap_day *gap;
    size_t count, cap;
};

/* ---- the days of a device ---- */

static struct slice device_of(const struct auditing *a)
{
    return a->named ? buf_all(&a->device) : SLICE_NONE;
}

static struct slice day_of(const struct audited *d)
{
    return *d->day ? slice_of(d->day) : SLICE_NONE;
}

static void note_gap(void *arg, const struct gap *gap)
{
    struct auditing *a = arg;

    missing_add(a->missing, device_of(a), day_of(&a->day[gap->day]), gap);
}

/* All days of the device are there. */
static int end_device(struct auditing *a)
{
    a->sum.missing += gaps_find(a->gap, a->count, a->view.gaps ? note_gap : NULL, a);
    for (size_t i = 0; i < a->count && !a->view.gaps; i++) {
        struct day *d = &a->day[i].is;

        d->device = device_of(a);
        d->day = day_of(&a->day[i]);
        a->form->day(&a->out.buf, &a->view, d, &a->gap[i]);
        if (line_written(&a->out, a->why) < 0)
            return -1;
    }
    a->count = 0;
    return 0;
}

static void begin_device(struct auditing *a, struct slice device)
{
    a->begun = true;
    a->numbered = false;
    a->named = device.p != NULL;
    a->device.len = 0;
    buf_room(&a->device, 1);
    buf_slice(&a->device, device);
    a->sum.devices += a->named;
}

static bool is_at_hand(const struct auditing *a, struct slice device)
{
    return a->begun && a->named == (device.p != NULL) && slice_eq(device, buf_all(&a->device));
}

static void keep_day(struct auditing *a, const struct day *d)
{
    struct audited *row;

    if (a->count == a->cap) {
        a->cap = a->cap ? a->cap * 2 : 64;
        a->day = mem_resize(a->day, a->cap * sizeof *a->day);
        a->gap = mem_resize(a->gap, a->cap * sizeof *a->gap);
    }
    row = &a->day[a->count];
    *row = (struct audited){.is = *d};
    if (d->day.n < DAY_BYTES)
        memcpy(row->day, d->day.p ? d->day.p : "", d->day.n);
    a->gap[a->count++] = (struct gap_day){.serials = d->serials,
        .first = d->first_serial,
        .last = d->last_serial,
        .odd = strcmp(row->day, PLAUSIBLE) < 0 || strcmp(row->day, a->tomorrow) > 0};
}

static void add_day(struct auditing *a, const struct day *d)
{
    struct day *sum = &a->sum.all;

    sum->received += d->received;
    sum->duplicates += d->duplicates;
    sum->erased += d->erased;
    for (int i = 0; i < STATES; i++)
        sum->in[i] += d->in[i];
    a->sum.days++;
    a->sum.numbered += a->named && d->serials > 0 && !a->numbered;
    a->numbered |= d->serials > 0;
}

static int take_day(void *arg, const struct day *d)
{
    struct auditing *a = arg;
    bool same = is_at_hand(a, d->device);

    if (stop_requested())
        return fault_set(a->why, EX_TEMPFAIL, "the audit was interrupted");
    if ((!same || a->count == DAYS_MAX) && end_device(a) < 0)
        return -1;
    if (!same)
        begin_device(a, d->device);
    keep_day(a, d);
    add_day(a, d);
    return 0;
}

/* ---- missing numbers ---- */

static int take_line(void *arg, const struct row *row)
{
    struct auditing *a = arg;
    struct event e;
    struct record facts;
    struct fault why;

    if (event_read(a->parser, row->line, &e, &why) < 0)
        return 0;
    facts_of(&facts, &e);
    if (facts.serial >= 0)
        missing_seen(a->missing, facts.device, facts.serial);
    return 0;
}

static int print_gap(void *arg, const struct missing_row *row)
{
    struct auditing *a = arg;

    a->sum.missing += row->count;
    a->form->gap(&a->out.buf, &a->view, row);
    return line_written(&a->out, a->why);
}

static int name_gaps(struct auditing *a, struct store *s)
{
    struct page page = {.states = STATES_ALL, .row = take_line, .arg = a};

    page.ended = !missing_needs_lines(a->missing);
    while (!page.ended && !stop_requested())
        if (store_page(s, &page, a->why) < 0)
            return -1;
    a->sum.missing = 0; /* the lines know it better: some may be on days that were not asked for */
    return missing_each(a->missing, print_gap, a);
}

/* ---- the command ---- */

static int set_day(const char *name, const char *text, const char **day, struct fault *why)
{
    struct clock_time t;

    if (strlen(text) + 1 != DAY_BYTES || !clock_parse(slice_of(text), &t))
        return fault_set(
            why, EX_USAGE, "--%s %s: not understood; write it like 2024-05-31", name, text);
    *day = text;
    return 0;
}

static int set_option(void *arg, const struct option_value *v, struct fault *why)
{
    struct auditing *a = arg;

    switch (v->code) {
    case OPT_DEVICE:
        a->query.device = v->arg;
        return 0;
    case OPT_DAY:
        a->query.until = v->arg;
        return set_day("day", v->arg, &a->query.since, why);
    case OPT_SINCE:
        return set_day("since", v->arg, &a->query.since, why);
    case OPT_UNTIL:
        return set_day("until", v->arg, &a->query.until, why);
    case OPT_GAPS:
        a->view.gaps = true;
        return 0;
    case OPT_AGAINST:
        a->against = v->arg;
        return 0;
    default:
        a->form = v->code == OPT_JSON ? &audit_json : &audit_csv;
        return 0;
    }
}

static int widen(void *arg, const struct device_seen *d)
{
    struct audit_view *v = arg;

    if ((int)d->device.n > v->device_width)
        v->device_width = d->device.n < WIDTH_MAX ? (int)d->device.n : WIDTH_MAX;
    return 0;
}

/* The columns of the table: those that have anything in the whole store. */
static int set_view(struct auditing *a, struct store *s, struct fault *why)
{
    struct store_stat stat;

    a->view.device_width = WIDTH_MIN;
    if (a->form != &audit_table)
        return 0;
    if (store_stat(s, &stat, why) < 0 || store_devices(s, widen, &a->view, why) < 0)
        return -1;
    for (int i = 0; i < STATES; i++)
        a->view.columns |= stat.in[i] > 0 ? STATE_BIT(i) : 0;
    a->view.columns |= stat.erased > 0 ? AUDIT_ERASED : 0;
    a->view.columns |= stat.duplicates > 0 ? AUDIT_DUPLICATES : 0;
    return 0;
}

static int audit(struct auditing *a, struct store *s, struct fault *why)
{
    a->why = why;
    a->query.row = take_day;
    a->query.arg = a;
    if (set_view(a, s, why) < 0)
        return -1;
    clock_print_local(a->tomorrow, clock_now_ms() / 1000 + 2 * 86400, 0);
    a->tomorrow[DAY_BYTES - 1] = '\0';
    a->form->head(&a->out.buf, &a->view);
    if (store_audit(s, &a->query, why) < 0 || end_device(a) < 0)
        return -1;
    if (a->query.device && a->sum.days == 0 && !a->query.since && !a->query.until)
        return fault_set(why, EX_NOINPUT, "--device: nothing was ever put from this device");
    if (a->view.gaps && name_gaps(a, s) < 0)
        return -1;
    a->form->sum(&a->out.buf, &a->view, &a->sum);
    return line_close(&a->out, why);
}

static int exit_status(const struct audit_sum *s)
{
    if (!audit_all_in(s))
        return EX_TEMPFAIL;
    return s->all.in[STATE_DEAD] > 0 || s->missing > 0 ? EX_DATAERR : 0;
}

/* What devices hold, in place of the audit. */
static int audit_against(struct auditing *a, struct store *s, struct fault *why)
{
    struct against against = {.path = a->against,
        .only = &a->query,
        .form = a->form == &audit_table  ? AGAINST_TABLE
                : a->form == &audit_json ? AGAINST_JSON
                                         : AGAINST_CSV,
        .out = &a->out};

    if (a->view.gaps)
        return fault_set(why, EX_USAGE, "--against: not with --gaps");
    return against_run(&against, s, why);
}

static int run(const struct program *program, int argc, char **argv, struct fault *why)
{
    struct auditing a = {.form = &audit_table};
    struct store *s;
    int rc = command_reads(program, argc, argv, set_option, &a, &s, why);

    if (rc != 0)
        return rc;
    a.parser = event_reader_new();
    a.missing = missing_new();
    line_writer_init(&a.out, 1, "standard output");
    rc = a.against ? audit_against(&a, s, why) : audit(&a, s, why);
    line_writer_free(&a.out);
    missing_free(a.missing);
    event_reader_free(a.parser);
    buf_free(&a.device);
    free(a.day);
    free(a.gap);
    store_close(s);
    return rc < 0 || a.against ? rc : exit_status(&a.sum);
}

const struct command command_audit = {
    .program = {.name = "ts-spool audit",
        .synopsis =
            "[--device ID] [--day DAY] [--gaps | --against FILE] [--json | --csv] [option …] STORE",
        .summary = "Says of each device and day what became of its events.",
        .options = options,
        .more = "Exit status: 0 all is in and no serial number is missing, 75 events wait or are\n"
                "held, 65 there are dead ones or some are missing.\n"},
    .run = run,
};

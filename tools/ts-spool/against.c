/* SPDX-License-Identifier: MIT */
/* Of a device that holds a million records only the days are kept. */
#include "against.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include "facts.h"
#include "msg.h"
#include "print.h"
#include "stop.h"

#define DAY_BYTES 11 /* YYYY-MM-DD */
#define DAYS_MAX 1000000u
#define FIND_EVENTS 256
#define LINE_LONGEST (12u << 20)
#define WIDTH_MIN 6
#define WIDTH_MAX 40

enum kind { NOTHING, COUNTS, EVENTS };

struct held {
    char day[DAY_BYTES]; /* "": not known */
    int64_t holds, received, pending, dead, missing;
};

static const struct {
    const char *name;
    size_t at;
} columns[] = {
    {"holds", offsetof(struct held, holds)},
    {"received", offsetof(struct held, received)},
    {"pending", offsetof(struct held, pending)},
    {"dead", offsetof(struct held, dead)},
    {"missing", offsetof(struct held, missing)},
};

#define COLUMNS (sizeof columns / sizeof *columns)

struct device {
    char *name; /* NULL: not known */
    struct held *day;
    size_t days, cap, last; /* in the order of their days; last: the one found last */
};

/* Events that wait to be looked up. */
struct batch {
    struct found found[FIND_EVENTS];
    size_t device[FIND_EVENTS];
    char day[FIND_EVENTS][DAY_BYTES];
    size_t count;
};

struct comparing {
    const struct against *how;
    struct store *store;
    struct device *device;
    size_t devices, last, days;
    enum kind kind;
    struct batch batch;
    struct held sum;
    int64_t days_missing, not_understood;
};

/* ---- days ---- */

static size_t find_device(struct comparing *c, struct slice name)
{
    for (size_t i = 0; i < c->devices; i++) {
        size_t n = (c->last + i) % c->devices;
        const char *is = c->device[n].name;

        if (name.p ? is && slice_is(name, is) : !is)
            return c->last = n;
    }
    return c->devices;
}

static size_t find_or_add_device(struct comparing *c, struct slice name)
{
    size_t n = find_device(c, name);

    if (n < c->devices)
        return n;
    c->device = mem_resize(c->device, (c->devices + 1) * sizeof *c->device);
    c->device[c->devices] = (struct device){.name = name.p ? mem_text(name) : NULL};
    return c->last = c->devices++;
}

/* Where the day stands, or would; *there says which. */
static size_t place_of(struct device *d, const char *day, bool *there)
{
    size_t low = 0, high = d->days;

    if (d->last < d->days && strcmp(d->day[d->last].day, day) == 0)
        low = high = d->last;
    while (low < high) {
        size_t middle = (low + high) / 2;

        if (strcmp(d->day[middle].day, day) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *there = low < d->days && strcmp(d->day[low].day, day) == 0;
    return d->last = low;
}

static struct held *find_or_add_day(struct comparing *c, size_t device, const char *day)
{
    struct device *d = &c->device[device];
    bool there;
    size_t at = place_of(d, day, &there);

    if (there)
        return &d->day[at];
    if (d->days == d->cap) {
        d->cap = d->cap ? d->cap * 2 : 64;
        d->day = mem_resize(d->day, d->cap * sizeof *d->day);
    }
    memmove(&d->day[at + 1], &d->day[at], (d->days - at) * sizeof *d->day);
    d->day[at] = (struct held){0};
    memcpy(d->day[at].day, day, DAY_BYTES);
    d->days++;
    c->days++;
    return &d->day[at];
}

/* ---- what is held ---- */

static bool is_asked(const struct comparing *c, struct slice device, const char *day)
{
    const struct audit *only = c->how->only;

    return (!only->device || slice_is(device, only->device)) &&
           (!only->since || strcmp(day, only->since) >= 0) &&
           (!only->until || (*day && strcmp(day, only->until) <= 0));
}

static void copy_day(char out[DAY_BYTES], struct slice day)
{
    memset(out, 0, DAY_BYTES);
    if (day.n == DAY_BYTES - 1)
        memcpy(out, day.p, day.n);
}

/* A line of ts-read --count.  Of two counts of one day the higher is believed. */
static void take_count(struct comparing *c, yyjson_val *v)
{
    const char *name = yyjson_get_str(yyjson_obj_get(v, "device"));
    const char *text = yyjson_get_str(yyjson_obj_get(v, "day"));
    int64_t events = yyjson_get_sint(yyjson_obj_get(v, "events"));
    struct slice device = name ? slice_of(name) : SLICE_NONE;
    struct held *h;
    char day[DAY_BYTES];

    copy_day(day, text ? slice_of(text) : SLICE_NONE);
    if (!is_asked(c, device, day))
        return;
    if (!text) {
        c->not_understood += yyjson_get_sint(yyjson_obj_get(v, "not_understood"));
        find_or_add_device(c, device);
        return;
    }
    h = find_or_add_day(c, find_or_add_device(c, device), day);
    if (h->holds < events)
        h->holds = events;
}

static int look_up(struct comparing *c, struct fault *why)
{
    struct batch *b = &c->batch;

    if (store_find(c->store, b->found, b->count, why) < 0)
        return -1;
    for (size_t i = 0; i < b->count; i++) {
        const struct found *f = &b->found[i];
        struct held *h = find_or_add_day(c, b->device[i], b->day[i]);

        h->holds++;
        h->received += f->there;
        h->missing += !f->there;
        h->dead += f->there && f->state == STATE_DEAD;
        h->pending += f->there && (f->state == STATE_WAITING || f->state == STATE_HELD);
    }
    b->count = 0;
    return 0;
}

/* As put would know it. */
static int take_event(struct comparing *c, const struct event *e, struct fault *why)
{
    struct batch *b = &c->batch;
    struct slice id = event_str(e, EV_EVENT_ID);
    struct identity *out = &b->found[b->count].id;
    struct record r;

    facts_of(&r, e);
    copy_day(b->day[b->count], r.day);
    if (!is_asked(c, r.device, b->day[b->count]))
        return 0;
    if (id.n == 0)
        identity_of(out, e, SLICE_NONE, NULL);
    else if (!identity_parse(id, out))
        identity_of_bytes(out, id, NULL);
    b->device[b->count] = find_or_add_device(c, r.device);
    return ++b->count == FIND_EVENTS ? look_up(c, why) : 0;
}

static bool is_count(const struct event *e)
{
    return !event_has(e, EV_EVENT_ID) && yyjson_is_int(yyjson_obj_get(e->root, "records")) &&
           yyjson_is_int(yyjson_obj_get(e->root, "events"));
}

static int take_line(struct comparing *c, const struct event *e, struct fault *why)
{
    enum kind kind = is_count(e) ? COUNTS : EVENTS;

    if (c->kind != NOTHING && c->kind != kind)
        return fault_set(why, EX_DATAERR, "has both counts and events");
    c->kind = kind;
    if (c->days > DAYS_MAX)
        return fault_set(
            why, EX_DATAERR, "has more than %u days: take some of the devices", DAYS_MAX);
    if (kind == EVENTS)
        return take_event(c, e, why);
    take_count(c, e->root);
    return 0;
}

static int read_lines(struct comparing *c, struct line_reader *in, struct fault *why)
{
    struct event_reader *parser = event_reader_new();
    struct slice line;
    struct event e;
    struct fault what;
    enum line kind;
    int rc = 0;

    while (rc == 0 && (kind = line_next(in, &line, why)) != LINE_END) {
        if (kind == LINE_ERROR) {
            rc = -1;
        } else if (line.n > 0 && (kind == LINE_LONG || event_read(parser, line, &e, &what) < 0)) {
            rc = fault_set(why, EX_DATAERR,
                "--against: line %llu of %s is neither an event nor a count of ts-read: %s",
                (unsigned long long)line_number(in), c->how->path,
                kind == LINE_LONG ? "too long" : what.text);
        } else if (line.n > 0 && take_line(c, &e, &what) < 0) {
            rc = fault_set(why, what.status, "--against: %s %s", c->how->path, what.text);
        }
    }
    event_reader_free(parser);
    return rc == 0 ? look_up(c, why) : rc;
}

static int read_file(struct comparing *c, struct fault *why)
{
    bool standard = strcmp(c->how->path, "-") == 0;
    int fd = standard ? STDIN_FILENO : open(c->how->path, O_RDONLY | O_CLOEXEC), rc;
    struct line_reader *in;

    if (fd < 0)
        return fault_errno(why, EX_NOINPUT, "--against %s: cannot open", c->how->path);
    in = line_reader_new(fd, LINE_LONGEST);
    rc = read_lines(c, in, why);
    line_reader_free(in);
    if (!standard)
        close(fd);
    if (rc == 0 && stop_requested())
        return fault_set(why, EX_TEMPFAIL, "the audit was interrupted");
    if (rc == 0 && c->kind == NOTHING)
        return fault_set(why, EX_NOINPUT,
            "--against %s: has neither counts nor events: nothing is compared (did ts-read fail?)",
            c->how->path);
    return rc;
}

/* ---- what is there ---- */

static int take_day(void *arg, const struct day *d)
{
    struct comparing *c = arg;
    size_t device = find_device(c, d->device), at;
    char day[DAY_BYTES];
    struct held *h;
    bool there;

    copy_day(day, d->day);
    if (device == c->devices)
        return 0;
    at = place_of(&c->device[device], day, &there);
    if (!there)
        return 0;
    h = &c->device[device].day[at];
    h->received = d->received;
    h->pending = d->in[STATE_WAITING] + d->in[STATE_HELD];
    h->dead = d->in[STATE_DEAD];
    return 0;
}

static int compare(struct comparing *c, struct fault *why)
{
    struct audit query = *c->how->only;

    query.row = take_day;
    query.arg = c;
    if (c->kind == COUNTS && store_audit(c->store, &query, why) < 0)
        return -1;
    for (size_t i = 0; i < c->devices; i++) {
        const struct device *d = &c->device[i];
        int64_t received = 0;

        for (size_t k = 0; k < d->days; k++) {
            struct held *h = &d->day[k];

            if (c->kind == COUNTS)
                h->missing = h->holds > h->received ? h->holds - h->received : 0;
            c->sum.holds += h->holds;
            c->sum.received += h->received;
            c->sum.pending += h->pending;
            c->sum.dead += h->dead;
            c->sum.missing += h->missing;
            c->days_missing += h->missing > 0;
            received += h->received;
        }
        if (d->days > 0 && received == 0)
            msg_warn(
                "--against: nothing was ever put from %s: is it called otherwise there? (-d of "
                "ts-read, or an alias of the site file)",
                d->name ? d->name : "a device without a name");
    }
    return 0;
}

/* ---- printing ---- */

static long long column(const struct held *h, size_t n)
{
    return *(const int64_t *)(const void *)((const char *)h + columns[n].at);
}

static bool is_shown(const struct held *h)
{
    return h->missing > 0 || h->pending > 0 || h->dead > 0;
}

static struct slice name_of(const struct device *d)
{
    return d->name ? slice_of(d->name) : SLICE_NONE;
}

static struct slice day_of(const struct held *h)
{
    return *h->day ? slice_of(h->day) : SLICE_NONE;
}

static struct slice known(struct slice text)
{
    return text.p ? text : SLICE("-");
}

static void table_row(struct buf *out, int width, struct slice device, const struct held *h)
{
    print_padded(out, known(device), width);
    buf_char(out, ' ');
    print_padded(out, known(day_of(h)), DAY_BYTES - 1);
    for (size_t i = 0; i < COLUMNS; i++)
        if (column(h, i) == 0)
            buf_lit(out, "        -");
        else
            buf_printf(out, " %8lld", column(h, i));
    buf_char(out, '\n');
}

static void json_row(struct buf *out, struct slice device, const struct held *h)
{
    buf_char(out, '{');
    print_str(out, "device", device);
    print_str(out, "day", day_of(h));
    for (size_t i = 0; i < COLUMNS; i++)
        print_int(out, columns[i].name, column(h, i));
    buf_lit(out, "}\n");
}

static void csv_row(struct buf *out, struct slice device, const struct held *h)
{
    print_cell(out, device);
    buf_printf(out, ",%s", h->day);
    for (size_t i = 0; i < COLUMNS; i++)
        buf_printf(out, ",%lld", column(h, i));
    buf_lit(out, "\r\n");
}

static void print_head(const struct comparing *c, struct buf *out, int width)
{
    if (c->how->form == AGAINST_TABLE && is_shown(&c->sum)) {
        print_padded(out, SLICE("device"), width);
        buf_lit(out, " day       ");
        for (size_t i = 0; i < COLUMNS; i++)
            buf_printf(out, " %8s", columns[i].name);
        buf_char(out, '\n');
    } else if (c->how->form == AGAINST_CSV) {
        buf_lit(out, "device,day");
        for (size_t i = 0; i < COLUMNS; i++)
            buf_printf(out, ",%s", columns[i].name);
        buf_lit(out, "\r\n");
    }
}

static int print_rows(const struct comparing *c, int width, struct fault *why)
{
    struct buf *out = &c->how->out->buf;

    for (size_t i = 0; i < c->devices; i++)
        for (size_t k = 0; k < c->device[i].days; k++) {
            const struct held *h = &c->device[i].day[k];

            if (!is_shown(h))
                continue;
            if (c->how->form == AGAINST_TABLE)
                table_row(out, width, name_of(&c->device[i]), h);
            else if (c->how->form == AGAINST_JSON)
                json_row(out, name_of(&c->device[i]), h);
            else
                csv_row(out, name_of(&c->device[i]), h);
            if (line_written(c->how->out, why) < 0)
                return -1;
        }
    return 0;
}

static void print_verdict(const struct comparing *c, struct buf *out)
{
    const struct held *sum = &c->sum;

    if (sum->missing > 0)
        buf_printf(out, "something never came: %lld of", (long long)sum->missing);
    else if (sum->pending > 0)
        buf_printf(out, "all came, but %lld wait%s or %s held:", (long long)sum->pending,
            sum->pending == 1 ? "s" : "", sum->pending == 1 ? "is" : "are");
    else if (sum->dead > 0)
        buf_printf(out, "all came and is in, but %lld %s dead:", (long long)sum->dead,
            sum->dead == 1 ? "is" : "are");
    else
        buf_lit(out, "all came and is in:");
    buf_printf(out, " %lld event%s of %lld device%s", (long long)sum->holds,
        sum->holds == 1 ? "" : "s", (long long)c->devices, c->devices == 1 ? "" : "s");
    if (c->not_understood > 0)
        buf_printf(out, "; %lld not understood, and not compared", (long long)c->not_understood);
    buf_char(out, '\n');
}

static void json_sum(const struct comparing *c, struct buf *out)
{
    buf_char(out, '{');
    print_int(out, "devices", (int64_t)c->devices);
    print_int(out, "days_missing", c->days_missing);
    for (size_t i = 0; i < COLUMNS; i++)
        print_int(out, columns[i].name, column(&c->sum, i));
    print_int(out, "not_understood", c->not_understood);
    print_bool(out, "everything_in", !is_shown(&c->sum));
    buf_lit(out, "}\n");
}

static int print(const struct comparing *c, struct fault *why)
{
    struct buf *out = &c->how->out->buf;
    int width = WIDTH_MIN;

    for (size_t i = 0; i < c->devices; i++) {
        struct slice name = name_of(&c->device[i]);

        if ((int)name.n > width)
            width = name.n < WIDTH_MAX ? (int)name.n : WIDTH_MAX;
    }
    print_head(c, out, width);
    if (print_rows(c, width, why) < 0)
        return -1;
    if (c->how->form == AGAINST_TABLE)
        print_verdict(c, out);
    else if (c->how->form == AGAINST_JSON)
        json_sum(c, out);
    return line_close(c->how->out, why);
}

static void free_all(struct comparing *c)
{
    for (size_t i = 0; i < c->devices; i++) {
        free(c->device[i].name);
        free(c->device[i].day);
    }
    free(c->device);
    free(c);
}

int against_run(const struct against *a, struct store *s, struct fault *why)
{
    struct comparing *c = mem_alloc(sizeof *c);
    int rc;

    memset(c, 0, sizeof *c);
    c->how = a;
    c->store = s;
    rc = read_file(c, why) < 0 || compare(c, why) < 0 || print(c, why) < 0 ? -1
         : c->sum.missing > 0                                              ? EX_DATAERR
         : c->sum.pending > 0                                              ? EX_TEMPFAIL
         : c->sum.dead > 0                                                 ? EX_DATAERR
                                                                           : 0;
    free_all(c);
    return rc;
}

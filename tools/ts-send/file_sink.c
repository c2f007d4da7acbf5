/* SPDX-License-Identifier: MIT */
/*
 * Events from standard input into files, a receipt for each when it is synced.  What has been read
 * without a wait is one append; nothing more is read before it is safe.  A dry run has no store,
 * prints the rows in place of receipts, and touches no file.
 */
#include "file_sink.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "file_store.h"
#include "finding.h"
#include "line.h"
#include "msg.h"
#include "option.h"
#include "receipt.h"
#include "stop.h"
#include "zone.h"

#define SCHEME "file://"
#define AT_ONCE_EVENTS 4096u
#define AT_ONCE_BYTES (1u << 20)
#define REST_MS 10000 /* after a file said no: as long nothing is tried, all is handed back */
#define TIDY_MS 60000 /* between two looks for files whose time is over */
#define COLUMNS                                                                                    \
    "event_id,time,local_time,device_id,reader,direction,kind,person_id,employee_id,card_no,"      \
    "credential,punch"

/* An event whose receipt waits for the append. */
struct answer {
    struct file *file;
    enum outcome outcome;
    size_t ack, ack_n, id, id_n; /* in texts */
    bool has_ack;
    bool ambiguous;
    unsigned attempts;
};

struct sink {
    const char *url;
    struct file_format format;
    struct file_store *store; /* NULL: a dry run */
    char shown[FILE_NAME_BYTES];
    struct zone *zone;
    long long grace_ms;
    struct line_reader *lines;
    struct event_reader *events;
    struct line_writer out;
    struct answer answer[AT_ONCE_EVENTS];
    unsigned answers;
    struct buf texts, row;
    size_t bytes;    /* of the rows that wait */
    int64_t rest_ms; /* until then nothing is tried */
    uint64_t handed_back;
    int64_t tidy_ms;
    bool ended;
    uint64_t bad, tally[OUTCOMES];
};

bool file_sink_is(const char *url)
{
    return strncmp(url, SCHEME, sizeof SCHEME - 1) == 0;
}

/* ---- receipts ---- */

static int answer_now(struct sink *s, struct receipt *r, struct fault *why)
{
    s->tally[r->outcome]++;
    if (!s->store)
        return 0;
    r->at_ms = clock_now_ms();
    receipt_print(&s->out.buf, r);
    return line_written(&s->out, why);
}

static int answer_event(struct sink *s, const struct event *e, struct slice id,
    enum outcome outcome, const char *error, struct fault *why)
{
    struct receipt r = {.ack = event_str(e, EV_ACK),
        .event_id = id,
        .outcome = outcome,
        .error = slice_of(error),
        .attempts = (unsigned)yyjson_get_uint(e->field[EV_ATTEMPTS]),
        .ambiguous = yyjson_get_bool(e->field[EV_AMBIGUOUS])};

    if (outcome == OUTCOME_DEFERRED)
        r.retry_at_ms = clock_now_ms() + REST_MS;
    return answer_now(s, &r, why);
}

static int answer_bad(struct sink *s, const char *error, struct fault *why)
{
    char text[sizeof why->text + 40];
    struct receipt r = {.outcome = OUTCOME_REJECTED};

    snprintf(text, sizeof text, "line %" PRIu64 ": %s", line_number(s->lines), error);
    r.error = slice_of(text);
    s->bad++;
    return answer_now(s, &r, why);
}

/* What a file said no to is handed back, and it is said once. */
static void says_no(struct sink *s, const struct fault *why)
{
    if (s->rest_ms == 0)
        msg_warn("%s; events are deferred", why->text);
    s->rest_ms = monotonic_ms() + REST_MS;
}

static void says_yes(struct sink *s)
{
    if (s->rest_ms == 0)
        return;
    msg_warn("%s: takes events again; %" PRIu64 " were deferred", s->url, s->handed_back);
    s->rest_ms = 0;
    s->handed_back = 0;
}

static struct slice text_at(const struct sink *s, size_t at, size_t n)
{
    return (struct slice){s->texts.data + at, n};
}

static int append(struct sink *s, struct fault *why)
{
    bool taken = false;
    int rc = 0;

    if (s->answers == 0)
        return 0;
    if (file_store_append(s->store, why) < 0)
        return -1;
    for (unsigned i = 0; i < s->answers && rc == 0; i++) {
        const struct answer *a = &s->answer[i];
        const struct fault *no = file_fault(a->file);
        struct receipt r = {.ack = a->has_ack ? text_at(s, a->ack, a->ack_n) : SLICE_NONE,
            .event_id = text_at(s, a->id, a->id_n),
            .outcome = no ? OUTCOME_DEFERRED : a->outcome,
            .attempts = a->attempts,
            .ambiguous = a->ambiguous};

        if (no) {
            says_no(s, no);
            s->handed_back++;
            r.error = SLICE("the file cannot be written");
            r.retry_at_ms = clock_now_ms() + REST_MS;
        }
        taken |= !no;
        rc = answer_now(s, &r, why);
    }
    if (taken && monotonic_ms() >= s->rest_ms)
        says_yes(s);
    s->answers = 0;
    s->texts.len = s->bytes = 0;
    return rc;
}

/* ---- events ---- */

/* The wall clock of an event: in the zone that was asked for, else its own. */
static bool clock_of(const struct sink *s, const struct event *e, struct clock_time *t)
{
    if (clock_parse(event_str(e, EV_TIME), t) && t->whole_bytes > 0) {
        if (s->zone && t->has_offset) {
            int64_t utc_s = t->local_s - t->offset_s;

            t->local_s = utc_s + zone_offset_at(s->zone, utc_s);
        }
        return true;
    }
    return clock_parse(event_str(e, EV_LOCAL_TIME), t) && t->whole_bytes > 0;
}

static bool marked(const struct event *e, enum event_field field)
{
    yyjson_val *v = e->field[field];

    return v && !yyjson_is_null(v) && !yyjson_is_false(v);
}

/* 1: it was answered at once; 0: it is to be written; -1. */
static int answered(
    struct sink *s, const struct event *e, struct slice id, struct clock_time *t, struct fault *why)
{
    static const struct {
        enum event_field field;
        enum outcome outcome;
    } marks[] = {{EV_ERROR, OUTCOME_REJECTED}, {EV_SKIP, OUTCOME_SKIPPED}, {EV_HOLD, OUTCOME_HELD}};

    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (marked(e, marks[i].field)) {
            char *text =
                mem_text(yyjson_is_str(e->field[marks[i].field]) ? event_str(e, marks[i].field)
                                                                 : event_json(e, marks[i].field));
            int rc = answer_event(s, e, id, marks[i].outcome, text, why);

            s->bad += marks[i].field == EV_ERROR;
            free(text);
            return rc < 0 ? -1 : 1;
        }
    if (!clock_of(s, e, t))
        return answer_event(s, e, id, OUTCOME_REJECTED, "no usable time", why) < 0 ? -1 : 1;
    if (monotonic_ms() < s->rest_ms) {
        s->handed_back++;
        return answer_event(s, e, id, OUTCOME_DEFERRED, "the file cannot be written", why) < 0 ? -1
                                                                                               : 1;
    }
    return 0;
}

/* The file of the event; NULL and *why, EX_CONFIG or EX_IOERR: end. */
static struct file *file_of(struct sink *s, int64_t local_s, struct fault *why)
{
    bool full;
    struct file *f = file_find(s->store, local_s, &full, why);

    if (f || !full)
        return f;
    if (append(s, why) < 0 || file_store_release(s->store, why) < 0) {
        why->status = EX_IOERR;
        return NULL;
    }
    return file_find(s->store, local_s, &full, why);
}

static size_t keep(struct sink *s, struct slice text)
{
    buf_slice(&s->texts, text);
    return s->texts.len - text.n;
}

/* A row, under the name of its file. */
static int show_row(struct sink *s, const struct event *e, struct slice id,
    const struct clock_time *t, struct fault *why)
{
    struct buf *out = &s->out.buf;
    const char *name = strrchr(s->url, '/') + 1;
    char file[FILE_NAME_BYTES];

    file_name(name, t->local_s, file);
    if (strcmp(file, s->shown) != 0) {
        buf_printf(out, "%s%.*s%s\n", s->shown[0] ? "\n" : "", (int)(name - s->url), s->url, file);
        file_format_heading(&s->format, out);
        memcpy(s->shown, file, sizeof file);
    }
    file_format_row(&s->format, out, e, id, t);
    return line_written(&s->out, why);
}

static int take_event(struct sink *s, const struct event *e, struct fault *why)
{
    char made[IDENTITY_TEXT];
    struct slice id = event_str(e, EV_EVENT_ID), ack = event_str(e, EV_ACK);
    struct identity key;
    struct clock_time t;
    struct answer *a;
    struct file *f;
    int rc;

    if (id.n == 0) {
        identity_of(&key, e, SLICE_NONE, NULL);
        identity_print(&key, made);
        id = slice_of(made);
    }
    file_id(id, &key);
    rc = answered(s, e, id, &t, why);
    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (!s->store)
        return show_row(s, e, id, &t, why);
    f = file_of(s, t.local_s, why);
    if (!f && (why->status == EX_CONFIG || why->status == EX_IOERR))
        return -1;
    if (!f) {
        says_no(s, why);
        s->handed_back++;
        return answer_event(s, e, id, OUTCOME_DEFERRED, "the file cannot be written", why);
    }
    s->row.len = 0;
    file_format_row(&s->format, &s->row, e, id, &t);
    a = &s->answer[s->answers++];
    *a = (struct answer){.file = f,
        .outcome = file_row(f, &key, buf_all(&s->row)) ? OUTCOME_DELIVERED : OUTCOME_DUPLICATE,
        .ack = keep(s, ack),
        .ack_n = ack.n,
        .has_ack = ack.p != NULL,
        .id = keep(s, id),
        .id_n = id.n,
        .ambiguous = yyjson_get_bool(e->field[EV_AMBIGUOUS]),
        .attempts = (unsigned)yyjson_get_uint(e->field[EV_ATTEMPTS])};
    s->bytes += s->row.len;
    return s->answers == AT_ONCE_EVENTS || s->bytes >= AT_ONCE_BYTES ? append(s, why) : 0;
}

static bool blank(struct slice line)
{
    while (line.n > 0 && strchr(" \t\r", line.p[line.n - 1]))
        line.n--;
    return line.n == 0;
}

static int take_line(struct sink *s, enum line kind, struct slice line, struct fault *why)
{
    struct event e;
    struct fault bad;

    if (kind == LINE_LONG)
        return answer_bad(s, "longer than a line may be", why);
    if (blank(line))
        return 0;
    if (event_read(s->events, line, &e, &bad) < 0)
        return answer_bad(s, bad.text, why);
    return take_event(s, &e, why);
}

/* ---- the loop ---- */

static int64_t now_local_s(const struct sink *s)
{
    time_t now = (time_t)((clock_now_ms() - s->grace_ms) / 1000);
    struct tm tm;

    if (s->zone)
        return now + zone_offset_at(s->zone, now);
    localtime_r(&now, &tm);
    return now + tm.tm_gmtoff;
}

/* What may wait until there is nothing to read: files to show, files whose time is over. */
static int upkeep(struct sink *s, int64_t *wait_ms, struct fault *why)
{
    int64_t now_ms = monotonic_ms();

    if (file_store_show(s->store, now_ms, wait_ms, why) < 0) {
        if (why->status != EX_CANTCREAT)
            return -1;
        says_no(s, why);
        *wait_ms = REST_MS;
    }
    if (now_ms >= s->tidy_ms) {
        if (file_store_tidy(s->store, now_local_s(s), false, why) < 0 &&
            why->status != EX_CANTCREAT)
            return -1;
        s->tidy_ms = now_ms + TIDY_MS;
    }
    if (*wait_ms < 0 || *wait_ms > s->tidy_ms - now_ms)
        *wait_ms = s->tidy_ms - now_ms;
    return 0;
}

static int wait_for_input(struct sink *s, struct fault *why)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    int64_t wait_ms;
    int ready = stop_wait(&in, 1, 0, false);

    if (ready == 0 && !stop_requested()) {
        wait_ms = -1;
        if (append(s, why) < 0 || line_flush(&s->out, why) < 0 ||
            (s->store && upkeep(s, &wait_ms, why) < 0))
            return -1;
        ready = stop_wait(&in, 1, (int)wait_ms, false);
    }
    if (ready < 0)
        return fault_errno(why, EX_OSERR, "cannot wait");
    return in.revents ? (line_fill(s->lines, why) < 0 ? -1 : 0) : 0;
}

static int turn(struct sink *s, struct fault *why)
{
    struct slice line;
    enum line kind = line_take(s->lines, &line);

    if (kind == LINE_END || stop_requested()) {
        s->ended = true;
        return 0;
    }
    return kind == LINE_WAIT ? wait_for_input(s, why) : take_line(s, kind, line, why);
}

static void count(struct buf *text, uint64_t n, const char *what)
{
    if (n > 0)
        buf_printf(text, "%s%" PRIu64 " %s", text->len ? ", " : "", n, what);
}

static int end(struct sink *s)
{
    struct buf text = {0};

    count(&text, s->bad, "not understood");
    count(&text, s->tally[OUTCOME_REJECTED] - s->bad, "rejected");
    count(&text, s->tally[OUTCOME_HELD], "held");
    count(&text, s->tally[OUTCOME_DEFERRED], "deferred");
    if (text.len > 0) {
        count(&text, s->tally[OUTCOME_DELIVERED], "delivered");
        count(&text, s->tally[OUTCOME_DUPLICATE], "there already");
        msg_warn("%s: %.*s", s->url, (int)text.len, text.data);
    }
    buf_free(&text);
    if (s->tally[OUTCOME_HELD] + s->tally[OUTCOME_DEFERRED] > 0)
        return EX_TEMPFAIL;
    return s->tally[OUTCOME_REJECTED] > 0 ? EX_DATAERR : 0;
}

/* ---- options ---- */

static int set_separator(struct sink *s, const char *value, struct fault *why)
{
    static const struct {
        const char *name;
        char c;
    } names[] = {{"comma", ','}, {"semicolon", ';'}, {"tab", '\t'}};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(value, names[i].name) == 0) {
            s->format.separator = names[i].c;
            return 0;
        }
    return fault_set(why, EX_USAGE, "-o separator: comma, semicolon or tab");
}

static int set_option(struct sink *s, const char *option, const char **done, struct fault *why)
{
    const char *value = strchr(option, '=');
    struct slice name;

    if (!value)
        return fault_set(why, EX_USAGE, "-o %s: write it like key=value", option);
    name = (struct slice){option, (size_t)(value++ - option)};
    if (slice_is(name, "columns"))
        return file_format_columns(&s->format, value, why);
    if (slice_is(name, "separator"))
        return set_separator(s, value, why);
    if (slice_is(name, "heading") && (strcmp(value, "yes") == 0 || strcmp(value, "no") == 0)) {
        s->format.heading = strcmp(value, "yes") == 0;
        return 0;
    }
    if (slice_is(name, "zone"))
        return (s->zone = zone_find(value, why)) ? 0 : -1;
    if (slice_is(name, "grace"))
        return option_duration("o grace", value, &s->grace_ms, why);
    if (slice_is(name, "done") && value[0] == '/') {
        *done = value;
        return 0;
    }
    return fault_set(why, EX_USAGE,
        "-o %s: files know columns=, separator=, heading=yes|no, zone=, grace=TIME and done=/PATH",
        option);
}

static bool ends(const char *text, const char *with)
{
    size_t n = strlen(text), m = strlen(with);

    return n > m && strcmp(text + n - m, with) == 0;
}

/* What the command line says, into *s and *store. */
static int sink_set(struct sink *s, const struct file_sink_config *config,
    struct file_store_config *store, struct fault *why)
{
    const char *path = config->url + sizeof SCHEME - 1;

    *store = (struct file_store_config){.pattern = path, .format = &s->format};
    s->url = config->url;
    s->format = (struct file_format){.csv = ends(path, ".csv"), .separator = ',', .heading = true};
    if (path[0] != '/' || (!s->format.csv && !ends(path, ".ndjson")))
        return fault_set(
            why, EX_USAGE, "URL: a file is file:///folder/NAME.csv or file:///folder/NAME.ndjson");
    if (file_format_columns(&s->format, COLUMNS, why) < 0)
        return -1;
    for (unsigned i = 0; i < config->options; i++)
        if (set_option(s, config->option[i], &store->done, why) < 0)
            return -1;
    if (store->done && !ends(store->done, s->format.csv ? ".csv" : ".ndjson"))
        return fault_set(why, EX_USAGE, "-o done: must end like the URL");
    return 0;
}

static int sink_open(struct sink *s, const struct file_sink_config *config, struct fault *why)
{
    struct file_store_config store;
    int64_t room;

    s->lines = line_reader_new(STDIN_FILENO, LINE_MAX_BYTES);
    s->events = event_reader_new();
    line_writer_init(&s->out, STDOUT_FILENO, "standard output");
    if (sink_set(s, config, &store, why) < 0)
        return -1;
    if (config->dry)
        return file_store_check(&store, &room, why);
    s->store = file_store_open(&store, why);
    if (!s->store)
        return -1;
    s->tidy_ms = monotonic_ms() + TIDY_MS;
    return file_store_tidy(s->store, now_local_s(s), true, why);
}

static void sink_free(struct sink *s)
{
    if (s->store)
        file_store_close(s->store);
    line_reader_free(s->lines);
    event_reader_free(s->events);
    line_writer_free(&s->out);
    buf_free(&s->texts);
    buf_free(&s->row);
    free(s);
}

int file_sink_run(const struct file_sink_config *config, struct fault *why)
{
    struct sink *s = mem_alloc(sizeof *s);
    int rc;

    memset(s, 0, sizeof *s);
    rc = sink_open(s, config, why);
    while (rc == 0 && !s->ended)
        rc = turn(s, why);
    if (rc == 0)
        rc = append(s, why);
    if (rc == 0 && s->store)
        rc = file_store_release(s->store, why);
    if (rc == 0 && s->store)
        rc = file_store_tidy(s->store, now_local_s(s), false, why);
    /* Receipts of what is safe go out in any case. */
    if ((s->store || config->dry) && line_close(&s->out, rc == 0 ? why : &(struct fault){0}) < 0)
        rc = -1;
    if (rc == 0)
        rc = end(s);
    sink_free(s);
    return rc;
}

/* ---- --check ---- */

#define ROOM_LOW_BYTES (64ll << 20)

static void say_room(struct findings *f, int64_t bytes)
{
    if (bytes >= ROOM_LOW_BYTES)
        finding_ok(f, "space", "%" PRId64 " MiB are free", bytes >> 20);
    else if (bytes > 0)
        finding_warn(f, "space", "only %" PRId64 " KiB are free: make room", bytes >> 10);
    else
        finding_fail(f, EX_IOERR, "space", "the disk is full: make room");
}

int file_sink_check(const struct file_sink_config *config, struct fault *why)
{
    struct sink *s = mem_alloc(sizeof *s);
    struct file_store_config store;
    struct findings f;
    int64_t bytes;
    int rc;

    memset(s, 0, sizeof *s);
    rc = sink_set(s, config, &store, why);
    free(s);
    if (rc < 0)
        return -1;
    findings_open(&f);
    if (file_store_check(&store, &bytes, why) < 0) {
        finding_fail(&f, why->status, "folder", "%s", why->text);
    } else {
        finding_ok(&f, "folder", "the user %ld may write in it", (long)geteuid());
        say_room(&f, bytes);
    }
    return findings_close(&f, why);
}

/* SPDX-License-Identifier: MIT */
/* ts-spool stat: is everything in? */
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "json.h"
#include "spool.h"

enum { OPT_JSON = OPTION_LONG, OPT_PROMETHEUS };

static const struct option_spec options[] = {
    {OPT_JSON, "json", NULL, "one JSON object"},
    {OPT_PROMETHEUS, "prometheus", NULL, "metrics for a textfile collector; exit status 0"},
    OPTION_HELP,
    {0},
};

struct form {
    void (*print)(struct buf *out, const struct store_stat *s, const char *name, int64_t now_ms);
};

/* ---- for people ---- */

static void print_age(struct buf *out, int64_t ms)
{
    static const struct {
        int64_t ms;
        char unit;
    } units[] = {{86400000, 'd'}, {3600000, 'h'}, {60000, 'm'}, {1000, 's'}};
    size_t i = 0;

    while (i < 3 && ms < units[i].ms)
        i++;
    buf_printf(out, "%lld%c", (long long)(ms / units[i].ms), units[i].unit);
}

static bool all_in(const struct store_stat *s)
{
    return s->in[STATE_WAITING] == 0 && s->in[STATE_HELD] == 0;
}

static void print_text(
    struct buf *out, const struct store_stat *s, const char *name, int64_t now_ms)
{
    static const enum state order[] = {
        STATE_DELIVERED, STATE_WAITING, STATE_HELD, STATE_DEAD, STATE_SKIPPED};

    (void)name;
    buf_text(out, s->stored == 0           ? "nothing was ever put: "
                  : !all_in(s)             ? "not everything is in: "
                  : s->in[STATE_DEAD] == 0 ? "everything is in: "
                                           : "everything but the dead is in: ");
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        buf_printf(
            out, "%s%lld %s", i > 0 ? ", " : "", (long long)s->in[order[i]], state_name(order[i]));
    if (s->oldest_waiting_ms > 0) {
        buf_lit(out, "; the oldest has waited ");
        print_age(out, now_ms > s->oldest_waiting_ms ? now_ms - s->oldest_waiting_ms : 0);
    }
    if (!s->draining && !all_in(s))
        buf_lit(out, "; no drain is at work");
    buf_char(out, '\n');
}

/* ---- for programs ---- */

static void json_member(struct buf *out, const char *key, int64_t value)
{
    if (out->data[out->len - 1] != '{')
        buf_char(out, ',');
    buf_printf(out, "\"%s\":", key);
    json_int(out, value);
}

static void json_time(struct buf *out, const char *key, int64_t ms)
{
    char text[CLOCK_TEXT];
    size_t n;

    if (ms == 0)
        return;
    n = clock_print_utc_ms(text, ms);
    buf_printf(out, ",\"%s\":", key);
    json_str(out, (struct slice){text, n});
}

static void print_json(
    struct buf *out, const struct store_stat *s, const char *name, int64_t now_ms)
{
    (void)name;
    buf_char(out, '{');
    for (int i = 0; i < STATES; i++)
        json_member(out, state_name((enum state)i), s->in[i]);
    json_member(out, "stored", s->stored);
    json_member(out, "duplicates", s->duplicates);
    json_member(out, "known_to_receiver", s->known);
    json_member(out, "erased", s->erased);
    json_member(out, "purged", s->purged);
    json_member(out, "bytes", s->bytes);
    if (s->oldest_waiting_ms > 0)
        json_member(out, "oldest_waiting_s", (now_ms - s->oldest_waiting_ms) / 1000);
    json_time(out, "oldest_waiting_since", s->oldest_waiting_ms);
    json_time(out, "last_put", s->last_put_ms);
    json_time(out, "last_delivered", s->last_delivered_ms);
    buf_printf(out, ",\"draining\":%s", s->draining ? "true" : "false");
    buf_printf(out, ",\"everything_in\":%s}\n", all_in(s) ? "true" : "false");
}

/* The value of a label: the store's name without its folder, escaped as the format wants. */
static void print_label(struct buf *out, const char *name)
{
    const char *slash = strrchr(name, '/');

    for (const char *p = slash ? slash + 1 : name; *p; p++) {
        if (*p == '\n') {
            buf_lit(out, "\\n");
            continue;
        }
        if (*p == '"' || *p == '\\')
            buf_char(out, '\\');
        buf_char(out, *p);
    }
}

struct metric {
    const char *name, *type, *help;
    int64_t value;
    bool milliseconds, absent;
};

static void print_metric(struct buf *out, const struct metric *m, struct slice label)
{
    if (m->absent)
        return;
    buf_printf(out, "# HELP ts_spool_%s %s\n# TYPE ts_spool_%s %s\nts_spool_%s{store=\"", m->name,
        m->help, m->name, m->type, m->name);
    buf_slice(out, label);
    if (m->milliseconds)
        buf_printf(out, "\"} %lld.%03d\n", (long long)(m->value / 1000), (int)(m->value % 1000));
    else
        buf_printf(out, "\"} %lld\n", (long long)m->value);
}

static void print_prometheus(
    struct buf *out, const struct store_stat *s, const char *name, int64_t now_ms)
{
    int64_t age = s->oldest_waiting_ms > 0 ? now_ms - s->oldest_waiting_ms : 0;
    const struct metric metrics[] = {
        {"stored_total", "counter", "Events ever stored.", s->stored, false, false},
        {"delivered_total", "counter", "Events delivered.", s->in[STATE_DELIVERED], false, false},
        {"duplicates_total", "counter", "Events put again.", s->duplicates, false, false},
        {"oldest_waiting_seconds", "gauge", "Age of the oldest waiting event.", age > 0 ? age : 0,
            true, false},
        {"last_put_timestamp_seconds", "gauge", "When an event was last stored.", s->last_put_ms,
            true, s->last_put_ms == 0},
        {"last_delivery_timestamp_seconds", "gauge", "When an event was last delivered.",
            s->last_delivered_ms, true, s->last_delivered_ms == 0},
        {"draining", "gauge", "Whether a drain is at work.", s->draining, false, false},
        {"store_bytes", "gauge", "Size of the store.", s->bytes, false, false},
    };
    struct buf label = {0};

    print_label(&label, name);
    buf_lit(out, "# HELP ts_spool_events Events by state.\n# TYPE ts_spool_events gauge\n");
    for (int i = 0; i < STATES; i++) {
        buf_lit(out, "ts_spool_events{store=\"");
        buf_slice(out, buf_all(&label));
        buf_printf(out, "\",state=\"%s\"} %lld\n", state_name((enum state)i), (long long)s->in[i]);
    }
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++)
        print_metric(out, &metrics[i], buf_all(&label));
    buf_free(&label);
}

/* ---- the command ---- */

static int set_option(void *arg, const struct option_value *v, struct fault *why)
{
    struct form *form = arg;

    (void)why;
    form->print = v->code == OPT_JSON ? print_json : print_prometheus;
    return 0;
}

static int exit_status(const struct form *form, const struct store_stat *s)
{
    if (form->print == print_prometheus)
        return 0;
    if (!all_in(s))
        return EX_TEMPFAIL;
    return s->in[STATE_DEAD] > 0 ? EX_DATAERR : 0;
}

static int run(const struct program *program, int argc, char **argv, struct fault *why)
{
    struct form form = {print_text};
    struct store_stat stat;
    struct line_writer out;
    struct store *s;
    int first, rc = command_options(program, argc, argv, set_option, &form, &first, why);
    const char *name;

    if (rc != 0)
        return rc;
    name = command_store(program, argc, argv, first, why);
    if (!name)
        return -1;
    s = store_open(name, STORE_READ, why);
    if (!s)
        return -1;
    rc = store_stat(s, &stat, why);
    store_close(s);
    if (rc < 0)
        return -1;
    line_writer_init(&out, 1, "standard output");
    form.print(&out.buf, &stat, name, clock_now_ms());
    rc = line_close(&out, why);
    line_writer_free(&out);
    return rc < 0 ? -1 : exit_status(&form, &stat);
}

const struct command command_stat = {
    .program = {.name = "ts-spool stat",
        .synopsis = "[--json | --prometheus] STORE",
        .summary = "Says in one line whether everything is in.",
        .options = options,
        .more = "Exit status: 0 everything is in, 75 events wait or are held, 65 only dead ones "
                "are left.\n"},
    .run = run,
};

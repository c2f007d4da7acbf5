/* SPDX-License-Identifier: MIT */
/* ts-spool watermark: a line for each device, for ts-send --watermark; all of them or none. */
#include <inttypes.h>
#include <stdlib.h>

#include "marks.h"
#include "msg.h"
#include "print.h"
#include "spool.h"

#define SETTLE_MS (3600 * 1000)
#define NAMES_MAX 256

enum { OPT_SETTLE = OPTION_LONG, OPT_DEVICE, OPT_WITHOUT, OPT_COMPLETE, OPT_IGNORE };

static const struct option_spec options[] = {
    {OPT_SETTLE, "settle", "TIME", "how late a device may hand over an event (1h)"},
    {OPT_DEVICE, "device", "ID", "only this device; several times"},
    {OPT_WITHOUT, "without", "ID", "not this device, it is gone; several times"},
    {OPT_COMPLETE, "complete", "ID=TIME", "all of this device up to TIME was put"},
    {OPT_IGNORE, "ignore", "STATE", "held or dead: such events do not hold it back"},
    OPTION_HELP,
    {0},
};

/* What names devices, as given. */
struct names {
    const char *name[NAMES_MAX];
    unsigned count;
};

struct watermark {
    struct marks_config config;
    struct names only, without, complete;
    struct marks marks;
    struct line_writer out;
};

/* ---- options ---- */

static int add_name(struct names *n, const char *option, const char *name, struct fault *why)
{
    if (n->count == NAMES_MAX)
        return fault_set(why, EX_USAGE, "--%s: more than %d", option, NAMES_MAX);
    n->name[n->count++] = name;
    return 0;
}

static int set_ignored(struct watermark *w, const char *name, struct fault *why)
{
    static const enum state states[] = {STATE_HELD, STATE_DEAD};

    for (size_t i = 0; i < 2; i++)
        if (strcmp(name, state_name(states[i])) == 0) {
            w->config.ignored |= STATE_BIT(states[i]);
            return 0;
        }
    return fault_set(why, EX_USAGE, "--ignore %s: must be held or dead", name);
}

static int set_option(void *arg, const struct option_value *v, struct fault *why)
{
    struct watermark *w = arg;
    long long ms;

    switch (v->code) {
    case OPT_SETTLE:
        if (option_duration("settle", v->arg, &ms, why) < 0)
            return -1;
        w->config.settle_ms = ms;
        return 0;
    case OPT_DEVICE:
        return add_name(&w->only, "device", v->arg, why);
    case OPT_WITHOUT:
        return add_name(&w->without, "without", v->arg, why);
    case OPT_COMPLETE:
        return add_name(&w->complete, "complete", v->arg, why);
    default:
        return set_ignored(w, v->arg, why);
    }
}

/* ---- which devices ---- */

static struct mark *find(
    const struct watermark *w, const char *option, struct slice name, struct fault *why)
{
    struct mark *m = marks_find(&w->marks, name);

    if (!m)
        fault_set(why, EX_NOINPUT, "--%s %.*s: nothing was ever put from this device", option,
            (int)name.n, name.p);
    return m;
}

static int set_complete(struct watermark *w, const char *text, struct fault *why)
{
    const char *time = strrchr(text, '=');
    struct mark *m;

    if (!time)
        return fault_set(why, EX_USAGE, "--complete %s: write it like ID=TIME", text);
    m = find(w, "complete", (struct slice){text, (size_t)(time - text)}, why);
    if (!m)
        return -1;
    mark_time_of(&m->complete, slice_of(time + 1), SLICE_NONE);
    if (m->complete.has_instant && m->complete.time[0])
        return 0;
    return fault_set(why, EX_USAGE,
        "--complete %s: a TIME with its offset is wanted, like 2024-05-31T08:00:00+08:00", text);
}

static int choose(struct watermark *w, struct fault *why)
{
    struct mark *m;

    for (size_t i = 0; i < w->marks.count; i++)
        w->marks.mark[i].left_out = w->only.count > 0;
    for (unsigned i = 0; i < w->only.count; i++) {
        if (!(m = find(w, "device", slice_of(w->only.name[i]), why)))
            return -1;
        m->left_out = false;
    }
    for (unsigned i = 0; i < w->without.count; i++) {
        if (!(m = find(w, "without", slice_of(w->without.name[i]), why)))
            return -1;
        m->left_out = true;
    }
    for (unsigned i = 0; i < w->complete.count; i++)
        if (set_complete(w, w->complete.name[i], why) < 0)
            return -1;
    return 0;
}

/* ---- what is told ---- */

/* "3 waiting, 1 dead" */
static void print_open(struct buf *out, const struct mark *m)
{
    static const enum state states[] = {STATE_WAITING, STATE_HELD, STATE_DEAD};
    const char *comma = "";

    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        if (m->open[states[i]] > 0) {
            buf_printf(out, "%s%" PRId64 " %s", comma, m->open[states[i]], state_name(states[i]));
            comma = ", ";
        }
}

static void tell_stuck(const struct mark *m)
{
    char day[CLOCK_TEXT];
    struct buf text = {0};

    print_open(&text, m);
    buf_char(&text, '\0');
    clock_print_local(day, m->first.wall_ms / 1000, 0);
    if (m->timeless)
        msg_warn("%.*s: no mark: one of its events that are not settled has no time (%s)",
            (int)m->device.n, m->device.p, text.data);
    else if (m->first.known)
        msg_warn("%.*s: no mark: nothing of it is settled before %s (%s)", (int)m->device.n,
            m->device.p, day, text.data);
    else
        msg_warn("%.*s: no mark: nothing of it has a time with its zone, is in, and is old enough",
            (int)m->device.n, m->device.p);
    buf_free(&text);
}

static void print_behind(struct buf *out, const struct mark *m)
{
    static const enum state states[] = {STATE_WAITING, STATE_HELD, STATE_DEAD};
    char from[CLOCK_TEXT];

    if (!m->first.known)
        return;
    clock_print_local(from, m->first.wall_ms / 1000, 0);
    print_key(out, "behind");
    buf_char(out, '{');
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        if (m->open[states[i]] > 0)
            print_int(out, state_name(states[i]), m->open[states[i]]);
    print_str(out, "from", slice_of(from));
    buf_char(out, '}');
}

/* An event that nobody delivers, so that ts-enrich gives it the zone of today. */
static void print_mark(struct buf *out, const struct mark *m, size_t count)
{
    buf_char(out, '{');
    if (m->upto.local_time[0])
        print_str(out, "local_time", slice_of(m->upto.local_time));
    print_str(out, "time", slice_of(m->upto.time));
    print_str(out, "device_id", m->device);
    print_str(out, "skip", SLICE("a mark, no event"));
    print_int(out, "marks", (int64_t)count);
    print_behind(out, m);
    buf_lit(out, "}\n");
}

static int print_all(struct watermark *w, struct fault *why)
{
    size_t count = 0, stuck = 0;

    for (size_t i = 0; i < w->marks.count; i++) {
        const struct mark *m = &w->marks.mark[i];

        count += !m->left_out;
        if (m->left_out || m->upto.known)
            continue;
        tell_stuck(m);
        stuck++;
    }
    if (w->marks.nameless > 0)
        msg_warn("%" PRId64 " events that are not settled name no device, so they may be of any",
            w->marks.nameless);
    if (stuck > 0 || w->marks.nameless > 0 || count == 0)
        return fault_set(why, EX_TEMPFAIL, "%s",
            count == 0 ? "no device has put anything yet"
                       : "not every device has a mark: none is told");
    for (size_t i = 0; i < w->marks.count; i++)
        if (!w->marks.mark[i].left_out)
            print_mark(&w->out.buf, &w->marks.mark[i], count);
    return line_close(&w->out, why);
}

static int tell(struct watermark *w, struct store *s, struct fault *why)
{
    int rc;

    w->config.now_ms = clock_now_ms();
    if (marks_open(&w->marks, s, why) < 0 || choose(w, why) < 0)
        return -1;
    rc = marks_look(&w->marks, s, &w->config, why);
    if (rc == 0)
        return fault_set(why, EX_TEMPFAIL, "earlier events came while it looked: try again");
    return rc < 0 ? -1 : print_all(w, why);
}

static int run(const struct program *program, int argc, char **argv, struct fault *why)
{
    struct watermark w = {.config.settle_ms = SETTLE_MS};
    struct store *s;
    int rc = command_reads(program, argc, argv, set_option, &w, &s, why);

    if (rc != 0)
        return rc;
    line_writer_init(&w.out, 1, "standard output");
    rc = tell(&w, s, why);
    line_writer_free(&w.out);
    marks_free(&w.marks);
    store_close(s);
    return rc;
}

const struct command command_watermark = {
    .program = {.name = "ts-spool watermark",
        .synopsis = "[--settle TIME] [--without ID] [option …] STORE",
        .summary = "Says up to when everything of each device is in.",
        .options = options,
        .more = "For ts-send --watermark. Exit status: 0, or 75 when not every device has a mark:\n"
                "then nothing is printed.\n"},
    .run = run,
};

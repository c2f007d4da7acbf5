/* SPDX-License-Identifier: MIT */
/* ts-spool stat: is everything in?  And, for cron, is anybody to be told that it is not? */
#include "stat.h"

#include <stdlib.h>

#include "alert.h"
#include "clock.h"
#include "print.h"
#include "room.h"
#include "spool.h"

#define ROOM_FAR_MS (400 * 86400000ll) /* further ahead nobody has to know it */

enum {
    OPT_JSON = OPTION_LONG,
    OPT_PROMETHEUS,
    OPT_DEVICES,
    OPT_ALERT,
    OPT_WAITING,
    OPT_HELD,
    OPT_FAILING,
    OPT_SILENT,
    OPT_DEAD,
    OPT_ROOM,
};

static const struct option_spec options[] = {
    {OPT_JSON, "json", NULL, "one JSON object"},
    {OPT_PROMETHEUS, "prometheus", NULL, "metrics for a textfile collector; exit status 0"},
    {OPT_DEVICES, "devices", NULL, "with either: when each device last put an event"},
    {OPT_ALERT, "alert", "COMMAND", "runs COMMAND with what a person must know on stdin"},
    {OPT_WAITING, "waiting-over", "TIME", "alert: events wait so long (1h)"},
    {OPT_FAILING, "failing-over", "TIME", "alert: the receiver takes nothing so long (15m)"},
    {OPT_DEAD, "dead-over", "N", "alert: more than so many are dead (0)"},
    {OPT_ROOM, "room-under", "TIME", "alert: the room will not last so long (7d)"},
    {OPT_HELD, "held-over", "TIME", "alert: events are held so long (not looked at)"},
    {OPT_SILENT, "silent-over", "TIME", "alert: a device is silent so long (not looked at)"},
    OPTION_HELP,
    {0},
};

struct statting {
    void (*print)(struct buf *out, const struct stat_view *v);
    struct stat_view view;
    struct alert alert;
    bool alert_option; /* one that only --alert makes sense of */
};

/* ---- for people ---- */

static void print_since(
    struct buf *out, const struct stat_view *v, const char *text, int64_t since_ms)
{
    if (since_ms <= 0)
        return;
    buf_text(out, text);
    print_age(out, v->now_ms - since_ms);
}

static void print_why(struct buf *out, const struct stat_view *v)
{
    const struct store_stat *s = &v->is;
    int64_t room = room_ms(s, v->now_ms);

    print_since(out, v, "; the oldest has waited ", s->oldest_waiting_ms);
    print_since(out, v, "; held for up to ", s->oldest_held_ms);
    print_since(out, v, "; the receiver has taken nothing for ", s->failing_since_ms);
    if (s->failing_since_ms > 0 && s->failing_status > 0)
        buf_printf(out, " (status %d)", s->failing_status);
    if (room >= 0 && room < ROOM_FAR_MS) {
        buf_lit(out, "; room for about ");
        if (room < 2 * 86400000ll)
            print_age(out, room);
        else
            buf_printf(out, "%lld days", (long long)(room / 86400000));
    }
    if (!s->draining && !stat_all_in(s))
        buf_lit(out, "; no drain is at work");
}

static void print_text(struct buf *out, const struct stat_view *v)
{
    static const enum state order[] = {
        STATE_DELIVERED, STATE_WAITING, STATE_HELD, STATE_DEAD, STATE_SKIPPED};
    const struct store_stat *s = &v->is;

    buf_text(out, s->stored == 0           ? "nothing was ever put: "
                  : !stat_all_in(s)        ? "not everything is in: "
                  : s->in[STATE_DEAD] == 0 ? "everything is in: "
                                           : "everything but the dead is in: ");
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        buf_printf(
            out, "%s%lld %s", i > 0 ? ", " : "", (long long)s->in[order[i]], state_name(order[i]));
    print_why(out, v);
    buf_char(out, '\n');
}

/* ---- the command ---- */

static int set_alert(struct statting *st, const struct option_value *v, struct fault *why)
{
    struct alert *a = &st->alert;

    st->alert_option = true;
    switch (v->code) {
    case OPT_WAITING:
        return option_duration("waiting-over", v->arg, &a->waiting_ms, why);
    case OPT_HELD:
        return option_duration("held-over", v->arg, &a->held_ms, why);
    case OPT_FAILING:
        return option_duration("failing-over", v->arg, &a->failing_ms, why);
    case OPT_SILENT:
        return option_duration("silent-over", v->arg, &a->silent_ms, why);
    case OPT_ROOM:
        return option_duration("room-under", v->arg, &a->room_ms, why);
    default:
        return option_number("dead-over", v->arg, 0, INT64_MAX, &a->dead, why);
    }
}

static int set_option(void *arg, const struct option_value *v, struct fault *why)
{
    struct statting *st = arg;

    switch (v->code) {
    case OPT_JSON:
        st->print = stat_print_json;
        return 0;
    case OPT_PROMETHEUS:
        st->print = stat_print_prometheus;
        return 0;
    case OPT_DEVICES:
        st->view.with_devices = true;
        return 0;
    case OPT_ALERT:
        st->alert.command = v->arg;
        return 0;
    default:
        return set_alert(st, v, why);
    }
}

static int check(const struct statting *st, struct fault *why)
{
    if (st->view.with_devices && !st->print)
        return fault_set(why, EX_USAGE, "--devices needs --json or --prometheus");
    if (st->alert_option && !st->alert.command)
        return fault_set(why, EX_USAGE, "what is to be told? --alert COMMAND is missing");
    return 0;
}

static int keep_device(void *arg, const struct device_seen *d)
{
    struct stat_view *v = arg;
    struct stat_device *row;

    if (v->devices++ >= STAT_DEVICES_MAX)
        return 0;
    if (!v->device)
        v->device = mem_alloc(STAT_DEVICES_MAX * sizeof *v->device);
    row = &v->device[v->devices_shown++];
    *row = (struct stat_device){
        .id = {mem_text(d->device), d->device.n}, .last_put_ms = d->last_put_ms};
    if (d->last_day.n < sizeof row->last_day)
        memcpy(row->last_day, d->last_day.p ? d->last_day.p : "", d->last_day.n);
    return 0;
}

static int print(struct statting *st, struct fault *why)
{
    struct line_writer out;
    int rc;

    line_writer_init(&out, 1, "standard output");
    (st->print ? st->print : print_text)(&out.buf, &st->view);
    rc = line_close(&out, why);
    line_writer_free(&out);
    return rc;
}

static int look(struct statting *st, struct store *s, struct fault *why)
{
    struct stat_view *v = &st->view;

    v->now_ms = clock_now_ms();
    if (store_stat(s, &v->is, why) < 0)
        return -1;
    return v->with_devices ? store_devices(s, keep_device, v, why) : 0;
}

static int exit_status(const struct statting *st)
{
    if (st->print == stat_print_prometheus || st->alert.command)
        return 0;
    if (!stat_all_in(&st->view.is))
        return EX_TEMPFAIL;
    return st->view.is.in[STATE_DEAD] > 0 ? EX_DATAERR : 0;
}

/* An alert prints nothing of its own, for cron would mail it each time. */
static int show(struct statting *st, struct fault *why)
{
    const struct alert *a = &st->alert;
    struct store *s = store_open(st->view.name, a->command ? STORE_CHANGE : STORE_READ, why);
    int rc = s ? look(st, s, why) : -1;

    if (rc < 0 && a->command && why->status != EX_TEMPFAIL)
        alert_tell_fault(a, st->view.name, why);
    if (rc == 0 && a->command)
        rc = alert_tell(a, s, st->view.name, &st->view.is, st->view.now_ms, why);
    store_close(s);
    if (rc == 0 && (st->print || !a->command))
        rc = print(st, why);
    return rc < 0 ? -1 : exit_status(st);
}

static int run(const struct program *program, int argc, char **argv, struct fault *why)
{
    struct statting st = {.alert = ALERT_DEFAULTS};
    int first, rc = command_options(program, argc, argv, set_option, &st, &first, why);

    if (rc != 0)
        return rc;
    st.view.name = command_store(program, argc, argv, first, why);
    if (!st.view.name || check(&st, why) < 0)
        return -1;
    rc = show(&st, why);
    for (size_t i = 0; i < st.view.devices_shown; i++)
        free((char *)st.view.device[i].id.p);
    free(st.view.device);
    return rc;
}

const struct command command_stat = {
    .program = {.name = "ts-spool stat",
        .synopsis = "[--json | --prometheus] [--devices] STORE\n"
                    "[option …] --alert COMMAND STORE",
        .summary = "Says in one line whether everything is in.",
        .options = options,
        .more = "Exit status: 0 everything is in, 75 events wait or are held, 65 only dead ones "
                "are left;\nwith --alert 0, or 69 when COMMAND failed.\n"},
    .run = run,
};

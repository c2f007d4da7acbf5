/* SPDX-License-Identifier: MIT */
/* stat for programs: one JSON object, or metrics in the Prometheus text format: each family whole
   and once, base units, no moment of the sample, labels that are bounded. */
#include "clock.h"
#include "print.h"
#include "room.h"
#include "stat.h"

static int64_t age_of(const struct stat_view *v, int64_t since_ms)
{
    return since_ms > 0 && v->now_ms > since_ms ? v->now_ms - since_ms : 0;
}

/* ---- JSON ---- */

static void json_since(struct buf *out, const struct stat_view *v, const char *age,
    const char *moment, int64_t since_ms)
{
    if (since_ms <= 0)
        return;
    print_int(out, age, age_of(v, since_ms) / 1000);
    print_moment(out, moment, since_ms);
}

static void json_room(struct buf *out, const struct stat_view *v)
{
    int64_t room = room_ms(&v->is, v->now_ms);

    print_int(out, "bytes", v->is.bytes);
    if (v->is.limit_bytes > 0)
        print_int(out, "limit_bytes", v->is.limit_bytes);
    if (v->is.free_bytes >= 0)
        print_int(out, "free_bytes", v->is.free_bytes);
    print_int(out, "put_last_week", v->is.put_last_week);
    if (room >= 0)
        print_int(out, "room_days", room / 86400000);
}

static void json_devices(struct buf *out, const struct stat_view *v)
{
    if (!v->with_devices)
        return;
    print_key(out, "devices");
    buf_char(out, '[');
    for (size_t i = 0; i < v->devices_shown; i++) {
        const struct stat_device *d = &v->device[i];

        buf_text(out, i > 0 ? ",{" : "{");
        print_str(out, "device", d->id);
        print_moment(out, "last_put", d->last_put_ms);
        if (*d->last_day)
            print_str(out, "last_day", slice_of(d->last_day));
        buf_char(out, '}');
    }
    buf_char(out, ']');
}

void stat_print_json(struct buf *out, const struct stat_view *v)
{
    const struct store_stat *s = &v->is;

    buf_char(out, '{');
    for (int i = 0; i < STATES; i++)
        print_int(out, state_name((enum state)i), s->in[i]);
    print_int(out, "stored", s->stored);
    print_int(out, "duplicates", s->duplicates);
    print_int(out, "known_to_receiver", s->known);
    print_int(out, "erased", s->erased);
    print_int(out, "purged", s->purged);
    print_int(out, "actions", s->actions);
    json_room(out, v);
    json_since(out, v, "oldest_waiting_s", "oldest_waiting_since", s->oldest_waiting_ms);
    json_since(out, v, "oldest_held_s", "oldest_held_since", s->oldest_held_ms);
    json_since(out, v, "failing_s", "failing_since", s->failing_since_ms);
    if (s->failing_since_ms > 0 && s->failing_status > 0)
        print_int(out, "failing_status", s->failing_status);
    print_moment(out, "first_put", s->first_put_ms);
    print_moment(out, "last_put", s->last_put_ms);
    print_moment(out, "last_delivered", s->last_delivered_ms);
    json_devices(out, v);
    print_bool(out, "draining", s->draining);
    print_bool(out, "everything_in", stat_all_in(s));
    buf_lit(out, "}\n");
}

/* ---- Prometheus ---- */

static void print_label(struct buf *out, const char *key, struct slice text)
{
    buf_printf(out, "%s=\"", key);
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\n') {
            buf_lit(out, "\\n");
            continue;
        }
        if (text.p[i] == '"' || text.p[i] == '\\')
            buf_char(out, '\\');
        buf_char(out, text.p[i]);
    }
    buf_char(out, '"');
}

static void print_family(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP ts_spool_%s %s\n# TYPE ts_spool_%s %s\n", name, help, name, type);
}

/* name{store="…", to be closed by print_value. */
static void print_name(struct buf *out, const char *name, struct slice store)
{
    buf_printf(out, "ts_spool_%s{", name);
    print_label(out, "store", store);
}

static void print_value(struct buf *out, int64_t value, bool milliseconds)
{
    if (milliseconds)
        buf_printf(out, "} %lld.%03d\n", (long long)(value / 1000), (int)(value % 1000));
    else
        buf_printf(out, "} %lld\n", (long long)value);
}

static void print_states(struct buf *out, const struct stat_view *v, struct slice store)
{
    print_family(out, "events", "gauge", "Events by state.");
    for (int i = 0; i < STATES; i++) {
        print_name(out, "events", store);
        buf_printf(out, ",state=\"%s\"", state_name((enum state)i));
        print_value(out, v->is.in[i], false);
    }
}

static void print_devices(struct buf *out, const struct stat_view *v, struct slice store)
{
    static const char name[] = "device_last_put_timestamp_seconds";

    if (!v->with_devices || v->devices_shown == 0)
        return;
    print_family(out, name, "gauge", "When an event of the device last came.");
    for (size_t i = 0; i < v->devices_shown; i++) {
        print_name(out, name, store);
        buf_char(out, ',');
        print_label(out, "device", v->device[i].id);
        print_value(out, v->device[i].last_put_ms, true);
    }
}

struct metric {
    const char *name, *type, *help;
    int64_t value;
    bool milliseconds, absent;
};

static void print_metrics(struct buf *out, const struct metric *m, size_t count, struct slice store)
{
    for (size_t i = 0; i < count; i++) {
        if (m[i].absent)
            continue;
        print_family(out, m[i].name, m[i].type, m[i].help);
        print_name(out, m[i].name, store);
        print_value(out, m[i].value, m[i].milliseconds);
    }
}

static void print_counters(struct buf *out, const struct stat_view *v, struct slice store)
{
    const struct store_stat *s = &v->is;
    const struct metric metrics[] = {
        {"stored_total", "counter", "Events ever stored.", s->stored, false, false},
        {"duplicates_total", "counter", "Events put again.", s->duplicates, false, false},
        {"erased_total", "counter", "Events erased without delivery.", s->erased, false, false},
        {"actions_total", "counter", "Changes by hand.", s->actions, false, false},
        {"draining", "gauge", "Whether a drain is at work.", s->draining, false, false},
        {"devices", "gauge", "Devices that ever put an event.", (int64_t)v->devices, false,
            !v->with_devices},
    };

    print_metrics(out, metrics, sizeof metrics / sizeof *metrics, store);
}

static void print_times(struct buf *out, const struct stat_view *v, struct slice store)
{
    const struct store_stat *s = &v->is;
    const struct metric metrics[] = {
        {"oldest_waiting_seconds", "gauge", "Age of the oldest waiting event.",
            age_of(v, s->oldest_waiting_ms), true, false},
        {"oldest_held_seconds", "gauge", "Age of the oldest held event.",
            age_of(v, s->oldest_held_ms), true, false},
        {"failing_seconds", "gauge", "How long the receiver has taken nothing; 0: it works.",
            age_of(v, s->failing_since_ms), true, false},
        {"failing_status", "gauge", "Last status of a receiver that takes nothing.",
            s->failing_status, false, s->failing_since_ms == 0},
        {"last_put_timestamp_seconds", "gauge", "When an event was last stored.", s->last_put_ms,
            true, s->last_put_ms == 0},
        {"last_delivery_timestamp_seconds", "gauge", "When an event was last delivered.",
            s->last_delivered_ms, true, s->last_delivered_ms == 0},
    };

    print_metrics(out, metrics, sizeof metrics / sizeof *metrics, store);
}

static void print_room(struct buf *out, const struct stat_view *v, struct slice store)
{
    int64_t room = room_ms(&v->is, v->now_ms);
    const struct metric metrics[] = {
        {"store_bytes", "gauge", "Size of the store.", v->is.bytes, false, false},
        {"store_limit_bytes", "gauge", "Size at which events are refused.", v->is.limit_bytes,
            false, v->is.limit_bytes == 0},
        {"free_bytes", "gauge", "Free on the file system of the store.", v->is.free_bytes, false,
            v->is.free_bytes < 0},
        {"room_seconds", "gauge", "How long the room will last at last week's rate, about.", room,
            true, room < 0},
    };

    print_metrics(out, metrics, sizeof metrics / sizeof *metrics, store);
}

void stat_print_prometheus(struct buf *out, const struct stat_view *v)
{
    struct buf store = {0};

    print_store(&store, v->name);
    print_states(out, v, buf_all(&store));
    print_counters(out, v, buf_all(&store));
    print_times(out, v, buf_all(&store));
    print_room(out, v, buf_all(&store));
    print_devices(out, v, buf_all(&store));
    buf_free(&store);
}

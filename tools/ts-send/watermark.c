/* SPDX-License-Identifier: MIT */
/* One set of marks, one conversation with the receiver; that it moves forward is the profile's. */
#include "watermark.h"

#include <inttypes.h>
#include <unistd.h>

#include "clock.h"
#include "dialog.h"
#include "line.h"
#include "msg.h"
#include "oauth_wait.h"
#include "url.h"

/* ---- marks ---- */

static int no_mark(uint64_t line, const char *what, struct fault *why)
{
    return fault_set(
        why, EX_DATAERR, "standard input: line %" PRIu64 ": %s: nothing is told", line, what);
}

static bool marked(const struct event *e, enum event_field field)
{
    yyjson_val *v = e->field[field];

    return v && !yyjson_is_null(v) && !yyjson_is_false(v);
}

/* An hour that the site's clocks show twice: its second time is still to come, so that a mark in
   the first can only be told as the moment before. */
static int64_t before_fold(struct zone *zone, int64_t unix_s)
{
    int64_t low = unix_s, high = unix_s + 86400, first;
    int32_t offset_s = zone_offset_at(zone, unix_s);

    if (zone_offset_at(zone, high) >= offset_s)
        return unix_s;
    while (low + 1 < high) {
        int64_t mid = low + (high - low) / 2;

        *(zone_offset_at(zone, mid) >= offset_s ? &low : &high) = mid;
    }
    first = high + zone_offset_at(zone, high) - offset_s; /* when its first time began */
    return unix_s < first ? unix_s : first - 1;
}

/* One line into *devices; *wanted: how many there are to be, as each of them says. */
static int add_mark(const struct scripted *p, int64_t now_s, const struct event *e, uint64_t line,
    struct value *devices, uint64_t *wanted, struct fault *why)
{
    struct slice device = event_str(e, EV_DEVICE_ID), time = event_str(e, EV_TIME);
    yyjson_val *marks = yyjson_obj_get(e->root, "marks");
    struct value mark, before;
    char upto[CLOCK_TEXT];
    struct clock_time t;
    int32_t offset_s;
    int64_t unix_s;

    if (!yyjson_is_uint(marks) || yyjson_get_uint(marks) == 0 || device.n == 0)
        return no_mark(line, "no mark of ts-spool watermark", why);
    if (*wanted > 0 && yyjson_get_uint(marks) != *wanted)
        return no_mark(line, "of another set of marks", why);
    if (marked(e, EV_ERROR) || marked(e, EV_HOLD))
        return no_mark(line, "a mark with a fault", why);
    *wanted = yyjson_get_uint(marks);
    if (!clock_parse(time, &t) || !t.has_offset)
        return no_mark(line, "a mark without a time and its offset", why);
    unix_s = t.local_s - t.offset_s;
    offset_s = t.offset_s;
    if (p->zone) {
        unix_s = before_fold(p->zone, unix_s);
        offset_s = zone_offset_at(p->zone, unix_s);
    }
    mark = value_object();
    clock_print_zoned(upto, unix_s + offset_s, 0, offset_s);
    value_set(&mark, "upto", value_string(slice_of(upto)));
    value_set(&mark, "unix", value_number((double)unix_s));
    value_set(&mark, "site", ask_clock(unix_s + offset_s));
    before = value_get(*devices, device.p);
    if (value_kind(before) != VALUE_NULL || unix_s > now_s) {
        bool twice = value_kind(before) != VALUE_NULL;

        value_free(before);
        value_free(mark);
        return no_mark(line, twice ? "a device comes twice" : "a mark in the future", why);
    }
    value_set_slice(devices, device, mark);
    return 0;
}

static int read_marks(const struct scripted *p, int64_t now_s, struct line_reader *lines,
    struct value *devices, struct fault *why)
{
    struct event_reader *reader = event_reader_new();
    struct slice line;
    struct event e;
    enum line kind;
    uint64_t wanted = 0;
    int rc = 0;

    while (rc == 0 && (kind = line_next(lines, &line, why)) != LINE_END) {
        if (kind == LINE_ERROR)
            rc = -1;
        else if (kind != LINE_OK)
            rc = no_mark(line_number(lines), "cut off, or too long", why);
        else if (slice_trim(line).n > 0)
            rc = event_read(reader, line, &e, why) < 0
                     ? -1
                     : add_mark(p, now_s, &e, line_number(lines), devices, &wanted, why);
    }
    if (rc == 0 && value_count(*devices) != wanted)
        rc = fault_set(why, EX_DATAERR,
            "standard input: %u marks of %" PRIu64 ": the others are missing, nothing is told",
            value_count(*devices), wanted);
    event_reader_free(reader);
    return rc < 0 ? -1 : wanted > 0;
}

int watermark_read(
    const struct scripted *p, int64_t now_s, struct value *devices, struct fault *why)
{
    struct line_reader *lines = line_reader_new(STDIN_FILENO, LINE_MAX_BYTES);
    int rc;

    *devices = value_object();
    rc = read_marks(p, now_s, lines, devices, why);
    line_reader_free(lines);
    if (rc <= 0) {
        value_free(*devices);
        *devices = value_null();
    }
    return rc;
}

/* ---- telling ---- */

struct telling {
    const struct sender_config *config;
    struct transfer *transfer;
    struct headers *headers;
    struct oauth *oauth; /* or NULL */
    struct dialog d;
    char url[URL_BYTES_MAX + 8];
};

static int answer(void *arg, const char *what, struct fault *why)
{
    struct telling *t = arg;
    struct request r = ask_request(&t->d.ask);
    int rc;

    r.once = true;
    rc = transfer_call(t->transfer, &r, &t->d.reply, why);
    if (rc <= 0)
        return rc;
    if (t->d.reply.net != NET_OK)
        return fault_set(
            why, EX_UNAVAILABLE, "%s: %s: no answer: %s", t->url, what, t->d.reply.net_text);
    if (t->config->verbose)
        msg_say("[%d %s] %s", t->d.reply.status, reply_status_name(t->d.reply.status), what);
    return 1;
}

/* What the last word means; 0: it was taken. */
static int judge(const struct telling *t, bool login, struct fault *why)
{
    struct verdict v = t->d.said.one;
    bool away = v.act == ACT_RETRY || (v.act == ACT_STOP && v.cause <= CAUSE_OUTAGE);
    int status = t->d.reply.status;

    if (!login && (v.act == ACT_DELIVERED || v.act == ACT_DUPLICATE || v.act == ACT_SKIPPED))
        return 0;
    return fault_set(why, away ? EX_UNAVAILABLE : EX_CONFIG, "%s: %s: %s (%d %s)", t->url,
        login ? "login" : "watermark",
        v.reason                                  ? v.reason
        : v.act == ACT_STOP || v.act == ACT_RETRY ? verdict_words(v.cause)
                                                  : "it is refused",
        status, reply_status_name(status));
}

/* The token, and the fields of all requests. */
static int get_token(struct telling *t, struct fault *why)
{
    struct verdict v;

    if (t->oauth && oauth_wait(t->oauth, t->transfer, &v) == OAUTH_NONE)
        return fault_set(why, v.cause <= CAUSE_OUTAGE ? EX_UNAVAILABLE : EX_CONFIG, "%s: %s",
            t->config->oauth_file, v.reason);
    if (t->oauth)
        oauth_install(t->oauth, t->config, t->transfer, &t->headers);
    return 0;
}

/* Whether the session has ended, or the token of the file, which says so itself when it does. */
static bool must_log_in(struct telling *t)
{
    const struct verdict *v = &t->d.said.one;

    if (t->oauth && t->d.reply.status == 401)
        oauth_refused(t->oauth);
    return v->act == ACT_SESSION || (t->oauth && t->d.reply.status == 401);
}

/* A session that has ended is opened again, once. */
static int tell(struct telling *t, struct fault *why)
{
    int rc = 0;

    for (int tries = 0; tries < 2; tries++) {
        if (get_token(t, why) < 0)
            return -1;
        rc = dialog_login(&t->d, why);
        if (rc == DIALOG_REFUSED)
            return judge(t, true, why);
        if (rc == DIALOG_JUDGED)
            rc = dialog_go(&t->d, SCRIPT_WATERMARK, why);
        if (rc != DIALOG_JUDGED || !must_log_in(t))
            break;
    }
    if (rc == DIALOG_JUDGED)
        return judge(t, false, why);
    if (rc == DIALOG_NOTHING)
        return fault_set(
            why, EX_CONFIG, "the profile %s has nothing to tell: see its options", t->d.p->name);
    return rc < 0 ? -1 : fault_set(why, EX_TEMPFAIL, "%s: watermark: interrupted", t->url);
}

static int open_and_tell(struct telling *t, struct fault *why)
{
    struct transfer_config k = t->config->transfer;

    k.connections = 1;
    t->headers = headers_read(&t->config->headers, NULL, why);
    if (!t->headers || scripted_secrets(t->config->profile->scripted, why) < 0)
        return -1;
    t->transfer = transfer_open(&k, why);
    if (!t->transfer)
        return -1;
    transfer_headers(t->transfer, t->headers);
    if (t->config->oauth_file)
        t->oauth = oauth_open(t->config->oauth_file, t->config->transfer.url, why);
    if (t->config->oauth_file && !t->oauth)
        return -1;
    t->d.common = t->headers;
    return tell(t, why);
}

int watermark_run(const struct sender_config *config, struct fault *why)
{
    struct telling t = {.config = config};
    struct scripted *p = config->profile->scripted;
    struct value devices;
    int64_t now_s = clock_now_ms() / 1000;
    int rc;

    if (!p)
        return fault_set(
            why, EX_USAGE, "--watermark: the profile %s has none", config->profile->name);
    if (config->dry)
        return fault_set(why, EX_USAGE, "--watermark: -n cannot show it, --explain does");
    rc = watermark_read(p, now_s, &devices, why);
    if (rc <= 0)
        return rc;
    url_shown(config->transfer.url, t.url);
    dialog_init(&t.d, p, 1);
    t.d.in.now_s = now_s;
    t.d.in.devices = &devices;
    t.d.answer = answer;
    t.d.arg = &t;
    rc = open_and_tell(&t, why);
    dialog_free(&t.d);
    transfer_close(t.transfer);
    headers_drop(t.headers);
    oauth_free(t.oauth);
    value_free(devices);
    return rc;
}

/* SPDX-License-Identifier: MIT */
/*
 * Devices of ZKTeco and their rebrands that push to /iclock/… : who may, what each page answers,
 * and what is noticed on the way.  A device hears OK when its records are safe; whatever else it
 * hears, it keeps them and sends them again.  What it says of people is read and dropped, and
 * nothing that changes a device is ever asked of it.
 *
 *     no serial number             400; OK to a ping
 *     one that is not in the list  503, said once: it keeps its records until it is let in
 *     records                      OK: n after their receipts, 503 otherwise
 *     people, pictures, state      OK, or tablename=n, at once; with --snapshots pictures are
 * records
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "http_dialect.h"
#include "iclock_book.h"
#include "iclock_list.h"
#include "iclock_watch.h"
#include "msg.h"
#include "stop.h"

#define DEVICES_MOST 8192u
#define STRANGERS_MOST 64u /* told of by name */
#define TRIES 3u           /* of asking for a period */
#define PATIENCE_MS 600000 /* with a device that was asked and sends nothing */

struct iclock {
    const struct source_env *env;
    struct format_options format; /* of zk-push */
    struct iclock_book *book;
    struct iclock_list *list;
    struct zone *zone;
    struct iclock_period period[ICLOCK_PERIODS];
    struct slice period_text[ICLOCK_PERIODS];
    unsigned periods;
    uint64_t first_id; /* of a command: those of an earlier life have others */
    char stranger[STRANGERS_MOST][ICLOCK_SERIAL];
    unsigned strangers;
    struct iclock_watch *watch;
    bool told_token;
};

/* One request. */
struct talk {
    struct iclock *iclock;
    struct iclock_device *device;
    struct iclock_query query;
    uint64_t lines;
    struct iclock_rows rows;
};

/* A serial number that is not in the list, once each. */
static void tell_stranger(struct iclock *s, const char *serial, const char *host)
{
    for (unsigned i = 0; i < s->strangers; i++)
        if (strcmp(s->stranger[i], serial) == 0)
            return;
    if (s->strangers == STRANGERS_MOST)
        return;
    memcpy(s->stranger[s->strangers++], serial, strlen(serial) + 1);
    msg_warn(
        "%s: serial number %s is not in the list: refused, so it keeps its records", host, serial);
    if (s->strangers == STRANGERS_MOST)
        msg_warn("further serial numbers that are not in the list are not named any more");
}

/* ---- options ---- */

/* Hours, an offset, or the name of a zone. */
static int read_zone(struct iclock *s, struct slice value, struct fault *why)
{
    char *text = mem_text(value), *end, offset[16];
    long hours = strtol(text, &end, 10);

    if (value.n > 0 && *end == '\0' && hours >= -12 && hours <= 14) {
        snprintf(offset, sizeof offset, "%c%02ld:00", hours < 0 ? '-' : '+', labs(hours));
        s->zone = zone_find(offset, why);
    } else {
        s->zone = zone_find(text, why);
    }
    free(text);
    return s->zone ? 0 : -1;
}

static int read_option(struct iclock *s, const struct format_option *o, struct fault *why)
{
    if (slice_is(o->key, "timezone"))
        return read_zone(s, o->value, why);
    if (!slice_is(o->key, "request"))
        return 0;
    if (s->periods == ICLOCK_PERIODS)
        return fault_set(why, EX_USAGE, "-o request=: more than %d", ICLOCK_PERIODS);
    s->period_text[s->periods] = o->value;
    return iclock_read_period(o->value, &s->period[s->periods++], why);
}

static void iclock_close(void *state)
{
    struct iclock *s = state;

    if (!s)
        return;
    iclock_book_free(s->book);
    iclock_list_free(s->list);
    iclock_watch_free(s->watch);
    free(s);
}

static void *iclock_open(const struct source_env *env, struct fault *why)
{
    const struct format_options *o = &env->options;
    struct iclock *s = mem_alloc(sizeof *s);
    int rc = 0;

    memset(s, 0, sizeof *s);
    s->env = env;
    s->format = (struct format_options){.longest = env->body_bytes, .pictures = env->pictures};
    s->watch = iclock_watch_new();
    s->first_id = (uint64_t)(clock_now_ms() / 1000 % 1000000) * ICLOCK_PERIODS + 1;
    s->book = iclock_book_new(DEVICES_MOST);
    for (size_t i = 0; i < o->count && rc == 0; i++)
        rc = read_option(s, &o->option[i], why);
    if (rc == 0)
        s->list = iclock_list_open(o, why);
    if (s->list)
        return s;
    iclock_close(s);
    return NULL;
}

/* SIGHUP. */
static void iclock_reload(void *state)
{
    struct iclock *s = state;
    struct fault why;

    s->strangers = 0;
    if (iclock_list_reload(s->list, &why) < 0)
        msg_warn("%s; the list of serial numbers stays as it was", why.text);
}

/* ---- pages that answer at once ---- */

static void say(struct reply *reply, const char *text)
{
    buf_text(reply->text, text);
}

static void give_ok(struct talk *t, struct reply *reply)
{
    (void)t;
    say(reply, "OK\n");
}

static void give_nowhere(struct talk *t, struct reply *reply)
{
    (void)t;
    reply->status = 404;
    say(reply, "UNKNOWN\n");
}

static int32_t zone_now(const struct iclock *s)
{
    return s->zone ? zone_offset_at(s->zone, time(NULL)) : 0;
}

/* Terms of a device; zone is where its text goes. */
static struct iclock_terms make_terms(const struct talk *t, struct buf *zone)
{
    const struct iclock *s = t->iclock;

    if (s->zone) {
        iclock_print_zone(zone, zone_now(s));
        buf_char(zone, '\0');
    }
    return (struct iclock_terms){.serial = t->device->serial,
        .stamp = (const char(*)[ICLOCK_STAMP])t->device->stamp,
        .timezone = s->zone ? zone->data : NULL,
        .body_bytes = s->env->body_bytes,
        .photos = s->env->pictures};
}

/* It has not answered, has perhaps never heard: it is asked again, or given up. */
static void ask_again(struct iclock *s, struct iclock_device *d)
{
    uint32_t open = d->asked & ~d->answered;
    unsigned i = 0;

    if (open == 0)
        return;
    if (d->tries < TRIES) {
        d->asked &= d->answered;
        return;
    }
    while (!(open & 1u << i))
        i++;
    d->answered |= open; /* there is one at a time */
    d->tries = 0;
    iclock_notice(s->watch, "%s: %.*s: asked %u times, and nothing came of it", d->serial,
        (int)s->period_text[i].n, s->period_text[i].p, TRIES);
}

static void give_terms(struct talk *t, struct reply *reply)
{
    struct buf zone = {0};
    struct iclock_terms terms = make_terms(t, &zone);

    ask_again(t->iclock, t->device); /* it begins anew, and has forgotten */
    if (t->device->acc)
        iclock_print_push(reply->text, &terms, true);
    else
        iclock_print_options(reply->text, &terms);
    buf_free(&zone);
}

static void give_push(struct talk *t, struct reply *reply)
{
    struct buf zone = {0};
    struct iclock_terms terms = make_terms(t, &zone);

    iclock_print_push(reply->text, &terms, false);
    buf_free(&zone);
}

/* A wrong zone would move its clock: without one there is no time to give. */
static void give_time(struct talk *t, struct reply *reply)
{
    if (t->iclock->zone && strcmp(t->query.type, "time") == 0)
        iclock_print_time(reply->text, time(NULL), zone_now(t->iclock));
    else
        say(reply, "OK\n");
}

static bool is_asked(const struct iclock *s, const struct iclock_device *d, unsigned i)
{
    return !s->period[i].serial[0] || strcmp(s->period[i].serial, d->serial) == 0;
}

static void give_work(struct talk *t, struct reply *reply)
{
    struct iclock *s = t->iclock;
    struct iclock_device *d = t->device;

    if (t->query.logs >= 0)
        iclock_watch_logs(s->watch, d, t->query.logs);
    if (d->seen_ms - d->asked_ms >= PATIENCE_MS)
        ask_again(s, d);
    for (unsigned i = 0; i < s->periods && d->asked == d->answered; i++) {
        if (!is_asked(s, d, i) || d->asked & 1u << i)
            continue;
        d->asked |= 1u << i;
        d->asked_ms = d->seen_ms;
        d->tries++;
        d->sent = 0;
        iclock_print_query(reply->text, s->first_id + i, &s->period[i], d->acc);
        iclock_notice(s->watch, "%s: asked for %.*s again", d->serial, (int)s->period_text[i].n,
            s->period_text[i].p);
        return;
    }
    say(reply, "OK\n");
}

/* ---- pages with a body that holds no records ---- */

static void drop(struct talk *t, struct slice body, struct reply *reply)
{
    (void)body;
    if (t->query.tablename[0] && t->query.count[0])
        buf_printf(reply->text, "%s=%s\n", t->query.tablename, t->query.count);
    else
        say(reply, "OK\n");
}

static void take_registry(struct talk *t, struct slice body, struct reply *reply)
{
    t->device->typed = true;
    t->device->acc = iclock_read_registry(body) != 0; /* none but these, unless they say so */
    say(reply, "RegistryCode=");
    iclock_print_code(reply->text, t->device->serial, "registry");
    buf_char(reply->text, '\n');
}

static void take_push(struct talk *t, struct slice body, struct reply *reply)
{
    (void)body;
    give_push(t, reply);
}

/* What came of a period that it was asked for. */
static void settle_period(struct talk *t, unsigned i, const struct iclock_result *r)
{
    struct iclock *s = t->iclock;
    struct iclock_device *d = t->device;
    const char *meaning = iclock_meaning(r->value);
    struct slice text = s->period_text[i];

    if (r->value == -629 && !d->acc && d->tries < TRIES) {
        d->acc = d->typed = true; /* asked in the other way next */
        d->asked &= ~(1u << i);
        return;
    }
    d->answered |= 1u << i;
    d->tries = 0;
    if (r->value >= 0)
        iclock_notice(s->watch,
            "%s: %.*s: has sent what it has; %llu records came since it was asked", d->serial,
            (int)text.n, text.p, (unsigned long long)d->sent);
    else
        iclock_notice(s->watch, "%s: %.*s: refused: %ld%s%s", d->serial, (int)text.n, text.p,
            r->value, meaning ? ", " : "", meaning ? meaning : "");
}

static void take_results(struct talk *t, struct slice body, struct reply *reply)
{
    struct iclock *s = t->iclock;
    uint32_t open = t->device->asked & ~t->device->answered;
    struct iclock_result r;

    while (iclock_next_result(&body, &r)) {
        uint64_t i = r.id - s->first_id;

        if (i < s->periods && open & 1u << i)
            settle_period(t, (unsigned)i, &r);
    }
    say(reply, "OK\n");
}

static const struct {
    void (*get)(struct talk *t, struct reply *reply);
    enum plan post;
    void (*posted)(struct talk *t, struct slice body, struct reply *reply);
} pages[] = {
    [ICLOCK_CDATA] = {give_terms, PLAN_FEED, drop},
    [ICLOCK_FDATA] = {give_ok, PLAN_FEED, drop},
    [ICLOCK_REGISTRY] = {give_nowhere, PLAN_READ, take_registry},
    [ICLOCK_PUSH] = {give_push, PLAN_READ, take_push},
    [ICLOCK_GETREQUEST] = {give_work, PLAN_READ, take_results},
    [ICLOCK_DEVICECMD] = {give_ok, PLAN_READ, take_results},
    [ICLOCK_QUERYDATA] = {give_ok, PLAN_FEED, drop},
    [ICLOCK_RTDATA] = {give_time, PLAN_DROP, drop},
    [ICLOCK_HELLO] = {give_ok, PLAN_DROP, drop},
    [ICLOCK_NOWHERE] = {give_nowhere, PLAN_ANSWER, NULL},
};

static bool has_records(const struct iclock *s, enum iclock_table table)
{
    return (table == ICLOCK_PHOTO && s->env->pictures) || table == ICLOCK_ATTLOG ||
           table == ICLOCK_OPERLOG || table == ICLOCK_EVENTS || table == ICLOCK_OTHER;
}

/* ---- who it is ---- */

static bool iclock_takes(const struct ask *ask)
{
    return iclock_path(ask->path);
}

/* A device can show no token.  With a list of serial numbers that is what guards: begin asks it. */
static bool iclock_knows(void *state, const struct ask *ask)
{
    struct iclock *s = state;

    (void)ask;
    if (!iclock_list_exists(s->list) && !s->told_token)
        msg_warn("%s: a device that pushes can show no token: refused; name it with -o serial=",
            ask->host);
    s->told_token = s->told_token || !iclock_list_exists(s->list);
    return iclock_list_exists(s->list);
}

/* Access control by what it says, else by what it did before, else by what it does. */
static void tell_type(struct iclock_device *d, const struct iclock_query *q)
{
    bool acc = q->table == ICLOCK_EVENTS || q->page == ICLOCK_REGISTRY || q->page == ICLOCK_PUSH;

    if (q->acc >= 0)
        d->acc = q->acc;
    else if (!d->typed && acc)
        d->acc = true;
    d->typed = d->typed || q->acc >= 0 || acc;
}

/* 0, or a status to refuse it with. */
static unsigned find_device(struct iclock *s, struct talk *t, const struct ask *ask)
{
    const char *serial = t->query.serial;
    struct iclock_device *d;
    bool fresh;

    if (!*serial)
        return 400;
    if (!iclock_list_allows(s->list, serial)) {
        tell_stranger(s, serial, ask->host);
        return 503;
    }
    d = iclock_book_see(s->book, serial, monotonic_ms(), &fresh);
    if (!d)
        return 503;
    iclock_watch_place(s->watch, s->book, d, ask->host, fresh);
    tell_type(d, &t->query);
    d->held++;
    t->device = d;
    return 0;
}

static void begin_reply(struct reply *reply)
{
    reply->type = "text/plain";
    reply->fields = "Pragma: no-cache\r\nCache-Control: no-store\r\n";
}

/* A picture that is too large must not stand before the records for ever. */
static bool is_large(const struct talk *t, const struct head *head)
{
    size_t most = t->iclock->env->body_bytes;

    if (t->query.table != ICLOCK_PHOTO || head->body_bytes <= most)
        return false;
    iclock_notice(t->iclock->watch, "%s: a photo of %llu bytes is dropped: --max-body is %zu",
        t->device->serial, (unsigned long long)head->body_bytes, most);
    return true;
}

static enum plan iclock_begin(struct request *r, const struct ask *ask, struct reply *reply)
{
    struct iclock *s = r->state;
    struct talk *t = mem_alloc(sizeof *t);
    bool reads = ask->head->method == METHOD_GET || ask->head->method == METHOD_HEAD;
    enum plan plan;

    t->iclock = s;
    t->device = NULL;
    t->lines = 0;
    iclock_read(ask->path, ask->query, &t->query);
    t->rows = (struct iclock_rows){.ordered = t->query.table == ICLOCK_ATTLOG,
        .live = t->query.page == ICLOCK_CDATA,
        .last_s = -1};
    r->own = t;
    if (t->query.page == ICLOCK_HELLO && !t->query.serial[0]) {
        begin_reply(reply);
        give_ok(t, reply);
        return PLAN_ANSWER;
    }
    reply->status = find_device(s, t, ask);
    if (reply->status != 0) {
        reply->error = reply->status == 400 ? "no serial number" : NULL;
        return PLAN_ANSWER;
    }
    begin_reply(reply);
    plan = reads ? PLAN_ANSWER : pages[t->query.page].post;
    if (plan == PLAN_FEED && (!has_records(s, t->query.table) || is_large(t, ask->head)))
        plan = PLAN_DROP;
    if (plan == PLAN_ANSWER && reads)
        pages[t->query.page].get(t, reply);
    else if (plan == PLAN_ANSWER)
        give_nowhere(t, reply);
    return plan;
}

static void iclock_answer(struct request *r, struct slice body, struct reply *reply)
{
    struct talk *t = r->own;

    begin_reply(reply);
    pages[t->query.page].posted(t, body, reply);
}

/* ---- records ---- */

static void see(void *arg, const struct decoded *event)
{
    struct talk *t = arg;

    iclock_watch_event(t->iclock->watch, t->device, &t->rows, event);
}

static bool iclock_feed(struct request *r, struct buf *body, struct feed *feed, struct reply *reply)
{
    struct talk *t = r->own;

    (void)reply;
    t->lines = iclock_lines(buf_all(body));
    *feed = (struct feed){.format = format_find(SLICE("zk-push")),
        .certain = true,
        .device = t->device->serial,
        .options = &t->iclock->format,
        .see = see,
        .arg = t};
    return true;
}

/* Of a period that it was asked for the last page is the answer: no other follows. */
static void take_page(struct talk *t)
{
    struct iclock_device *d = t->device;
    uint32_t open = d->asked & ~d->answered;
    struct iclock_result done = {.value = 0};

    if (t->query.pack < t->query.packs)
        return;
    for (unsigned i = 0; i < t->iclock->periods; i++)
        if (open & 1u << i)
            settle_period(t, i, &done);
}

static void iclock_accepted(struct request *r, uint64_t events, uint64_t bad, struct reply *reply)
{
    struct talk *t = r->own;
    struct iclock_device *d = t->device;

    (void)bad;
    begin_reply(reply);
    if (t->query.table == ICLOCK_PHOTO && events == 0)
        iclock_notice(
            t->iclock->watch, "%s: a photo is dropped: no picture was found in it", d->serial);
    if (t->query.table == ICLOCK_ATTLOG || t->query.table == ICLOCK_EVENTS) {
        d->sent += events;
        d->asked_ms = d->seen_ms; /* it is at it */
    }
    if (t->query.table < ICLOCK_STAMPS && t->query.stamp[0])
        memcpy(d->stamp[t->query.table], t->query.stamp, sizeof t->query.stamp);
    if (t->query.page == ICLOCK_QUERYDATA && t->query.table == ICLOCK_EVENTS)
        take_page(t);
    /* The number that it said itself: with any other it sends them for ever. */
    if (t->query.tablename[0] && t->query.count[0])
        buf_printf(reply->text, "%s=%s\n", t->query.tablename, t->query.count);
    else if (t->query.tablename[0])
        buf_printf(reply->text, "%s=%llu\n", t->query.tablename, (unsigned long long)t->lines);
    else if (t->query.table == ICLOCK_EVENTS || t->query.table == ICLOCK_PHOTO)
        say(reply, "OK\n");
    else
        buf_printf(reply->text, "OK: %llu\n", (unsigned long long)t->lines);
}

static void iclock_refused(struct request *r, unsigned status)
{
    const struct talk *t = r->own;

    if (status == 413 && t && t->device)
        iclock_notice(t->iclock->watch,
            "%s: sends more than %zu bytes at once, again and again: raise --max-body",
            t->device->serial, t->iclock->env->body_bytes);
}

static void iclock_forget(struct request *r)
{
    struct talk *t = r->own;

    if (t && t->device)
        t->device->held--;
    free(t);
}

static const char *const options[] = {"serial", "serials", "timezone", "request", NULL};

const struct dialect dialect_iclock = {
    .name = "iclock",
    .options = options,
    .open = iclock_open,
    .reload = iclock_reload,
    .close = iclock_close,
    .takes = iclock_takes,
    .knows = iclock_knows,
    .begin = iclock_begin,
    .answer = iclock_answer,
    .feed = iclock_feed,
    .accepted = iclock_accepted,
    .refused = iclock_refused,
    .forget = iclock_forget,
};

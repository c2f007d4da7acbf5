/* SPDX-License-Identifier: MIT */
/*
 *     connect, serial number, sizes, [live events,] log: open, head, [users,] place, rest, shut
 *
 * and then exit, or with -F a look at the sizes every CHECK_MS.  Live events are asked for before
 * the log is read, so nothing falls between; what came live and stands in the log too is not given
 * twice.  Events alone are not relied upon: when the device counts more records than came, the log
 * is read from where it was left.
 */
#include "zk_device.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "checkpoint.h"
#include "clock.h"
#include "json.h"
#include "msg.h"
#include "secret.h"
#include "stop.h"
#include "tally.h"
#include "zk_feed.h"

#define CHECK_MS 30000
#define PLACE_MS 600000 /* how old the cursor may become while only live events come */
#define SEARCH_BYTES 60000u
#define USERS_MAX (8u << 20) /* bytes of the table of users */
#define FULL_PERCENT 90
#define QUARTER_S 900 /* zones differ by such steps … */
#define ZONE_S 54000  /* … and by no more than that from UTC */
#define STEP_S 60     /* a clock that is further off is told of */

enum step {
    CONNECT,
    SERIAL,
    SIZES,
    CLOCK,
    LISTEN,
    OPEN,
    HEAD,
    USERS_SHUT_LOG, /* the log is closed to read the users first */
    USERS_OPEN,
    USERS,
    USERS_SHUT,
    PLACE,
    SEARCH,
    REST,
    LOG_SHUT,
    IDLE,
    CHECK,
    LEAVE,
    STEPS,
};

struct zk_device {
    const struct source_env *env;
    const char *operand;
    struct zk_session *session; /* NULL: not connected */
    enum step step;
    bool known; /* it told who it is, over this connection */
    bool stopping, listening;
    int64_t idle_until_ms;

    char serial[ZK_SERIAL_BYTES];
    struct zk_sizes sizes;
    bool sized;           /* it said its sizes */
    uint32_t counted;     /* records then, when the log was read last */
    uint64_t live_before; /* passages that had come live then */
    int64_t pulled_ms;    /* when that was */

    /* the table that is open */
    uint32_t size, end;  /* bytes; end: of its records */
    uint32_t from, high; /* where to read from; SEARCH: what lies before is not looked at yet */
    enum zk_layout layout;
    bool have_users; /* they were read since its first opening */
    struct buf look; /* what is read for HEAD, USERS, PLACE, SEARCH */

    struct zk_reading reading;
    struct zk_feed *feed;
    bool said_nameless, said_clock, said_full, said_wrapped, said_mute, said_short, said_nonsense;
};

struct zk_device *zk_device_new(const struct source_env *env, const char *operand, size_t number)
{
    struct zk_device *d = mem_alloc(sizeof *d);
    const char *cursor = env->checkpoint ? checkpoint_cursor(env->checkpoint, operand) : NULL;
    struct zk_mark mark;

    *d = (struct zk_device){.env = env, .operand = operand};
    d->feed = zk_feed_new(env, operand, number);
    zk_reading_forget(&d->reading);
    if (cursor && !zk_mark_parse(cursor, &mark))
        msg_warn("%s: the checkpoint's place makes no sense: reading the whole log", operand);
    else if (cursor)
        d->reading.seen = mark;
    if (d->reading.seen.end == 0)
        d->reading.seen.last_s = ZK_NO_TIME;
    return d;
}

void zk_device_free(struct zk_device *d)
{
    if (!d)
        return;
    zk_feed_free(d->feed);
    zk_reading_free(&d->reading);
    buf_free(&d->look);
    free(d);
}

void zk_device_commit(struct zk_device *d, void *token, enum verdict verdict)
{
    zk_feed_commit(d->feed, token, verdict);
}

/* ---- steps ---- */

static void go(struct zk_device *d, enum step step, int64_t now_ms);

static void read_range(struct zk_device *d, uint32_t from, uint32_t to, int64_t now_ms)
{
    d->look.len = 0;
    zk_session_read(d->session, from, to, now_ms);
}

/* What to look at before `high`, with what a fingerprint there may reach back to. */
static void read_before(struct zk_device *d, int64_t now_ms)
{
    uint32_t record = (uint32_t)zk_layout_bytes(d->layout);
    uint32_t most = SEARCH_BYTES / record * record, n = d->high - 4 < most ? d->high - 4 : most;

    d->from = d->high - n;
    read_range(d, d->from, d->high, now_ms);
}

static void go(struct zk_device *d, enum step step, int64_t now_ms)
{
    struct zk_session *s = d->session;

    d->step = step;
    switch (step) {
    case CONNECT:
        zk_session_connect(s, now_ms);
        break;
    case SERIAL:
        zk_session_option(s, "~SerialNumber", now_ms);
        break;
    case SIZES:
    case CHECK:
        zk_session_sizes(s, now_ms);
        break;
    case CLOCK:
        zk_session_clock(s, now_ms);
        break;
    case LISTEN:
        zk_session_listen(s, now_ms);
        break;
    case OPEN:
        zk_session_open(s, ZK_TABLE_LOG, now_ms);
        break;
    case HEAD:
        read_range(d, 0, d->layout ? 4 : ZK_SAMPLE_BYTES + 4, now_ms);
        break;
    case USERS_OPEN:
        zk_session_open(s, ZK_TABLE_USERS, now_ms);
        break;
    case USERS:
        read_range(d, 0, d->size, now_ms);
        break;
    case USERS_SHUT_LOG:
    case USERS_SHUT:
    case LOG_SHUT:
        zk_session_shut(s, now_ms);
        break;
    case PLACE:
        read_range(d, d->reading.seen.end - d->reading.seen.window, d->reading.seen.end, now_ms);
        break;
    case SEARCH:
        read_before(d, now_ms);
        break;
    case REST:
        zk_feed_open(d->feed);
        read_range(d, d->from, d->end, now_ms);
        break;
    case IDLE:
        d->idle_until_ms = now_ms + (zk_feed_wants_users(d->feed) ? 0 : CHECK_MS);
        break;
    default:
        zk_session_exit(s, now_ms);
        break;
    }
}

static bool copy_serial(struct slice value, char out[ZK_SERIAL_BYTES])
{
    if (value.n == 0 || value.n >= ZK_SERIAL_BYTES)
        return false;
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] <= 0x20 || value.p[i] > 0x7e)
            return false;
    memcpy(out, value.p, value.n);
    out[value.n] = '\0';
    return true;
}

static void forget_place(struct zk_device *d)
{
    zk_reading_forget(&d->reading);
    snprintf(d->reading.seen.serial, sizeof d->reading.seen.serial, "%s", d->serial);
}

/* Another device than before has another log. */
static void another_device(struct zk_device *d, const char *serial, const char *before)
{
    msg_warn("%s: another device answers here: %s, not %s: reading its whole log", d->operand,
        *serial ? serial : "without a serial number", before);
    zk_reading_forget(&d->reading);
    zk_feed_forget(d->feed);
    d->said_full = d->said_wrapped = d->said_short = false;
}

/* Which device it is. */
static enum zk_run on_serial(
    struct zk_device *d, const struct zk_news *news, int64_t now_ms, struct fault *why)
{
    char serial[ZK_SERIAL_BYTES] = "", *before = *d->serial ? d->serial : d->reading.seen.serial;

    if (news->kind == ZK_NEWS_DONE)
        copy_serial(news->data, serial);
    /* Without its name, what it gave would get other ids than before. */
    if (news->kind == ZK_NEWS_REFUSED && news->code == 0 && *before) {
        fault_set(why, EX_UNAVAILABLE, "%s: the device does not answer who it is", d->operand);
        return ZK_RUN_LOST;
    }
    if (!*serial && !d->said_nameless)
        msg_warn("%s: the device does not say its serial number", d->operand);
    d->said_nameless = !*serial;
    if (*before && strcmp(before, serial) != 0)
        another_device(d, serial, before);
    zk_feed_serial(d->feed, serial);
    snprintf(d->serial, sizeof d->serial, "%s", serial);
    snprintf(d->reading.seen.serial, sizeof d->reading.seen.serial, "%s", serial);
    d->known = true;
    go(d, SIZES, now_ms);
    return ZK_RUN_MORE;
}

static void on_sizes(struct zk_device *d, const struct zk_news *news)
{
    uint64_t room = news->sizes.record_room, records = news->sizes.records;

    d->sized = news->kind == ZK_NEWS_DONE;
    if (!d->sized)
        return;
    d->sizes = news->sizes;
    if (d->env->tally && *d->serial) {
        struct buf name = {0};

        json_str(&name, slice_of(d->serial));
        tally_says(d->env->tally, buf_all(&name), records, room);
        buf_free(&name);
    }
    if (room > 0 && records * 100 >= room * FULL_PERCENT && !d->said_full) {
        msg_warn("%s: the log of the device is nearly full: %" PRIu64 " of %" PRIu64 " records",
            d->operand, records, room);
        d->said_full = true;
    }
}

/* Its zone is not known here: only what no zone explains is wrong. */
static void on_clock(struct zk_device *d, const struct zk_news *news)
{
    int64_t ahead_s = news->local_s - clock_now_ms() / 1000, rest_s;
    char says[CLOCK_TEXT];

    rest_s = ahead_s % QUARTER_S;
    rest_s += rest_s > QUARTER_S / 2 ? -QUARTER_S : rest_s < -QUARTER_S / 2 ? QUARTER_S : 0;
    if (news->kind != ZK_NEWS_DONE || (llabs(ahead_s) <= ZONE_S && llabs(rest_s) <= STEP_S)) {
        d->said_clock = false;
        return;
    }
    if (d->said_clock)
        return;
    d->said_clock = true;
    clock_print_local(says, news->local_s, 0);
    if (llabs(ahead_s) > ZONE_S)
        msg_warn("%s: the clock of the device is wrong: it says %s", d->operand, says);
    else
        msg_warn("%s: the clock of the device is %lld s %s, if not by quarter hours more: it says "
                 "%s",
            d->operand, llabs(rest_s), rest_s < 0 ? "slow" : "fast", says);
}

static enum zk_run no_log(struct zk_device *d, uint16_t code, struct fault *why)
{
    if (code == ZK_NO_LOG) {
        fault_set(why, EX_UNAVAILABLE,
            "%s: the device has no attendance log: it is set up for access control (see its menu, "
            "device type)",
            d->operand);
        return ZK_RUN_FAULT;
    }
    fault_set(
        why, EX_UNAVAILABLE, "%s: the device refuses to hand over its log (%u)", d->operand, code);
    return ZK_RUN_LOST;
}

/* After the log, or without one. */
static enum step after_log(const struct zk_device *d)
{
    return d->env->follow ? IDLE : LEAVE;
}

static void log_is_empty(struct zk_device *d, int64_t now_ms)
{
    if (d->reading.seen.records > 0)
        msg_warn("%s: the log was cleared", d->operand);
    forget_place(d);
    zk_feed_open(d->feed);
    zk_feed_end(d->feed);
    go(d, LOG_SHUT, now_ms);
}

/* How far its records reach: the size in the table, and what the device says of it. */
static void find_end(struct zk_device *d)
{
    uint32_t said = d->look.len < 4 ? 0 : zk_u32(d->look.data);
    uint64_t record;

    d->end = d->size;
    if (said > 0 && said <= d->size - 4)
        d->end = said + 4;
    else if (said > 0 && !d->said_short)
        msg_warn("%s: the log should have %" PRIu32 " bytes, the device hands over %" PRIu32,
            d->operand, said, d->size - 4);
    record = zk_layout_bytes(d->layout);
    if (!d->sized || record == 0 || (uint64_t)d->sizes.records * record <= d->end - 4)
        return;
    if (!d->said_short)
        msg_warn("%s: the device counts %" PRIu32 " records and hands over %" PRIu64, d->operand,
            d->sizes.records, (d->end - 4) / record);
    d->said_short = true;
}

/* What comes is no log: old firmware hands over other memory. */
static enum zk_run on_nonsense(struct zk_device *d, int64_t now_ms, struct fault *why)
{
    fault_set(why, EX_DATAERR,
        "%s: what the device hands over as its log makes no sense: nothing of it is kept",
        d->operand);
    if (!d->env->follow)
        return ZK_RUN_FAULT;
    if (!d->said_nonsense)
        msg_warn("%s", why->text);
    d->said_nonsense = true;
    go(d, LOG_SHUT, now_ms);
    return ZK_RUN_MORE;
}

/* The rest of the log; before: the bytes in front of it. */
static void read_on(struct zk_device *d, uint32_t from, struct slice before, int64_t now_ms)
{
    zk_reading_begin(&d->reading, d->layout, from, before);
    d->from = from;
    go(d, REST, now_ms);
}

static void begin_search(struct zk_device *d, int64_t now_ms)
{
    d->high = d->end - (d->end - 4) % (uint32_t)zk_layout_bytes(d->layout);
    go(d, SEARCH, now_ms);
}

/* What stands behind a table's size. */
static struct slice after_size(const struct buf *look)
{
    return look->len > 4 ? (struct slice){look->data + 4, look->len - 4} : SLICE_NONE;
}

static enum zk_run on_head(struct zk_device *d, int64_t now_ms, struct fault *why)
{
    struct slice sample = after_size(&d->look);
    uint32_t said = d->look.len < 4 ? 0 : zk_u32(d->look.data);

    if (!d->layout) {
        uint32_t bytes = said > 0 && said < d->size - 4 ? said : d->size - 4;

        if (sample.n > bytes)
            sample.n = bytes;
        d->layout = zk_layout_find(sample, bytes, d->sized ? d->sizes.records : 0);
    }
    if (!d->layout)
        return on_nonsense(d, now_ms, why);
    find_end(d);
    if (zk_layout_needs_users(d->layout) && !d->have_users) {
        go(d, USERS_SHUT_LOG, now_ms);
    } else if (d->reading.seen.end == 0 || d->reading.seen.layout != d->layout) {
        read_on(d, 4, SLICE_NONE, now_ms);
    } else if (d->reading.seen.end <= d->end) {
        go(d, PLACE, now_ms);
    } else {
        begin_search(d, now_ms);
    }
    return ZK_RUN_MORE;
}

/* From the beginning: what was read before is not known again. */
static void read_all(struct zk_device *d, int64_t now_ms)
{
    msg_warn("%s: the log was cleared, or goes on behind what was read last: reading all of it; "
             "events that were read before are known by their ids",
        d->operand);
    forget_place(d);
    d->layout = ZK_UNKNOWN_LAYOUT; /* perhaps even that has changed */
    go(d, HEAD, now_ms);
}

static void on_place(struct zk_device *d, int64_t now_ms)
{
    struct slice before = buf_all(&d->look);

    if (zk_mark_matches(&d->reading.seen, before))
        read_on(d, d->reading.seen.end, before, now_ms);
    else
        begin_search(d, now_ms);
}

static void on_search(struct zk_device *d, int64_t now_ms)
{
    size_t at = zk_mark_find(&d->reading.seen, buf_all(&d->look));
    uint32_t record = (uint32_t)zk_layout_bytes(d->layout);
    uint32_t back =
        (d->reading.seen.window + record - 1) / record * record; /* may reach over the edge */

    if (at > 0) {
        if (!d->said_wrapped)
            msg_warn("%s: the log lost its oldest records, as a full one does: going on behind the "
                     "last one that was read",
                d->operand);
        d->said_wrapped = true;
        read_on(d, d->from + (uint32_t)at, (struct slice){d->look.data, at}, now_ms);
    } else if (d->from <= 4 || d->reading.seen.window == 0) {
        read_all(d, now_ms);
    } else {
        d->high = d->from + back;
        go(d, SEARCH, now_ms);
    }
}

static void on_users(struct zk_device *d)
{
    d->have_users = true;
    if (!zk_feed_users(d->feed, after_size(&d->look), d->sized ? d->sizes.users : 0))
        msg_warn("%s: the table of users makes no sense", d->operand);
    secret_forget(&d->look); /* it had names and passwords */
}

/* The log is read to its end. */
static void on_rest(struct zk_device *d, int64_t now_ms)
{
    if (d->reading.rest.len > 0)
        msg_warn("%s: the log ends in the middle of a record", d->operand);
    zk_feed_end(d->feed);
    go(d, LOG_SHUT, now_ms);
}

/* The log is read from where it was left: what comes live from now on is counted anew. */
static void begin_pull(struct zk_device *d, int64_t now_ms)
{
    d->pulled_ms = now_ms;
    d->have_users = false;
    d->live_before = zk_feed_live(d->feed);
    d->counted = d->sizes.records;
    go(d, OPEN, now_ms);
}

/* Looks whether the device counts what came.  A log that is full counts the same for ever. */
static void on_check(struct zk_device *d, const struct zk_news *news, int64_t now_ms)
{
    uint64_t live = zk_feed_live(d->feed) - d->live_before;
    bool old = now_ms - d->pulled_ms > PLACE_MS, missed, counts;

    on_sizes(d, news);
    missed = d->sized && d->sizes.records != d->counted + live;
    counts = d->sized && d->sizes.records < d->sizes.record_room;
    if (zk_feed_wants_users(d->feed))
        go(d, USERS_OPEN, now_ms);
    else if (missed || (old && (!counts || !d->listening || live > 0)))
        begin_pull(d, now_ms);
    else
        go(d, IDLE, now_ms);
}

static enum zk_run not_connected(struct zk_device *d, uint16_t code, struct fault *why)
{
    switch (code) {
    case ZK_ACK_UNAUTH:
        fault_set(why, EX_NOPERM,
            "%s: the communication key is missing or wrong: give it with --password-file",
            d->operand);
        return ZK_RUN_FAULT;
    case ZK_OTHER_SDK:
        fault_set(why, EX_UNAVAILABLE,
            "%s: this firmware does not speak the protocol (6001): let the device push, see -l "
            "http://",
            d->operand);
        return ZK_RUN_FAULT;
    default:
        fault_set(why, EX_UNAVAILABLE, "%s: the device refuses a session (%u)", d->operand, code);
        return ZK_RUN_LOST;
    }
}

static enum zk_run on_opened(
    struct zk_device *d, const struct zk_news *news, int64_t now_ms, struct fault *why)
{
    if (news->kind == ZK_NEWS_REFUSED)
        return no_log(d, news->code, why);
    d->size = news->size;
    d->layout = d->reading.seen.end > 0 ? d->reading.seen.layout : ZK_UNKNOWN_LAYOUT;
    if (d->size <= 4)
        log_is_empty(d, now_ms);
    else
        go(d, HEAD, now_ms);
    return ZK_RUN_MORE;
}

static void on_users_opened(struct zk_device *d, const struct zk_news *news, int64_t now_ms)
{
    d->size = news->kind == ZK_NEWS_DONE ? news->size : 0;
    if (d->size > 4 && d->size <= USERS_MAX) {
        go(d, USERS, now_ms);
        return;
    }
    msg_warn("%s: the device does not hand over its table of users", d->operand);
    zk_feed_users(d->feed, SLICE_NONE, 0);
    d->have_users = true;
    go(d, news->kind == ZK_NEWS_DONE ? USERS_SHUT : OPEN, now_ms);
}

/* Whether live events come; then the log is read. */
static void on_listen(struct zk_device *d, const struct zk_news *news, int64_t now_ms)
{
    d->listening = news->kind == ZK_NEWS_DONE;
    if (!d->listening && !d->said_mute)
        msg_warn("%s: the device gives no live events: its log is looked at every %d s", d->operand,
            CHECK_MS / 1000);
    d->said_mute = !d->listening;
    begin_pull(d, now_ms);
}

/* Steps of the users' table. */
static void on_users_step(struct zk_device *d, const struct zk_news *news, int64_t now_ms)
{
    if (d->step == USERS_SHUT_LOG) {
        go(d, USERS_OPEN, now_ms);
    } else if (d->step == USERS_OPEN) {
        on_users_opened(d, news, now_ms);
    } else if (d->step == USERS) {
        on_users(d);
        go(d, USERS_SHUT, now_ms);
    } else {
        go(d, OPEN, now_ms);
    }
}

/* What was asked in this step is done, or refused. */
static enum zk_run on_done(
    struct zk_device *d, const struct zk_news *news, int64_t now_ms, struct fault *why)
{
    switch (d->step) {
    case CONNECT:
        if (news->kind == ZK_NEWS_REFUSED)
            return not_connected(d, news->code, why);
        go(d, SERIAL, now_ms);
        break;
    case SERIAL:
        return on_serial(d, news, now_ms, why);
    case SIZES:
        on_sizes(d, news);
        go(d, CLOCK, now_ms);
        break;
    case CLOCK:
        on_clock(d, news);
        if (d->env->follow)
            go(d, LISTEN, now_ms);
        else
            begin_pull(d, now_ms);
        break;
    case LISTEN:
        on_listen(d, news, now_ms);
        break;
    case OPEN:
        return on_opened(d, news, now_ms, why);
    case HEAD:
        return on_head(d, now_ms, why);
    case PLACE:
        on_place(d, now_ms);
        break;
    case SEARCH:
        on_search(d, now_ms);
        break;
    case REST:
        on_rest(d, now_ms);
        break;
    case LOG_SHUT:
        go(d, after_log(d), now_ms);
        break;
    case CHECK:
        on_check(d, news, now_ms);
        break;
    default:
        on_users_step(d, news, now_ms);
        break;
    }
    return ZK_RUN_MORE;
}

/* ---- running ---- */

/* A reading is over, at its end or before it. */
static void end_reading(struct zk_device *d)
{
    struct zk_reading *r = &d->reading;

    zk_reading_end(r);
    zk_feed_close(d->feed, &r->seen);
    if (r->back > 0)
        msg_warn("%s: the clock of %s was set back %u time%s, by up to %" PRId64 " s", d->operand,
            *d->serial ? d->serial : "the device", r->back, r->back == 1 ? "" : "s", r->back_s);
    r->back = 0;
}

static void on_event(struct zk_device *d, struct slice data)
{
    if (!zk_feed_event(d->feed, d->reading.seen.layout, data))
        d->idle_until_ms = 0; /* the users are read next */
}

static enum zk_run on_news(
    struct zk_device *d, const struct zk_news *news, int64_t now_ms, struct fault *why)
{
    switch (news->kind) {
    case ZK_NEWS_EVENT:
        if (!d->stopping && d->env->follow)
            on_event(d, news->data);
        return ZK_RUN_MORE;
    case ZK_NEWS_DATA:
        if (d->step == REST)
            zk_feed_records(d->feed, &d->reading, news->data);
        else
            buf_slice(&d->look, news->data);
        return ZK_RUN_MORE;
    case ZK_NEWS_LOST:
        fault_set(why, EX_UNAVAILABLE, "%s: %s", d->operand, news->why);
        return ZK_RUN_LOST;
    default:
        if (d->step == LEAVE)
            return ZK_RUN_END;
        return on_done(d, news, now_ms, why);
    }
}

enum zk_run zk_device_run(struct zk_device *d, int64_t now_ms, struct fault *why)
{
    struct zk_news news;

    switch (zk_feed_run(d->feed, why)) {
    case ZK_FED_ERROR:
        return ZK_RUN_FAULT;
    case ZK_FED_FULL:
        return ZK_RUN_FULL;
    case ZK_FED_ENDED:
        end_reading(d);
        break;
    default:
        break;
    }
    if (!d->session)
        return ZK_RUN_WAIT;
    if (d->step == IDLE && now_ms >= d->idle_until_ms)
        go(d, CHECK, now_ms);
    if (zk_session_next(d->session, now_ms, &news) == ZK_NEWS_NONE)
        return ZK_RUN_WAIT;
    return on_news(d, &news, now_ms, why);
}

int64_t zk_device_due(const struct zk_device *d)
{
    if (!d->session)
        return INT64_MAX;
    return d->step == IDLE ? d->idle_until_ms : zk_session_due(d->session);
}

bool zk_device_known(const struct zk_device *d)
{
    return d->session && d->known;
}

void zk_device_connected(struct zk_device *d, struct zk_session *session, const char *peer,
    const char *host, int64_t now_ms)
{
    d->session = session;
    d->known = false;
    zk_feed_peer(d->feed, peer, host);
    go(d, CONNECT, now_ms);
}

void zk_device_disconnected(struct zk_device *d)
{
    d->session = NULL;
    zk_feed_end(d->feed);
    d->look.len = 0;
}

void zk_device_stop(struct zk_device *d, int64_t now_ms)
{
    d->stopping = true;
    if (!d->session)
        return;
    zk_feed_end(d->feed);
    go(d, LEAVE, now_ms);
}

void zk_device_progress(const struct zk_device *d, struct source_progress *progress)
{
    if (d->end > 0) {
        progress->done += d->reading.seen.end;
        progress->total += d->end;
    }
}

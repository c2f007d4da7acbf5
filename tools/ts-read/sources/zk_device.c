/* SPDX-License-Identifier: MIT */
/*
 *     connect, serial number, sizes, [live events,] log: open, head, [users,] place, rest, shut
 *
 * and then exit, or with -F a look at the sizes every CHECK_MS.  Live events are asked for before
 * the log is read, so nothing falls between; what came live and stands in the log too is not given
 * twice.  Events alone are not relied upon: when the device counts more records than came, the log
 * is read from where it was left.
 *
 * A reading ("pull") has a track of its own.  Its end becomes the cursor of the checkpoint when its
 * events, those of all readings before it, and all live ones have their final receipts.
 */
#include "zk_device.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "address.h"
#include "checkpoint.h"
#include "json.h"
#include "msg.h"
#include "secret.h"
#include "stop.h"
#include "tally.h"
#include "zk_mark.h"

#define CHECK_MS 30000
#define PLACE_MS 600000 /* how old the cursor may become while only live events come */
#define SEARCH_BYTES 60000u
#define SECTION_BYTES 8u
#define RECENT 512u /* live events that are known again in the log, and the other way round */
#define USERS_MAX (8u << 20) /* bytes of the table of users */
#define STEP_BACK_S 60       /* by how much a clock has to go back to be told of */
#define HELD_BYTES 65536u    /* of live events that wait for the table of users */
#define FULL_PERCENT 90

enum step {
    CONNECT,
    SERIAL,
    SIZES,
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

/* One reading of the log, until its place is in the checkpoint. */
struct pull {
    struct pull *next;
    char *cursor; /* NULL while it goes on */
    bool done;    /* all its events have their final receipts */
};

/* Passages by their hash, the newest of them. */
struct recent {
    uint64_t hash[RECENT];
    unsigned count;
};

struct zk_device {
    const struct source_env *env;
    const char *operand;
    size_t number;
    char peer[ADDRESS_TEXT], host[ADDRESS_TEXT];
    struct zk_session *session; /* NULL: not connected */
    enum step step;
    bool known; /* it told who it is */
    bool stopping, listening;
    int64_t idle_until_ms;

    char serial[ZK_SERIAL_BYTES];
    struct zk_sizes sizes;
    bool sized;          /* it said its sizes */
    uint32_t expected;   /* records that the device should count when nothing was missed */
    int64_t pulled_ms;   /* when the log was read last */
    uint64_t live_since; /* events since then */

    /* the table that is open */
    uint32_t size, end;  /* bytes; end: of its records */
    uint32_t from, high; /* where to read from; SEARCH: what lies before is not looked at yet */
    enum zk_layout layout;
    struct buf look; /* what is read for HEAD, USERS, PLACE, SEARCH */
    struct buf rest; /* the beginning of a record that is not whole */

    struct zk_mark seen; /* how far the log was read, by this process or by the checkpoint's */
    struct buf tail;     /* the last bytes before that */
    unsigned back;       /* steps back of its clock in this reading … */
    int64_t back_s;      /* … and the largest */

    struct buf users; /* section ZKID */
    bool users_known;
    struct buf held; /* live events that wait for it: u16 length, data */

    struct stream *log, *live;
    struct track *log_track, *live_track;
    struct pull *first, *last;
    struct recent recent_live, recent_log;
    bool said_full, said_mute, said_short, said_nonsense;
};

struct zk_device *zk_device_new(const struct source_env *env, const char *operand, size_t number)
{
    struct zk_device *d = mem_alloc(sizeof *d);
    const char *cursor = env->checkpoint ? checkpoint_cursor(env->checkpoint, operand) : NULL;

    *d = (struct zk_device){.env = env, .operand = operand, .number = number};
    if (cursor && !zk_mark_parse(cursor, &d->seen)) {
        msg_warn("%s: the checkpoint's place makes no sense: reading the whole log", operand);
        d->seen = (struct zk_mark){0};
    }
    if (!cursor || d->seen.end == 0)
        d->seen.last_s = ZK_NO_TIME;
    return d;
}

void zk_device_free(struct zk_device *d)
{
    struct pull *next;

    if (!d)
        return;
    for (struct pull *p = d->first; p; p = next) {
        next = p->next;
        free(p->cursor);
        free(p);
    }
    stream_close(d->log);
    stream_close(d->live);
    track_drop(d->log_track);
    track_drop(d->live_track);
    buf_free(&d->look);
    buf_free(&d->rest);
    buf_free(&d->tail);
    buf_free(&d->users);
    buf_free(&d->held);
    free(d);
}

/* ---- the checkpoint ---- */

/* The cursor moves over readings that are done, in order, once nothing live is on its way. */
static void move_cursor(struct zk_device *d)
{
    while (d->first && d->first->done && d->first->cursor &&
           (!d->live_track || d->live_track->pending == 0)) {
        struct pull *p = d->first;

        if (d->env->checkpoint)
            checkpoint_set_cursor(d->env->checkpoint, d->operand, p->cursor);
        d->first = p->next;
        if (!d->first)
            d->last = NULL;
        free(p->cursor);
        free(p);
    }
}

void zk_device_commit(struct zk_device *d, void *token, enum verdict verdict)
{
    struct pull *p = token;

    if (p && verdict == VERDICT_DONE)
        p->done = true;
    move_cursor(d);
}

/* ---- streams ---- */

static char *section(char *at, const char *tag, size_t bytes)
{
    memcpy(at, tag, 4);
    zk_put_u32(at + 4, (uint32_t)bytes);
    return at + SECTION_BYTES;
}

static void feed_section(struct stream *s, const char *tag, struct slice content)
{
    char *at = stream_room(s, SECTION_BYTES + content.n);

    memcpy(section(at, tag, content.n), content.p, content.n);
    stream_added(s, SECTION_BYTES + content.n);
}

static struct stream *open_stream(struct zk_device *d, enum stream_kind kind, struct track *track)
{
    struct stream_config config = {.kind = kind,
        .origin = d->peer,
        .device = d->host,
        .format = format_find(SLICE("zk-records")),
        .track = track};
    struct stream *s = stream_open(d->env->pump, &config);

    if (*d->serial)
        feed_section(s, "ZKSN", slice_of(d->serial));
    if (d->users.len > 0)
        feed_section(s, "ZKID", buf_all(&d->users));
    return s;
}

static void open_log(struct zk_device *d)
{
    struct pull *p;

    if (sink_receipts(d->env->sink)) {
        p = mem_alloc(sizeof *p);
        *p = (struct pull){0};
        if (d->last)
            d->last->next = p;
        else
            d->first = p;
        d->last = p;
        d->log_track = track_new(d->env->follow ? TRACK_REPEAT : TRACK_REPORT, d->number, p);
    }
    d->log = open_stream(d, STREAM_PAST, d->log_track);
    d->rest.len = 0;
    d->back = 0;
    d->back_s = 0;
}

static void open_live(struct zk_device *d)
{
    if (!d->live_track && sink_receipts(d->env->sink))
        d->live_track = track_new(TRACK_REPEAT, d->number, NULL);
    d->live = open_stream(d, STREAM_PEER, d->live_track);
}

/* The reading is over, at its end or before it: its place is what it got to. */
static void end_log(struct zk_device *d)
{
    struct buf text = {0};

    zk_mark_take(&d->seen, buf_all(&d->tail));
    if (d->last && !d->last->cursor) {
        zk_mark_print(&text, &d->seen);
        d->last->cursor = text.data;
    }
    if (d->back > 0)
        msg_warn("%s: the clock of %s was set back %u time%s, by up to %" PRId64 " s", d->operand,
            *d->serial ? d->serial : "the device", d->back, d->back == 1 ? "" : "s", d->back_s);
    stream_close(d->log);
    track_drop(d->log_track);
    d->log = NULL;
    d->log_track = NULL;
}

/* ---- records ---- */

static uint64_t hash_of(const struct zk_passage *p)
{
    uint64_t h =
        1469598103934665603u ^ (uint64_t)p->local_s ^ (uint64_t)(p->by_uid ? p->uid : 0) << 48;

    for (const char *c = p->person; *c; c++)
        h = (h ^ (unsigned char)*c) * 1099511628211u;
    return h * 1099511628211u;
}

static bool is_recent(const struct recent *r, const struct zk_passage *p)
{
    unsigned count = r->count < RECENT ? r->count : RECENT;
    uint64_t hash = count > 0 && p->dated ? hash_of(p) : 0;

    for (unsigned i = 0; i < count && p->dated; i++)
        if (r->hash[i] == hash)
            return true;
    return false;
}

static void remember(struct recent *r, const struct zk_passage *p)
{
    r->hash[r->count++ % RECENT] = hash_of(p);
    if (r->count == 2 * RECENT)
        r->count = RECENT;
}

static void look_at_clock(struct zk_device *d, const struct zk_passage *p)
{
    int64_t back_s = d->seen.last_s == ZK_NO_TIME ? 0 : d->seen.last_s - p->local_s;

    if (!p->dated || p->unset || p->empty)
        return;
    if (back_s > STEP_BACK_S) {
        d->back++;
        d->back_s = back_s > d->back_s ? back_s : d->back_s;
    }
    d->seen.last_s = p->local_s;
}

/* Copies the records that are not known yet; the number of their bytes.  Takes off `in` what is
   whole. */
static size_t choose_records(struct zk_device *d, struct slice *in, char *out)
{
    size_t bytes = zk_layout_bytes(d->layout), n = 0;
    struct zk_passage p;

    while (in->n >= bytes) {
        size_t mark = d->layout == ZK_40 && zk_is_mark(in->p) ? ZK_MARK_BYTES : 0;

        if (in->n < mark + bytes)
            break;
        zk_record_read(d->layout, in->p + mark, &p);
        look_at_clock(d, &p);
        d->seen.records++;
        if (!is_recent(&d->recent_live, &p)) {
            memcpy(out + n, in->p + mark, bytes);
            n += bytes;
        }
        if (d->env->follow)
            remember(&d->recent_log, &p);
        in->p += mark + bytes;
        in->n -= mark + bytes;
    }
    return n;
}

static void keep_tail(struct zk_device *d, struct slice read)
{
    buf_slice(&d->tail, read);
    if (d->tail.len > ZK_WINDOW_BYTES) {
        memmove(d->tail.data, d->tail.data + d->tail.len - ZK_WINDOW_BYTES, ZK_WINDOW_BYTES);
        d->tail.len = ZK_WINDOW_BYTES;
    }
}

/* Bytes of the log, as they follow each other. */
static void feed_records(struct zk_device *d, struct slice data)
{
    struct slice in;
    char *at;
    size_t n;

    buf_slice(&d->rest, data);
    in = buf_all(&d->rest);
    at = stream_room(d->log, SECTION_BYTES + 1 + in.n);
    n = choose_records(d, &in, at + SECTION_BYTES + 1);
    *section(at, "ZKRC", n + 1) = (char)d->layout;
    if (n > 0)
        stream_added(d->log, SECTION_BYTES + 1 + n);
    n = d->rest.len - in.n;
    keep_tail(d, (struct slice){d->rest.data, n});
    d->seen.end += (uint32_t)n;
    memmove(d->rest.data, in.p, in.n);
    d->rest.len = in.n;
}

/* ---- live events ---- */

/* Whether people stand in it by uid alone, whom only the table of users knows. */
static bool needs_users(struct slice data)
{
    struct zk_passage p;

    return zk_event_read(&data, &p) && p.by_uid;
}

/* Live events name people by one number, the log perhaps by the other: in the log's terms. */
static void translate(const struct zk_device *d, struct zk_passage *p)
{
    struct slice users = buf_all(&d->users);
    bool by_uid = zk_layout_needs_users(d->seen.layout);

    while (users.n > 3 && by_uid != p->by_uid) {
        struct slice person = {users.p + 3, (unsigned char)users.p[2]};
        uint16_t uid = zk_u16(users.p);

        if (p->by_uid ? uid == p->uid : slice_is(person, p->person)) {
            memcpy(p->person, person.p, by_uid ? 0 : person.n);
            p->person[by_uid ? 0 : person.n] = '\0';
            p->uid = uid;
            p->by_uid = by_uid;
        }
        users.p += 3 + person.n;
        users.n -= 3 + person.n;
    }
}

static void feed_event(struct zk_device *d, struct slice data)
{
    struct slice rest = data;
    struct zk_passage p;
    bool known = data.n > 0;
    uint32_t fresh = 0;

    while (zk_event_read(&rest, &p)) {
        translate(d, &p);
        if (is_recent(&d->recent_live, &p))
            continue; /* sent again */
        known = known && is_recent(&d->recent_log, &p);
        remember(&d->recent_live, &p);
        fresh++;
    }
    d->live_since += fresh;
    d->expected += fresh;
    if (rest.n == 0 && (known || fresh == 0))
        return;
    if (!d->live)
        open_live(d);
    feed_section(d->live, "ZKEV", data);
}

static void take_event(struct zk_device *d, struct slice data)
{
    char bytes[2] = {(char)data.n, (char)(data.n >> 8)};

    if (data.n == 0 || data.n > 4096)
        return;
    if (d->users_known || !needs_users(data)) {
        feed_event(d, data);
    } else if (d->held.len < HELD_BYTES) {
        buf_add(&d->held, bytes, 2);
        buf_slice(&d->held, data);
        d->idle_until_ms = 0; /* the users are read next */
    }
}

static void release_held(struct zk_device *d)
{
    struct slice held = buf_all(&d->held);

    while (held.n > 2) {
        size_t n = zk_u16(held.p);

        feed_event(d, (struct slice){held.p + 2, n});
        held.p += 2 + n;
        held.n -= 2 + n;
    }
    buf_free(&d->held);
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
        read_range(d, d->seen.end - d->seen.window, d->seen.end, now_ms);
        break;
    case SEARCH:
        read_before(d, now_ms);
        break;
    case REST:
        open_log(d);
        d->seen.layout = d->layout;
        d->seen.end = d->from;
        d->seen.records = (d->from - 4) / zk_layout_bytes(d->layout);
        read_range(d, d->from, d->end, now_ms);
        break;
    case IDLE:
        d->idle_until_ms = now_ms + CHECK_MS;
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
    d->seen = (struct zk_mark){.last_s = ZK_NO_TIME};
    d->tail.len = 0;
}

/* Which device it is: another one than before has another log. */
static void on_serial(struct zk_device *d, const struct zk_news *news)
{
    char serial[ZK_SERIAL_BYTES] = "", *before = *d->serial ? d->serial : d->seen.serial;

    if (news->kind == ZK_NEWS_DONE)
        copy_serial(news->data, serial);
    if (!*serial && !d->known)
        msg_warn("%s: the device does not say its serial number", d->operand);
    if (*before && strcmp(before, serial) != 0) {
        msg_warn("%s: another device answers here: %s, not %s: reading its whole log", d->operand,
            *serial ? serial : "without a serial number", before);
        forget_place(d);
        d->users_known = false;
        d->users.len = 0;
        d->recent_live.count = d->recent_log.count = 0;
    }
    if (strcmp(d->serial, serial) != 0 && d->live) {
        stream_close(d->live);
        d->live = NULL;
    }
    snprintf(d->serial, sizeof d->serial, "%s", serial);
    snprintf(d->seen.serial, sizeof d->seen.serial, "%s", serial);
    d->known = true;
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
    if (d->seen.records > 0)
        msg_warn("%s: the log was cleared", d->operand);
    forget_place(d);
    snprintf(d->seen.serial, sizeof d->seen.serial, "%s", d->serial);
    open_log(d);
    stream_end(d->log);
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
    if (zk_layout_needs_users(d->layout) && !d->users_known) {
        go(d, USERS_SHUT_LOG, now_ms);
    } else if (d->seen.end == 0 || d->seen.layout != d->layout) {
        d->from = 4;
        go(d, REST, now_ms);
    } else if (d->seen.end <= d->end) {
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
    snprintf(d->seen.serial, sizeof d->seen.serial, "%s", d->serial);
    d->layout = ZK_UNKNOWN_LAYOUT; /* perhaps even that has changed */
    go(d, HEAD, now_ms);
}

static void read_on(struct zk_device *d, int64_t now_ms)
{
    d->from = d->seen.end;
    d->tail.len = 0;
    if (d->seen.window > 0)
        buf_add(&d->tail, d->look.data + d->look.len - d->seen.window, d->seen.window);
    go(d, REST, now_ms);
}

static void on_place(struct zk_device *d, int64_t now_ms)
{
    if (zk_mark_matches(&d->seen, buf_all(&d->look))) {
        read_on(d, now_ms);
        return;
    }
    begin_search(d, now_ms);
}

static void on_search(struct zk_device *d, int64_t now_ms)
{
    size_t at = zk_mark_find(&d->seen, buf_all(&d->look));
    uint32_t record = (uint32_t)zk_layout_bytes(d->layout);
    uint32_t back = (d->seen.window + record - 1) / record * record; /* may reach over the edge */

    if (at > 0) {
        msg_warn("%s: the log lost its oldest records, as a full one does: going on behind the "
                 "last one that was read",
            d->operand);
        d->seen.end = d->from + (uint32_t)at;
        d->look.len = at;
        read_on(d, now_ms);
    } else if (d->from <= 4 || d->seen.window == 0) {
        read_all(d, now_ms);
    } else {
        d->high = d->from + back;
        go(d, SEARCH, now_ms);
    }
}

/* Of a user only the two numbers that belong together are kept. */
static void on_users(struct zk_device *d)
{
    struct slice table = after_size(&d->look);
    char person[25];
    uint16_t uid;
    size_t bytes;

    bytes = zk_user_bytes(table, d->sized ? d->sizes.users : 0);
    if (bytes == 0 && table.n > 0)
        msg_warn("%s: the table of users makes no sense", d->operand);
    d->users.len = 0;
    for (; bytes > 0 && table.n >= bytes; table.p += bytes, table.n -= bytes)
        if (zk_user_read(table.p, bytes, &uid, person)) {
            char head[3] = {(char)uid, (char)(uid >> 8), (char)strlen(person)};

            buf_add(&d->users, head, sizeof head);
            buf_text(&d->users, person);
        }
    secret_forget(&d->look); /* it had names and passwords */
}

static void have_users(struct zk_device *d)
{
    d->users_known = true;
    stream_close(d->live); /* the next one knows them */
    d->live = NULL;
    release_held(d);
}

/* The log is read to its end. */
static void on_rest(struct zk_device *d, int64_t now_ms)
{
    if (d->rest.len > 0)
        msg_warn("%s: the log ends in the middle of a record", d->operand);
    stream_end(d->log);
    go(d, LOG_SHUT, now_ms);
}

/* The log is read from where it was left: what comes live from now on is counted anew. */
static void begin_pull(struct zk_device *d, int64_t now_ms)
{
    d->pulled_ms = now_ms;
    d->live_since = 0;
    d->expected = d->sizes.records;
    go(d, OPEN, now_ms);
}

/* Looks whether the device counts what came. */
static void on_check(struct zk_device *d, const struct zk_news *news, int64_t now_ms)
{
    bool old = now_ms - d->pulled_ms > PLACE_MS, missed;

    on_sizes(d, news);
    missed = d->sized && d->sizes.records != d->expected;
    if (d->held.len > 0)
        go(d, USERS_OPEN, now_ms);
    else if (missed || (old && (!d->sized || !d->listening || d->live_since > 0)))
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
    d->layout = d->seen.end > 0 ? d->seen.layout : ZK_UNKNOWN_LAYOUT;
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
    have_users(d);
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
        have_users(d);
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
        on_serial(d, news);
        go(d, SIZES, now_ms);
        break;
    case SIZES:
        on_sizes(d, news);
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

/* What is in the streams goes out; false: the sink has no room for it, or it failed (*bad). */
static bool run_streams(struct zk_device *d, bool *bad, struct fault *why)
{
    enum stream_state log = STREAM_MORE, live = STREAM_MORE;

    if (d->live)
        live = stream_run(d->live, why);
    if (d->log && live != STREAM_ERROR)
        log = stream_run(d->log, why);
    if (log == STREAM_END)
        end_log(d);
    *bad = log == STREAM_ERROR || live == STREAM_ERROR;
    return !*bad && log != STREAM_FULL && live != STREAM_FULL;
}

static enum zk_run on_news(
    struct zk_device *d, const struct zk_news *news, int64_t now_ms, struct fault *why)
{
    switch (news->kind) {
    case ZK_NEWS_EVENT:
        if (!d->stopping && d->env->follow)
            take_event(d, news->data);
        return ZK_RUN_MORE;
    case ZK_NEWS_DATA:
        if (d->step == REST)
            feed_records(d, news->data);
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
    bool bad;

    if (!run_streams(d, &bad, why))
        return bad ? ZK_RUN_FAULT : ZK_RUN_FULL;
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
    snprintf(d->peer, sizeof d->peer, "%s", peer);
    snprintf(d->host, sizeof d->host, "%s", host);
    go(d, CONNECT, now_ms);
}

void zk_device_disconnected(struct zk_device *d)
{
    d->session = NULL;
    if (d->log)
        stream_end(d->log);
    d->look.len = 0;
}

void zk_device_stop(struct zk_device *d, int64_t now_ms)
{
    d->stopping = true;
    if (!d->session)
        return;
    if (d->log)
        stream_end(d->log);
    go(d, LEAVE, now_ms);
}

void zk_device_progress(const struct zk_device *d, struct source_progress *progress)
{
    if (d->end > 0) {
        progress->done += d->seen.end;
        progress->total += d->end;
    }
}

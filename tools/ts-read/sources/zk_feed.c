/* SPDX-License-Identifier: MIT */
/* The pump gets sections as zk-records has them: who the device is, its users, records, events. */
#include "zk_feed.h"

#include <stdio.h>
#include <stdlib.h>

#include "address.h"
#include "checkpoint.h"
#include "zk_packet.h"
#include "zk_recent.h"
#include "zk_users.h"

#define SECTION_BYTES 8u
#define EVENT_BYTES 4096u
#define HELD_BYTES 65536u /* of live events that wait for the table of users */

/* One reading of the log, until its place is in the checkpoint. */
struct pull {
    struct pull *next;
    char *cursor; /* NULL while it goes on */
    bool done;    /* all its events have their final receipts */
};

struct zk_feed {
    const struct source_env *env;
    const char *operand;
    size_t number;
    char peer[ADDRESS_TEXT], host[ADDRESS_TEXT], serial[ZK_SERIAL_BYTES];
    struct buf users; /* section ZKID */
    bool users_known;
    struct buf held; /* live events that wait for it: u16 length, data */
    enum zk_layout held_layout;
    struct stream *log, *live;
    struct track *log_track, *live_track;
    struct pull *first, *last;
    struct zk_recent recent_live, recent_log;
    uint64_t came_live; /* passages */
};

struct zk_feed *zk_feed_new(const struct source_env *env, const char *operand, size_t number)
{
    struct zk_feed *f = mem_alloc(sizeof *f);

    *f = (struct zk_feed){.env = env, .operand = operand, .number = number};
    return f;
}

void zk_feed_free(struct zk_feed *f)
{
    struct pull *next;

    if (!f)
        return;
    for (struct pull *p = f->first; p; p = next) {
        next = p->next;
        free(p->cursor);
        free(p);
    }
    stream_close(f->log);
    stream_close(f->live);
    track_drop(f->log_track);
    track_drop(f->live_track);
    buf_free(&f->users);
    buf_free(&f->held);
    free(f);
}

/* ---- the checkpoint ---- */

/* Whether something live has no final receipt yet: a reading passed it over. */
static bool is_live_open(const struct zk_feed *f)
{
    return (f->live_track && f->live_track->pending > 0) ||
           (f->live && stream_waiting(f->live) > 0);
}

static bool is_done(const struct pull *p)
{
    return p && p->done && p->cursor;
}

/* The cursor moves over readings that are done, in order, once nothing live is on its way.  Until
   then the last of them is enough: with a live event that is held for days there would be many. */
static void move_cursor(struct zk_feed *f)
{
    while (is_done(f->first)) {
        struct pull *p = f->first;
        bool overtaken = is_done(p->next);

        if (!overtaken && is_live_open(f))
            break;
        if (!overtaken && f->env->checkpoint)
            checkpoint_set_cursor(f->env->checkpoint, f->operand, p->cursor);
        f->first = p->next;
        if (!f->first)
            f->last = NULL;
        free(p->cursor);
        free(p);
    }
}

void zk_feed_commit(struct zk_feed *f, void *token, enum verdict verdict)
{
    struct pull *p = token;

    if (p && verdict == VERDICT_DONE)
        p->done = true;
    move_cursor(f);
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

static struct stream *open_stream(struct zk_feed *f, enum stream_kind kind, struct track *track)
{
    struct stream_config config = {.kind = kind,
        .origin = f->peer,
        .device = f->host,
        .format = format_find(SLICE("zk-records")),
        .track = track};
    struct stream *s = stream_open(f->env->pump, &config);

    if (*f->serial)
        feed_section(s, "ZKSN", slice_of(f->serial));
    if (f->users.len > 0)
        feed_section(s, "ZKID", buf_all(&f->users));
    return s;
}

/* What comes live next goes to a stream that knows more. */
static void close_live(struct zk_feed *f)
{
    stream_close(f->live);
    f->live = NULL;
}

void zk_feed_peer(struct zk_feed *f, const char *peer, const char *host)
{
    snprintf(f->peer, sizeof f->peer, "%s", peer);
    snprintf(f->host, sizeof f->host, "%s", host);
}

void zk_feed_serial(struct zk_feed *f, const char *serial)
{
    if (strcmp(f->serial, serial) == 0)
        return;
    close_live(f);
    snprintf(f->serial, sizeof f->serial, "%s", serial);
}

void zk_feed_forget(struct zk_feed *f)
{
    f->users_known = false;
    f->users.len = f->held.len = 0;
    f->recent_live.count = f->recent_log.count = 0;
}

/* ---- the log ---- */

void zk_feed_open(struct zk_feed *f)
{
    struct pull *p;

    if (sink_receipts(f->env->sink)) {
        p = mem_alloc(sizeof *p);
        *p = (struct pull){0};
        if (f->last)
            f->last->next = p;
        else
            f->first = p;
        f->last = p;
        f->log_track = track_new(f->env->follow ? TRACK_REPEAT : TRACK_REPORT, f->number, p);
    }
    f->log = open_stream(f, STREAM_PAST, f->log_track);
}

static bool is_new(void *arg, const struct zk_passage *p)
{
    struct zk_feed *f = arg;

    if (f->env->follow)
        zk_recent_add(&f->recent_log, p);
    return !zk_recent_has(&f->recent_live, p);
}

void zk_feed_records(struct zk_feed *f, struct zk_reading *r, struct slice data)
{
    char *at = stream_room(f->log, SECTION_BYTES + 1 + zk_reading_room(r, data));
    size_t n = zk_reading_take(r, data, at + SECTION_BYTES + 1, is_new, f);

    *section(at, "ZKRC", n + 1) = (char)r->seen.layout;
    if (n > 0)
        stream_added(f->log, SECTION_BYTES + 1 + n);
}

void zk_feed_end(struct zk_feed *f)
{
    if (f->log)
        stream_end(f->log);
}

void zk_feed_close(struct zk_feed *f, const struct zk_mark *place)
{
    struct buf text = {0};

    if (f->last && !f->last->cursor) {
        zk_mark_print(&text, place);
        f->last->cursor = text.data;
    }
    stream_close(f->log);
    track_drop(f->log_track);
    f->log = NULL;
    f->log_track = NULL;
}

/* ---- live events ---- */

/* Whether somebody stands in it by uid alone, whom the table of users as it was read does not have:
   people are enrolled every day. */
static bool needs_users(const struct zk_feed *f, struct slice data)
{
    struct zk_passage p;

    while (zk_event_read(&data, &p))
        if (p.by_uid &&
            (!f->users_known || (f->users.len > 0 && !zk_users_know(buf_all(&f->users), p.uid))))
            return true;
    return false;
}

static void feed_event(struct zk_feed *f, enum zk_layout layout, struct slice data)
{
    bool known = data.n > 0, by_uid = zk_layout_needs_users(layout);
    struct slice rest = data;
    struct zk_passage p;
    unsigned fresh = 0;

    while (zk_event_read(&rest, &p)) {
        zk_users_translate(buf_all(&f->users), by_uid, &p);
        if (zk_recent_has(&f->recent_live, &p))
            continue; /* sent again */
        known = known && zk_recent_has(&f->recent_log, &p);
        zk_recent_add(&f->recent_live, &p);
        fresh++;
    }
    f->came_live += fresh;
    if (rest.n == 0 && (known || fresh == 0))
        return;
    if (!f->live_track && sink_receipts(f->env->sink))
        f->live_track = track_new(TRACK_REPEAT, f->number, NULL);
    if (!f->live)
        f->live = open_stream(f, STREAM_PEER, f->live_track);
    feed_section(f->live, "ZKEV", data);
}

bool zk_feed_event(struct zk_feed *f, enum zk_layout layout, struct slice data)
{
    char bytes[2] = {(char)data.n, (char)(data.n >> 8)};

    if (data.n == 0 || data.n > EVENT_BYTES)
        return true;
    if (!needs_users(f, data)) {
        feed_event(f, layout, data);
        return true;
    }
    if (f->held.len < HELD_BYTES) {
        buf_add(&f->held, bytes, 2);
        buf_slice(&f->held, data);
        f->held_layout = layout;
    }
    return false;
}

bool zk_feed_wants_users(const struct zk_feed *f)
{
    return f->held.len > 0;
}

uint64_t zk_feed_live(const struct zk_feed *f)
{
    return f->came_live;
}

static void release_held(struct zk_feed *f)
{
    struct slice held = buf_all(&f->held);

    while (held.n > 2) {
        size_t n = zk_u16(held.p);

        feed_event(f, f->held_layout, (struct slice){held.p + 2, n});
        held.p += 2 + n;
        held.n -= 2 + n;
    }
    buf_free(&f->held);
}

/* ---- users ---- */

bool zk_feed_users(struct zk_feed *f, struct slice table, uint64_t count)
{
    bool good = zk_users_read(&f->users, table, count);

    f->users_known = true;
    close_live(f);
    release_held(f);
    return good;
}

/* ---- running ---- */

enum zk_fed zk_feed_run(struct zk_feed *f, struct fault *why)
{
    enum stream_state log = STREAM_MORE, live = STREAM_MORE;

    if (f->live)
        live = stream_run(f->live, why);
    if (f->log && live != STREAM_ERROR)
        log = stream_run(f->log, why);
    if (log == STREAM_ERROR || live == STREAM_ERROR)
        return ZK_FED_ERROR;
    if (log == STREAM_FULL || live == STREAM_FULL)
        return ZK_FED_FULL;
    return log == STREAM_END ? ZK_FED_ENDED : ZK_FED_ALL;
}

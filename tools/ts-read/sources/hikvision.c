/* SPDX-License-Identifier: MIT */
/*
 * hikvision://[user@]host[:port], hikvisions:// with TLS: the log of an access terminal over ISAPI
 * from where the checkpoint left it, and with -F what happens live.
 *
 *     who are you?  what time is it?  search the log, page by page            without -F: the end
 *     arm (alertStream); search again for what came in between; then live:
 *         a heartbeat        nothing
 *         an event           after the one seen last: given on;  seen before: dropped
 *                            its frontSerialNo is ahead of the one seen last: search, then go on
 *     the stream ends or is silent: all of it again, a little later
 *
 * Everything in the log is numbered, so what is missing shows, whichever way the rest came.  It is
 * searched for by time, then by number; what cannot be had is said.  A stream may repeat the whole
 * log at every connect: what came before is dropped.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "hik_log.h"
#include "msg.h"
#include "stop.h"

#define RECORD_BYTES (256u << 10) /* of the stream, with its pictures */
#define REFUSAL_BYTES 4096u
#define TURN 64 /* records of the stream taken in one go */

/* ---- who, and when ---- */

static int take_info(struct hik *h, struct fault *why)
{
    struct hik_info info = {0};
    int rc = hik_answer(h, why);

    if (rc <= 0)
        return rc;
    if (web_status(h->pull.call) == 200)
        hik_info_read(web_bytes(h->pull.call), &info);
    pull_known(&h->pull, *info.serial || h->pull.env->device ? info.serial : info.mac);
    h->next = SEARCH_ALL;
    hik_ask(h, STEP_CLOCK, "/ISAPI/System/time", SLICE_NONE);
    return 1;
}

static int take_clock(struct hik *h, struct fault *why)
{
    struct log_place now;
    int rc = hik_answer(h, why);

    if (rc <= 0)
        return rc;
    if (web_status(h->pull.call) == 200 &&
        hik_clock_read(web_bytes(h->pull.call), &now, h->offset)) {
        h->now_s = now.time_s;
    } else {
        snprintf(h->offset, sizeof h->offset, "+00:00");
        h->now_s = clock_now_ms() / 1000;
    }
    if (!clock_parse_offset(slice_of(h->offset), &h->offset_s))
        h->offset_s = 0;
    log_bound(&h->pull.seen, h->now_s);
    hik_search(h, h->next);
    return 1;
}

/* ---- live ---- */

static int arm(struct hik *h)
{
    pull_listen(&h->pull, "/ISAPI/Event/notification/alertStream");
    h->step = STEP_ARM;
    return 1;
}

static int no_place(struct hik *h, struct fault *why)
{
    char words[160], reason[200] = "";

    if (web_state(h->pull.stream) < WEB_DONE && web_bytes(h->pull.stream).n < REFUSAL_BYTES)
        return 0;
    if (hik_words_read(web_bytes(h->pull.stream), words, sizeof words))
        snprintf(reason, sizeof reason, ": %s", words);
    if (!h->said_busy)
        msg_warn("%s: has no place for live events (status %u%s): looking into its log instead, "
                 "every %" PRId64 " s, until it has",
            h->pull.operand, web_status(h->pull.stream), reason, h->pull.busy_ms / 1000);
    h->said_busy = true;
    return hik_again(h, h->pull.busy_ms, "no place", why);
}

/* Where its parts begin the stream says itself, whatever its head may call the boundary. */
static int take_arm(struct hik *h, struct fault *why)
{
    struct format_options options = {.longest = RECORD_BYTES, .pictures = h->pull.env->pictures};
    int rc = pull_heard(&h->pull, &hik_words, why);

    if (rc == 0 && !h->pull.stream)
        h->step = STEP_REST;
    if (rc <= 0)
        return rc;
    if (web_status(h->pull.stream) != 200)
        return no_place(h, why);
    if (h->said_busy)
        msg_warn("%s: has a place for live events again", h->pull.operand);
    h->said_busy = false;
    h->pull.live_ms = monotonic_ms();
    recording_begin(&h->recording, &hikvision_items, &options);
    if (h->no_log)
        h->step = STEP_LIVE;
    else
        hik_search(h, SEARCH_BETWEEN);
    return 1;
}

/* What the stream says is given on as parts of a small stream of its own, with its pictures. */
static void give_on(struct hik *h, const struct hik_notice *n)
{
    struct units *u = &h->pull.units;
    char cursor[LOG_CURSOR_BYTES];

    units_begin(u, STREAM_PEER);
    units_add_recorded(u, &h->recording);
    if (n->event)
        log_see(&h->pull.seen, &n->place);
    log_cursor_print(cursor, h->pull.device, &h->pull.seen);
    units_end(u, n->event && h->have.count == 0 ? cursor : NULL);
}

/* A little below the highest, and later than any: late, or of a log that was emptied while it was
   short, which the next look into it will show. */
static bool is_late(const struct log_seen *seen, const struct log_place *place)
{
    return place->serial >= 0 && place->serial <= seen->last.serial &&
           place->serial + HIK_FAR >= seen->last.serial && place->time_s > seen->high_s;
}

/* Whether an event came before.  One that is said to happen now, and has a number far below, shows
   that the log was emptied, or the stream is wrong: the log tells. */
static bool came_before(struct hik *h, const struct hik_notice *n)
{
    struct log_seen *seen = &h->pull.seen;

    if (n->place.serial < 0)
        return n->history && log_was_seen(seen, &n->place);
    if (is_late(seen, &n->place) || !hik_came(h, seen, &n->place))
        return false;
    if (!n->live || n->place.serial + HIK_FAR >= h->have.top)
        return true;
    hik_doubt(h);
    return !h->no_log;
}

/* What is missing before an event is searched for: true.  Where the device does not say which
   record was before it, the numbers do, and need not be right. */
static bool has_gap(struct hik *h, const struct hik_notice *n)
{
    bool said = n->front >= 0 && n->front < n->place.serial;

    h->front = said ? n->front : n->place.serial - 1;
    if (n->place.serial <= h->have.top || h->have.top < 0 || h->front <= h->have.top)
        return false;
    h->unsure = !said || h->have.top == 0;
    serials_reach(&h->have, h->front);
    if (h->no_log)
        hik_leave_missing(h, !h->unsure);
    else
        hik_search(h, SEARCH_GAP);
    return !h->no_log;
}

/* One record: 1 it is done with, 0 it stays until a gap before it was searched for. */
static int take_record(struct hik *h)
{
    struct hik_notice n;

    hik_notice_read(h->recording.text, &n);
    if (n.heartbeat)
        return 1;
    h->pull.heard += n.event;
    if (n.event && came_before(h, &n))
        return 1;
    if (n.event && n.place.serial >= 0) {
        if (has_gap(h, &n))
            return 0;
        if (n.place.serial > h->have.top) /* nothing is between the two, whatever their numbers */
            h->have.top = n.place.serial - 1;
        serials_add(&h->have, n.place.serial);
    }
    give_on(h, &n);
    return 1;
}

/* What the log has is asked for by the device's own clock, which may have changed. */
static void begin_sweep(struct hik *h)
{
    h->doubt_ms = 0;
    h->next = SEARCH_BETWEEN;
    hik_ask(h, STEP_CLOCK, "/ISAPI/System/time", SLICE_NONE);
}

static bool is_sweep_due(const struct hik *h)
{
    return !h->no_log &&
           (pull_sweep_due(&h->pull) || (h->doubt_ms != 0 && monotonic_ms() >= h->doubt_ms));
}

static int live(struct hik *h, struct fault *why)
{
    struct web_call *stream = h->pull.stream;
    bool over = web_state(stream) >= WEB_DONE;

    if (!over && is_sweep_due(h)) {
        begin_sweep(h);
        return 1;
    }
    for (int i = 0; i < TURN && !units_full(&h->pull.units); i++) {
        struct slice record;
        struct recording before = h->recording;
        size_t used;
        enum frame got = recording_frame(&h->recording, web_bytes(stream), false, &used, &record);

        if (got == FRAME_MORE && over)
            return hik_again(h, 0,
                web_state(stream) == WEB_FAILED ? web_error(stream) : "the stream of events ended",
                why);
        if (got == FRAME_MORE)
            return 0;
        if (got == FRAME_RECORD && take_record(h) == 0) {
            h->recording = before;
            return 1;
        }
        web_take(stream, used);
    }
    return 1;
}

/* ---- the source ---- */

static bool hik_takes(const struct source_env *env, const char *operand)
{
    return !env->listen && (source_scheme(operand, "hikvision", NULL) ||
                               source_scheme(operand, "hikvisions", NULL));
}

static void hik_close(void *state)
{
    struct hik *h = state;

    if (h) {
        pull_close(&h->pull);
        buf_free(&h->page.kept);
    }
    free(h);
}

static void *hik_open(
    const struct source_env *env, const char *operand, size_t number, struct fault *why)
{
    struct hik *h = mem_alloc(sizeof *h);

    memset(h, 0, sizeof *h);
    if (pull_open(&h->pull, env, operand, number, "hikvision", why) == 0)
        return h;
    hik_close(h);
    return NULL;
}

static int step(void *state, struct fault *why)
{
    struct hik *h = state;

    switch (h->step) {
    case STEP_REST:
        if (monotonic_ms() < h->pull.resume_ms)
            return 0;
        hik_ask(h, STEP_INFO, "/ISAPI/System/deviceInfo", SLICE_NONE);
        return 1;
    case STEP_INFO:
        return take_info(h, why);
    case STEP_CLOCK:
        return take_clock(h, why);
    case STEP_SEARCH:
        return hik_take_page(h, why);
    case STEP_LISTEN:
        return arm(h);
    case STEP_ARM:
        return take_arm(h, why);
    case STEP_LIVE:
        return live(h, why);
    }
    return 0;
}

static enum source_state hik_run(void *state, struct fault *why)
{
    return pull_run(&((struct hik *)state)->pull, step, state, why);
}

static nfds_t hik_poll(void *state, bool room, struct pollfd *fds, int *timeout_ms)
{
    struct hik *h = state;

    return pull_poll(&h->pull, h->step == STEP_REST, room, fds, timeout_ms);
}

static void hik_stop(void *state)
{
    pull_stop(&((struct hik *)state)->pull);
}

static void hik_commit(void *state, void *token, enum verdict verdict)
{
    (void)state;
    units_commit(token, verdict);
}

static void hik_reload(void *state)
{
    pull_reload(&((struct hik *)state)->pull);
}

const struct source source_hikvision = {
    .name = "hikvision",
    .synopsis = "hikvision://[user@]host[:port], hikvisions:// with TLS",
    .option = pull_option,
    .takes = hik_takes,
    .open = hik_open,
    .run = hik_run,
    .poll = hik_poll,
    .stop = hik_stop,
    .commit = hik_commit,
    .checkpoint = true,
    .reload = hik_reload,
    .close = hik_close,
};

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
 * Everything in the log is numbered, so a gap shows.  A stream may repeat the whole log at every
 * connect: what lies at or before the place seen last is dropped.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "hik_reply.h"
#include "msg.h"
#include "pull.h"
#include "stop.h"

#define RECORD_BYTES (256u << 10) /* of the stream, with its pictures */
#define OVERLAP_S 300 /* searched again: records need not stand in the order of their times */
#define DAY_S 86400
#define TURN 64 /* records of the stream taken in one go */

enum step { STEP_REST, STEP_INFO, STEP_CLOCK, STEP_SEARCH, STEP_ARM, STEP_LIVE };

/* What a search is for. */
enum purpose { SEARCH_ALL, SEARCH_BETWEEN, SEARCH_GAP, SEARCH_NUMBERS };

struct hik {
    struct pull pull;
    struct recording recording;
    enum step step;
    char offset[8]; /* of the device's clock */
    int32_t offset_s;
    int64_t now_s; /* its clock when the cycle began */

    enum purpose purpose;
    struct hik_search search;
    char search_id[24];
    struct log_seen base, found; /* before the search; in it */
    bool sorted;                 /* its records came in order so far */
    int64_t total;               /* records that match, by the page before; -1 */
    struct hik_page page;        /* in hand */
    int64_t front;               /* the record that a gap reaches to */
    bool no_log, said_busy;
};

static const struct pull_words words_of = {hik_words_read, hik_refusal_read};

static void ask(struct hik *h, enum step step, const char *path, struct slice body)
{
    pull_ask(&h->pull, path, body);
    h->step = step;
}

static int again(struct hik *h, int64_t wait_ms, const char *what, struct fault *why)
{
    h->step = STEP_REST;
    return pull_again(&h->pull, wait_ms, what, why);
}

/* The answer, as pull_answer has it. */
static int answer(struct hik *h, struct fault *why)
{
    int rc = pull_answer(&h->pull, &words_of, why);

    if (rc == 0 && !h->pull.call)
        h->step = STEP_REST;
    return rc;
}

/* ---- who, and when ---- */

static int take_info(struct hik *h, struct fault *why)
{
    struct hik_info info = {0};
    int rc = answer(h, why);

    if (rc <= 0)
        return rc;
    if (web_status(h->pull.call) == 200)
        hik_info_read(web_bytes(h->pull.call), &info);
    pull_known(&h->pull, *info.serial || h->pull.env->device ? info.serial : info.mac);
    ask(h, STEP_CLOCK, "/ISAPI/System/time", SLICE_NONE);
    return 1;
}

static void begin_search(struct hik *h, enum purpose purpose);

static int take_clock(struct hik *h, struct fault *why)
{
    struct log_place now;
    int rc = answer(h, why);

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
    pull_answers(&h->pull);
    begin_search(h, SEARCH_ALL);
    return 1;
}

/* ---- searching ---- */

static void print_time(const struct hik *h, int64_t instant_s, char out[CLOCK_TEXT])
{
    clock_print_zoned(out, instant_s + h->offset_s, 0, h->offset_s);
}

/* An instant of --since or --until; without an offset it is the device's clock. */
static int64_t bound_s(const struct hik *h, const struct bound *b)
{
    return b->at.local_s - (b->at.has_offset ? b->at.offset_s : h->offset_s);
}

/* From a little before what was seen last, or from the beginning, to a day after now. */
static void set_window(struct hik *h)
{
    const struct bound *since = h->pull.env->since, *until = h->pull.env->until;
    int64_t first = -h->offset_s, from = first, to = h->now_s + DAY_S;
    int64_t last = h->base.last.time_s;

    if (*h->base.last.time && h->purpose != SEARCH_NUMBERS)
        from = h->now_s < last ? h->now_s - DAY_S : last - OVERLAP_S;
    if (since->set && bound_s(h, since) - DAY_S > from)
        from = bound_s(h, since) - DAY_S;
    if (until->set && bound_s(h, until) + DAY_S < to)
        to = bound_s(h, until) + DAY_S;
    from = from < first ? first : from;
    print_time(h, from, h->search.from);
    print_time(h, to > from ? to : from + DAY_S, h->search.to);
}

static void ask_page(struct hik *h)
{
    struct buf body = {0};

    hik_search_print(&body, &h->search);
    ask(h, STEP_SEARCH, "/ISAPI/AccessControl/AcsEvent?format=json", buf_all(&body));
    buf_free(&body);
}

/* An id is for one search only: some terminals keep what they found under it. */
static void begin_search(struct hik *h, enum purpose purpose)
{
    uint64_t random = 0;

    if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
        random = (uint64_t)monotonic_ms();
    snprintf(h->search_id, sizeof h->search_id, "ts-%016" PRIx64, random);
    h->purpose = purpose;
    h->base = h->found = h->pull.seen;
    h->sorted = true;
    h->total = -1;
    h->search = (struct hik_search){.id = h->search_id, .first = -1, .last = -1};
    if (purpose == SEARCH_NUMBERS) {
        h->search.first = h->pull.seen.last.serial + 1;
        h->search.last = h->front;
    }
    set_window(h);
    ask_page(h);
}

/* Fewer records than before: the oldest were overwritten, and all others have moved. */
static bool is_shifted(const struct hik *h)
{
    return h->total >= 0 && h->page.total >= 0 && h->page.total < h->total;
}

/* Whether a record of a page is new. */
static bool want(void *arg, const struct log_place *place)
{
    struct hik *h = arg;

    if (is_shifted(h))
        return false;
    if (h->purpose == SEARCH_NUMBERS) {
        if (place->serial < h->search.first || place->serial > h->search.last)
            return false;
    } else if (pull_look(&h->pull, &h->base, place)) {
        h->base.last.serial = h->found.last.serial = -1;
    } else if (log_was_seen(&h->base, place)) {
        return false;
    }
    if (place->serial >= 0 && place->serial < h->found.last.serial)
        h->sorted = false;
    log_see(&h->found, place);
    h->pull.found++;
    return true;
}

static int arm(struct hik *h)
{
    pull_listen(&h->pull, "/ISAPI/Event/notification/alertStream");
    h->step = STEP_ARM;
    return 1;
}

/* Records that are not to be had are told of, and left behind. */
static void leave_gap(struct hik *h)
{
    msg_warn("%s: records %" PRId64 " to %" PRId64 " cannot be had", h->pull.operand,
        h->pull.seen.last.serial + 1, h->front);
    h->pull.seen.last.serial = h->front;
    *h->pull.env->gap = true;
}

/* What comes after a search. */
static int go_on(struct hik *h)
{
    bool gap = h->purpose >= SEARCH_GAP && h->front > h->pull.seen.last.serial;

    if (h->purpose == SEARCH_ALL && (!h->pull.env->follow || h->pull.env->until->set)) {
        pull_stop(&h->pull);
        return 1;
    }
    if (h->purpose == SEARCH_ALL)
        return arm(h);
    if (gap && h->purpose == SEARCH_GAP && !h->no_log) {
        begin_search(h, SEARCH_NUMBERS);
        return 1;
    }
    if (gap)
        leave_gap(h);
    h->step = STEP_LIVE;
    return 1;
}

/* It has no such search, or refuses this one: live events are all there is. */
static int no_search(struct hik *h, struct fault *why)
{
    char words[160];

    if (!hik_words_read(web_bytes(h->pull.call), words, sizeof words))
        snprintf(words, sizeof words, "status %u", web_status(h->pull.call));
    if (!h->pull.env->follow)
        return fault_set(
            why, EX_UNAVAILABLE, "%s: its log cannot be searched: %s", h->pull.operand, words);
    if (!h->no_log)
        msg_warn("%s: its log cannot be searched (%s): what happens while nobody listens is lost",
            h->pull.operand, words);
    h->no_log = true;
    return go_on(h);
}

static void give_page(struct hik *h)
{
    const struct hik_page *page = &h->page;
    char cursor[LOG_CURSOR_BYTES];

    if (page->kept.len == 0)
        return;
    log_cursor_print(cursor, h->pull.device, &h->found);
    units_begin(&h->pull.units, STREAM_PAST);
    units_add(&h->pull.units, buf_all(&page->kept));
    units_end(&h->pull.units, h->sorted && h->purpose == SEARCH_ALL ? cursor : NULL);
}

static int take_page(struct hik *h, struct fault *why)
{
    const struct hik_page *page = &h->page;
    int rc = answer(h, why);

    if (rc <= 0)
        return rc;
    hik_page_read(web_bytes(h->pull.call), &h->page, want, h);
    give_page(h);
    if (web_status(h->pull.call) != 200 || page->more == HIK_BAD)
        return no_search(h, why);
    if (is_shifted(h)) {
        if (h->sorted)
            h->pull.seen = h->found;
        begin_search(h, h->purpose);
        return 1;
    }
    if (page->more == HIK_MORE && page->count == 0)
        return again(h, 0, "gives a page without records, and says that there are more", why);
    h->total = page->total;
    h->search.position += page->count;
    if (page->more == HIK_MORE || (page->count > 0 && (int64_t)h->search.position < page->total)) {
        ask_page(h);
        return 1;
    }
    h->pull.seen = h->found;
    pull_reached(&h->pull, &h->found);
    pull_swept(&h->pull);
    return go_on(h);
}

/* ---- live ---- */

static int no_place(struct hik *h, struct fault *why)
{
    if (!h->said_busy)
        msg_warn(
            "%s: has no place for live events (status %u): looking into its log instead, every "
            "%" PRId64 " s, until it has",
            h->pull.operand, web_status(h->pull.stream), h->pull.busy_ms / 1000);
    h->said_busy = true;
    return again(h, h->pull.busy_ms, "no place", why);
}

static int take_arm(struct hik *h, struct fault *why)
{
    struct format_options options = {.longest = RECORD_BYTES, .pictures = h->pull.env->pictures};
    struct slice boundary;
    int rc = pull_heard(&h->pull, &words_of, why);

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
    boundary = multipart_boundary(slice_of(web_type(h->pull.stream)));
    h->recording.multi =
        boundary.p && multipart_begin(&h->recording.m, boundary, h->recording.limit);
    if (h->no_log)
        h->step = STEP_LIVE;
    else
        begin_search(h, SEARCH_BETWEEN);
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
    units_end(u, n->event ? cursor : NULL);
}

/* One record: 1 it is done with, 0 it stays until a gap before it was searched for. */
static int take_record(struct hik *h)
{
    struct log_seen *seen = &h->pull.seen;
    struct hik_notice n;

    hik_notice_read(h->recording.text, &n);
    if (n.heartbeat)
        return 1;
    h->pull.heard += n.event;
    if (n.event && pull_look(&h->pull, seen, &n.place))
        seen->last.serial = -1;
    if (n.event && log_was_seen(seen, &n.place))
        return 1;
    if (n.event && seen->last.serial >= 0 && n.front > seen->last.serial &&
        n.place.serial > n.front) {
        h->front = n.front;
        h->purpose = SEARCH_GAP;
        if (h->no_log)
            go_on(h);
        else
            begin_search(h, SEARCH_GAP);
        return 0;
    }
    give_on(h, &n);
    return 1;
}

static int live(struct hik *h, struct fault *why)
{
    struct web_call *stream = h->pull.stream;
    bool over = web_state(stream) >= WEB_DONE;

    if (!h->no_log && !over && pull_sweep_due(&h->pull)) {
        begin_search(h, SEARCH_BETWEEN);
        return 1;
    }
    for (int i = 0; i < TURN && !units_full(&h->pull.units); i++) {
        struct slice record;
        struct recording before = h->recording;
        size_t used;
        enum frame got = recording_frame(&h->recording, web_bytes(stream), false, &used, &record);

        if (got == FRAME_MORE && over)
            return again(h, 0,
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
        ask(h, STEP_INFO, "/ISAPI/System/deviceInfo", SLICE_NONE);
        return 1;
    case STEP_INFO:
        return take_info(h, why);
    case STEP_CLOCK:
        return take_clock(h, why);
    case STEP_SEARCH:
        return take_page(h, why);
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
    units_commit(&((struct hik *)state)->pull.units, token, verdict);
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

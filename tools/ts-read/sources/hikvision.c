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
 * connect: what lies at or before the place seen last is dropped.  A first refusal of the password
 * ends it: five of them lock the account.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "checkpoint.h"
#include "hik_reply.h"
#include "json.h"
#include "msg.h"
#include "stop.h"
#include "units.h"
#include "web.h"

#define ANSWER_MS 30000
#define ANSWER_BYTES (4u << 20)
#define STREAM_BYTES (256u << 10)
#define SILENCE_MS 60000 /* heartbeats come every 10 s, or 30 where they were asked for */
#define BUSY_MS 120000   /* for a terminal that still holds the place of a dead connection */
#define BACKOFF_FIRST_MS 1000
#define BACKOFF_LAST_MS 60000
#define STEADY_MS 60000 /* a stream that lived this long starts again at the first step */
#define OVERLAP_S 300   /* searched again: records need not stand in the order of their times */
#define DAY_S 86400
#define UNIT_RECORDS 64
#define CURSOR_BYTES 256

enum step { STEP_REST, STEP_INFO, STEP_CLOCK, STEP_SEARCH, STEP_ARM, STEP_LIVE };

/* What a search is for. */
enum purpose { SEARCH_ALL, SEARCH_BETWEEN, SEARCH_GAP, SEARCH_NUMBERS };

/* How far the log was seen: the record with the highest number, and the latest time of any. */
struct seen {
    struct hik_place last;
    int64_t high_s;
};

struct hik {
    const struct source_env *env;
    const char *operand;
    struct web *web;
    struct units units;
    struct web_call *call, *stream;
    struct recording recording;
    enum step step;
    struct hik_info info;
    struct seen seen;
    char offset[8]; /* of the device's clock */
    int32_t offset_s;
    int64_t now_s; /* its clock when the cycle began */

    enum purpose purpose;
    struct hik_search search;
    char search_id[24];
    struct seen base, found; /* before the search; in it */
    bool sorted;             /* its records came in order so far */
    int64_t total;           /* records that match, by the page before; -1 */
    const struct hik_page *page;
    int64_t front; /* the record that a gap reaches to */

    int64_t silence_ms, busy_ms, resume_ms, live_ms;
    int backoff_ms;
    bool down, full, stopping, no_log, said_busy;
};

/* ---- places ---- */

static void see(struct seen *s, const struct hik_place *place)
{
    if (place->serial > s->last.serial || (place->serial < 0 && place->time_s > s->last.time_s)) {
        int64_t serial = place->serial < 0 ? s->last.serial : place->serial;

        s->last = *place;
        s->last.serial = serial;
    }
    if (place->time_s > s->high_s)
        s->high_s = place->time_s;
}

static bool was_seen(const struct seen *s, const struct hik_place *place)
{
    if (place->serial < 0)
        return *s->last.time && place->time_s <= s->high_s && *place->time;
    return place->serial <= s->last.serial && place->time_s <= s->high_s;
}

/* A low number at a later time: the log was emptied, and its numbers begin anew. */
static void look_for_new_log(struct hik *h, struct seen *s, const struct hik_place *place)
{
    if (place->serial < 0 || place->serial > s->last.serial || place->time_s <= s->high_s)
        return;
    msg_warn("%s: its records are numbered anew (%" PRId64 " after %" PRId64
             "): the log was emptied, or is full and begins again",
        h->operand, place->serial, s->last.serial);
    s->last.serial = -1;
}

static void look_for_step_back(struct hik *h, const struct seen *s, const struct hik_place *place)
{
    if (place->serial > s->last.serial && s->last.serial >= 0 && *place->time && *s->last.time &&
        place->time_s < s->last.time_s - OVERLAP_S)
        msg_warn("%s: its clock was set back by %" PRId64 " s, from %s", h->operand,
            s->last.time_s - place->time_s, s->last.time);
}

static void print_cursor(const struct hik *h, const struct seen *s, char out[CURSOR_BYTES])
{
    snprintf(out, CURSOR_BYTES,
        "{\"device\":\"%s\",\"serial\":%" PRId64 ",\"time\":\"%s\",\"high\":%" PRId64 "}",
        h->info.serial, s->last.serial, s->last.time, s->high_s);
}

/* False: it is of another device, or makes no sense. */
static bool read_cursor(struct hik *h, const char *cursor)
{
    yyjson_doc *doc = yyjson_read(cursor, strlen(cursor), 0);
    yyjson_val *v = yyjson_doc_get_root(doc);
    const char *device = yyjson_get_str(yyjson_obj_get(v, "device"));
    const char *time = yyjson_get_str(yyjson_obj_get(v, "time"));
    struct clock_time t;
    bool good = device && time && strlen(time) < sizeof h->seen.last.time;

    if (good && strcmp(device, h->info.serial) != 0) {
        msg_warn("%s: another device is there now: \"%s\" after \"%s\"; reading its whole log",
            h->operand, h->info.serial, device);
        good = false;
    } else if (!good) {
        msg_warn("%s: the checkpoint's place makes no sense: reading the whole log", h->operand);
    }
    if (good) {
        h->seen.last.serial = yyjson_get_sint(yyjson_obj_get(v, "serial"));
        h->seen.high_s = yyjson_get_sint(yyjson_obj_get(v, "high"));
        snprintf(h->seen.last.time, sizeof h->seen.last.time, "%s", time);
        if (clock_parse(slice_of(time), &t))
            h->seen.last.time_s = t.local_s - (t.has_offset ? t.offset_s : 0);
    }
    yyjson_doc_free(doc);
    return good;
}

/* ---- asking ---- */

static void ask(struct hik *h, enum step step, const char *path, struct slice body)
{
    struct web_request request = {.path = path,
        .body = body,
        .type = body.n > 0 ? "application/json" : NULL,
        .whole_ms = ANSWER_MS,
        .limit = ANSWER_BYTES};

    web_end(h->call);
    h->call = web_begin(h->web, &request);
    h->step = step;
}

static void begin_cycle(struct hik *h)
{
    ask(h, STEP_INFO, "/ISAPI/System/deviceInfo", SLICE_NONE);
}

static void hang_up(struct hik *h)
{
    web_end(h->call);
    web_end(h->stream);
    h->call = h->stream = NULL;
    if (units_begun(&h->units))
        units_end(&h->units, NULL);
}

/* With -F all of it again, later; else it ends here. */
static int again_later(struct hik *h, int64_t wait_ms, const char *what, struct fault *why)
{
    uint32_t random = 0;

    hang_up(h);
    if (!h->env->follow)
        return fault_set(why, EX_UNAVAILABLE, "%s: %s", h->operand, what);
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
        random = (uint32_t)monotonic_ms();
    if (h->live_ms && monotonic_ms() - h->live_ms > STEADY_MS)
        h->backoff_ms = BACKOFF_FIRST_MS;
    h->live_ms = 0;
    if (wait_ms == 0) {
        wait_ms = h->backoff_ms;
        h->backoff_ms = h->backoff_ms * 2 > BACKOFF_LAST_MS ? BACKOFF_LAST_MS : h->backoff_ms * 2;
        if (!h->down)
            msg_warn("%s: %s: trying again until it works", h->operand, what);
        h->down = true;
    }
    h->resume_ms = monotonic_ms() + wait_ms / 2 + random % (wait_ms / 2 + 1);
    h->step = STEP_REST;
    return 0;
}

/* The password was refused: once is enough. */
static int refused(struct hik *h, struct slice body, struct fault *why)
{
    struct hik_refusal r;

    hik_refusal_read(body, &r);
    hang_up(h);
    if (!h->env->password_file)
        return fault_set(
            why, EX_NOPERM, "%s: wants a user and a password: give --password-file", h->operand);
    if (r.locked && r.unlock_s >= 0)
        return fault_set(why, EX_NOPERM,
            "%s: the account is locked for %" PRId64
            " s: too many wrong passwords; not trying again",
            h->operand, r.unlock_s);
    if (r.locked)
        return fault_set(why, EX_NOPERM, "%s: the account is locked; not trying again", h->operand);
    if (r.tries >= 0)
        return fault_set(why, EX_NOPERM,
            "%s: refuses the user or the password (%" PRId64
            " tries are left before it locks the account); not trying "
            "again",
            h->operand, r.tries);
    return fault_set(
        why, EX_NOPERM, "%s: refuses the user or the password; not trying again", h->operand);
}

/* The answer of the call: 1 it is good, 0 it is not here yet, or all begins again, -1.  Where it
   may be missing, *status says what else it was. */
static int take_answer(struct hik *h, unsigned *status, struct fault *why)
{
    enum web_state state = web_state(h->call);
    char words[HIK_WORDS], what[HIK_WORDS + 32];

    if (state < WEB_DONE)
        return 0;
    if (state == WEB_FAILED)
        return again_later(h, 0, web_error(h->call), why);
    if (web_status(h->call) == 401)
        return refused(h, web_bytes(h->call), why);
    *status = web_status(h->call);
    if (*status == 200)
        return 1;
    if (*status >= 400 && *status < 500)
        return 1;
    snprintf(what, sizeof what, "answers %u", *status);
    if (hik_words_read(web_bytes(h->call), words))
        snprintf(what, sizeof what, "answers %u: %.*s", *status, HIK_WORDS - 1, words);
    return again_later(h, 0, what, why);
}

/* ---- who, and when ---- */

static int take_info(struct hik *h, struct fault *why)
{
    struct hik_info info = {0};
    const char *cursor;
    unsigned status;
    int rc = take_answer(h, &status, why);

    if (rc <= 0)
        return rc;
    if (status == 200)
        hik_info_read(web_bytes(h->call), &info);
    if (*h->info.serial && strcmp(h->info.serial, info.serial) != 0 && *info.serial) {
        msg_warn("%s: another device is there now: \"%s\" after \"%s\"; reading its whole log",
            h->operand, info.serial, h->info.serial);
        h->seen = (struct seen){.last.serial = -1};
    } else if (!*h->info.serial && !*h->seen.last.time) {
        h->info = info;
        cursor = h->env->checkpoint ? checkpoint_cursor(h->env->checkpoint, h->operand) : NULL;
        if (cursor)
            read_cursor(h, cursor);
    }
    h->info = *info.serial || *info.mac ? info : h->info;
    h->units.certain = *h->info.serial || (*h->info.mac && !h->env->device);
    h->units.device = *h->info.serial    ? h->info.serial
                      : h->units.certain ? h->info.mac
                                         : web_host(h->web);
    ask(h, STEP_CLOCK, "/ISAPI/System/time", SLICE_NONE);
    return 1;
}

static void begin_search(struct hik *h, enum purpose purpose);

static int take_clock(struct hik *h, struct fault *why)
{
    struct hik_place now;
    unsigned status;
    int rc = take_answer(h, &status, why);

    if (rc <= 0)
        return rc;
    if (status == 200 && hik_clock_read(web_bytes(h->call), &now, h->offset)) {
        h->now_s = now.time_s;
    } else {
        snprintf(h->offset, sizeof h->offset, "+00:00");
        h->now_s = clock_now_ms() / 1000;
    }
    if (!clock_parse_offset(slice_of(h->offset), &h->offset_s))
        h->offset_s = 0;
    if (h->down)
        msg_warn("%s: answers again", h->operand);
    h->down = false;
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
    const struct bound *since = h->env->since, *until = h->env->until;
    int64_t from = -h->offset_s, to = h->now_s + DAY_S, last = h->base.last.time_s;

    if (*h->base.last.time && h->purpose != SEARCH_NUMBERS)
        from = h->now_s < last ? h->now_s - DAY_S : last - OVERLAP_S;
    if (since->set && bound_s(h, since) - DAY_S > from)
        from = bound_s(h, since) - DAY_S;
    if (until->set && bound_s(h, until) + DAY_S < to)
        to = bound_s(h, until) + DAY_S;
    print_time(h, from < -h->offset_s ? -h->offset_s : from, h->search.from);
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
    h->base = h->found = h->seen;
    h->sorted = true;
    h->total = -1;
    h->search = (struct hik_search){.id = h->search_id, .first = -1, .last = -1};
    if (purpose == SEARCH_NUMBERS) {
        h->search.first = h->seen.last.serial + 1;
        h->search.last = h->front;
    }
    set_window(h);
    ask_page(h);
}

/* Fewer records than before: the oldest were overwritten, and all others have moved. */
static bool is_shifted(const struct hik *h)
{
    return h->total >= 0 && h->page->total >= 0 && h->page->total < h->total;
}

static bool want(void *arg, const struct hik_place *place)
{
    struct hik *h = arg;

    if (is_shifted(h))
        return false;
    if (h->purpose == SEARCH_NUMBERS &&
        (place->serial < h->search.first || place->serial > h->search.last))
        return false;
    if (h->purpose != SEARCH_NUMBERS) {
        look_for_new_log(h, &h->base, place);
        if (was_seen(&h->base, place))
            return false;
    }
    if (place->serial >= 0 && place->serial < h->found.last.serial && h->base.last.serial >= 0)
        h->sorted = false;
    look_for_step_back(h, &h->found, place);
    if (h->base.last.serial < 0 && h->found.last.serial == h->seen.last.serial &&
        h->seen.last.serial >= 0)
        h->found.last.serial = -1; /* numbered anew */
    see(&h->found, place);
    return true;
}

static int arm(struct hik *h)
{
    struct web_request request = {.path = "/ISAPI/Event/notification/alertStream",
        .silence_ms = h->silence_ms,
        .limit = STREAM_BYTES};

    web_end(h->call);
    h->call = NULL;
    h->stream = web_begin(h->web, &request);
    h->step = STEP_ARM;
    return 1;
}

static int end_of_log(struct hik *h)
{
    hang_up(h);
    h->stopping = true;
    return 1;
}

/* The search has found what there is. */
static int search_done(struct hik *h)
{
    char cursor[CURSOR_BYTES];

    h->seen = h->found;
    if (*h->seen.last.time) {
        print_cursor(h, &h->seen, cursor);
        units_reach(&h->units, cursor);
    }
    web_end(h->call);
    h->call = NULL;
    switch (h->purpose) {
    case SEARCH_ALL:
        return h->env->follow && !h->env->until->set ? arm(h) : end_of_log(h);
    case SEARCH_GAP:
        if (h->front > h->seen.last.serial) {
            begin_search(h, SEARCH_NUMBERS);
            return 1;
        }
        break;
    case SEARCH_NUMBERS:
        if (h->front > h->seen.last.serial) {
            msg_warn("%s: records %" PRId64 " to %" PRId64 " are not in its log any more",
                h->operand, h->seen.last.serial + 1, h->front);
            h->seen.last.serial = h->front;
            *h->env->gap = true;
        }
        break;
    default:
        break;
    }
    h->step = STEP_LIVE;
    return 1;
}

/* It has no such search, or refuses this one: live events are all there is. */
static int no_search(struct hik *h, unsigned status, struct fault *why)
{
    char words[HIK_WORDS];

    if (!hik_words_read(web_bytes(h->call), words))
        snprintf(words, sizeof words, "status %u", status);
    if (!h->env->follow)
        return fault_set(
            why, EX_UNAVAILABLE, "%s: its log cannot be searched: %s", h->operand, words);
    if (!h->no_log)
        msg_warn("%s: its log cannot be searched (%s): what happens while nobody listens is lost",
            h->operand, words);
    h->no_log = true;
    web_end(h->call);
    h->call = NULL;
    if (h->purpose == SEARCH_ALL)
        return arm(h);
    if (h->purpose >= SEARCH_GAP) {
        h->seen.last.serial = h->front;
        *h->env->gap = true;
    }
    h->step = STEP_LIVE;
    return 1;
}

static int take_page(struct hik *h, struct fault *why)
{
    struct hik_page page = {0};
    char cursor[CURSOR_BYTES];
    unsigned status;
    int rc = take_answer(h, &status, why);

    if (rc <= 0)
        return rc;
    h->page = &page;
    hik_page_read(web_bytes(h->call), &page, want, h);
    if (status != 200 || page.more == HIK_BAD) {
        buf_free(&page.kept);
        return no_search(h, status, why);
    }
    if (is_shifted(h)) {
        if (h->sorted)
            h->seen = h->found;
        begin_search(h, h->purpose);
        return 1;
    }
    h->total = page.total;
    if (page.kept.len > 0) {
        print_cursor(h, &h->found, cursor);
        units_begin(&h->units, STREAM_PAST);
        units_add(&h->units, buf_all(&page.kept));
        units_end(&h->units, h->sorted && h->purpose == SEARCH_ALL ? cursor : NULL);
    }
    buf_free(&page.kept);
    if (page.more == HIK_MORE && page.count == 0)
        return again_later(h, 0, "gives a page without records, and says there are more", why);
    h->search.position += page.count;
    if (page.more == HIK_LAST && (page.count == 0 || (int64_t)h->search.position >= page.total))
        return search_done(h);
    ask_page(h);
    return 1;
}

/* ---- live ---- */

static int take_arm(struct hik *h, struct fault *why)
{
    struct slice boundary;
    struct format_options options = {.longest = STREAM_BYTES, .pictures = h->env->pictures};

    if (web_state(h->stream) == WEB_ASKING)
        return 0;
    if (web_state(h->stream) == WEB_FAILED)
        return again_later(h, 0, web_error(h->stream), why);
    if (web_status(h->stream) == 401 && web_state(h->stream) < WEB_DONE)
        return 0;
    if (web_status(h->stream) == 401)
        return refused(h, web_bytes(h->stream), why);
    if (web_status(h->stream) != 200) {
        if (!h->said_busy)
            msg_warn("%s: has no place for live events (status %u): looking into its log instead, "
                     "every %" PRId64 " s, until it has",
                h->operand, web_status(h->stream), h->busy_ms / 1000);
        h->said_busy = true;
        return again_later(h, h->busy_ms, "no place", why);
    }
    if (h->said_busy)
        msg_warn("%s: has a place for live events again", h->operand);
    h->said_busy = false;
    h->live_ms = monotonic_ms();
    recording_begin(&h->recording, &hikvision_items, &options);
    boundary = multipart_boundary(slice_of(web_type(h->stream)));
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
    const struct recording *r = &h->recording;
    char cursor[CURSOR_BYTES], field[64];

    units_begin(&h->units, STREAM_PEER);
    units_add(&h->units, SLICE("--ts\r\n\r\n"));
    units_add(&h->units, r->text);
    for (unsigned i = 0; i < r->pictures; i++) {
        int k = snprintf(field, sizeof field,
            "\r\n--ts\r\nContent-Type: image/jpeg\r\nContent-Length: %zu\r\n\r\n", r->picture[i].n);

        units_add(&h->units, (struct slice){field, (size_t)k});
        units_add(&h->units, r->picture[i]);
    }
    units_add(&h->units, SLICE("\r\n--ts--\r\n"));
    if (n->event)
        see(&h->seen, &n->place);
    print_cursor(h, &h->seen, cursor);
    units_end(&h->units, n->event ? cursor : NULL);
}

/* One record: 1 it is done with, 0 it stays until a gap before it was searched for. */
static int take_record(struct hik *h)
{
    struct hik_notice n;

    hik_notice_read(h->recording.text, &n);
    if (n.heartbeat)
        return 1;
    if (!n.event) {
        give_on(h, &n);
        return 1;
    }
    look_for_new_log(h, &h->seen, &n.place);
    if (was_seen(&h->seen, &n.place))
        return 1;
    if (h->seen.last.serial >= 0 && n.front > h->seen.last.serial && !h->no_log &&
        n.place.serial > n.front) {
        h->front = n.front;
        begin_search(h, SEARCH_GAP);
        return 0;
    }
    look_for_step_back(h, &h->seen, &n.place);
    give_on(h, &n);
    return 1;
}

static int live(struct hik *h, struct fault *why)
{
    bool over = web_state(h->stream) >= WEB_DONE;

    for (int i = 0; i < UNIT_RECORDS && !units_full(&h->units); i++) {
        struct slice in = web_bytes(h->stream), record;
        struct recording before = h->recording;
        size_t used;
        enum frame got = recording_frame(&h->recording, in, false, &used, &record);

        if (got == FRAME_MORE && over)
            return again_later(h, 0,
                web_state(h->stream) == WEB_FAILED ? web_error(h->stream)
                                                   : "the stream of events ended",
                why);
        if (got == FRAME_MORE)
            return 0;
        if (got == FRAME_RECORD && take_record(h) == 0) {
            h->recording = before;
            return 1;
        }
        web_take(h->stream, used);
    }
    return 1;
}

/* ---- the source ---- */

static bool hik_takes(const struct source_env *env, const char *operand)
{
    return !env->listen && (source_scheme(operand, "hikvision", NULL) ||
                               source_scheme(operand, "hikvisions", NULL));
}

static bool hik_option(struct slice key)
{
    return slice_is(key, "user") || slice_is(key, "silence") || slice_is(key, "busy");
}

static void hik_close(void *state)
{
    struct hik *h = state;

    if (!h)
        return;
    hang_up(h);
    units_free(&h->units);
    web_close(h->web);
    free(h);
}

/* -o KEY=SECONDS */
static int read_seconds(struct hik *h, const char *key, int64_t *ms, struct fault *why)
{
    struct slice text = format_option(&h->env->options, key);
    int64_t seconds = 0;

    if (!text.p)
        return 0;
    for (size_t i = 0; i < text.n && seconds >= 0; i++)
        seconds =
            text.p[i] < '0' || text.p[i] > '9' || i > 5 ? -1 : seconds * 10 + (text.p[i] - '0');
    if (seconds <= 0)
        return fault_set(
            why, EX_USAGE, "-o %s=%.*s: must be a number of seconds", key, (int)text.n, text.p);
    *ms = seconds * 1000;
    return 0;
}

static void *hik_open(
    const struct source_env *env, const char *operand, size_t number, struct fault *why)
{
    struct slice user = format_option(&env->options, "user");
    char *name = user.p ? mem_text(user) : NULL;
    struct web_tls security = {.ca = env->ca, .pin = env->pin, .insecure = env->insecure};
    struct web_config config = {.operand = operand,
        .tls = source_scheme(operand, "hikvisions", NULL),
        .user = name,
        .password_file = env->password_file,
        .security = security};
    struct hik *h = mem_alloc(sizeof *h);

    *h = (struct hik){.env = env,
        .operand = operand,
        .backoff_ms = BACKOFF_FIRST_MS,
        .silence_ms = SILENCE_MS,
        .busy_ms = BUSY_MS,
        .seen.last.serial = -1,
        .units = {.env = env,
            .operand = operand,
            .number = number,
            .format = format_find(SLICE("hikvision"))}};
    if (read_seconds(h, "silence", &h->silence_ms, why) == 0 &&
        read_seconds(h, "busy", &h->busy_ms, why) == 0)
        h->web = web_open(&config, why);
    free(name);
    if (!h->web) {
        hik_close(h);
        return NULL;
    }
    h->units.origin = h->units.device = web_host(h->web);
    return h;
}

static int step(struct hik *h, struct fault *why)
{
    switch (h->step) {
    case STEP_REST:
        if (monotonic_ms() < h->resume_ms)
            return 0;
        begin_cycle(h);
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
    struct hik *h = state;
    enum source_state given;
    bool moved;
    int rc;

    if (sink_over(h->env->sink))
        return SOURCE_END;
    given = units_run(&h->units, why);
    if (given == SOURCE_ERROR || given == SOURCE_FULL) {
        h->full = given == SOURCE_FULL;
        return given;
    }
    if (h->full && h->stream)
        web_calm(h->stream);
    h->full = false;
    if (h->stopping)
        return given == SOURCE_MORE ? SOURCE_MORE : SOURCE_END;
    moved = web_run(h->web);
    rc = units_full(&h->units) ? 0 : step(h, why);
    if (rc < 0)
        return SOURCE_ERROR;
    return rc > 0 || moved || given == SOURCE_MORE ? SOURCE_MORE : SOURCE_WAIT;
}

static nfds_t hik_poll(void *state, bool room, struct pollfd *fds, int *timeout_ms)
{
    struct hik *h = state;
    int64_t wait_ms = h->resume_ms - monotonic_ms();

    if (!room)
        return 0;
    if (h->step == STEP_REST && (*timeout_ms < 0 || wait_ms < *timeout_ms))
        *timeout_ms = wait_ms > 0 ? (int)wait_ms : 0;
    return web_poll(h->web, fds, timeout_ms);
}

static void hik_stop(void *state)
{
    struct hik *h = state;

    hang_up(h);
    h->stopping = true;
}

static void hik_commit(void *state, void *token, enum verdict verdict)
{
    units_commit(&((struct hik *)state)->units, token, verdict);
}

static void hik_reload(void *state)
{
    struct hik *h = state;
    struct fault why;

    if (web_reload(h->web, &why) < 0)
        msg_warn("%s; the password stays as it was", why.text);
}

const struct source source_hikvision = {
    .name = "hikvision",
    .synopsis = "hikvision://[user@]host[:port], hikvisions:// with TLS",
    .option = hik_option,
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

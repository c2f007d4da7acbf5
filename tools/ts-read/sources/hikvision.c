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
#include <sys/random.h>

#include "hik_reply.h"
#include "msg.h"
#include "pull.h"
#include "serials.h"
#include "stop.h"

#define RECORD_BYTES (256u << 10) /* of the stream, with its pictures */
#define ANSWER_BYTES (4u << 20)   /* of a page */
#define REFUSAL_BYTES 4096u
#define OVERLAP_S 300 /* searched again: records need not stand in the order of their times */
#define DAY_S 86400
#define TURN 64        /* records of the stream taken in one go */
#define SHIFTS 3       /* searches begun again in a row, for the log moved under them */
#define FAR 64         /* so far below what came last no record is that late */
#define WRAP_FAR 1000  /* so far above what came last none is new */
#define DOUBT_MS 10000 /* a record may be in the log a little later than in the stream */

enum step { STEP_REST, STEP_INFO, STEP_CLOCK, STEP_SEARCH, STEP_ARM, STEP_LIVE };

/* What a search is for. */
enum purpose { SEARCH_ALL, SEARCH_BETWEEN, SEARCH_GAP };

struct hik {
    struct pull pull;
    struct recording recording;
    enum step step;
    char offset[8]; /* of the device's clock */
    int32_t offset_s;
    int64_t now_s; /* its clock, as it said last */

    struct serials have; /* what came of its records */
    int64_t anew_s;      /* the latest time before they were numbered anew; 0: they were not */
    int64_t doubt_ms;    /* when to look into the log for what the stream did not say; 0: never */

    enum purpose purpose, next; /* of the search; of the one that waits for the clock */
    bool by_number;             /* … for what is missing after it */
    bool limited;               /* … to what --since leaves */
    bool unsure;                /* … that a gap is one */
    struct hik_search search;
    char search_id[24];
    struct log_seen base, found;   /* before the search; and with what it found */
    int64_t met, low;              /* the highest and the lowest number of any record in it; -1 */
    bool last_met;                 /* the record that was seen last is in it, or a neighbour */
    unsigned news, shifts;         /* records that are new; searches begun again */
    int64_t total;                 /* records that match, by the page before; -1 */
    struct log_place first, begun; /* first record of this page, and of the one before */
    struct hik_page page;          /* in hand */
    int64_t front;                 /* the record that a gap reaches to */
    bool searched, no_numbers, no_log, said_busy;
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
    h->next = SEARCH_ALL;
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
    log_bound(&h->pull.seen, h->now_s);
    begin_search(h, h->next);
    return 1;
}

/* ---- what a search asks for ---- */

static void print_time(const struct hik *h, int64_t instant_s, char out[CLOCK_TEXT])
{
    clock_print_zoned(out, instant_s + h->offset_s, 0, h->offset_s);
}

/* An instant of --since or --until; without an offset it is the device's clock. */
static int64_t bound_s(const struct hik *h, const struct bound *b)
{
    return b->at.local_s - (b->at.has_offset ? b->at.offset_s : h->offset_s);
}

/* From a little before what was seen last to a day after now; or from the beginning, where a clock
   that was set back, or a wrong one, may have put what is new anywhere. */
static void set_window(struct hik *h)
{
    const struct bound *since = h->pull.env->since, *until = h->pull.env->until;
    int64_t last = *h->base.last.time ? h->base.last.time_s : INT64_MIN;
    int64_t first = -h->offset_s, from = first, to;

    if (!h->by_number && last != INT64_MIN && h->now_s + OVERLAP_S >= last)
        from = last - OVERLAP_S;
    to = (h->now_s > last ? h->now_s : last) + DAY_S;
    h->limited = since->set && bound_s(h, since) - DAY_S > from && (!h->by_number || h->limited);
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
static void ask_anew(struct hik *h)
{
    uint64_t random = 0;

    if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
        random = (uint64_t)monotonic_ms();
    snprintf(h->search_id, sizeof h->search_id, "ts-%016" PRIx64, random);
    h->search = (struct hik_search){.id = h->search_id, .first = -1, .last = -1};
    h->total = -1;
    h->begun = (struct log_place){.serial = -1};
    if (h->by_number && !h->no_numbers) {
        h->search.first = h->have.hole[0].first;
        h->search.last = h->have.hole[h->have.count - 1].last;
    }
    set_window(h);
    ask_page(h);
}

static void begin_search(struct hik *h, enum purpose purpose)
{
    h->purpose = purpose;
    h->by_number = false;
    h->base = h->found = h->pull.seen;
    h->met = h->low = -1;
    h->last_met = false;
    h->news = h->shifts = 0;
    if (purpose == SEARCH_ALL)
        serials_begin(&h->have, h->base.last.serial > 0 ? h->base.last.serial : 0);
    ask_anew(h);
}

/* ---- what it finds ---- */

/* The records are numbered anew: whatever came before is no measure for what comes now. */
static void number_anew(struct hik *h, struct log_seen *seen)
{
    h->anew_s = seen->high_s;
    serials_begin(&h->have, 0);
    seen->last.serial = h->found.last.serial = 0;
}

/* Whether a numbered record came, or is one of before they were numbered anew. */
static bool is_had(const struct hik *h, const struct log_place *place)
{
    bool old =
        h->anew_s != 0 && place->time_s <= h->anew_s && place->serial - h->have.top > WRAP_FAR;

    return old || serials_have(&h->have, place->serial);
}

/* A record without a number can only be told by its time.  Of those in the last second some may
   have come and others not: at the beginning all of them are given on, with the same ids. */
static bool is_past(const struct hik *h, const struct log_place *place)
{
    return log_was_seen(&h->base, place) &&
           (h->purpose != SEARCH_ALL || place->time_s < h->base.high_s);
}

/* A little below the highest, and later than any: late, or of a log that was emptied while it was
   short. */
static bool is_late(const struct log_seen *seen, const struct log_place *place)
{
    return place->serial >= 0 && place->serial <= seen->last.serial &&
           place->serial + FAR >= seen->last.serial && place->time_s > seen->high_s;
}

/* Whether a record with a number came before, by what was seen until then. */
static bool came(struct hik *h, struct log_seen *seen, const struct log_place *place)
{
    if (is_late(seen, place))
        return false;
    if (pull_look(&h->pull, seen, place))
        number_anew(h, seen);
    return is_had(h, place);
}

/* Whether a record of a page is new. */
static bool want(void *arg, const struct log_place *place)
{
    struct hik *h = arg;

    if (h->page.count == 1)
        h->first = *place;
    if (place->serial > h->met)
        h->met = place->serial;
    if (place->serial >= 0 && (h->low < 0 || place->serial < h->low))
        h->low = place->serial;
    h->last_met = h->last_met || log_is_near(&h->base, place);
    if (h->purpose == SEARCH_GAP && place->serial > h->front)
        return false; /* the stream will say it, with its pictures */
    if (place->serial < 0 ? is_past(h, place) : came(h, &h->base, place))
        return false;
    if (h->by_number && (place->serial > h->have.top || serials_have(&h->have, place->serial)))
        return false;
    if (place->serial >= 0)
        serials_add(&h->have, place->serial);
    log_see(&h->found, place);
    h->news++;
    h->pull.found++;
    return true;
}

/* The lowest record that is not there is the oldest that was not overwritten, or before --since. */
static bool has_natural_hole(const struct hik *h)
{
    int64_t base = h->base.last.serial;

    return (base < 0 || h->limited) && h->have.count > 0 &&
           h->have.hole[0].first == (base > 0 ? base : 0) + 1;
}

static void give_page(struct hik *h)
{
    const struct hik_page *page = &h->page;
    char cursor[LOG_CURSOR_BYTES];
    bool all = h->have.count == (has_natural_hole(h) ? 1 : 0) && h->purpose != SEARCH_GAP;

    if (page->kept.len == 0)
        return;
    log_cursor_print(cursor, h->pull.device, &h->found);
    units_begin(&h->pull.units, STREAM_PAST);
    units_add(&h->pull.units, buf_all(&page->kept));
    units_end(&h->pull.units, all ? cursor : NULL);
}

/* ---- the end of a search ---- */

static int arm(struct hik *h)
{
    pull_listen(&h->pull, "/ISAPI/Event/notification/alertStream");
    h->step = STEP_ARM;
    return 1;
}

/* Records that are not to be had are told of, and left behind. */
static void leave_missing(struct hik *h, bool say)
{
    for (unsigned i = 0; i < h->have.count && say; i++) {
        msg_warn("%s: records %" PRId64 " to %" PRId64 " cannot be had", h->pull.operand,
            h->have.hole[i].first, h->have.hole[i].last);
        *h->pull.env->gap = true;
    }
    h->have.count = 0;
}

/* The log is to be looked into, a little later. */
static void doubt(struct hik *h)
{
    if (h->doubt_ms == 0)
        h->doubt_ms = monotonic_ms() + DOUBT_MS;
}

/* What comes after a search. */
static int go_on(struct hik *h)
{
    pull_answers(&h->pull);
    if (h->purpose == SEARCH_ALL && (!h->pull.env->follow || h->pull.env->until->set)) {
        pull_stop(&h->pull);
        return 1;
    }
    if (h->purpose == SEARCH_ALL)
        return arm(h);
    h->step = STEP_LIVE;
    return 1;
}

/* Records at or below the one that was seen last, but not that one: the log was emptied, and the
   clock does not show it.  (Where --since or --until cut the search, it need not be in it.) */
static bool is_emptied(const struct hik *h)
{
    const struct source_env *env = h->pull.env;

    return h->purpose != SEARCH_GAP && h->low >= 0 && h->low <= h->base.last.serial &&
           !h->last_met && !env->since->set && !env->until->set;
}

/* After a gap: what is still missing may be in the log a little later, and no place behind it is
   remembered until then. */
static int end_gap(struct hik *h)
{
    if (h->unsure)
        h->have.count = 0;
    else if (h->have.count > 0)
        doubt(h);
    h->pull.seen = h->found;
    return go_on(h);
}

static int end_search(struct hik *h)
{
    if (h->purpose == SEARCH_GAP)
        return end_gap(h);
    if (has_natural_hole(h))
        serials_forget(&h->have, h->have.hole[0].last + 1);
    if (h->have.count > 0 && !h->by_number) {
        h->by_number = true;
        ask_anew(h);
        return 1;
    }
    leave_missing(h, h->base.last.serial >= 0);
    if (is_emptied(h)) {
        msg_warn("%s: its log ends at record %" PRId64 ", and %" PRId64
                 " was read: it was emptied; reading all of it",
            h->pull.operand, h->met, h->base.last.serial);
        h->pull.seen = (struct log_seen)LOG_SEEN_NONE;
        serials_begin(&h->have, 0);
        begin_search(h, h->purpose);
        return 1;
    }
    h->pull.seen = h->found;
    pull_reached(&h->pull, &h->found);
    pull_swept(&h->pull);
    return go_on(h);
}

/* It has no such search, or refuses this one: live events are all there is. */
static int no_search(struct hik *h, struct fault *why)
{
    char words[160], what[200];

    if (h->by_number && !h->no_numbers) { /* it does not search by number */
        h->no_numbers = true;
        ask_anew(h);
        return 1;
    }
    if (!hik_words_read(web_bytes(h->pull.call), words, sizeof words))
        snprintf(words, sizeof words, "status %u", web_status(h->pull.call));
    snprintf(what, sizeof what, "its log cannot be searched: %s", words);
    if (!h->pull.env->follow || h->searched)
        return again(h, 0, what, why);
    if (!h->no_log)
        msg_warn("%s: its log cannot be searched (%s): what happens while nobody listens is lost",
            h->pull.operand, words);
    h->no_log = true;
    return go_on(h);
}

/* A page as it came, or the first part of several. */
static struct slice page_text(struct hik *h)
{
    struct format_options options = {.longest = ANSWER_BYTES};
    struct slice in = web_bytes(h->pull.call), record;
    struct recording r;
    enum frame got = FRAME_SKIP;

    if (!multipart_boundary(slice_of(web_type(h->pull.call))).p)
        return in;
    recording_begin(&r, &hikvision_items, &options);
    for (size_t used = 0; in.n > 0 && got == FRAME_SKIP; in.p += used, in.n -= used)
        got = recording_frame(&r, in, true, &used, &record);
    return got == FRAME_RECORD ? r.text : SLICE_NONE;
}

/* Fewer records than before: the oldest were overwritten, and all others have moved. */
static bool is_shifted(struct hik *h)
{
    return h->total >= 0 && h->page.total >= 0 && h->page.total < h->total && h->shifts < SHIFTS;
}

static bool is_same_page(const struct hik *h)
{
    return h->first.serial >= 0 && h->first.serial == h->begun.serial &&
           h->first.time_s == h->begun.time_s;
}

static int take_page(struct hik *h, struct fault *why)
{
    const struct hik_page *page = &h->page;
    int rc = answer(h, why);

    if (rc <= 0)
        return rc;
    h->first = (struct log_place){.serial = -1};
    hik_page_read(page_text(h), &h->page, want, h);
    give_page(h);
    if (web_status(h->pull.call) != 200 || page->more == HIK_BAD)
        return no_search(h, why);
    if (h->no_log)
        msg_warn("%s: its log can be searched again", h->pull.operand);
    h->no_log = false;
    h->searched = true;
    if (is_shifted(h)) {
        h->shifts++;
        ask_anew(h);
        return 1;
    }
    if (page->more == HIK_MORE && page->count == 0)
        return again(h, 0, "gives a page without records, and says that there are more", why);
    if (is_same_page(h))
        return again(h, 0, "gives the same page of its log again and again", why);
    h->begun = h->first;
    h->total = page->total;
    h->search.position += page->count;
    if (page->more == HIK_MORE || (page->count > 0 && (int64_t)h->search.position < page->total)) {
        ask_page(h);
        return 1;
    }
    return end_search(h);
}

/* ---- live ---- */

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
    return again(h, h->pull.busy_ms, "no place", why);
}

/* Where its parts begin the stream says itself, whatever its head may call the boundary. */
static int take_arm(struct hik *h, struct fault *why)
{
    struct format_options options = {.longest = RECORD_BYTES, .pictures = h->pull.env->pictures};
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
    units_end(u, n->event && h->have.count == 0 ? cursor : NULL);
}

/* Whether an event came before.  One that is said to happen now, and has a number far below, shows
   that the log was emptied, or the stream is wrong: the log tells. */
static bool came_before(struct hik *h, const struct hik_notice *n)
{
    struct log_seen *seen = &h->pull.seen;

    if (n->place.serial < 0)
        return n->history && log_was_seen(seen, &n->place);
    if (!came(h, seen, &n->place))
        return false;
    if (!n->live || n->place.serial + FAR >= h->have.top)
        return true;
    doubt(h);
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
        leave_missing(h, !h->unsure);
    else
        begin_search(h, SEARCH_GAP);
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
    ask(h, STEP_CLOCK, "/ISAPI/System/time", SLICE_NONE);
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

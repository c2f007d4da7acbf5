/* SPDX-License-Identifier: MIT */
/* What came is known by its numbers: so pages may move, repeat or stand in any order. */
#include "hik_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>

#include "msg.h"
#include "stop.h"

#define ANSWER_BYTES (4u << 20) /* of a page */
#define OVERLAP_S 300 /* searched again: records need not stand in the order of their times */
#define DAY_S 86400
#define FUTURE_S 2145830400 /* 2037-12-31: to where a wrong clock may have put a record */
#define LAST_S 253402300799 /* of year 9999, where some clocks end up */
#define SHIFTS 3            /* searches begun again in a row, for the log moved under them */
#define WRAP_FAR 1000       /* so far above what came last none is new */
#define DOUBT_MS 10000      /* a record may be in the log a little later than in the stream */

/* ---- requests and answers ---- */

const struct pull_words hik_words = {hik_words_read, hik_refusal_read};

void hik_ask(struct hik *h, enum step step, const char *path, struct slice body)
{
    pull_ask(&h->pull, path, body);
    h->step = step;
}

int hik_again(struct hik *h, int64_t wait_ms, const char *what, struct fault *why)
{
    h->step = STEP_REST;
    return pull_again(&h->pull, wait_ms, what, why);
}

/* The answer, as pull_answer has it. */
int hik_answer(struct hik *h, struct fault *why)
{
    int rc = pull_answer(&h->pull, &hik_words, why);

    if (rc == 0 && !h->pull.call)
        h->step = STEP_REST;
    return rc;
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
    if (h->by_number && to < FUTURE_S)
        to = FUTURE_S;
    h->limited = since->set && bound_s(h, since) - DAY_S > from && (!h->by_number || h->limited);
    if (since->set && bound_s(h, since) - DAY_S > from)
        from = bound_s(h, since) - DAY_S;
    if (until->set && bound_s(h, until) + DAY_S < to)
        to = bound_s(h, until) + DAY_S;
    from = from < first ? first : from;
    to = to > from ? to : from + DAY_S;
    print_time(h, from, h->search.from);
    print_time(h, to + h->offset_s > LAST_S ? LAST_S - h->offset_s : to, h->search.to);
}

static void ask_page(struct hik *h)
{
    struct buf body = {0};

    hik_search_print(&body, &h->search);
    hik_ask(h, STEP_SEARCH, "/ISAPI/AccessControl/AcsEvent?format=json", buf_all(&body));
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

void hik_search(struct hik *h, enum purpose purpose)
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

bool hik_came(struct hik *h, struct log_seen *seen, const struct log_place *place)
{
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
    if (place->serial < 0 ? is_past(h, place) : hik_came(h, &h->base, place))
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

/* Records that are not to be had are told of, and left behind. */
void hik_leave_missing(struct hik *h, bool say)
{
    for (unsigned i = 0; i < h->have.count && say; i++) {
        msg_warn("%s: records %" PRId64 " to %" PRId64 " cannot be had", h->pull.operand,
            h->have.hole[i].first, h->have.hole[i].last);
        *h->pull.env->gap = true;
    }
    h->have.count = 0;
}

void hik_doubt(struct hik *h)
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
    h->step = h->purpose == SEARCH_ALL ? STEP_LISTEN : STEP_LIVE;
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
        hik_doubt(h);
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
    hik_leave_missing(h, h->base.last.serial >= 0);
    if (is_emptied(h)) {
        msg_warn("%s: its log ends at record %" PRId64 ", and %" PRId64
                 " was read: it was emptied; reading all of it",
            h->pull.operand, h->met, h->base.last.serial);
        h->pull.seen = (struct log_seen)LOG_SEEN_NONE;
        serials_begin(&h->have, 0);
        hik_search(h, h->purpose);
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
        return hik_again(h, 0, what, why);
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

int hik_take_page(struct hik *h, struct fault *why)
{
    const struct hik_page *page = &h->page;
    int rc = hik_answer(h, why);

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
        return hik_again(h, 0, "gives a page without records, and says that there are more", why);
    if (is_same_page(h))
        return hik_again(h, 0, "gives the same page of its log again and again", why);
    h->begun = h->first;
    h->total = page->total;
    h->search.position += page->count;
    if (page->more == HIK_MORE || (page->count > 0 && (int64_t)h->search.position < page->total)) {
        ask_page(h);
        return 1;
    }
    return end_search(h);
}

/* SPDX-License-Identifier: MIT */
/*
 * dahua://[user@]host[:port], dahuas:// with TLS: the log of an access terminal over its CGI from
 * where the checkpoint left it, and with -F what happens live.
 *
 *     what is your serial number?  find records, a page after the other      without -F: the end
 *     attach; find again what came in between; then live:
 *         an event with its number and true time    given on, when it follows the one seen last
 *         any other passage                         find it in the log, which tells both
 *     the stream ends or is silent: all of it again, a little later
 *
 * The stream repeats nothing, so the log fills every gap.  A page that is full is followed by one
 * from its last time on; on a device that lists the newest first, by one up to its earliest.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "dahua_reply.h"
#include "msg.h"
#include "pull.h"
#include "stop.h"

#define RECORD_BYTES (256u << 10) /* of the stream, with its pictures */
#define OVERLAP_S 300
#define DAY_S 86400
#define TURN 64
#define PAGE_RECORDS 100 /* some give no more than 50 and refuse a request for more */
#define PAGE_SMALL 50
#define LOOK_AGAIN_MS 500 /* for a record of an event that came a moment before */
#define LOOKS 4
#define PATH_BYTES 400

enum step { STEP_REST, STEP_SERIAL, STEP_FIND, STEP_ATTACH, STEP_LIVE, STEP_LOOK };

enum purpose { FIND_ALL, FIND_BETWEEN, FIND_EVENT };

struct dahua {
    struct pull pull;
    struct recording recording;
    enum step step;
    struct slice codes; /* -o codes */

    enum purpose purpose;
    int64_t from_s, to_s;        /* the window of this page */
    unsigned page_records;       /* asked for in a page */
    struct log_seen base, found; /* before the search; in it */
    bool descending;
    unsigned news;                       /* records of this search that are new */
    struct log_place edge[PAGE_RECORDS]; /* the last page: two pages share a second */
    unsigned edges, next_edges;
    struct log_place next_edge[PAGE_RECORDS];
    struct buf event;          /* the one that is looked for in the log */
    struct log_place event_at; /* as it says itself */
    unsigned looks;            /* how often it was looked for */
    unsigned spare;            /* passages found whose events may still come */
    int64_t look_ms;           /* when to look again */
    bool no_log;
};

static bool refusal_words(struct slice body, char *out, size_t room)
{
    (void)body;
    (void)out;
    (void)room;
    return false;
}

static const struct pull_words words_of = {NULL, refusal_words};

static int again(struct dahua *d, int64_t wait_ms, const char *what, struct fault *why)
{
    d->step = STEP_REST;
    return pull_again(&d->pull, wait_ms, what, why);
}

static int answer(struct dahua *d, struct fault *why)
{
    int rc = pull_answer(&d->pull, &words_of, why);

    if (rc == 0 && !d->pull.call)
        d->step = STEP_REST;
    return rc;
}

/* ---- the log ---- */

static void ask_page(struct dahua *d)
{
    char path[PATH_BYTES];

    snprintf(path, sizeof path,
        "/cgi-bin/recordFinder.cgi?action=find&name=AccessControlCardRec&StartTime=%" PRId64
        "&EndTime=%" PRId64 "&count=%u",
        d->from_s, d->to_s, d->page_records);
    pull_ask(&d->pull, path, SLICE_NONE);
    d->step = STEP_FIND;
}

/* An instant of --since or --until; without an offset a day more is asked for on either side. */
static int64_t bound_s(const struct bound *b)
{
    return b->at.local_s - (b->at.has_offset ? b->at.offset_s : 0);
}

static void begin_find(struct dahua *d, enum purpose purpose)
{
    const struct bound *since = d->pull.env->since, *until = d->pull.env->until;
    const struct log_place *at = &d->pull.seen.last;
    int64_t last = at->time_s, now = clock_now_ms() / 1000;
    int64_t overlap = strlen(at->time) > 19 ? OVERLAP_S : DAY_S; /* a wall clock is anywhere */

    d->purpose = purpose;
    d->base = d->found = d->pull.seen;
    d->from_s = *at->time && last > overlap ? last - overlap : 0;
    d->to_s = (now > last ? now : last) + DAY_S;
    if (since->set && bound_s(since) - DAY_S > d->from_s)
        d->from_s = bound_s(since) - DAY_S;
    if (until->set && bound_s(until) + DAY_S < d->to_s)
        d->to_s = bound_s(until) + DAY_S;
    d->descending = false;
    d->edges = d->next_edges = d->news = 0;
    ask_page(d);
}

static bool on_edge(const struct dahua *d, const struct log_place *place)
{
    for (unsigned i = 0; i < d->edges; i++)
        if (d->edge[i].serial == place->serial && d->edge[i].time_s == place->time_s)
            return true;
    return false;
}

/* Whether a record of a page is new. */
static bool want(void *arg, const struct log_place *place)
{
    struct dahua *d = arg;

    if (d->next_edges < PAGE_RECORDS)
        d->next_edge[d->next_edges++] = *place;
    if (pull_look(&d->pull, &d->base, place))
        d->base.last.serial = d->found.last.serial = -1;
    else if (log_was_seen(&d->base, place) || (place->serial >= 0 && on_edge(d, place)))
        return false;
    log_see(&d->found, place);
    d->pull.found++;
    d->news++;
    return true;
}

static void attach(struct dahua *d)
{
    char path[PATH_BYTES];

    snprintf(path, sizeof path,
        d->pull.env->pictures
            ? "/cgi-bin/snapManager.cgi?action=attachFileProc&channel=1&heartbeat=5"
              "&Flags[0]=Event&Events=[%.*s]"
            : "/cgi-bin/eventManager.cgi?action=attach&codes=[%.*s]&heartbeat=5",
        (int)d->codes.n, d->codes.p);
    pull_listen(&d->pull, path);
    d->step = STEP_ATTACH;
}

/* The event is not in the log, or not yet. */
static void look_again(struct dahua *d)
{
    /* One at or before what was seen last has been found with another. */
    if (*d->event_at.time && d->event_at.time_s <= d->pull.seen.high_s)
        d->looks = LOOKS;
    if (++d->looks < LOOKS) {
        d->look_ms = monotonic_ms() + LOOK_AGAIN_MS;
        d->step = STEP_LOOK;
        return;
    }
    if (d->looks == LOOKS) { /* it is not: what it says itself has to do */
        units_begin(&d->pull.units, STREAM_PEER);
        units_add(&d->pull.units, buf_all(&d->event));
        units_end(&d->pull.units, NULL);
    }
    d->step = STEP_LIVE;
}

static int find_done(struct dahua *d)
{
    d->pull.seen = d->found;
    if (!d->no_log)
        pull_reached(&d->pull, &d->found);
    pull_swept(&d->pull);
    if (d->purpose == FIND_ALL && (!d->pull.env->follow || d->pull.env->until->set)) {
        pull_stop(&d->pull);
    } else if (d->purpose == FIND_ALL) {
        attach(d);
    } else if (d->purpose == FIND_EVENT && d->news == 0) {
        look_again(d);
    } else {
        d->spare = d->purpose == FIND_EVENT ? d->news - 1 : d->news;
        d->step = STEP_LIVE;
    }
    return 1;
}

static int no_log(struct dahua *d, struct fault *why)
{
    unsigned status = web_status(d->pull.call);

    if (status == 400 && d->page_records > PAGE_SMALL) {
        d->page_records = PAGE_SMALL;
        ask_page(d);
        return 1;
    }
    if (!d->pull.env->follow)
        return fault_set(
            why, EX_UNAVAILABLE, "%s: its log cannot be read: status %u", d->pull.operand, status);
    if (!d->no_log)
        msg_warn(
            "%s: its log cannot be read (status %u): what happens while nobody listens is lost",
            d->pull.operand, status);
    d->no_log = true;
    if (d->purpose == FIND_EVENT)
        d->looks = LOOKS - 1;
    return find_done(d);
}

/* The window of the page after this one; false: this was the last. */
static bool next_window(struct dahua *d, const struct dahua_page *page, unsigned news)
{
    int64_t last = page->last_s;

    memcpy(d->edge, d->next_edge, sizeof d->edge);
    d->edges = d->next_edges;
    d->next_edges = 0;
    if (page->count < d->page_records)
        return false;
    d->descending = page->first_s > last;
    /* A device that overlooks the window gives the same page again and again. */
    if (news == 0 && (d->descending ? last >= d->to_s : last <= d->from_s))
        return false;
    if (d->descending)
        d->to_s = last;
    else
        d->from_s = page->first_s == last ? last + 1 : last;
    return d->from_s <= d->to_s;
}

static void give_page(struct dahua *d, const struct dahua_page *page, bool more)
{
    char cursor[LOG_CURSOR_BYTES];

    if (page->kept.len == 0)
        return;
    log_cursor_print(cursor, d->pull.device, &d->found);
    units_begin(&d->pull.units, STREAM_PAST);
    units_add(&d->pull.units, buf_all(&page->kept));
    units_end(&d->pull.units, more && d->descending ? NULL : cursor);
}

static int take_page(struct dahua *d, struct fault *why)
{
    struct dahua_page page = {0};
    unsigned news = d->news;
    int rc = answer(d, why);
    bool more;

    if (rc <= 0)
        return rc;
    if (web_status(d->pull.call) != 200)
        return no_log(d, why);
    dahua_page_read(web_bytes(d->pull.call), &page, want, d);
    more = page.good && next_window(d, &page, d->news - news);
    give_page(d, &page, more);
    buf_free(&page.kept);
    if (!page.good)
        return no_log(d, why);
    if (!more)
        return find_done(d);
    ask_page(d);
    return 1;
}

static int take_serial(struct dahua *d, struct fault *why)
{
    char serial[LOG_DEVICE_BYTES] = "";
    int rc = answer(d, why);

    if (rc <= 0)
        return rc;
    if (web_status(d->pull.call) == 200)
        dahua_serial_read(web_bytes(d->pull.call), serial);
    pull_known(&d->pull, serial);
    pull_answers(&d->pull);
    begin_find(d, FIND_ALL);
    return 1;
}

/* ---- live ---- */

static int take_attach(struct dahua *d, struct fault *why)
{
    struct format_options options = {.longest = RECORD_BYTES, .pictures = d->pull.env->pictures};
    struct slice boundary;
    char what[64];
    int rc = pull_heard(&d->pull, &words_of, why);

    if (rc == 0 && !d->pull.stream)
        d->step = STEP_REST;
    if (rc <= 0)
        return rc;
    if (web_status(d->pull.stream) != 200) {
        snprintf(what, sizeof what, "refuses to attach (status %u)", web_status(d->pull.stream));
        return again(d, 0, what, why);
    }
    d->pull.live_ms = monotonic_ms();
    recording_begin(&d->recording, &dahua_items, &options);
    boundary = multipart_boundary(slice_of(web_type(d->pull.stream)));
    d->recording.multi =
        boundary.p && multipart_begin(&d->recording.m, boundary, d->recording.limit);
    if (d->no_log)
        d->step = STEP_LIVE;
    else
        begin_find(d, FIND_BETWEEN);
    return 1;
}

static void give_on(struct dahua *d, const struct dahua_notice *n, bool place)
{
    struct units *u = &d->pull.units;
    char cursor[LOG_CURSOR_BYTES];

    units_begin(u, STREAM_PEER);
    units_add_recorded(u, &d->recording);
    if (place)
        log_see(&d->pull.seen, &n->place);
    log_cursor_print(cursor, d->pull.device, &d->pull.seen);
    units_end(u, place ? cursor : NULL);
}

/* One item of the stream; true: the log is looked into. */
static bool take_item(struct dahua *d)
{
    struct log_seen *seen = &d->pull.seen;
    struct dahua_notice n;
    bool placed, follows;

    dahua_notice_read(d->recording.text, &n);
    d->pull.heard += n.passage;
    placed = n.place.serial >= 0 && *n.place.time;
    /* Behind an empty log any number follows. */
    follows = placed && (seen->last.serial < 0 || n.place.serial == seen->last.serial + 1);
    if (placed && log_was_seen(seen, &n.place))
        return false;
    /* Its picture is in the stream alone. */
    if (!n.passage || d->no_log || follows || d->recording.pictures > 0) {
        give_on(d, &n, n.passage && follows);
        return false;
    }
    if (!*n.place.time && d->spare > 0) {
        d->spare--;
        return false;
    }
    d->looks = 0;
    d->event_at = n.place;
    d->event.len = 0;
    buf_slice(&d->event, d->recording.text);
    begin_find(d, FIND_EVENT);
    return true;
}

static int live(struct dahua *d, struct fault *why)
{
    struct web_call *stream = d->pull.stream;
    bool over = web_state(stream) >= WEB_DONE, look = false;

    if (!d->no_log && !over && pull_sweep_due(&d->pull)) {
        begin_find(d, FIND_BETWEEN);
        return 1;
    }
    for (int i = 0; i < TURN && !look && !units_full(&d->pull.units); i++) {
        struct slice record;
        size_t used;
        enum frame got = recording_frame(&d->recording, web_bytes(stream), false, &used, &record);

        if (got == FRAME_MORE && over)
            return again(d, 0,
                web_state(stream) == WEB_FAILED ? web_error(stream) : "the stream of events ended",
                why);
        if (got == FRAME_MORE)
            return 0;
        look = got == FRAME_RECORD && take_item(d);
        web_take(stream, used);
    }
    return 1;
}

/* ---- the source ---- */

static bool dahua_takes(const struct source_env *env, const char *operand)
{
    return !env->listen &&
           (source_scheme(operand, "dahua", NULL) || source_scheme(operand, "dahuas", NULL));
}

static bool dahua_option(struct slice key)
{
    return pull_option(key) || slice_is(key, "codes");
}

static void dahua_close(void *state)
{
    struct dahua *d = state;

    if (d) {
        pull_close(&d->pull);
        buf_free(&d->event);
    }
    free(d);
}

/* Names of events, which go into a request as they are. */
static int read_codes(struct dahua *d, struct fault *why)
{
    struct slice codes = format_option(&d->pull.env->options, "codes");

    d->codes = codes.p ? codes : SLICE("AccessControl");
    for (size_t i = 0; i < d->codes.n; i++) {
        char c = d->codes.p[i], lower = (char)(c | 0x20);

        if ((c < '0' || c > '9') && (lower < 'a' || lower > 'z') && c != ',' && c != '_')
            return fault_set(why, EX_USAGE,
                "-o codes=%.*s: must be names like AccessControl,BreakIn", (int)codes.n, codes.p);
    }
    return d->codes.n > 0 && d->codes.n < 200
               ? 0
               : fault_set(why, EX_USAGE, "-o codes=: too long, or nothing");
}

static void *dahua_open(
    const struct source_env *env, const char *operand, size_t number, struct fault *why)
{
    struct dahua *d = mem_alloc(sizeof *d);

    memset(d, 0, sizeof *d);
    d->page_records = PAGE_RECORDS;
    if (pull_open(&d->pull, env, operand, number, "dahua", why) == 0 && read_codes(d, why) == 0)
        return d;
    dahua_close(d);
    return NULL;
}

static int step(void *state, struct fault *why)
{
    struct dahua *d = state;

    switch (d->step) {
    case STEP_REST:
        if (monotonic_ms() < d->pull.resume_ms)
            return 0;
        pull_ask(&d->pull, "/cgi-bin/magicBox.cgi?action=getSerialNo", SLICE_NONE);
        d->step = STEP_SERIAL;
        return 1;
    case STEP_SERIAL:
        return take_serial(d, why);
    case STEP_FIND:
        return take_page(d, why);
    case STEP_ATTACH:
        return take_attach(d, why);
    case STEP_LIVE:
        return live(d, why);
    case STEP_LOOK:
        if (monotonic_ms() < d->look_ms)
            return 0;
        begin_find(d, FIND_EVENT);
        return 1;
    }
    return 0;
}

static enum source_state dahua_run(void *state, struct fault *why)
{
    return pull_run(&((struct dahua *)state)->pull, step, state, why);
}

static nfds_t dahua_poll(void *state, bool room, struct pollfd *fds, int *timeout_ms)
{
    struct dahua *d = state;
    int64_t wait_ms = d->look_ms - monotonic_ms();

    if (room && d->step == STEP_LOOK && (*timeout_ms < 0 || wait_ms < *timeout_ms))
        *timeout_ms = wait_ms > 0 ? (int)wait_ms : 0;
    return pull_poll(&d->pull, d->step == STEP_REST, room, fds, timeout_ms);
}

static void dahua_stop(void *state)
{
    pull_stop(&((struct dahua *)state)->pull);
}

static void dahua_commit(void *state, void *token, enum verdict verdict)
{
    units_commit(&((struct dahua *)state)->pull.units, token, verdict);
}

static void dahua_reload(void *state)
{
    pull_reload(&((struct dahua *)state)->pull);
}

const struct source source_dahua = {
    .name = "dahua",
    .synopsis = "dahua://[user@]host[:port], dahuas:// with TLS",
    .option = dahua_option,
    .takes = dahua_takes,
    .open = dahua_open,
    .run = dahua_run,
    .poll = dahua_poll,
    .stop = dahua_stop,
    .commit = dahua_commit,
    .checkpoint = true,
    .reload = dahua_reload,
    .close = dahua_close,
};

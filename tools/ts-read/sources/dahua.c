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
 * The stream repeats nothing, so the log fills every gap: dahua_find.h.
 */
#include <stdio.h>
#include <stdlib.h>

#include "dahua_find.h"
#include "stop.h"

#define RECORD_BYTES (256u << 10) /* of the stream, with its pictures */
#define TURN 64
#define SILENCE_MS 20000  /* four heartbeats */
#define SETTLED_MS 60000  /* then an event stands in the log */
#define LOOK_AGAIN_MS 500 /* for a record of an event that came a moment before */
#define LOOKS 4
#define CHECK_MS 2000
#define PATH_BYTES 400

enum step { STEP_REST, STEP_SERIAL, STEP_FIND, STEP_ATTACH, STEP_LIVE, STEP_LOOK };

enum purpose { FIND_ALL, FIND_BETWEEN, FIND_EVENT };

struct dahua {
    struct pull pull;
    struct dahua_find find;
    struct recording recording;
    enum step step;
    struct slice codes; /* -o codes */
    enum purpose purpose;
    struct buf event;          /* the one that is looked for in the log */
    struct log_place event_at; /* as it says itself */
    unsigned looks;            /* how often it was looked for */
    unsigned spare;            /* passages found whose events may still come */
    int64_t look_ms;           /* when to look again */
    int64_t given_ms;          /* when an event was given on last */
    int64_t check_ms;          /* when to look into the log once more; INT64_MAX: never */
    bool fresh;                /* the stream has just begun */
    bool doubt;                /* for an event was taken for one that was found with another */
};

static int again(struct dahua *d, int64_t wait_ms, const char *what, struct fault *why)
{
    d->step = STEP_REST;
    return pull_again(&d->pull, wait_ms, what, why);
}

/* ---- the log ---- */

static void begin_find(struct dahua *d, enum purpose purpose)
{
    int64_t early_s = INT64_MAX;

    if (purpose == FIND_EVENT && *d->event_at.time)
        early_s = d->event_at.time_s;
    else if ((purpose == FIND_EVENT && d->looks > 0) || d->doubt)
        early_s = 0; /* the clock may have been set back */
    d->purpose = purpose;
    d->doubt = false;
    d->check_ms = INT64_MAX;
    d->find.thorough =
        purpose == FIND_ALL || (purpose == FIND_BETWEEN && pull_sweep_due(&d->pull) &&
                                   monotonic_ms() - d->given_ms > SETTLED_MS);
    dahua_find_begin(&d->find, early_s);
    d->step = STEP_FIND;
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
    struct slice picture = buf_all(&d->find.picture);

    if (++d->looks < LOOKS && !d->find.no_log) {
        d->look_ms = monotonic_ms() + LOOK_AGAIN_MS;
        d->step = STEP_LOOK;
        return;
    }
    /* It is not: what it says itself has to do.  But one at or before what was seen last was found
       with another. */
    if (!*d->event_at.time || d->event_at.time_s > d->pull.seen.high_s) {
        units_begin(&d->pull.units, STREAM_PEER);
        units_add_item(&d->pull.units, buf_all(&d->event), &picture, picture.n > 0);
        units_end(&d->pull.units, NULL);
    }
    buf_free(&d->find.picture);
    d->step = STEP_LIVE;
}

static void found_all(struct dahua *d)
{
    pull_swept(&d->pull);
    if (d->purpose == FIND_ALL && (!d->pull.env->follow || d->pull.env->until->set)) {
        pull_stop(&d->pull);
    } else if (d->purpose == FIND_ALL) {
        attach(d);
    } else if (d->purpose == FIND_EVENT && d->find.news == 0) {
        look_again(d);
    } else {
        d->spare = d->purpose == FIND_EVENT ? d->find.news - 1 : d->find.news;
        d->step = STEP_LIVE;
        if (d->fresh) /* a record may come later than its event, which came before the stream */
            d->check_ms = monotonic_ms() + CHECK_MS;
        d->fresh = false;
    }
}

static int take_page(struct dahua *d, struct fault *why)
{
    switch (dahua_find_take(&d->find, why)) {
    case FOUND_FAULT:
        return -1;
    case FOUND_PAGE:
        dahua_find_ask(&d->find);
        return 1;
    case FOUND_ALL:
        found_all(d);
        return 1;
    default:
        if (!d->pull.call)
            d->step = STEP_REST;
        return 0;
    }
}

static int take_serial(struct dahua *d, struct fault *why)
{
    char serial[LOG_DEVICE_BYTES] = "";
    int rc = pull_answer(&d->pull, &dahua_words, why);

    if (rc == 0 && !d->pull.call)
        d->step = STEP_REST;
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
    int rc = pull_heard(&d->pull, &dahua_words, why);

    if (rc == 0 && !d->pull.stream)
        d->step = STEP_REST;
    if (rc <= 0)
        return rc;
    if (web_status(d->pull.stream) != 200) {
        snprintf(what, sizeof what, "refuses to attach (status %u)", web_status(d->pull.stream));
        return again(d, 0, what, why);
    }
    d->pull.live_ms = monotonic_ms();
    d->fresh = true;
    recording_begin(&d->recording, &dahua_items, &options);
    boundary = multipart_boundary(slice_of(web_type(d->pull.stream)));
    d->recording.multi =
        boundary.p && multipart_begin(&d->recording.m, boundary, d->recording.limit);
    if (d->find.no_log)
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
    d->given_ms = monotonic_ms();
    log_cursor_print(cursor, d->pull.device, &d->pull.seen);
    units_end(u, place ? cursor : NULL);
}

/* Whether an event may be that of a passage that was found with another. */
static bool was_found(const struct dahua *d, const struct log_place *place)
{
    if (!*place->time && place->serial >= 0)
        return place->serial <= d->pull.seen.last.serial;
    return d->spare > 0 && (!*place->time || (place->time_s >= d->find.first_s &&
                                                 place->time_s <= d->pull.seen.high_s));
}

static void look_for(struct dahua *d, const struct log_place *place)
{
    const struct recording *r = &d->recording;

    d->looks = 0;
    d->event_at = *place;
    d->event.len = d->find.picture.len = 0;
    buf_slice(&d->event, r->text);
    if (r->pictures > 0)
        buf_slice(&d->find.picture, r->picture[0]);
    d->find.picture_serial = place->serial;
    begin_find(d, FIND_EVENT);
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
    if (follows)
        pull_look(&d->pull, seen, &n.place); /* a clock that was set back is said */
    /* With its true time it is the same event as that of the log, and has a picture beside. */
    if (!n.passage || d->find.no_log || follows || (d->recording.pictures > 0 && *n.place.time)) {
        give_on(d, &n, n.passage && follows);
        return false;
    }
    if (was_found(d, &n.place)) {
        d->spare -= d->spare > 0;
        d->check_ms = monotonic_ms() + CHECK_MS;
        d->doubt = true;
        return false;
    }
    look_for(d, &n.place);
    return true;
}

static int live(struct dahua *d, struct fault *why)
{
    struct web_call *stream = d->pull.stream;
    bool over = web_state(stream) >= WEB_DONE, look = false;

    if (!over && (pull_sweep_due(&d->pull) || monotonic_ms() >= d->check_ms)) {
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
        buf_free(&d->find.picture);
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
    d->find.pull = &d->pull;
    d->check_ms = INT64_MAX;
    if (pull_open(&d->pull, env, operand, number, "dahua", why) == 0 && read_codes(d, why) == 0) {
        if (!format_option(&env->options, "silence").p)
            d->pull.silence_ms = SILENCE_MS;
        return d;
    }
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
    int64_t at_ms = d->step == STEP_LOOK   ? d->look_ms
                    : d->step == STEP_LIVE ? d->check_ms
                                           : INT64_MAX;
    int64_t wait_ms = at_ms - monotonic_ms();

    if (room && at_ms < INT64_MAX && (*timeout_ms < 0 || wait_ms < *timeout_ms))
        *timeout_ms = wait_ms > 0 ? (int)wait_ms : 0;
    return pull_poll(&d->pull, d->step == STEP_REST, room, fds, timeout_ms);
}

static void dahua_stop(void *state)
{
    pull_stop(&((struct dahua *)state)->pull);
}

static void dahua_commit(void *state, void *token, enum verdict verdict)
{
    (void)state;
    units_commit(token, verdict);
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

/* SPDX-License-Identifier: MIT */
/*
 * Receipts.  The one rule that is not obvious: a refusal is believed only when the receiver takes
 * something else.  Refused events are put aside as suspects; a delivery, the time by which they
 * must be answered, or the end of the input turns them into `rejected`.  Too many refusals in a row
 * without one delivery mean a wrong receiver or a wrong map (destination.h): the suspects go back
 * into the queue and the destination stops, so that a backlog is never burnt.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "msg.h"
#include "state.h"
#include "upload.h"

#define MARGIN_MS 1000
/* The giver reads a receipt well before this has passed. */
#define RETRY_FIRST_MS 1000
#define BEHIND "behind an unfinished event of the same person"

/* What a receiver says may be what it was sent. */
static struct slice masked(const struct sender *s, struct slice text, struct buf *out)
{
    if (text.n == 0)
        return text;
    buf_slice(out, text);
    headers_mask(s->headers, out);
    if (s->talk.p)
        scripted_mask(s->talk.p, out);
    return buf_all(out);
}

void answer_receipt(struct sender *s, struct receipt *r)
{
    struct buf error = {0}, location = {0};

    r->at_ms = s->wall_ms;
    r->error = masked(s, r->error, &error);
    r->location = masked(s, r->location, &location);
    s->tally[r->outcome]++;
    receipt_print(&s->out.buf, r);
    buf_free(&error);
    buf_free(&location);
    if (!s->failed && line_written(&s->out, &s->fault) < 0)
        s->failed = true;
}

static int64_t wall_of(const struct sender *s, int64_t ms)
{
    return ms ? s->wall_ms + (ms - s->now_ms) : 0;
}

void answer_item(struct sender *s, const struct item *it, enum outcome outcome, int status,
    const char *error, int64_t retry_ms)
{
    struct receipt r = {.ack = item_ack(it),
        .event_id = item_id(it),
        .outcome = outcome,
        .status = status,
        .error = slice_of(error),
        .attempts = it->tries,
        .ambiguous = it->ambiguous,
        .retry_at_ms = wall_of(s, retry_ms)};

    answer_receipt(s, &r);
}

void answer_event(struct sender *s, const struct event *e, struct slice id, enum outcome outcome,
    const char *error, int64_t retry_ms)
{
    struct receipt r = {.ack = event_str(e, EV_ACK),
        .event_id = id,
        .outcome = outcome,
        .error = slice_of(error),
        .attempts = (unsigned)yyjson_get_uint(e->field[EV_ATTEMPTS]),
        .ambiguous = yyjson_get_bool(e->field[EV_AMBIGUOUS]),
        .retry_at_ms = wall_of(s, retry_ms)};

    answer_receipt(s, &r);
}

void answer_bad(struct sender *s, uint64_t line, const char *error)
{
    char text[sizeof s->fault.text + 32];
    struct receipt r = {.outcome = OUTCOME_REJECTED};

    snprintf(text, sizeof text, "line %" PRIu64 ": %s", line, error);
    r.error = slice_of(text);
    s->bad++;
    answer_receipt(s, &r);
}

/* ---- what a receiver says, without the person ---- */

static bool word_char(char c)
{
    return (unsigned char)c >= 0x80 || isalnum((unsigned char)c);
}

static void mask_word(struct buf *text, struct slice word)
{
    for (size_t i = 0; word.n > 0 && i + word.n <= text->len; i++) {
        char *at = text->data + i;
        size_t after = i + word.n;

        if (memcmp(at, word.p, word.n) != 0 || (i > 0 && word_char(at[-1])) ||
            (after < text->len && word_char(text->data[after])))
            continue;
        buf_room(text, 3);
        at = text->data + i;
        memmove(at + 3, at + word.n, text->len - after);
        memcpy(at, "***", 3);
        text->len = text->len - word.n + 3;
        i += 2;
    }
}

void answer_mask_person(struct sender *s, const struct item *it, struct buf *text)
{
    static const enum event_field fields[] = {EV_PERSON_ID, EV_CARD_NO, EV_EMPLOYEE_ID};
    struct event e;
    struct fault why;
    yyjson_val *key, *val;
    size_t i, max;

    if (event_read(s->events, item_body(it), &e, &why) < 0) {
        text->len = 0; /* another profile's form: better no words than a name */
        return;
    }
    for (i = 0; i < sizeof fields / sizeof *fields; i++)
        mask_word(text, event_str(&e, fields[i]));
    yyjson_obj_foreach(e.field[EV_HR], i, max, key, val)
    {
        if (yyjson_is_str(val))
            mask_word(text, (struct slice){yyjson_get_str(val), yyjson_get_len(val)});
    }
}

/* ---- suspects ---- */

void answer_suspect(struct sender *s, struct item *it, int status, char *error)
{
    /* Full only where deliveries keep coming, each of a request from before these refusals. */
    if (s->suspects == REFUSALS_LAST)
        answer_suspects(s, s->suspect[0].number);
    queue_park(s->queue, it);
    s->suspect[s->suspects++] = (struct suspect){it, ++s->refusals, s->now_ms, status, error};
}

static void reject(struct sender *s, struct suspect *suspect)
{
    answer_item(s, suspect->item, OUTCOME_REJECTED, suspect->status, suspect->error, 0);
    queue_free(s->queue, suspect->item);
    free(suspect->error);
}

void answer_suspects(struct sender *s, uint64_t upto)
{
    unsigned n = 0;

    while (n < s->suspects && s->suspect[n].number <= upto)
        reject(s, &s->suspect[n++]);
    s->suspects -= n;
    memmove(s->suspect, s->suspect + n, s->suspects * sizeof *s->suspect);
}

void answer_suspects_last(struct sender *s)
{
    reject(s, &s->suspect[--s->suspects]);
}

void answer_suspects_back(struct sender *s)
{
    for (unsigned i = 0; i < s->suspects; i++) {
        s->suspect[i].item->failures++;
        queue_unpark(s->queue, s->suspect[i].item);
        free(s->suspect[i].error);
    }
    s->suspects = 0;
}

static void reject_one(struct sender *s, const struct item *it)
{
    unsigned i = 0;

    while (s->suspect[i].item != it)
        i++;
    reject(s, &s->suspect[i]);
    memmove(&s->suspect[i], &s->suspect[i + 1], (--s->suspects - i) * sizeof *s->suspect);
}

int64_t answer_suspects_late(struct sender *s)
{
    int64_t next = INT64_MAX;

    for (unsigned i = 0; i < s->suspects;) {
        int64_t due = s->suspect[i].since_ms + s->config->answer_ms;

        if (!s->suspect[i].item->has_ack && due <= s->now_ms) {
            reject_one(s, s->suspect[i].item);
            continue;
        }
        if (!s->suspect[i++].item->has_ack && due < next)
            next = due;
    }
    return next;
}

/* ---- time is up ---- */

int64_t answer_retry_ms(const struct sender *s, const struct item *it)
{
    int64_t at = s->now_ms + RETRY_FIRST_MS, wakes = it ? queue_wakes_at(s->queue, it) : 0;

    if (at < wakes)
        at = wakes;
    if (it && it->picture && at < upload_retry_ms(s))
        at = upload_retry_ms(s);
    if (pace_limited(&s->pace, s->now_ms) && at < pace_next_ms(&s->pace, s->now_ms))
        at = pace_next_ms(&s->pace, s->now_ms);
    return at < s->destination.next_ms ? s->destination.next_ms : at;
}

static const char *why_deferred(const struct sender *s, const struct item *it)
{
    if (s->destination.state != DESTINATION_UP)
        return verdict_words(s->destination.cause);
    if (queue_behind(s->queue, it))
        return BEHIND;
    if (it->picture)
        return upload_why(s);
    if (pace_limited(&s->pace, s->now_ms))
        return "the receiver's rate limit is used up";
    return it->failures > 0 ? "the receiver failed with it" : "no time left to send it";
}

/* Defers what waits in the lane of `it`: with an ack only, or all of it. */
static void defer_lane(
    struct sender *s, struct item *it, bool all, int64_t retry_ms, int64_t block_ms)
{
    const char *error = why_deferred(s, it);
    struct item *next;

    for (it = queue_cut(s->queue, it, all, block_ms); it; it = next) {
        next = it->next;
        answer_item(s, it, OUTCOME_DEFERRED, 0, error, retry_ms);
        upload_forget(s, it);
        queue_free(s->queue, it);
        error = BEHIND;
    }
}

/* The first waiting or parked event, with or without an ack, that arrived before then; NULL. */
static struct item *overdue(const struct sender *s, bool has_ack, int64_t before_ms, int64_t *next)
{
    struct item *it = queue_oldest(s->queue, has_ack);

    /* One under way is bounded by its request's own time limit. */
    while (it && it->arrived_ms <= before_ms && it->state == ITEM_FLYING)
        it = it->newer;
    if (!it)
        return NULL;
    if (it->arrived_ms <= before_ms)
        return it;
    if (it->arrived_ms - before_ms < *next)
        *next = it->arrived_ms - before_ms;
    return NULL;
}

int64_t answer_margin_ms(const struct sender *s)
{
    int64_t quarter = s->config->answer_ms / 4;

    return quarter < MARGIN_MS ? quarter : MARGIN_MS;
}

/* Returns in how many ms the next is due. */
static int64_t overdue_with_ack(struct sender *s)
{
    int64_t before = s->now_ms - s->config->answer_ms + answer_margin_ms(s), next = INT64_MAX;
    struct item *it;

    while ((it = overdue(s, true, before, &next))) {
        if (it->state == ITEM_PARKED) {
            reject_one(s, it);
        } else {
            int64_t retry = answer_retry_ms(s, it);

            defer_lane(s, it, false, retry, retry);
        }
    }
    return next;
}

static int64_t overdue_without(struct sender *s)
{
    int64_t before = s->now_ms - s->config->give_up_ms, next = INT64_MAX;
    struct item *it;

    while ((it = overdue(s, false, before, &next))) {
        if (it->state == ITEM_PARKED) {
            reject_one(s, it);
            continue;
        }
        if (s->destination.state != DESTINATION_UP)
            s->gave_up = true; /* what is not read yet has no better chance */
        defer_lane(s, it, true, 0, QUEUE_FOR_EVER);
    }
    return next;
}

int64_t answer_overdue(struct sender *s)
{
    int64_t with = overdue_with_ack(s), without = overdue_without(s);
    int64_t next = with < without ? with : without;

    return next == INT64_MAX ? INT64_MAX : s->now_ms + next;
}

void answer_rest(struct sender *s)
{
    /* Told to end, it has not waited long enough to believe a refusal. */
    if (s->ending)
        answer_suspects_back(s);
    answer_suspects(s, UINT64_MAX);
    for (int has_ack = 0; has_ack < 2; has_ack++)
        for (struct item *it = queue_oldest(s->queue, has_ack), *next; it; it = next) {
            next = it->newer;
            if (it->state == ITEM_FLYING) { /* its request was not awaited to the end */
                it->tries++;
                it->ambiguous = true;
            }
            answer_item(s, it, OUTCOME_DEFERRED, 0,
                s->ending ? "ts-send was told to end" : why_deferred(s, it),
                answer_retry_ms(s, NULL));
        }
}

/* ---- the end ---- */

static void count(struct buf *text, uint64_t n, const char *what)
{
    if (n > 0)
        buf_printf(text, "%s%" PRIu64 " %s", text->len > 0 ? ", " : "", n, what);
}

static int status_of(const struct sender *s)
{
    enum cause cause =
        s->destination.state != DESTINATION_UP ? s->destination.cause : upload_cause(s);

    if (s->tally[OUTCOME_DEFERRED] > 0 && cause != CAUSE_NONE && !s->ending)
        return cause >= CAUSE_AUTH ? EX_CONFIG : EX_UNAVAILABLE;
    if (s->tally[OUTCOME_DEFERRED] > 0 || s->tally[OUTCOME_HELD] > 0)
        return EX_TEMPFAIL;
    return s->tally[OUTCOME_REJECTED] > 0 ? EX_DATAERR : 0;
}

int answer_end(struct sender *s)
{
    struct buf text = {0};

    count(&text, s->bad, "not understood");
    count(&text, s->tally[OUTCOME_REJECTED] - s->bad, "rejected");
    count(&text, s->tally[OUTCOME_HELD], "held");
    count(&text, s->tally[OUTCOME_DEFERRED], "deferred");
    if (text.len > 0) {
        count(&text, s->tally[OUTCOME_DELIVERED], "delivered");
        count(&text, s->tally[OUTCOME_DUPLICATE], "there already");
        msg_warn("%s: %.*s%s", s->url, (int)text.len, text.data,
            s->gave_up && !s->input_ended ? "; gave up before the end of the input" : "");
    }
    if (upload_missing(s) > 0)
        msg_warn("%s: %" PRIu64 " without their snapshot", s->url, upload_missing(s));
    buf_free(&text);
    return status_of(s);
}

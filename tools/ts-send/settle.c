/* SPDX-License-Identifier: MIT */
/*
 * What becomes of the events of a request, once it is known what the reply means: receipts, the
 * state of the destination, halves, and what goes back to wait.
 */
#include <stdlib.h>

#include "msg.h"
#include "state.h"
#include "upload.h"

uint64_t settle_random(void)
{
    return (uint64_t)arc4random() << 32 | arc4random();
}

struct refusal *settle_memory(const struct sender *s, uint64_t who)
{
    return (struct refusal *)(uintptr_t)&s->refused[who % REFUSED_MEMORY];
}

/* ---- words ---- */

/* "503 Service Unavailable", or what went wrong on the way. */
static void name_reply(struct buf *out, const struct reply *r)
{
    out->len = 0;
    if (r->net == NET_OK)
        buf_printf(out, "%d %s", r->status, reply_status_name(r->status));
    else
        buf_printf(out, "no answer: %s", r->net_text);
    if (out->data[out->len - 1] == ' ')
        out->len--;
    buf_char(out, '\0');
}

static void say(const struct sender *s, const struct reply *r, const char *what)
{
    struct buf name = {0};

    if (!s->config->verbose)
        return;
    name_reply(&name, r);
    msg_say("[%s] %s", name.data, what);
    buf_free(&name);
}

static void say_split(const struct sender *s, const struct reply *r, unsigned n)
{
    char text[80];

    snprintf(text, sizeof text, "Payload of %u events refused: its halves come next.", n);
    say(s, r, text);
}

static void say_wait(const struct sender *s, const struct reply *r, int64_t wait_ms)
{
    char text[80];

    snprintf(text, sizeof text, "Payload not accepted: next try in %.1f s.",
        (double)(wait_ms > 0 ? wait_ms : 0) / 1000);
    say(s, r, text);
}

/* What to do about a refused credential. */
static void advise_secret(const struct sender *s, int status, struct buf *out)
{
    const struct header_source *h = &s->config->headers;

    if (status == 407 || status == 511)
        buf_printf(out, ": ask who runs the network");
    else if (s->config->oauth_file)
        buf_printf(out, ": what is in %s must be renewed; then send SIGHUP", s->config->oauth_file);
    else if (s->talk.p)
        buf_printf(out, ": renew what --secret or --token-file names and send SIGHUP");
    else if (h->user)
        buf_printf(out,
            ": the name or the password of --user %s is refused: renew it and send SIGHUP",
            h->user);
    else if (h->token_file)
        buf_printf(out, ": the token in %s is refused: renew it and send SIGHUP", h->token_file);
    else if (h->files > 0)
        buf_printf(out, ": the header in %s is refused: renew it and send SIGHUP", h->file[0]);
    else if (s->config->transfer.cert)
        buf_printf(out, ": check the certificate in %s", s->config->transfer.cert);
    else
        buf_printf(out, ": no token is sent: give --token-file");
}

/* Why it is stopped, and what to do next. */
static void describe_stop(
    const struct sender *s, const struct reply *r, const char *reason, struct buf *out)
{
    struct buf name = {0};

    name_reply(&name, r);
    buf_printf(out, "%s (%s)", reason ? reason : verdict_words(s->destination.cause), name.data);
    buf_free(&name);
    if (s->destination.cause == CAUSE_AUTH)
        advise_secret(s, r->status, out);
    else if (reason)
        return;
    else if (s->destination.cause == CAUSE_ADDRESS && r->status < 400)
        buf_printf(out, ": redirects are not followed: give the URL that it leads to");
    else if (s->destination.cause == CAUSE_ADDRESS)
        buf_printf(
            out, ": check the %s of the URL", r->status < 500 ? "path" : "host and the path");
}

/* The beginning and the end of an outage, and each new reason for it, once each. */
static void report(
    const struct sender *s, enum change change, const struct reply *r, const char *reason)
{
    const struct destination *d = &s->destination;
    struct buf text = {0};
    size_t n = queue_count(s->queue);

    if (change == CHANGE_NONE)
        return;
    if (change == CHANGE_UP) {
        msg_warn("%s: takes events again after %.1f s; %zu event%s waited", s->url,
            (double)(s->now_ms - d->since_ms) / 1000, n, n == 1 ? "" : "s");
        return;
    }
    describe_stop(s, r, reason, &text);
    buf_char(&text, '\0');
    if (change == CHANGE_CAUSE)
        msg_warn("%s: still stopped: now %s", s->url, text.data);
    else
        msg_warn("%s: %s; %zu event%s, one is tried from time to time", s->url, text.data, n,
            n == 1 ? " waits" : "s wait");
    buf_free(&text);
}

/* ---- outcomes ---- */

/* A conversation that ends in the middle may have left them at the receiver. */
static void note_written(struct batch *b)
{
    for (unsigned i = b->done; b->wrote && i < batch_end(b); i++)
        b->item[i]->ambiguous = true;
}

void settle_back(struct sender *s, struct batch *b, int64_t wake_ms)
{
    note_written(b);
    queue_back(s->queue, b->item + b->done, b->n - b->done, wake_ms);
    batch_free(s, b);
}

/* The events of the request are answered: on to the next piece, if there is one. */
static void piece_done(struct sender *s, struct batch *b)
{
    b->done = batch_end(b);
    talk_forget(b);
    if (--b->ends > 0)
        batch_go_on(s, b);
    else
        batch_free(s, b);
}

void settle_delivered(struct sender *s, struct batch *b, const struct reply *r, struct verdict v)
{
    enum outcome outcome = v.act == ACT_DELIVERED ? OUTCOME_DELIVERED : OUTCOME_DUPLICATE;
    bool alone = batch_count(b) == 1;

    say(s, r, outcome == OUTCOME_DELIVERED ? "Payload accepted." : "The receiver had it already.");
    s->deliveries++;
    report(s, destination_delivered(&s->destination, b->probe), r, NULL);
    /* What was sent before a refusal does not tell what the receiver takes after it. */
    answer_suspects(s, b->refusals);
    for (unsigned i = b->done; i < batch_end(b); i++) {
        struct item *it = b->item[i];
        struct receipt receipt = {.ack = item_ack(it),
            .event_id = item_id(it),
            .outcome = outcome,
            .status = r->status,
            .attempts = it->tries,
            .ambiguous = it->ambiguous,
            .trace = batch_trace(b)};

        if (v.location)
            receipt.location = slice_of(v.location);
        else if (alone && r->location[0])
            receipt.location = slice_of(r->location);
        answer_receipt(s, &receipt);
        queue_done(s->queue, it);
    }
    piece_done(s, b);
}

/* What the receiver says about a refused event, without secrets and without the person.  The status
   itself is a member of its own. */
static char *reason_of(
    struct sender *s, const struct item *it, const struct reply *r, const char *reason)
{
    struct buf text = {0};

    /* A profile's own words; the receiver's may hold names that nobody here knows. */
    if (reason)
        return mem_text(slice_of(reason));
    buf_text(&text, reply_status_name(r->status));
    if (r->text_n > 0 && !s->talk.p) {
        struct buf words = {0};

        buf_add(&words, r->text, r->text_n);
        for (size_t i = 0; i < words.len; i++)
            if ((unsigned char)words.data[i] < ' ')
                words.data[i] = ' ';
        headers_mask(s->headers, &words); /* before a person's number breaks up a secret */
        answer_mask_person(s, it, &words);
        if (text.len > 0)
            buf_lit(&text, ": ");
        buf_slice(&text, buf_all(&words));
        buf_free(&words);
    }
    buf_char(&text, '\0');
    return text.data;
}

/* Too large: no other is made so, since each would be sent in vain. */
static void learn_size(struct sender *s, const struct batch *b)
{
    size_t bytes = 0;

    for (unsigned i = b->done; i < batch_end(b); i++)
        bytes += item_body(b->item[i]).n + 1;
    if (bytes / 2 < s->body_bytes)
        s->body_bytes = bytes / 2;
}

void settle_split(struct sender *s, struct batch *b, const struct reply *r)
{
    unsigned half = b->done + batch_count(b) / 2;

    if (r->net == NET_OK && r->status == 413)
        learn_size(s, b);
    say_split(s, r, batch_count(b));
    destination_judged(&s->destination);
    note_written(b);
    talk_forget(b);
    b->end[b->ends++] = half;
    batch_go_on(s, b);
}

/* Whether this event was refused before, and others were delivered since.  Remembers it. */
static bool refused_before(struct sender *s, const struct item *it)
{
    uint64_t who = queue_hash(s->queue, item_id(it));
    struct refusal *r = settle_memory(s, who);
    bool before = r->who == who && r->deliveries < s->deliveries;

    *r = (struct refusal){who, s->deliveries};
    *settle_memory(s, it->person) = (struct refusal){it->person, s->deliveries};
    return before;
}

/* Whether there are events here of somebody of whom none was refused since the last delivery. */
static bool others_in_hand(const struct sender *s, const struct item *refused)
{
    const struct destination *d = &s->destination;

    if (d->refusals + 1 < REFUSALS_MAX || d->refused_persons == REFUSED_PERSONS_MIN)
        return true; /* it does not matter yet, or no more */
    for (int has_ack = 0; has_ack < 2; has_ack++)
        for (struct item *it = queue_oldest(s->queue, has_ack); it; it = it->newer) {
            bool same = it->person ? it->person == refused->person : it == refused;

            if (!same && it->state != ITEM_PARKED && !destination_refuses(d, it->person))
                return true;
        }
    return false;
}

/* Puts the event aside, or, where too many are refused, leaves it to the caller: false. */
static bool refused_item(
    struct sender *s, struct item *it, bool probe, const struct reply *r, const char *reason)
{
    bool known = refused_before(s, it);
    struct refused what = {it->person, others_in_hand(s, it), probe};

    report(s,
        known ? destination_known_bad(&s->destination, probe, s->now_ms, settle_random())
              : destination_refused(&s->destination, &what, s->now_ms, settle_random()),
        r, NULL);
    it->failures++;
    if (s->destination.refusing) {
        say_wait(s, r, s->destination.next_ms - s->now_ms);
        return false;
    }
    say(s, r, "The receiver refuses this event.");
    answer_suspect(s, it, r->status, reason_of(s, it, r, reason));
    if (known)
        answer_suspects_last(s);
    return true;
}

void settle_refused(struct sender *s, struct batch *b, const struct reply *r, struct verdict v)
{
    if (refused_item(s, b->item[b->done], b->probe, r, v.reason)) {
        piece_done(s, b);
    } else {
        settle_back(s, b, 0);
        answer_suspects_back(s);
    }
}

void settle_trouble(struct sender *s, struct batch *b, const struct reply *r, struct verdict v)
{
    struct item *first = b->item[b->done];
    struct trouble t = {.verdict = v,
        .person = batch_count(b) == 1 ? first->person : 0,
        .probe = b->probe,
        .wait_ms = v.wait_ms > 0 ? v.wait_ms : -1};
    int64_t wake_ms = 0;

    if (v.cause == CAUSE_BUSY)
        pace_overload(&s->pace, b->number, batch_busy(s));
    for (unsigned i = b->done; i < batch_end(b); i++)
        b->item[i]->failures++;
    report(s, destination_trouble(&s->destination, &t, s->now_ms, settle_random()), r, v.reason);
    if (s->destination.state == DESTINATION_UP) {
        wake_ms = backoff_ms(&s->config->backoff, first->failures, settle_random());
        wake_ms = s->now_ms + (t.wait_ms > wake_ms ? t.wait_ms : wake_ms);
    }
    say_wait(s, r, (wake_ms ? wake_ms : s->destination.next_ms) - s->now_ms);
    settle_back(s, b, wake_ms);
}

void settle_session(struct sender *s, bool probe, const struct reply *r, struct verdict v)
{
    struct trouble t = {.verdict = v, .probe = probe, .wait_ms = v.wait_ms > 0 ? v.wait_ms : -1};
    enum change change = destination_trouble(&s->destination, &t, s->now_ms, settle_random());

    report(s, change, r, v.reason);
    if (s->destination.state == DESTINATION_UP) {
        int64_t wait_ms = backoff_ms(&s->config->backoff, 1, settle_random());

        if (s->now_ms + wait_ms > s->destination.next_ms)
            s->destination.next_ms = s->now_ms + wait_ms;
    }
    say_wait(s, r, s->destination.next_ms - s->now_ms);
}

/* ---- a verdict for each event ---- */

#define BEHIND "behind an unfinished event of the same person"

static const struct reply nothing_sent = {.net = NET_UNSENT, .net_text = "nothing was sent"};

static void answer_final(struct sender *s, const struct batch *b, const struct item *it,
    const struct reply *r, const struct verdict *v)
{
    static const enum outcome outcomes[] = {
        [ACT_DELIVERED] = OUTCOME_DELIVERED,
        [ACT_DUPLICATE] = OUTCOME_DUPLICATE,
        [ACT_SKIPPED] = OUTCOME_SKIPPED,
        [ACT_REFUSED] = OUTCOME_REJECTED,
        [ACT_HELD] = OUTCOME_HELD,
    };
    bool arrived = v->act == ACT_DELIVERED || v->act == ACT_DUPLICATE;
    struct receipt receipt = {.ack = item_ack(it),
        .event_id = item_id(it),
        .outcome = outcomes[v->act],
        .status = r->status,
        .error = arrived ? SLICE_NONE : slice_of(v->reason),
        .attempts = it->tries,
        .ambiguous = it->ambiguous,
        .location = slice_of(v->location),
        .trace = r != &nothing_sent ? batch_trace(b) : SLICE_NONE};

    answer_receipt(s, &receipt);
}

/* Those behind it wait for its return, which without an ack is the next run. */
static void hold(struct sender *s, const struct batch *b, struct item *it, const struct reply *r,
    const struct verdict *v)
{
    int64_t retry_ms = it->has_ack ? s->now_ms + s->config->backoff.last_ms : QUEUE_FOR_EVER;
    struct item *next;

    answer_final(s, b, it, r, v);
    for (it = queue_held(s->queue, it, retry_ms); it; it = next) {
        next = it->next;
        answer_item(s, it, OUTCOME_DEFERRED, 0, BEHIND, it->has_ack ? retry_ms : 0);
        upload_forget(s, it);
        queue_free(s->queue, it);
    }
}

/* The first pass: what has arrived or needs nobody. */
static unsigned settle_arrived(
    struct sender *s, struct batch *b, const struct reply *r, const struct verdict *v)
{
    unsigned arrived = 0;

    for (unsigned i = b->done, n = 0; i < batch_end(b); i++, n++) {
        enum act act = v[n].act;

        if (act != ACT_DELIVERED && act != ACT_DUPLICATE && act != ACT_SKIPPED)
            continue;
        if (act != ACT_SKIPPED && arrived++ == 0) {
            s->deliveries++;
            report(s, destination_delivered(&s->destination, b->probe), r, NULL);
            answer_suspects(s, b->refusals);
        }
        answer_final(s, b, b->item[i], r, &v[n]);
        queue_done(s->queue, b->item[i]);
        b->item[i] = NULL;
    }
    return arrived;
}

/* The second: what the receiver does not take. */
static void settle_judged(
    struct sender *s, struct batch *b, const struct reply *r, const struct verdict *v, bool sent)
{
    for (unsigned i = b->done, n = 0; i < batch_end(b); i++, n++) {
        struct item *it = b->item[i];

        if (!it || (v[n].act != ACT_REFUSED && v[n].act != ACT_HELD))
            continue;
        b->item[i] = NULL;
        if (v[n].act == ACT_HELD) {
            if (sent)
                report(s,
                    destination_known_bad(&s->destination, b->probe, s->now_ms, settle_random()), r,
                    NULL);
            hold(s, b, it, r, &v[n]);
        } else if (!sent) {
            answer_final(s, b, it, r, &v[n]);
            queue_done(s->queue, it);
        } else if (!refused_item(s, it, b->probe, r, v[n].reason)) {
            queue_back(s->queue, &it, 1, 0);
            answer_suspects_back(s);
        }
    }
}

/* The third: what is tried again, and what makes the destination stop. */
static int64_t settle_again(
    struct sender *s, struct batch *b, const struct reply *r, const struct verdict *v)
{
    int64_t wake_ms = 0;
    unsigned n = 0;

    for (unsigned i = b->done; i < batch_end(b); i++, n++) {
        struct item *it = b->item[i];

        if (!it || (v[n].act != ACT_RETRY && v[n].act != ACT_STOP))
            continue;
        it->failures++;
        if (!wake_ms || v[n].act == ACT_STOP) {
            struct trouble t = {.verdict = v[n], .person = it->person, .wait_ms = v[n].wait_ms};

            if (v[n].act == ACT_STOP)
                report(s, destination_trouble(&s->destination, &t, s->now_ms, settle_random()), r,
                    v[n].reason);
            wake_ms = backoff_ms(&s->config->backoff, it->failures, settle_random());
            wake_ms = s->now_ms + (v[n].wait_ms > wake_ms ? v[n].wait_ms : wake_ms);
        }
        queue_back(s->queue, &it, 1, wake_ms);
        b->item[i] = NULL;
    }
    return wake_ms;
}

/* Takes out of the pieces what is empty; the first one is left alone in `ends` order. */
static void drop_empty(struct batch *b)
{
    unsigned end[SPLITS_MAX], n = 0, before = b->done;

    for (unsigned i = b->ends; i-- > 0;)
        if (b->end[i] > before)
            end[n++] = before = b->end[i];
    b->ends = n;
    for (unsigned i = 0; i < n; i++)
        b->end[n - 1 - i] = end[i];
}

/* Closes the gaps, and takes out those that must not go before an earlier one of their person. */
static void close_gaps(struct sender *s, struct batch *b, int64_t wake_ms)
{
    unsigned kept = b->done, piece = b->ends;

    for (unsigned i = b->done; i < b->n; i++) {
        struct item *it = b->item[i];
        bool blocked;

        while (piece > 0 && b->end[piece - 1] <= i)
            b->end[--piece] = kept;
        if (!it)
            continue;
        if (!queue_stuck(s->queue, it, &blocked)) {
            b->item[kept++] = it;
        } else if (blocked) {
            answer_item(s, it, OUTCOME_DEFERRED, 0, BEHIND, answer_retry_ms(s, it));
            queue_held_behind(s->queue, it);
        } else {
            queue_back(s->queue, &it, 1, wake_ms);
        }
    }
    while (piece > 0)
        b->end[--piece] = kept;
    b->n = kept;
}

/* Those that are not known to have arrived, though an earlier request may have left them there. */
static void note_unsettled(struct batch *b, const struct verdict *v)
{
    for (unsigned i = b->done, n = 0; b->wrote && i < batch_end(b); i++, n++)
        if (v[n].act != ACT_DELIVERED && v[n].act != ACT_DUPLICATE)
            b->item[i]->ambiguous = true;
}

bool settle_each(struct sender *s, struct batch *b, const struct reply *r, const struct verdict *v)
{
    bool sent = r != NULL, left = false;
    unsigned end = batch_end(b), n = batch_count(b), pieces = b->ends;
    int64_t wake_ms;

    r = sent ? r : &nothing_sent;
    for (unsigned i = 0; i < n; i++)
        left |= v[i].act == ACT_THEN;
    note_unsettled(b, v);
    settle_arrived(s, b, r, v);
    settle_judged(s, b, r, v, sent);
    wake_ms = settle_again(s, b, r, v);
    if (sent)
        say(s, r, "Payload judged event by event.");
    if (b->probe && s->destination.state == DESTINATION_PROBING)
        report(
            s, destination_known_bad(&s->destination, true, s->now_ms, settle_random()), r, NULL);
    if (!left)
        b->done = end;
    close_gaps(s, b, wake_ms);
    drop_empty(b);
    if (b->ends == pieces && left)
        return true;
    talk_forget(b);
    if (b->ends > 0)
        batch_go_on(s, b);
    else
        batch_free(s, b);
    return false;
}

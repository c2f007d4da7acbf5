/* SPDX-License-Identifier: MIT */
/*
 * Requests.  A refused array is halved, and halved again, until exactly the refused events stand
 * alone:
 *
 *   [0 ........ 8)  422        done 0, end {8}
 *   [0 .. 4)        201        done 0, end {8, 4} -> done 4, end {8}
 *        [4 ... 8)  422        done 4, end {8} -> end {8, 6} …
 *
 * The halves go one after the other, on whatever connection is free, and the lanes of all these
 * events stay closed meanwhile: so a person's order holds.
 */
#include <stdlib.h>

#include "msg.h"
#include "state.h"
#include "stop.h"

static uint64_t random_64(void)
{
    return (uint64_t)arc4random() << 32 | arc4random();
}

static unsigned batch_end(const struct batch *b)
{
    return b->end[b->ends - 1];
}

static unsigned batch_count(const struct batch *b)
{
    return batch_end(b) - b->done;
}

static void batch_free(struct sender *s, struct batch *b)
{
    /* A rare large body must not be kept by every connection. */
    if (b->body.cap > (512u << 10))
        buf_free(&b->body);
    if (b->packed.cap > (512u << 10))
        buf_free(&b->packed);
    b->next = s->batch_free;
    s->batch_free = b;
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
static void describe_stop(const struct sender *s, const struct reply *r, struct buf *out)
{
    struct buf name = {0};

    name_reply(&name, r);
    buf_printf(out, "%s (%s)", verdict_words(s->destination.cause), name.data);
    buf_free(&name);
    if (s->destination.cause == CAUSE_AUTH)
        advise_secret(s, r->status, out);
    else if (s->destination.cause == CAUSE_ADDRESS && r->status < 400)
        buf_printf(out, ": redirects are not followed: give the URL that it leads to");
    else if (s->destination.cause == CAUSE_ADDRESS)
        buf_printf(
            out, ": check the %s of the URL", r->status < 500 ? "path" : "host and the path");
}

/* The beginning and the end of an outage, and each new reason for it, once each. */
static void report(const struct sender *s, enum change change, const struct reply *r)
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
    describe_stop(s, r, &text);
    buf_char(&text, '\0');
    if (change == CHANGE_CAUSE)
        msg_warn("%s: still stopped: now %s", s->url, text.data);
    else
        msg_warn("%s: %s; %zu event%s, one is tried from time to time", s->url, text.data, n,
            n == 1 ? " waits" : "s wait");
    buf_free(&text);
}

/* ---- starting ---- */

static void build(struct sender *s, struct batch *b)
{
    unsigned n = batch_count(b);

    for (unsigned i = 0; i < n; i++)
        s->slices[i] = item_body(b->item[b->done + i]);
    b->body.len = 0;
    s->profile->request(&b->body, s->slices, n, s->config->array);
}

static void make_key(struct sender *s, struct batch *b)
{
    unsigned n = batch_count(b);

    if (!s->config->array) {
        request_key(item_id(b->item[b->done]), s->config->id, b->key);
        return;
    }
    for (unsigned i = 0; i < n; i++)
        s->slices[i] = item_id(b->item[b->done + i]);
    request_key_set(s->slices, n, b->key);
}

/* An event with an ack must be answered in time, whatever the receiver does. */
static int64_t time_left(const struct sender *s, const struct batch *b)
{
    int64_t first = INT64_MAX;

    for (unsigned i = b->done; i < batch_end(b); i++)
        if (b->item[i]->has_ack && b->item[i]->arrived_ms < first)
            first = b->item[i]->arrived_ms;
    if (first == INT64_MAX)
        return INT64_MAX;
    first += s->config->answer_ms - answer_margin_ms(s) / 2 - s->now_ms;
    return first > 1 ? first : 1;
}

static void print_dry(
    const struct sender *s, const struct batch *b, struct slice body, struct buf *out)
{
    buf_printf(out, "POST %s\nIdempotency-Key: %s\n", s->url, b->key);
    for (unsigned i = 0; i < headers_count(s->headers); i++) {
        const char *line = headers_line(s->headers, i);

        if (headers_secret(s->headers, i))
            buf_printf(out, "%.*s: ***\n", (int)strcspn(line, ":"), line);
        else
            buf_printf(out, "%s\n", line);
    }
    buf_char(out, '\n');
    buf_slice(out, body);
    buf_lit(out, "\n\n");
}

static int go_dry(struct sender *s, struct batch *b, struct slice body, struct fault *why)
{
    print_dry(s, b, body, &s->out.buf);
    for (unsigned i = b->done; i < b->n; i++)
        queue_done(s->queue, b->item[i]);
    batch_free(s, b);
    return line_written(&s->out, why);
}

static int go(struct sender *s, struct batch *b, struct fault *why)
{
    struct request r = {.key = b->key, .tag = b, .timeout_ms = time_left(s, b)};

    make_key(s, b);
    if (s->profile->as_is && !s->config->array) {
        r.body = item_body(b->item[b->done]);
    } else {
        build(s, b);
        r.body = buf_all(&b->body);
    }
    if (s->config->dry)
        return go_dry(s, b, r.body, why);
    if (s->config->gzip) {
        request_pack(&s->packer, &b->packed, r.body);
        r.body = buf_all(&b->packed);
    }
    b->refusals = s->refusals;
    b->probe = s->destination.state != DESTINATION_UP;
    if (b->probe)
        destination_probe(&s->destination);
    if (s->config->rate_us > 0) {
        int64_t now_us = s->now_ms * 1000;

        s->rate_next_us =
            (s->rate_next_us > now_us - 10000 ? s->rate_next_us : now_us) + s->config->rate_us;
    }
    if (s->config->verbose)
        msg_say("[INFO] Sending payload to backend...");
    return transfer_start(s->transfer, &r, why);
}

static struct refusal *refusal_of(const struct sender *s, uint64_t who)
{
    return (struct refusal *)(uintptr_t)&s->refused[who % REFUSED_MEMORY];
}

/* What a probe with it would tell: most, when nothing of its person was refused before. */
static unsigned probe_rank(const void *arg, const struct item *it)
{
    const struct sender *s = arg;
    const struct refusal *r = refusal_of(s, it->person);

    if (it->failures > 0)
        return 3;
    if (!it->person || r->who != it->person)
        return 0;
    return r->deliveries < s->deliveries ? 1 : 2;
}

/* The rest of a refused array, or new events; NULL when there is nothing to send now. */
static struct batch *next_batch(struct sender *s)
{
    bool up = s->destination.state == DESTINATION_UP;
    struct batch *b = s->halves;

    if (b && up) {
        s->halves = b->next;
        if (!s->halves)
            s->halves_end = &s->halves;
        return b;
    }
    /* Wait for a full array while more is there to be read. */
    if (up && queue_ready(s->queue) < s->config->batch && !s->input_idle && intake_wanted(s))
        return NULL;
    b = s->batch_free;
    if (!b)
        return NULL;
    if (!up)
        queue_favour(s->queue, probe_rank, s);
    b->n =
        (unsigned)queue_take(s->queue, b->item, up ? s->config->batch : 1, s->config->body_bytes);
    if (b->n == 0)
        return NULL;
    s->batch_free = b->next;
    b->done = 0;
    b->ends = 1;
    b->end[0] = b->n;
    return b;
}

/* The secret may have been renewed because the old one ended. */
static void renew_secrets(struct sender *s)
{
    struct fault why;
    struct headers *h = headers_read(&s->config->headers, s->headers, &why);

    if (!h) {
        msg_warn("%s; the one read before stays in use", why.text);
        return;
    }
    headers_drop(s->headers);
    s->headers = h;
    transfer_headers(s->transfer, h);
}

int batch_start(struct sender *s, struct fault *why)
{
    if (stop_reload() && !s->config->dry) {
        renew_secrets(s);
        if (s->destination.cause == CAUSE_AUTH)
            s->destination.next_ms = s->now_ms; /* whoever mended it wants to see it */
    }
    while (!s->ending && (s->config->dry || transfer_free(s->transfer)) &&
           destination_open(&s->destination, s->now_ms) && s->rate_next_us <= s->now_ms * 1000) {
        struct batch *b = next_batch(s);

        if (!b)
            break;
        if (s->destination.state == DESTINATION_STOPPED && s->destination.cause == CAUSE_AUTH)
            renew_secrets(s);
        if (go(s, b, why) < 0)
            return -1;
    }
    return 0;
}

int64_t batch_next_ms(const struct sender *s)
{
    int64_t at = s->destination.next_ms;

    if (s->ending || s->config->dry || s->destination.state == DESTINATION_PROBING ||
        (queue_ready(s->queue) == 0 && !s->halves) || !transfer_free(s->transfer))
        return INT64_MAX;
    return at > s->rate_next_us / 1000 ? at : (s->rate_next_us + 999) / 1000;
}

/* ---- what came back ---- */

/* Puts a half-sent array where batch_start finds it. */
static void go_on(struct sender *s, struct batch *b)
{
    b->next = NULL;
    *s->halves_end = b;
    s->halves_end = &b->next;
}

static void give_back(struct sender *s, struct batch *b, int64_t wake_ms)
{
    queue_back(s->queue, b->item + b->done, b->n - b->done, wake_ms);
    batch_free(s, b);
}

void batch_give_back(struct sender *s)
{
    struct batch *b;

    while ((b = s->halves)) {
        s->halves = b->next;
        give_back(s, b, 0);
    }
    s->halves_end = &s->halves;
}

void batch_give_back_late(struct sender *s)
{
    for (struct batch *b = s->halves; b; b = b->next)
        if (time_left(s, b) < answer_margin_ms(s)) {
            batch_give_back(s);
            return;
        }
}

/* The events of the request are answered: on to the next piece, if there is one. */
static void piece_done(struct sender *s, struct batch *b)
{
    b->done = batch_end(b);
    if (--b->ends > 0)
        go_on(s, b);
    else
        batch_free(s, b);
}

static void delivered(
    struct sender *s, struct batch *b, const struct reply *r, enum outcome outcome)
{
    bool alone = batch_count(b) == 1;

    say(s, r, outcome == OUTCOME_DELIVERED ? "Payload accepted." : "The receiver had it already.");
    s->deliveries++;
    report(s, destination_delivered(&s->destination, b->probe), r);
    /* What was sent before a refusal does not tell what the receiver takes after it. */
    answer_suspects(s, b->refusals);
    for (unsigned i = b->done; i < batch_end(b); i++) {
        struct item *it = b->item[i];
        struct receipt receipt = {.ack = item_ack(it),
            .event_id = item_id(it),
            .outcome = outcome,
            .status = r->status,
            .attempts = it->tries,
            .ambiguous = it->ambiguous};

        if (alone && r->location[0])
            receipt.location = slice_of(r->location);
        answer_receipt(s, &receipt);
        queue_done(s->queue, it);
    }
    piece_done(s, b);
}

/* What the receiver says about a refused event, without secrets and without the person.  The status
   itself is a member of its own. */
static char *reason_of(struct sender *s, const struct item *it, const struct reply *r)
{
    struct buf text = {0};

    buf_text(&text, reply_status_name(r->status));
    if (r->text_n > 0) {
        struct buf words = {0};

        buf_add(&words, r->text, r->text_n);
        for (size_t i = 0; i < words.len; i++)
            if ((unsigned char)words.data[i] < ' ')
                words.data[i] = ' ';
        headers_mask(s->headers, &words);
        answer_mask_person(s, it, &words);
        if (text.len > 0)
            buf_lit(&text, ": ");
        buf_slice(&text, buf_all(&words));
        buf_free(&words);
    }
    buf_char(&text, '\0');
    return text.data;
}

static void split(struct sender *s, struct batch *b, const struct reply *r)
{
    unsigned half = b->done + batch_count(b) / 2;

    say_split(s, r, batch_count(b));
    destination_judged(&s->destination);
    b->end[b->ends++] = half;
    go_on(s, b);
}

/* Whether this event was refused before, and others were delivered since.  Remembers it. */
static bool refused_before(struct sender *s, const struct item *it)
{
    uint64_t who = queue_hash(s->queue, item_id(it));
    struct refusal *r = refusal_of(s, who);
    bool before = r->who == who && r->deliveries < s->deliveries;

    *r = (struct refusal){who, s->deliveries};
    *refusal_of(s, it->person) = (struct refusal){it->person, s->deliveries};
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

static void refused(struct sender *s, struct batch *b, const struct reply *r)
{
    struct item *it = b->item[b->done];
    bool known = refused_before(s, it);
    struct refused what = {it->person, others_in_hand(s, it), b->probe};

    report(s,
        known ? destination_known_bad(&s->destination, b->probe, s->now_ms, random_64())
              : destination_refused(&s->destination, &what, s->now_ms, random_64()),
        r);
    it->failures++;
    if (s->destination.refusing) {
        say_wait(s, r, s->destination.next_ms - s->now_ms);
        give_back(s, b, 0);
        answer_suspects_back(s);
        return;
    }
    say(s, r, "The receiver refuses this event.");
    answer_suspect(s, it, r->status, reason_of(s, it, r));
    if (known)
        answer_suspects_last(s);
    piece_done(s, b);
}

static void trouble(struct sender *s, struct batch *b, const struct reply *r, struct verdict v)
{
    struct item *first = b->item[b->done];
    struct trouble t = {.verdict = v,
        .person = batch_count(b) == 1 ? first->person : 0,
        .probe = b->probe,
        .wait_ms = reply_wait_ms(r, s->wall_ms / 1000)};
    int64_t wake_ms = 0;

    for (unsigned i = b->done; i < batch_end(b); i++)
        b->item[i]->failures++;
    report(s, destination_trouble(&s->destination, &t, s->now_ms, random_64()), r);
    if (s->destination.state == DESTINATION_UP) {
        wake_ms = backoff_ms(&s->config->backoff, first->failures, random_64());
        wake_ms = s->now_ms + (t.wait_ms > wake_ms ? t.wait_ms : wake_ms);
    }
    say_wait(s, r, (wake_ms ? wake_ms : s->destination.next_ms) - s->now_ms);
    give_back(s, b, wake_ms);
}

void batch_finish(struct sender *s, const struct exchange *done)
{
    struct batch *b = done->tag;
    unsigned n = batch_count(b);
    struct verdict v = s->profile->verdict(done->reply, n);

    for (unsigned i = b->done; i < batch_end(b); i++) {
        b->item[i]->tries += done->sends;
        b->item[i]->ambiguous |= v.perhaps || done->sends > 1;
    }
    if (n > 1 && (v.act == ACT_REFUSED || v.act == ACT_DUPLICATE))
        split(s, b, done->reply);
    else if (v.act == ACT_REFUSED)
        refused(s, b, done->reply);
    else if (v.act == ACT_DELIVERED)
        delivered(s, b, done->reply, OUTCOME_DELIVERED);
    else if (v.act == ACT_DUPLICATE)
        delivered(s, b, done->reply, OUTCOME_DUPLICATE);
    else
        trouble(s, b, done->reply, v);
    if (s->destination.state != DESTINATION_UP)
        batch_give_back(s);
}

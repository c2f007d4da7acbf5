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
#include "upload.h"

void batch_free(struct sender *s, struct batch *b)
{
    /* A rare large body must not be kept by every connection. */
    if (b->body.cap > (512u << 10))
        buf_free(&b->body);
    if (b->packed.cap > (512u << 10))
        buf_free(&b->packed);
    talk_forget(b);
    b->next = s->batch_free;
    s->batch_free = b;
}

#define LIMIT_SAID_MS 10000 /* a pause that people should know of */

/* ---- starting ---- */

static void build(struct sender *s, struct batch *b)
{
    unsigned n = batch_count(b);

    for (unsigned i = 0; i < n; i++)
        s->slices[i] = item_body(b->item[b->done + i]);
    b->body.len = 0;
    s->profile->request(&b->body, s->slices, n, s->config->array);
}

static void make_set_key(struct sender *s, struct batch *b)
{
    unsigned n = batch_count(b);

    for (unsigned i = 0; i < n; i++)
        s->slices[i] = item_id(b->item[b->done + i]);
    request_key_set(s->slices, n, b->key);
}

void batch_make_key(struct sender *s, struct batch *b)
{
    const struct item *first = b->item[b->done];
    bool several = batch_count(b) > 1;

    if (s->config->array)
        make_set_key(s, b);
    else
        request_key(item_id(first), s->config->id, b->key);
    b->trace[0] = '\0';
    b->trace_told = several && s->config->trace;
    if (s->config->trace)
        request_trace(several ? slice_of(b->key) : item_id(first),
            (uint64_t)first->tries + b->steps, b->trace);
}

/* An event with an ack must be answered in time, whatever the receiver does. */
int64_t batch_time_left(const struct sender *s, const struct batch *b)
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
    if (b->trace[0])
        buf_printf(out, "%s\n", b->trace);
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

void batch_counts(struct sender *s, struct batch *b)
{
    uint64_t number = pace_start(&s->pace, s->now_ms);

    if (b) {
        b->refusals = s->refusals;
        b->number = number;
        b->sent_ms = s->now_ms;
    }
    if (s->destination.state == DESTINATION_STOPPED && !(b && b->steps > 0)) {
        if (b)
            b->probe = true;
        destination_probe(&s->destination);
    }
    if (s->config->verbose)
        msg_say("[INFO] Sending payload to backend...");
}

static int go(struct sender *s, struct batch *b, struct fault *why)
{
    struct request r = {.key = b->key, .tag = b, .timeout_ms = batch_time_left(s, b)};

    batch_make_key(s, b);
    r.trace = b->trace[0] ? b->trace : NULL;
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
    b->token = s->token.number;
    batch_counts(s, b);
    return transfer_start(s->transfer, &r, why);
}

/* What a probe with it would tell: most, when nothing of its person was refused before. */
static unsigned probe_rank(const void *arg, const struct item *it)
{
    const struct sender *s = arg;
    const struct refusal *r = settle_memory(s, it->person);

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
    b->n = (unsigned)queue_take(s->queue, b->item, up ? s->config->batch : 1, s->body_bytes);
    if (b->n == 0)
        return NULL;
    s->batch_free = b->next;
    b->done = 0;
    b->probe = false;
    b->refusals = b->number = 0;
    b->ends = 1;
    b->end[0] = b->n;
    return b;
}

void batch_renew_secrets(struct sender *s)
{
    struct fault why;
    struct headers *h = headers_read(&s->config->headers, s->headers, &why);

    if (h && s->talk.p && scripted_secrets(s->talk.p, &why) < 0) {
        headers_drop(h);
        h = NULL;
    }
    talk_log_out(s);
    token_renew(s);
    if (h && transfer_renew(s->transfer, &why) < 0) {
        headers_drop(h);
        h = NULL;
    }
    if (!h) {
        msg_warn("%s; the one read before stays in use", why.text);
        return;
    }
    headers_drop(s->headers);
    s->headers = h;
    transfer_headers(s->transfer, h);
    token_install(s);
}

unsigned batch_busy(const struct sender *s)
{
    return transfer_busy(s->transfer) - upload_busy(s);
}

/* Whether a connection is free, and the receiver not overloaded by one more. */
static bool may_connect(const struct sender *s)
{
    return transfer_free(s->transfer) && pace_free(&s->pace, batch_busy(s));
}

/* Whether a request may start, as far as connections and rates go. */
static bool may_start(const struct sender *s)
{
    return s->config->dry || (may_connect(s) && pace_next_ms(&s->pace, s->now_ms) <= s->now_ms);
}

/* Conversations go on whatever the destination's state: their events are half done. */
static int go_on_talking(struct sender *s, struct fault *why)
{
    struct batch *b;

    while (may_start(s) && (b = talk_next(s)))
        if (talk_go(s, b, why) < 0)
            return -1;
    return 0;
}

/* Whether there are a token and a session, where they are needed.  Those that were refused are
   looked at again before the next try. */
static int credentials_ready(struct sender *s, struct fault *why)
{
    int ready;

    /* A certificate of ours that has ended is refused without words. */
    if (s->destination.state == DESTINATION_STOPPED &&
        (s->destination.cause == CAUSE_AUTH || s->config->transfer.cert) &&
        s->talk.state != SESSION_THERE && !s->config->dry)
        batch_renew_secrets(s);
    ready = token_ready(s, why);
    return ready > 0 && s->talk.p ? talk_ready(s, why) : ready;
}

int batch_start(struct sender *s, struct fault *why)
{
    if (stop_reload() && !s->config->dry) {
        batch_renew_secrets(s);
        upload_reload(s);
        if (s->destination.state == DESTINATION_STOPPED && s->destination.cause != CAUSE_BUSY)
            s->destination.next_ms = s->now_ms; /* whoever mended it wants to see it */
    }
    if (s->talk.p && go_on_talking(s, why) < 0)
        return -1;
    while (!s->ending && may_start(s) && destination_open(&s->destination, s->now_ms)) {
        struct batch *b;
        int ready = 1;

        if (queue_ready(s->queue) > 0 || s->halves || s->talk.next)
            ready = credentials_ready(s, why);
        if (ready <= 0)
            return ready;
        b = next_batch(s);
        if (!b)
            break;
        if ((s->talk.p ? talk_go(s, b, why) : go(s, b, why)) < 0)
            return -1;
    }
    return 0;
}

int64_t batch_next_ms(const struct sender *s)
{
    int64_t at = s->destination.next_ms, paced = pace_next_ms(&s->pace, s->now_ms);

    if (s->config->dry || !may_connect(s))
        return INT64_MAX;
    if (talk_waits(s))
        return paced;
    if (s->ending || s->talk.state == SESSION_ASKED || token_next_ms(s) == INT64_MAX ||
        s->destination.state == DESTINATION_PROBING || (queue_ready(s->queue) == 0 && !s->halves))
        return INT64_MAX;
    at = at > token_next_ms(s) ? at : token_next_ms(s);
    return at > paced ? at : paced;
}

/* ---- what came back ---- */

void batch_go_on(struct sender *s, struct batch *b)
{
    b->next = NULL;
    *s->halves_end = b;
    s->halves_end = &b->next;
}

void batch_give_back(struct sender *s)
{
    struct batch *b;

    while ((b = s->halves)) {
        s->halves = b->next;
        settle_back(s, b, 0);
    }
    s->halves_end = &s->halves;
}

void batch_give_back_late(struct sender *s)
{
    for (struct batch *b = s->halves; b; b = b->next)
        if (batch_time_left(s, b) < answer_margin_ms(s)) {
            batch_give_back(s);
            return;
        }
}

static void finish(struct sender *s, struct batch *b, const struct exchange *done)
{
    unsigned n = batch_count(b);
    struct verdict v = s->profile->verdict(done->reply, n);

    v.wait_ms = reply_wait_ms(done->reply, s->wall_ms / 1000);
    if (v.act == ACT_DELIVERED || v.act == ACT_DUPLICATE || v.act == ACT_REFUSED)
        token_proves(s, b->token);
    for (unsigned i = b->done; i < batch_end(b); i++) {
        b->item[i]->tries += done->sends;
        b->item[i]->ambiguous |= v.perhaps || done->sends > 1;
    }
    if (n > 1 && (v.act == ACT_REFUSED || v.act == ACT_DUPLICATE))
        settle_split(s, b, done->reply);
    else if (v.act == ACT_REFUSED)
        settle_refused(s, b, done->reply, v);
    else if (v.act == ACT_DELIVERED || v.act == ACT_DUPLICATE)
        settle_delivered(s, b, done->reply, v);
    else
        settle_trouble(s, b, done->reply, v);
}

/* Of a receiver, or of a gateway before it, that has too much to do. */
static bool overloaded(const struct reply *r)
{
    static const short statuses[] = {408, 429, 502, 503, 504};

    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (r->status == statuses[i])
            return true;
    return r->net != NET_OK;
}

static void say_limit(struct sender *s, const struct quota_left *left)
{
    int64_t wait_ms = pace_next_ms(&s->pace, s->now_ms) - s->now_ms;

    if (left->bounded && !s->bounded_said)
        msg_warn("%s: its rate limit begins anew only in more than %d s: obeyed for so long",
            s->url, QUOTA_RESET_MAX_S);
    s->bounded_said |= left->bounded;
    if (s->limit_said || wait_ms < LIMIT_SAID_MS || !pace_limited(&s->pace, s->now_ms))
        return;
    s->limit_said = true;
    msg_warn("%s: its rate limit is used up: nothing is sent for %.0f s; this is said once", s->url,
        (double)wait_ms / 1000);
}

/* What the reply says about how fast to go on. */
static void pace(struct sender *s, const struct exchange *done)
{
    const struct batch *b = done->tag == &s->talk ? NULL : done->tag;
    struct quota_left left;
    struct pace_reply r = {.number = b ? b->number : 0,
        .overload = overloaded(done->reply),
        .took_ms = -1,
        .busy = batch_busy(s)};

    /* A search, or an array that is not full, takes another time than the rest. */
    if (b && !b->ask.safe && batch_count(b) >= s->config->batch / 2)
        r.took_ms = s->now_ms - b->sent_ms;
    if (reply_left(done->reply, s->wall_ms / 1000, &left))
        r.left = &left;
    pace_reply(&s->pace, &r, s->now_ms);
    if (r.left)
        say_limit(s, &left);
}

void batch_finish(struct sender *s, const struct exchange *done)
{
    if (done->tag != &s->token) /* which is another server's */
        pace(s, done);
    if (done->tag == &s->token)
        token_back(s, done);
    else if (done->tag == &s->talk)
        talk_session_back(s, done);
    else if (done->reply->status == 401 && token_again(s, done->tag, done))
        ;
    else if (s->talk.p)
        talk_finish(s, done->tag, done);
    else
        finish(s, done->tag, done);
    if (s->destination.state != DESTINATION_UP)
        batch_give_back(s);
    /* Nobody knows how long it will be until there is a session or a token again. */
    if (s->destination.state == DESTINATION_STOPPED && !talk_waits(s))
        talk_give_back(s);
}

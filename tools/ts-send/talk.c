/* SPDX-License-Identifier: MIT */
/*
 * The conversation of a jq profile with its receiver: a login where it needs one, then for the
 * events of each request one or more steps until there is a verdict.
 *
 *   talk_go:  request --send--> talk_finish: verdict --{then}--> talk_next --> talk_go …
 *                                            |--session--> log in, the events go again
 *                                            `--outcome--> settle.c
 *
 * There is one session for all connections, and one login at a time.
 */
#include <stdlib.h>

#include "msg.h"
#include "state.h"

#define EVENTS_KEPT 64  /* while a request is under way, where a profile sees all of them */
#define SESSION_TRIES 3 /* for one event, until it waits between them */

void talk_open(struct sender *s)
{
    struct talk *t = &s->talk;

    t->p = s->profile->scripted;
    t->end = &t->next;
    if (!t->p)
        return;
    t->session = t->memo = value_null();
    ask_init(&t->ask);
    t->verdicts = mem_alloc(s->config->batch * sizeof *t->verdicts);
    for (unsigned i = 0; i < s->config->transfer.connections; i++) {
        struct batch *b = &s->batches[i];

        b->events = b->memo = value_null();
        ask_init(&b->ask);
    }
}

void talk_close(struct sender *s)
{
    struct talk *t = &s->talk;

    if (!t->p)
        return;
    for (unsigned i = 0; i < s->config->transfer.connections; i++) {
        talk_forget(&s->batches[i]);
        ask_free(&s->batches[i].ask);
    }
    value_free(t->session);
    value_free(t->memo);
    ask_free(&t->ask);
    free(t->verdicts);
}

static void forget_events(struct batch *b)
{
    value_free(b->events);
    b->events = value_null();
    b->talking = false;
}

void talk_forget(struct batch *b)
{
    if (b->talking)
        forget_events(b);
    if (b->steps > 0)
        value_free(b->memo);
    if (b->steps > 0 || b->wrote)
        b->memo = value_null();
    b->steps = 0;
    b->wrote = false;
}

/* An error in the profile, once for each of its functions; the texts that libjq puts in brackets
   are the event's. */
static void tell(struct sender *s, enum script_function f, const struct fault *why)
{
    char text[sizeof why->text];
    size_t n = 0;
    bool inside = false;

    if (s->talk.said & 1u << f)
        return;
    s->talk.said |= 1u << f;
    for (const char *p = why->text; *p; p++) {
        inside &= *p != ')';
        if (!inside)
            text[n++] = *p;
        inside |= *p == '(';
    }
    text[n] = '\0';
    msg_warn("%s", text);
}

static struct ask_input input_of(const struct sender *s, const struct batch *b)
{
    return (struct ask_input){.events = b->events,
        .memo = b->memo,
        .session = s->talk.session,
        .now_s = s->wall_ms / 1000};
}

/* ---- the session ---- */

void talk_give_back(struct sender *s)
{
    struct batch *b;

    while ((b = s->talk.next)) {
        s->talk.next = b->next;
        if (b->probe)
            destination_again(&s->destination, s->now_ms);
        settle_back(s, b, 0);
    }
    s->talk.end = &s->talk.next;
}

void talk_log_out(struct sender *s)
{
    struct talk *t = &s->talk;

    if (!t->p || t->state != SESSION_THERE)
        return;
    talk_give_back(s); /* what they know belongs to that session */
    value_free(t->session);
    t->session = value_null();
    t->state = SESSION_NONE;
}

static void forget_login(struct talk *t)
{
    value_free(t->memo);
    t->memo = value_null();
    t->steps = 0;
}

static void session_there(struct sender *s, struct value session)
{
    struct talk *t = &s->talk;

    forget_login(t);
    value_free(t->session);
    t->session = session;
    t->number++;
    t->proven = false;
    t->state = SESSION_THERE;
    destination_again(&s->destination, s->now_ms);
}

/* Whatever a login is refused for, it is no event's fault. */
static void session_refused(struct sender *s, const struct reply *r, struct verdict v)
{
    static const struct reply none = {.net = NET_UNSENT, .net_text = "nothing was sent"};
    bool probe = s->destination.state == DESTINATION_PROBING;

    if (v.act != ACT_RETRY && v.act != ACT_STOP) {
        v.act = ACT_STOP;
        v.cause = CAUSE_AUTH;
    }
    v.at_once |= v.act == ACT_STOP;
    v.its_own = false;
    forget_login(&s->talk);
    s->talk.state = SESSION_NONE;
    settle_session(s, probe, r ? r : &none, v);
}

static void session_fault(struct sender *s, enum script_function f, const struct fault *why)
{
    tell(s, f, why);
    session_refused(s, NULL,
        (struct verdict){
            .act = ACT_STOP, .cause = CAUSE_CONFIG, .reason = "the login cannot be made"});
}

static int start_login(struct sender *s, struct fault *why)
{
    struct talk *t = &s->talk;
    struct ask_input in = {
        .events = value_null(), .memo = t->memo, .session = t->session, .now_s = s->wall_ms / 1000};
    struct request r;
    struct value said;
    struct fault fault;
    int rc =
        functions_call(t->p->functions, SCRIPT_LOGIN, ask_input(t->p, &in, true), &said, &fault);

    if (rc == 0 && value_kind(said) == VALUE_NULL) {
        session_there(s, said);
        return 1;
    }
    if (rc == 0) {
        rc = ask_read(t->p, said, s->headers, &t->ask, &fault);
        value_free(said);
    }
    if (rc < 0) {
        session_fault(s, SCRIPT_LOGIN, &fault);
        return 0;
    }
    r = ask_request(&t->ask);
    r.tag = t;
    t->state = SESSION_ASKED;
    ask_gone(&t->ask);
    batch_counts(s, NULL);
    return transfer_start(s->transfer, &r, why) < 0 ? -1 : 0;
}

int talk_ready(struct sender *s, struct fault *why)
{
    if (s->talk.state == SESSION_NONE && s->config->dry)
        session_there(s, value_null());
    if (s->talk.state == SESSION_NONE)
        return start_login(s, why);
    return s->talk.state == SESSION_THERE;
}

static struct verdict plain_of(const struct sender *s, const struct reply *r)
{
    struct verdict v = verdict_of(r->net, r->status);

    v.wait_ms = reply_wait_ms(r, s->wall_ms / 1000);
    v.wait_ms = v.wait_ms > 0 ? v.wait_ms : 0;
    return v;
}

/* What the reply to a login says, where that is no session. */
static void no_session(struct sender *s, const struct reply *r, struct value said)
{
    struct talk *t = &s->talk;
    struct verdict plain = plain_of(s, r);
    struct judgement j;
    struct fault why;

    if (judge_read(t->p, said, 1, plain, &j, t->verdicts, &why) < 0) {
        session_fault(s, SCRIPT_SESSION, &why);
        return;
    }
    if (j.each) {
        j.one = t->verdicts[0];
    } else if (j.one.act == ACT_THEN && ++t->steps < ASK_STEPS_MAX) {
        value_free(t->memo);
        t->memo = value_copy(j.memo);
        t->state = SESSION_NONE;
        destination_again(&s->destination, s->now_ms);
        judgement_free(&j);
        return;
    } else if (j.plain && plain.act == ACT_DELIVERED) {
        j.one = (struct verdict){.act = ACT_STOP,
            .cause = CAUSE_CONFIG,
            .reason = "its reply to the login is not understood"};
    }
    session_refused(s, r, j.one);
    judgement_free(&j);
}

void talk_session_back(struct sender *s, const struct exchange *done)
{
    struct talk *t = &s->talk;
    const struct reply *r = done->reply;
    struct ask_input in = {.events = value_array(),
        .memo = t->memo,
        .session = value_null(),
        .now_s = s->wall_ms / 1000};
    struct value said = value_null();
    struct fault why;
    int rc = 0;

    if (r->net == NET_OK)
        rc = functions_call(
            t->p->functions, SCRIPT_SESSION, judge_input(t->p, &in, r, &t->ask), &said, &why);
    value_free(in.events);
    if (rc < 0)
        session_fault(s, SCRIPT_SESSION, &why);
    else if (value_kind(said) == VALUE_OBJECT && !judge_is_verdict(said))
        session_there(s, said);
    else
        no_session(s, r, said);
}

/* ---- requests ---- */

/* The events as the profile sees them; those that are too old have a verdict already: true. */
static bool build_events(struct sender *s, struct batch *b)
{
    int64_t late_s = s->profile->defaults.late_s, unix_s;
    bool late = false;
    char key[REQUEST_KEY_BYTES];

    b->events = value_array();
    b->talking = true;
    for (unsigned i = b->done, n = 0; i < batch_end(b); i++, n++) {
        const struct item *it = b->item[i];
        bool old;

        request_key(item_id(it), s->config->id, key);
        value_push(&b->events,
            ask_event(s->talk.p,
                &(struct ask_event){item_body(it), slice_of(key), it->tries, it->ambiguous},
                &unix_s));
        old = late_s >= 0 && unix_s != ASK_NO_TIME && unix_s + late_s < s->wall_ms / 1000;
        s->talk.verdicts[n] = (struct verdict){.act = old ? ACT_REFUSED : ACT_THEN,
            .reason = old ? "too old: this receiver takes no late events" : NULL};
        late |= old;
    }
    return late;
}

/* The profile cannot make a request of them: of one alone it is that event's fault, as a refusal
   is, so that a wrong map does not burn a backlog. */
static void request_fault(struct sender *s, struct batch *b, const struct fault *why)
{
    static const struct reply none = {.net = NET_UNSENT, .net_text = "nothing was sent"};

    tell(s, SCRIPT_REQUEST, why);
    if (batch_count(b) > 1)
        settle_split(s, b, &none);
    else
        settle_refused(s, b, &none,
            (struct verdict){
                .act = ACT_REFUSED, .reason = "the profile cannot make a request of it"});
}

/* A verdict for all of them. */
static void judged_alike(struct sender *s, struct batch *b, const struct reply *r, struct verdict v)
{
    static const struct reply none = {.net = NET_UNSENT, .net_text = "nothing was sent"};
    unsigned n = batch_count(b);

    switch (v.act) {
    case ACT_DELIVERED:
        if (r) {
            settle_delivered(s, b, r, v);
            return;
        }
        break;
    case ACT_RETRY:
    case ACT_STOP:
        settle_trouble(s, b, r ? r : &none, v);
        if (s->destination.cause == CAUSE_AUTH)
            talk_log_out(s); /* the secrets are read again before the next try */
        return;
    case ACT_DUPLICATE:
    case ACT_REFUSED:
    case ACT_HELD:
    case ACT_SPLIT:
        if (n > 1) {
            settle_split(s, b, r ? r : &none);
            return;
        }
        break;
    default:
        break;
    }
    if (v.act == ACT_SPLIT || v.act == ACT_SESSION || v.act == ACT_THEN)
        v = (struct verdict){.act = ACT_REFUSED, .reason = "the receiver takes nothing so large"};
    for (unsigned i = 0; i < n; i++)
        s->talk.verdicts[i] = v;
    settle_each(s, b, r, s->talk.verdicts);
}

/* `request` returned a verdict: no request is needed.  1: events are left that need one. */
static int judged_unsent(struct sender *s, struct batch *b, struct value said)
{
    static const struct verdict send = {.act = ACT_THEN};
    struct judgement j;
    struct fault why;
    unsigned n = batch_count(b), left = 0;
    bool more = false;

    if (judge_read(s->talk.p, said, n, send, &j, s->talk.verdicts, &why) < 0) {
        request_fault(s, b, &why);
        return 0;
    }
    for (unsigned i = 0; j.each && i < n; i++)
        left += s->talk.verdicts[i].act == ACT_THEN;
    if (left == n || (!j.each && (j.one.act == ACT_THEN || j.one.act == ACT_SESSION))) {
        fault_set(&why, EX_CONFIG, "profile %s: request: neither a request nor a verdict",
            s->profile->name);
        request_fault(s, b, &why);
    } else if (j.each) {
        more = settle_each(s, b, NULL, s->talk.verdicts);
        if (more)
            forget_events(b);
    } else {
        judged_alike(s, b, NULL, j.one);
    }
    judgement_free(&j);
    return more;
}

/* 1: the request stands in b->ask; 0: it needs none, or cannot be made, and b is settled. */
static int make_request(struct sender *s, struct batch *b)
{
    struct ask_input in;
    struct value said;
    struct fault why;
    int rc;

    for (;;) {
        if (!b->talking && build_events(s, b)) {
            if (!settle_each(s, b, NULL, s->talk.verdicts))
                return 0;
            forget_events(b);
            continue;
        }
        in = input_of(s, b);
        rc = functions_call(
            s->talk.p->functions, SCRIPT_REQUEST, ask_input(s->talk.p, &in, true), &said, &why);
        if (rc < 0)
            break;
        if (!judge_is_verdict(said)) {
            rc = ask_read(s->talk.p, said, s->headers, &b->ask, &why);
            value_free(said);
            break;
        }
        if (!judged_unsent(s, b, said))
            return 0;
    }
    if (rc == 0)
        return 1;
    request_fault(s, b, &why);
    return 0;
}

static void print_dry(struct sender *s, struct batch *b)
{
    struct buf *out = &s->out.buf;

    buf_printf(out, "%s %s\n", b->ask.method, b->ask.url.data);
    if (b->ask.idempotency)
        buf_printf(out, "Idempotency-Key: %s\n", b->key);
    if (b->trace[0])
        buf_printf(out, "%s\n", b->trace);
    for (unsigned i = 0; i < b->ask.field_count; i++)
        buf_printf(out, "%s\n", b->ask.field[i]);
    for (unsigned i = 0; i < headers_count(s->headers); i++) {
        const char *line = headers_line(s->headers, i);
        bool secret = headers_secret(s->headers, i);

        buf_printf(out, "%.*s%s\n", secret ? (int)strcspn(line, ":") : (int)strlen(line), line,
            secret ? ": ***" : "");
    }
    buf_char(out, '\n');
    buf_slice(out, buf_all(&b->ask.body));
    buf_lit(out, "\n\n");
    for (unsigned i = b->done; i < b->n; i++)
        queue_done(s->queue, b->item[i]);
    batch_free(s, b);
}

/* --gzip for this request alone: not each has a body. */
static void pack(struct sender *s, struct batch *b, struct request *r)
{
    if (!s->config->gzip || b->ask.body.len == 0 || b->ask.field_count == ASK_FIELDS_MAX)
        return;
    request_pack(&s->packer, &b->packed, r->body);
    r->body = buf_all(&b->packed);
    b->ask.field[b->ask.field_count++] = "Content-Encoding: gzip";
    r->fields = b->ask.field_count;
}

int talk_go(struct sender *s, struct batch *b, struct fault *why)
{
    struct request r;
    int64_t left_ms;

    if (!make_request(s, b))
        return s->failed ? 0 : line_written(&s->out, why);
    if (b->ask.body.len > s->config->body_bytes) {
        judged_alike(s, b, NULL,
            (struct verdict){.act = batch_count(b) > 1 ? ACT_SPLIT : ACT_REFUSED,
                .reason = "larger than --max-body"});
        return 0;
    }
    batch_make_key(s, b);
    if (s->config->dry) {
        print_dry(s, b);
        return line_written(&s->out, why);
    }
    r = ask_request(&b->ask);
    pack(s, b, &r);
    left_ms = batch_time_left(s, b);
    r.timeout_ms = left_ms < r.timeout_ms ? left_ms : r.timeout_ms;
    r.key = b->ask.idempotency ? b->key : NULL;
    r.trace = b->trace[0] ? b->trace : NULL;
    r.once = !b->ask.safe;
    r.tag = b;
    b->session = s->talk.number;
    b->token = s->token.number;
    batch_counts(s, b);
    ask_gone(&b->ask);
    /* Whole events as values are several times their text: many are better made again. */
    if (!s->talk.p->filter && batch_count(b) > EVENTS_KEPT)
        forget_events(b);
    return transfer_start(s->transfer, &r, why);
}

bool talk_waits(const struct sender *s)
{
    return s->talk.next && s->talk.state == SESSION_THERE && token_there(s);
}

struct batch *talk_next(struct sender *s)
{
    struct talk *t = &s->talk;
    struct batch *b = t->next;

    if (!talk_waits(s))
        return NULL;
    t->next = b->next;
    if (!t->next)
        t->end = &t->next;
    return b;
}

/* ---- replies ---- */

/* The session has ended, unless another one is there already. */
static void session_over(struct sender *s, struct batch *b, const struct reply *r)
{
    struct talk *t = &s->talk;
    struct item *first = b->item[b->done];
    int64_t wake_ms = 0;

    if (b->session == t->number && t->state == SESSION_THERE) {
        if (!t->proven) { /* a fresh one is not taken either */
            talk_log_out(s);
            settle_trouble(s, b, r,
                (struct verdict){.act = ACT_STOP,
                    .cause = CAUSE_AUTH,
                    .at_once = true,
                    .reason = "it logs us in, but does not take the session"});
            return;
        }
        talk_log_out(s);
    }
    if (b->probe)
        destination_again(&s->destination, s->now_ms);
    if (++first->failures >= SESSION_TRIES)
        wake_ms = s->now_ms + backoff_ms(&s->config->backoff, first->failures, settle_random());
    settle_back(s, b, wake_ms);
}

static void next_step(struct sender *s, struct batch *b, const struct judgement *j)
{
    struct talk *t = &s->talk;

    value_free(b->memo);
    b->memo = value_copy(j->memo);
    b->steps++;
    b->wrote |= !b->ask.safe && j->one.perhaps;
    b->next = NULL;
    *t->end = b;
    t->end = &b->next;
}

/* Asks `verdict`; where that fails, nothing counts as delivered. */
static void ask_verdict(
    struct sender *s, struct batch *b, const struct reply *r, struct judgement *j)
{
    struct verdict plain = plain_of(s, r);
    struct ask_input in = input_of(s, b);
    struct value said = value_null();
    struct fault why;
    int rc = 0;

    if (r->net == NET_OK)
        rc = functions_call(s->talk.p->functions, SCRIPT_VERDICT,
            judge_input(s->talk.p, &in, r, &b->ask), &said, &why);
    if (rc == 0)
        rc = judge_read(s->talk.p, said, batch_count(b), plain, j, s->talk.verdicts, &why);
    if (rc == 0)
        return;
    tell(s, SCRIPT_VERDICT, &why);
    *j =
        (struct judgement){.one = plain, .plain = true, .memo = value_null(), .said = value_null()};
    if (plain.act == ACT_DELIVERED || plain.act == ACT_DUPLICATE || plain.act == ACT_REFUSED)
        j->one = (struct verdict){.act = ACT_RETRY,
            .cause = CAUSE_OUTAGE,
            .perhaps = true,
            .reason = "the profile does not understand the reply"};
}

/* Counts the try, and notes what may have arrived by it. */
static void note_try(struct batch *b, const struct exchange *done, const struct judgement *j,
    const struct verdict *each)
{
    bool safe = b->ask.safe;

    for (unsigned i = b->done, n = 0; i < batch_end(b); i++, n++) {
        bool perhaps = j->each ? each[n].perhaps : j->one.perhaps;

        b->item[i]->tries += done->sends;
        b->item[i]->ambiguous |= !safe && (perhaps || done->sends > 1);
    }
}

static bool all_trouble(const struct verdict *v, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (v[i].act != ACT_RETRY && v[i].act != ACT_STOP)
            return false;
    return true;
}

/* Some receivers say so with another status than 401. */
static bool token_refused(const struct reply *r, const struct judgement *j)
{
    bool auth = j->one.act == ACT_SESSION || (j->one.act == ACT_STOP && j->one.cause == CAUSE_AUTH);

    return !j->each && auth && r->status != 403 && r->status != 407 && r->status != 511;
}

void talk_finish(struct sender *s, struct batch *b, const struct exchange *done)
{
    const struct reply *r = done->reply;
    struct judgement j;
    bool then;

    if (!b->talking)
        build_events(s, b);
    ask_verdict(s, b, r, &j);
    if (token_refused(r, &j) && token_again(s, b, done)) {
        judgement_free(&j);
        return;
    }
    if (j.each || (j.one.act != ACT_STOP && j.one.act != ACT_RETRY && j.one.act != ACT_SESSION))
        token_proves(s, b->token);
    then = !j.each && j.one.act == ACT_THEN;
    if (r->net == NET_OK && (j.each || j.one.act != ACT_SESSION))
        s->talk.proven |= b->session == s->talk.number;
    if (then && b->steps + 1 >= ASK_STEPS_MAX) {
        then = false;
        j.one = (struct verdict){.act = ACT_STOP,
            .cause = CAUSE_CONFIG,
            .at_once = true,
            .perhaps = j.one.perhaps,
            .reason = "the profile asks too many times for one event"};
    }
    if (j.one.wait_ms == 0 && !j.each)
        j.one.wait_ms = plain_of(s, r).wait_ms;
    if (then || (!j.each && j.one.act == ACT_SESSION)) {
        b->wrote |= done->sends > 1 && !b->ask.safe;
    } else {
        note_try(b, done, &j, s->talk.verdicts);
    }
    if (then)
        next_step(s, b, &j);
    else if (j.each && all_trouble(s->talk.verdicts, batch_count(b)))
        judged_alike(s, b, r, s->talk.verdicts[0]);
    else if (j.each)
        settle_each(s, b, r, s->talk.verdicts);
    else if (j.one.act == ACT_SESSION)
        session_over(s, b, r);
    else if (j.one.act == ACT_REFUSED && batch_count(b) == 1)
        settle_refused(s, b, r, j.one);
    else
        judged_alike(s, b, r, j.one);
    judgement_free(&j);
}

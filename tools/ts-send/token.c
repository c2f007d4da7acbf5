/* SPDX-License-Identifier: MIT */
/*
 * The access token of --oauth: one for all requests, one request for it at a time.
 *
 *   NONE ---- the file has one that is good (perhaps another process got it) --------> THERE
 *   NONE ---- else it is asked for --> ASKED -- there, and what came with it on disk -> THERE
 *   THERE --- near its end, or the receiver does not take it any more ---------------> NONE
 */
#include "clock.h"
#include "msg.h"
#include "secret.h"
#include "state.h"
#include "stop.h"

#define BUSY_LOOK_MS 100   /* how often we look whether another process is done */
#define BUSY_TOLD_MS 10000 /* … and when that is told */
#define REFUSED_TRIES 3    /* for one event, until it waits between them */

int token_open(struct sender *s, struct fault *why)
{
    const struct sender_config *c = s->config;

    if (!c->oauth_file)
        return 0;
    if (c->dry) {
        token_install(s);
        return 0;
    }
    s->token.oauth = oauth_open(c->oauth_file, c->transfer.url, why);
    return s->token.oauth ? 0 : -1;
}

void token_close(struct sender *s)
{
    oauth_free(s->token.oauth);
}

/* A profile has the token as its secret; all others in the header. */
void token_install(struct sender *s)
{
    struct slice token = s->token.oauth ? oauth_token(s->token.oauth) : SLICE("{token}");
    struct headers *h;

    if (!s->config->oauth_file || !token.p)
        return;
    if (s->talk.p) {
        scripted_token(s->talk.p, token);
        return;
    }
    h = headers_bearer(s->headers, token);
    headers_drop(s->headers);
    s->headers = h;
    if (s->transfer)
        transfer_headers(s->transfer, h);
}

static void there(struct sender *s, bool asked)
{
    struct token *t = &s->token;

    t->state = TOKEN_THERE;
    t->number++;
    t->asked = asked;
    t->proven = false;
    t->busy_ms = 0;
    token_install(s);
    if (asked)
        destination_again(&s->destination, s->now_ms);
}

/* No token, and whatever the reason, it is no event's fault. */
static void missing(struct sender *s, const struct reply *r, struct verdict v)
{
    static const struct reply none = {.net = NET_UNSENT, .net_text = "nothing was sent"};
    bool probe = s->destination.state == DESTINATION_PROBING;

    s->token.state = TOKEN_NONE;
    settle_session(s, probe, r ? r : &none, v);
    s->token.next_ms = s->destination.next_ms;
}

static int ask(struct sender *s, struct fault *why)
{
    struct oauth_request q = oauth_request(s->token.oauth);
    struct request r = {.body = q.body,
        .url = q.url,
        .method = "POST",
        .field = q.field,
        .fields = q.fields,
        .once = true,
        .foreign = true,
        .timeout_ms = INT64_MAX,
        .tag = &s->token};

    s->token.state = TOKEN_ASKED;
    batch_counts(s, NULL);
    return transfer_start(s->transfer, &r, why) < 0 ? -1 : 0;
}

static void wait_for_other(struct sender *s)
{
    struct token *t = &s->token;

    t->next_ms = s->now_ms + BUSY_LOOK_MS;
    if (t->busy_ms == 0)
        t->busy_ms = s->now_ms;
    if (t->busy_ms > 0 && s->now_ms - t->busy_ms > BUSY_TOLD_MS) {
        msg_warn("--oauth %s: another process has it locked for long", s->config->oauth_file);
        t->busy_ms = -1; /* once */
    }
}

/* What the file has: the same as before, or what another process got. */
static void found(struct sender *s, bool same)
{
    if (same)
        s->token.state = TOKEN_THERE;
    else
        there(s, false);
}

static int look(struct sender *s, struct fault *why)
{
    struct token *t = &s->token;
    struct buf before = {0};
    struct fault fault;
    int rc = 0;

    buf_slice(&before, oauth_token(t->oauth));
    switch (oauth_begin(t->oauth, s->wall_ms / 1000, &fault)) {
    case OAUTH_HAVE:
        found(s, t->number > 0 && slice_eq(buf_all(&before), oauth_token(t->oauth)));
        rc = 1;
        break;
    case OAUTH_ASK:
        rc = ask(s, why);
        break;
    case OAUTH_BUSY:
        wait_for_other(s);
        break;
    case OAUTH_FAULT:
        missing(s, NULL,
            (struct verdict){
                .act = ACT_STOP, .cause = CAUSE_CONFIG, .at_once = true, .reason = fault.text});
        break;
    }
    secret_forget(&before);
    return rc;
}

int token_ready(struct sender *s, struct fault *why)
{
    struct token *t = &s->token;

    if (!t->oauth ||
        (t->state == TOKEN_THERE && (s->ending || oauth_fresh(t->oauth, s->wall_ms / 1000))))
        return 1;
    if (s->ending || s->now_ms < token_next_ms(s) || !transfer_free(s->transfer))
        return 0;
    return look(s, why);
}

int64_t token_next_ms(const struct sender *s)
{
    if (token_there(s))
        return 0;
    return s->token.state == TOKEN_ASKED ? INT64_MAX : s->token.next_ms;
}

void token_back(struct sender *s, const struct exchange *done)
{
    struct verdict v;

    if (oauth_reply(s->token.oauth, done->reply, s->wall_ms / 1000, &v)) {
        if (s->config->verbose)
            msg_say("[%d] A new access token.", done->reply->status);
        there(s, true);
    } else if (v.act == ACT_SESSION) {
        s->token.state = TOKEN_NONE;
        destination_again(&s->destination, s->now_ms);
    } else {
        missing(s, done->reply, v);
    }
}

void token_renew(struct sender *s)
{
    if (s->token.state == TOKEN_THERE)
        s->token.state = TOKEN_NONE;
    s->token.next_ms = 0;
}

void token_proves(struct sender *s, uint64_t number)
{
    struct token *t = &s->token;

    if (!t->oauth || t->proven || number != t->number)
        return;
    t->proven = true;
    oauth_proven(t->oauth);
}

bool token_lost(struct sender *s, uint64_t number)
{
    struct token *t = &s->token;

    if (!t->oauth || s->ending)
        return false;
    if (number == t->number && t->state == TOKEN_THERE) {
        if (t->asked && !t->proven)
            return false; /* fresh from the service, and not taken either */
        oauth_refused(t->oauth);
        t->state = TOKEN_NONE;
    }
    return true;
}

bool token_again(struct sender *s, struct batch *b, const struct exchange *done)
{
    struct item *first = b->item[b->done];
    int64_t wake_ms = 0;

    if (!token_lost(s, b->token))
        return false;
    for (unsigned i = b->done; i < batch_end(b); i++)
        b->item[i]->ambiguous |= done->sends > 1;
    if (b->probe)
        destination_again(&s->destination, s->now_ms);
    if (++first->failures >= REFUSED_TRIES)
        wake_ms = s->now_ms + backoff_ms(&s->config->backoff, first->failures, settle_random());
    settle_back(s, b, wake_ms);
    return true;
}

void token_await(struct sender *s)
{
    struct exchange done;
    struct fault ignored;

    while (s->token.state == TOKEN_ASKED && transfer_wait(s->transfer, true, &done, &ignored) > 0) {
        s->now_ms = monotonic_ms();
        s->wall_ms = clock_now_ms();
        if (done.tag == &s->token)
            token_back(s, &done);
    }
}

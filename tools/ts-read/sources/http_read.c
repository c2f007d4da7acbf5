/* SPDX-License-Identifier: MIT */
/*
 * Bytes of a peer to a request.  What is read of all peers together has a limit: above it only the
 * peer whose body is the oldest is read on, and that only while no whole body waits to be fed; the
 * others' bytes stay in the kernel, which slows them down, until bodies have gone their way or
 * their time is over.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http.h"
#include "secret.h"

static bool authorized(const struct http *h, struct slice value)
{
    static const char scheme[] = "Bearer ";
    const size_t n = sizeof scheme - 1;

    if (h->token.len == 0)
        return true;
    return value.n >= n && strncasecmp(value.p, scheme, n) == 0 &&
           secret_equal((struct slice){value.p + n, value.n - n}, buf_all(&h->token));
}

/* Of a body that is wanted: 0, or a status to refuse it with before it is read. */
static unsigned judge_body(struct conn *c, const struct head *head)
{
    const struct http *h = c->http;

    c->packed = head_word(head->coding, "gzip") || head_word(head->coding, "x-gzip");
    if (c->plan == PLAN_DROP)
        return head->body_bytes > HTTP_DROPPED_BYTES ? 413 : 0;
    c->deflated = head_word(head->coding, "deflate");
    if (head->coding.p && !c->packed && !c->deflated && !head_word(head->coding, "identity"))
        return 415;
    if (head->body_bytes > h->env->body_bytes)
        return 413;
    return c->plan == PLAN_FEED && (h->stopping || sink_down(h->env->sink)) ? 503 : 0;
}

static void choose_dialect(struct conn *c, struct ask *ask)
{
    struct slice target = ask->head->target;
    const char *mark = memchr(target.p, '?', target.n);
    size_t i = 0;

    ask->path = (struct slice){target.p, mark ? (size_t)(mark - target.p) : target.n};
    ask->query =
        mark ? (struct slice){mark + 1, target.n - ask->path.n - 1} : (struct slice){"", 0};
    while (!dialects[i]->takes(ask))
        i++;
    c->request.dialect = dialects[i];
    c->request.state = c->http->dialect[i];
}

static bool is_known(const struct conn *c, const struct ask *ask)
{
    const struct request *r = &c->request;

    return authorized(c->http, ask->head->authorization) ||
           (r->dialect->knows && r->dialect->knows(r->state, ask));
}

/* What can be said by the head alone: true when that is all. */
static bool judge_head(struct conn *c, const struct head *head, struct reply *reply)
{
    struct ask ask = {.head = head, .peer = c->name, .host = c->host};
    bool reads = head->method == METHOD_GET || head->method == METHOD_HEAD;

    if (reads && slice_is(head->target, "/healthz")) {
        if (sink_down(c->http->env->sink))
            reply->status = 503;
        else
            buf_lit(reply->text, "{\"status\":\"ok\"}\n");
        return true;
    }
    choose_dialect(c, &ask);
    if (!is_known(c, &ask)) {
        reply->status = 401;
        return true;
    }
    c->plan = c->request.dialect->begin(&c->request, &ask, reply);
    if (c->plan == PLAN_ANSWER)
        return true;
    reply->status = judge_body(c, head);
    if (reply->status != 0 && c->request.dialect->refused)
        c->request.dialect->refused(&c->request, reply->status);
    return reply->status != 0;
}

/* What has become of what was read: more is needed, a body is whole, *reply is the answer. */
enum taken { TAKEN_MORE, TAKEN_WHOLE, TAKEN_ANSWER };

/* A head is whole and good. */
static enum taken begin_request(struct conn *c, const struct head *head, struct reply *reply)
{
    bool empty = !head->chunked && head->body_bytes == 0;

    c->bare = head->method == METHOD_HEAD;
    if (judge_head(c, head, reply)) {
        /* The body of a request that is refused is not read. */
        c->close = head->close || !empty;
        return TAKEN_ANSWER;
    }
    c->close = head->close;
    body_begin(
        &c->reading, head, c->plan == PLAN_DROP ? HTTP_DROPPED_BYTES : c->http->env->body_bytes);
    http_enter(c, PHASE_BODY);
    if (head->expects)
        http_continue(c);
    return TAKEN_MORE;
}

static enum taken take_head(struct conn *c, struct slice *in, struct reply *reply)
{
    struct head head;
    int rc;

    if (c->phase == PHASE_IDLE)
        http_enter(c, PHASE_HEAD);
    rc = head_check(*in, &head);
    if (rc == HEAD_MORE)
        return TAKEN_MORE;
    c->bare = false;
    c->close = true;
    if (rc != 0) {
        reply->status = (unsigned)rc;
        return TAKEN_ANSWER;
    }
    in->p += head.bytes;
    in->n -= head.bytes;
    return begin_request(c, &head, reply);
}

/* Takes one request at most off *in: what follows it waits for its answer. */
static enum taken take(struct conn *c, struct slice *in, struct reply *reply)
{
    enum taken taken = TAKEN_MORE;
    int rc;

    if (c->phase != PHASE_BODY)
        taken = take_head(c, in, reply);
    if (taken != TAKEN_MORE || c->phase != PHASE_BODY)
        return taken;
    rc = body_take(&c->reading, in, &c->body);
    if (c->plan == PLAN_DROP)
        buf_free(&c->body);
    if (rc == BODY_MORE)
        return TAKEN_MORE;
    if (rc == 0)
        return TAKEN_WHOLE;
    c->close = true;
    reply->status = (unsigned)rc;
    if (c->request.dialect->refused)
        c->request.dialect->refused(&c->request, (unsigned)rc);
    return TAKEN_ANSWER;
}

/* Keeps what was not used: in is a part of c->in, or of the scratch. */
static void keep(struct conn *c, struct slice in)
{
    if (in.n == 0) {
        buf_free(&c->in);
    } else if (c->in.len > 0) {
        memmove(c->in.data, in.p, in.n);
        c->in.len = in.n;
    } else {
        buf_add(&c->in, in.p, in.n);
    }
    http_hold(c);
}

/* A whole body that gives no events. */
static void answer(struct conn *c, struct reply *reply)
{
    if (c->plan == PLAN_DROP)
        buf_free(&c->body);
    else if (!http_unpack(c))
        return;
    c->request.dialect->answer(&c->request, buf_all(&c->body), reply);
    http_reply(c, reply);
}

void http_use(struct conn *c, struct slice in)
{
    struct reply reply;
    enum taken taken;

    http_reply_begin(c, &reply);
    taken = take(c, &in, &reply);
    keep(c, in);
    if (taken == TAKEN_WHOLE && c->plan == PLAN_FEED)
        http_enter(c, PHASE_FEED);
    else if (taken == TAKEN_WHOLE)
        answer(c, &reply);
    else if (taken == TAKEN_ANSWER)
        http_reply(c, &reply);
}

void http_read(struct conn *c)
{
    char *scratch = c->http->scratch;
    ssize_t n = recv(c->peer.fd, scratch, HTTP_SCRATCH_BYTES, MSG_DONTWAIT);
    struct slice in = {scratch, n > 0 ? (size_t)n : 0};

    if (n < 0 && errno == EINTR)
        return;
    /* Less than there was room for: the rest will be told of. */
    if (n < (ssize_t)HTTP_SCRATCH_BYTES)
        c->readable = false;
    if (n == 0 || (n < 0 && errno != EAGAIN))
        c->gone = true; /* also in the middle of a request: nothing of it counts */
    if (n <= 0 || c->phase == PHASE_LINGER)
        return;
    if (c->in.len > 0) {
        buf_add(&c->in, in.p, in.n);
        in = buf_all(&c->in);
    }
    http_use(c, in);
}

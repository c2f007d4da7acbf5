/* SPDX-License-Identifier: MIT */
/*
 * Bytes of a peer to a request.  What is read of all peers together has a limit: above it only the
 * peer whose body is the oldest is read on, and that only while no whole body waits to be fed; the
 * others' bytes stay in the kernel, which slows them down, until bodies have gone their way or
 * their time is over.
 */
#include <errno.h>
#include <stdio.h>
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

/* What can be said before the body is read: 0, or a status. */
static unsigned judge_head(struct conn *c, const struct head *head)
{
    const struct http *h = c->http;
    bool reads = head->method == METHOD_GET || head->method == METHOD_HEAD;

    if (reads && slice_is(head->target, "/healthz"))
        return sink_down(h->env->sink) ? 503 : 200;
    if (!authorized(h, head->authorization))
        return 401;
    if (reads)
        return 405;
    c->packed = head_word(head->coding, "gzip") || head_word(head->coding, "x-gzip");
    if (head->coding.p && !c->packed && !head_word(head->coding, "identity"))
        return 415;
    if (head->body_bytes > h->env->body_bytes)
        return 413;
    if (h->stopping || sink_down(h->env->sink))
        return 503;
    return 0;
}

/* A head is whole and good: 0: its body comes next; else the status to answer with. */
static unsigned begin_request(struct conn *c, const struct head *head, const char **error)
{
    bool empty = !head->chunked && head->body_bytes == 0;
    unsigned status = judge_head(c, head);

    c->bare = head->method == METHOD_HEAD;
    if (status == 0 && empty) {
        *error = "empty body";
        status = 400;
    }
    if (status == 0)
        status = http_describe(c, head);
    /* The body of a request that is refused is not read. */
    c->close = head->close || (status != 0 && !empty);
    if (status != 0)
        return status;
    body_begin(&c->reading, head, c->http->env->body_bytes);
    http_enter(c, PHASE_BODY);
    if (head->expects)
        http_continue(c);
    return 0;
}

#define TAKEN_WHOLE 1u

/* Takes one request at most off *in: what follows it waits for its answer.  0: more bytes are
 * needed; TAKEN_WHOLE: its body is here; else the status to answer with. */
static unsigned take(struct conn *c, struct slice *in, const char **error)
{
    struct head head;
    unsigned status = 0;
    int rc;

    if (c->phase == PHASE_IDLE || c->phase == PHASE_HEAD) {
        if (c->phase == PHASE_IDLE)
            http_enter(c, PHASE_HEAD);
        rc = head_check(*in, &head);
        if (rc == HEAD_MORE)
            return 0;
        c->bare = false;
        c->close = true;
        if (rc != 0)
            return (unsigned)rc;
        in->p += head.bytes;
        in->n -= head.bytes;
        status = begin_request(c, &head, error);
    }
    if (status != 0)
        return status;
    rc = body_take(&c->reading, in, &c->body);
    if (rc == BODY_MORE)
        return 0;
    if (rc != 0)
        c->close = true;
    else if (c->body.len == 0)
        *error = "empty body";
    return rc != 0 ? (unsigned)rc : c->body.len == 0 ? 400 : TAKEN_WHOLE;
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

void http_use(struct conn *c, struct slice in)
{
    const char *error = NULL;
    unsigned status = take(c, &in, &error);

    keep(c, in);
    if (status == TAKEN_WHOLE)
        http_enter(c, PHASE_FEED);
    else if (status == 200)
        http_healthy(c);
    else if (status != 0)
        http_refuse(c, status, error);
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

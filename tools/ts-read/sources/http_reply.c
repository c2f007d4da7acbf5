/* SPDX-License-Identifier: MIT */
/* Answers of the HTTP listener: small, of one piece, and nearly always sent by one call. */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "http.h"

#define HEAD_BYTES_MAX 1024 /* of an answer */
#define RETRY_AFTER "Retry-After: 5\r\n"

const char http_forbidden[] = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n"
                              "Connection: close\r\n\r\n";
const char http_busy[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n" RETRY_AFTER
                         "Connection: close\r\n\r\n";

struct status {
    unsigned status;
    const char *phrase, *error, *fields; /* fields: further ones, with their line ends */
};

/* The last one stands for all that are not here. */
static const struct status statuses[] = {
    {200, "OK", "", ""},
    {400, "Bad Request", "a request that could be read in two ways", ""},
    {401, "Unauthorized", "bearer token missing or wrong", "WWW-Authenticate: Bearer\r\n"},
    {404, "Not Found", "nothing is here", ""},
    {405, "Method Not Allowed", "send events with POST or PUT", "Allow: POST, PUT\r\n"},
    {408, "Request Timeout", "too slow", ""},
    {413, "Content Too Large", "body too large", ""},
    {414, "URI Too Long", "request line too long", ""},
    {415, "Unsupported Media Type", "content coding not known",
        "Accept-Encoding: gzip, deflate\r\n"},
    {417, "Expectation Failed", "expectation not known", ""},
    {431, "Request Header Fields Too Large", "head too long", ""},
    {503, "Service Unavailable", "not now: send it again", RETRY_AFTER},
    {505, "HTTP Version Not Supported", "version not known", ""},
    {500, "Internal Server Error", "not readable as it is set up here", ""},
};

static const struct status *find_status(unsigned status)
{
    const struct status *s = statuses;

    while (s->status != status && s < statuses + sizeof statuses / sizeof *statuses - 1)
        s++;
    return s;
}

static const char *date_now(struct http *h)
{
    time_t now = time(NULL);
    struct tm t;

    if (now != h->date_s && gmtime_r(&now, &t)) {
        h->date_s = now;
        strftime(h->date, sizeof h->date, "%a, %d %b %Y %H:%M:%S GMT", &t);
    }
    return h->date;
}

/* The answer is out: the next request, or the end. */
static void sent(struct conn *c)
{
    buf_free(&c->out);
    c->out_from = 0;
    if (!c->close) {
        http_enter(c, PHASE_IDLE);
        if (c->readable || c->in.len > 0)
            http_ready(c);
        return;
    }
    /* Closing on what was not read would reset the connection under the answer. */
    shutdown(c->peer.fd, SHUT_WR);
    buf_free(&c->in);
    http_hold(c);
    http_enter(c, PHASE_LINGER);
    http_ready(c);
}

/* How much of it the socket took.  Only after EAGAIN is it told when there is room again. */
static size_t push(struct conn *c, const char *text, size_t n)
{
    size_t done = 0;

    while (done < n && c->writable && !c->gone) {
        ssize_t some = send(c->peer.fd, text + done, n - done, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (some >= 0) {
            done += (size_t)some;
        } else if (errno == EAGAIN) {
            c->writable = false;
        } else if (errno != EINTR) {
            c->gone = true;
            http_ready(c);
        }
    }
    return done;
}

void http_send(struct conn *c)
{
    c->out_from += push(c, c->out.data + c->out_from, c->out.len - c->out_from);
    if (c->out_from == c->out.len)
        sent(c);
}

/* Of one piece where it is small, which it nearly always is. */
static void put(struct conn *c, const struct reply *reply, const struct status *s)
{
    struct slice body = buf_all(reply->text);
    char text[2048];
    size_t len, done;

    c->close = c->close || c->http->stopping;
    len = (size_t)snprintf(text, HEAD_BYTES_MAX,
        "HTTP/1.1 %u %s\r\nDate: %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s%s%s\r\n",
        reply->status ? reply->status : 200, s->phrase, date_now(c->http),
        reply->type ? reply->type : "application/json", body.n, s->fields,
        reply->fields ? reply->fields : "", c->close ? "Connection: close\r\n" : "");
    if (c->bare)
        body.n = 0;
    http_enter(c, PHASE_REPLY);
    if (body.n > sizeof text - len) {
        buf_add(&c->out, text, len);
        buf_slice(&c->out, body);
        http_send(c);
        return;
    }
    if (body.n > 0)
        memcpy(text + len, body.p, body.n);
    len += body.n;
    done = push(c, text, len);
    if (done == len)
        sent(c);
    else
        buf_add(&c->out, text + done, len - done);
}

void http_reply_begin(struct conn *c, struct reply *reply)
{
    c->http->text.len = 0;
    *reply = (struct reply){.text = &c->http->text};
}

void http_reply(struct conn *c, const struct reply *reply)
{
    const struct status *s = find_status(reply->status ? reply->status : 200);

    http_forget(c);
    if (reply->status >= 400 && reply->text->len == 0)
        buf_printf(reply->text, "{\"error\":\"%s\"}\n", reply->error ? reply->error : s->error);
    put(c, reply, s);
}

void http_refuse(struct conn *c, unsigned status, const char *error)
{
    const struct request *r = &c->request;
    struct reply reply;

    if (r->dialect && r->dialect->refused)
        r->dialect->refused(&c->request, status);
    http_reply_begin(c, &reply);
    reply.status = status;
    reply.error = error;
    http_reply(c, &reply);
}

void http_continue(struct conn *c)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";

    /* A peer that reads nothing does not get these few bytes, and no answer either. */
    if (push(c, text, sizeof text - 1) != sizeof text - 1) {
        c->gone = true;
        http_ready(c);
    }
}

/* SPDX-License-Identifier: MIT */
/* Answers of the HTTP listener: small, of one piece, and nearly always sent by one call. */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "http.h"

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
    {405, "Method Not Allowed", "send events with POST or PUT", "Allow: POST, PUT\r\n"},
    {408, "Request Timeout", "too slow", ""},
    {413, "Content Too Large", "body too large", ""},
    {414, "URI Too Long", "request line too long", ""},
    {415, "Unsupported Media Type", "content coding not known", "Accept-Encoding: gzip\r\n"},
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

static void reply(struct conn *c, const struct status *s, unsigned status, const char *json)
{
    char text[1024];
    size_t len, done;

    c->close = c->close || c->http->stopping;
    len = (size_t)snprintf(text, sizeof text,
        "HTTP/1.1 %u %s\r\nDate: %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
        "%s%s\r\n%s",
        status, s->phrase, date_now(c->http), strlen(json), s->fields,
        c->close ? "Connection: close\r\n" : "", c->bare ? "" : json);
    http_enter(c, PHASE_REPLY);
    done = push(c, text, len);
    if (done == len)
        sent(c);
    else
        buf_add(&c->out, text + done, len - done);
}

void http_refuse(struct conn *c, unsigned status, const char *error)
{
    const struct status *s = find_status(status);
    char json[160];

    http_forget(c);
    snprintf(json, sizeof json, "{\"error\":\"%s\"}\n", error ? error : s->error);
    reply(c, s, status, json);
}

void http_accepted(struct conn *c, uint64_t events, uint64_t bad)
{
    char json[160];

    http_forget(c);
    if (bad > 0)
        snprintf(json, sizeof json, "{\"accepted\":%llu,\"not_understood\":%llu}\n",
            (unsigned long long)events, (unsigned long long)bad);
    else
        snprintf(json, sizeof json, "{\"accepted\":%llu}\n", (unsigned long long)events);
    reply(c, &statuses[0], 200, json);
}

void http_healthy(struct conn *c)
{
    reply(c, &statuses[0], 200, "{\"status\":\"ok\"}\n");
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

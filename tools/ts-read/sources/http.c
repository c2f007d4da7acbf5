/* SPDX-License-Identifier: MIT */
/*
 * -l http://…: events by POST or PUT, one request a connection.
 *
 *   HEAD --good--> BODY --whole--> FEED --all in the sink--> WAIT --receipts--> REPLY --> (closed)
 *
 * HEAD is ours: the head is looked at (MSG_PEEK) until it is whole and can be read in one way only;
 * then libmicrohttpd gets the connection and reads it, driven from our loop, and is suspended while
 * the events are on their way.  Each phase has a deadline that no byte moves; at its end the
 * socket is shut down, which the library notices.
 */
#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "head.h"
#include "listener.h"
#include "msg.h"
#include "secret.h"
#include "source.h"
#include "stop.h"

#define MOST 512u
#define PER_PEER 128u
#define DEFER_S 5
#define HEAD_MS 5000
#define BODY_MS 30000
#define REPLY_MS 10000
#define STOP_BODY_MS 2000       /* for bodies that are on their way when the end is wanted */
#define POOL_BYTES (16u << 10)  /* of the library, a connection */
#define BODIES_BYTES (8u << 20) /* of all bodies in hand */
#define TURN 64                 /* connections accepted, or heads looked at, in one go */

enum phase { PHASE_HEAD, PHASE_BODY, PHASE_FEED, PHASE_WAIT, PHASE_REPLY };

struct http;

struct conn {
    struct http *http;
    struct conn *next, *previous;
    struct peer peer;
    enum phase phase;
    int64_t deadline_ms;
    struct MHD_Connection *mhd; /* the request in hand; NULL before, and after it is done */
    bool suspended;
    struct buf body;
    size_t counted; /* bytes of the body that count against BODIES_BYTES */
    int refuse;     /* status to answer with once the body is over; 0: none */
    struct stream *stream;
    struct track *track;
    unsigned status;
    char reply[160];
};

struct http {
    const struct source_env *env;
    const char *operand;
    size_t number;
    struct listener *listener;
    struct MHD_Daemon *daemon;
    int heads; /* epoll of connections in PHASE_HEAD */
    int library;
    struct conn *first, *last; /* all, in the order of accepting */
    struct conn **by_fd;
    size_t by_fd_room;
    size_t bodies_bytes;
    struct buf token;
    bool stopping, failed;
    bool fresh; /* a body became whole that was not looked at yet */
    struct fault why;
};

/* ---- connections ---- */

static void conn_body_done(struct conn *c)
{
    c->http->bodies_bytes -= c->counted;
    c->counted = 0;
    buf_free(&c->body);
    stream_close(c->stream);
    c->stream = NULL;
}

static void conn_track_done(struct conn *c)
{
    if (c->track)
        sink_abandon(c->http->env->sink, c->track);
    track_drop(c->track);
    c->track = NULL;
}

/* Forgets the connection; the socket is closed by whoever has it. */
static void conn_free(struct conn *c)
{
    struct http *h = c->http;

    conn_body_done(c);
    conn_track_done(c);
    listener_release(h->listener, &c->peer);
    if ((size_t)c->peer.fd < h->by_fd_room)
        h->by_fd[c->peer.fd] = NULL;
    if (c->previous)
        c->previous->next = c->next;
    else
        h->first = c->next;
    if (c->next)
        c->next->previous = c->previous;
    else
        h->last = c->previous;
    free(c);
}

static void conn_close(struct conn *c)
{
    close(c->peer.fd);
    conn_free(c);
}

static struct conn *conn_new(struct http *h, const struct peer *peer)
{
    struct conn *c = mem_alloc(sizeof *c);
    size_t fd = (size_t)peer->fd;

    *c = (struct conn){.http = h, .peer = *peer, .previous = h->last};
    c->deadline_ms = monotonic_ms() + HEAD_MS;
    if (h->last)
        h->last->next = c;
    else
        h->first = c;
    h->last = c;
    if (fd >= h->by_fd_room) {
        size_t room = fd + 64;

        h->by_fd = mem_resize(h->by_fd, room * sizeof *h->by_fd);
        for (size_t i = h->by_fd_room; i < room; i++)
            h->by_fd[i] = NULL;
        h->by_fd_room = room;
    }
    h->by_fd[fd] = c;
    return c;
}

static void enter(struct conn *c, enum phase phase, int64_t ms)
{
    c->phase = phase;
    c->deadline_ms = monotonic_ms() + ms;
}

/* An answer before the library has the connection.  What the peer sent is read away first, as far
 * as it is here, because closing on unread bytes would reset the connection under the answer. */
static void answer_plainly(int fd, int status)
{
    char text[160], away[4096];
    int n = snprintf(text, sizeof text,
        "HTTP/1.1 %d %s\r\nContent-Length: 0\r\nConnection: close\r\n%s\r\n", status,
        MHD_get_reason_phrase_for((unsigned)status), status == 405 ? "Allow: POST, PUT\r\n" : "");

    for (int i = 0; i < 16 && recv(fd, away, sizeof away, MSG_DONTWAIT) > 0; i++)
        ;
    if (send(fd, text, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        shutdown(fd, SHUT_WR);
}

/* ---- what the library calls ---- */

static enum MHD_Result queue_reply(struct conn *c, struct MHD_Connection *mhd)
{
    struct MHD_Response *r =
        MHD_create_response_from_buffer(strlen(c->reply), c->reply, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result rc;

    if (!r)
        return MHD_NO;
    MHD_add_response_header(r, "Content-Type", "application/json");
    MHD_add_response_header(r, "Connection", "close");
    if (c->status == 503)
        MHD_add_response_header(r, "Retry-After", "5");
    if (c->status == 401)
        MHD_add_response_header(r, "WWW-Authenticate", "Bearer");
    if (c->status == 405)
        MHD_add_response_header(r, "Allow", "POST, PUT");
    rc = MHD_queue_response(mhd, c->status, r);
    MHD_destroy_response(r);
    enter(c, PHASE_REPLY, REPLY_MS);
    return rc;
}

static void set_reply(struct conn *c, unsigned status, const char *error)
{
    c->status = status;
    snprintf(c->reply, sizeof c->reply, "{\"error\":\"%s\"}\n", error);
}

static const char *error_text(unsigned status)
{
    switch (status) {
    case 400:
        return "empty body";
    case 401:
        return "bearer token missing or wrong";
    case 405:
        return "send events with POST or PUT";
    case 413:
        return "body too large";
    case 415:
        return "content coding not known";
    default:
        return "not now: send it again";
    }
}

static bool authorized(const struct http *h, struct MHD_Connection *mhd)
{
    const char *value = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, "Authorization");
    static const char scheme[] = "Bearer ";

    if (h->token.len == 0)
        return true;
    return value && strncasecmp(value, scheme, sizeof scheme - 1) == 0 &&
           secret_equal(slice_of(value + sizeof scheme - 1), buf_all(&h->token));
}

/* What can be said before the body is read: 0, or a status. */
static unsigned judge_head(
    struct conn *c, struct MHD_Connection *mhd, const char *url, const char *method)
{
    const struct http *h = c->http;
    const char *coding = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, "Content-Encoding");
    bool reads = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;

    if (reads && strcmp(url, "/healthz") == 0)
        return sink_down(h->env->sink) ? 503 : 200;
    if (!authorized(h, mhd))
        return 401;
    if (reads)
        return 405;
    if (coding && strcasecmp(coding, "identity") != 0)
        return 415;
    if (c->counted > h->env->body_bytes)
        return 413;
    if (h->stopping || sink_down(h->env->sink) || h->bodies_bytes > BODIES_BYTES)
        return 503;
    return 0;
}

static enum MHD_Result begin_request(
    struct conn *c, struct MHD_Connection *mhd, const char *url, const char *method, void **request)
{
    unsigned status = judge_head(c, mhd, url, method);

    *request = c;
    c->mhd = mhd;
    if (status == 0)
        return MHD_YES;
    set_reply(c, status, error_text(status));
    if (status == 200)
        snprintf(c->reply, sizeof c->reply, "{\"status\":\"ok\"}\n");
    return queue_reply(c, mhd);
}

static void take_body(struct conn *c, const char *data, size_t n)
{
    struct http *h = c->http;

    if (c->refuse == 0 && c->body.len + n > h->env->body_bytes)
        c->refuse = 413;
    /* A body without a length said before is counted as it grows. */
    if (c->refuse == 0 && c->body.len + n > c->counted) {
        h->bodies_bytes += c->body.len + n - c->counted;
        c->counted = c->body.len + n;
        if (h->bodies_bytes > BODIES_BYTES)
            c->refuse = 503;
    }
    if (c->refuse == 0)
        buf_add(&c->body, data, n);
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *mhd, const char *url,
    const char *method, const char *version, const char *data, size_t *data_bytes, void **request)
{
    struct http *h = arg;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct conn *c = info ? h->by_fd[info->connect_fd] : NULL;

    (void)version;
    if (!c)
        return MHD_NO;
    if (!*request)
        return begin_request(c, mhd, url, method, request);
    if (*data_bytes > 0) {
        take_body(c, data, *data_bytes);
        *data_bytes = 0;
        return MHD_YES;
    }
    if (c->phase == PHASE_REPLY || c->refuse || c->body.len == 0) {
        if (c->phase != PHASE_REPLY) {
            c->refuse = c->refuse ? c->refuse : 400;
            set_reply(c, (unsigned)c->refuse, error_text((unsigned)c->refuse));
        }
        return queue_reply(c, mhd);
    }
    MHD_suspend_connection(mhd);
    c->suspended = true;
    h->fresh = true;
    enter(c, PHASE_FEED, h->env->answer_ms);
    return MHD_YES;
}

static void completed(
    void *arg, struct MHD_Connection *mhd, void **request, enum MHD_RequestTerminationCode code)
{
    struct conn *c = *request;

    (void)arg;
    (void)mhd;
    (void)code;
    if (!c)
        return;
    c->mhd = NULL;
    conn_body_done(c);
    conn_track_done(c);
}

static void notify_connection(
    void *arg, struct MHD_Connection *mhd, void **context, enum MHD_ConnectionNotificationCode code)
{
    struct http *h = arg;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct conn *c = info ? h->by_fd[info->connect_fd] : NULL;

    (void)context;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED && c)
        conn_free(c); /* the library closes the socket */
}

/* ---- heads ---- */

/* A head that is whole and good goes to the library; a bad one is answered here.  ended: the peer
   sends no more. */
static void look_at_head(struct conn *c, bool ended)
{
    struct http *h = c->http;
    char text[HEAD_BYTES + 1];
    ssize_t n = recv(c->peer.fd, text, sizeof text, MSG_PEEK | MSG_DONTWAIT);
    struct head head;
    int status;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        conn_close(c);
        return;
    }
    status = head_check((struct slice){text, (size_t)n}, &head);
    if (status == HEAD_MORE && !ended)
        return;
    if (status == HEAD_MORE) {
        conn_close(c);
        return;
    }
    if (status != 0) {
        answer_plainly(c->peer.fd, status);
        conn_close(c);
        return;
    }
    epoll_ctl(h->heads, EPOLL_CTL_DEL, c->peer.fd, NULL);
    c->counted =
        head.body_bytes > h->env->body_bytes ? h->env->body_bytes + 1 : (size_t)head.body_bytes;
    h->bodies_bytes += c->counted;
    enter(c, PHASE_BODY, BODY_MS);
    if (MHD_add_connection(h->daemon, c->peer.fd, (struct sockaddr *)&c->peer.address,
            c->peer.address_bytes) != MHD_YES)
        conn_free(c); /* the library has closed it */
}

static bool accept_peers(struct http *h)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET};
    struct peer peer;
    int n = 0;

    while (n++ < TURN && !h->stopping && listener_accept(h->listener, &peer)) {
        if (!peer.allowed) {
            answer_plainly(peer.fd, 403);
            close(peer.fd);
            continue;
        }
        event.data.ptr = conn_new(h, &peer);
        if (epoll_ctl(h->heads, EPOLL_CTL_ADD, peer.fd, &event) < 0)
            conn_close(event.data.ptr);
    }
    return n > TURN;
}

static bool look_at_heads(struct http *h)
{
    struct epoll_event events[TURN];
    int n = epoll_wait(h->heads, events, TURN, 0);

    for (int i = 0; i < n; i++)
        look_at_head(events[i].data.ptr, events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
    return n == TURN;
}

/* ---- events ---- */

/* A second line that is not blank: objects one a line, whatever the sender calls it. */
static bool has_lines(struct slice body)
{
    const char *line = memchr(body.p, '\n', body.n);

    for (; line && line < body.p + body.n; line++)
        if (!strchr(" \t\r\n", *line))
            return true;
    return false;
}

static const struct format *choose_format(struct conn *c)
{
    static const struct {
        const char *type, *format;
    } types[] = {
        {"application/json", "json"},
        {"application/cloudevents+json", "json"},
        {"application/cloudevents-batch+json", "json"},
        {"application/x-ndjson", "ndjson"},
        {"application/ndjson", "ndjson"},
        {"application/jsonl", "ndjson"},
        {"text/csv", "csv"},
    };
    const char *type = MHD_lookup_connection_value(c->mhd, MHD_HEADER_KIND, "Content-Type");
    size_t n = type ? strcspn(type, "; \t") : 0;
    struct slice body = buf_all(&c->body);
    const struct format *format;

    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (n != strlen(types[i].type) || strncasecmp(type, types[i].type, n) != 0)
            continue;
        format = format_find(slice_of(types[i].format));
        if (strcmp(types[i].format, "json") == 0 && body.p[0] == '{' && has_lines(body) &&
            format_sniff(body, true) == format_find(SLICE("ndjson")))
            format = format_find(SLICE("ndjson"));
        return format;
    }
    return NULL;
}

static void open_stream(struct conn *c)
{
    const struct source_env *env = c->http->env;
    const struct sockaddr *address = (const struct sockaddr *)&c->peer.address;
    char name[ADDRESS_TEXT], host[ADDRESS_TEXT];
    struct stream_config config = {.kind = STREAM_BODY, .origin = name, .device = host};

    address_print(address, name);
    address_print_host(address, host);
    config.format = choose_format(c);
    if (sink_receipts(env->sink))
        config.track = c->track = track_new(TRACK_TELL, c->http->number);
    c->stream = stream_open(env->pump, &config);
    memcpy(stream_room(c->stream, c->body.len), c->body.data, c->body.len);
    stream_added(c->stream, c->body.len);
    stream_end(c->stream);
    buf_free(&c->body);
}

/* The reply is known: the library goes on with the request and asks for it. */
static void resume(struct conn *c, unsigned status, const char *error)
{
    set_reply(c, status, error);
    c->suspended = false;
    enter(c, PHASE_REPLY, REPLY_MS);
    MHD_resume_connection(c->mhd);
}

static void feed(struct conn *c)
{
    struct http *h = c->http;
    struct fault why;

    if (!c->stream)
        open_stream(c);
    switch (stream_run(c->stream, &why)) {
    case STREAM_END:
        c->phase = PHASE_WAIT; /* the deadline stays */
        break;
    case STREAM_ERROR:
        h->failed = sink_fault(h->env->sink) || pump_failed(h->env->pump);
        h->why = why;
        if (h->failed)
            return;
        msg_warn("%s: %s", h->operand, why.text);
        resume(c, 500, "not readable as it is set up here");
        break;
    default:
        break;
    }
}

static void answer(struct conn *c)
{
    struct sink *sink = c->http->env->sink;
    const struct track *t = c->track;
    unsigned long long events = stream_events(c->stream), bad = stream_bad(c->stream);

    if (t && t->refused > 0)
        resume(c, 413, "too many events in one body");
    else if (t && (t->unfinal > 0 || (t->pending > 0 && sink_down(sink))))
        resume(c, 503, error_text(503));
    else if (!t || t->pending == 0) {
        resume(c, 200, "");
        if (bad > 0)
            snprintf(c->reply, sizeof c->reply, "{\"accepted\":%llu,\"not_understood\":%llu}\n",
                events, bad);
        else
            snprintf(c->reply, sizeof c->reply, "{\"accepted\":%llu}\n", events);
    }
}

/* Requests in the order of their coming; answers after one flush for all. */
static bool serve(struct http *h)
{
    bool fed = false, full = false;
    struct conn *c, *next;

    h->fresh = false;
    for (c = h->first; c && !h->failed; c = c->next) {
        if (c->phase != PHASE_FEED)
            continue;
        if (sink_down(h->env->sink)) {
            resume(c, 503, error_text(503));
            continue;
        }
        feed(c);
        fed = fed || c->phase == PHASE_WAIT;
        full = full || c->phase == PHASE_FEED;
    }
    if (h->failed || (fed && sink_flush(h->env->sink) < 0))
        return full;
    for (c = h->first; c; c = next) {
        next = c->next;
        if (c->phase == PHASE_WAIT)
            answer(c);
    }
    return full;
}

/* ---- time ---- */

static void expire(struct conn *c)
{
    switch (c->phase) {
    case PHASE_HEAD:
        answer_plainly(c->peer.fd, 408);
        conn_close(c);
        break;
    case PHASE_FEED:
    case PHASE_WAIT:
        if (c->track)
            sink_abandon(c->http->env->sink, c->track);
        resume(c, 503, error_text(503));
        break;
    default:
        c->deadline_ms = INT64_MAX;
        shutdown(c->peer.fd, SHUT_RDWR);
        break;
    }
}

static void expire_all(struct http *h)
{
    int64_t now = monotonic_ms();
    struct conn *next;

    for (struct conn *c = h->first; c; c = next) {
        next = c->next;
        if (now >= c->deadline_ms)
            expire(c);
    }
}

/* ---- the source ---- */

static bool http_takes(const struct source_env *env, const char *operand)
{
    return env->listen && source_scheme(operand, "http", NULL);
}

static void http_close(void *state)
{
    struct http *h = state;
    struct conn *next;

    if (!h)
        return;
    for (struct conn *c = h->first; c; c = next) {
        next = c->next;
        if (c->phase == PHASE_HEAD)
            conn_close(c);
        else if (c->suspended)
            MHD_resume_connection(c->mhd); /* the library does not end with suspended ones */
    }
    if (h->daemon)
        MHD_stop_daemon(h->daemon);
    while (h->first)
        conn_free(h->first);
    listener_close(h->listener);
    if (h->heads >= 0)
        close(h->heads);
    secret_forget(&h->token);
    free(h->by_fd);
    free(h);
}

static int start_library(struct http *h, struct fault *why)
{
    const union MHD_DaemonInfo *info;

    h->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, handle,
        h, MHD_OPTION_NOTIFY_COMPLETED, completed, NULL, MHD_OPTION_NOTIFY_CONNECTION,
        notify_connection, h, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_BYTES,
        MHD_OPTION_CONNECTION_LIMIT, MOST, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    info = h->daemon ? MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (!info)
        return fault_set(why, EX_OSERR, "%s: cannot start the HTTP server", h->operand);
    h->library = info->epoll_fd;
    return 0;
}

static void *http_open(
    const struct source_env *env, const char *operand, size_t number, struct fault *why)
{
    struct http *h = mem_alloc(sizeof *h);
    struct listener_config config = {.operand = operand,
        .allow = env->allow,
        .allow_count = env->allow_count,
        .guarded = env->token_file != NULL,
        .most = MOST,
        .per_peer = PER_PEER,
        .defer_s = DEFER_S};
    const char *rest = NULL;

    *h = (struct http){.env = env, .operand = operand, .number = number, .heads = -1};
    source_scheme(operand, "http", &rest);
    if (endpoint_parse(operand, rest, &config.at, why) < 0)
        goto out;
    if (env->token_file && secret_read(env->token_file, &h->token, why) < 0)
        goto out;
    h->heads = epoll_create1(EPOLL_CLOEXEC);
    if (start_library(h, why) < 0)
        goto out;
    h->listener = listener_open(&config, why);
    if (h->listener)
        return h;
out:
    http_close(h);
    return NULL;
}

static enum source_state http_run(void *state, struct fault *why)
{
    struct http *h = state;
    bool busy, full;

    busy = accept_peers(h);
    busy = look_at_heads(h) || busy;
    MHD_run(h->daemon);
    full = serve(h);
    if (h->failed || sink_fault(h->env->sink)) {
        *why = h->failed ? h->why : *sink_fault(h->env->sink);
        return SOURCE_ERROR;
    }
    expire_all(h);
    MHD_run(h->daemon); /* what was resumed just now */
    if (h->stopping && !h->first)
        return SOURCE_END;
    return busy || h->fresh ? SOURCE_MORE : full ? SOURCE_FULL : SOURCE_WAIT;
}

static nfds_t http_poll(void *state, bool room, struct pollfd *fds, int *timeout_ms)
{
    struct http *h = state;
    int64_t first = INT64_MAX, now = monotonic_ms();
    MHD_UNSIGNED_LONG_LONG library_ms;
    nfds_t n = h->stopping ? 0 : listener_poll(h->listener, fds, timeout_ms);

    (void)room;
    fds[n++] = (struct pollfd){.fd = h->heads, .events = POLLIN};
    fds[n++] = (struct pollfd){.fd = h->library, .events = POLLIN};
    if (MHD_get_timeout(h->daemon, &library_ms) == MHD_YES)
        first = now + (int64_t)(library_ms > 60000 ? 60000 : library_ms);
    for (const struct conn *c = h->first; c; c = c->next)
        first = c->deadline_ms < first ? c->deadline_ms : first;
    if (first != INT64_MAX && (*timeout_ms < 0 || first - now < *timeout_ms))
        *timeout_ms = first > now ? (int)(first - now) : 0;
    return n;
}

/* Nobody new; heads are dropped; bodies have a moment; what is on its way gets its answer. */
static void http_stop(void *state)
{
    struct http *h = state;
    int64_t until = monotonic_ms() + STOP_BODY_MS;
    struct conn *next;

    h->stopping = true;
    for (struct conn *c = h->first; c; c = next) {
        next = c->next;
        if (c->phase == PHASE_HEAD)
            conn_close(c);
        else if (c->phase == PHASE_BODY && c->deadline_ms > until)
            c->deadline_ms = until;
    }
}

/* SIGHUP: the token may have changed; one that cannot be read leaves the old one in force. */
static void http_reload(void *state)
{
    struct http *h = state;
    struct buf token = {0};
    struct fault why;

    if (!h->env->token_file)
        return;
    if (secret_read(h->env->token_file, &token, &why) < 0) {
        msg_warn("%s; the token stays as it was", why.text);
        return;
    }
    secret_forget(&h->token);
    h->token = token;
}

const struct source source_http = {
    .name = "http",
    .synopsis = "-l http://[host]:port: events by POST or PUT",
    .takes = http_takes,
    .open = http_open,
    .run = http_run,
    .poll = http_poll,
    .stop = http_stop,
    .reload = http_reload,
    .close = http_close,
};

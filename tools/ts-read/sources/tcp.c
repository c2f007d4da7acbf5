/* SPDX-License-Identifier: MIT */
/*
 * tcp://host:port: one stream from a device; with -F connected again for ever.
 * -l tcp://[host]:port: one stream from each peer that connects.
 *
 * A peer cannot be told to send again, so its events are repeated until they are stored.  An idle
 * peer may stay (a reader is silent all night; TCP keepalive notices dead ones), unless all places
 * are taken; half a record may not.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <unistd.h>

#include "listener.h"
#include "msg.h"
#include "source.h"
#include "stop.h"

#define MOST 1024u
#define PER_PEER 256u
#define READ_BYTES (64u << 10) /* one read of one peer */
#define PEERS_BYTES (6u << 20) /* of all half records together */
#define TURN 64                /* peers accepted, or read, in one go */
#define HALF_MS 60000          /* for a record to become whole */
#define IDLE_MS 60000          /* before an idle peer may have to make place */
#define QUIET_MS 60000
#define CONNECT_MS 10000
#define BACKOFF_FIRST_MS 1000
#define BACKOFF_LAST_MS 60000
#define STEADY_MS 60000 /* a connection that lived this long starts again at the first step */

struct conn {
    struct tcp *tcp;
    struct conn *next, *previous;
    struct peer peer;
    struct stream *stream;
    struct track *track;
    size_t waiting;   /* bytes of a half record */
    int64_t heard_ms; /* when bytes came last */
    int64_t half_ms;  /* since when there is half a record; 0: there is none */
    bool full, ended;
};

struct tcp {
    const struct source_env *env;
    const char *operand;
    size_t number;
    struct endpoint at;
    struct listener *listener; /* NULL: connecting */
    int epoll;
    struct conn *first;
    unsigned full; /* connections whose stream the sink had no room for */
    size_t waiting_bytes;
    int64_t quiet_until_ms; /* a condition is told when it begins */
    bool stopping;
    /* connecting: */
    int fd; /* of a connection that is being made; -1 */
    int64_t deadline_ms, resume_ms, since_ms;
    int backoff_ms;
    bool down; /* said so */
};

/* ---- connections ---- */

static void keep_alive(int fd)
{
    int on = 1, idle_s = 60, every_s = 15, tries = 4;

    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every_s, sizeof every_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &tries, sizeof tries);
}

static void conn_new(struct tcp *t, const struct peer *peer)
{
    struct conn *c = mem_alloc(sizeof *c);
    const struct sockaddr *address = (const struct sockaddr *)&peer->address;
    char name[ADDRESS_TEXT], host[ADDRESS_TEXT];
    struct stream_config config = {.kind = STREAM_PEER, .origin = name, .device = host};
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = c};

    *c = (struct conn){.tcp = t, .peer = *peer, .next = t->first, .heard_ms = monotonic_ms()};
    if (t->first)
        t->first->previous = c;
    t->first = c;
    address_print(address, name);
    address_print_host(address, host);
    if (sink_receipts(t->env->sink))
        c->track = config.track = track_new(TRACK_REPEAT, t->number, NULL);
    c->stream = stream_open(t->env->pump, &config);
    keep_alive(peer->fd);
    epoll_ctl(t->epoll, EPOLL_CTL_ADD, peer->fd, &event);
}

static void conn_close(struct conn *c)
{
    struct tcp *t = c->tcp;

    if (c->previous)
        c->previous->next = c->next;
    else
        t->first = c->next;
    if (c->next)
        c->next->previous = c->previous;
    t->full -= c->full;
    t->waiting_bytes -= c->waiting;
    if (t->listener)
        listener_release(t->listener, &c->peer);
    close(c->peer.fd);
    stream_close(c->stream);
    track_drop(c->track);
    free(c);
}

/* Turns what came into events.  1: the connection is gone; -1: nothing can go on. */
static int conn_work(struct conn *c, struct fault *why)
{
    struct tcp *t = c->tcp;
    enum stream_state state = stream_run(c->stream, why);

    if (state == STREAM_ERROR && (sink_fault(t->env->sink) || pump_failed(t->env->pump)))
        return -1;
    if (state == STREAM_ERROR)
        msg_warn("%s: %s", t->operand, why->text);
    if (state == STREAM_ERROR || state == STREAM_END) {
        conn_close(c);
        return 1;
    }
    t->full -= c->full;
    c->full = state == STREAM_FULL;
    t->full += c->full;
    stream_trim(c->stream);
    t->waiting_bytes += stream_waiting(c->stream) - c->waiting;
    c->waiting = stream_waiting(c->stream);
    if (c->full || c->waiting == 0)
        c->half_ms = 0;
    else if (c->half_ms == 0)
        c->half_ms = monotonic_ms();
    return 0;
}

/* No more of this peer: what is there of a record is reported as torn. */
static int conn_end(struct conn *c, struct fault *why)
{
    c->ended = true;
    stream_end(c->stream);
    epoll_ctl(c->tcp->epoll, EPOLL_CTL_DEL, c->peer.fd, NULL);
    return conn_work(c, why);
}

static int conn_read(struct conn *c, struct fault *why)
{
    struct tcp *t = c->tcp;
    ssize_t n;
    int rc;

    if (c->full || c->ended)
        return 0;
    n = recv(c->peer.fd, stream_room(c->stream, READ_BYTES), READ_BYTES, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0)
        return conn_end(c, why);
    c->heard_ms = monotonic_ms();
    stream_added(c->stream, (size_t)n);
    rc = conn_work(c, why);
    if (rc == 0 && t->waiting_bytes > PEERS_BYTES) {
        if (monotonic_ms() >= t->quiet_until_ms)
            msg_warn("%s: too many half records in memory: a peer was cut off", t->operand);
        t->quiet_until_ms = monotonic_ms() + QUIET_MS;
        return conn_end(c, why);
    }
    return rc;
}

/* ---- listening ---- */

/* All places taken: the peer that is idle for longest makes place, if it is idle for long. */
static void make_place(struct tcp *t)
{
    struct conn *idle = NULL;

    for (struct conn *c = t->first; c; c = c->next)
        if (!c->full && c->waiting == 0 && (!idle || c->heard_ms < idle->heard_ms))
            idle = c;
    if (idle && monotonic_ms() - idle->heard_ms > IDLE_MS)
        conn_close(idle);
}

static bool accept_peers(struct tcp *t)
{
    struct peer peer;
    int n = 0;

    if (listener_full(t->listener))
        make_place(t);
    while (n++ < TURN && listener_accept(t->listener, &peer))
        conn_new(t, &peer);
    return n > TURN;
}

/* ---- connecting ---- */

static void again_later(struct tcp *t, const char *what)
{
    uint32_t random = 0;

    if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
        random = (uint32_t)monotonic_ms();
    if (!t->down)
        msg_warn("%s: %s: trying again until it works", t->operand, what);
    t->down = true;
    if (t->since_ms && monotonic_ms() - t->since_ms > STEADY_MS)
        t->backoff_ms = BACKOFF_FIRST_MS;
    t->since_ms = 0;
    t->resume_ms = monotonic_ms() + t->backoff_ms / 2 + random % (unsigned)t->backoff_ms / 2;
    t->backoff_ms = t->backoff_ms * 2 > BACKOFF_LAST_MS ? BACKOFF_LAST_MS : t->backoff_ms * 2;
}

/* Could not be connected: with -F later again, else the end of it. */
static int not_connected(struct tcp *t, const char *what, struct fault *why)
{
    if (t->fd >= 0)
        close(t->fd);
    t->fd = -1;
    if (!t->env->follow)
        return fault_set(why, EX_UNAVAILABLE, "%s: cannot connect: %s", t->operand, what);
    again_later(t, what);
    return 0;
}

static int begin_connect(struct tcp *t, struct fault *why)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *a = NULL;
    const char *host = *t->at.host ? t->at.host : "127.0.0.1";
    int rc = getaddrinfo(host, t->at.port, &hints, &a), error = 0;

    if (rc != 0)
        return not_connected(t, gai_strerror(rc), why);
    t->fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (t->fd < 0 || (connect(t->fd, a->ai_addr, a->ai_addrlen) < 0 && errno != EINPROGRESS))
        error = errno;
    freeaddrinfo(a);
    t->deadline_ms = monotonic_ms() + CONNECT_MS;
    return error ? not_connected(t, strerror(error), why) : 0;
}

static int end_connect(struct tcp *t, struct fault *why)
{
    struct pollfd out = {.fd = t->fd, .events = POLLOUT};
    struct peer peer = {.fd = t->fd, .address_bytes = sizeof peer.address};
    socklen_t n = sizeof(int);
    int error = 0;

    if (poll(&out, 1, 0) == 0)
        return monotonic_ms() < t->deadline_ms ? 0 : not_connected(t, "no answer", why);
    if (getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0 || error != 0)
        return not_connected(t, strerror(error), why);
    getpeername(t->fd, (struct sockaddr *)&peer.address, &peer.address_bytes);
    t->fd = -1;
    t->since_ms = monotonic_ms();
    if (t->down)
        msg_warn("%s: connected again", t->operand);
    t->down = false;
    conn_new(t, &peer);
    return 0;
}

/* 0, or -1; *end when there is no connection and none will come. */
static int stay_connected(struct tcp *t, bool *end, struct fault *why)
{
    if (t->first)
        return 0;
    if (t->fd >= 0)
        return end_connect(t, why);
    if (t->since_ms && t->env->follow)
        again_later(t, "the connection ended");
    else if (t->since_ms)
        *end = true;
    else if (monotonic_ms() >= t->resume_ms)
        return begin_connect(t, why);
    return 0;
}

/* ---- the source ---- */

static bool tcp_takes(const struct source_env *env, const char *operand)
{
    (void)env;
    return source_scheme(operand, "tcp", NULL);
}

static void tcp_close(void *state)
{
    struct tcp *t = state;

    if (!t)
        return;
    while (t->first)
        conn_close(t->first);
    listener_close(t->listener);
    if (t->fd >= 0)
        close(t->fd);
    if (t->epoll >= 0)
        close(t->epoll);
    free(t);
}

static int start(struct tcp *t, struct fault *why)
{
    struct listener_config config = {.operand = t->operand,
        .at = t->at,
        .allow = t->env->allow,
        .allow_count = t->env->allow_count,
        .most = MOST,
        .per_peer = PER_PEER};

    t->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (t->epoll < 0)
        return fault_errno(why, EX_OSERR, "%s: cannot open", t->operand);
    if (!t->env->listen)
        return 0;
    t->listener = listener_open(&config, why);
    return t->listener ? 0 : -1;
}

static void *tcp_open(
    const struct source_env *env, const char *operand, size_t number, struct fault *why)
{
    struct tcp *t = mem_alloc(sizeof *t);
    const char *rest = NULL;

    *t = (struct tcp){.env = env,
        .operand = operand,
        .number = number,
        .epoll = -1,
        .fd = -1,
        .backoff_ms = BACKOFF_FIRST_MS};
    source_scheme(operand, "tcp", &rest);
    if (endpoint_parse(operand, rest, &t->at, why) == 0 && start(t, why) == 0)
        return t;
    tcp_close(t);
    return NULL;
}

/* What a full sink left over, before anything new is read. */
static int work_off(struct tcp *t, struct fault *why)
{
    struct conn *next;

    for (struct conn *c = t->first; c && t->full > 0; c = next) {
        next = c->next;
        if (c->full && conn_work(c, why) < 0)
            return -1;
    }
    return 0;
}

static int read_peers(struct tcp *t, bool *more, struct fault *why)
{
    struct epoll_event events[TURN];
    int n = epoll_wait(t->epoll, events, TURN, 0);

    for (int i = 0; i < n && sink_room(t->env->sink); i++)
        if (conn_read(events[i].data.ptr, why) < 0)
            return -1;
    *more = *more || n == TURN;
    return 0;
}

static int end_half_records(struct tcp *t, struct fault *why)
{
    int64_t now = monotonic_ms();
    struct conn *next;

    for (struct conn *c = t->first; c; c = next) {
        next = c->next;
        if (c->half_ms && now - c->half_ms > HALF_MS && conn_end(c, why) < 0)
            return -1;
    }
    return 0;
}

/* What the peers have sent so far is in hand: it is read, and half a record told as torn. */
static int finish_peers(struct tcp *t, struct fault *why)
{
    struct conn *next;
    int rc = 0;

    for (struct conn *c = t->first; c && rc >= 0 && sink_room(t->env->sink); c = next) {
        next = c->next;
        if (c->ended)
            continue;
        rc = conn_read(c, why);
        if (rc == 0 && !c->full && !c->ended)
            rc = conn_end(c, why);
    }
    return rc;
}

static enum source_state tcp_run(void *state, struct fault *why)
{
    struct tcp *t = state;
    bool more = false, end = false;

    if (sink_over(t->env->sink))
        return SOURCE_END;
    if (work_off(t, why) < 0)
        return SOURCE_ERROR;
    if (t->full > 0)
        return SOURCE_FULL;
    if (t->stopping && finish_peers(t, why) < 0)
        return SOURCE_ERROR;
    if (t->stopping)
        return t->first ? SOURCE_FULL : SOURCE_END;
    if (t->listener)
        more = accept_peers(t);
    else if (stay_connected(t, &end, why) < 0)
        return SOURCE_ERROR;
    if (end)
        return SOURCE_END;
    if (read_peers(t, &more, why) < 0 || end_half_records(t, why) < 0)
        return SOURCE_ERROR;
    return t->full > 0 ? SOURCE_FULL : more ? SOURCE_MORE : SOURCE_WAIT;
}

static void lower(int *timeout_ms, int64_t to_ms)
{
    if (*timeout_ms < 0 || to_ms < *timeout_ms)
        *timeout_ms = to_ms > 0 ? (int)to_ms : 0;
}

static nfds_t tcp_poll(void *state, bool room, struct pollfd *fds, int *timeout_ms)
{
    struct tcp *t = state;
    int64_t now = monotonic_ms();
    nfds_t n = 0;

    if (!room)
        return 0;
    if (t->listener)
        n = listener_poll(t->listener, fds, timeout_ms);
    if (t->listener && n == 0) /* full: look for one that may make place */
        lower(timeout_ms, 1000);
    if (t->fd >= 0)
        fds[n++] = (struct pollfd){.fd = t->fd, .events = POLLOUT};
    if (t->fd >= 0)
        lower(timeout_ms, t->deadline_ms - now);
    if (!t->listener && !t->first && t->fd < 0)
        lower(timeout_ms, t->since_ms ? 0 : t->resume_ms - now);
    for (const struct conn *c = t->first; c; c = c->next)
        if (c->half_ms)
            lower(timeout_ms, c->half_ms + HALF_MS + 1 - now);
    fds[n++] = (struct pollfd){.fd = t->epoll, .events = POLLIN};
    return n;
}

/* Who is in the queue of the listening socket may have sent its events already. */
static void tcp_stop(void *state)
{
    struct tcp *t = state;

    t->stopping = true;
    while (t->listener && accept_peers(t))
        ;
}

const struct source source_tcp = {
    .name = "tcp",
    .synopsis = "tcp://host:port, or -l tcp://[host]:port",
    .takes = tcp_takes,
    .open = tcp_open,
    .run = tcp_run,
    .poll = tcp_poll,
    .stop = tcp_stop,
    .close = tcp_close,
};

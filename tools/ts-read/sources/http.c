/* SPDX-License-Identifier: MIT */
/*
 * -l http://…: events by POST or PUT over HTTP/1.1.  One epoll holds the listener and all
 * connections, told once of each change (EPOLLET): what is known to be readable is looked at until
 * it is not.  Connections are freed in one place only, where they are looked at.
 */
#include "http.h"

#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "msg.h"
#include "secret.h"
#include "stop.h"

#define MOST 4096u
#define PER_PEER 1024u
#define DEFER_S 5
#define STOP_BODY_MS 2000 /* for bodies that are on their way when the end is wanted */
#define TURN 256          /* connections accepted, or looked at, in one go */

static const int phase_ms[PHASES] = {
    [PHASE_IDLE] = 75000,
    [PHASE_HEAD] = 5000,
    [PHASE_BODY] = 30000,
    [PHASE_REPLY] = 10000,
    [PHASE_LINGER] = 2000,
};

/* ---- lists ---- */

static void list_remove(struct conn *c)
{
    struct phase_list *l = &c->http->phase[c->phase];

    if (c->previous)
        c->previous->next = c->next;
    else
        l->first = c->next;
    if (c->next)
        c->next->previous = c->previous;
    else
        l->last = c->previous;
}

static void list_append(struct conn *c, enum phase phase)
{
    struct phase_list *l = &c->http->phase[phase];

    c->phase = phase;
    c->next = NULL;
    c->previous = l->last;
    if (l->last)
        l->last->next = c;
    else
        l->first = c;
    l->last = c;
}

void http_enter(struct conn *c, enum phase phase)
{
    list_remove(c);
    list_append(c, phase);
    if (phase == PHASE_FEED)
        c->deadline_ms = monotonic_ms() + c->http->env->answer_ms;
    else if (phase != PHASE_WAIT) /* it waits since FEED */
        c->deadline_ms = monotonic_ms() + phase_ms[phase];
}

static void add_ready(struct phase_list *l, struct conn *c)
{
    c->ready = true;
    c->next_ready = NULL;
    if (l->last)
        l->last->next_ready = c;
    else
        l->first = c;
    l->last = c;
}

void http_ready(struct conn *c)
{
    if (!c->ready)
        add_ready(&c->http->ready, c);
}

void http_hold(struct conn *c)
{
    size_t held = c->in.cap + c->body.cap + c->request.kept.cap;

    if (c->stream)
        held += stream_room_bytes(c->stream);
    c->http->held_bytes += held - c->held;
    c->held = held;
}

/* ---- connections ---- */

static void conn_free(struct conn *c)
{
    struct http *h = c->http;

    http_forget(c);
    h->held_bytes -= c->held;
    buf_free(&c->in);
    buf_free(&c->out);
    list_remove(c);
    listener_release(h->listener, &c->peer);
    close(c->peer.fd);
    h->waiting = true; /* a place is free */
    free(c);
}

static void conn_new(struct http *h, const struct peer *peer)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
    struct conn *c = mem_alloc(sizeof *c);
    int on = 1;

    memset(c, 0, sizeof *c);
    c->http = h;
    c->peer = *peer;
    c->readable = c->writable = true;
    c->deadline_ms = monotonic_ms() + phase_ms[PHASE_HEAD];
    list_append(c, PHASE_HEAD);
    address_print((const struct sockaddr *)&peer->address, c->name);
    address_print_host((const struct sockaddr *)&peer->address, c->host);
    setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    event.data.ptr = c;
    if (epoll_ctl(h->epoll, EPOLL_CTL_ADD, peer->fd, &event) < 0)
        c->gone = true;
    http_ready(c);
}

static bool is_reading(const struct conn *c)
{
    return c->phase <= PHASE_BODY || c->phase == PHASE_LINGER;
}

/* Who is read also when too much is held: the oldest body, unless a whole one is on its way and
   will make room. */
static struct conn *privileged(const struct http *h)
{
    return h->phase[PHASE_FEED].first ? NULL : h->phase[PHASE_BODY].first;
}

/* One that reads while others hold too much waits. */
static bool must_starve(const struct conn *c)
{
    const struct http *h = c->http;

    return h->held_bytes > HTTP_HELD_BYTES && c->phase != PHASE_LINGER && c != privileged(h);
}

static void look_at(struct conn *c)
{
    struct http *h = c->http;

    if (!c->gone && c->phase == PHASE_REPLY && c->writable)
        http_send(c);
    if (!c->gone && c->phase == PHASE_IDLE && c->in.len > 0)
        http_use(c, buf_all(&c->in));
    if (!c->gone && c->readable && is_reading(c)) {
        c->starved = must_starve(c);
        if (c->starved) {
            if (!c->ready)
                add_ready(&h->starved, c);
            return;
        }
        http_read(c);
    }
    if (c->ready)
        return; /* it comes again, then also to its end */
    if (c->gone)
        conn_free(c);
    else if (c->readable && is_reading(c))
        http_ready(c);
}

/* Those that starved are looked at again once there is room; the oldest body is, in any case. */
static void feed_starved(struct http *h)
{
    struct phase_list all = h->starved;
    struct conn *next, *first = privileged(h);

    if (!all.first || (h->held_bytes > HTTP_HELD_BYTES && (!first || !first->starved)))
        return;
    h->starved = (struct phase_list){0};
    for (struct conn *c = all.first; c; c = next) {
        next = c->next_ready;
        add_ready(&h->ready, c);
    }
}

/* ---- one turn ---- */

/* All places taken: whoever has been silent for longest between two requests makes room. */
static void make_place(struct http *h)
{
    struct pollfd in = {.fd = listener_fd(h->listener), .events = POLLIN};
    struct conn *c = h->phase[PHASE_IDLE].first;

    if (c && poll(&in, 1, 0) > 0) {
        c->gone = true;
        http_ready(c);
    }
}

/* Whether somebody waits who could be accepted at once. */
static bool may_accept(const struct http *h)
{
    return h->waiting && !h->stopping && !listener_full(h->listener) &&
           listener_resume_ms(h->listener) == INT64_MAX;
}

static void accept_peers(struct http *h)
{
    struct peer peer;
    int n = 0;

    while (n < TURN && listener_accept(h->listener, &peer)) {
        conn_new(h, &peer);
        n++;
    }
    h->waiting =
        n == TURN || listener_full(h->listener) || listener_resume_ms(h->listener) != INT64_MAX;
}

/* What the kernel tells is only noted: nothing is freed while further events name it. */
static bool note_events(struct http *h)
{
    struct epoll_event events[TURN];
    int n = epoll_wait(h->epoll, events, TURN, 0);

    for (int i = 0; i < n; i++) {
        struct conn *c = events[i].data.ptr;
        uint32_t what = events[i].events;

        if (!c) {
            h->waiting = true;
            continue;
        }
        c->readable = c->readable || (what & (EPOLLIN | EPOLLRDHUP));
        c->writable = c->writable || (what & EPOLLOUT);
        c->gone = c->gone || (what & (EPOLLHUP | EPOLLERR));
        if (c->gone || (c->readable && is_reading(c)) || c->phase == PHASE_REPLY)
            http_ready(c);
    }
    return n == TURN;
}

static void look_at_ready(struct http *h)
{
    for (int n = 0; n < TURN && h->ready.first; n++) {
        struct conn *c = h->ready.first;

        h->ready.first = c->next_ready;
        if (!h->ready.first)
            h->ready.last = NULL;
        c->ready = false;
        look_at(c);
    }
}

/* Requests in the order of their coming; true while the sink has no room for the first. */
static bool feed_all(struct http *h)
{
    struct conn *c;

    while ((c = h->phase[PHASE_FEED].first) && !h->failed) {
        if (sink_down(h->env->sink))
            http_refuse(c, 503, NULL);
        else
            http_feed(c);
        if (c->phase == PHASE_FEED)
            return !h->failed;
    }
    return false;
}

/* ---- time ---- */

/* The store takes nothing: those who wait for room would only hear the same later. */
static void refuse_starved(struct http *h)
{
    struct phase_list all = h->starved;
    struct conn *next;

    h->starved = (struct phase_list){0};
    for (struct conn *c = all.first; c; c = next) {
        next = c->next_ready;
        if (c->phase == PHASE_BODY) {
            c->close = true;
            http_refuse(c, 503, NULL);
        }
        add_ready(&h->ready, c);
    }
}

static void expire(struct conn *c)
{
    switch (c->phase) {
    case PHASE_HEAD:
    case PHASE_BODY:
        c->close = true;
        c->bare = false;
        http_refuse(c, c->starved ? 503 : 408, NULL);
        break;
    case PHASE_FEED:
    case PHASE_WAIT:
        http_refuse(c, 503, NULL);
        refuse_starved(c->http);
        break;
    default:
        c->gone = true;
        c->deadline_ms = INT64_MAX;
        http_ready(c);
        break;
    }
}

static void expire_all(struct http *h)
{
    int64_t now = monotonic_ms();

    for (int i = 0; i < PHASES; i++)
        for (struct conn *c = h->phase[i].first, *next; c && now >= c->deadline_ms; c = next) {
            next = c->next;
            expire(c);
        }
}

static bool is_empty(const struct http *h)
{
    for (int i = 0; i < PHASES; i++)
        if (h->phase[i].first)
            return false;
    return true;
}

/* Whoever is in no request any more. */
static void close_idle(struct http *h)
{
    static const enum phase phases[] = {PHASE_IDLE, PHASE_HEAD, PHASE_LINGER};

    for (size_t i = 0; i < sizeof phases / sizeof *phases; i++)
        for (struct conn *c = h->phase[phases[i]].first; c; c = c->next) {
            c->gone = true;
            http_ready(c);
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

    if (!h)
        return;
    for (int i = 0; i < PHASES; i++)
        while (h->phase[i].first)
            conn_free(h->phase[i].first);
    listener_close(h->listener);
    if (h->epoll >= 0)
        close(h->epoll);
    for (size_t i = 0; dialects[i]; i++)
        if (dialects[i]->close)
            dialects[i]->close(h->dialect[i]);
    push_watch_free(h->watch);
    buf_free(&h->text);
    secret_forget(&h->token);
    free(h);
}

static int open_dialects(struct http *h, struct fault *why)
{
    for (size_t i = 0; dialects[i]; i++)
        if (dialects[i]->open && !(h->dialect[i] = dialects[i]->open(h->env, why)))
            return -1;
    return 0;
}

static void *http_open(
    const struct source_env *env, const char *operand, size_t number, struct fault *why)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    struct http *h = mem_alloc(sizeof *h);
    struct listener_config config = {.operand = operand,
        .allow = env->allow,
        .allow_count = env->allow_count,
        .guarded = env->token_file != NULL,
        .most = MOST,
        .per_peer = PER_PEER,
        .defer_s = DEFER_S,
        .forbidden = http_forbidden,
        .busy = http_busy};
    const char *rest = NULL;

    *h = (struct http){.env = env, .operand = operand, .number = number, .epoll = -1};
    h->watch = push_watch_new();
    source_scheme(operand, "http", &rest);
    if (endpoint_parse(operand, rest, &config.at, why) < 0)
        goto out;
    if (env->token_file && secret_read(env->token_file, &h->token, why) < 0)
        goto out;
    if (open_dialects(h, why) < 0)
        goto out;
    h->listener = listener_open(&config, why);
    if (!h->listener)
        goto out;
    h->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (h->epoll >= 0 && epoll_ctl(h->epoll, EPOLL_CTL_ADD, listener_fd(h->listener), &event) == 0)
        return h;
    fault_errno(why, EX_OSERR, "%s: cannot wait for peers", operand);
out:
    http_close(h);
    return NULL;
}

static enum source_state http_run(void *state, struct fault *why)
{
    struct http *h = state;
    bool busy = note_events(h), full;

    if (may_accept(h))
        accept_peers(h);
    else if (h->waiting && listener_full(h->listener))
        make_place(h);
    look_at_ready(h);
    full = feed_all(h);
    if (h->failed || sink_fault(h->env->sink)) {
        *why = h->failed ? h->why : *sink_fault(h->env->sink);
        return SOURCE_ERROR;
    }
    expire_all(h);
    feed_starved(h);
    if (h->stopping) {
        close_idle(h);
        if (is_empty(h))
            return SOURCE_END;
    }
    busy = busy || h->ready.first || may_accept(h);
    return busy ? SOURCE_MORE : full ? SOURCE_FULL : SOURCE_WAIT;
}

static nfds_t http_poll(void *state, bool room, struct pollfd *fds, int *timeout_ms)
{
    struct http *h = state;
    int64_t first = listener_resume_ms(h->listener), now = monotonic_ms();

    (void)room;
    fds[0] = (struct pollfd){.fd = h->epoll, .events = POLLIN};
    for (int i = 0; i < PHASES; i++)
        if (h->phase[i].first && h->phase[i].first->deadline_ms < first)
            first = h->phase[i].first->deadline_ms;
    if (first != INT64_MAX && (*timeout_ms < 0 || first - now < *timeout_ms))
        *timeout_ms = first > now ? (int)(first - now) : 0;
    return 1;
}

/* Nobody new; heads are dropped; bodies have a moment; what is on its way gets its answer. */
static void http_stop(void *state)
{
    struct http *h = state;
    int64_t until = monotonic_ms() + STOP_BODY_MS;

    h->stopping = true;
    for (struct conn *c = h->phase[PHASE_BODY].first; c; c = c->next)
        if (c->deadline_ms > until)
            c->deadline_ms = until;
}

static void http_commit(void *state, void *token, enum verdict verdict)
{
    (void)state;
    http_settled(token, verdict);
}

/* SIGHUP: the token may have changed, or a file of a dialect; one that cannot be read leaves the
   old one in force.  The number of a descriptor that was read may be a connection's by now. */
static void http_reload(void *state)
{
    struct http *h = state;
    struct buf token = {0};
    struct fault why;

    for (size_t i = 0; dialects[i]; i++)
        if (dialects[i]->reload)
            dialects[i]->reload(h->dialect[i]);
    if (!h->env->token_file || secret_inherited(h->env->token_file))
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
    .option = dialect_option,
    .takes = http_takes,
    .open = http_open,
    .run = http_run,
    .poll = http_poll,
    .stop = http_stop,
    .commit = http_commit,
    .reload = http_reload,
    .close = http_close,
};

/* SPDX-License-Identifier: MIT */
/*
 * -l dahua://[host]:port: terminals of Dahua that register themselves (auto-register), for they are
 * behind a gateway that lets nobody in.  Each connects and says its name; then the roles turn round
 * and the terminal answers on the same connection:
 *
 *     terminal                                    here
 *     POST …/autoRegist/connect {"DeviceID":…} ->
 *                                              <- 200
 *                                              <- POST …/global/login, with digest
 *     200 {"Token":…}                          ->
 *                                              <- with X-cgi-token from now on: POST …/keep-alive
 *     200                                      ->    every 20 s (it hangs up after three of 30 s)
 *                                              <- getSerialNo, then recordFinder again and again
 *
 * A stream of events would be an answer without an end, and nothing can be asked behind it: so the
 * log alone is read, every few seconds.  It tells each passage once, with its number.
 *
 * Whoever may connect can say any name and is told a digest of the password: --allow guards it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "body.h"
#include "dahua_find.h"
#include "iclock_list.h"
#include "listener.h"
#include "msg.h"
#include "stop.h"

#define MOST 1024u /* connections, and terminals that are remembered */
#define DEFER_S 5
#define GUEST_MS 10000    /* for a guest to say who it is */
#define GUEST_BYTES 4096u /* of the body in which it does */
#define KEEP_MS 20000     /* between two keep-alives */
#define SEARCH_MS 5000    /* between two looks into the log; -o sweep */
#define THOROUGH_MS 600000
#define SEARCHES 32u /* terminals whose log is read at the same time */
#define PAGE_BYTES (256u << 10)
#define EVENTS_MAX 64
#define STRANGERS_MOST 64u /* told of by name */
#define FIELD_BYTES (DAHUA_TOKEN_BYTES + 16)

enum step { STEP_AWAY, STEP_LOGIN, STEP_KEEP, STEP_SERIAL, STEP_REST, STEP_FIND };

struct terminal {
    struct listen *listen;
    struct terminal *next;
    char name[DAHUA_NAME_BYTES]; /* as it registers itself */
    char *operand;               /* with its name: for messages and the checkpoint */
    char origin[ADDRESS_TEXT];
    char field[FIELD_BYTES]; /* its token */
    struct pull pull;
    struct dahua_find find;
    struct peer peer;
    enum step step;
    bool searching;           /* in the middle of its log */
    bool refused;             /* its password is not tried again */
    bool known, again;        /* said that it has registered; that it does twice */
    bool met;                 /* it has said its serial number over this connection */
    int64_t keep_ms, find_ms; /* when it is time for it */
    int64_t thorough_ms;      /* when it is time for a search that doubts the clock */
};

/* Has connected, and not said who it is. */
struct guest {
    struct guest *next;
    struct peer peer;
    struct buf in;
    int64_t deadline_ms;
};

struct listen {
    struct source_env env; /* as with -F: terminals come again */
    const char *operand;
    size_t number;
    struct listener *listener;
    struct web *web;
    struct iclock_list *list;
    int epoll; /* the guests */
    int64_t guest_ms, search_ms;
    struct guest *guests;
    struct terminal *terminals;
    unsigned count, searches;
    char stranger[STRANGERS_MOST][DAHUA_NAME_BYTES];
    unsigned strangers;
    bool told_other; /* that somebody speaks of something else */
    bool stopping;
};

/* ---- terminals ---- */

static void stop_searching(struct terminal *t)
{
    t->listen->searches -= t->searching;
    t->searching = false;
}

/* Its connection is over, or is ended. */
static void leave(struct terminal *t)
{
    if (t->step == STEP_AWAY)
        return;
    stop_searching(t);
    pull_hang_up(&t->pull);
    web_line_close(t->pull.how.line);
    t->pull.how.line = NULL;
    t->pull.how.field = NULL;
    listener_release(t->listen->listener, &t->peer);
    t->met = false;
    t->step = STEP_AWAY;
}

static void terminal_free(struct terminal *t)
{
    leave(t);
    units_free(&t->pull.units);
    free(t->operand);
    free(t);
}

static struct terminal *find_terminal(struct listen *l, const char *name)
{
    for (struct terminal *t = l->terminals; t; t = t->next)
        if (strcmp(t->name, name) == 0)
            return t;
    return NULL;
}

/* Somebody who is not here, and of whom nothing is to be remembered, makes room. */
static bool make_room(struct listen *l)
{
    struct terminal **at = &l->terminals, **away = NULL, *t;

    if (l->count < MOST)
        return true;
    for (; (t = *at); at = &t->next)
        if (t->step == STEP_AWAY && !t->refused && !t->pull.units.first)
            away = at; /* the last is the oldest */
    if (!away)
        return false;
    t = *away;
    *away = t->next;
    terminal_free(t);
    l->count--;
    return true;
}

static struct terminal *terminal_new(struct listen *l, const char *name)
{
    struct terminal *t;
    struct buf operand = {0};
    struct fault why;

    if (!make_room(l))
        return NULL;
    t = mem_alloc(sizeof *t);
    memset(t, 0, sizeof *t);
    buf_printf(&operand, "%s/%s", l->operand, name);
    buf_char(&operand, '\0');
    t->listen = l;
    t->operand = operand.data;
    snprintf(t->name, sizeof t->name, "%s", name);
    t->find.pull = &t->pull;
    pull_begin(&t->pull, &l->env, t->operand, l->number, "dahua", &why); /* it was fine before */
    t->pull.web = l->web;
    t->pull.how.limit = PAGE_BYTES;
    if (t->pull.how.whole_ms > t->pull.silence_ms)
        t->pull.how.whole_ms = t->pull.silence_ms;
    t->pull.units.origin = t->origin;
    t->pull.units.device = t->name;
    t->next = l->terminals;
    l->terminals = t;
    l->count++;
    return t;
}

/* ---- asking ---- */

static void post(struct terminal *t, enum step step, const char *path)
{
    t->pull.how.post = true;
    pull_ask(&t->pull, path, SLICE_NONE);
    t->pull.how.post = false;
    t->step = step;
}

static void keep_alive(struct terminal *t)
{
    post(t, STEP_KEEP, "/cgi-bin/api/global/keep-alive");
    t->keep_ms = monotonic_ms() + KEEP_MS;
}

/* A refused login is remembered: no password is tried twice.  Behind the login a refusal only means
   that the terminal has forgotten it. */
static void refused(struct terminal *t, const struct fault *why)
{
    struct fault again;

    if (t->step == STEP_LOGIN) {
        t->refused = true;
        msg_fault(why);
    } else {
        pull_again(&t->pull, 0, "has forgotten the login", &again);
    }
    leave(t);
}

/* The answer to what was asked: false when there is none and the terminal has left. */
static bool take_answer(struct terminal *t)
{
    struct fault why;
    int rc = pull_answer(&t->pull, &dahua_words, &why);

    if (rc < 0)
        refused(t, &why);
    else if (rc == 0)
        leave(t);
    return rc > 0;
}

static void take_login(struct terminal *t)
{
    char token[DAHUA_TOKEN_BYTES];
    unsigned status;

    if (!take_answer(t))
        return;
    status = web_status(t->pull.call);
    if (status != 200 || !dahua_token_read(web_bytes(t->pull.call), token)) {
        msg_warn("%s: answers the login with status %u%s; not trying again", t->operand, status,
            status == 200 ? " and no token" : "");
        t->refused = true;
        leave(t);
        return;
    }
    snprintf(t->field, sizeof t->field, "X-cgi-token: %s", token);
    t->pull.how.field = t->field;
    keep_alive(t);
}

static void take_serial(struct terminal *t)
{
    char serial[LOG_DEVICE_BYTES] = "";

    if (!take_answer(t))
        return;
    if (web_status(t->pull.call) == 200)
        dahua_serial_read(web_bytes(t->pull.call), serial);
    t->met = true;
    pull_known(&t->pull, *serial ? serial : t->name);
    pull_answers(&t->pull);
    if (!t->known)
        msg_warn("%s: has registered itself", t->operand);
    t->known = true;
    t->step = STEP_REST;
}

/* Goes on in the log, unless the terminal is to be told first that somebody is here. */
static void go_on(struct terminal *t)
{
    if (monotonic_ms() >= t->keep_ms) {
        keep_alive(t);
        return;
    }
    dahua_find_ask(&t->find);
    t->step = STEP_FIND;
}

static void take_keep(struct terminal *t)
{
    if (!take_answer(t))
        return;
    t->step = t->met ? STEP_REST : STEP_SERIAL;
    if (!t->met)
        pull_ask(&t->pull, "/cgi-bin/magicBox.cgi?action=getSerialNo", SLICE_NONE);
    if (t->searching)
        go_on(t);
}

static void take_page(struct terminal *t)
{
    struct fault why;

    switch (dahua_find_take(&t->find, &why)) {
    case FOUND_FAULT:
        refused(t, &why);
        break;
    case FOUND_PAGE:
        go_on(t);
        break;
    case FOUND_ALL:
        stop_searching(t);
        t->find_ms = monotonic_ms() + t->listen->search_ms;
        t->step = STEP_REST;
        break;
    default:
        leave(t);
    }
}

static bool find_due(const struct terminal *t, bool room)
{
    return room && t->listen->searches < SEARCHES && monotonic_ms() >= t->find_ms;
}

static void rest(struct terminal *t, bool room)
{
    struct fault why;

    if (web_line_over(t->pull.how.line)) {
        pull_again(&t->pull, 0, web_line_over(t->pull.how.line), &why);
        leave(t);
    } else if (monotonic_ms() >= t->keep_ms) {
        keep_alive(t);
    } else if (find_due(t, room)) {
        t->searching = true;
        t->listen->searches++;
        t->find.thorough = monotonic_ms() >= t->thorough_ms;
        if (t->find.thorough)
            t->thorough_ms = monotonic_ms() + THOROUGH_MS;
        dahua_find_begin(&t->find, INT64_MAX);
        t->step = STEP_FIND;
    }
}

/* Whether there was something to do. */
static bool step(struct terminal *t, bool room)
{
    enum step was = t->step;

    if (was == STEP_AWAY || (was != STEP_REST && web_state(t->pull.call) < WEB_DONE))
        return false;
    switch (was) {
    case STEP_LOGIN:
        take_login(t);
        break;
    case STEP_KEEP:
        take_keep(t);
        break;
    case STEP_SERIAL:
        take_serial(t);
        break;
    case STEP_FIND:
        if (!room)
            return false;
        take_page(t);
        return true;
    default:
        rest(t, room);
    }
    return t->step != was;
}

/* ---- guests ---- */

static void guest_free(struct guest *g)
{
    buf_free(&g->in);
    free(g);
}

static const char *words_of(unsigned status)
{
    static const struct {
        unsigned status;
        const char *text;
    } words[] = {
#define ANSWER(status, phrase)                                                                     \
    {status, "HTTP/1.1 " #status " " phrase "\r\nContent-Length: 0\r\n"                            \
             "Connection: close\r\n\r\n"}
        ANSWER(403, "Forbidden"),
        ANSWER(404, "Not Found"),
        ANSWER(408, "Request Timeout"),
        ANSWER(503, "Service Unavailable"),
        ANSWER(400, "Bad Request"),
    };
    size_t i = 0;

    while (words[i].status != status && words[i].status != 400)
        i++;
    return words[i].text;
}

static void refuse(struct listen *l, struct guest *g, unsigned status)
{
    listener_release(l->listener, &g->peer);
    listener_refuse(g->peer.fd, words_of(status));
}

static void tell_stranger(struct listen *l, const char *name, const char *from)
{
    for (unsigned i = 0; i < l->strangers; i++)
        if (strcmp(l->stranger[i], name) == 0)
            return;
    if (l->strangers == STRANGERS_MOST)
        return;
    snprintf(l->stranger[l->strangers++], DAHUA_NAME_BYTES, "%s", name);
    msg_warn("%s: %s: device id %s is not in the list: refused", l->operand, from, name);
    if (l->strangers == STRANGERS_MOST)
        msg_warn("%s: further ones that are not in the list are not named any more", l->operand);
}

/* A second connection while there is one: that may be dead, which is asked. */
static void ask_first(struct terminal *t)
{
    t->keep_ms = 0;
    if (!t->again)
        msg_warn("%s: registers itself though it is here: do two terminals have this device id?",
            t->operand);
    t->again = true;
}

/* A guest has said who it is: 0 and it is a terminal, or a status to refuse it with. */
static unsigned welcome(struct listen *l, struct guest *g, const char *name)
{
    static const char fine[] = "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n"
                               "Content-Length: 0\r\n\r\n";
    struct terminal *t = find_terminal(l, name);
    char from[ADDRESS_TEXT];

    address_print((const struct sockaddr *)&g->peer.address, from);
    if (!iclock_list_allows(l->list, name)) {
        tell_stranger(l, name, from);
        return 403;
    }
    if (t && t->refused)
        return 403;
    if (t && t->step != STEP_AWAY) {
        ask_first(t);
        return 503;
    }
    if (!t)
        t = terminal_new(l, name);
    if (!t || write(g->peer.fd, fine, sizeof fine - 1) != (ssize_t)sizeof fine - 1)
        return 503;
    memcpy(t->origin, from, sizeof from);
    t->peer = g->peer;
    t->pull.how.line = web_line_open(l->web, g->peer.fd, from);
    post(t, STEP_LOGIN, "/cgi-bin/api/global/login");
    return 0;
}

static bool is_register(const struct head *head)
{
    static const char path[] = "/cgi-bin/api/autoRegist/connect";
    const size_t n = sizeof path - 1;

    return head->method == METHOD_POST && head->target.n >= n &&
           memcmp(head->target.p, path, n) == 0 &&
           (head->target.n == n || head->target.p[n] == '?');
}

/* It is all here, and nothing behind it: 0 and its name.  HEAD_MORE: not yet.  Else a status. */
static int read_name(struct slice in, char name[DAHUA_NAME_BYTES])
{
    struct buf text = {0};
    struct head head;
    struct body body;
    int rc = head_check(in, &head);

    if (rc != 0)
        return rc;
    if (!is_register(&head))
        return 404;
    in.p += head.bytes;
    in.n -= head.bytes;
    body_begin(&body, &head, GUEST_BYTES);
    rc = body_take(&body, &in, &text);
    if (rc == 0 && (in.n > 0 || head.coding.p || !dahua_name_read(buf_all(&text), name)))
        rc = 400;
    buf_free(&text);
    return rc;
}

static void tell_other(struct listen *l, const struct guest *g)
{
    char from[ADDRESS_TEXT];

    if (l->told_other)
        return;
    l->told_other = true;
    address_print_host((const struct sockaddr *)&g->peer.address, from);
    msg_warn("%s: %s: does not register itself here: what is pushed goes to -l http://", l->operand,
        from);
}

/* True: the guest is none any more. */
static bool read_guest(struct listen *l, struct guest *g)
{
    char name[DAHUA_NAME_BYTES];
    ssize_t n = read(g->peer.fd, buf_room(&g->in, HEAD_BYTES), HEAD_BYTES);
    int rc;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0) {
        listener_release(l->listener, &g->peer);
        close(g->peer.fd);
        return true;
    }
    g->in.len += (size_t)n;
    rc = read_name(buf_all(&g->in), name);
    if (rc == HEAD_MORE)
        return false;
    if (rc == 404)
        tell_other(l, g);
    epoll_ctl(l->epoll, EPOLL_CTL_DEL, g->peer.fd, NULL);
    if (rc == 0)
        rc = (int)welcome(l, g, name);
    if (rc != 0)
        refuse(l, g, (unsigned)rc);
    return true;
}

static void accept_guests(struct listen *l)
{
    struct peer peer;

    for (int i = 0; i < EVENTS_MAX && listener_accept(l->listener, &peer); i++) {
        struct guest *g = mem_alloc(sizeof *g);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = peer.fd};

        *g = (struct guest){
            .next = l->guests, .peer = peer, .deadline_ms = monotonic_ms() + l->guest_ms};
        l->guests = g;
        epoll_ctl(l->epoll, EPOLL_CTL_ADD, peer.fd, &event);
    }
}

/* Each guest is looked at: they are few, and only for a moment. */
static bool look_at_guests(struct listen *l)
{
    struct epoll_event event;
    int n;

    accept_guests(l);
    n = epoll_wait(l->epoll, &event, 1, 0);
    for (struct guest **at = &l->guests, *g; (g = *at);) {
        bool late = monotonic_ms() >= g->deadline_ms;

        if (late)
            refuse(l, g, 408);
        if (!late && !(n > 0 && read_guest(l, g))) {
            at = &g->next;
            continue;
        }
        *at = g->next;
        guest_free(g);
    }
    return n > 0;
}

/* ---- the source ---- */

static bool listen_takes(const struct source_env *env, const char *operand)
{
    return env->listen && source_scheme(operand, "dahua", NULL);
}

static bool listen_option(struct slice key)
{
    return pull_option(key) || slice_is(key, "serial") || slice_is(key, "serials");
}

static void listen_close(void *state)
{
    struct listen *l = state;
    struct terminal *t, *after;

    if (!l)
        return;
    while (l->guests) {
        struct guest *g = l->guests;

        l->guests = g->next;
        close(g->peer.fd);
        guest_free(g);
    }
    for (t = l->terminals; t; t = after) {
        after = t->next;
        terminal_free(t);
    }
    web_close(l->web);
    listener_close(l->listener);
    iclock_list_free(l->list);
    if (l->epoll >= 0)
        close(l->epoll);
    free(l);
}

static int open_listener(struct listen *l, struct fault *why)
{
    struct listener_config config = {.operand = l->operand,
        .allow = l->env.allow,
        .allow_count = l->env.allow_count,
        .most = MOST,
        .per_peer = MOST, /* a gateway is one address */
        .defer_s = DEFER_S,
        .forbidden = words_of(403),
        .busy = words_of(503)};
    const char *rest = NULL;

    source_scheme(l->operand, "dahua", &rest);
    if (endpoint_parse(l->operand, rest, &config.at, why) < 0)
        return -1;
    l->listener = listener_open(&config, why);
    if (!l->listener)
        return -1;
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll < 0)
        return fault_errno(why, EX_OSERR, "%s: cannot wait for terminals", l->operand);
    return 0;
}

static int open_web(struct listen *l, struct fault *why)
{
    struct slice user = format_option(&l->env.options, "user");
    char *name = user.p ? mem_text(user) : NULL;
    struct web_config config = {
        .operand = l->operand, .lines = true, .user = name, .password_file = l->env.password_file};

    if (l->env.password_file)
        l->web = web_open(&config, why);
    else
        fault_set(
            why, EX_USAGE, "%s: needs --password-file, for terminals want a login", l->operand);
    free(name);
    return l->web ? 0 : -1;
}

static void *listen_open(
    const struct source_env *env, const char *operand, size_t number, struct fault *why)
{
    struct listen *l = mem_alloc(sizeof *l);
    struct pull trial; /* reads the options */

    memset(l, 0, sizeof *l);
    l->env = *env;
    l->env.follow = true;
    l->operand = operand;
    l->number = number;
    l->epoll = -1;
    if (pull_begin(&trial, &l->env, operand, number, "dahua", why) < 0)
        goto out;
    l->search_ms = format_option(&env->options, "sweep").p ? trial.sweep_ms : SEARCH_MS;
    l->guest_ms = trial.silence_ms < GUEST_MS ? trial.silence_ms : GUEST_MS;
    l->list = iclock_list_open(&l->env.options, why);
    if (l->list && open_web(l, why) == 0 && open_listener(l, why) == 0)
        return l;
out:
    listen_close(l);
    return NULL;
}

/* What was found goes on: SOURCE_MORE when there is more of it, SOURCE_WAIT, SOURCE_FULL. */
static enum source_state give(struct listen *l, struct fault *why)
{
    enum source_state all = SOURCE_WAIT;

    for (struct terminal *t = l->terminals; t; t = t->next) {
        enum source_state one = units_run(&t->pull.units, why);

        if (one == SOURCE_ERROR || one == SOURCE_FULL)
            return one;
        if (one == SOURCE_MORE)
            all = one;
    }
    return all;
}

static enum source_state listen_run(void *state, struct fault *why)
{
    struct listen *l = state;
    enum source_state given = give(l, why);
    bool moved;

    if (given == SOURCE_ERROR)
        return given;
    if (l->stopping || sink_over(l->env.sink))
        return given == SOURCE_WAIT ? SOURCE_END : given;
    moved = web_run(l->web);
    moved = look_at_guests(l) || moved;
    for (struct terminal *t = l->terminals; t; t = t->next)
        moved = step(t, given != SOURCE_FULL && !units_full(&t->pull.units)) || moved;
    return given == SOURCE_FULL ? given : moved ? SOURCE_MORE : given;
}

/* When something is to be done though nobody says anything. */
static int64_t next_ms(const struct listen *l, bool room)
{
    int64_t first = INT64_MAX;

    for (const struct guest *g = l->guests; g; g = g->next)
        first = g->deadline_ms < first ? g->deadline_ms : first;
    for (const struct terminal *t = l->terminals; t; t = t->next) {
        if (t->step != STEP_REST)
            continue;
        first = t->keep_ms < first ? t->keep_ms : first;
        if (room && l->searches < SEARCHES && !units_full(&t->pull.units) && t->find_ms < first)
            first = t->find_ms;
    }
    return first;
}

static nfds_t listen_poll(void *state, bool room, struct pollfd *fds, int *timeout_ms)
{
    struct listen *l = state;
    int64_t first = next_ms(l, room), now = monotonic_ms();
    nfds_t n;

    if (first != INT64_MAX && (*timeout_ms < 0 || first - now < *timeout_ms))
        *timeout_ms = first > now ? (int)(first - now) : 0;
    n = listener_poll(l->listener, fds, timeout_ms);
    fds[n++] = (struct pollfd){.fd = l->epoll, .events = POLLIN};
    return n + web_poll(l->web, fds + n, timeout_ms);
}

static void listen_stop(void *state)
{
    struct listen *l = state;

    for (struct terminal *t = l->terminals; t; t = t->next)
        leave(t);
    l->stopping = true;
}

static void listen_commit(void *state, void *token, enum verdict verdict)
{
    (void)state;
    units_commit(token, verdict);
}

/* SIGHUP: another password is tried, and another list. */
static void listen_reload(void *state)
{
    struct listen *l = state;
    struct fault why;

    l->strangers = 0;
    if (iclock_list_reload(l->list, &why) < 0)
        msg_warn("%s; the list of device ids stays as it was", why.text);
    if (web_reload(l->web, &why) < 0) {
        msg_warn("%s; the password stays as it was", why.text);
        return;
    }
    for (struct terminal *t = l->terminals; t; t = t->next)
        t->refused = false;
}

const struct source source_dahua_listen = {
    .name = "dahua-listen",
    .synopsis = "-l dahua://[host]:port: terminals of Dahua that register themselves",
    .option = listen_option,
    .takes = listen_takes,
    .open = listen_open,
    .run = listen_run,
    .poll = listen_poll,
    .stop = listen_stop,
    .commit = listen_commit,
    .checkpoint = true,
    .reload = listen_reload,
    .close = listen_close,
};

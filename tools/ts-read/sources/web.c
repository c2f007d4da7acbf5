/* SPDX-License-Identifier: MIT */
/*
 * libcurl says which sockets it waits for and until when; they stand in one epoll, whose descriptor
 * the loop waits for.  Every request has a handle of its own: so none uses a nonce twice, which
 * some terminals take for an attack.
 *
 * A connection that was accepted is not libcurl's (7.88 connects it again, in vain): over a line
 * the bytes are moved here, and mean what exchange.h says.
 */
#define CURL_DISABLE_TYPECHECK
#include "web.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "exchange.h"
#include "msg.h"
#include "secret.h"
#include "stop.h"

#define LIBRARY "libcurl.so.4"
#define CONNECT_MS 10000
#define EVENTS_MAX 16
#define HOST_BYTES_MAX 261u
#define USER_BYTES_MAX 128u
#define TYPE_BYTES 256
#define READ_BYTES 16384

/* clang-format off */
#define FUNCTIONS(X) \
    X(curl_easy_cleanup) X(curl_easy_getinfo) X(curl_easy_init) X(curl_easy_pause) \
    X(curl_easy_setopt) X(curl_easy_strerror) X(curl_global_init) X(curl_multi_add_handle) \
    X(curl_multi_cleanup) X(curl_multi_info_read) X(curl_multi_init) X(curl_multi_remove_handle) \
    X(curl_multi_setopt) X(curl_multi_socket_action) X(curl_slist_append) X(curl_slist_free_all)
/* clang-format on */

#define MEMBER(name) __typeof__(name) *name;
static struct libcurl {
    FUNCTIONS(MEMBER)
} lib;

struct web {
    const char *operand;
    bool tls;
    char host[HOST_BYTES_MAX + 1], user[USER_BYTES_MAX + 1];
    bool user_given;
    const char *password_file;
    struct buf password;
    struct web_tls security;
    CURLM *multi;
    int epoll;
    int64_t timer_ms; /* when libcurl wants to be called; -1: not at all */
    struct web_call *first;
    bool moved;
};

/* A device's own connection: what was asked over it, or nothing. */
struct web_line {
    struct web *web;
    int fd;
    struct web_call *call;
    const char *over;
    char host[HOST_BYTES_MAX + 1];
};

struct web_call {
    struct web *web;
    struct web_call *next;
    CURL *easy;
    struct curl_slist *fields;
    struct buf url, sent, bytes; /* sent: the body of the request */
    size_t taken;                /* of bytes */
    struct web_request request;
    struct exchange *exchange; /* over a line */
    enum web_state state;
    unsigned status;
    char type[TYPE_BYTES];
    bool basic; /* a refusal that wants Basic, and no digest */
    const char *error;
    char words[CURL_ERROR_SIZE];
    bool paused, too_long;
    int64_t begun_ms, heard_ms;
};

static int load(struct fault *why)
{
#define PLACE(name) {#name, (void **)&found.name},
    static struct libcurl found;
    static const struct {
        const char *name;
        void **function;
    } places[] = {FUNCTIONS(PLACE)};
    void *library;

    if (lib.curl_easy_init)
        return 0;
    library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return fault_set(
            why, EX_UNAVAILABLE, "curl's library is missing: install libcurl4 (%s)", dlerror());
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        *places[i].function = dlsym(library, places[i].name);
        if (!*places[i].function)
            return fault_set(
                why, EX_UNAVAILABLE, "%s: too old: it has no %s", LIBRARY, places[i].name);
    }
    if (found.curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return fault_set(why, EX_UNAVAILABLE, "%s: cannot begin", LIBRARY);
    lib = found;
    return 0;
}

/* ---- address and password ---- */

static bool is_host(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char lower = (char)(p[i] | 0x20);

        if ((p[i] < '0' || p[i] > '9') && (lower < 'a' || lower > 'z') && !strchr(".-:[]", p[i]))
            return false;
    }
    return n > 0 && n <= HOST_BYTES_MAX;
}

/* scheme://[user@]host[:port][/] */
static int read_operand(struct web *w, struct fault *why)
{
    const char *rest = strstr(w->operand, "://") + 3, *at = strrchr(rest, '@');
    const char *host = at ? at + 1 : rest;
    size_t n = strcspn(host, "/?#"), user = at ? (size_t)(at - rest) : 0;

    if (at && memchr(rest, ':', user))
        return fault_set(why, EX_USAGE,
            "%.*s://…: no password in an address, where everybody reads "
            "it: give --password-file",
            (int)(rest - 3 - w->operand), w->operand);
    if (!is_host(host, n) || (host[n] != '\0' && strcmp(host + n, "/") != 0) ||
        user > USER_BYTES_MAX)
        return fault_set(why, EX_USAGE, "%s: needs a host, like %.*s://192.0.2.7", w->operand,
            (int)(rest - 3 - w->operand), w->operand);
    memcpy(w->host, host, n);
    if (at) {
        memcpy(w->user, rest, user);
        w->user_given = true;
    }
    return 0;
}

/* The file has the password, or where no other place has the user: user:password. */
static int read_password(struct web *w, struct fault *why)
{
    struct buf text = {0};
    const char *colon;
    size_t n;

    if (!w->password_file)
        return 0;
    if (secret_read(w->password_file, &text, why) < 0)
        return -1;
    if (!w->user_given) {
        colon = memchr(text.data, ':', text.len);
        n = colon ? (size_t)(colon - text.data) : 0;
        if (n == 0 || n > USER_BYTES_MAX) {
            secret_forget(&text);
            return fault_set(why, EX_CONFIG,
                "%s: needs user:password, or give the user with -o user=NAME", w->password_file);
        }
        memcpy(w->user, text.data, n);
        w->user[n] = '\0';
        memmove(text.data, text.data + n + 1, text.len - n - 1);
        text.len -= n + 1;
    }
    buf_char(&text, '\0');
    secret_forget(&w->password);
    w->password = text;
    return 0;
}

int web_reload(struct web *w, struct fault *why)
{
    return !w->password_file || secret_inherited(w->password_file) ? 0 : read_password(w, why);
}

const char *web_host(const struct web *w)
{
    return w->host;
}

/* ---- what libcurl calls ---- */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *mine)
{
    struct web *w = arg;
    struct epoll_event e = {.data.fd = fd};

    (void)easy;
    (void)mine;
    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
        e.events |= EPOLLIN;
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
        e.events |= EPOLLOUT;
    if (!e.events)
        epoll_ctl(w->epoll, EPOLL_CTL_DEL, fd, &e);
    else if (epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &e) < 0)
        epoll_ctl(w->epoll, EPOLL_CTL_MOD, fd, &e);
    return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct web *w = arg;

    (void)multi;
    w->timer_ms = timeout_ms < 0 ? -1 : monotonic_ms() + timeout_ms;
    return 0;
}

/* Of the answer that counts; a refusal that libcurl answers with the password has no body here. */
static void note_answer(struct web_call *c)
{
    char *type = NULL;
    long status = 0, offered = 0;

    lib.curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
    lib.curl_easy_getinfo(c->easy, CURLINFO_CONTENT_TYPE, &type);
    c->status = (unsigned)status;
    lib.curl_easy_getinfo(c->easy, CURLINFO_HTTPAUTH_AVAIL, &offered);
    c->basic = status == 401 &&
               (offered & (long)(CURLAUTH_BASIC | CURLAUTH_DIGEST)) == (long)CURLAUTH_BASIC;
    snprintf(c->type, sizeof c->type, "%s", type ? type : "");
}

/* The end of a head: a stream may be silent for long behind it. */
static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
    struct web_call *c = arg;

    c->heard_ms = monotonic_ms();
    if (size * n > 2 || *line != '\r' || c->state != WEB_ASKING)
        return size * n;
    note_answer(c);
    if (c->status < 200 || c->status == 401)
        return size * n;
    c->state = WEB_COMING;
    c->web->moved = true;
    return size * n;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
    struct web_call *c = arg;

    n *= size;
    c->web->moved = true;
    c->heard_ms = monotonic_ms();
    if (c->state == WEB_ASKING) {
        note_answer(c);
        c->state = WEB_COMING;
    }
    if (c->bytes.len - c->taken + n > c->request.limit + CURL_MAX_WRITE_SIZE) {
        c->too_long = c->request.whole_ms > 0;
        c->paused = !c->too_long;
        return c->paused ? CURL_WRITEFUNC_PAUSE : 0;
    }
    buf_add(&c->bytes, bytes, n);
    return n;
}

/* ---- calls ---- */

#define SET(option, value) good = lib.curl_easy_setopt(c->easy, option, value) == CURLE_OK && good

static bool set_safety(struct web_call *c)
{
    const struct web_tls *k = &c->web->security;
    bool good = true;

    SET(CURLOPT_PROTOCOLS_STR, c->web->tls ? "https" : "http");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NOPROXY, "");
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_ERRORBUFFER, c->words);
    if (!c->web->tls)
        return good;
    SET(CURLOPT_SSL_VERIFYPEER, k->insecure ? 0L : 1L);
    SET(CURLOPT_SSL_VERIFYHOST, k->insecure ? 0L : 2L);
    /* Terminals have the keys and ciphers of the year in which they were made. */
    if (k->insecure || k->pin)
        SET(CURLOPT_SSL_CIPHER_LIST, "DEFAULT:@SECLEVEL=0");
    if (k->ca)
        SET(CURLOPT_CAINFO, k->ca);
    if (k->pin)
        SET(CURLOPT_PINNEDPUBLICKEY, k->pin);
    return good;
}

static bool set_request(struct web_call *c)
{
    const struct web *w = c->web;
    bool good = true;

    SET(CURLOPT_URL, c->url.data);
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_PRIVATE, c);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, c);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, c);
    SET(CURLOPT_USERAGENT, "ts-read/" TS_VERSION);
    if (w->password.len > 0) {
        SET(CURLOPT_HTTPAUTH, (long)(CURLAUTH_DIGEST | (w->tls ? CURLAUTH_BASIC : 0)));
        SET(CURLOPT_USERNAME, w->user);
        SET(CURLOPT_PASSWORD, w->password.data);
    }
    if (c->sent.len > 0) {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDS, c->sent.data);
        SET(CURLOPT_POSTFIELDSIZE, (long)c->sent.len);
    }
    SET(CURLOPT_HTTPHEADER, c->fields);
    return good;
}

static void add_field(struct web_call *c, const char *name, const char *value)
{
    struct buf line = {0};
    struct curl_slist *more;

    buf_printf(&line, "%s:%s%s", name, *value ? " " : "", value);
    buf_char(&line, '\0');
    more = lib.curl_slist_append(c->fields, line.data);
    if (!more)
        abort(); /* only for want of memory */
    c->fields = more;
    buf_free(&line);
}

static void fail(struct web_call *c, const char *error)
{
    c->state = WEB_FAILED;
    c->error = error;
    c->web->moved = true;
    if (c->easy)
        lib.curl_multi_remove_handle(c->web->multi, c->easy);
}

/* ---- lines ---- */

struct web_line *web_line_open(struct web *w, int fd, const char *host)
{
    struct web_line *l = mem_alloc(sizeof *l);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = l};

    *l = (struct web_line){.web = w, .fd = fd};
    snprintf(l->host, sizeof l->host, "%s", host);
    epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &e);
    return l;
}

void web_line_close(struct web_line *l)
{
    if (l)
        close(l->fd);
    free(l);
}

const char *web_line_over(const struct web_line *l)
{
    return l->over;
}

static void line_watch(struct web_line *l, unsigned events)
{
    struct epoll_event e = {.events = events, .data.ptr = l};

    epoll_ctl(l->web->epoll, EPOLL_CTL_MOD, l->fd, &e);
}

/* What is asked over it fails; it is only closed by its owner. */
static void line_end(struct web_line *l, const char *why)
{
    struct web_call *c = l->call;

    l->call = NULL;
    l->over = why;
    l->web->moved = true;
    epoll_ctl(l->web->epoll, EPOLL_CTL_DEL, l->fd, NULL);
    if (c)
        fail(c, why);
}

static void line_send(struct web_line *l)
{
    struct buf *out = &l->call->exchange->out;
    ssize_t n = out->len > 0 ? send(l->fd, out->data, out->len, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;

    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        line_end(l, "has hung up");
        return;
    }
    if (n > 0) {
        memmove(out->data, out->data + n, out->len - (size_t)n);
        out->len -= (size_t)n;
    }
    line_watch(l, out->len > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* Something came, or the end did. */
static void line_look(struct web_line *l)
{
    struct web_call *c = l->call;
    struct exchange *x = c->exchange;

    if (x->state == EXCHANGE_FAILED) {
        line_end(l, x->error);
    } else if (x->state == EXCHANGE_DONE && x->status == 401 && x->tries == 0) {
        line_end(l, "asks for no digest of the password");
    } else if (x->state == EXCHANGE_DONE) {
        c->status = x->status;
        c->bytes = x->body;
        x->body = (struct buf){0};
        c->state = WEB_DONE;
        l->call = NULL;
        if (x->to_end)
            line_end(l, "has hung up");
    } else if (x->out.len > 0) {
        line_send(l);
    }
}

static void line_read(struct web_line *l)
{
    char bytes[READ_BYTES];
    ssize_t n = recv(l->fd, bytes, sizeof bytes, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    l->web->moved = true;
    if (!l->call) {
        line_end(l, n > 0 ? "says more than it was asked" : "has hung up");
        return;
    }
    if (n > 0)
        exchange_take(l->call->exchange, (struct slice){bytes, (size_t)n});
    else
        exchange_end(l->call->exchange);
    line_look(l);
}

static void line_run(struct web_line *l, unsigned events)
{
    if (events & EPOLLOUT && l->call)
        line_send(l);
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) && !l->over)
        line_read(l);
}

static void line_ask(struct web_call *c)
{
    struct web_line *l = c->request.line;
    const struct web *w = c->web;
    struct exchange_request request = {.post = c->request.post,
        .host = l->host,
        .field = c->request.field,
        .user = w->user,
        .password = w->password.len > 0 ? w->password.data : NULL,
        .random = c->words,
        .limit = c->request.limit};
    uint64_t random = 0;

    if (getrandom(&random, sizeof random, 0) < 0)
        random = (uint64_t)monotonic_ms();
    snprintf(c->words, sizeof c->words, "%016llx", (unsigned long long)random);
    buf_text(&c->url, c->request.path);
    buf_char(&c->url, '\0');
    request.path = c->url.data;
    c->exchange = mem_alloc(sizeof *c->exchange);
    exchange_begin(c->exchange, &request);
    if (l->over) {
        fail(c, l->over);
        return;
    }
    l->call = c;
    line_send(l);
}

struct web_call *web_begin(struct web *w, const struct web_request *request)
{
    struct web_call *c = mem_alloc(sizeof *c);

    *c = (struct web_call){.web = w, .next = w->first, .request = *request, .error = ""};
    w->first = c;
    c->begun_ms = c->heard_ms = monotonic_ms();
    if (request->line) {
        line_ask(c);
        return c;
    }
    c->easy = lib.curl_easy_init();
    if (!c->easy)
        abort(); /* only for want of memory */
    buf_printf(&c->url, "%s://%s%s", w->tls ? "https" : "http", w->host, request->path);
    buf_char(&c->url, '\0');
    buf_slice(&c->sent, request->body);
    add_field(c, "Expect", "");
    if (request->type)
        add_field(c, "Content-Type", request->type);
    if (!set_safety(c) || !set_request(c) ||
        lib.curl_multi_add_handle(w->multi, c->easy) != CURLM_OK)
        fail(c, "libcurl cannot make this request");
    return c;
}

void web_end(struct web_call *c)
{
    struct web_call **at;

    if (!c)
        return;
    for (at = &c->web->first; *at != c; at = &(*at)->next)
        ;
    *at = c->next;
    if (c->exchange) {
        if (c->request.line->call == c)
            line_end(c->request.line, "was not waited for");
        exchange_free(c->exchange);
        free(c->exchange);
    } else {
        lib.curl_multi_remove_handle(c->web->multi, c->easy);
        lib.curl_easy_cleanup(c->easy);
        lib.curl_slist_free_all(c->fields);
    }
    buf_free(&c->url);
    buf_free(&c->sent);
    buf_free(&c->bytes);
    free(c);
}

enum web_state web_state(const struct web_call *c)
{
    return c->state;
}

unsigned web_status(const struct web_call *c)
{
    return c->status;
}

bool web_basic(const struct web_call *c)
{
    return c->basic && !c->web->tls;
}

const char *web_type(const struct web_call *c)
{
    return c->type;
}

const char *web_error(const struct web_call *c)
{
    return c->error;
}

struct slice web_bytes(const struct web_call *c)
{
    return (struct slice){c->bytes.data ? c->bytes.data + c->taken : "", c->bytes.len - c->taken};
}

void web_take(struct web_call *c, size_t n)
{
    c->taken += n;
    if (c->taken == c->bytes.len)
        c->taken = c->bytes.len = 0;
}

void web_calm(struct web *w)
{
    for (struct web_call *c = w->first; c; c = c->next)
        c->begun_ms = c->heard_ms = monotonic_ms();
}

/* ---- the loop ---- */

void web_close(struct web *w)
{
    if (!w)
        return;
    while (w->first)
        web_end(w->first);
    if (w->multi)
        lib.curl_multi_cleanup(w->multi);
    if (w->epoll >= 0)
        close(w->epoll);
    secret_forget(&w->password);
    free(w);
}

static int begin(struct web *w, bool lines, struct fault *why)
{
    if (!lines && load(why) < 0)
        return -1;
    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (lines)
        return w->epoll >= 0 ? 0 : fault_errno(why, EX_OSERR, "%s: cannot open", w->operand);
    w->multi = lib.curl_multi_init();
    if (w->epoll < 0 || !w->multi)
        return fault_errno(why, EX_OSERR, "%s: cannot open", w->operand);
    lib.curl_multi_setopt(w->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    lib.curl_multi_setopt(w->multi, CURLMOPT_SOCKETDATA, w);
    lib.curl_multi_setopt(w->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    lib.curl_multi_setopt(w->multi, CURLMOPT_TIMERDATA, w);
    return 0;
}

struct web *web_open(const struct web_config *config, struct fault *why)
{
    struct web *w = mem_alloc(sizeof *w);

    *w = (struct web){.operand = config->operand,
        .tls = config->tls,
        .password_file = config->password_file,
        .security = config->security,
        .epoll = -1,
        .timer_ms = -1};
    if (config->user) {
        snprintf(w->user, sizeof w->user, "%s", config->user);
        w->user_given = true;
    }
    if ((config->lines || read_operand(w, why) == 0) && read_password(w, why) == 0 &&
        begin(w, config->lines, why) == 0)
        return w;
    web_close(w);
    return NULL;
}

/* When a call has waited long enough; INT64_MAX: never. */
static int64_t deadline_of(const struct web_call *c)
{
    if (c->state > WEB_COMING)
        return INT64_MAX;
    if (c->request.whole_ms > 0)
        return c->begun_ms + c->request.whole_ms;
    return c->paused ? INT64_MAX : c->heard_ms + c->request.silence_ms;
}

nfds_t web_poll(struct web *w, struct pollfd *fds, int *timeout_ms)
{
    int64_t first = w->timer_ms < 0 ? INT64_MAX : w->timer_ms, now = monotonic_ms();

    for (const struct web_call *c = w->first; c; c = c->next)
        if (deadline_of(c) < first)
            first = deadline_of(c);
    if (first != INT64_MAX && (*timeout_ms < 0 || first - now < *timeout_ms))
        *timeout_ms = first > now ? (int)(first - now) : 0;
    fds[0] = (struct pollfd){.fd = w->epoll, .events = POLLIN};
    return 1;
}

/* What libcurl says of calls that have ended. */
static void take_results(struct web *w)
{
    CURLMsg *m;
    int left;

    while ((m = lib.curl_multi_info_read(w->multi, &left))) {
        CURLcode result = m->data.result;
        char *mine = NULL;
        struct web_call *c;

        lib.curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &mine);
        c = (struct web_call *)(void *)mine;
        w->moved = true;
        if (c->state == WEB_ASKING)
            note_answer(c);
        if (result == CURLE_OK)
            c->state = WEB_DONE;
        else
            fail(c, c->too_long ? "the answer is too long"
                    : *c->words ? c->words
                                : lib.curl_easy_strerror(result));
    }
}

static void expire(struct web_call *c)
{
    if (c->exchange)
        line_end(c->request.line, "no answer in time");
    else
        fail(c, c->request.whole_ms > 0 ? "no answer in time" : "silent for too long");
}

static void look_at_time(struct web *w)
{
    int64_t now = monotonic_ms();

    for (struct web_call *c = w->first; c; c = c->next)
        if (now >= deadline_of(c))
            expire(c);
}

/* Goes on where somebody took what was there. */
static void go_on(struct web *w)
{
    for (struct web_call *c = w->first; c; c = c->next) {
        if (c->taken > 0) {
            memmove(c->bytes.data, c->bytes.data + c->taken, c->bytes.len - c->taken);
            c->bytes.len -= c->taken;
            c->taken = 0;
        }
        if (!c->paused || c->state > WEB_COMING || c->bytes.len > c->request.limit / 2)
            continue;
        c->paused = false;
        c->heard_ms = monotonic_ms();
        lib.curl_easy_pause(c->easy, CURLPAUSE_CONT);
    }
}

static void run_curl(struct web *w, const struct epoll_event *events, int n)
{
    int running;

    for (int i = 0; i < n; i++) {
        unsigned what = events[i].events;
        int flags = (what & EPOLLIN ? CURL_CSELECT_IN : 0) |
                    (what & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                    (what & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);

        lib.curl_multi_socket_action(w->multi, events[i].data.fd, flags, &running);
    }
    if (w->timer_ms >= 0 && monotonic_ms() >= w->timer_ms) {
        w->timer_ms = -1;
        lib.curl_multi_socket_action(w->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    take_results(w);
}

bool web_run(struct web *w)
{
    struct epoll_event events[EVENTS_MAX];
    int n = epoll_wait(w->epoll, events, EVENTS_MAX, 0);

    w->moved = false;
    go_on(w);
    if (w->multi)
        run_curl(w, events, n);
    else
        for (int i = 0; i < n; i++)
            line_run(events[i].data.ptr, events[i].events);
    look_at_time(w);
    return w->moved;
}

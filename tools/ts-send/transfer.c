/* SPDX-License-Identifier: MIT */
/*
 * libcurl tells which sockets it waits for (on_socket) and until when (on_timer); we ask epoll.
 * After each request libcurl lets go of the socket and takes it up again for the next: for
 * connections, that is noted in `watch` only, so that a request costs no epoll_ctl.
 */
#include "transfer.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stop.h"
#include "url.h"

/* GnuTLS comes in through libraries that libcurl links for LDAP and RTMP.  Unless the program has
   this function it sets itself up at every start; libcurl does it when it needs it. */
int _gnutls_global_init_skip(void);
int _gnutls_global_init_skip(void)
{
    return 1;
}

#define EVENTS_MAX 64
#define KEY_FIELD "Idempotency-Key: "
#define KEY_FIELD_BYTES (sizeof KEY_FIELD - 1)
#define KEY_BYTES_MAX 256
#define REPLY_KEPT_BYTES (64u << 10)

struct watch {
    uint8_t wanted; /* EPOLLIN, EPOLLOUT: what libcurl waits for */
    uint8_t set;    /* what epoll was told */
    bool ours;      /* a connection: opened and closed by the functions below */
};

/* The fields of all requests as libcurl wants them, shared by the calls that started with them. */
struct field_list {
    unsigned references;
    struct headers *headers;
    struct curl_slist node[HEADERS_MAX + 1];
};

struct call {
    CURL *easy;
    struct transfer *transfer;
    struct field_list *fields;
    struct curl_slist key; /* first node: the one field that differs */
    char key_text[KEY_FIELD_BYTES + KEY_BYTES_MAX];
    struct curl_slist own[TRANSFER_FIELDS_MAX + 1]; /* the fields of a request of its own kind */
    struct reply reply;
    void *tag;
    int64_t timeout_ms; /* as set last */
    unsigned sends;
    char *url;          /* as set last for a request of its own kind */
    const char *method; /* likewise */
    bool once;          /* libcurl must not repeat it by itself */
    bool reply_too_long;
    struct call *next; /* in the list of the free */
};

struct transfer {
    struct transfer_config config;
    CURLM *multi;
    int epoll;
    int64_t timer_ms; /* when libcurl wants to be called; -1: not at all */
    struct watch *watch;
    size_t watches;
    struct field_list *fields;
    struct call *call, *free;
    unsigned busy;
    bool timer_due;
    int watch_error; /* errno: a socket could not be watched, so nothing would be heard of it */
};

/* ---- what libcurl calls ---- */

static struct watch *watch_of(struct transfer *t, curl_socket_t fd)
{
    size_t n = (size_t)fd;

    if (n >= t->watches) {
        size_t more = n + 64;

        t->watch = mem_resize(t->watch, more * sizeof *t->watch);
        memset(t->watch + t->watches, 0, (more - t->watches) * sizeof *t->watch);
        t->watches = more;
    }
    return &t->watch[n];
}

static void watch_set(struct transfer *t, curl_socket_t fd, struct watch *w, uint8_t events)
{
    struct epoll_event e = {.events = events, .data.fd = fd};

    if (w->set == events)
        return;
    if (!events)
        epoll_ctl(t->epoll, EPOLL_CTL_DEL, fd, &e);
    else if (epoll_ctl(t->epoll, w->set ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &e) < 0)
        t->watch_error = errno;
    w->set = events;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *mine)
{
    struct transfer *t = arg;
    struct watch *w = watch_of(t, fd);

    (void)easy;
    (void)mine;
    w->wanted = 0;
    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
        w->wanted |= EPOLLIN;
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
        w->wanted |= EPOLLOUT;
    if (w->wanted || !w->ours)
        watch_set(t, fd, w, w->wanted);
    return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct transfer *t = arg;

    (void)multi;
    t->timer_due = timeout_ms == 0;
    t->timer_ms = timeout_ms < 0 ? -1 : monotonic_ms() + timeout_ms;
    return 0;
}

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
    int fd = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);

    (void)purpose;
    if (fd >= 0)
        *watch_of(arg, fd) = (struct watch){.ours = true};
    return fd < 0 ? CURL_SOCKET_BAD : fd;
}

static int on_close(void *arg, curl_socket_t fd)
{
    *watch_of(arg, fd) = (struct watch){0}; /* closing takes it out of epoll */
    return close(fd);
}

static int on_send(void *arg, char *to, char *from, int to_port, int from_port)
{
    struct call *c = arg;

    (void)to;
    (void)from;
    (void)to_port;
    (void)from_port;
    if (c->once && c->sends > 0)
        return CURL_PREREQFUNC_ABORT;
    c->sends++;
    return CURL_PREREQFUNC_OK;
}

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
    struct call *c = arg;

    reply_header(&c->reply, (struct slice){line, size * n});
    c->reply_too_long |= c->reply.header_bytes > c->transfer->config.reply_max;
    return c->reply_too_long ? 0 : size * n;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
    struct call *c = arg;

    reply_body(&c->reply, (struct slice){bytes, size * n});
    c->reply_too_long |= c->reply.body_bytes > c->transfer->config.reply_max;
    return c->reply_too_long ? 0 : size * n;
}

/* ---- setting up ---- */

#define SET(option, value)                                                                         \
    do {                                                                                           \
        CURLcode set_code = curl_easy_setopt(e, option, value);                                    \
        if (set_code != CURLE_OK && rc == CURLE_OK)                                                \
            rc = set_code;                                                                         \
    } while (0)

static CURLcode set_safety(CURL *e, const struct transfer_config *k)
{
    CURLcode rc = CURLE_OK;

    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_PROXY, k->proxy ? k->proxy : "");
    SET(CURLOPT_NOPROXY, ""); /* nor does the environment have a say */
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)k->connect_timeout_ms);
    SET(CURLOPT_TIMEOUT_MS, (long)k->timeout_ms);
    SET(CURLOPT_HTTP_VERSION,
        k->http2 ? (long)CURL_HTTP_VERSION_2TLS : (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    return rc;
}

static CURLcode set_tls(CURL *e, const struct transfer_config *k)
{
    CURLcode rc = CURLE_OK;

    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, k->insecure ? 0L : 1L);
    SET(CURLOPT_SSL_VERIFYHOST, k->insecure ? 0L : 2L);
    if (k->cacert)
        SET(CURLOPT_CAINFO, k->cacert);
    if (k->cert)
        SET(CURLOPT_SSLCERT, k->cert);
    if (k->key)
        SET(CURLOPT_SSLKEY, k->key);
    return rc;
}

static CURLcode set_call(struct call *c, struct transfer *t)
{
    CURL *e = c->easy;
    CURLcode rc = CURLE_OK;

    SET(CURLOPT_URL, t->config.url);
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_PRIVATE, c);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, c);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, c);
    SET(CURLOPT_PREREQFUNCTION, on_send);
    SET(CURLOPT_PREREQDATA, c);
    SET(CURLOPT_OPENSOCKETFUNCTION, on_open);
    SET(CURLOPT_OPENSOCKETDATA, t);
    SET(CURLOPT_CLOSESOCKETFUNCTION, on_close);
    SET(CURLOPT_CLOSESOCKETDATA, t);
    c->timeout_ms = t->config.timeout_ms;
    c->reply.keep = t->config.whole_replies;
    return rc;
}

static int call_open(struct call *c, struct transfer *t, struct fault *why)
{
    CURLcode rc;

    c->transfer = t;
    c->easy = curl_easy_init();
    if (!c->easy)
        return fault_set(why, EX_OSERR, "libcurl: cannot start");
    memcpy(c->key_text, KEY_FIELD, KEY_FIELD_BYTES);
    c->key.data = c->key_text;
    rc = set_safety(c->easy, &t->config);
    if (rc == CURLE_OK && t->config.tls)
        rc = set_tls(c->easy, &t->config);
    if (rc == CURLE_OK)
        rc = set_call(c, t);
    return rc == CURLE_OK ? 0 : fault_set(why, EX_CONFIG, "libcurl: %s", curl_easy_strerror(rc));
}

/* What libcurl would refuse at each request is refused once, at the start. */
static int check_url(const char *url, struct fault *why)
{
    CURLU *parts = curl_url();
    CURLUcode rc = curl_url_set(parts, CURLUPART_URL, url, 0);

    curl_url_cleanup(parts);
    return rc == CURLUE_OK ? 0 : fault_set(why, EX_USAGE, "URL: %s", curl_url_strerror(rc));
}

struct transfer *transfer_open(const struct transfer_config *config, struct fault *why)
{
    struct transfer *t = mem_alloc(sizeof *t);
    bool fine = false;

    *t = (struct transfer){.config = *config, .timer_ms = -1};
    /* TLS is set up only where it is used: it costs more than the rest of the start. */
    curl_global_init(config->tls ? CURL_GLOBAL_SSL : CURL_GLOBAL_NOTHING);
    t->call = mem_alloc(config->connections * sizeof *t->call);
    memset(t->call, 0, config->connections * sizeof *t->call);
    t->epoll = epoll_create1(EPOLL_CLOEXEC);
    t->multi = curl_multi_init();
    if (check_url(config->url, why) < 0)
        goto out;
    if (t->epoll < 0 || !t->multi) {
        fault_errno(why, EX_OSERR, "libcurl: cannot start");
        goto out;
    }
    curl_multi_setopt(t->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(t->multi, CURLMOPT_SOCKETDATA, t);
    curl_multi_setopt(t->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(t->multi, CURLMOPT_TIMERDATA, t);
    curl_multi_setopt(t->multi, CURLMOPT_MAXCONNECTS, (long)config->connections);
    for (unsigned i = config->connections; i-- > 0;) {
        if (call_open(&t->call[i], t, why) < 0)
            goto out;
        t->call[i].next = t->free;
        t->free = &t->call[i];
    }
    fine = true;
out:
    if (fine)
        return t;
    transfer_close(t);
    return NULL;
}

static void fields_drop(struct field_list *f)
{
    if (!f || --f->references > 0)
        return;
    headers_drop(f->headers);
    free(f);
}

void transfer_close(struct transfer *t)
{
    if (!t)
        return;
    for (unsigned i = 0; i < t->config.connections; i++) {
        struct call *c = &t->call[i];

        if (c->easy && t->multi)
            curl_multi_remove_handle(t->multi, c->easy);
        curl_easy_cleanup(c->easy);
        fields_drop(c->fields);
        buf_free(&c->reply.lines);
        free(c->url);
        buf_free(&c->reply.body);
    }
    curl_multi_cleanup(t->multi);
    if (t->epoll >= 0)
        close(t->epoll);
    fields_drop(t->fields);
    free(t->watch);
    free(t->call);
    free(t);
    curl_global_cleanup();
}

/* ---- requests ---- */

void transfer_headers(struct transfer *t, struct headers *h)
{
    struct field_list *f = mem_alloc(sizeof *f);
    unsigned n = headers_count(h);

    f->references = 1;
    f->headers = headers_use(h);
    /* libcurl looks through the list for each field that it knows: a short one is a fast one. */
    for (unsigned i = 0; i < n; i++)
        f->node[i] = (struct curl_slist){(char *)(uintptr_t)headers_line(h, i), &f->node[i + 1]};
    /* "Expect:" without a value: no waiting for 100 Continue before large bodies. */
    f->node[n] = (struct curl_slist){(char *)(uintptr_t) "Expect:", NULL};
    fields_drop(t->fields);
    t->fields = f;
}

unsigned transfer_busy(const struct transfer *t)
{
    return t->busy;
}

bool transfer_free(const struct transfer *t)
{
    return t->free != NULL;
}

static void set_fields(struct call *c, struct field_list *f)
{
    if (c->fields == f)
        return;
    fields_drop(c->fields);
    c->fields = f;
    f->references++;
    c->key.next = f->node;
    curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, &c->key);
}

/* A request with a URL, a method and fields of its own. */
static void set_own(struct call *c, struct field_list *f, const struct request *r)
{
    struct curl_slist *common = r->foreign ? &f->node[headers_count(f->headers)] : f->node;
    unsigned n = 0;

    for (; n < r->fields && n < TRANSFER_FIELDS_MAX; n++)
        c->own[n] = (struct curl_slist){(char *)(uintptr_t)r->field[n], &c->own[n + 1]};
    if (r->key)
        c->own[n++] = (struct curl_slist){c->key_text, NULL};
    if (n > 0)
        c->own[n - 1].next = common;
    curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, n > 0 ? c->own : common);
    /* libcurl copies what it is told: that is spared where it knows it. */
    if (!c->url || strcmp(c->url, r->url) != 0) {
        free(c->url);
        c->url = mem_text(slice_of(r->url));
        curl_easy_setopt(c->easy, CURLOPT_URL, r->url);
    }
    curl_easy_setopt(c->easy, r->no_body ? CURLOPT_HTTPGET : CURLOPT_POST, 1L);
    if (c->method != r->method)
        curl_easy_setopt(c->easy, CURLOPT_CUSTOMREQUEST, r->method);
    c->method = r->method;
}

/* After a request of its own kind, one that is as all are. */
static void set_usual(struct call *c, const struct transfer *t)
{
    free(c->url);
    c->url = NULL;
    c->method = NULL;
    curl_easy_setopt(c->easy, CURLOPT_URL, t->config.url);
    curl_easy_setopt(c->easy, CURLOPT_POST, 1L);
    curl_easy_setopt(c->easy, CURLOPT_CUSTOMREQUEST, NULL);
    curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, &c->key);
}

int transfer_start(struct transfer *t, const struct request *r, struct fault *why)
{
    struct call *c = t->free;
    int64_t timeout_ms =
        r->timeout_ms < t->config.timeout_ms ? r->timeout_ms : t->config.timeout_ms;
    CURLMcode rc;

    set_fields(c, t->fields);
    if (r->key)
        snprintf(c->key_text + KEY_FIELD_BYTES, KEY_BYTES_MAX, "%s", r->key);
    if (timeout_ms != c->timeout_ms)
        curl_easy_setopt(c->easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    c->timeout_ms = timeout_ms;
    curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, r->body.n > 0 ? r->body.p : "");
    curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.n);
    if (r->url)
        set_own(c, t->fields, r);
    else if (c->url)
        set_usual(c, t);
    c->reply.keep = t->config.whole_replies || r->foreign;
    reply_reset(&c->reply);
    if (c->reply.body.cap > REPLY_KEPT_BYTES) /* a rare large one */
        buf_free(&c->reply.body);
    c->tag = r->tag;
    c->sends = 0;
    c->once = r->once;
    c->reply_too_long = false;
    rc = curl_multi_add_handle(t->multi, c->easy);
    if (rc != CURLM_OK)
        return fault_set(why, EX_SOFTWARE, "libcurl: %s", curl_multi_strerror(rc));
    t->free = c->next;
    t->busy++;
    return 0;
}

int transfer_fd(const struct transfer *t)
{
    return t->epoll;
}

int transfer_timeout_ms(const struct transfer *t, int64_t now_ms)
{
    if (t->timer_ms < 0)
        return -1;
    return t->timer_ms <= now_ms ? 0 : (int)(t->timer_ms - now_ms);
}

static int act(struct transfer *t, curl_socket_t fd, int bits, struct fault *why)
{
    int running;
    CURLMcode rc = curl_multi_socket_action(t->multi, fd, bits, &running);

    return rc == CURLM_OK ? 0 : fault_set(why, EX_SOFTWARE, "libcurl: %s", curl_multi_strerror(rc));
}

int transfer_run(struct transfer *t, int64_t now_ms, struct fault *why)
{
    struct epoll_event events[EVENTS_MAX];
    int n = epoll_wait(t->epoll, events, EVENTS_MAX, 0);

    for (int i = 0; i < n; i++) {
        curl_socket_t fd = events[i].data.fd;
        struct watch *w = watch_of(t, fd);
        uint32_t got = events[i].events;
        int bits = (got & EPOLLIN ? CURL_CSELECT_IN : 0) | (got & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                   (got & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);

        if (!w->wanted) /* an idle connection was closed by the other side, or says something */
            watch_set(t, fd, w, 0);
        else if (act(t, fd, bits, why) < 0)
            return -1;
    }
    if (t->timer_due || (t->timer_ms >= 0 && t->timer_ms <= now_ms)) {
        t->timer_due = false;
        t->timer_ms = -1; /* libcurl sets it again when it needs to */
        if (act(t, CURL_SOCKET_TIMEOUT, 0, why) < 0)
            return -1;
        n++;
    }
    errno = t->watch_error;
    if (errno)
        return fault_errno(why, EX_OSERR, "cannot watch a connection");
    return n < 0 ? 0 : n;
}

/* ---- what came back ---- */

static enum net net_of(const struct call *c, CURLcode code)
{
    if (code == CURLE_OK)
        return NET_OK;
    /* Before on_send nothing of the request can have left. */
    return c->sends > 0 ? NET_LOST : NET_UNSENT;
}

bool transfer_next(struct transfer *t, struct exchange *done)
{
    struct call *c;
    CURLMsg *m;
    int left;

    do
        m = curl_multi_info_read(t->multi, &left);
    while (m && m->msg != CURLMSG_DONE);
    if (!m)
        return false;
    curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&c);
    c->reply.net = net_of(c, m->data.result);
    c->reply.net_text = c->reply_too_long ? "reply longer than allowed"
                        : m->data.result == CURLE_ABORTED_BY_CALLBACK
                            ? "the connection ended without a reply"
                            : curl_easy_strerror(m->data.result);
    curl_multi_remove_handle(t->multi, c->easy);
    *done = (struct exchange){c->tag, &c->reply, c->sends};
    c->next = t->free;
    t->free = c;
    t->busy--;
    return true;
}

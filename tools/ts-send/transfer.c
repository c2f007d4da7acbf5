/* SPDX-License-Identifier: MIT */
/*
 * libcurl tells which sockets it waits for (on_socket) and until when (on_timer); we ask epoll.
 * After each request libcurl lets go of the socket and takes it up again for the next: for
 * connections, that is noted in `watch` only, so that a request costs no epoll_ctl.
 */
#include "transfer.h"

#include <curl/curl.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pin.h"
#include "secret.h"
#include "stop.h"
#include "tls_identity.h"
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
    struct curl_slist key, trace; /* first nodes: the fields that differ */
    char key_text[KEY_FIELD_BYTES + KEY_BYTES_MAX];
    /* the fields of a request of its own kind */
    struct curl_slist own[TRANSFER_FIELDS_MAX + HEADERS_MAX + 1];
    struct reply reply;
    void *tag;
    int64_t timeout_ms; /* as set last */
    unsigned sends;
    CURLU *parts;       /* of url */
    char *url;          /* as set last */
    bool unusual;       /* the last was a request of its own kind */
    const char *method; /* as set last for such a one */
    bool once;          /* libcurl must not repeat it by itself */
    bool reply_too_long;
    bool connect_only; /* as set last */
    CURLcode result;
    char words[CURL_ERROR_SIZE];
    char stranger[160]; /* what is said of a key that is not pinned */
    bool ours;          /* it goes to the receiver: with our certificate, and the pin */
    struct tls_identity *identity;
    bool insecure, pinned;     /* as set last */
    struct call *next, **free; /* in the list of the free of its kind, which is this one */

    /* of an upload */
    struct request from; /* read, read_arg */
    uint64_t at;
};

struct transfer {
    struct transfer_config config;
    CURLM *multi;
    int epoll;
    int64_t timer_ms; /* when libcurl wants to be called; -1: not at all */
    struct watch *watch;
    size_t watches;
    struct field_list *fields;
    struct tls_identity *identity;          /* our certificate, or NULL */
    struct call *call, *free, *upload_free; /* call: those for uploads stand last */
    unsigned calls, busy;
    bool timer_due;
    char reached[64]; /* where a connection led that was closed since the last request; observed */
    int watch_error;  /* errno: a socket could not be watched, so nothing would be heard of it */
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

/* libcurl 8 names the peer only when TLS stands as well: whoever looks for what is wrong wants to
   know that the connection did. */
static void note_peer(struct transfer *t, int fd)
{
    struct sockaddr_storage at;
    socklen_t n = sizeof at;

    if (getpeername(fd, (struct sockaddr *)&at, &n) == 0)
        getnameinfo(
            (struct sockaddr *)&at, n, t->reached, sizeof t->reached, NULL, 0, NI_NUMERICHOST);
}

static int on_close(void *arg, curl_socket_t fd)
{
    struct transfer *t = arg;

    if (t->config.observed)
        note_peer(t, fd);
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

static size_t on_read(char *to, size_t size, size_t n, void *arg)
{
    struct call *c = arg;
    ssize_t got = c->from.read(c->from.read_arg, c->at, to, size * n);

    if (got < 0)
        return CURL_READFUNC_ABORT;
    c->at += (uint64_t)got;
    return (size_t)got;
}

/* For libcurl, which sends again what a dead connection did not take. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
    struct call *c = arg;

    if (origin != SEEK_SET || offset < 0)
        return CURL_SEEKFUNC_CANTSEEK;
    c->at = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
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
    SET(CURLOPT_PIPEWAIT, k->http2 ? 1L : 0L); /* one connection carries all */
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    return rc;
}

/* ours: it is the receiver; nobody else sees our certificate, or goes unchecked. */
static CURLcode set_tls(CURL *e, const struct transfer_config *k, bool ours)
{
    CURLcode rc = CURLE_OK;
    bool insecure = k->insecure && ours;

    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, insecure ? 0L : 1L);
    SET(CURLOPT_SSL_VERIFYHOST, insecure ? 0L : 2L);
    if (k->cacert)
        SET(CURLOPT_CAINFO, k->cacert);
    SET(CURLOPT_KEYPASSWD, ""); /* or it would be asked for at the terminal */
    if (!ours || !k->pin)
        return rc;
    SET(CURLOPT_PINNEDPUBLICKEY, k->pin);
    SET(CURLOPT_CERTINFO, 1L);
    return rc;
}

static CURLcode set_upload(struct call *c)
{
    CURL *e = c->easy;
    CURLcode rc = CURLE_OK;

    SET(CURLOPT_READFUNCTION, on_read);
    SET(CURLOPT_READDATA, c);
    SET(CURLOPT_SEEKFUNCTION, on_seek);
    SET(CURLOPT_SEEKDATA, c);
    c->reply.keep = true;
    return rc;
}

/* libcurl takes a URL apart for each request; that is spared where it knows it. */
static void set_url(struct call *c, const char *url)
{
    bool fine;

    if (c->url && strcmp(c->url, url) == 0)
        return;
    free(c->url);
    c->url = mem_text(slice_of(url));
    fine = curl_url_set(c->parts, CURLUPART_URL, url, 0) == CURLUE_OK;
    curl_easy_setopt(c->easy, CURLOPT_CURLU, fine ? c->parts : NULL);
    curl_easy_setopt(c->easy, CURLOPT_URL, url); /* for what is no URL it has an error of its own */
}

static CURLcode set_call(struct call *c, struct transfer *t, const char *url)
{
    CURL *e = c->easy;
    CURLcode rc = CURLE_OK;

    set_url(c, url);
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
    if (t->config.observed) {
        SET(CURLOPT_CERTINFO, 1L);
        SET(CURLOPT_ERRORBUFFER, c->words);
    }
    c->timeout_ms = t->config.timeout_ms;
    c->reply.keep = t->config.whole_replies;
    return rc;
}

static int call_open(struct call *c, struct transfer *t, bool upload, struct fault *why)
{
    const char *url = upload ? t->config.upload_url : t->config.url;
    CURLcode rc;

    c->transfer = t;
    c->free = upload ? &t->upload_free : &t->free;
    c->easy = curl_easy_init();
    c->parts = curl_url();
    if (!c->easy || !c->parts)
        return fault_set(why, EX_OSERR, "libcurl: cannot start");
    memcpy(c->key_text, KEY_FIELD, KEY_FIELD_BYTES);
    c->key.data = c->key_text;
    rc = set_safety(c->easy, &t->config);
    c->ours = !upload || t->config.upload_ours;
    c->insecure = t->config.insecure && c->ours;
    c->pinned = t->config.pin && c->ours;
    if (rc == CURLE_OK && (url_is_https(url) || (t->config.tls && !upload)))
        rc = set_tls(c->easy, &t->config, c->ours);
    if (rc == CURLE_OK)
        rc = set_call(c, t, url);
    if (rc == CURLE_OK && upload)
        rc = set_upload(c);
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

int transfer_files(const struct transfer_config *config, struct fault *why)
{
    struct tls_identity *identity;
    int rc;

    if (config->cacert && access(config->cacert, R_OK) < 0)
        return fault_errno(why, EX_NOINPUT, "%s: cannot read", config->cacert);
    /* What a descriptor gives can be read but once. */
    if ((config->cert && secret_inherited(config->cert)) ||
        (config->key && secret_inherited(config->key)))
        return 0;
    rc = tls_identity_read(config->cert, config->key, NULL, &identity, why);
    tls_identity_drop(identity);
    return rc;
}

int transfer_renew(struct transfer *t, struct fault *why)
{
    struct tls_identity *new;

    if (tls_identity_read(t->config.cert, t->config.key, t->identity, &new, why) < 0)
        return -1;
    tls_identity_drop(t->identity);
    t->identity = new;
    return 0;
}

struct transfer *transfer_open(const struct transfer_config *config, struct fault *why)
{
    struct transfer *t = mem_alloc(sizeof *t);
    bool fine = false, tls;

    *t = (struct transfer){.config = *config, .timer_ms = -1};
    /* TLS is set up only where it is used: it costs more than the rest of the start. */
    tls = config->tls || url_is_https(config->url) ||
          (config->upload_url && url_is_https(config->upload_url));
    curl_global_init(tls ? CURL_GLOBAL_SSL : CURL_GLOBAL_NOTHING);
    t->calls = config->connections;
    if (config->upload_url)
        t->calls += transfer_uploads(config->connections);
    t->call = mem_alloc(t->calls * sizeof *t->call);
    memset(t->call, 0, t->calls * sizeof *t->call);
    t->epoll = epoll_create1(EPOLL_CLOEXEC);
    t->multi = curl_multi_init();
    if (check_url(config->url, why) < 0 ||
        (config->upload_url && check_url(config->upload_url, why) < 0) ||
        transfer_renew(t, why) < 0)
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
    for (unsigned i = t->calls; i-- > 0;) {
        struct call *c = &t->call[i];

        if (call_open(c, t, i >= config->connections, why) < 0)
            goto out;
        c->next = *c->free;
        *c->free = c;
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
    for (unsigned i = 0; i < t->calls; i++) {
        struct call *c = &t->call[i];

        if (c->easy && t->multi)
            curl_multi_remove_handle(t->multi, c->easy);
        curl_easy_cleanup(c->easy);
        fields_drop(c->fields);
        tls_identity_drop(c->identity);
        buf_free(&c->reply.lines);
        curl_url_cleanup(c->parts);
        free(c->url);
        buf_free(&c->reply.body);
    }
    curl_multi_cleanup(t->multi);
    if (t->epoll >= 0)
        close(t->epoll);
    fields_drop(t->fields);
    tls_identity_drop(t->identity);
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
    return t->busy < t->config.connections;
}

bool transfer_upload_free(const struct transfer *t)
{
    return transfer_free(t) && t->upload_free;
}

static void set_fields(struct call *c, struct field_list *f)
{
    if (c->fields == f)
        return;
    fields_drop(c->fields);
    c->fields = f;
    f->references++;
    curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, &c->key);
}

/* A request with a URL, a method and fields of its own. */
static void set_own(struct call *c, struct field_list *f, const struct request *r)
{
    struct curl_slist *common = r->foreign ? &f->node[headers_count(f->headers)] : c->key.next;
    unsigned n = 0;

    for (; n < r->fields && n < TRANSFER_FIELDS_MAX; n++)
        c->own[n] = (struct curl_slist){(char *)(uintptr_t)r->field[n], &c->own[n + 1]};
    if (r->key)
        c->own[n++] = (struct curl_slist){c->key_text, NULL};
    if (n > 0)
        c->own[n - 1].next = common;
    curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, n > 0 ? c->own : common);
    set_url(c, r->url);
    c->unusual = true;
    curl_easy_setopt(c->easy, r->no_body ? CURLOPT_HTTPGET : CURLOPT_POST, 1L);
    if (c->method != r->method)
        curl_easy_setopt(c->easy, CURLOPT_CUSTOMREQUEST, r->method);
    c->method = r->method;
}

/* After a request of its own kind, one that is as all are. */
static void set_usual(struct call *c, const struct transfer *t)
{
    set_url(c, t->config.url);
    c->unusual = false;
    c->method = NULL;
    curl_easy_setopt(c->easy, CURLOPT_POST, 1L);
    curl_easy_setopt(c->easy, CURLOPT_CUSTOMREQUEST, NULL);
    curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, &c->key);
}

/* What is said of the receiver's certificate is said of no other. */
static void set_trust(struct call *c, const struct request *r)
{
    const struct transfer_config *k = &c->transfer->config;
    bool elsewhere = r->foreign && !url_same_origin(r->url, k->url);
    bool insecure = (k->insecure && !elsewhere) || r->unchecked;
    bool pinned = k->pin && !elsewhere && !r->unchecked;

    if (c->insecure != insecure) {
        curl_easy_setopt(c->easy, CURLOPT_SSL_VERIFYPEER, insecure ? 0L : 1L);
        curl_easy_setopt(c->easy, CURLOPT_SSL_VERIFYHOST, insecure ? 0L : 2L);
    }
    if (c->pinned != pinned)
        curl_easy_setopt(c->easy, CURLOPT_PINNEDPUBLICKEY, pinned ? k->pin : NULL);
    c->insecure = insecure;
    c->pinned = pinned;
}

/* libcurl keeps the pointers: the identity lives as long as they do. */
static void set_identity(struct call *c)
{
    struct tls_identity *i = c->transfer->identity;
    struct curl_blob cert = {i->cert.data, i->cert.len, CURL_BLOB_NOCOPY};
    struct curl_blob key = {i->key.data, i->key.len, CURL_BLOB_NOCOPY};

    curl_easy_setopt(c->easy, CURLOPT_SSLCERT_BLOB, &cert);
    curl_easy_setopt(c->easy, CURLOPT_SSLKEY_BLOB, i->key.len > 0 ? &key : NULL);
    tls_identity_drop(c->identity);
    c->identity = i;
    i->references++;
}

/* A request that is none: see transfer.h. */
static void set_connect_only(struct call *c, const struct request *r)
{
    if (c->connect_only != r->connect_only)
        curl_easy_setopt(c->easy, CURLOPT_CONNECT_ONLY, (long)r->connect_only);
    c->connect_only = r->connect_only;
}

static int call_start(struct call *c, const struct request *r, struct fault *why)
{
    struct transfer *t = c->transfer;
    CURLMcode rc;

    reply_reset(&c->reply);
    if (c->reply.body.cap > REPLY_KEPT_BYTES) /* a rare large one */
        buf_free(&c->reply.body);
    c->tag = r->tag;
    c->sends = 0;
    c->once = r->once;
    c->reply_too_long = false;
    c->words[0] = t->reached[0] = '\0';
    if (c->ours && c->identity != t->identity)
        set_identity(c);
    rc = curl_multi_add_handle(t->multi, c->easy);
    if (rc != CURLM_OK)
        return fault_set(why, EX_SOFTWARE, "libcurl: %s", curl_multi_strerror(rc));
    *c->free = c->next;
    t->busy++;
    return 0;
}

int transfer_start(struct transfer *t, const struct request *r, struct fault *why)
{
    struct call *c = t->free;
    int64_t timeout_ms =
        r->timeout_ms < t->config.timeout_ms ? r->timeout_ms : t->config.timeout_ms;
    struct curl_slist *common = t->fields ? t->fields->node : NULL; /* none: connect_only */

    set_fields(c, t->fields);
    c->trace = (struct curl_slist){(char *)(uintptr_t)r->trace, common};
    c->key.next = r->trace ? &c->trace : common;
    if (r->key)
        snprintf(c->key_text + KEY_FIELD_BYTES, KEY_BYTES_MAX, "%s", r->key);
    if (timeout_ms != c->timeout_ms)
        curl_easy_setopt(c->easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    c->timeout_ms = timeout_ms;
    curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, r->body.n > 0 ? r->body.p : "");
    curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.n);
    if (r->url)
        set_own(c, t->fields, r);
    else if (c->unusual)
        set_usual(c, t);
    c->reply.keep = t->config.whole_replies || r->foreign;
    set_trust(c, r);
    set_connect_only(c, r);
    return call_start(c, r, why);
}

/* Its own fields, and where the receiver is the same those that are not about a body. */
static void set_upload_fields(struct call *c, struct field_list *f, const struct request *r)
{
    unsigned n = 0;

    for (; n < r->fields && n < TRANSFER_FIELDS_MAX; n++)
        c->own[n].data = (char *)(uintptr_t)r->field[n];
    for (unsigned i = 0; c->transfer->config.upload_ours && i < headers_count(f->headers); i++)
        if (strncasecmp(headers_line(f->headers, i), "content-", 8) != 0)
            c->own[n++].data = (char *)(uintptr_t)headers_line(f->headers, i);
    for (unsigned i = 0; i < n; i++)
        c->own[i].next = i + 1 < n ? &c->own[i + 1] : NULL;
    curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, n > 0 ? c->own : NULL);
}

int transfer_upload(struct transfer *t, const struct request *r, struct fault *why)
{
    struct call *c = t->upload_free;

    if (c->fields != t->fields) { /* it keeps the lines that it points to */
        fields_drop(c->fields);
        c->fields = t->fields;
        c->fields->references++;
    }
    set_upload_fields(c, t->fields, r);
    curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->read_bytes);
    c->from = *r;
    c->at = 0;
    return call_start(c, r, why);
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
    if (code == CURLE_SSL_PINNEDPUBKEYNOTMATCH)
        return NET_STRANGER;
    /* Before on_send nothing of the request can have left. */
    return c->sends > 0 ? NET_LOST : NET_UNSENT;
}

/* Which key it has, and what to do about it. */
static const char *name_stranger(struct call *c)
{
    struct curl_certinfo *all = NULL;
    char pin[PIN_BYTES] = "another one";

    curl_easy_getinfo(c->easy, CURLINFO_CERTINFO, &all);
    if (all && all->num_of_certs > 0)
        for (const struct curl_slist *s = all->certinfo[0]; s; s = s->next)
            if (strncmp(s->data, "Cert:", 5) == 0)
                pin_of(s->data + 5, pin);
    snprintf(c->stranger, sizeof c->stranger,
        "it is %s: add that, if those who run the receiver say that it is theirs", pin);
    return c->stranger;
}

static const char *net_text(struct call *c)
{
    if (c->reply_too_long)
        return "reply longer than allowed";
    if (c->result == CURLE_ABORTED_BY_CALLBACK)
        return "the connection ended without a reply";
    if (c->result == CURLE_SSL_PINNEDPUBKEYNOTMATCH)
        return name_stranger(c);
    return curl_easy_strerror(c->result);
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
    c->result = m->data.result;
    c->reply.net = net_of(c, c->result);
    c->reply.net_text = net_text(c);
    curl_multi_remove_handle(t->multi, c->easy);
    *done = (struct exchange){.tag = c->tag,
        .reply = &c->reply,
        .upload = c->free == &t->upload_free,
        .sends = c->sends,
        .call = c};
    c->next = *c->free;
    *c->free = c;
    t->busy--;
    return true;
}

int transfer_wait(struct transfer *t, bool to_its_end, struct exchange *done, struct fault *why)
{
    while (!transfer_next(t, done)) {
        struct pollfd news = {.fd = t->epoll, .events = POLLIN};
        int64_t now_ms = monotonic_ms();
        int rc = transfer_run(t, now_ms, why);

        if (stop_requested() && !to_its_end)
            return 0;
        if (rc == 0)
            rc = stop_wait(&news, 1, transfer_timeout_ms(t, now_ms), to_its_end);
        if (rc < 0)
            return -1;
    }
    return 1;
}

int transfer_call(
    struct transfer *t, const struct request *r, struct reply *reply, struct fault *why)
{
    struct exchange done;
    int rc = transfer_start(t, r, why) < 0 ? -1 : transfer_wait(t, false, &done, why);

    if (rc > 0)
        reply_copy(reply, done.reply);
    return rc;
}

/* ---- connections ---- */

/* The codes of OpenSSL, which libcurl hands on; what else it says of a certificate that it does not
   take is about its names. */
static enum way way_of_certificate(CURL *e)
{
    static const struct {
        long code;
        enum way way;
    } codes[] = {
        {0, WAY_OTHER_NAME},
        {1, WAY_OTHER_NAME},
        {9, WAY_TOO_EARLY},
        {10, WAY_EXPIRED},
        {18, WAY_SELF_SIGNED},
        {19, WAY_UNKNOWN_CA},
        {20, WAY_UNKNOWN_CA},
        {21, WAY_UNKNOWN_CA},
    };
    long code = 0;

    curl_easy_getinfo(e, CURLINFO_SSL_VERIFYRESULT, &code);
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i].code == code)
            return codes[i].way;
    return WAY_UNTRUSTED;
}

static enum way way_of(const struct call *c)
{
    static const struct {
        CURLcode code;
        enum way way;
    } codes[] = {
        {CURLE_OK, WAY_OPEN},
        {CURLE_COULDNT_RESOLVE_HOST, WAY_NO_NAME},
        {CURLE_COULDNT_RESOLVE_PROXY, WAY_NO_PROXY},
        {CURLE_COULDNT_CONNECT, WAY_NOWHERE},
        {CURLE_OPERATION_TIMEDOUT, WAY_SLOW},
        {CURLE_SSL_CONNECT_ERROR, WAY_NO_TLS},
        {CURLE_SSL_PINNEDPUBKEYNOTMATCH, WAY_STRANGER},
    };
    long proxy = 0;

    curl_easy_getinfo(c->easy, CURLINFO_HTTP_CONNECTCODE, &proxy);
    if (c->result != CURLE_OK && proxy > 0 && (proxy < 200 || proxy > 299))
        return WAY_PROXY_NO;
    if (c->result == CURLE_PEER_FAILED_VERIFICATION)
        return way_of_certificate(c->easy);
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i].code == c->result)
            return codes[i].way;
    return WAY_FAILED;
}

/* "Subject:O = Test, CN = a" and the like of the certificate itself; those above it are not told.
 */
static void read_certificate(CURL *e, struct peer *p)
{
    const struct {
        const char *name;
        char *text;
        size_t n;
        int64_t *time;
    } wanted[] = {
        {"Subject:", p->subject, sizeof p->subject, NULL},
        {"Issuer:", p->issuer, sizeof p->issuer, NULL},
        {"X509v3 Subject Alternative Name:", p->names, sizeof p->names, NULL},
        {"Start date:", NULL, 0, &p->not_before},
        {"Expire date:", NULL, 0, &p->not_after},
    };
    struct curl_certinfo *all = NULL;

    curl_easy_getinfo(e, CURLINFO_CERTINFO, &all);
    if (!all || all->num_of_certs == 0)
        return;
    p->certificate = true;
    for (const struct curl_slist *s = all->certinfo[0]; s; s = s->next)
        for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
            size_t n = strlen(wanted[i].name);

            if (strncmp(s->data, wanted[i].name, n) != 0)
                continue;
            if (wanted[i].time)
                *wanted[i].time = curl_getdate(s->data + n, NULL);
            else
                snprintf(wanted[i].text, wanted[i].n, "%s", s->data + n);
        }
}

void transfer_peer(const struct exchange *done, struct peer *peer)
{
    struct call *c = done->call;
    char *address = NULL;
    long error = 0;

    *peer = (struct peer){.way = way_of(c), .not_before = -1, .not_after = -1};
    curl_easy_getinfo(c->easy, CURLINFO_PRIMARY_IP, &address);
    curl_easy_getinfo(c->easy, CURLINFO_PRIMARY_PORT, &peer->port);
    curl_easy_getinfo(c->easy, CURLINFO_OS_ERRNO, &error);
    curl_easy_getinfo(c->easy, CURLINFO_HTTP_CONNECTCODE, &peer->proxy_status);
    peer->error = (int)error;
    snprintf(peer->address, sizeof peer->address, "%s",
        address && *address ? address : c->transfer->reached);
    snprintf(peer->words, sizeof peer->words, "%s",
        peer->way == WAY_STRANGER ? c->stranger
        : c->words[0]             ? c->words
                                  : curl_easy_strerror(c->result));
    read_certificate(c->easy, peer);
}

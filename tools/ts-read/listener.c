/* SPDX-License-Identifier: MIT */
/*
 * Out of descriptors: accept(2) would fail for ever and the socket stay readable.  A descriptor
 * kept in reserve is closed, so that the peer can be accepted and told by a close, and opened
 * again.
 */
#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "buf.h"
#include "msg.h"
#include "stop.h"

#define BACKLOG 4096   /* peers that wait in the kernel for a place; it has a limit of its own */
#define QUIET_MS 60000 /* between two messages about the same condition */
#define PAUSE_MS 100   /* after running out of descriptors */
#define SPARE_FILES 64 /* descriptors for everything but connections */

struct count {
    unsigned char octets[16];
    unsigned open;
};

struct listener {
    struct listener_config config;
    int fd, reserve;
    struct count *count; /* one for each address that is connected */
    unsigned counts, open;
    int64_t told_ms, resume_ms;
};

/* Connections need descriptors: as many as we may have.  Peers for whom there is none wait in the
 * kernel. */
static void raise_limit(struct listener *l)
{
    struct rlimit limit;
    rlim_t want = l->config.most + SPARE_FILES, most;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= want)
        return;
    limit.rlim_cur = limit.rlim_max < want ? limit.rlim_max : want;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= want)
        return;
    most = limit.rlim_cur > SPARE_FILES * 2 ? limit.rlim_cur - SPARE_FILES : limit.rlim_cur / 2;
    msg_warn("%s: at most %u connections at once, for want of file descriptors (ulimit -n)",
        l->config.operand, (unsigned)most);
    l->config.most = (unsigned)most;
}

static int bind_to(struct listener *l, const struct addrinfo *a, struct fault *why)
{
    const struct listener_config *c = &l->config;
    unsigned char octets[16];
    int on = 1;

    address_octets(a->ai_addr, octets);
    if (!address_is_loopback(octets) && c->allow_count == 0 && !c->guarded)
        return fault_set(why, EX_USAGE,
            "%s: an address that others reach needs --allow (or for HTTP --token-file)",
            c->operand);
    l->fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0)
        return fault_errno(why, EX_UNAVAILABLE, "%s: cannot listen", c->operand);
    setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (c->defer_s > 0)
        setsockopt(l->fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &c->defer_s, sizeof c->defer_s);
    if (bind(l->fd, a->ai_addr, a->ai_addrlen) < 0 || listen(l->fd, BACKLOG) < 0)
        return fault_errno(
            why, errno == EACCES ? EX_NOPERM : EX_UNAVAILABLE, "%s: cannot listen", c->operand);
    return 0;
}

static void say_where(const struct listener *l)
{
    struct sockaddr_storage address = {0};
    socklen_t n = sizeof address;
    char text[ADDRESS_TEXT];

    if (getsockname(l->fd, (struct sockaddr *)&address, &n) < 0)
        return;
    address_print((struct sockaddr *)&address, text);
    msg_say("listening on %s", text);
}

struct listener *listener_open(const struct listener_config *config, struct fault *why)
{
    const char *host = *config->at.host ? config->at.host : "127.0.0.1";
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    struct listener *l = mem_alloc(sizeof *l);
    int rc = getaddrinfo(host, config->at.port, &hints, &found);

    *l = (struct listener){.config = *config, .fd = -1, .reserve = -1};
    if (rc != 0) {
        rc = fault_set(why, rc == EAI_MEMORY ? EX_OSERR : EX_NOHOST, "%s: %s", config->operand,
            gai_strerror(rc));
    } else {
        rc = bind_to(l, found, why);
        freeaddrinfo(found);
    }
    if (rc < 0) {
        listener_close(l);
        return NULL;
    }
    raise_limit(l);
    l->count = mem_alloc(l->config.most * sizeof *l->count);
    l->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    say_where(l);
    return l;
}

void listener_close(struct listener *l)
{
    if (!l)
        return;
    if (l->fd >= 0)
        close(l->fd);
    if (l->reserve >= 0)
        close(l->reserve);
    free(l->count);
    free(l);
}

/* Says a condition at most once a minute. */
static void tell(struct listener *l, const char *what, const struct peer *peer)
{
    char text[ADDRESS_TEXT];
    int64_t now = monotonic_ms();

    if (l->told_ms && now - l->told_ms < QUIET_MS)
        return;
    l->told_ms = now;
    address_print_host((const struct sockaddr *)&peer->address, text);
    msg_warn("%s: %s: %s", l->config.operand, text, what);
}

static struct count *find_count(struct listener *l, const unsigned char octets[16])
{
    for (unsigned i = 0; i < l->counts; i++)
        if (memcmp(l->count[i].octets, octets, 16) == 0)
            return &l->count[i];
    return NULL;
}

static bool is_allowed(struct listener *l, const struct peer *peer)
{
    if (l->config.allow_count == 0 ||
        cidr_allows(l->config.allow, l->config.allow_count, peer->octets))
        return true;
    tell(l, "is not allowed: refused", peer);
    return false;
}

static bool admit(struct listener *l, struct peer *peer)
{
    struct count *c = find_count(l, peer->octets);

    if (c && c->open >= l->config.per_peer) {
        tell(l, "has too many connections: refused", peer);
        return false;
    }
    if (!c) {
        c = &l->count[l->counts++];
        *c = (struct count){0};
        memcpy(c->octets, peer->octets, sizeof c->octets);
    }
    c->open++;
    l->open++;
    return true;
}

void listener_refuse(int fd, const char *text)
{
    char away[4096];

    for (int i = 0; i < 16 && recv(fd, away, sizeof away, MSG_DONTWAIT) > 0; i++)
        ;
    if (text && send(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        shutdown(fd, SHUT_WR);
    close(fd);
}

static void out_of_descriptors(struct listener *l)
{
    int fd;

    if (l->reserve >= 0)
        close(l->reserve);
    fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        listener_refuse(fd, l->config.busy);
    l->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    l->resume_ms = monotonic_ms() + PAUSE_MS;
    if (!l->told_ms || monotonic_ms() - l->told_ms >= QUIET_MS)
        msg_warn("%s: out of file descriptors: a connection was refused", l->config.operand);
    l->told_ms = monotonic_ms();
}

bool listener_accept(struct listener *l, struct peer *peer)
{
    while (!listener_full(l) && monotonic_ms() >= l->resume_ms) {
        *peer = (struct peer){.address_bytes = sizeof peer->address};
        peer->fd = accept4(l->fd, (struct sockaddr *)&peer->address, &peer->address_bytes,
            SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (peer->fd < 0 && (errno == EMFILE || errno == ENFILE))
            out_of_descriptors(l);
        if (peer->fd < 0 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (peer->fd < 0)
            return false;
        address_octets((struct sockaddr *)&peer->address, peer->octets);
        if (!is_allowed(l, peer))
            listener_refuse(peer->fd, l->config.forbidden);
        else if (admit(l, peer))
            return true;
        else
            listener_refuse(peer->fd, l->config.busy);
    }
    return false;
}

void listener_release(struct listener *l, const struct peer *peer)
{
    struct count *c = find_count(l, peer->octets);

    if (!c)
        return;
    l->open--;
    if (--c->open == 0)
        *c = l->count[--l->counts];
}

bool listener_full(const struct listener *l)
{
    return l->open >= l->config.most;
}

nfds_t listener_poll(struct listener *l, struct pollfd *fds, int *timeout_ms)
{
    int64_t to_ms = l->resume_ms ? l->resume_ms - monotonic_ms() : 0;

    if (to_ms > 0) {
        if (*timeout_ms < 0 || to_ms < *timeout_ms)
            *timeout_ms = (int)to_ms;
        return 0;
    }
    if (listener_full(l))
        return 0;
    fds[0] = (struct pollfd){.fd = l->fd, .events = POLLIN};
    return 1;
}

int listener_fd(const struct listener *l)
{
    return l->fd;
}

int64_t listener_resume_ms(const struct listener *l)
{
    return l->resume_ms > monotonic_ms() ? l->resume_ms : INT64_MAX;
}

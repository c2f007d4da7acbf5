/* SPDX-License-Identifier: MIT */
/*
 * zk://host[:4370]: the log of a ZKTeco device, and with -F what happens live, over its binary
 * protocol.  TCP is tried first, then UDP; zk+tcp:// and zk+udp:// try one of them.  What is said
 * is in zk_device.c and zk_session.c; here are the sockets.
 *
 * Many devices take one client at a time, and keep its place for minutes when it goes without a
 * word: so every end, also that by a fault, says goodbye.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "address.h"
#include "msg.h"
#include "secret.h"
#include "stop.h"
#include "zk_device.h"

#define PORT "4370"
#define CONNECT_MS 4000
#define READ_BYTES (64u << 10)
#define DATAGRAM_BYTES 2048u /* they have 1032 */
#define DATAGRAMS 32         /* read in one go */
#define RECEIVE_BYTES (512 << 10)
#define BACKOFF_FIRST_MS 1000
#define BACKOFF_LAST_MS 60000
#define STEADY_MS 60000 /* a connection that lived this long starts again at the first step */

struct zk {
    const struct source_env *env;
    const char *operand;
    struct endpoint at;
    bool tcp, udp; /* what may be tried */
    bool over_udp; /* what is tried, or used, now */
    bool keyed;    /* there is a communication key … */
    uint32_t key;  /* … this one */
    struct zk_device *device;
    struct zk_session *session;
    int fd; /* -1: no connection */
    bool connecting, broken, stopping, ended;
    bool failed; /* for good: `fault`, once what was read is on its way */
    struct fault fault;
    size_t sent; /* bytes of the first packet, over TCP */
    int64_t deadline_ms, resume_ms, since_ms, full_ms;
    int backoff_ms;
    bool down;           /* said so */
    char first_why[200]; /* why TCP did not work, while UDP is tried */
};

/* ---- connections ---- */

static void send_packets(struct zk *z)
{
    struct slice packet;

    while (!z->broken && zk_session_out(z->session, &packet)) {
        ssize_t n = send(z->fd, packet.p + z->sent, packet.n - z->sent, MSG_NOSIGNAL);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        z->broken = n < 0 && !z->over_udp; /* a datagram that got lost is asked for again */
        z->sent = z->over_udp || n < 0 ? packet.n : z->sent + (size_t)n;
        if (z->sent < packet.n)
            continue;
        z->sent = 0;
        zk_session_sent(z->session);
    }
}

/* The device is told goodbye, whatever happened, or it keeps the place for minutes. */
static void hang_up(struct zk *z)
{
    if (z->session && zk_session_open_now(z->session)) {
        zk_session_exit(z->session, monotonic_ms());
        send_packets(z);
    }
    if (z->device)
        zk_device_disconnected(z->device);
    zk_session_free(z->session);
    z->session = NULL;
    if (z->fd >= 0)
        close(z->fd);
    z->fd = -1;
    z->connecting = z->broken = false;
    z->full_ms = 0;
}

static void again_later(struct zk *z, const char *what)
{
    uint32_t random = 0;

    if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
        random = (uint32_t)monotonic_ms();
    if (!z->down)
        msg_warn("%s: trying again until it works", what);
    z->down = true;
    if (z->since_ms && monotonic_ms() - z->since_ms > STEADY_MS)
        z->backoff_ms = BACKOFF_FIRST_MS;
    z->since_ms = 0;
    z->resume_ms = monotonic_ms() + z->backoff_ms / 2 + random % (unsigned)z->backoff_ms / 2;
    z->backoff_ms = z->backoff_ms * 2 > BACKOFF_LAST_MS ? BACKOFF_LAST_MS : z->backoff_ms * 2;
}

/* The connection is of no use.  The other protocol is tried at once, while neither has worked yet;
   then, with -F, both again later. */
static void lost(struct zk *z, struct fault *why)
{
    bool known = z->device && zk_device_known(z->device);

    hang_up(z);
    if (z->stopping) {
        z->ended = true;
        return;
    }
    if (!z->over_udp && z->udp && !known) {
        snprintf(z->first_why, sizeof z->first_why, "%.199s", why->text);
        z->over_udp = true;
        return;
    }
    if (known) { /* what has worked is kept to */
        z->tcp = !z->over_udp;
        z->udp = z->over_udp;
    } else if (z->tcp) {
        z->over_udp = false;
        if (*z->first_why)
            fault_set(why, EX_UNAVAILABLE, "%s, nor over UDP", z->first_why);
    }
    *z->first_why = '\0';
    if (z->env->follow) {
        again_later(z, why->text);
        return;
    }
    z->failed = true;
    z->fault = *why;
}

static void lost_because(struct zk *z, const char *what, struct fault *why)
{
    fault_set(why, EX_UNAVAILABLE, "%s: %s over %s", z->operand, what, z->over_udp ? "UDP" : "TCP");
    lost(z, why);
}

static void keep_alive(int fd)
{
    int on = 1, idle_s = 60, every_s = 15, tries = 4;

    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every_s, sizeof every_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &tries, sizeof tries);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static void begin_connect(struct zk *z, struct fault *why)
{
    int type = z->over_udp ? SOCK_DGRAM : SOCK_STREAM, error = 0, bytes = RECEIVE_BYTES;
    struct addrinfo hints = {.ai_socktype = type, .ai_flags = AI_NUMERICSERV}, *a = NULL;
    int rc = getaddrinfo(z->at.host, z->at.port, &hints, &a);

    if (rc != 0) {
        lost_because(z, gai_strerror(rc), why);
        return;
    }
    z->fd = socket(a->ai_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (z->fd >= 0 && z->over_udp)
        setsockopt(z->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    if (z->fd < 0 || (connect(z->fd, a->ai_addr, a->ai_addrlen) < 0 && errno != EINPROGRESS))
        error = errno;
    freeaddrinfo(a);
    z->connecting = !error;
    z->deadline_ms = monotonic_ms() + CONNECT_MS;
    if (error)
        lost_because(z, strerror(error), why);
}

static void end_connect(struct zk *z, struct fault *why)
{
    struct pollfd out = {.fd = z->fd, .events = POLLOUT};
    struct sockaddr_storage address;
    char peer[ADDRESS_TEXT], host[ADDRESS_TEXT];
    socklen_t n = sizeof(int);
    int error = 0;

    if (poll(&out, 1, 0) == 0) {
        if (monotonic_ms() >= z->deadline_ms)
            lost_because(z, "no answer", why);
        return;
    }
    if (getsockopt(z->fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
        error = errno;
    n = sizeof address;
    if (!error && getpeername(z->fd, (struct sockaddr *)&address, &n) < 0)
        error = errno;
    if (error) {
        lost_because(z, strerror(error), why);
        return;
    }
    address_print((struct sockaddr *)&address, peer);
    address_print_host((struct sockaddr *)&address, host);
    if (!z->over_udp)
        keep_alive(z->fd);
    z->connecting = false;
    z->sent = 0;
    z->since_ms = monotonic_ms();
    z->session = zk_session_new(z->over_udp, z->keyed, z->key);
    zk_device_connected(z->device, z->session, peer, host, monotonic_ms());
}

/* ---- bytes ---- */

/* Takes what is there: 1 something, 0 nothing, -1 the connection has ended. */
static int receive(struct zk *z)
{
    char bytes[READ_BYTES];
    size_t room = z->over_udp ? DATAGRAM_BYTES : sizeof bytes;
    int got = 0;

    for (int i = 0; i < (z->over_udp ? DATAGRAMS : 1); i++) {
        ssize_t n = recv(z->fd, bytes, room, 0);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return got;
        if (n < 0 || (n == 0 && !z->over_udp))
            return -1;
        zk_session_take(z->session, (struct slice){bytes, (size_t)n});
        got = 1;
    }
    return got;
}

/* ---- the source ---- */

static bool zk_takes(const struct source_env *env, const char *operand)
{
    return !env->listen &&
           (source_scheme(operand, "zk", NULL) || source_scheme(operand, "zk+tcp", NULL) ||
               source_scheme(operand, "zk+udp", NULL));
}

static void zk_close(void *state)
{
    struct zk *z = state;

    if (!z)
        return;
    hang_up(z);
    zk_device_free(z->device);
    free(z);
}

/* The communication key is a number. */
static int read_key(struct zk *z, struct fault *why)
{
    struct buf text = {0};
    uint64_t key = 0;
    bool good;

    if (!z->env->password_file)
        return 0;
    if (secret_read(z->env->password_file, &text, why) < 0)
        return -1;
    good = text.len > 0 && text.len <= 10;
    for (size_t i = 0; good && i < text.len; i++) {
        good = text.data[i] >= '0' && text.data[i] <= '9';
        key = key * 10 + (uint64_t)(text.data[i] - '0');
    }
    secret_forget(&text);
    if (!good || key > UINT32_MAX)
        return fault_set(
            why, EX_CONFIG, "%s: a communication key is a number", z->env->password_file);
    z->key = (uint32_t)key;
    z->keyed = true;
    return 0;
}

/* The port may be left out. */
static int read_address(struct zk *z, struct fault *why)
{
    char text[512];
    const char *rest = strstr(z->operand, "://") + 3, *colon = strrchr(rest, ':');
    bool port = colon && !strchr(colon, ']') && (*rest == '[' || strchr(rest, ':') == colon);

    if (snprintf(text, sizeof text, "%s%s", rest, port ? "" : ":" PORT) >= (int)sizeof text ||
        strchr(rest, '/') || endpoint_parse(z->operand, text, &z->at, why) < 0 || !*z->at.host)
        return fault_set(
            why, EX_USAGE, "%s: needs a host, like zk://192.0.2.7 or zk://[::1]:4370", z->operand);
    return 0;
}

static void *zk_open(
    const struct source_env *env, const char *operand, size_t number, struct fault *why)
{
    struct zk *z = mem_alloc(sizeof *z);

    *z = (struct zk){.env = env, .operand = operand, .fd = -1, .backoff_ms = BACKOFF_FIRST_MS};
    z->tcp = !source_scheme(operand, "zk+udp", NULL);
    z->udp = !source_scheme(operand, "zk+tcp", NULL);
    z->over_udp = !z->tcp;
    if (read_address(z, why) < 0 || read_key(z, why) < 0) {
        zk_close(z);
        return NULL;
    }
    z->device = zk_device_new(env, operand, number);
    return z;
}

/* Talks while there is something to talk about. */
static enum source_state talk(struct zk *z, struct fault *why)
{
    int64_t now_ms = monotonic_ms();
    enum zk_run run;
    int got;

    if (z->full_ms && sink_room(z->env->sink)) {
        zk_session_stalled(z->session, now_ms - z->full_ms);
        z->full_ms = 0;
    }
    send_packets(z);
    got = z->full_ms ? 0 : receive(z);
    z->broken = z->broken || got < 0;
    do {
        run = zk_device_run(z->device, now_ms, why);
        send_packets(z); /* before what was read is worked on */
    } while (run == ZK_RUN_MORE);
    if (run == ZK_RUN_FULL && !z->full_ms)
        z->full_ms = now_ms;
    if (run == ZK_RUN_WAIT && z->broken) {
        lost_because(z, "the connection ended", why);
        return SOURCE_MORE;
    }
    if (run == ZK_RUN_LOST) {
        lost(z, why);
        return SOURCE_MORE;
    }
    if (run == ZK_RUN_END) {
        hang_up(z);
        z->ended = true;
    }
    if (run == ZK_RUN_FAULT) {
        hang_up(z);
        return SOURCE_ERROR;
    }
    if (z->down && zk_device_known(z->device)) {
        msg_warn("%s: connected again", z->operand);
        z->down = false;
    }
    return run == ZK_RUN_FULL               ? SOURCE_FULL
           : run == ZK_RUN_WAIT && got <= 0 ? SOURCE_WAIT
                                            : SOURCE_MORE;
}

static enum source_state zk_run(void *state, struct fault *why)
{
    struct zk *z = state;
    enum zk_run run;

    if (sink_over(z->env->sink))
        return SOURCE_END;
    if (z->session)
        return talk(z, why);
    /* What was read last may still wait for room. */
    run = zk_device_run(z->device, monotonic_ms(), why);
    if (run == ZK_RUN_FAULT)
        return SOURCE_ERROR;
    if (run == ZK_RUN_FULL)
        return SOURCE_FULL;
    if (z->failed) {
        *why = z->fault;
        return SOURCE_ERROR;
    }
    if (z->ended || z->stopping)
        return SOURCE_END;
    if (z->connecting) {
        end_connect(z, why);
        return z->connecting ? SOURCE_WAIT : SOURCE_MORE;
    }
    if (monotonic_ms() < z->resume_ms)
        return SOURCE_WAIT;
    begin_connect(z, why);
    return SOURCE_MORE;
}

static void lower(int *timeout_ms, int64_t to_ms)
{
    if (*timeout_ms < 0 || to_ms < *timeout_ms)
        *timeout_ms = to_ms > 0 ? (int)to_ms : 0;
}

static nfds_t zk_poll(void *state, bool room, struct pollfd *fds, int *timeout_ms)
{
    struct zk *z = state;
    int64_t now_ms = monotonic_ms(), due_ms = zk_device_due(z->device);
    struct slice packet;

    if (!room)
        return 0;
    if (z->fd < 0) {
        lower(timeout_ms, z->resume_ms - now_ms);
        return 0;
    }
    fds[0] = (struct pollfd){.fd = z->fd, .events = POLLIN};
    if (z->connecting || (z->session && zk_session_out(z->session, &packet)))
        fds[0].events |= POLLOUT;
    if (z->connecting)
        fds[0].events = POLLOUT;
    if (z->connecting)
        lower(timeout_ms, z->deadline_ms - now_ms);
    else if (due_ms != INT64_MAX)
        lower(timeout_ms, due_ms - now_ms);
    return 1;
}

static void zk_stop(void *state)
{
    struct zk *z = state;

    z->stopping = true;
    zk_device_stop(z->device, monotonic_ms());
    if (z->connecting)
        hang_up(z);
}

static void zk_commit(void *state, void *token, enum verdict verdict)
{
    zk_device_commit(((struct zk *)state)->device, token, verdict);
}

static void zk_progress(const void *state, struct source_progress *progress)
{
    zk_device_progress(((const struct zk *)state)->device, progress);
}

static void zk_reload(void *state)
{
    struct zk *z = state;
    struct fault why;

    if (!z->env->password_file || secret_inherited(z->env->password_file))
        return;
    if (read_key(z, &why) < 0)
        msg_warn("%s: keeping the old one", why.text);
}

const struct source source_zk = {
    .name = "zk",
    .synopsis = "zk://host[:4370], zk+tcp://, zk+udp://",
    .may_fail = true,
    .takes = zk_takes,
    .open = zk_open,
    .run = zk_run,
    .poll = zk_poll,
    .stop = zk_stop,
    .commit = zk_commit,
    .checkpoint = true,
    .progress = zk_progress,
    .reload = zk_reload,
    .close = zk_close,
};

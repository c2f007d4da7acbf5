/* SPDX-License-Identifier: MIT */
/* Many devices that push over HTTP: each keeps one connection, posts its events one request after
 * the other, and goes on when it hears 200. On anything else (or no answer) it sends the same again
 * when told so by -r, on a new connection if need be; without, it counts the request as refused.
 *
 * usage: pushers [-c DEVICES] [-n REQUESTS] [-e EVENTS] [-a ADDRESSES] [-t SECONDS] [-i FILE]
 *                [-l LEDGER] [-b BYTES] [-p SECONDS] [-r] [-1] [-z] PORT
 *
 *   -n  in all; request N carries the events N*EVENTS … , numbered from 0 in "n"
 *   -e  in one request; more than one as NDJSON
 *   -a  the devices come from so many addresses 127.1.x.y, as the listener limits each
 *   -i  the events are the lines of FILE instead, in order
 *   -b  pad each event to so many bytes
 *   -1  a new connection for each request
 *   -p  each device begins a request every so many seconds, at a time of its own; how long one
 *       takes counts from when it was due
 *   -z  ZKTeco devices: each a serial number, rows of ATTLOG
 *   -l  the number of each request that heard 200 is written to LEDGER
 *
 * Prints "REQUESTS accepted in SECONDS s, RATE/s; again: 503 N, other N, none N; median MS, worst
 * MS, 99 % within MS". Status 0 when all were accepted. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BASE_S 1767225600 /* 2026-01-01: event n is that many seconds later */
#define AGAIN_MS 100
#define LOOK_MS 2 /* paced devices are started by that clock */
#define HEAD_ROOM 256
#define MOST_BYTES (2u << 20) /* of one request */

struct device {
    int fd;
    unsigned number;
    long request; /* -1: none left */
    char *text;
    size_t len, sent, got;
    double began_s, again_s; /* when to try again; 0: it is at work */
    double due_s;            /* of a paced one: its next request */
    char answer[512];
};

static struct {
    unsigned devices, addresses, per_request;
    long requests;
    size_t pad;
    double limit_s, pace_s;
    bool again, one, iclock;
    uint16_t port;
    const char *lines, *lines_end, *line;
    FILE *ledger;
} set = {.devices = 64, .addresses = 1, .per_request = 1, .requests = 10000, .limit_s = 60};

static struct {
    long next, accepted, refused, busy, other, none;
    double *took_ms;
} sum;

static int loop;

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void *must(void *p)
{
    if (!p) {
        fputs("pushers: no memory\n", stderr);
        exit(71);
    }
    return p;
}

/* One event, with its line end; from the file, or made up. */
static size_t print_event(char *to, size_t room, long n)
{
    time_t at = BASE_S + n;
    struct tm t;
    size_t len;

    if (set.lines) {
        const char *end = memchr(set.line, '\n', (size_t)(set.lines_end - set.line));

        len = (size_t)((end ? end : set.lines_end) - set.line);
        len = len < room ? len : room - 1;
        memcpy(to, set.line, len);
        set.line = end && end + 1 < set.lines_end ? end + 1 : set.lines;
    } else if (set.iclock) {
        gmtime_r(&at, &t);
        len = (size_t)snprintf(to, room, "%ld\t", n % 997);
        len += strftime(to + len, room - len, "%Y-%m-%d %H:%M:%S\t0\t15\t0\t0\t0", &t);
    } else {
        gmtime_r(&at, &t);
        len = strftime(to, room, "{\"local_time\":\"%Y-%m-%dT%H:%M:%S\"", &t);
        len +=
            (size_t)snprintf(to + len, room - len, ",\"person_id\":\"%ld\",\"n\":%ld", n % 997, n);
        if (set.pad > len + 12) {
            len += (size_t)snprintf(to + len, room - len, ",\"pad\":\"");
            memset(to + len, 'x', set.pad - len - 2);
            len = set.pad - 2;
            to[len++] = '"';
        }
        to[len++] = '}';
    }
    to[len++] = '\n';
    return len;
}

static void make_request(struct device *d)
{
    char head[HEAD_ROOM];
    size_t len = HEAD_ROOM;
    int n;

    if (!d->text)
        d->text = must(malloc(HEAD_ROOM + set.per_request * (set.pad + 2048)));
    for (unsigned i = 0; i < set.per_request; i++)
        len += print_event(d->text + len, set.pad + 2048, d->request * set.per_request + i);
    len--; /* the last line end */
    if (set.iclock)
        n = snprintf(head, sizeof head,
            "POST /iclock/cdata?SN=PUSH%06u&table=ATTLOG&Stamp=9999 HTTP/1.1\r\nHost: gate\r\n"
            "User-Agent: iClock Proxy/1.09\r\n%sAccept: */*\r\nContent-Type: text/plain\r\n"
            "Content-Length: %zu\r\n\r\n",
            d->number, set.one ? "Connection: close\r\n" : "", len - HEAD_ROOM);
    else
        n = snprintf(head, sizeof head,
            "POST / HTTP/1.1\r\nHost: gate\r\nContent-Type: application/%s\r\nContent-Length: "
            "%zu\r\n\r\n",
            set.per_request > 1 ? "x-ndjson" : "json", len - HEAD_ROOM);
    memmove(d->text + n, d->text + HEAD_ROOM, len - HEAD_ROOM);
    memcpy(d->text, head, (size_t)n);
    d->len = len - HEAD_ROOM + (size_t)n;
}

static void hang_up(struct device *d)
{
    if (d->fd >= 0)
        close(d->fd);
    d->fd = -1;
}

static void fail_later(struct device *d, long *count)
{
    ++*count;
    hang_up(d);
    d->again_s = now_s() + AGAIN_MS / 1000.0;
}

static bool dial(struct device *d)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(set.port)};
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = d};
    unsigned address = d->number % set.addresses;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    from.sin_addr.s_addr = htonl(0x7f010001u + address / 250 * 256 + address % 250);
    d->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (d->fd < 0 ||
        (set.addresses > 1 && bind(d->fd, (struct sockaddr *)&from, sizeof from) < 0) ||
        (connect(d->fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS) ||
        epoll_ctl(loop, EPOLL_CTL_ADD, d->fd, &e) < 0) {
        fail_later(d, &sum.none);
        return false;
    }
    return true;
}

static void send_some(struct device *d)
{
    ssize_t n = send(d->fd, d->text + d->sent, d->len - d->sent, MSG_NOSIGNAL);

    if (n > 0)
        d->sent += (size_t)n;
    else if (n < 0 && errno != EAGAIN && errno != ENOTCONN && errno != EPIPE && errno != ECONNRESET)
        fail_later(d, &sum.none);
}

static void begin(struct device *d)
{
    d->sent = d->got = 0;
    d->again_s = 0;
    if (d->fd < 0 && !dial(d))
        return;
    send_some(d);
}

static void next_request(struct device *d)
{
    if (sum.next == set.requests) {
        hang_up(d);
        d->request = -1;
        return;
    }
    d->request = sum.next++;
    make_request(d);
    if (set.pace_s > 0) {
        d->began_s = d->again_s = d->due_s;
        d->due_s += set.pace_s;
        return;
    }
    d->began_s = now_s();
    begin(d);
}

static void answered(struct device *d, int status, bool close_it)
{
    if (status == 200) {
        sum.took_ms[sum.accepted++] = (now_s() - d->began_s) * 1000;
        if (set.ledger)
            fprintf(set.ledger, "%ld\n", d->request);
    } else if (status == 503) {
        sum.busy++;
    } else {
        sum.other++;
    }
    if (close_it || set.one)
        hang_up(d);
    if (status == 200 || !set.again) {
        sum.refused += status != 200;
        next_request(d);
    } else {
        d->again_s = now_s() + AGAIN_MS / 1000.0;
    }
}

/* The answers are small and come in one piece or few. */
static void read_answer(struct device *d)
{
    ssize_t n = recv(d->fd, d->answer + d->got, sizeof d->answer - 1 - d->got, 0);
    const char *end, *length;

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        if (!set.again && d->sent > 0) {
            sum.none++, sum.refused++;
            hang_up(d);
            next_request(d);
        } else {
            fail_later(d, &sum.none);
        }
        return;
    }
    d->got += (size_t)n;
    d->answer[d->got] = '\0';
    end = strstr(d->answer, "\r\n\r\n");
    length = strstr(d->answer, "Content-Length: ");
    if (end && length && (size_t)(d->answer + d->got - end) >= 4 + strtoul(length + 16, NULL, 10))
        answered(d, atoi(d->answer + 9), strstr(d->answer, "Connection: close") != NULL);
}

static void wake(struct device *d, double now)
{
    if (d->request >= 0 && d->again_s > 0 && now >= d->again_s)
        begin(d);
}

static void run(struct device *all)
{
    struct epoll_event events[256];
    double end_s = now_s() + set.limit_s, look_s = 0;
    int look_ms = set.pace_s > 0 ? LOOK_MS : AGAIN_MS / 2;

    while (sum.accepted + sum.refused < set.requests && now_s() < end_s) {
        int n = epoll_wait(loop, events, 256, look_ms);
        double now = now_s();

        for (int i = 0; i < n; i++) {
            struct device *d = events[i].data.ptr;

            if (d->fd >= 0 && d->again_s == 0 && d->sent < d->len && events[i].events & EPOLLOUT)
                send_some(d);
            if (d->fd >= 0 && d->again_s == 0 && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                read_answer(d);
        }
        if (now >= look_s) {
            for (unsigned i = 0; i < set.devices; i++)
                wake(&all[i], now);
            look_s = now + look_ms / 1000.0;
        }
    }
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static void read_lines(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &st) < 0 || st.st_size == 0) {
        perror(path);
        exit(66);
    }
    set.lines = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    set.lines_end = set.lines + st.st_size;
    set.line = set.lines;
    close(fd);
}

static bool set_option(int c)
{
    switch (c) {
    case 'c':
        return (set.devices = (unsigned)atoi(optarg)) > 0;
    case 'n':
        return (set.requests = atol(optarg)) > 0;
    case 'e':
        return (set.per_request = (unsigned)atoi(optarg)) > 0;
    case 'a':
        return (set.addresses = (unsigned)atoi(optarg)) > 0;
    case 't':
        return (set.limit_s = atof(optarg)) > 0;
    case 'b':
        return (set.pad = (size_t)atol(optarg)) < MOST_BYTES;
    case 'i':
        read_lines(optarg);
        return true;
    case 'l':
        return (set.ledger = fopen(optarg, "we")) != NULL;
    case 'p':
        return (set.pace_s = atof(optarg)) > 0;
    case 'z':
        return set.iclock = true;
    case 'r':
        return set.again = true;
    case '1':
        return set.one = true;
    default:
        return false;
    }
}

int main(int argc, char **argv)
{
    struct rlimit files;
    struct device *all;
    double began, took;
    int c;

    while ((c = getopt(argc, argv, "c:n:e:a:t:b:i:l:p:r1z")) != -1)
        if (!set_option(c))
            optind = argc + 1;
    if (optind + 1 != argc) {
        fputs(
            "usage: pushers [-c DEVICES] [-n REQUESTS] [-e EVENTS] [-a ADDRESSES] [-t SECONDS]"
            " [-i FILE]\n               [-l LEDGER] [-b BYTES] [-p SECONDS] [-r] [-1] [-z] PORT\n",
            stderr);
        return 64;
    }
    set.port = (uint16_t)atoi(argv[optind]);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    loop = epoll_create1(EPOLL_CLOEXEC);
    all = must(calloc(set.devices, sizeof *all));
    sum.took_ms = must(calloc((size_t)set.requests, sizeof *sum.took_ms));
    began = now_s();
    for (unsigned i = 0; i < set.devices; i++) {
        all[i].fd = -1;
        all[i].number = i;
        all[i].due_s = began + set.pace_s * i / set.devices;
        next_request(&all[i]);
    }
    run(all);
    took = now_s() - began;
    qsort(sum.took_ms, (size_t)sum.accepted, sizeof *sum.took_ms, by_size);
    printf("%ld accepted in %.3f s, %.0f/s; again: 503 %ld, other %ld, none %ld; median %.1f ms, "
           "worst %.1f ms, 99 %% within %.1f ms\n",
        sum.accepted, took, (double)sum.accepted / took, sum.busy, sum.other, sum.none,
        sum.accepted ? sum.took_ms[sum.accepted / 2] : 0.0,
        sum.accepted ? sum.took_ms[sum.accepted - 1] : 0.0,
        sum.accepted ? sum.took_ms[sum.accepted * 99 / 100] : 0.0);
    for (unsigned i = 0; i < set.devices; i++)
        free(all[i].text);
    free(all);
    free(sum.took_ms);
    if (set.ledger && fclose(set.ledger) != 0)
        return 74;
    return sum.accepted == set.requests ? 0 : 1;
}

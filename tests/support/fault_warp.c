/* SPDX-License-Identifier: MIT */
/*
 * A library to preload: time runs faster, for all processes that share a file, so that days pass in
 * a minute.  Clocks run ahead, waits are shorter by the same factor.
 *
 *     TS_WARP=/folder/warp LD_PRELOAD=fault_warp.so PROGRAM...
 *
 * The file begins with a count and has so many entries: since a moment of the real monotonic clock,
 * clocks are ahead by so much and run `factor` times as fast.  The last one counts; tests/support/
 * warp.py adds another to change the speed.  A wait that began before keeps its length.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define ENTRIES 64
#define SECOND_NS INT64_C(1000000000)

struct warp {
    _Atomic int64_t count;
    struct {
        int64_t since_ns, ahead_ns, factor;
    } entry[ENTRIES];
};

static const struct warp *warp;

/* The C library's own function of that name. */
#define REAL(name)                                                                                 \
    static __typeof__(name) *real;                                                                 \
    if (!real)                                                                                     \
    *(void **)&real = dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void warp_open(void)
{
    const char *name = getenv("TS_WARP");
    int fd = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    void *p = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *warp, PROT_READ, MAP_SHARED, fd, 0);

    if (fd >= 0)
        close(fd);
    if (p != MAP_FAILED)
        warp = p;
}

static int64_t factor(void)
{
    return warp && warp->count > 0 ? warp->entry[warp->count - 1].factor : 1;
}

static int real_clock(clockid_t id, struct timespec *t)
{
    REAL(clock_gettime);
    return real(id, t);
}

static int64_t ns_of(const struct timespec *t)
{
    return t->tv_sec * SECOND_NS + t->tv_nsec;
}

static struct timespec of_ns(int64_t ns)
{
    return (struct timespec){ns / SECOND_NS, ns % SECOND_NS};
}

/* How far clocks are ahead now. */
static int64_t ahead_ns(void)
{
    struct timespec now;
    int64_t n = warp ? warp->count : 0;

    if (n == 0)
        return 0;
    real_clock(CLOCK_MONOTONIC, &now);
    return warp->entry[n - 1].ahead_ns +
           (ns_of(&now) - warp->entry[n - 1].since_ns) * (warp->entry[n - 1].factor - 1);
}

/* ---- clocks ---- */

int clock_gettime(clockid_t id, struct timespec *t)
{
    int rc = real_clock(id, t);

    if (rc == 0 && id != CLOCK_PROCESS_CPUTIME_ID && id != CLOCK_THREAD_CPUTIME_ID)
        *t = of_ns(ns_of(t) + ahead_ns());
    return rc;
}

time_t time(time_t *at)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    if (at)
        *at = t.tv_sec;
    return t.tv_sec;
}

int gettimeofday(struct timeval *restrict to, void *restrict zone)
{
    struct timespec t;

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &t);
    *to = (struct timeval){t.tv_sec, t.tv_nsec / 1000};
    return 0;
}

/* ---- waits ---- */

int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *wait, const sigset_t *mask)
{
    struct timespec shorter;

    REAL(ppoll);
    if (wait)
        shorter = of_ns(ns_of(wait) / factor());
    return real(fds, n, wait ? &shorter : NULL, mask);
}

int poll(struct pollfd *fds, nfds_t n, int ms)
{
    struct timespec wait = of_ns((int64_t)ms * 1000000);

    return ppoll(fds, n, ms < 0 ? NULL : &wait, NULL);
}

int epoll_wait(int fd, struct epoll_event *events, int most, int ms)
{
    REAL(epoll_wait);
    return real(fd, events, most, ms <= 0 ? ms : (int)((ms + factor() - 1) / factor()));
}

int nanosleep(const struct timespec *wait, struct timespec *rest)
{
    struct timespec shorter = of_ns(ns_of(wait) / factor());

    REAL(nanosleep);
    return real(&shorter, rest);
}

int clock_nanosleep(clockid_t id, int flags, const struct timespec *wait, struct timespec *rest)
{
    struct timespec shorter = of_ns(ns_of(wait) / factor());

    REAL(clock_nanosleep);
    return real(id, flags, flags ? wait : &shorter, rest);
}

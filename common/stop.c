/* SPDX-License-Identifier: MIT */
/* Signal flags and the wait that goes with them. */
#include "stop.h"

#include <errno.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t stop_flag, int_count, reload_flag, reload_wake;

static void on_signal(int number)
{
    if (number == SIGHUP) {
        reload_flag = reload_wake = 1;
        return;
    }
    stop_flag = 1;
    if (number == SIGINT && ++int_count > 1)
        _exit(130);
}

void stop_start(void)
{
    /* No SA_RESTART: a blocked read or write returns and its loop looks at the flag. */
    struct sigaction action = {.sa_handler = on_signal};

    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
}

bool stop_requested(void)
{
    return stop_flag;
}

void stop_request(void)
{
    stop_flag = 1;
}

bool stop_reload(void)
{
    if (!reload_flag)
        return false;
    reload_flag = 0;
    return true;
}

int stop_wait(struct pollfd *fds, nfds_t n, int timeout_ms, bool blocked_too)
{
    struct timespec limit = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L}, none = {0, 0};
    struct timespec *wait = timeout_ms < 0 ? NULL : &limit;
    sigset_t ours, before;
    int rc;

    sigemptyset(&ours);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGHUP);
    sigprocmask(SIG_BLOCK, &ours, &before);
    if ((stop_flag && !blocked_too) || reload_wake)
        wait = &none;
    reload_wake = 0; /* one wait is cut short: a program without anything to reload sleeps on */
    rc = ppoll(fds, n, wait, &before);
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (rc < 0 && errno == EINTR)
        rc = 0;
    if (rc == 0)
        for (nfds_t i = 0; i < n; i++)
            fds[i].revents = 0;
    return rc;
}

int64_t monotonic_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

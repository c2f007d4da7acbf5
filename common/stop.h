/* SPDX-License-Identifier: MIT */
/*
 * Signals: SIGTERM and SIGINT ask for an orderly end, SIGHUP for a reload.  The handlers only set
 * flags; a second SIGINT ends the process at once (130).  Waiting happens in stop_wait alone, which
 * cannot miss a signal that comes just before it.
 */
#ifndef TS_STOP_H
#define TS_STOP_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

void stop_start(void);

/* True from the first SIGTERM or SIGINT on. */
bool stop_requested(void);

/* Asks for the orderly end from inside. */
void stop_request(void);

/* True once for each SIGHUP. */
bool stop_reload(void);

/* poll(2) that a signal always wakes.  Returns what poll returns; 0 when a signal or the time ended
   it (every revents is then 0); -1 with errno.  timeout_ms -1: no limit.  Once an end is requested
   it does not block any more unless blocked_too is set (for a tool that is still finishing what is
   in hand). */
int stop_wait(struct pollfd *fds, nfds_t n, int timeout_ms, bool blocked_too);

/* Milliseconds of a clock that never steps back. */
int64_t monotonic_ms(void);

#endif

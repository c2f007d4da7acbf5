/* SPDX-License-Identifier: MIT */
/*
 * What is noticed of ZKTeco devices that push, and said on standard error: clocks that go back or
 * are not set, logs that were erased, counters that begin again, another device in the place of
 * one.  A hostile device must not fill a disk with what it makes us say: there is a most a minute.
 */
#ifndef TS_ICLOCK_WATCH_H
#define TS_ICLOCK_WATCH_H

#include "format.h"
#include "iclock_book.h"

struct iclock_watch;

struct iclock_watch *iclock_watch_new(void);
void iclock_watch_free(struct iclock_watch *w);

/* Says something, unless too much was said. */
void iclock_notice(struct iclock_watch *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The rows of one post. */
struct iclock_rows {
    bool ordered;   /* they stand in the order in which they were made */
    bool live;      /* nobody asked for them: their counter only goes up */
    int64_t last_s; /* of the row before; -1: none */
    bool told;
};

/* Looks at an event of a post. */
void iclock_watch_event(struct iclock_watch *w, struct iclock_device *d, struct iclock_rows *rows,
    const struct decoded *event);

/* How many records it says to have. */
void iclock_watch_logs(struct iclock_watch *w, struct iclock_device *d, long logs);

/* Where it comes from; fresh: it was not known. */
void iclock_watch_place(struct iclock_watch *w, struct iclock_book *book, struct iclock_device *d,
    const char *host, bool fresh);

#endif

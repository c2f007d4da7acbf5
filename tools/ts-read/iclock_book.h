/* SPDX-License-Identifier: MIT */
/*
 * What a listener remembers of the devices that push to it, by serial number.  Anybody can make up
 * serial numbers, so there is a most; then whoever has been silent for longest is forgotten, unless
 * a request of it is in hand.
 */
#ifndef TS_ICLOCK_BOOK_H
#define TS_ICLOCK_BOOK_H

#include "address.h"
#include "iclock.h"

#define ICLOCK_PERIODS 16 /* of -o request=; a bit each */

#define ICLOCK_OPERATIONS 4

struct iclock_operation {
    long op; /* 0: none */
    int64_t at_s;
};

/* Zeroed when it is new, but for serial, and numbers that are -1. */
struct iclock_device {
    char serial[ICLOCK_SERIAL];
    char host[ADDRESS_TEXT]; /* where it came from last */
    bool acc, typed;         /* access control; … and somebody said which */
    int64_t seen_ms;
    char stamp[ICLOCK_STAMPS][ICLOCK_STAMP]; /* of the last posts that are safe */

    /* Periods that it was asked for, that it has answered, and how often the one in hand went
     * out. */
    uint32_t asked, answered;
    unsigned tries;
    uint64_t sent;    /* records of the period in hand */
    int64_t asked_ms; /* when it was asked, or last sent some */

    int64_t last_s, last_index; /* of the newest record: local seconds, counter; -1: none */
    struct iclock_operation operation[ICLOCK_OPERATIONS]; /* that were told of, in turn */
    unsigned operations;
    long logs;               /* -1: not known */
    char left[ADDRESS_TEXT]; /* where it came from before host … */
    int64_t moved_ms;        /* … and until when */
    bool told_unset, told_twin;

    unsigned held;                       /* requests in hand */
    struct iclock_device *next;          /* in its chain */
    struct iclock_device *older, *newer; /* by when it was seen */
};

struct iclock_book;

struct iclock_book *iclock_book_new(size_t most);
void iclock_book_free(struct iclock_book *b);

/* The device, just seen; made when it is new (*fresh).  NULL: all places are in hand. */
struct iclock_device *iclock_book_see(
    struct iclock_book *b, const char *serial, int64_t now_ms, bool *fresh);

/* The one that was seen last at an address, but not `self`; *others: how many there are. */
struct iclock_device *iclock_book_at(
    struct iclock_book *b, const char *host, const struct iclock_device *self, size_t *others);

size_t iclock_book_count(const struct iclock_book *b);

#endif

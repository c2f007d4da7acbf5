/* SPDX-License-Identifier: MIT */
/*
 * What is new in the log of a Dahua terminal, page by page (recordFinder).  A page is followed by
 * one from its last time on; on a device that lists the newest first, by one up to its earliest.
 * Some give fewer records than they were asked for, so a short page alone says nothing.
 *
 * The window begins a little before what was seen last.  Where the numbers of the new records do
 * not follow, the clock had been set back or far ahead: then all the log is searched, once.  Where
 * nothing is new, a clock that was set back may hide it: the day before is searched, and the time
 * of clocks that are not set.  Where what was seen last is not there either, the log was emptied.
 */
#ifndef TS_DAHUA_FIND_H
#define TS_DAHUA_FIND_H

#include "dahua_reply.h"
#include "pull.h"

#define DAHUA_PAGE 100 /* records; some give no more than 50 and refuse a request for more */

struct dahua_find {
    struct pull *pull;
    unsigned news;   /* records of this search that are new */
    int64_t first_s; /* the earliest time of them */
    bool no_log;     /* it cannot be read */
    bool thorough;   /* in: what was seen last is old enough to stand in the log */

    /* of an event that is looked for; empty: none.  For the record with its number, else the first
       new one */
    struct buf picture;
    int64_t picture_serial;

    int64_t from_s, to_s;        /* the window of the page */
    unsigned page_records;       /* asked for in one; 0: none was yet */
    unsigned most;               /* that came in one */
    struct log_seen base, found; /* before the search; in it */
    int64_t low;                 /* the lowest new number; -1: none */
    bool descending;
    bool whole;     /* all the log is searched, for the numbers between base and low */
    bool near;      /* what was seen last is there, or a neighbour */
    bool emptied;   /* it is not: all is read anew */
    unsigned aside; /* windows beside the first one that were searched */
    bool gaps;      /* numbers are left out in this log: it is not searched for them again */
    unsigned gone;  /* records found by that */
    uint64_t edge[DAHUA_PAGE], next_edge[DAHUA_PAGE]; /* two pages share a second */
    unsigned edges, next_edges;
};

/* Asks for the first page.  early_s: of an event that may stand before what was seen last, else
   INT64_MAX; 0: within a day before it. */
void dahua_find_begin(struct dahua_find *f, int64_t early_s);

enum found {
    FOUND_FAULT = -1,
    FOUND_WAIT, /* no answer yet, or none will come: all begins again */
    FOUND_PAGE, /* there is more: dahua_find_ask */
    FOUND_ALL,  /* pull->seen is how far the log was seen */
};
enum found dahua_find_take(struct dahua_find *f, struct fault *why);
void dahua_find_ask(struct dahua_find *f);

/* For pull_answer. */
extern const struct pull_words dahua_words;

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The log of a Hikvision terminal, for its source: the state of both, and searching.  A search is
 * begun for a purpose and goes on page by page; what is new in them is given on, and what is still
 * missing is searched for by number.  Then the step is STEP_LISTEN or STEP_LIVE.
 */
#ifndef TS_HIK_LOG_H
#define TS_HIK_LOG_H

#include "hik_reply.h"
#include "pull.h"
#include "serials.h"

#define HIK_FAR 64 /* so far below what came last no record is that late */

enum step { STEP_REST, STEP_INFO, STEP_CLOCK, STEP_SEARCH, STEP_LISTEN, STEP_ARM, STEP_LIVE };

/* What a search is for. */
enum purpose { SEARCH_ALL, SEARCH_BETWEEN, SEARCH_GAP };

struct hik {
    struct pull pull;
    struct recording recording;
    enum step step;
    char offset[8]; /* of the device's clock */
    int32_t offset_s;
    int64_t now_s; /* its clock, as it said last */

    struct serials have; /* what came of its records */
    int64_t anew_s;      /* the latest time before they were numbered anew; 0: they were not */
    int64_t doubt_ms;    /* when to look into the log for what the stream did not say; 0: never */

    enum purpose purpose, next; /* of the search; of the one that waits for the clock */
    bool by_number;             /* … for what is missing after it */
    bool limited;               /* … to what --since leaves */
    bool unsure;                /* … that a gap is one */
    struct hik_search search;
    char search_id[24];
    struct log_seen base, found;   /* before the search; and with what it found */
    int64_t met, low;              /* the highest and the lowest number of any record in it; -1 */
    bool last_met;                 /* the record that was seen last is in it, or a neighbour */
    unsigned news, shifts;         /* records that are new; searches begun again */
    int64_t total;                 /* records that match, by the page before; -1 */
    struct log_place first, begun; /* first record of this page, and of the one before */
    struct hik_page page;          /* in hand */
    int64_t front;                 /* the record that a gap reaches to */
    bool searched, no_numbers, no_log, said_busy;
};

extern const struct pull_words hik_words;

/* Requests and answers as of pull.h, and the step that belongs to them. */
void hik_ask(struct hik *h, enum step step, const char *path, struct slice body);
int hik_again(struct hik *h, int64_t wait_ms, const char *what, struct fault *why);
int hik_answer(struct hik *h, struct fault *why);

/* Begins a search; by the clock that was asked for last. */
void hik_search(struct hik *h, enum purpose purpose);

/* STEP_SEARCH: 1, 0, -1 as a step of pull_run. */
int hik_take_page(struct hik *h, struct fault *why);

/* Whether a record with a number came before, by what was seen until then. */
bool hik_came(struct hik *h, struct log_seen *seen, const struct log_place *place);

/* What is missing is not waited for any more, and told of. */
void hik_leave_missing(struct hik *h, bool say);

/* The log is to be looked into, a little later. */
void hik_doubt(struct hik *h);

#endif

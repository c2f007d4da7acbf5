/* SPDX-License-Identifier: MIT */
/* ts-receipt(5): one JSON object a line that says what became of an event. */
#ifndef TS_RECEIPT_H
#define TS_RECEIPT_H

#include "event.h"

enum outcome {
    OUTCOME_STORED,
    OUTCOME_DELIVERED,
    OUTCOME_DUPLICATE,
    OUTCOME_SKIPPED,
    OUTCOME_REJECTED,
    OUTCOME_HELD,
    OUTCOME_DEFERRED,
    OUTCOMES, /* how many; also "none of them" */
};

const char *outcome_name(enum outcome outcome);

/* Whether whoever handed the event over may let go of it. */
static inline bool outcome_final(enum outcome outcome)
{
    return outcome <= OUTCOME_REJECTED;
}

struct receipt {
    struct slice ack; /* absent: SLICE_NONE, for each slice here */
    struct slice event_id;
    enum outcome outcome;
    int status;            /* HTTP status; 0: none */
    struct slice error;    /* plain words */
    unsigned attempts;     /* 0: not said */
    bool ambiguous;        /* a try ended without an answer: it may have arrived */
    int64_t at_ms;         /* instant; 0: not said */
    int64_t retry_at_ms;   /* instant; 0: not said */
    struct slice location; /* where the receiver keeps it */
    struct slice trace;    /* of the request, where event_id does not tell it */
};

/* Appends the line, with its newline. */
void receipt_print(struct buf *out, const struct receipt *r);

/* A line that came back.  The slices are valid until the next use of `reader`.  -1 when it is no
 * receipt. */
int receipt_parse(
    struct event_reader *reader, struct slice line, struct receipt *r, struct fault *why);

#endif

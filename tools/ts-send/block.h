/* SPDX-License-Identifier: MIT */
/*
 * What was handed back of one person, and has to come again before anything else of that person is
 * sent.  No clock says when all that the giver had handed over before it knew has come in: the
 * giver, or a program between, may stand still for any time.  But it reads our answers in the order
 * in which they were written.  So who brings an event again knew of all that was handed back before
 * it, and what of that is earlier in order and was not brought is not to come: somebody else
 * delivered it, or somebody took it away by hand.
 *
 * A giver that brings nothing again, against the contract, must not lose a person for ever: after
 * BLOCK_LONGEST_MS all of it is over.
 */
#ifndef TS_SEND_BLOCK_H
#define TS_SEND_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define BLOCK_LAST UINT64_MAX /* the number of an event that was not let in */
#define BLOCK_LONGEST_MS 3600000

struct back {
    uint64_t id, number;
    uint64_t answer; /* when it was handed back: after all those with a lower one */
};

struct block {
    struct back *at;            /* owned; in the person's order */
    uint32_t from, count, room; /* at[from] is the first of `count` */
    uint64_t answers;
    int64_t until_ms; /* before this time only the first may pass */
};

static inline bool block_on(const struct block *b)
{
    return b->count > 0;
}

/* Whether an event of this number that was let in is behind the first. */
static inline bool block_before(const struct block *b, uint64_t number)
{
    return b->count > 0 && b->at[b->from].number < number;
}

static inline bool block_over(const struct block *b, int64_t now_ms)
{
    return now_ms - b->until_ms >= BLOCK_LONGEST_MS;
}

/* Where the event is among them; -1: nowhere. */
int64_t block_find(const struct block *b, uint64_t id);

/* One more is handed back; number: of its arrival, if it was let in since the last one passed. */
void block_add(struct block *b, uint64_t id, uint64_t number);

/* The one at this place has come again. */
bool block_may_pass(const struct block *b, uint32_t place, int64_t now_ms);
void block_pass(struct block *b, uint32_t place);  /* it is sent; those before it are done with */
void block_again(struct block *b, uint32_t place); /* it is handed back again */

void block_free(struct block *b);

#endif

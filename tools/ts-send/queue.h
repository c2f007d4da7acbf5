/* SPDX-License-Identifier: MIT */
/*
 * The events in memory, and whose turn it is.  Every person has a lane: its events wait there in
 * order of arrival, and while some of them are under way (in one request) nothing else of that lane
 * is.  An event without a person has a lane of its own.  Pure: no clock, no I/O; times are the
 * caller's monotonic milliseconds.
 *
 *   waiting --queue_take--> under way --queue_done--> gone
 *                                     --queue_back--> waiting, first in its lane, asleep for a
 * while
 *                                     --queue_park--> parked (its lane goes on) --queue_unpark-->
 * waiting waiting --queue_cut---> cut off, for the caller to answer and queue_free
 *
 * A blocked lane is one of which events were handed back to the giver: others must not be sent
 * before those have come again; see block.h.
 */
#ifndef TS_SEND_QUEUE_H
#define TS_SEND_QUEUE_H

#include <stdint.h>

#include "slice.h"

#define QUEUE_LANES_MAX 65536u
#define QUEUE_BACKS_MAX 65536u         /* events that blocks name; no giver has more in hand */
#define QUEUE_FOR_EVER (INT64_MAX / 4) /* until the end of a block that only its event ends */

enum item_state { ITEM_WAITING, ITEM_FLYING, ITEM_PARKED, ITEM_CUT };

struct item {
    struct item *next;          /* in its lane; in the chain that queue_cut returns */
    struct item *older, *newer; /* by arrival, among those with an ack or those without */
    uint64_t number;            /* of arrival */
    uint64_t person;            /* queue_hash of it; 0: none */
    int64_t arrived_ms;
    uint32_t lane;
    uint32_t body_n, ack_n, id_n;
    uint32_t tries;    /* over all its lives */
    uint32_t failures; /* in this one, in a row */
    uint8_t state;
    bool has_ack;
    bool ambiguous;   /* a try ended without an answer */
    uint32_t picture; /* what it waits for before it may be taken; 0: nothing */
    char bytes[];     /* body, ack, id */
};

static inline struct slice item_body(const struct item *it)
{
    return (struct slice){it->bytes, it->body_n};
}

static inline struct slice item_ack(const struct item *it)
{
    return it->has_ack ? (struct slice){it->bytes + it->body_n, it->ack_n} : SLICE_NONE;
}

static inline struct slice item_id(const struct item *it)
{
    return (struct slice){it->bytes + it->body_n + it->ack_n, it->id_n};
}

struct queue;

/* bytes_max: what all events together may take; one more is let in while they are below it. */
struct queue *queue_new(size_t bytes_max);
void queue_free_all(struct queue *q); /* with every item in it */

/* A keyed hash, never 0 for a person: names are not kept. */
uint64_t queue_hash(const struct queue *q, struct slice text);

bool queue_room(const struct queue *q);
size_t queue_count(const struct queue *q);   /* events here, in whatever state */
size_t queue_ready(const struct queue *q);   /* events in lanes that may be taken from now */
size_t queue_waiting(const struct queue *q); /* ready, asleep, or behind one under way */

/* Whether the event of this id, of this person, is handed back unsent, because an earlier one was.
   *until_ms: since when it may come again.  The event that was handed back first may pass, from
   until_ms on also what was handed back behind it. */
bool queue_blocked(
    struct queue *q, uint64_t person, uint64_t id, bool has_ack, int64_t now_ms, int64_t *until_ms);

/* Blocks the person's lane for an event that is handed back at once (`hold`). */
void queue_block(struct queue *q, uint64_t person, uint64_t id, int64_t until_ms);

/* Takes an event in; copies body, ack and id. */
struct item *queue_put(struct queue *q, uint64_t person, struct slice body, struct slice ack,
    struct slice id, int64_t now_ms);

/* A waiting item is not to be taken, nor what is behind it in its lane, until queue_rewrite.
   picture: the caller's name for what it waits for, not 0. */
void queue_wait(struct queue *q, struct item *it, uint32_t picture);

/* Gives a waiting item another body, and lets it go.  The item moves: the new one is returned. */
struct item *queue_rewrite(struct queue *q, struct item *it, struct slice body);

/* Up to n events whose bodies, joined by one byte, fit into body_bytes (the first always does):
   returns how many; they are under way. */
size_t queue_take(struct queue *q, struct item **items, size_t n, size_t body_bytes);

/* Lets the event of the lowest rank be the next, of those that are near: a probe with an event that
   is itself the trouble would tell nothing.  0 is the best. */
void queue_favour(
    struct queue *q, unsigned (*rank)(const void *arg, const struct item *it), const void *arg);

/* Under way before; the item is gone. */
void queue_done(struct queue *q, struct item *it);

/* Under way before, in the order in which they were taken; their lanes sleep until wake_ms. */
void queue_back(struct queue *q, struct item **items, size_t n, int64_t wake_ms);

void queue_park(struct queue *q, struct item *it);
void queue_unpark(struct queue *q, struct item *it);

/* Lets lanes go whose time has come; returns when the next wakes (INT64_MAX: none). */
int64_t queue_wake(struct queue *q, int64_t now_ms);

/* When the lane of a waiting item may be taken from: 0 now or unknown. */
int64_t queue_wakes_at(const struct queue *q, const struct item *it);

/* Whether a waiting item has another of its person before it. */
bool queue_behind(const struct queue *q, const struct item *it);

/* The oldest event with (without) an ack, or NULL; go on with ->newer. */
struct item *queue_oldest(const struct queue *q, bool has_ack);

/* Takes the waiting events with (all: and without) an ack off the lane of the waiting item `it` and
   blocks the lane until then (0: no block).  Returns them in order, chained by ->next: so they are
   handed back. */
struct item *queue_cut(struct queue *q, struct item *it, bool all, int64_t until_ms);

/* Under way before, and handed back to the giver: its lane is blocked until then, by this event,
   and what waits behind it is cut off, for the caller to answer and queue_free.  The item itself is
   gone; what of its lane is under way still is settled by the caller (queue_stuck). */
struct item *queue_held(struct queue *q, struct item *it, int64_t until_ms);

/* Under way before, and handed back because its lane is blocked; the item is gone. */
void queue_held_behind(struct queue *q, struct item *it);

/* Whether an item under way has lost its place: its lane is blocked, or an earlier event of its
   person went back to wait. */
bool queue_stuck(const struct queue *q, const struct item *it, bool *blocked);

/* An item that was cut off or is parked. */
void queue_free(struct queue *q, struct item *it);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Pictures go to the receiver before their events.  An event whose picture is not there yet waits
 * in its lane (queue_wait), and those of its person behind it; all others pass.  Uploads go in the
 * order in which events arrived, several at once, each picture once.
 *
 *   upload_put: known --> the event goes
 *               new ----> waits --upload_start--> posted --upload_finish--> placed, the event goes
 *                           ^                             |--refused, gone--> marked, the event
 * goes
 *                           `----------- later -----------'
 *
 * What takes uploads has a state of its own, as the destination has: while it is down no event is
 * used up.
 */
#ifndef TS_SEND_UPLOAD_H
#define TS_SEND_UPLOAD_H

#include "state.h"

/* Nothing, where snapshots travel as they are.  -1 and *why. */
int upload_open(struct sender *s, struct fault *why);
void upload_close(struct sender *s);

/* Puts into *body what takes the place of the event's snapshot; true: it must wait (upload_wait).
   With -n it prints the upload and never waits. */
bool upload_put(struct sender *s, const struct event *e, struct buf *body);
void upload_wait(struct sender *s, struct item *it);

/* The item is answered while it waits. */
void upload_forget(struct sender *s, const struct item *it);

int upload_start(struct sender *s, struct fault *why);
void upload_finish(struct sender *s, const struct exchange *done);

/* An event's request is over: with one connection it is the turn of an upload again. */
void upload_turn(struct sender *s);

/* When the next may start; INT64_MAX: when something else has happened. */
int64_t upload_next_ms(const struct sender *s);

/* Whoever mended what was wrong wants to see it. */
void upload_reload(struct sender *s);

/* Not before this is an event that waits for its picture worth bringing again. */
int64_t upload_retry_ms(const struct sender *s);

/* Why an event waits for its picture, in plain words. */
const char *upload_why(const struct sender *s);

/* CAUSE_NONE while uploads are taken. */
enum cause upload_cause(const struct sender *s);

unsigned upload_busy(const struct sender *s); /* under way */

/* Events that went without their picture. */
uint64_t upload_missing(const struct sender *s);

#endif

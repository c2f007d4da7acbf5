/* SPDX-License-Identifier: MIT */
/*
 * What a ZKTeco device said goes to the pump: readings of its log, and live events, each passage
 * once.  A reading has a track of its own; its end becomes the cursor of the checkpoint when its
 * events, those of all readings before it, and all live ones have their final receipts.
 */
#ifndef TS_ZK_FEED_H
#define TS_ZK_FEED_H

#include "source.h"
#include "zk_reading.h"

struct zk_feed;

struct zk_feed *zk_feed_new(const struct source_env *env, const char *operand, size_t number);
void zk_feed_free(struct zk_feed *f);

/* Whom it comes from: address and port, the same without the port, the serial number or "".  What
   is fed from now on has these. */
void zk_feed_peer(struct zk_feed *f, const char *peer, const char *host);
void zk_feed_serial(struct zk_feed *f, const char *serial);

/* The device is another one: nothing is known of its users, nothing came of it, and what waited for
   the users of the one before waits in vain. */
void zk_feed_forget(struct zk_feed *f);

/* ---- users ---- */

/* From their table (without its leading size); false when that makes no sense.  Live events that
   waited for it go on. */
bool zk_feed_users(struct zk_feed *f, struct slice table, uint64_t count);

/* ---- the log ---- */

void zk_feed_open(struct zk_feed *f);

/* Bytes of the log, as they follow each other: those that are new go to the pump. */
void zk_feed_records(struct zk_feed *f, struct zk_reading *r, struct slice data);

/* No more will come; then zk_feed_run will say ENDED, and zk_feed_close gives the reading the place
   that it got to. */
void zk_feed_end(struct zk_feed *f);
void zk_feed_close(struct zk_feed *f, const struct zk_mark *place);

/* ---- live events ---- */

/* What one packet carries; layout: of the log, whose terms for people are used.  False: it waits
   for the table of users. */
bool zk_feed_event(struct zk_feed *f, enum zk_layout layout, struct slice data);

/* Whether some wait. */
bool zk_feed_wants_users(const struct zk_feed *f);

/* How many passages came live so far. */
uint64_t zk_feed_live(const struct zk_feed *f);

/* ---- */

enum zk_fed { ZK_FED_ERROR = -1, ZK_FED_ALL, ZK_FED_ENDED, ZK_FED_FULL };

/* What was fed becomes events: FULL while the sink has no room. */
enum zk_fed zk_feed_run(struct zk_feed *f, struct fault *why);

/* For commit of struct source. */
void zk_feed_commit(struct zk_feed *f, void *token, enum verdict verdict);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What a source pulled, in units: a page of a search, a handful of live events.  Each has a stream
 * and a track of its own, and may end at a place of the device's log.  The checkpoint's cursor
 * moves to that place when all events of the unit, and of every one before it, have their final
 * receipts.
 */
#ifndef TS_UNITS_H
#define TS_UNITS_H

#include "recording.h"
#include "source.h"

struct units {
    const struct source_env *env;
    const char *operand;
    size_t number;
    const struct format *format;
    const char *origin;                   /* address of the device */
    const char *device;                   /* its name, or its address */
    bool certain;                         /* … it is its own name */
    const struct format_options *options; /* of the format; NULL: those of -o */
    struct unit *first, *last;
    unsigned count;
};

void units_free(struct units *u);

/* Begins one, feeds it, and ends it.  cursor: the place after it; NULL: none that could be gone on
   from. */
void units_begin(struct units *u, enum stream_kind kind);
void units_add(struct units *u, struct slice bytes);
void units_end(struct units *u, const char *cursor);

/* Adds an item with its pictures, or that which a recording handed out last: all there is in its
   unit. */
void units_add_item(
    struct units *u, struct slice text, const struct slice *picture, unsigned pictures);
void units_add_recorded(struct units *u, const struct recording *r);
/* All that was ended so far reaches to this place. */
void units_reach(struct units *u, const char *cursor);

/* Turns what was ended into events: SOURCE_MORE, SOURCE_FULL, SOURCE_WAIT (nothing to do),
   SOURCE_ERROR. */
enum source_state units_run(struct units *u, struct fault *why);

/* No more should be begun before some are settled. */
bool units_full(const struct units *u);

/* For the source's commit; the token knows whose it is. */
void units_commit(void *token, enum verdict verdict);

#endif

/* SPDX-License-Identifier: MIT */
/* What a run makes of events that went through an earlier one: for corrections, so that somebody
   sees what they change before anything is sent again. */
#ifndef TS_ENRICH_CHANGES_H
#define TS_ENRICH_CHANGES_H

#include "event.h"

struct changes {
    struct event_reader *before, *after;
    uint64_t events, changed;
    uint64_t fields[EVENT_FIELDS + 1]; /* changed events by field; the last: fields of others */
};

struct changes *changes_new(void);
void changes_free(struct changes *c);

/* Appends a line that says what differs, or nothing where nothing does.  What is no event is left
   out. */
void changes_line(struct changes *c, struct slice before, struct slice after, struct buf *out);

/* "3 of 200 events change: time 3, direction 1" */
void changes_sum(const struct changes *c, struct buf *out);

#endif

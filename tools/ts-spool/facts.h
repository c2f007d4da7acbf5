/* SPDX-License-Identifier: MIT */
/* What a store keeps of an event beside its line: whose device's, of which day, with which number.
 */
#ifndef TS_SPOOL_FACTS_H
#define TS_SPOOL_FACTS_H

#include "event.h"
#include "store.h"

/* Fills device, day and serial of the record; they live as long as the event. */
void facts_of(struct record *r, const struct event *e);

#endif

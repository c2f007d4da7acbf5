/* SPDX-License-Identifier: MIT */
/* A moment from the command line, and which events are earlier. */
#ifndef TS_SPOOL_WHEN_H
#define TS_SPOOL_WHEN_H

#include "clock.h"
#include "event.h"

struct when {
    bool set;
    struct clock_time time;
};

/* RFC 3339, or a date or time without an offset. */
int when_parse(const char *option, const char *text, struct when *w, struct fault *why);

/* Whether the event is earlier.  With an offset on both sides instants are compared; otherwise the
   wall clocks: "2024-05-01" is midnight where the event happened.  An event without any time is
   never earlier. */
bool when_before(const struct event *e, const struct when *w);

/* The instant; without an offset it is taken as UTC. */
int64_t when_instant_ms(const struct when *w);

#endif

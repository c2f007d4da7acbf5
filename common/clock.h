/* SPDX-License-Identifier: MIT */
/*
 * Times as text and as numbers.  A local time is a wall clock without a zone, counted as if it were
 * UTC
 * ("local seconds"); an instant is milliseconds since 1970-01-01T00:00:00Z.  No zone rules here:
 * see zone.h.
 */
#ifndef TS_CLOCK_H
#define TS_CLOCK_H

#include <stdint.h>

#include "slice.h"

#define CLOCK_TEXT 40 /* bytes that any of the printers below may write, with its NUL */

struct clock_time {
    int64_t local_s;    /* local seconds */
    int ms;             /* 0..999; digits past the third are dropped */
    bool has_offset;    /* the text carried Z or an offset */
    int32_t offset_s;   /* east of UTC, seconds */
    size_t whole_bytes; /* length of the text up to and with its seconds: 19 */
};

/* "YYYY-MM-DDThh:mm:ss[.fff…][Z|±hh:mm]" (RFC 3339; `t`, `z` and a space for T are taken too), or a
   date alone (midnight).  False when it is anything else or no real calendar time; a leap second 60
   counts as 59. */
bool clock_parse(struct slice text, struct clock_time *t);

/* "Z" or "±hh:mm" alone: seconds east of UTC. */
bool clock_parse_offset(struct slice text, int32_t *offset_s);

/* Days since 1970-01-01 of a calendar date of the Gregorian calendar, and whether it exists. */
int64_t clock_days(int year, int month, int day);
bool clock_date_exists(int year, int month, int day);

/* The day of local seconds, since 1970-01-01. */
static inline int32_t clock_day(int64_t local_s)
{
    return (int32_t)(local_s / 86400 - (local_s % 86400 < 0));
}

/* Each returns the length written to out (CLOCK_TEXT bytes), NUL-terminated.  Years 0000..9999. */
size_t clock_print_local(char *out, int64_t local_s, int ms); /* …T10:34:08[.250] */
size_t clock_print_zoned(
    char *out, int64_t local_s, int ms, int32_t offset_s); /* …T10:34:08+08:00 */
size_t clock_print_utc_ms(char *out, int64_t utc_ms);      /* …T02:34:08.250Z */

/* The instant of a parsed time that has an offset. */
static inline int64_t clock_instant_ms(const struct clock_time *t)
{
    return (t->local_s - t->offset_s) * 1000 + t->ms;
}

/* Now, by the system's clock. */
int64_t clock_now_ms(void);

#endif

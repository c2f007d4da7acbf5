/* SPDX-License-Identifier: MIT */
/*
 * Places in the log of a device that numbers its records, and how far it was seen.  Pure.  Numbers
 * begin anew when a log is emptied, and clocks step back: only both together tell what is new.
 */
#ifndef TS_DEVICE_LOG_H
#define TS_DEVICE_LOG_H

#include "buf.h"
#include "clock.h"

struct log_place {
    int64_t serial;        /* -1: not said */
    char time[CLOCK_TEXT]; /* RFC 3339, as the device has it; "" */
    int64_t time_s;        /* of its instant; without an offset its wall clock, as if UTC */
};

/* Fills it; a time that is none is left out. */
void log_place_set(struct log_place *p, int64_t serial, struct slice time);

/* The record with the highest number, and the latest time of any. */
struct log_seen {
    struct log_place last;
    int64_t high_s;
};

#define LOG_SEEN_NONE                                                                              \
    {                                                                                              \
        .last.serial = -1                                                                          \
    }

/* Whether the record was among what was seen. */
bool log_was_seen(const struct log_seen *s, const struct log_place *p);

void log_see(struct log_seen *s, const struct log_place *p);

/* Whether it is the record that was seen last, or a neighbour: then the log is the one of before.
   By its number, and by its time, which of the last one a device may show otherwise after the
   clocks were set. */
bool log_is_near(const struct log_seen *s, const struct log_place *p);

/* Where records have no numbers: a latest time that is more than a day ahead of the device's clock
   is that of a wrong clock, and says nothing of what came since: nothing counts as seen then. */
void log_bound(struct log_seen *s, int64_t now_s);

/* A low number at a later time: the log was emptied, or is full and begins again. */
bool log_is_new(const struct log_seen *s, const struct log_place *p);

/* By how many seconds the clock was set back before this record; 0: it was not. */
int64_t log_step_back(const struct log_seen *s, const struct log_place *p);

/* For the checkpoint: {"device":"…","serial":71,"time":"…","high":1772440505} */
#define LOG_CURSOR_BYTES 256
#define LOG_DEVICE_BYTES 64
void log_cursor_print(char out[LOG_CURSOR_BYTES], const char *device, const struct log_seen *s);
bool log_cursor_read(const char *cursor, char device[LOG_DEVICE_BYTES], struct log_seen *s);

#endif

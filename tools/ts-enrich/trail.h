/* SPDX-License-Identifier: MIT */
/*
 * The trail of one person: their latest passages, and what was said of each.  Pure memory of a
 * fixed size, made to lie in a file that is mapped: a trail changes by writing a slot that nothing
 * speaks of yet, and then one aligned word, `head`.  A process that is killed between any two
 * stores leaves the trail as it was before or as it is after.
 *
 *   present  the latest passages, sorted by time; what comes late finds its place among them
 *   past     of a replay of what has left the present: its last two passages.  Every day begins
 *            anew, so what is replayed from the start of a day is answered as it was then
 *
 * A passage that is here already gets the same answer and changes nothing; what came in the last
 * hours is remembered one by one beside this (memo.h).
 */
#ifndef TS_ENRICH_TRAIL_H
#define TS_ENRICH_TRAIL_H

#include <stdint.h>

#include "site.h"

enum { TRAIL_SLOTS = 7, TRAIL_PRESENT = 4, TRAIL_PAST = 2 };

/* One passage.  Times are whole seconds since 1970, as an instant. */
struct mark {
    unsigned char id[16]; /* event_id */
    uint32_t time_s;
    uint32_t place;   /* device and reader */
    uint32_t serial;  /* the device's count; 0: not known */
    uint16_t flags;   /* way and day (trail.c) */
    uint8_t received; /* when, modulo 255 s, from 1; 0: not known */
    uint8_t cancel;   /* 1 + after how many seconds it was taken back; 0: it was not */
};

struct trail {
    uint64_t key; /* whose; 0: nobody's */
    _Atomic uint64_t head;
    uint32_t touched; /* day since 1970, by our clock, when it was last used */
    uint32_t spare[3];
    struct mark mark[TRAIL_SLOTS];
};

/* The mark's flags and cancel are ignored. */
struct passage {
    struct mark mark;
    enum way way;      /* known by tables, or WAY_UNSAID or WAY_NONE */
    uint32_t day;      /* of the device's wall clock, beginning when the site says */
    uint32_t window_s; /* repeats at one place within so many seconds; 0: none */
    bool alternate;    /* without a way of its own it is the other way than the one before */
    bool ghost;        /* the device writes some passages twice, one hour apart */
};

struct passage_answer {
    enum way way;       /* WAY_IN or WAY_OUT where it is known */
    bool repeat, ghost; /* `other` is the event_id of its first */
    bool cancels;       /* … of the passage that it takes back */
    unsigned char other[16];
};

/* What is to be said of a passage; it is a part of the trail from then on. */
void trail_pass(struct trail *t, const struct passage *p, struct passage_answer *answer);

/* The passage with this id did not take place after all, as came out at `time_s`: it no longer
   counts from then on.  Nothing happens when the trail does not know it. */
void trail_cancel(struct trail *t, const unsigned char id[16], uint32_t time_s);

/* ---- the trail of a lane: who passed there last ---- */

/* Adds a passage, whose `place` and `serial` are the caller's. */
void trail_note(struct trail *t, const struct mark *m);

/* The passage that is taken back at `time_s`: the same as the last time; else the latest one in the
   `within_s` seconds before that was not taken back.  Of this place only, unless that is 0.  NULL:
   none. */
const struct mark *trail_find(
    const struct trail *t, uint32_t place, uint32_t time_s, uint32_t within_s);

/* ---- for what keeps trails ---- */

/* An empty trail of that owner. */
void trail_reset(struct trail *t, uint64_t key);

/* Whether the trail is what trail_pass and its like left: false after a torn write. */
bool trail_sound(const struct trail *t);

#endif

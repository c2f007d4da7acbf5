/* SPDX-License-Identifier: MIT */
/*
 * Which records of a numbered log came: all up to the highest, but for some holes.  Pure, and of a
 * fixed size: with more holes than there is room for, neighbours become one, and what lies between
 * them counts as missing though it came; so a record may come twice, but none is left out.
 */
#ifndef TS_SERIALS_H
#define TS_SERIALS_H

#include <stdbool.h>
#include <stdint.h>

#define SERIALS_HOLES 16u

struct serials {
    int64_t top; /* the highest; -1: nothing is known of the numbers */
    unsigned count;
    struct serials_hole {
        int64_t first, last;
    } hole[SERIALS_HOLES]; /* in order, all below the top */
};

/* All up to `top` came. */
void serials_begin(struct serials *s, int64_t top);

bool serials_have(const struct serials *s, int64_t n);

/* It came: what lies between the highest before and this one is missing from now on. */
void serials_add(struct serials *s, int64_t n);

/* There are records up to n: those that did not come are missing. */
void serials_reach(struct serials *s, int64_t n);

/* Missing ones below n are not waited for any more. */
void serials_forget(struct serials *s, int64_t n);

#endif

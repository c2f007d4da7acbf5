/* SPDX-License-Identifier: MIT */
/* The words of ts-event(5) for what devices and people write: state keys, ways to identify. */
#ifndef TS_WORD_H
#define TS_WORD_H

#include "slice.h"

/* The state key of a terminal, 0..5; SLICE_NONE for every other code: those are not the same on all
 * firmware. */
struct slice word_punch_code(unsigned code);

/* The way of identification, for the codes that mean the same on all firmware: 1, 4, 15, 25. */
struct slice word_credential_code(unsigned code);

/* From text: a code of above, "check_in", "Check In", "C/In", "I", …; SLICE_NONE when unknown. */
struct slice word_punch(struct slice text);
struct slice word_credential(struct slice text);

/* in, out, i, o, entry, exit, any case. */
struct slice word_direction(struct slice text);

/* Lower case without spaces and _ - . / in out (size bytes, with its NUL): how names are compared.
   Longer names are cut; 0 when nothing is left. */
size_t word_plain(struct slice text, char *out, size_t size);

/* A decimal number of up to four digits, or -1. */
static inline int word_code(struct slice text)
{
    int v = 0;

    if (text.n == 0 || text.n > 4)
        return -1;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return -1;
        v = v * 10 + (text.p[i] - '0');
    }
    return v;
}

#endif

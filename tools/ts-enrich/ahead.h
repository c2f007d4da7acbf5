/* SPDX-License-Identifier: MIT */
/* What was worked out of the next lines before their turn came; see ahead.c. */
#ifndef TS_ENRICH_AHEAD_H
#define TS_ENRICH_AHEAD_H

#include <stdint.h>

#include "slice.h"

enum { AHEAD_LINES = 8 };

struct ahead {
    unsigned count;
    struct slice employee[AHEAD_LINES]; /* in the roster's own text */
    uint64_t owner[AHEAD_LINES];        /* key of that employee's trail, or of the person's */
    size_t person_at, other_at;         /* where ids stood in lines before */
};

/* The key of an employee whose text is this very slice of the roster; 0: not worked out. */
static inline uint64_t ahead_key(const struct ahead *a, struct slice employee)
{
    for (unsigned i = 0; i < a->count; i++)
        if (a->employee[i].p == employee.p && a->employee[i].n == employee.n)
            return a->owner[i];
    return 0;
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * A slice is a stretch of somebody else's bytes: not owned, not NUL-terminated,
 * valid for as long as the function that gave it says.  p == NULL means absent.
 */
#ifndef TS_SLICE_H
#define TS_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
    const char *p;
    size_t n;
};

#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})
#define SLICE_NONE ((struct slice){NULL, 0})

static inline struct slice slice_of(const char *text)
{
    return (struct slice){text, text ? strlen(text) : 0};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool slice_is(struct slice s, const char *text)
{
    return slice_eq(s, slice_of(text));
}

/* Without the spaces (only 0x20) at both ends. */
static inline struct slice slice_trim(struct slice s)
{
    while (s.n > 0 && s.p[0] == ' ')
        s.p++, s.n--;
    while (s.n > 0 && s.p[s.n - 1] == ' ')
        s.n--;
    return s;
}

#endif

/* SPDX-License-Identifier: MIT */
/* What the bare loops take of an event without parsing it: they are to be faster than we are. */
#ifndef TS_BENCH_PEEK_H
#define TS_BENCH_PEEK_H

#include <string.h>

/* The text of a string member that is found by its name; NULL when absent. */
static inline const char *member(const char *line, size_t len, const char *name, size_t *size)
{
    const char *at = memmem(line, len, name, strlen(name)), *end;

    if (!at)
        return NULL;
    at += strlen(name);
    end = memchr(at, '"', len - (size_t)(at - line));
    *size = end ? (size_t)(end - at) : 0;
    return end ? at : NULL;
}

static inline int digit(char c)
{
    return c <= '9' ? c - '0' : (c | 32) - 'a' + 10;
}

static inline void uuid_bytes(const char *text, size_t len, unsigned char out[16])
{
    int n = 0;

    memset(out, 0, 16);
    for (size_t i = 0; i < len && n < 32; i++)
        if (text[i] != '-') {
            out[n / 2] = (unsigned char)(out[n / 2] << 4 | digit(text[i]));
            n++;
        }
}

#endif

/* SPDX-License-Identifier: MIT */
/* Words mixed into one, for checks against accidents and for tables that nobody fills on purpose.
 */
#ifndef TS_ENRICH_MIX_H
#define TS_ENRICH_MIX_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t h = (a ^ 0x9e3779b97f4a7c15u) * 0xff51afd7ed558ccdu;

    h = (h ^ h >> 32 ^ b) * 0xc4ceb9fe1a85ec53u;
    return h ^ h >> 29;
}

static inline uint32_t fold(uint64_t h)
{
    return (uint32_t)(h ^ h >> 32);
}

static inline uint64_t load_64(const char *p)
{
    uint64_t word;

    memcpy(&word, p, sizeof word);
    return le64toh(word);
}

static inline uint64_t load_32(const char *p)
{
    uint32_t word;

    memcpy(&word, p, sizeof word);
    return le32toh(word);
}

/* The last n (less than eight) of `all` bytes that end at `end`, zeros above them.  Nothing goes
   through memory: a word that was just put together there from smaller ones would have to wait
   until all stores before it are done. */
static inline uint64_t load_tail(const char *end, size_t n, size_t all)
{
    if (n == 0)
        return 0;
    if (all >= 8)
        return load_64(end - 8) >> 8 * (8 - n);
    if (n >= 4)
        return load_32(end - n) | load_32(end - 4) << 8 * (n - 4);
    return (uint64_t)(unsigned char)end[-(ptrdiff_t)n] |
           (uint64_t)(unsigned char)end[-(ptrdiff_t)n + (ptrdiff_t)(n / 2)] << 8 * (n / 2) |
           (uint64_t)(unsigned char)end[-1] << 8 * (n - 1);
}

/* As memcmp, for short texts; it reads no byte behind them, which may just have been written. */
static inline bool same_bytes(const char *a, const char *b, size_t n)
{
    size_t i = 0;

    for (; n - i >= 8; i += 8)
        if (load_64(a + i) != load_64(b + i))
            return false;
    return load_tail(a + n, n - i, n) == load_tail(b + n, n - i, n);
}

#endif

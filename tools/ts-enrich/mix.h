/* SPDX-License-Identifier: MIT */
/* Words mixed into one, for checks against accidents and for tables that nobody fills on purpose.
 */
#ifndef TS_ENRICH_MIX_H
#define TS_ENRICH_MIX_H

#include <stdint.h>

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

#endif

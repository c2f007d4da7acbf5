/* SPDX-License-Identifier: MIT */
/* From the paper: four words of state, one round a word of the text, three at the end. */
#include "siphash.h"

#include "mix.h"

static inline uint64_t turn(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void mix_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = turn(v[1], 13) ^ v[0];
    v[3] = turn(v[3], 16) ^ v[2];
    v[0] = turn(v[0], 32) + v[3];
    v[2] += v[1];
    v[3] = turn(v[3], 21) ^ v[0];
    v[1] = turn(v[1], 17) ^ v[2];
    v[2] = turn(v[2], 32);
}

static inline void take(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    mix_round(v);
    v[0] ^= word;
}

uint64_t siphash(const uint64_t key[2], struct slice text)
{
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du,
        key[0] ^ 0x6c7967656e657261u, key[1] ^ 0x7465646279746573u};
    const char *p = text.p, *end = text.p + text.n;

    for (; end - p >= 8; p += 8)
        take(v, load_64(p));
    take(v, load_tail(end, (size_t)(end - p), text.n) | (uint64_t)text.n << 56);
    v[2] ^= 0xff;
    for (int k = 0; k < 3; k++)
        mix_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

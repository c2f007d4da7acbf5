/* SPDX-License-Identifier: MIT */
/* Blocks of 64 bytes; the last ones hold a 1 bit, zeros and the length in bits. */
#include "md5.h"

#include <stdint.h>
#include <stdio.h>

#define BLOCK 64

struct md5 {
    uint32_t state[4];
    uint64_t bytes;
    unsigned char block[BLOCK];
};

static uint32_t turn(uint32_t v, unsigned bits)
{
    return v << bits | v >> (32 - bits);
}

/* floor(2^32 * |sin(i + 1)|) */
static const uint32_t sine[BLOCK] = {0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf,
    0x4787c62a, 0xa8304613, 0xfd469501, 0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122,
    0xfd987193, 0xa679438e, 0x49b40821, 0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d,
    0x02441453, 0xd8a1e681, 0xe7d3fbc8, 0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905,
    0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a, 0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44,
    0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70, 0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039,
    0xe6db99e5, 0x1fa27cf8, 0xc4ac5665, 0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3,
    0x8f0ccc92, 0xffeff47d, 0x85845dd1, 0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82,
    0xbd3af235, 0x2ad7d2bb, 0xeb86d391};

static const unsigned char turns[4][4] = {
    {7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

static uint32_t word_of(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* What a step mixes, and which word of the block it takes. */
static uint32_t mix(unsigned i, const uint32_t v[4], unsigned *word)
{
    switch (i / 16) {
    case 0:
        *word = i;
        return (v[1] & v[2]) | (~v[1] & v[3]);
    case 1:
        *word = (5 * i + 1) % 16;
        return (v[3] & v[1]) | (~v[3] & v[2]);
    case 2:
        *word = (3 * i + 5) % 16;
        return v[1] ^ v[2] ^ v[3];
    default:
        *word = 7 * i % 16;
        return v[2] ^ (v[1] | ~v[3]);
    }
}

static void take_block(struct md5 *m)
{
    uint32_t v[4] = {m->state[0], m->state[1], m->state[2], m->state[3]};

    for (unsigned i = 0; i < BLOCK; i++) {
        unsigned word;
        uint32_t mixed = mix(i, v, &word), sum;

        sum = v[0] + mixed + sine[i] + word_of(m->block + (size_t)word * 4);
        v[0] = v[3];
        v[3] = v[2];
        v[2] = v[1];
        v[1] += turn(sum, turns[i / 16][i % 4]);
    }
    for (unsigned i = 0; i < 4; i++)
        m->state[i] += v[i];
}

static void add(struct md5 *m, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;

    for (size_t i = 0; i < n; i++) {
        m->block[m->bytes++ % BLOCK] = p[i];
        if (m->bytes % BLOCK == 0)
            take_block(m);
    }
}

static void end(struct md5 *m, char out[MD5_HEX])
{
    uint64_t bits = m->bytes * 8;
    unsigned char length[8];

    for (unsigned i = 0; i < sizeof length; i++)
        length[i] = (unsigned char)(bits >> 8 * i);
    add(m, "\x80", 1);
    while (m->bytes % BLOCK != BLOCK - sizeof length)
        add(m, "", 1);
    add(m, length, sizeof length);
    for (unsigned i = 0; i < 16; i++)
        snprintf(out + (size_t)i * 2, 3, "%02x", m->state[i / 4] >> 8 * (i % 4) & 0xff);
}

void md5_joined(char out[MD5_HEX], const struct slice *part, size_t parts)
{
    struct md5 m = {.state = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}};

    for (size_t i = 0; i < parts; i++) {
        if (i > 0)
            add(&m, ":", 1);
        add(&m, part[i].p, part[i].n);
    }
    end(&m, out);
    explicit_bzero(&m, sizeof m);
}

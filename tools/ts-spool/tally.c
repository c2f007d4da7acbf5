/* SPDX-License-Identifier: MIT */
/* An open hash table of row numbers over an array of rows. */
#include "tally.h"

#include <stdlib.h>
#include <sys/random.h>

#define SLOTS (1u << 17) /* more than twice TALLY_KEYS */

struct entry {
    uint32_t key_at, key_bytes; /* in keys */
    uint64_t in[STATES];
};

struct tally {
    uint32_t slot[SLOTS]; /* 1 + row, or 0 */
    struct entry *row;
    size_t count, cap;
    struct buf keys;
    uint64_t seed;
    uint64_t rest[STATES];
};

struct tally *tally_new(void)
{
    struct tally *t = calloc(1, sizeof *t);

    if (!t)
        t = memset(mem_alloc(sizeof *t), 0, sizeof *t);
    /* Keys come from devices: nobody may choose them so that they collide. */
    if (getrandom(&t->seed, sizeof t->seed, 0) != sizeof t->seed)
        t->seed = (uint64_t)(uintptr_t)t;
    buf_grow(&t->keys, TALLY_KEY_BYTES); /* so that an empty key is not SLICE_NONE */
    return t;
}

void tally_free(struct tally *t)
{
    if (t) {
        free(t->row);
        buf_free(&t->keys);
    }
    free(t);
}

static uint32_t hash(uint64_t h, struct slice key)
{
    for (size_t i = 0; i < key.n; i++) {
        h = (h ^ (unsigned char)key.p[i]) * 0x9e3779b97f4a7c15ull;
        h ^= h >> 29;
    }
    return (uint32_t)(h >> 32);
}

static struct slice key_of(const struct tally *t, const struct entry *e)
{
    return (struct slice){t->keys.data + e->key_at, e->key_bytes};
}

static struct entry *add(struct tally *t, struct slice key)
{
    if (t->count == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 256;
        t->row = mem_resize(t->row, t->cap * sizeof *t->row);
    }
    t->row[t->count] =
        (struct entry){.key_at = (uint32_t)t->keys.len, .key_bytes = (uint32_t)key.n};
    buf_slice(&t->keys, key);
    return &t->row[t->count++];
}

void tally_count(struct tally *t, struct slice key, enum state state)
{
    uint32_t n;

    if (key.n > TALLY_KEY_BYTES)
        key.n = TALLY_KEY_BYTES;
    for (n = hash(t->seed, key) % SLOTS; t->slot[n]; n = (n + 1) % SLOTS)
        if (slice_eq(key_of(t, &t->row[t->slot[n] - 1]), key)) {
            t->row[t->slot[n] - 1].in[state]++;
            return;
        }
    if (t->count == TALLY_KEYS) {
        t->rest[state]++;
        return;
    }
    add(t, key)->in[state] = 1;
    t->slot[n] = (uint32_t)t->count;
}

bool tally_next(const struct tally *t, size_t *n, struct tally_row *row)
{
    const uint64_t *in = *n < t->count ? t->row[*n].in : t->rest;

    row->key = *n < t->count ? key_of(t, &t->row[*n]) : SLICE_NONE;
    row->all = 0;
    for (int i = 0; i < STATES; i++) {
        row->in[i] = in[i];
        row->all += in[i];
    }
    return (*n)++ < t->count || (*n == t->count + 1 && row->all > 0);
}

/* SPDX-License-Identifier: MIT */
/* An open hash table of row numbers over an array of rows. */
#include "tally.h"

#include <stdlib.h>
#include <sys/random.h>

#define SLOTS (1u << 17) /* more than twice TALLY_KEYS */

#define NAME_BYTES 80u
#define DEVICE_BYTES 64u
#define REASON_BYTES 160u

/* A stretch of `texts`; at = 0: none. */
struct text {
    uint32_t at, bytes;
};

struct entry {
    struct text key, name, device, reason;
    char first[TALLY_TIME_BYTES], last[TALLY_TIME_BYTES]; /* zeros: none */
    bool more_devices, more_reasons;
    uint64_t in[STATES];
};

struct tally {
    uint32_t slot[SLOTS]; /* 1 + row, or 0 */
    struct entry *row;
    size_t count, cap;
    struct buf texts;
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
    buf_char(&t->texts, '\0'); /* so that no text stands at 0, and an empty one is not SLICE_NONE */
    return t;
}

void tally_free(struct tally *t)
{
    if (t) {
        free(t->row);
        buf_free(&t->texts);
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

static struct slice text_of(const struct tally *t, struct text text)
{
    return text.at ? (struct slice){t->texts.data + text.at, text.bytes} : SLICE_NONE;
}

static struct slice cut(struct slice text, size_t longest)
{
    if (text.n > longest)
        text.n = longest;
    return text;
}

static struct text keep(struct tally *t, struct slice text)
{
    struct text kept = {(uint32_t)t->texts.len, (uint32_t)text.n};

    buf_slice(&t->texts, text);
    return kept;
}

static struct entry *add(struct tally *t, struct slice key)
{
    if (t->count == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 256;
        t->row = mem_resize(t->row, t->cap * sizeof *t->row);
    }
    t->row[t->count] = (struct entry){.key = keep(t, key)};
    return &t->row[t->count++];
}

/* The first that is seen is kept.  True: this is another one. */
static bool first_seen(struct tally *t, struct text *text, struct slice seen, size_t longest)
{
    seen = cut(seen, longest);
    if (seen.n == 0)
        return false;
    if (text->at)
        return !slice_eq(text_of(t, *text), seen);
    *text = keep(t, seen);
    return false;
}

static void see(struct tally *t, struct entry *e, const struct tally_seen *seen)
{
    char time[TALLY_TIME_BYTES] = {0};

    if (seen->time.n > 0) {
        memcpy(time, seen->time.p, cut(seen->time, sizeof time).n);
        if (!*e->first || memcmp(time, e->first, sizeof time) < 0)
            memcpy(e->first, time, sizeof time);
        if (memcmp(time, e->last, sizeof time) > 0)
            memcpy(e->last, time, sizeof time);
    }
    first_seen(t, &e->name, seen->name, NAME_BYTES);
    e->more_devices |= first_seen(t, &e->device, seen->device, DEVICE_BYTES);
    e->more_reasons |= first_seen(t, &e->reason, seen->reason, REASON_BYTES);
}

static struct entry *find(struct tally *t, struct slice key)
{
    uint32_t n;
    struct entry *e;

    for (n = hash(t->seed, key) % SLOTS; t->slot[n]; n = (n + 1) % SLOTS)
        if (slice_eq(text_of(t, t->row[t->slot[n] - 1].key), key))
            return &t->row[t->slot[n] - 1];
    if (t->count == TALLY_KEYS)
        return NULL;
    e = add(t, key);
    t->slot[n] = (uint32_t)t->count;
    return e;
}

void tally_count(struct tally *t, struct slice key, enum state state, const struct tally_seen *seen)
{
    struct entry *e = find(t, cut(key, TALLY_KEY_BYTES));

    if (!e) {
        t->rest[state]++;
        return;
    }
    e->in[state]++;
    if (seen)
        see(t, e, seen);
}

static struct slice time_of(const char time[TALLY_TIME_BYTES])
{
    return *time ? (struct slice){time, strnlen(time, TALLY_TIME_BYTES)} : SLICE_NONE;
}

static void fill(const struct tally *t, const struct entry *e, struct tally_row *row)
{
    row->key = text_of(t, e->key);
    row->first = time_of(e->first);
    row->last = time_of(e->last);
    row->name = text_of(t, e->name);
    row->device = text_of(t, e->device);
    row->reason = text_of(t, e->reason);
    row->more_devices = e->more_devices;
    row->more_reasons = e->more_reasons;
}

bool tally_next(const struct tally *t, size_t *n, struct tally_row *row)
{
    const uint64_t *in = *n < t->count ? t->row[*n].in : t->rest;

    *row = (struct tally_row){0};
    if (*n < t->count)
        fill(t, &t->row[*n], row);
    for (int i = 0; i < STATES; i++) {
        row->in[i] = in[i];
        row->all += in[i];
    }
    return (*n)++ < t->count || (*n == t->count + 1 && row->all > 0);
}

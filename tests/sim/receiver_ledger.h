/* SPDX-License-Identifier: MIT */
/* What the test receiver has stored: event ids (16 bytes each), persons with the last value of
 * their order field and the request that carries them now, and the ledger file with one line
 * `event_id person status` an accepted event. A ledger status is the HTTP status that was sent, 0
 * where the answer was withheld, or `dup`. */
#ifndef RECEIVER_LEDGER_H
#define RECEIVER_LEDGER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ORDER_MAX 40 /* bytes of an order value that are compared */

enum seen { SEEN_NOT, SEEN_REFUSED, SEEN_STORED };

struct id_key {
    uint64_t high, low;
};

/* Open addressing, at most half full. */
struct id_set {
    struct id_key *keys;
    uint8_t *seen;
    size_t room, count;
};

struct person {
    uint64_t hash;
    const void *holder; /* the connection whose request in flight has events of this person */
    char last[ORDER_MAX];
};

struct person_set {
    struct person *at;
    uint32_t *slots; /* index into `at` plus one */
    size_t count, room, slot_count;
};

static uint64_t hash_text(const char *text, size_t len, uint64_t seed)
{
    uint64_t h = 0xcbf29ce484222325u ^ seed;

    for (size_t i = 0; i < len; i++)
        h = (h ^ (uint8_t)text[i]) * 0x100000001b3u;
    return h ^ (h >> 29);
}

static struct id_key id_key(const char *id, size_t len)
{
    return (struct id_key){hash_text(id, len, 0), hash_text(id, len, 0x9e3779b97f4a7c15u)};
}

static uint8_t *id_slot(struct id_set *set, struct id_key key)
{
    size_t i = key.high & (set->room - 1);

    while (set->seen[i] && (set->keys[i].high != key.high || set->keys[i].low != key.low))
        i = (i + 1) & (set->room - 1);
    set->keys[i] = key;
    return &set->seen[i];
}

static void id_grow(struct id_set *set)
{
    struct id_set old = *set;

    set->room = old.room ? old.room * 2 : 1 << 16;
    set->keys = malloc(set->room * sizeof(*set->keys));
    set->seen = calloc(set->room, 1);
    if (!set->keys || !set->seen)
        abort();
    for (size_t i = 0; i < old.room; i++)
        if (old.seen[i])
            *id_slot(set, old.keys[i]) = old.seen[i];
    free(old.keys);
    free(old.seen);
}

/* Notes what happened to the event and returns what was noted before. Stored stays stored. */
static enum seen id_note(struct id_set *set, struct id_key key, enum seen now)
{
    uint8_t *slot, before;

    if (set->count * 2 >= set->room)
        id_grow(set);
    slot = id_slot(set, key);
    before = *slot;
    set->count += before == SEEN_NOT;
    if (before < now)
        *slot = (uint8_t)now;
    return (enum seen)before;
}

static void person_slots(struct person_set *set)
{
    set->slot_count = set->slot_count ? set->slot_count * 2 : 1 << 12;
    free(set->slots);
    set->slots = calloc(set->slot_count, sizeof(*set->slots));
    if (!set->slots)
        abort();
    for (size_t n = 0; n < set->count; n++) {
        size_t i = set->at[n].hash & (set->slot_count - 1);
        while (set->slots[i])
            i = (i + 1) & (set->slot_count - 1);
        set->slots[i] = (uint32_t)n + 1;
    }
}

/* The number of the person, who is added when new. */
static uint32_t person_find(struct person_set *set, const char *name, size_t len)
{
    uint64_t hash = hash_text(name, len, 0);
    size_t i;

    if (set->count * 2 >= set->slot_count)
        person_slots(set);
    i = hash & (set->slot_count - 1);
    while (set->slots[i] && set->at[set->slots[i] - 1].hash != hash)
        i = (i + 1) & (set->slot_count - 1);
    if (!set->slots[i]) {
        if (set->count == set->room) {
            set->room = set->room ? set->room * 2 : 1024;
            set->at = realloc(set->at, set->room * sizeof(*set->at));
            if (!set->at)
                abort();
        }
        set->at[set->count] = (struct person){.hash = hash};
        set->slots[i] = (uint32_t)++set->count;
    }
    return set->slots[i] - 1;
}

/* True when `value` is not below the last one; remembers it. */
static bool person_in_order(struct person *p, const char *value)
{
    bool fine = strncmp(p->last, value, ORDER_MAX - 1) <= 0;

    if (fine)
        snprintf(p->last, sizeof(p->last), "%s", value);
    return fine;
}

/* One ledger line; a blank or control byte of a name becomes `_`. */
static void ledger_write(
    FILE *f, const char *id, const char *person, const char *status, int64_t arrived_us)
{
    if (!f)
        return;
    fputs(id, f);
    putc_unlocked(' ', f);
    for (; *person; person++)
        putc_unlocked((unsigned char)*person <= ' ' ? '_' : *person, f);
    putc_unlocked(' ', f);
    fputs(status, f);
    if (arrived_us)
        fprintf(f, " %lld", (long long)arrived_us);
    putc_unlocked('\n', f);
}

#endif

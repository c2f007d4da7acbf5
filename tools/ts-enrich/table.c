/* SPDX-License-Identifier: MIT */
/* Open addressing with linear probing; a hash of eight bytes at a time.  Filled from the
   administrator's own files, so nobody can pick names that collide. */
#include "table.h"

#include <stdlib.h>

#include "buf.h"
#include "mix.h"

/* Ids that count up differ in their last bytes only: that goes to all bits. */
static uint64_t spread(uint64_t h)
{
    h *= 0x9e3779b97f4a7c15ull;
    h = (h ^ h >> 32) * 0xd6e8feb86659fd93ull;
    return h ^ h >> 32;
}

static uint32_t hash(struct slice name)
{
    const char *p = name.p, *end = name.p + name.n;
    uint64_t h = name.n;

    for (; end - p >= 8; p += 8)
        h = spread(h ^ load_64(p));
    h = spread(h ^ load_tail(end, (size_t)(end - p), name.n));
    return (uint32_t)(h ^ h >> 32);
}

static bool is_name(const struct table *t, const struct table_slot *slot, struct slice name)
{
    return slot->bytes == name.n && same_bytes(t->text + slot->at, name.p, name.n);
}

/* The slot of the name, or the free one where it would go.  Needs a table that is not empty. */
static struct table_slot *probe(const struct table *t, struct slice name, uint32_t h)
{
    size_t i = h & (t->slots - 1);

    while (t->slot[i].bytes > 0 && (t->slot[i].hash != h || !is_name(t, &t->slot[i], name)))
        i = (i + 1) & (t->slots - 1);
    return &t->slot[i];
}

static void grow(struct table *t)
{
    struct table bigger = {.text = t->text, .slots = t->slots ? t->slots * 2 : 64, .used = t->used};

    bigger.slot = mem_alloc(bigger.slots * sizeof *bigger.slot);
    memset(bigger.slot, 0, bigger.slots * sizeof *bigger.slot);
    for (size_t k = 0; k < t->slots; k++) {
        size_t i = t->slot[k].hash & (bigger.slots - 1);

        while (t->slot[k].bytes > 0 && bigger.slot[i].bytes > 0)
            i = (i + 1) & (bigger.slots - 1);
        if (t->slot[k].bytes > 0)
            bigger.slot[i] = t->slot[k];
    }
    free(t->slot);
    *t = bigger;
}

uint32_t *table_find(const struct table *t, struct slice name)
{
    struct table_slot *slot = t->used > 0 && name.n > 0 ? probe(t, name, hash(name)) : NULL;

    return slot && slot->bytes > 0 ? &slot->value : NULL;
}

const struct table_slot *table_ahead(const struct table *t, struct slice name, uint32_t *h)
{
    const struct table_slot *slot;

    if (t->used == 0)
        return NULL;
    *h = hash(name);
    slot = &t->slot[*h & (t->slots - 1)];
    __builtin_prefetch(slot);
    return slot;
}

const uint32_t *table_ahead_slot(const struct table *t, const struct table_slot *slot, uint32_t h)
{
    while (slot->bytes > 0 && slot->hash != h)
        slot = slot + 1 < t->slot + t->slots ? slot + 1 : t->slot;
    if (slot->bytes == 0)
        return NULL;
    __builtin_prefetch(t->text + slot->at);
    return &slot->value;
}

uint32_t *table_add(struct table *t, struct slice name, uint32_t value)
{
    struct table_slot *slot;
    uint32_t h = hash(name);

    if (t->used * 5 >= t->slots * 4)
        grow(t);
    slot = probe(t, name, h);
    if (slot->bytes == 0) {
        *slot = (struct table_slot){(uint32_t)(name.p - t->text), (uint32_t)name.n, h, value};
        t->used++;
    }
    return &slot->value;
}

void table_init(struct table *t, const char *text)
{
    *t = (struct table){.text = text};
}

void table_free(struct table *t)
{
    free(t->slot);
    *t = (struct table){0};
}

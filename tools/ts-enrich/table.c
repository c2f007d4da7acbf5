/* SPDX-License-Identifier: MIT */
/* Open addressing with linear probing; hash FNV-1a.  Filled from the administrator's own files, so
   nobody can pick names that collide. */
#include "table.h"

#include <stdlib.h>

#include "buf.h"

static uint32_t hash(struct slice name)
{
    uint64_t h = 0xcbf29ce484222325ull;

    for (size_t i = 0; i < name.n; i++)
        h = (h ^ (unsigned char)name.p[i]) * 0x100000001b3ull;
    /* Ids that count up differ in their last bytes only: spread that over all bits. */
    h = (h ^ h >> 32) * 0x9e3779b97f4a7c15ull;
    return (uint32_t)(h >> 32);
}

static bool is_name(const struct table *t, const struct table_slot *slot, struct slice name)
{
    return slot->bytes == name.n && memcmp(t->text + slot->at, name.p, name.n) == 0;
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

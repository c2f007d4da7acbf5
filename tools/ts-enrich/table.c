/* SPDX-License-Identifier: MIT */
/* Open addressing with linear probing; hash FNV-1a.  Filled from the administrator's own files, so
   nobody can pick names that collide. */
#include "table.h"

#include <stdlib.h>

#include "buf.h"

static size_t hash(struct slice name)
{
    uint64_t h = 0xcbf29ce484222325ull;

    for (size_t i = 0; i < name.n; i++)
        h = (h ^ (unsigned char)name.p[i]) * 0x100000001b3ull;
    return (size_t)(h ^ h >> 32);
}

static struct slice name_of(const struct table *t, const struct table_slot *slot)
{
    return (struct slice){t->text + slot->at, slot->bytes};
}

/* The slot of the name, or the free one where it would go.  Needs a table that is not empty. */
static struct table_slot *probe(const struct table *t, struct slice name)
{
    size_t i = hash(name) & (t->slots - 1);

    while (t->slot[i].bytes > 0 && !slice_eq(name_of(t, &t->slot[i]), name))
        i = (i + 1) & (t->slots - 1);
    return &t->slot[i];
}

static void grow(struct table *t)
{
    struct table bigger = {.text = t->text, .slots = t->slots ? t->slots * 2 : 64, .used = t->used};

    bigger.slot = mem_alloc(bigger.slots * sizeof *bigger.slot);
    memset(bigger.slot, 0, bigger.slots * sizeof *bigger.slot);
    for (size_t i = 0; i < t->slots; i++)
        if (t->slot[i].bytes > 0)
            *probe(&bigger, name_of(t, &t->slot[i])) = t->slot[i];
    free(t->slot);
    *t = bigger;
}

uint32_t *table_find(const struct table *t, struct slice name)
{
    struct table_slot *slot = t->used > 0 && name.n > 0 ? probe(t, name) : NULL;

    return slot && slot->bytes > 0 ? &slot->value : NULL;
}

uint32_t *table_add(struct table *t, struct slice name, uint32_t value)
{
    struct table_slot *slot;

    if (t->used * 3 >= t->slots * 2)
        grow(t);
    slot = probe(t, name);
    if (slot->bytes == 0) {
        *slot = (struct table_slot){(uint32_t)(name.p - t->text), (uint32_t)name.n, value};
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

/* SPDX-License-Identifier: MIT */
/* A hash table from names to numbers; the names are borrowed. */
#ifndef TS_ENRICH_TABLE_H
#define TS_ENRICH_TABLE_H

#include <stdint.h>

#include "slice.h"

struct table_slot {
    struct slice name; /* p == NULL: free */
    uint32_t value;
};

struct table {
    struct table_slot *slot; /* owned; NULL while empty */
    size_t slots;            /* a power of two, at least a third of them free */
    size_t used;
};

/* The number kept for a name, or NULL; valid until the next table_add. */
uint32_t *table_find(const struct table *t, struct slice name);

/* Keeps `value` for a name unless the table has the name; returns the place of what it then has. */
uint32_t *table_add(struct table *t, struct slice name, uint32_t value);

void table_free(struct table *t);

#endif

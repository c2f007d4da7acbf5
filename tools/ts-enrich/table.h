/* SPDX-License-Identifier: MIT */
/* A hash table from names to numbers.  The names are borrowed: stretches of one text of less than
   4 GiB, which must stay where it is. */
#ifndef TS_ENRICH_TABLE_H
#define TS_ENRICH_TABLE_H

#include <stdint.h>

#include "slice.h"

struct table_slot {
    uint32_t at, bytes; /* the name, in the text; bytes 0: free */
    uint32_t hash;
    uint32_t value;
};

struct table {
    const char *text;
    struct table_slot *slot; /* owned; NULL while empty */
    size_t slots;            /* a power of two, at least a fifth of them free */
    size_t used;
};

/* The number kept for a name, or NULL; valid until the next table_add. */
uint32_t *table_find(const struct table *t, struct slice name);

/* Keeps `value` for a name of the text, not empty, unless the table has the name; returns the place
 * of what it then has. */
uint32_t *table_add(struct table *t, struct slice name, uint32_t value);

/* For many names at once, when the table is larger than the caches: what table_find will read of it
   is asked for, step by step, so that the waits for it run side by side.  `at` is filled by the
   first step and used by the second, which gives the number kept for what is probably the name, or
   NULL. */
const struct table_slot *table_ahead(const struct table *t, struct slice name, uint32_t *h);
const uint32_t *table_ahead_slot(const struct table *t, const struct table_slot *slot, uint32_t h);

/* An empty table of names in this text. */
void table_init(struct table *t, const char *text);
void table_free(struct table *t);

#endif

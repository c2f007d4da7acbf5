/* SPDX-License-Identifier: MIT */
/* Periods of a device's clock: short lists, searched from end to end. */
#include "clockwork.h"

#include <stdlib.h>

struct zone *clockwork_zone(const struct clockwork *w, int64_t local_s)
{
    struct zone *zone = NULL;

    for (size_t i = 0; i < w->zone_count && w->zones[i].from_s <= local_s; i++)
        zone = w->zones[i].zone;
    return zone;
}

const struct clock_fix *clockwork_fix(const struct clockwork *w, int64_t local_s)
{
    for (size_t i = 0; i < w->fix_count; i++)
        if (w->fixes[i].from_s <= local_s && local_s < w->fixes[i].until_s)
            return &w->fixes[i];
    return NULL;
}

bool clockwork_overlap(const struct clock_fix *a, const struct clock_fix *b)
{
    return a->from_s < b->until_s && b->from_s < a->until_s;
}

void clockwork_free(struct clockwork *w)
{
    free(w->zones);
    free(w->fixes);
}

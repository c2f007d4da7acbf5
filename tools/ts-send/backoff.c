/* SPDX-License-Identifier: MIT */
/* Exponential backoff.  Doubling stops at the limit, so it cannot overflow. */
#include "backoff.h"

int64_t backoff_ms(const struct backoff *b, unsigned failures, uint64_t random)
{
    int64_t most = b->first_ms > 0 ? b->first_ms : 1;

    while (failures-- > 1 && most < b->last_ms)
        most = most > b->last_ms / 2 ? b->last_ms : most * 2;
    if (most > b->last_ms && b->last_ms > 0)
        most = b->last_ms;
    return 1 + (int64_t)(random % (uint64_t)most);
}

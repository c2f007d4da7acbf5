/* SPDX-License-Identifier: MIT */
/* Hashes are 64-bit FNV-1a: two of 512 passages are taken for one once in 10^14 times. */
#include "zk_recent.h"

static uint64_t hash_of(const struct zk_passage *p)
{
    uint64_t h =
        1469598103934665603u ^ (uint64_t)p->local_s ^ (uint64_t)(p->by_uid ? p->uid : 0) << 48;

    for (const char *c = p->person; *c; c++)
        h = (h ^ (unsigned char)*c) * 1099511628211u;
    return h * 1099511628211u;
}

void zk_recent_add(struct zk_recent *r, const struct zk_passage *p)
{
    r->hash[r->count++ % ZK_RECENT] = hash_of(p);
    if (r->count == 2 * ZK_RECENT)
        r->count = ZK_RECENT;
}

bool zk_recent_has(const struct zk_recent *r, const struct zk_passage *p)
{
    unsigned count = r->count < ZK_RECENT ? r->count : ZK_RECENT;
    uint64_t hash = count > 0 && p->dated ? hash_of(p) : 0;

    for (unsigned i = 0; i < count && p->dated; i++)
        if (r->hash[i] == hash)
            return true;
    return false;
}

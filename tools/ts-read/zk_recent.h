/* SPDX-License-Identifier: MIT */
/*
 * The newest passages by who and when: what came live is known again in the log, and the other way
 * round.  Pure.
 */
#ifndef TS_ZK_RECENT_H
#define TS_ZK_RECENT_H

#include "zk_table.h"

#define ZK_RECENT 512u

/* Zeroed to begin with. */
struct zk_recent {
    uint64_t hash[ZK_RECENT];
    unsigned count;
};

void zk_recent_add(struct zk_recent *r, const struct zk_passage *p);

/* Never of a passage without a date. */
bool zk_recent_has(const struct zk_recent *r, const struct zk_passage *p);

#endif

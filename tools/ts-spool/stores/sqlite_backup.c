/* SPDX-License-Identifier: MIT */
/* The copy of a store that others work on. */
#include "sqlite.h"

int sqlite_backup(struct store *store, const char *to, struct fault *why)
{
    (void)store;
    return fault_set(why, EX_UNAVAILABLE, "%s: copies cannot be made yet", to);
}

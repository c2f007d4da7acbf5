/* SPDX-License-Identifier: MIT */
/*
 * Alerts for cron: which conditions of a store a person must be told of, and the telling.  Each is
 * told when it begins, again once a day, and when it is over; what was told is noted in the store,
 * apart for each command.  Nothing personal is told: devices, counts, times.
 */
#ifndef TS_SPOOL_ALERT_H
#define TS_SPOOL_ALERT_H

#include "store.h"

struct alert {
    const char *command;                                           /* for sh -c */
    long long waiting_ms, held_ms, failing_ms, silent_ms, room_ms; /* -1: do not look */
    long long dead; /* more than so many; -1: do not look */
};

#define ALERT_DEFAULTS                                                                             \
    {                                                                                              \
        .waiting_ms = 3600000, .failing_ms = 900000, .room_ms = 7 * 86400000ll, .held_ms = -1,     \
        .silent_ms = -1                                                                            \
    }

/* name: the store's, as on the command line; s is open for changes.  0: told, or nothing was to
   tell; -1 and *why: the command failed (69) or the store did; then all is told again next time. */
int alert_tell(const struct alert *a, struct store *s, const char *name,
    const struct store_stat *stat, int64_t now_ms, struct fault *why);

/* The store cannot even be opened: *why says it.  What is told cannot be noted then. */
void alert_tell_fault(const struct alert *a, const char *name, const struct fault *why);

#endif

/* SPDX-License-Identifier: MIT */
/* Changes by hand, page by page, under one action record. */
#ifndef TS_SPOOL_CHANGE_H
#define TS_SPOOL_CHANGE_H

#include "select.h"

struct change_job {
    struct selection selection;
    struct when put_before; /* of the time of put, beside the selection */
    enum change change;
    enum store_use use;
    const char *what;   /* for the record: "retry", … */
    const char *reason; /* for the record; may be NULL */
};

/* Changes what is meant; returns how many events were, or -1. */
int64_t change_events(const struct change_job *job, const char *store, struct fault *why);

#endif

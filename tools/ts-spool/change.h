/* SPDX-License-Identifier: MIT */
/* Changes by hand, page by page, under one action record: what retry, skip and purge share. */
#ifndef TS_SPOOL_CHANGE_H
#define TS_SPOOL_CHANGE_H

#include "select.h"
#include "spool.h"

/* Codes of the options that all of them have; others are their own. */
enum { CHANGE_REASON = OPTION_LONG + 200 };

#define CHANGE_OPTIONS                                                                             \
    {CHANGE_REASON, "reason", "TEXT", "why, for the record"},                                      \
    {                                                                                              \
        'n', "dry-run", NULL, "only say how many events it would change"                           \
    }

struct change_job {
    struct selection selection;
    struct when put_before; /* of the time of put, beside the selection */
    enum change change;
    enum store_use use;
    const char *reason; /* for the record; may be NULL */
    bool dry_run;
    const char *none;   /* what is said beside "0 events"; may be NULL */
    const char *remark; /* … and beside other numbers */

    /* An option of its own; may be NULL. */
    int (*set)(struct change_job *job, const struct option_value *v, struct fault *why);
    /* Whether it is said what is meant. */
    int (*check)(struct change_job *job, const struct program *program, struct fault *why);
};

/* Runs the subcommand: its options, the change, and a line that says how many events it was. */
int change_run(const struct program *program, int argc, char **argv, struct change_job *job,
    struct fault *why);

#endif

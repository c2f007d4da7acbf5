/* SPDX-License-Identifier: MIT */
/* The subcommands: each is one entry of the table in main.c, in a file of its own. */
#ifndef TS_SPOOL_SPOOL_H
#define TS_SPOOL_SPOOL_H

#include "line.h"
#include "option.h"
#include "store.h"

struct command {
    struct program program; /* its name is "ts-spool NAME" */
    /* Exit status, or -1 and *why.  argv[0] is the name of the subcommand. */
    int (*run)(const struct program *program, int argc, char **argv, struct fault *why);
};

extern const struct command command_put, command_drain, command_stat, command_list, command_audit,
    command_retry, command_skip, command_purge, command_actions, command_backup, command_watermark;

#define COMMAND_DONE (-2) /* of an option loop: --help or --version was printed */

/* What every subcommand does with its options: calls set for each until there are none.  0 and
 *first; COMMAND_DONE; or -1. */
int command_options(const struct program *program, int argc, char **argv,
    int (*set)(void *arg, const struct option_value *v, struct fault *why), void *arg, int *first,
    struct fault *why);

/* The one operand of most subcommands; NULL and *why when there is none, or more. */
const char *command_store(
    const struct program *program, int argc, char **argv, int first, struct fault *why);

/* Both, for those that only read: 0 and *s, the operand's store; COMMAND_DONE; or -1. */
int command_reads(const struct program *program, int argc, char **argv,
    int (*set)(void *arg, const struct option_value *v, struct fault *why), void *arg,
    struct store **s, struct fault *why);

#endif

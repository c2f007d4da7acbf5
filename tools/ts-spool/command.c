/* SPDX-License-Identifier: MIT */
/* Options and operands of the subcommands. */
#include "spool.h"

int command_options(const struct program *program, int argc, char **argv,
    int (*set)(void *arg, const struct option_value *v, struct fault *why), void *arg, int *first,
    struct fault *why)
{
    struct option_value v;
    int rc;

    while ((rc = option_next(program, argc, argv, &v, first, why)) == 1)
        if (set(arg, &v, why) < 0)
            return -1;
    return rc == 2 ? COMMAND_DONE : rc;
}

const char *command_store(
    const struct program *program, int argc, char **argv, int first, struct fault *why)
{
    if (first + 1 == argc)
        return argv[first];
    fault_set(why, EX_USAGE,
        first == argc ? "which store? try %s --help" : "one store at a time; try %s --help",
        program->name);
    return NULL;
}

int command_reads(const struct program *program, int argc, char **argv,
    int (*set)(void *arg, const struct option_value *v, struct fault *why), void *arg,
    struct store **s, struct fault *why)
{
    int first, rc = command_options(program, argc, argv, set, arg, &first, why);
    const char *name;

    if (rc != 0)
        return rc;
    name = command_store(program, argc, argv, first, why);
    *s = name ? store_open(name, STORE_READ, why) : NULL;
    return *s ? 0 : -1;
}

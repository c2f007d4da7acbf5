/* SPDX-License-Identifier: MIT */
/* ts-spool backup: a copy of a store in use, opened once to see that it is one. */
#include <stdio.h>

#include "buf.h"
#include "print.h"
#include "spool.h"

static const struct option_spec options[] = {
    OPTION_HELP,
    {0},
};

static int set_option(void *arg, const struct option_value *v, struct fault *why)
{
    (void)arg;
    (void)v;
    (void)why;
    return 0;
}

static int copy(const char *name, const char *to, struct fault *why)
{
    struct store *s = store_open(name, STORE_READ, why);
    int rc = s ? store_backup(s, to, why) : -1;

    store_close(s);
    return rc;
}

/* What the copy itself says. */
static int look(const char *name, struct store_stat *stat, struct fault *why)
{
    struct store *s = store_open(name, STORE_READ, why);
    int rc = s ? store_stat(s, stat, why) : -1;

    store_close(s);
    return rc;
}

static void say(const char *to, const struct store_stat *stat)
{
    long long open = stat->in[STATE_WAITING] + stat->in[STATE_HELD];
    struct buf text = {0};

    print_padded(&text, slice_of(to), 0);
    buf_printf(&text, ": %lld events, ", (long long)stat->stored);
    print_size(&text, stat->bytes);
    if (open > 0)
        buf_printf(&text, "; restored, it sends %lld again that %s not delivered yet", open,
            open == 1 ? "is" : "are");
    printf("%.*s\n", (int)text.len, text.data);
    buf_free(&text);
}

static int run(const struct program *program, int argc, char **argv, struct fault *why)
{
    struct store_stat stat;
    int first, rc = command_options(program, argc, argv, set_option, NULL, &first, why);

    if (rc != 0)
        return rc;
    if (argc - first != 2)
        return fault_set(
            why, EX_USAGE, "a store and the file of its copy; try %s --help", program->name);
    if (copy(argv[first], argv[first + 1], why) < 0 || look(argv[first + 1], &stat, why) < 0)
        return -1;
    say(argv[first + 1], &stat);
    return 0;
}

const struct command command_backup = {
    .program = {.name = "ts-spool backup",
        .synopsis = "STORE FILE",
        .summary = "Copies a store to a new file while others work with it.",
        .options = options},
    .run = run,
};

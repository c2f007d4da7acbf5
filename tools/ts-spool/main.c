/* SPDX-License-Identifier: MIT */
/* ts-spool: the durable queue between what reads events and what sends them. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "msg.h"
#include "spool.h"
#include "stop.h"

static const struct command *const commands[] = {
    &command_put,
    &command_drain,
    &command_stat,
    &command_list,
    &command_audit,
    &command_retry,
    &command_skip,
    &command_purge,
    &command_actions,
    &command_backup,
    &command_watermark,
};

#define COMMANDS (sizeof commands / sizeof *commands)

static const char *word(const struct command *c)
{
    return strchr(c->program.name, ' ') + 1;
}

static int help(void)
{
    printf("usage: ts-spool COMMAND [option …] STORE\n"
           "Keeps events until they are delivered. STORE is the path of a file.\n\n");
    for (size_t i = 0; i < COMMANDS; i++)
        printf("  %-9s %s\n", word(commands[i]), commands[i]->program.summary);
    printf("\n`ts-spool COMMAND --help` tells the options of a command.\n");
    return 0;
}

static int run(int argc, char **argv, struct fault *why)
{
    const char *name = argc > 1 ? argv[1] : "";

    if (strcmp(name, "-h") == 0 || strcmp(name, "--help") == 0)
        return help();
    if (strcmp(name, "-V") == 0 || strcmp(name, "--version") == 0)
        return printf("ts-spool %s\n", TS_VERSION) < 0;
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(name, word(commands[i])) == 0)
            return commands[i]->run(&commands[i]->program, argc - 1, argv + 1, why);
    if (!*name)
        return fault_set(why, EX_USAGE, "which command? try ts-spool --help");
    return fault_set(why, EX_USAGE, "%s: no such command; try ts-spool --help", name);
}

int main(int argc, char **argv)
{
    struct fault why = {.status = EX_SOFTWARE};
    int status;

    msg_start("ts-spool");
    stop_start();
    umask(077);
    status = run(argc, argv, &why);
    if (status == COMMAND_DONE)
        status = 0;
    if (status < 0)
        return msg_fault(&why);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fault_errno(&why, EX_IOERR, "standard output: cannot write");
        return msg_fault(&why);
    }
    return status;
}

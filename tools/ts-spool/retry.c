/* SPDX-License-Identifier: MIT */
/* ts-spool retry and ts-spool skip: events that somebody decided about. */
#include "change.h"

static const struct option_spec retry_options[] = {
    SELECT_STATE_OPTION(SELECT_HELD, "held"),
    SELECT_STATE_OPTION(SELECT_DEAD, "dead"),
    SELECT_STATE_OPTION(SELECT_WAITING, "waiting"),
    SELECT_STATE_OPTION(SELECT_SKIPPED, "skipped"),
    SELECT_STATE_OPTION(SELECT_DELIVERED, "delivered"),
    SELECT_OPTIONS,
    CHANGE_OPTIONS,
    OPTION_HELP,
    {0},
};

static const struct option_spec skip_options[] = {
    SELECT_STATE_OPTION(SELECT_HELD, "held"),
    SELECT_STATE_OPTION(SELECT_DEAD, "dead"),
    SELECT_STATE_OPTION(SELECT_WAITING, "waiting"),
    SELECT_OPTIONS,
    CHANGE_OPTIONS,
    OPTION_HELP,
    {0},
};

static int check_which(struct change_job *job, const struct program *program, struct fault *why)
{
    struct selection *s = &job->selection;

    if (!s->states && !select_narrow(s))
        return fault_set(why, EX_USAGE, "which events? try %s --help", program->name);
    if (!s->states) {
        s->states = STATE_BIT(STATE_HELD) | STATE_BIT(STATE_DEAD);
        job->none = "; no held or dead ones are meant: --waiting, --skipped and --delivered name "
                    "others";
    }
    return 0;
}

static int check_retry(struct change_job *job, const struct program *program, struct fault *why)
{
    const struct selection *s = &job->selection;

    if (s->states & STATE_BIT(STATE_DELIVERED) &&
        (!select_narrow(s) || (!job->reason && !job->dry_run)))
        return fault_set(why, EX_USAGE,
            "--delivered sends events again: say which (--id, --device, --since …) and --reason");
    return check_which(job, program, why);
}

static int check_skip(struct change_job *job, const struct program *program, struct fault *why)
{
    if (!job->reason && !job->dry_run)
        return fault_set(why, EX_USAGE, "--reason TEXT is needed");
    if (check_which(job, program, why) < 0)
        return -1;
    if (job->none)
        job->none = "; no held or dead ones are meant: --waiting names others";
    return 0;
}

static int run_retry(const struct program *program, int argc, char **argv, struct fault *why)
{
    struct change_job job = {.change = CHANGE_RETRY, .use = STORE_CHANGE, .check = check_retry};

    return change_run(program, argc, argv, &job, why);
}

static int run_skip(const struct program *program, int argc, char **argv, struct fault *why)
{
    struct change_job job = {.change = CHANGE_SKIP, .use = STORE_CHANGE, .check = check_skip};

    return change_run(program, argc, argv, &job, why);
}

const struct command command_retry = {
    .program = {.name = "ts-spool retry",
        .synopsis = "[--held] [--dead] [--delivered --reason TEXT] [option …] STORE",
        .summary = "Puts events back, to be handed out at once.",
        .options = retry_options,
        .more = "Without a state: the held and the dead that the other options choose.\n"},
    .run = run_retry,
};

const struct command command_skip = {
    .program = {.name = "ts-spool skip",
        .synopsis = "[--held] [--dead] [option …] --reason TEXT STORE",
        .summary = "Gives events up: they will not be delivered.",
        .options = skip_options,
        .more = "Without a state: the held and the dead that the other options choose.\n"
                "Of the waiting, those that were never tried stay.\n"},
    .run = run_skip,
};

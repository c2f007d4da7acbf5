/* SPDX-License-Identifier: MIT */
/* ts-spool retry and ts-spool skip: events that somebody decided about. */
#include <stdio.h>

#include "change.h"
#include "spool.h"

enum { OPT_REASON = OPTION_LONG };

static const struct option_spec retry_options[] = {
    SELECT_STATE_OPTION(SELECT_HELD, "held"),
    SELECT_STATE_OPTION(SELECT_DEAD, "dead"),
    SELECT_STATE_OPTION(SELECT_WAITING, "waiting"),
    SELECT_STATE_OPTION(SELECT_SKIPPED, "skipped"),
    SELECT_STATE_OPTION(SELECT_DELIVERED, "delivered"),
    SELECT_OPTIONS,
    {OPT_REASON, "reason", "TEXT", "why, for the record"},
    OPTION_HELP,
    {0},
};

static const struct option_spec skip_options[] = {
    SELECT_STATE_OPTION(SELECT_HELD, "held"),
    SELECT_STATE_OPTION(SELECT_DEAD, "dead"),
    SELECT_STATE_OPTION(SELECT_WAITING, "waiting"),
    SELECT_OPTIONS,
    {OPT_REASON, "reason", "TEXT", "why, for the record and for the events"},
    OPTION_HELP,
    {0},
};

static int set_option(void *arg, const struct option_value *v, struct fault *why)
{
    struct change_job *job = arg;
    int rc = select_option(&job->selection, v, why);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    job->reason = v->arg;
    return 0;
}

static int check_retry(const struct change_job *job, struct fault *why)
{
    const struct selection *s = &job->selection;

    if (s->states & STATE_BIT(STATE_DELIVERED) && (!select_narrow(s) || !job->reason))
        return fault_set(why, EX_USAGE,
            "--delivered sends events again: say which (--id, --device, --since …) and --reason");
    return 0;
}

static int check_skip(const struct change_job *job, struct fault *why)
{
    return job->reason ? 0 : fault_set(why, EX_USAGE, "--reason TEXT is needed");
}

static int run(const struct program *program, int argc, char **argv, struct change_job *job,
    int (*check)(const struct change_job *job, struct fault *why), struct fault *why)
{
    int first, rc = command_options(program, argc, argv, set_option, job, &first, why);
    const char *name;
    int64_t count;

    if (rc != 0)
        return rc;
    name = command_store(program, argc, argv, first, why);
    if (!name || check(job, why) < 0)
        return -1;
    if (!job->selection.states && !select_narrow(&job->selection))
        return fault_set(why, EX_USAGE, "which events? try %s --help", program->name);
    if (!job->selection.states)
        job->selection.states = STATE_BIT(STATE_HELD) | STATE_BIT(STATE_DEAD);
    count = change_events(job, name, why);
    if (count < 0)
        return -1;
    printf("%s: %lld %s\n", job->what, (long long)count, count == 1 ? "event" : "events");
    return 0;
}

static int run_retry(const struct program *program, int argc, char **argv, struct fault *why)
{
    struct change_job job = {.change = CHANGE_RETRY, .use = STORE_CHANGE, .what = "retry"};

    return run(program, argc, argv, &job, check_retry, why);
}

static int run_skip(const struct program *program, int argc, char **argv, struct fault *why)
{
    struct change_job job = {.change = CHANGE_SKIP, .use = STORE_CHANGE, .what = "skip"};

    return run(program, argc, argv, &job, check_skip, why);
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

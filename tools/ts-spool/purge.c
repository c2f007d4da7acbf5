/* SPDX-License-Identifier: MIT */
/* ts-spool purge: lines go, ids stay, so that a replay still finds them known. */
#include "change.h"

enum { OPT_BEFORE = OPTION_LONG, OPT_UNDELIVERED };

static const struct option_spec options[] = {
    {OPT_BEFORE, "delivered-before", "TIME", "delivered, and put before this time"},
    {SELECT_PERSON, "person", "ID", "of this employee_id, person_id or card_no"},
    {SELECT_SKIPPED, "skipped", NULL, "the skipped too"},
    {SELECT_DEAD, "dead", NULL, "the dead too"},
    {OPT_UNDELIVERED, "undelivered", NULL, "all: they will never be delivered"},
    CHANGE_OPTIONS,
    OPTION_HELP,
    {0},
};

static int set_option(struct change_job *job, const struct option_value *v, struct fault *why)
{
    if (v->code == OPT_BEFORE)
        return when_parse("delivered-before", v->arg, &job->put_before, why);
    job->selection.states = STATES_ALL;
    job->use = STORE_ERASE;
    return 0;
}

static int check(struct change_job *job, const struct program *program, struct fault *why)
{
    if (!job->put_before.set && !job->selection.person.p)
        return fault_set(why, EX_USAGE,
            "what? --delivered-before TIME or --person ID; try %s --help", program->name);
    if (job->selection.person.p && job->selection.states != STATES_ALL)
        job->none = job->remark = "; what is not delivered stays, unless --undelivered asks";
    return 0;
}

static int run(const struct program *program, int argc, char **argv, struct fault *why)
{
    struct change_job job = {.change = CHANGE_ERASE,
        .use = STORE_CHANGE,
        .selection.states = STATE_BIT(STATE_DELIVERED),
        .set = set_option,
        .check = check};

    return change_run(program, argc, argv, &job, why);
}

const struct command command_purge = {
    .program = {.name = "ts-spool purge",
        .synopsis = "[--delivered-before TIME] [--person ID] [option …] STORE",
        .summary = "Removes the lines of delivered events; their ids stay known.",
        .options = options,
        .more = "What is not delivered stays unless --skipped, --dead or --undelivered asks.\n"
                "--undelivered needs that no drain is at work.\n"},
    .run = run,
};

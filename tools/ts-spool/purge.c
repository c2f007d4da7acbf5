/* SPDX-License-Identifier: MIT */
/* ts-spool purge: lines go, ids stay, so that a replay still finds them known. */
#include <stdio.h>

#include "change.h"
#include "spool.h"

enum { OPT_BEFORE = OPTION_LONG, OPT_UNDELIVERED, OPT_REASON };

static const struct option_spec options[] = {
    {OPT_BEFORE, "delivered-before", "TIME", "delivered, and put before this time"},
    {SELECT_PERSON, "person", "ID", "of this employee_id, person_id or card_no"},
    {SELECT_SKIPPED, "skipped", NULL, "the skipped too"},
    {SELECT_DEAD, "dead", NULL, "the dead too"},
    {OPT_UNDELIVERED, "undelivered", NULL, "all: they will never be delivered"},
    {OPT_REASON, "reason", "TEXT", "why, for the record"},
    OPTION_HELP,
    {0},
};

static int set_option(void *arg, const struct option_value *v, struct fault *why)
{
    struct change_job *job = arg;
    int rc = select_option(&job->selection, v, why);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    switch (v->code) {
    case OPT_BEFORE:
        return when_parse("delivered-before", v->arg, &job->put_before, why);
    case OPT_UNDELIVERED:
        job->selection.states = STATES_ALL;
        job->use = STORE_ERASE;
        return 0;
    default:
        job->reason = v->arg;
        return 0;
    }
}

static int run(const struct program *program, int argc, char **argv, struct fault *why)
{
    struct change_job job = {.change = CHANGE_ERASE,
        .use = STORE_CHANGE,
        .what = "purge",
        .selection.states = STATE_BIT(STATE_DELIVERED)};
    int first, rc = command_options(program, argc, argv, set_option, &job, &first, why);
    const char *name;
    int64_t count;

    if (rc != 0)
        return rc;
    name = command_store(program, argc, argv, first, why);
    if (!name)
        return -1;
    if (!job.put_before.set && !job.selection.person.p)
        return fault_set(why, EX_USAGE,
            "what? --delivered-before TIME or --person ID; try %s --help", program->name);
    count = change_events(&job, name, why);
    if (count < 0)
        return -1;
    printf("purge: %lld %s\n", (long long)count, count == 1 ? "event" : "events");
    return 0;
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

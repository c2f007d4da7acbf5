/* SPDX-License-Identifier: MIT */
/* Reads a page, picks the events that are meant, changes them in one transaction, goes on. */
#include "change.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "stop.h"

#define WHAT_BYTES 400 /* of the options, in the record */
#define AT_ONCE 1000   /* events that one transaction changes at least, while there are more */

struct changing {
    const struct change_job *job;
    struct event_reader *parser;
    uint64_t *seq;
    size_t count, cap;
};

static int take_row(void *arg, const struct row *row)
{
    struct changing *c = arg;
    const struct change_job *job = c->job;
    struct event e;
    struct fault why;

    if (job->put_before.set && row->put_ms >= when_instant_ms(&job->put_before))
        return 0;
    if (select_narrow(&job->selection) &&
        (event_read(c->parser, row->line, &e, &why) < 0 || !select_match(&job->selection, &e)))
        return 0;
    if (c->count == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 256;
        c->seq = mem_resize(c->seq, c->cap * sizeof *c->seq);
    }
    c->seq[c->count++] = row->seq;
    return 0;
}

/* Who does it, for the record: the user, and whose session it is under sudo. */
static void print_who(struct buf *out)
{
    const struct passwd *user = getpwuid(getuid());
    const char *sudo = getenv("SUDO_USER");

    buf_printf(out, "%s (uid %u)", user ? user->pw_name : "?", (unsigned)getuid());
    if (sudo)
        buf_printf(out, " for %.64s", sudo);
    buf_char(out, '\0');
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* In order of arrival, each once: a list of ids has neither. */
static size_t sort_found(struct changing *c)
{
    size_t kept = 0;

    if (c->count > 0)
        qsort(c->seq, c->count, sizeof *c->seq, by_number);
    for (size_t i = 0; i < c->count; i++)
        if (i == 0 || c->seq[i] != c->seq[i - 1])
            c->seq[kept++] = c->seq[i];
    c->count = 0;
    return kept;
}

static int change_found(
    struct changing *c, struct store *s, struct action *action, struct fault *why)
{
    size_t count = sort_found(c);

    if (count == 0)
        return 0;
    if (!c->job->dry_run)
        return store_change(s, action, c->seq, count, clock_now_ms(), why);
    action->count += (int64_t)count;
    return 0;
}

/* How many events were changed; -1. */
static int64_t change_events(
    const struct change_job *job, const char *store, const char *what, struct fault *why)
{
    const struct selection *selection = &job->selection;
    struct changing c = {.job = job};
    struct buf who = {0};
    struct action action = {.change = job->change,
        .states = select_states(selection),
        .what = what,
        .reason = job->reason};
    struct store *s = store_open(store, job->dry_run ? STORE_READ : job->use, why);
    int rc = s ? 0 : -1;

    print_who(&who);
    action.who = who.data;
    c.parser = event_reader_new();
    for (size_t n = 0; rc == 0 && n < select_pages(selection); n++) {
        struct page page = select_page(selection, n);

        page.row = take_row;
        page.arg = &c;
        while (rc == 0 && !page.ended && !stop_requested()) {
            rc = store_page(s, &page, why);
            if (rc == 0 && c.count >= AT_ONCE)
                rc = change_found(&c, s, &action, why);
        }
    }
    if (rc == 0)
        rc = change_found(&c, s, &action, why);
    store_close(s);
    event_reader_free(c.parser);
    buf_free(&who);
    free(c.seq);
    return rc < 0 ? -1 : action.count;
}

/* ---- the command ---- */

struct changing_options {
    const struct program *program;
    struct change_job *job;
    struct buf what; /* for the record: the options */
};

/* The record keeps what was asked for, but not whom: a person may have been erased by it. */
static void note_option(struct changing_options *o, const struct option_value *v)
{
    const struct option_spec *spec = o->program->options;

    while (spec->code != 0 && spec->code != v->code)
        spec++;
    if (v->code == CHANGE_REASON || !spec->name || o->what.len > WHAT_BYTES)
        return;
    buf_printf(&o->what, " --%s", spec->name);
    if (v->arg && v->code != SELECT_PERSON)
        buf_printf(&o->what, " %.*s", WHAT_BYTES / 2, v->arg);
}

static int set_option(void *arg, const struct option_value *v, struct fault *why)
{
    struct changing_options *o = arg;
    int rc = select_option(&o->job->selection, v, why);

    note_option(o, v);
    if (rc != 0)
        return rc < 0 ? -1 : 0;
    switch (v->code) {
    case CHANGE_REASON:
        o->job->reason = v->arg;
        return 0;
    case 'n':
        o->job->dry_run = true;
        return 0;
    default:
        return o->job->set(o->job, v, why);
    }
}

static void say(const struct change_job *job, const char *name, int64_t count)
{
    const char *events = count == 1 ? "event" : "events";
    const char *remark = count == 0 ? job->none : job->remark;

    printf("%s: %lld %s%s%s\n", name, (long long)count, events,
        job->dry_run ? " at most would be changed" : "", remark ? remark : "");
}

int change_run(
    const struct program *program, int argc, char **argv, struct change_job *job, struct fault *why)
{
    struct changing_options o = {.program = program, .job = job};
    const char *name = strchr(program->name, ' ') + 1, *store = NULL;
    int first, rc;
    int64_t count = -1;

    buf_text(&o.what, name);
    rc = command_options(program, argc, argv, set_option, &o, &first, why);
    buf_char(&o.what, '\0');
    if (rc == 0)
        store = command_store(program, argc, argv, first, why);
    if (store && job->check(job, program, why) == 0)
        count = change_events(job, store, o.what.data, why);
    if (count >= 0)
        say(job, name, count);
    buf_free(&o.what);
    free(job->selection.ids);
    if (rc != 0)
        return rc;
    return count < 0 ? -1 : 0;
}

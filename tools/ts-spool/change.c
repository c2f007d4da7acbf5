/* SPDX-License-Identifier: MIT */
/* Reads a page, picks the events that are meant, changes them in one transaction, goes on. */
#include "change.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "stop.h"

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

int64_t change_events(const struct change_job *job, const char *store, struct fault *why)
{
    struct changing c = {.job = job};
    struct buf who = {0};
    struct page page = select_page(&job->selection);
    struct action action = {
        .change = job->change, .states = page.states, .what = job->what, .reason = job->reason};
    struct store *s = store_open(store, job->use, why);
    int rc = s ? 0 : -1;

    print_who(&who);
    action.who = who.data;
    c.parser = event_reader_new();
    page.row = take_row;
    page.arg = &c;
    while (rc == 0 && !page.ended && !stop_requested()) {
        c.count = 0;
        rc = store_page(s, &page, why);
        if (rc == 0 && c.count > 0)
            rc = store_change(s, &action, c.seq, c.count, clock_now_ms(), why);
    }
    store_close(s);
    event_reader_free(c.parser);
    buf_free(&who);
    free(c.seq);
    return rc < 0 ? -1 : action.count;
}

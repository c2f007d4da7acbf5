/* SPDX-License-Identifier: MIT */
/* ts-enrich: events in, complete events out, one line for one line: the loop. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#include "card_forms.h"
#include "job.h"
#include "msg.h"
#include "site_check.h"
#include "stop.h"

/* Who passed last goes to the disk, once a second at most: the wait for input begins with the wait
   for that.  A signal or input ends it; then it is done the next time. */
static void sync_state(struct job *j)
{
    struct pollfd in = {.fd = j->input, .events = POLLIN};
    int64_t now_ms = monotonic_ms();
    int due_ms = state_due_ms(j->state, now_ms);

    if (due_ms < 0 || (due_ms > 0 && stop_wait(&in, 1, due_ms, false) != 0))
        return;
    now_ms = monotonic_ms();
    if (state_due_ms(j->state, now_ms) == 0)
        state_sync(j->state, now_ms);
}

/* Before every wait for input: what is done goes out, and a SIGHUP is looked after. */
static int idle(void *arg, struct fault *why)
{
    struct job *j = arg;
    int rc;

    if (stop_reload())
        job_reload(j);
    say_news(j);
    j->waited = true;
    rc = line_flush(&j->out, why);
    sync_state(j);
    return rc;
}

/* A line that its writer did not finish.  In a file it is damage, to be kept; in a pipe the writer
   died over it, was given no receipt, and will send it again: then it must not become an event. */
static bool is_fragment(struct job *j, int fd, enum line kind, struct slice line)
{
    struct stat st;

    if (kind != LINE_TORN || j->card_forms || enrich_whole(&j->context, line) ||
        fstat(fd, &st) < 0 || S_ISREG(st.st_mode))
        return false;
    msg_warn("input ended inside a line: its %zu bytes are left out", line.n);
    j->status = EX_DATAERR;
    return true;
}

/* A number, or an event with one. */
static void try_card(struct job *j, struct slice line)
{
    struct slice number = line;
    struct fault why;
    struct event e;

    if (event_read(j->context.reader, line, &e, &why) == 0) {
        number = event_str(&e, EV_CARD_READ);
        if (number.n == 0)
            number = event_str(&e, EV_CARD_NO);
    }
    card_forms_print(number, j->roster, clock_day(clock_now_ms() / 1000), &j->out.buf);
}

static void take_line(struct job *j, struct slice line, const char *bad)
{
    if (j->card_forms) {
        try_card(j, line);
        return;
    }
    if (!j->changes) {
        enrich_line(&j->context, line, bad, &j->out.buf);
        return;
    }
    j->changed.len = 0;
    enrich_line(&j->context, line, bad, &j->changed);
    j->changed.len--; /* its newline */
    changes_line(j->changes, line, buf_all(&j->changed), &j->out.buf);
}

#define STATE_NEW 2 /* people and lanes that one event can bring */

static int read_lines(struct job *j, int fd, struct fault *why)
{
    struct line_reader *reader = line_reader_new(fd, LINE_MAX_BYTES);
    struct slice line;
    enum line kind;
    unsigned ahead = 0;
    int rc = 0;

    j->input = fd;
    line_on_idle(reader, idle, j);
    while (rc == 0 && (kind = line_next(reader, &line, why)) != LINE_END) {
        /* Before the line: whoever sent the signal may have sent the line after it. */
        if (stop_reload())
            job_reload(j);
        if (j->waited)
            job_look(j);
        if (kind == LINE_ERROR) {
            rc = -1;
        } else if (!is_fragment(j, fd, kind, line)) {
            rc = state_room(j->state, STATE_NEW, why);
            if (rc == 0) {
                take_line(j, line, kind == LINE_LONG ? "line longer than 1 MiB" : NULL);
                rc = line_written(&j->out, why);
            }
            if (ahead-- == 0)
                ahead = enrich_ahead(&j->context, line_buffered(reader)) - 1;
        }
    }
    line_reader_free(reader);
    return rc;
}

static int read_file(struct job *j, const char *name, struct fault *why)
{
    int fd, rc;

    if (strcmp(name, "-") == 0)
        return read_lines(j, STDIN_FILENO, why);
    fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        msg_warn("%s: cannot open: %s", name, strerror(errno));
        j->status = EX_NOINPUT;
        return 0;
    }
    rc = read_lines(j, fd, why);
    close(fd);
    return rc;
}

static int read_all(struct job *j, char **files, struct fault *why)
{
    int rc = *files ? 0 : read_lines(j, STDIN_FILENO, why);

    for (; rc == 0 && *files && !stop_requested(); files++)
        rc = read_file(j, *files, why);
    return rc;
}

static int open_state(struct job *j, struct fault *why)
{
    size_t forgot = 0;

    j->state = j->state_path ? state_open(j->state_path, j->context.settings.hash, &forgot, why)
                             : state_new();
    if (forgot > 0)
        msg_warn("%s: %zu people were half written when the power went: they begin anew",
            j->state_path, forgot);
    j->context.state = j->state;
    return j->state ? 0 : -1;
}

static int run(struct job *j, char **files)
{
    struct fault why;

    if (job_settle(j, &why) < 0)
        return msg_fault(&why);
    if (j->check && j->programs > 0)
        printf("rules: fine, %u jq program%s\n", j->programs, j->programs > 1 ? "s" : "");
    if (j->check)
        return check_config(&(struct check){j->config, j->roster_path, &j->context.settings, say});
    if (job_load(j, &why) < 0)
        return msg_fault(&why);
    if (open_state(j, &why) < 0)
        return msg_fault(&why);
    line_writer_init(&j->out, STDOUT_FILENO, "standard output");
    if (read_all(j, files, &why) < 0) {
        int status = msg_fault(&why);

        /* After a failed read, what was read still goes out. */
        return line_flush(&j->out, &why) < 0 ? msg_fault(&why) : status;
    }
    return line_close(&j->out, &why) < 0 ? msg_fault(&why) : say_all(j);
}

#define MAPPED_BYTES (256 << 10)

int main(int argc, char **argv)
{
    struct job j = {0};
    struct fault why;
    int got, first = argc, status;

    /* The memory of an old roster goes back at once, and a growing one moves without a copy. */
    mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES);
    msg_start("ts-enrich");
    stop_start();
    context_init(&j.context);
    got = job_options(&j, argc, argv, &first, &why);
    status = got < 0 ? msg_fault(&why) : got == 1 ? 0 : run(&j, argv + first);
    line_writer_free(&j.out);
    rules_free(j.context.settings.rules);
    context_free(&j.context);
    site_free(j.site);
    roster_free(j.roster);
    hash_free(j.hash);
    state_free(j.state);
    changes_free(j.changes);
    buf_free(&j.changed);
    hash_free(j.person_key);
    hash_free(j.pseudonyms);
    return status;
}

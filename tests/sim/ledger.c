/* SPDX-License-Identifier: MIT */
/*
 * A receiver at the end of a pipe, for tests that kill its giver: `ts-spool drain --into 'ledger
 * FILE' STORE`.  What it accepts is in FILE, written and synced, before its receipt is printed: one
 * line an arrival, "EVENT_ID PERSON AMBIGUOUS".  It keeps one person's order as a giver may ask of
 * a command: behind an event that it did not take, it takes nothing of that person.
 *
 * The first letter of the person_id says what becomes of an event:
 *
 *   r   rejected
 *   d   deferred when first seen in any life of this program (FILE.met remembers it), then accepted
 *   h   held when first seen, then accepted
 *       anything else is accepted
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "line.h"
#include "msg.h"
#include "receipt.h"
#include "stop.h"

#define IDS 4096
#define ID_BYTES 40

/* Events that were not taken yet, and those that may pass now. */
struct known {
    char id[ID_BYTES], person[ID_BYTES];
    bool waits; /* its person's other events have to wait for it */
};

struct ledger {
    int file, met;
    struct buf arrivals;
    struct line_writer receipts;
    struct event_reader *parser;
    struct known known[IDS];
    size_t count;
};

static void copy(char to[ID_BYTES], struct slice text)
{
    snprintf(to, ID_BYTES, "%.*s", (int)text.n, text.n ? text.p : "");
}

static struct known *find(struct ledger *l, struct slice id)
{
    for (size_t i = 0; i < l->count; i++)
        if (slice_is(id, l->known[i].id))
            return &l->known[i];
    return NULL;
}

static struct known *remember(struct ledger *l, struct slice id, struct slice person)
{
    struct known *k;

    if (l->count == IDS)
        abort();
    k = &l->known[l->count++];
    copy(k->id, id);
    copy(k->person, person);
    return k;
}

static bool behind(const struct ledger *l, struct slice person)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->known[i].waits && slice_is(person, l->known[i].person))
            return true;
    return false;
}

static enum outcome judge(struct ledger *l, struct slice id, struct slice person)
{
    char kind = person.n ? person.p[0] : 'p';
    struct known *k = find(l, id);

    if (k) {
        k->waits = false;
        return OUTCOME_DELIVERED;
    }
    if (behind(l, person))
        return OUTCOME_DEFERRED;
    if (kind == 'r')
        return OUTCOME_REJECTED;
    if (kind != 'd' && kind != 'h')
        return OUTCOME_DELIVERED;
    remember(l, id, person)->waits = true;
    if (dprintf(l->met, "%.*s\n", (int)id.n, id.p) < 0)
        abort();
    return kind == 'd' ? OUTCOME_DEFERRED : OUTCOME_HELD;
}

static void take(struct ledger *l, struct slice line)
{
    struct receipt r = {.at_ms = clock_now_ms()};
    struct slice person;
    struct fault why;
    struct event e;

    if (event_read(l->parser, line, &e, &why) < 0)
        return;
    r.event_id = event_str(&e, EV_EVENT_ID);
    r.ack = event_str(&e, EV_ACK);
    person = event_str(&e, EV_PERSON_ID);
    r.outcome = judge(l, r.event_id, person);
    if (r.outcome == OUTCOME_DEFERRED)
        r.retry_at_ms = r.at_ms;
    if (r.outcome == OUTCOME_DELIVERED)
        buf_printf(&l->arrivals, "%.*s %.*s %s\n", (int)r.event_id.n, r.event_id.p, (int)person.n,
            person.n ? person.p : "-", event_has(&e, EV_AMBIGUOUS) ? "ambiguous" : "first");
    receipt_print(&l->receipts.buf, &r);
}

/* Before every wait: first what has arrived, then what is said of it. */
static int settle(void *arg, struct fault *why)
{
    struct ledger *l = arg;

    if (l->arrivals.len > 0 &&
        (write(l->file, l->arrivals.data, l->arrivals.len) != (ssize_t)l->arrivals.len ||
            fdatasync(l->file) < 0))
        return fault_errno(why, EX_IOERR, "ledger: cannot write");
    l->arrivals.len = 0;
    return line_flush(&l->receipts, why);
}

/* A line without an end is left from a life that was cut short, before its receipt. */
static void cut_torn_line(int fd)
{
    off_t end = lseek(fd, 0, SEEK_END);
    char c = '\n';

    while (end > 0 && pread(fd, &c, 1, end - 1) == 1 && c != '\n')
        end--;
    if (ftruncate(fd, end) < 0)
        abort();
    lseek(fd, 0, SEEK_SET);
}

/* What was put off in earlier lives may pass. */
static void read_met(struct ledger *l)
{
    struct line_reader *in = line_reader_new(l->met, ID_BYTES);
    struct slice line;
    struct fault why;

    while (line_next(in, &line, &why) == LINE_OK)
        if (!find(l, line))
            remember(l, line, SLICE(""));
    line_reader_free(in);
}

int main(int argc, char **argv)
{
    static struct ledger l;
    char met[4096];
    struct line_reader *in;
    struct slice line;
    struct fault why;
    enum line kind;

    msg_start("ledger");
    if (argc != 2)
        return EX_USAGE;
    snprintf(met, sizeof met, "%s.met", argv[1]);
    l.file = open(argv[1], O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    l.met = open(met, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (l.file < 0 || l.met < 0)
        return EX_CANTCREAT;
    cut_torn_line(l.file);
    cut_torn_line(l.met);
    l.parser = event_reader_new();
    line_writer_init(&l.receipts, STDOUT_FILENO, "standard output");
    read_met(&l);
    in = line_reader_new(STDIN_FILENO, LINE_MAX_BYTES);
    line_on_idle(in, settle, &l);
    while ((kind = line_next(in, &line, &why)) == LINE_OK)
        take(&l, line);
    if (kind == LINE_ERROR || settle(&l, &why) < 0)
        return msg_fault(&why);
    return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Events on their way to the command stand in a list, in order of acceptance.
 *
 *   QUEUED --into_send--> SENT --final receipt--> (gone)
 *     ^                     |
 *     +---- TRACK_REPEAT ---+-- HELD until due --> QUEUED
 *
 * Only TRACK_REPEAT keeps its lines until the final receipt.
 * `send_from` stands before the first QUEUED event, so that what is repeated goes out before what
 * is new.
 */
#include "sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "into.h"
#include "line.h"
#include "msg.h"
#include "stop.h"

#define NONE UINT32_MAX
#define WINDOW 4096u           /* events on their way before sources have to wait */
#define QUEUE_BYTES (4u << 20) /* bytes of lines kept before sources have to wait */
#define QUEUE_LIMIT_BYTES (8u << 20)
#define PIPE_BYTES (1 << 20)
#define PAUSE_FIRST_MS 1000
#define PAUSE_LAST_MS 60000
#define HELD_MS 60000    /* between two tries of an event that is held */
#define END_WAIT_MS 5000 /* for a command that has answered everything to end by itself */

enum state { FREE, QUEUED, SENT, HELD };

struct entry {
    struct track *track;
    char *line; /* NULL once sent, where it will not be sent again */
    size_t bytes;
    uint64_t offset, line_number;
    int64_t due_ms; /* of HELD */
    uint32_t next, previous;
    enum state state;
};

struct sink {
    struct line_writer out;
    struct into *into;
    struct buf scratch; /* the event being printed, with a command */
    struct entry *entry;
    uint32_t entries, free, oldest, newest, send_from;
    struct track *first_news, *last_news;
    unsigned pending;
    size_t kept_bytes;
    uint64_t unfinal;
    int64_t pause_until_ms, due_ms; /* no sending before; next HELD to look at (0: none) */
    int pause_ms;
    bool finishing, finished, broken;
    struct fault why;
};

/* ---- tracks ---- */

struct track *track_new(enum track_kind kind, size_t source, void *token)
{
    struct track *t = mem_alloc(sizeof *t);

    *t = (struct track){.kind = kind, .source = source, .token = token, .refs = 1};
    return t;
}

void track_drop(struct track *t)
{
    while (t && --t->refs == 0) {
        struct track *earlier = t->before;

        free(t);
        t = earlier;
    }
}

/* Whether a place may not pass it yet. */
static bool is_unsettled(const struct track *t)
{
    return t->pending > 0 || t->unfinal > 0;
}

void track_follow(struct track *t, struct track *before)
{
    struct track **link = &t->before;

    *link = before;
    while (*link) {
        struct track *b = *link;

        if (is_unsettled(b)) {
            link = &b->before;
            continue;
        }
        *link = b->before;
        if (b->before)
            b->before->refs++;
        track_drop(b);
    }
}

enum verdict track_verdict(const struct track *t)
{
    if (t->kind == TRACK_TELL && t->refused > 0)
        return VERDICT_TOO_MANY;
    if (t->kind == TRACK_TELL && t->unfinal > 0)
        return VERDICT_AGAIN;
    return t->ended && !is_unsettled(t) ? VERDICT_DONE : VERDICT_OPEN;
}

/* There is news for its source.  A peer that waits hears the end of it only; a place moves on with
 * each receipt. */
static void list_track(struct sink *s, struct track *t)
{
    if (t->listed || t->left || (t->kind == TRACK_TELL && track_verdict(t) == VERDICT_OPEN))
        return;
    t->listed = true;
    t->refs++;
    t->next = NULL;
    if (s->last_news)
        s->last_news->next = t;
    else
        s->first_news = t;
    s->last_news = t;
}

int sink_news(struct sink *s, struct track **track)
{
    struct track *t = s->first_news;

    *track = t;
    if (!t)
        return 0;
    if (sink_flush(s) < 0)
        return -1;
    s->first_news = t->next;
    if (!t->next)
        s->last_news = NULL;
    t->listed = false;
    return 1;
}

void sink_reached(struct sink *s, struct track *t, uint64_t offset, uint64_t line)
{
    bool moved = t->at.offset != offset;

    t->at.offset = offset;
    t->at.line = line;
    if (moved && t->pending == 0 && t->kind != TRACK_TELL)
        list_track(s, t);
}

void sink_ended(struct sink *s, struct track *t)
{
    t->ended = true;
    list_track(s, t);
}

bool sink_settled(const struct sink *s, const struct track *newest, struct place *place)
{
    const struct track *t = newest;

    for (const struct track *b = newest; b; b = b->before)
        if (is_unsettled(b))
            t = b;
    if (!t || t->at.inode == 0)
        return false;
    *place = t->at;
    for (uint32_t n = t->pending > 0 ? s->oldest : NONE; n != NONE; n = s->entry[n].next)
        if (s->entry[n].track == t) {
            place->offset = s->entry[n].offset;
            place->line = s->entry[n].line_number;
            break;
        }
    if (t->unfinal > 0 && t->stuck.offset < place->offset) {
        place->offset = t->stuck.offset;
        place->line = t->stuck.line;
    }
    return true;
}

/* ---- the list ---- */

static uint32_t entry_new(struct sink *s)
{
    uint32_t n = s->free;
    struct entry *e;

    if (n == NONE) {
        uint32_t more = s->entries ? s->entries * 2 : 1024;

        s->entry = mem_resize(s->entry, more * sizeof *s->entry);
        for (uint32_t i = s->entries; i < more; i++)
            s->entry[i] = (struct entry){.next = i + 1 < more ? i + 1 : NONE};
        n = s->entries;
        s->entries = more;
    }
    e = &s->entry[n];
    s->free = e->next;
    *e = (struct entry){.next = NONE, .previous = s->newest, .state = QUEUED};
    if (s->newest == NONE)
        s->oldest = n;
    else
        s->entry[s->newest].next = n;
    s->newest = n;
    s->pending++;
    return n;
}

static void forget_line(struct sink *s, struct entry *e)
{
    if (e->line)
        s->kept_bytes -= e->bytes;
    free(e->line);
    e->line = NULL;
}

static void entry_gone(struct sink *s, uint32_t n)
{
    struct entry *e = &s->entry[n];

    forget_line(s, e);
    if (s->send_from == n)
        s->send_from = e->next;
    if (e->previous == NONE)
        s->oldest = e->next;
    else
        s->entry[e->previous].next = e->next;
    if (e->next == NONE)
        s->newest = e->previous;
    else
        s->entry[e->next].previous = e->previous;
    e->track->pending--;
    list_track(s, e->track);
    track_drop(e->track);
    *e = (struct entry){.next = s->free, .state = FREE};
    s->free = n;
    s->pending--;
}

static void give_up(struct sink *s, uint32_t n)
{
    struct entry *e = &s->entry[n];
    struct track *t = e->track;

    if (t->unfinal++ == 0 || e->offset < t->stuck.offset) {
        t->stuck.offset = e->offset;
        t->stuck.line = e->line_number;
    }
    s->unfinal += t->kind != TRACK_TELL;
    entry_gone(s, n);
}

static void queue_again(struct sink *s, uint32_t n)
{
    s->entry[n].state = QUEUED;
    s->send_from = s->oldest;
}

/* ---- towards the command ---- */

static void send_line(struct sink *s, uint32_t n, struct slice line)
{
    into_send(s->into, line, n);
    s->entry[n].state = SENT;
}

static void send_queued(struct sink *s)
{
    if (s->pause_until_ms && monotonic_ms() < s->pause_until_ms)
        return;
    while (s->send_from != NONE && into_room(s->into)) {
        struct entry *e = &s->entry[s->send_from];

        if (e->state == QUEUED) {
            send_line(s, s->send_from, (struct slice){e->line, e->bytes});
            if (e->track->kind != TRACK_REPEAT)
                forget_line(s, e);
        }
        s->send_from = e->next;
    }
}

/* The destination is down: what waits goes out again, in order, after a growing pause. */
static void pause_sending(struct sink *s, int64_t retry_at_ms)
{
    int64_t asked = retry_at_ms > 0 ? retry_at_ms - clock_now_ms() : 0, now = monotonic_ms();

    if (now < s->pause_until_ms)
        return;
    if (asked < s->pause_ms)
        asked = s->pause_ms;
    s->pause_until_ms = now + (asked > PAUSE_LAST_MS ? PAUSE_LAST_MS : asked);
    s->pause_ms = s->pause_ms * 2 > PAUSE_LAST_MS ? PAUSE_LAST_MS : s->pause_ms * 2;
}

static void settle(struct sink *s, const struct into_answer *answer)
{
    uint32_t n = (uint32_t)answer->token;
    struct entry *e = &s->entry[n];
    enum outcome outcome = answer->receipt.outcome;

    if (outcome_final(outcome)) {
        e->track->accepted++;
        s->pause_ms = PAUSE_FIRST_MS;
        entry_gone(s, n);
    } else if (e->track->kind != TRACK_REPEAT || into_state(s->into) == INTO_ENDED) {
        give_up(s, n);
    } else if (outcome == OUTCOME_HELD) {
        e->state = HELD;
        e->due_ms = monotonic_ms() + HELD_MS;
        if (!s->due_ms || e->due_ms < s->due_ms)
            s->due_ms = e->due_ms;
    } else {
        if (outcome == OUTCOME_DEFERRED)
            pause_sending(s, answer->receipt.retry_at_ms);
        queue_again(s, n);
    }
}

static void wake_held(struct sink *s)
{
    int64_t now = monotonic_ms();

    if (!s->due_ms || now < s->due_ms)
        return;
    s->due_ms = 0;
    for (uint32_t n = s->oldest; n != NONE; n = s->entry[n].next) {
        struct entry *e = &s->entry[n];

        if (e->state != HELD)
            continue;
        if (e->due_ms <= now)
            queue_again(s, n);
        else if (!s->due_ms || e->due_ms < s->due_ms)
            s->due_ms = e->due_ms;
    }
}

/* The command has ended: whoever can send again is told to, and need not wait for the next one. */
static void give_up_telling(struct sink *s)
{
    for (uint32_t n = s->oldest, next; n != NONE; n = next) {
        next = s->entry[n].next;
        if (s->entry[n].track->kind == TRACK_TELL)
            give_up(s, n);
    }
}

/* The command is gone for good: nothing that waits will be answered. */
static void give_up_all(struct sink *s)
{
    while (s->oldest != NONE)
        give_up(s, s->oldest);
    if (!s->finished && into_exit_status(s->into) != 0)
        msg_warn("--into: the command ended with exit status %d", into_exit_status(s->into));
    s->finished = true;
}

static int run_into(struct sink *s)
{
    enum into_state before = into_state(s->into);
    struct into_answer answer;
    int news = 0;

    if (into_run(s->into, &s->why) < 0) {
        s->broken = true;
        return -1;
    }
    for (; into_next(s->into, &answer); news = 1)
        settle(s, &answer);
    wake_held(s);
    if (into_state(s->into) != before) {
        news = 1;
        if (into_state(s->into) == INTO_PAUSED)
            give_up_telling(s);
    }
    if (into_state(s->into) == INTO_ENDED) {
        give_up_all(s);
        return news;
    }
    send_queued(s);
    if (s->finishing && s->send_from == NONE)
        into_finish(s->into);
    return news;
}

/* ---- the caller's side ---- */

static void widen_pipe(int fd)
{
    struct stat st;

    if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode))
        fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES); /* fewer switches in bulk; refused is fine */
}

struct sink *sink_new(const struct sink_config *config, struct fault *why)
{
    struct sink *s = mem_alloc(sizeof *s);

    *s = (struct sink){.free = NONE,
        .oldest = NONE,
        .newest = NONE,
        .send_from = NONE,
        .pause_ms = PAUSE_FIRST_MS};
    if (config->into) {
        struct into_config into = {.command = config->into,
            .window = WINDOW,
            .answer_ms = config->answer_ms,
            .restart = config->restart};

        s->into = into_open(&into, why);
        if (!s->into) {
            free(s);
            return NULL;
        }
    } else {
        widen_pipe(STDOUT_FILENO);
        line_writer_init(&s->out, STDOUT_FILENO, "standard output");
    }
    return s;
}

bool sink_room(const struct sink *s)
{
    if (!s->into)
        return !s->broken;
    return !s->broken && !s->finished && s->pending < WINDOW && s->kept_bytes < QUEUE_BYTES;
}

struct buf *sink_line(struct sink *s)
{
    s->scratch.len = 0;
    return s->into ? &s->scratch : &s->out.buf;
}

static void keep_line(struct sink *s, struct entry *e, struct slice line)
{
    e->line = mem_alloc(line.n);
    memcpy(e->line, line.p, line.n);
    s->kept_bytes += line.n;
}

int sink_take(struct sink *s, struct track *track, uint64_t offset, uint64_t line)
{
    struct slice text = buf_all(&s->scratch);
    struct entry *e;
    uint32_t n;

    if (s->broken)
        return -1;
    if (!s->into) {
        buf_char(&s->out.buf, '\n');
        s->broken = line_written(&s->out, &s->why) < 0;
        return s->broken ? -1 : 0;
    }
    /* One body of tiny events must not become more memory than all the others together. */
    if (track->kind == TRACK_TELL && s->kept_bytes > QUEUE_LIMIT_BYTES) {
        track->refused++;
        list_track(s, track);
        return 0;
    }
    n = entry_new(s);
    e = &s->entry[n];
    e->track = track;
    e->bytes = text.n;
    e->offset = offset;
    e->line_number = line;
    track->refs++;
    track->pending++;
    if (s->send_from == NONE && !s->pause_until_ms && into_room(s->into)) {
        send_line(s, n, text);
        if (track->kind == TRACK_REPEAT)
            keep_line(s, e, text);
        return 0;
    }
    keep_line(s, e, text);
    if (s->send_from == NONE)
        s->send_from = n;
    return 0;
}

void sink_leave(struct sink *s, struct track *track)
{
    uint32_t next;

    if (!track)
        return;
    track->left = true;
    for (uint32_t n = s->oldest; n != NONE && track->pending > 0; n = next) {
        next = s->entry[n].next;
        if (s->entry[n].track == track && s->entry[n].state != SENT)
            entry_gone(s, n);
    }
    track_drop(track);
}

int sink_flush(struct sink *s)
{
    if (!s->into && !s->broken && s->out.buf.len > 0)
        s->broken = line_flush(&s->out, &s->why) < 0;
    return s->broken ? -1 : 0;
}

static void lower(int *timeout_ms, int64_t at_ms)
{
    int64_t to_ms = at_ms - monotonic_ms();

    if (to_ms < 0)
        to_ms = 0;
    if (*timeout_ms < 0 || to_ms < *timeout_ms)
        *timeout_ms = (int)to_ms;
}

void sink_reload(struct sink *s)
{
    if (s->into)
        into_reload(s->into);
}

nfds_t sink_poll(struct sink *s, struct pollfd *fds, int *timeout_ms)
{
    if (!s->into) {
        fds[0] = (struct pollfd){.fd = s->out.fd}; /* tells when its reader has gone */
        return 1;
    }
    if (s->pause_until_ms > monotonic_ms())
        lower(timeout_ms, s->pause_until_ms);
    if (s->due_ms)
        lower(timeout_ms, s->due_ms);
    return into_poll(s->into, fds, timeout_ms);
}

int sink_run(struct sink *s)
{
    struct pollfd out = {.fd = s->out.fd};

    if (s->broken)
        return -1;
    if (s->into) {
        if (s->pause_until_ms && monotonic_ms() >= s->pause_until_ms)
            s->pause_until_ms = 0;
        return run_into(s);
    }
    if (poll(&out, 1, 0) > 0 && out.revents & POLLERR) {
        fault_set(&s->why, EX_IOERR, "standard output: closed by its reader");
        s->why.quiet = s->broken = true;
    }
    return s->broken ? -1 : 0;
}

bool sink_receipts(const struct sink *s)
{
    return s->into != NULL;
}

bool sink_down(const struct sink *s)
{
    return s->into && into_state(s->into) != INTO_RUNNING;
}

bool sink_over(const struct sink *s)
{
    return s->broken || s->finished;
}

unsigned sink_pending(const struct sink *s)
{
    return s->pending;
}

uint64_t sink_unstored(const struct sink *s)
{
    uint64_t count = s->unfinal;

    for (uint32_t n = s->oldest; n != NONE; n = s->entry[n].next)
        count += s->entry[n].track->kind != TRACK_TELL;
    return count;
}

void sink_finish(struct sink *s)
{
    s->finishing = true;
}

const struct fault *sink_fault(const struct sink *s)
{
    return s->broken ? &s->why : NULL;
}

/* Its answers are all here; a moment for it to end by itself, so that its status can be told. */
static void await_end(struct sink *s)
{
    int64_t until = monotonic_ms() + END_WAIT_MS;

    into_finish(s->into);
    while (!s->finished && !s->broken && monotonic_ms() < until) {
        struct pollfd fds[INTO_FDS];
        int timeout_ms = (int)(until - monotonic_ms());
        nfds_t n = into_poll(s->into, fds, &timeout_ms);

        stop_wait(fds, n, timeout_ms, true);
        run_into(s);
    }
}

int sink_close(struct sink *s, struct fault *why)
{
    int rc = s->broken ? -1 : 0;

    if (s->into) {
        if (s->pending == 0)
            await_end(s);
        while (s->oldest != NONE)
            give_up(s, s->oldest);
        into_close(s->into);
        free(s->entry);
    } else if (line_close(&s->out, &s->why) < 0) {
        rc = -1;
    }
    for (struct track *t; sink_news(s, &t) > 0;)
        track_drop(t);
    if (rc < 0)
        *why = s->why;
    line_writer_free(&s->out);
    buf_free(&s->scratch);
    free(s);
    return rc;
}

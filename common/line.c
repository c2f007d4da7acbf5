/* SPDX-License-Identifier: MIT */
/*
 * The reader keeps [from, to) of one buffer.  `scanned` remembers how far a newline was looked
 * for, so that a long line that arrives in small pieces costs linear time.
 */
#include "line.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "stop.h"

#define READ_BYTES (256u << 10)

struct line_reader {
    char *data;
    size_t cap, from, to, scanned;
    size_t longest;
    int fd;
    bool ended, skipping;
    uint64_t number, offset, skipped;
    int (*idle)(void *arg, struct fault *why);
    void *idle_arg;
};

struct line_reader *line_reader_new(int fd, size_t longest)
{
    struct line_reader *r = mem_alloc(sizeof *r);

    *r = (struct line_reader){.fd = fd, .longest = longest, .cap = READ_BYTES};
    r->data = mem_alloc(r->cap);
    /* A larger pipe means fewer switches between its two ends; not a pipe: nothing happens. */
    if (fcntl(fd, F_GETPIPE_SZ) < (int)READ_BYTES)
        fcntl(fd, F_SETPIPE_SZ, (int)READ_BYTES);
    return r;
}

void line_reader_free(struct line_reader *r)
{
    if (r)
        free(r->data);
    free(r);
}

void line_on_idle(struct line_reader *r, int (*idle)(void *arg, struct fault *why), void *arg)
{
    r->idle = idle;
    r->idle_arg = arg;
}

uint64_t line_number(const struct line_reader *r)
{
    return r->number;
}

uint64_t line_offset(const struct line_reader *r)
{
    return r->offset;
}

uint64_t line_skipped(const struct line_reader *r)
{
    return r->skipped;
}

struct slice line_buffered(const struct line_reader *r)
{
    return (struct slice){r->data + r->from, r->to - r->from};
}

static enum line hand_out(
    struct line_reader *r, enum line kind, size_t n, size_t used, struct slice *line)
{
    *line = (struct slice){r->data + r->from, n};
    r->from += used;
    r->scanned = r->from;
    r->offset += used;
    r->number++;
    return kind;
}

/* Throws away bytes up to the newline that ends a long line; true when it was found. */
static bool skip_rest(struct line_reader *r)
{
    char *end = memchr(r->data + r->from, '\n', r->to - r->from);
    size_t n = (end ? (size_t)(end - r->data) + 1 : r->to) - r->from;

    r->from += n;
    r->scanned = r->from;
    r->offset += n;
    r->skipped += n;
    r->skipping = !end;
    return end != NULL;
}

enum line line_take(struct line_reader *r, struct slice *line)
{
    char *end;
    size_t n;

    if (r->skipping && !skip_rest(r))
        return r->ended ? LINE_END : LINE_WAIT;
    end = r->scanned < r->to ? memchr(r->data + r->scanned, '\n', r->to - r->scanned) : NULL;
    n = (end ? (size_t)(end - r->data) : r->to) - r->from;
    if (n > r->longest) {
        r->skipped = 0;
        r->skipping = true;
        return hand_out(r, LINE_LONG, r->longest, r->longest, line);
    }
    if (end)
        return hand_out(r, LINE_OK, n, n + 1, line);
    r->scanned = r->to;
    if (!r->ended)
        return LINE_WAIT;
    return n > 0 ? hand_out(r, LINE_TORN, n, n, line) : LINE_END;
}

/* Room for a read: an unfinished line moves to the front, and the buffer grows while it may. */
static void make_room(struct line_reader *r)
{
    size_t n = r->to - r->from;

    if (r->cap - r->to >= READ_BYTES / 2)
        return;
    if (n > 0)
        memmove(r->data, r->data + r->from, n);
    r->scanned -= r->from;
    r->to = n;
    r->from = 0;
    if (r->cap - r->to < READ_BYTES / 2) {
        r->cap *= 2;
        r->data = mem_resize(r->data, r->cap);
    }
}

int line_fill(struct line_reader *r, struct fault *why)
{
    ssize_t n;

    if (r->ended)
        return 0;
    make_room(r);
    n = read(r->fd, r->data + r->to, r->cap - r->to);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return 1;
    if (n < 0)
        return fault_errno(why, EX_IOERR, "standard input: cannot read");
    r->ended = n == 0;
    r->to += (size_t)n;
    return n > 0;
}

static int wait_fault(struct fault *why)
{
    return fault_errno(why, EX_OSERR, "standard input: cannot wait");
}

/* When there is no input yet: idle first, then the wait.  A wait that fails must not lead to a read
   that blocks: what is in hand would never be settled. */
static int wait_for_input(struct line_reader *r, struct fault *why)
{
    struct pollfd in = {.fd = r->fd, .events = POLLIN};
    int n = stop_wait(&in, 1, 0, false);

    if (n < 0)
        return wait_fault(why);
    if (n > 0)
        return 0;
    if (r->idle && r->idle(r->idle_arg, why) < 0)
        return -1;
    while (!stop_requested() && !in.revents) {
        n = stop_wait(&in, 1, -1, false);
        if (n < 0)
            return wait_fault(why);
        /* A signal woke us: the program looks after it before the next wait. */
        if (n == 0 && r->idle && r->idle(r->idle_arg, why) < 0)
            return -1;
    }
    return 0;
}

enum line line_next(struct line_reader *r, struct slice *line, struct fault *why)
{
    for (;;) {
        enum line kind = line_take(r, line);

        if (kind != LINE_WAIT)
            return kind;
        if (wait_for_input(r, why) < 0)
            return LINE_ERROR;
        /* An orderly end: whole lines already read are in hand, a half one is not ours. */
        if (stop_requested())
            return LINE_END;
        if (line_fill(r, why) < 0)
            return LINE_ERROR;
    }
}

void line_writer_init(struct line_writer *w, int fd, const char *name)
{
    *w = (struct line_writer){.fd = fd, .name = name};
    buf_grow(&w->buf, LINE_WRITE_BYTES * 2);
}

void line_writer_free(struct line_writer *w)
{
    buf_free(&w->buf);
}

int line_flush(struct line_writer *w, struct fault *why)
{
    size_t done = 0;

    while (done < w->buf.len) {
        ssize_t n = write(w->fd, w->buf.data + done, w->buf.len - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) { /* whoever gave us this descriptor made it so */
            poll(&(struct pollfd){.fd = w->fd, .events = POLLOUT}, 1, -1);
            continue;
        }
        if (n < 0) {
            w->buf.len = 0;
            fault_errno(why, EX_IOERR, "%s: cannot write", w->name);
            why->quiet = errno == EPIPE;
            return -1;
        }
        done += (size_t)n;
    }
    w->buf.len = 0;
    return 0;
}

int line_close(struct line_writer *w, struct fault *why)
{
    int rc = line_flush(w, why);

    if (close(w->fd) < 0 && rc == 0)
        rc = fault_errno(why, EX_IOERR, "%s: cannot write", w->name);
    return rc;
}

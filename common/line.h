/* SPDX-License-Identifier: MIT */
/*
 * Lines in and lines out.  The reader hands out slices of its own buffer; before it blocks it calls
 * the program's idle function, which flushes (and commits) what is in hand: so a pipe is fast in
 * bulk and immediate when events trickle.  No stdio, no O_NONBLOCK on an inherited descriptor.
 */
#ifndef TS_LINE_H
#define TS_LINE_H

#include <stdint.h>

#include "buf.h"
#include "fault.h"

#define LINE_MAX_BYTES (1u << 20) /* default longest line; ts-event(5) names it */

enum line {
    LINE_OK,    /* a whole line, without its newline (a CR before it is kept) */
    LINE_LONG,  /* longer than the limit: its first bytes; the rest was skipped */
    LINE_TORN,  /* the last bytes of the input, without a newline */
    LINE_WAIT,  /* only from line_take: no whole line here yet */
    LINE_END,   /* end of input, or an orderly end was requested */
    LINE_ERROR, /* read failed: *why says it */
};

struct line_reader;

/* Reads lines of up to `longest` bytes from fd, which stays the caller's. */
struct line_reader *line_reader_new(int fd, size_t longest);
void line_reader_free(struct line_reader *r);

/* idle(arg) runs before every wait for input, and after a signal that woke it; -1 from it makes
 * line_next return LINE_ERROR with its *why. */
void line_on_idle(struct line_reader *r, int (*idle)(void *arg, struct fault *why), void *arg);

/* The next line, valid until the next call. */
enum line line_next(struct line_reader *r, struct slice *line, struct fault *why);

/* For event loops: line_take never reads; line_fill does one read(2) after poll said so: 1 go on, 0
 * end, -1. */
enum line line_take(struct line_reader *r, struct slice *line);
int line_fill(struct line_reader *r, struct fault *why);

/* What was read already behind the line handed out last; valid until the next call. */
struct slice line_buffered(const struct line_reader *r);

/* Number of the line handed out last, from 1; the byte after it in the input; bytes skipped of a
 * long line. */
uint64_t line_number(const struct line_reader *r);
uint64_t line_offset(const struct line_reader *r);
uint64_t line_skipped(const struct line_reader *r);

/* The writer: append to `buf`, call line_written after each line; it writes when 64 KiB have
 * gathered. */
struct line_writer {
    struct buf buf;
    int fd;
    const char *name; /* for messages: "standard output" */
};

void line_writer_init(struct line_writer *w, int fd, const char *name);
int line_flush(struct line_writer *w, struct fault *why);
void line_writer_free(struct line_writer *w);

#define LINE_WRITE_BYTES (64u << 10)

static inline int line_written(struct line_writer *w, struct fault *why)
{
    return w->buf.len < LINE_WRITE_BYTES ? 0 : line_flush(w, why);
}

/* Flushes and closes: only when this returns 0 may a program exit 0. */
int line_close(struct line_writer *w, struct fault *why);

#endif

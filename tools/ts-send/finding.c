/* SPDX-License-Identifier: MIT */
/* Lines of words for people, in columns for grep. */
#include "finding.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "msg.h"

#define TEXT_BYTES 1024

void findings_open(struct findings *f)
{
    *f = (struct findings){0};
    line_writer_init(&f->out, STDOUT_FILENO, "standard output");
}

int findings_close(struct findings *f, struct fault *why)
{
    int rc = f->failed_to_say ? -1 : line_close(&f->out, why);

    if (f->failed_to_say)
        *why = f->why;
    line_writer_free(&f->out);
    return rc < 0 ? -1 : f->status;
}

static void say(
    struct findings *f, const char *level, const char *step, const char *format, va_list args)
{
    char text[TEXT_BYTES];
    struct buf *out = &f->out.buf;

    vsnprintf(text, sizeof text, format, args);
    buf_printf(out, "%-8s %-11s ", level, step);
    msg_escape(out, slice_of(text));
    buf_char(out, '\n');
    if (!f->failed_to_say && line_flush(&f->out, &f->why) < 0)
        f->failed_to_say = true;
}

void finding_ok(struct findings *f, const char *step, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(f, "ok", step, format, args);
    va_end(args);
}

void finding_warn(struct findings *f, const char *step, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(f, "warning", step, format, args);
    va_end(args);
}

void finding_fail(struct findings *f, int status, const char *step, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(f, "failed", step, format, args);
    va_end(args);
    if (f->status == 0)
        f->status = status;
}

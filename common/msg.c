/* SPDX-License-Identifier: MIT */
/* Messages: formatted once, escaped once, written with one write(2) so that lines never mix. */
#include "msg.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "json.h"

static const char *program_name = "ts";

void msg_start(const char *program)
{
    struct rlimit none = {0, 0};

    program_name = program;
    /* A file opened later must never become descriptor 0, 1 or 2.  Output to a closed stdout has to
       fail as any other that goes nowhere: what is put in its place cannot be written. */
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            open("/dev/null", fd == 1 ? O_RDONLY : O_RDWR);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes: the write fails, and that is told */
    setrlimit(RLIMIT_CORE, &none);
#ifndef __SANITIZE_ADDRESS__ /* the leak check attaches to its own process */
    prctl(PR_SET_DUMPABLE, 0);
#endif
}

/* C1 controls, bidirectional and invisible formatting, and line separators change what a reader
 * sees. */
static bool harmless(const unsigned char *p, size_t len)
{
    if (len == 2)
        return p[0] != 0xc2 || p[1] >= 0xa0;
    if (len == 3 && p[0] == 0xe2)
        return !(
            (p[1] == 0x80 && (p[2] >= 0xa8 || p[2] <= 0x8f)) || (p[1] == 0x81 && p[2] >= 0xa0));
    return !(len == 3 && p[0] == 0xef && p[1] == 0xbb && p[2] == 0xbf);
}

void msg_escape(struct buf *out, struct slice text)
{
    for (size_t i = 0; i < text.n;) {
        const unsigned char *p = (const unsigned char *)text.p + i;
        size_t len = utf8_length(text.p + i, text.n - i);

        if (len == 1 ? *p >= 0x20 && *p < 0x7f : len > 1 && harmless(p, len)) {
            buf_add(out, p, len);
            i += len;
        } else {
            buf_printf(out, "\\x%02x", *p);
            i++;
        }
    }
}

static void print_line(const char *prefix, const char *format, va_list args)
{
    char text[1024];
    struct buf line = {0};
    ssize_t n;
    int error = errno;

    vsnprintf(text, sizeof text, format, args);
    if (prefix)
        buf_printf(&line, "%s: ", prefix);
    msg_escape(&line, slice_of(text));
    buf_char(&line, '\n');
    do
        n = write(STDERR_FILENO, line.data, line.len);
    while (n < 0 && errno == EINTR);
    buf_free(&line);
    errno = error;
}

void msg_warn(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    print_line(program_name, format, args);
    va_end(args);
}

void msg_say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    print_line(NULL, format, args);
    va_end(args);
}

int msg_fault(const struct fault *why)
{
    if (!why->quiet)
        msg_warn("%s", why->text);
    return why->status;
}

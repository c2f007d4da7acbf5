/* SPDX-License-Identifier: MIT */
/* The growing buffer, and the one place where running out of memory is decided. */
#include "buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

static _Noreturn void no_memory(void)
{
    static const char text[] = "out of memory: ending; nothing acknowledged is lost\n";

    if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
        _exit(EX_OSERR);
    _exit(EX_OSERR);
}

void *mem_resize(void *p, size_t n)
{
    void *q = realloc(p, n > 0 ? n : 1);

    if (!q)
        no_memory();
    return q;
}

void *mem_alloc(size_t n)
{
    return mem_resize(NULL, n);
}

char *mem_text(struct slice s)
{
    char *text = mem_alloc(s.n + 1);

    if (s.n > 0)
        memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    return text;
}

char *buf_grow(struct buf *b, size_t n)
{
    size_t cap = b->cap ? b->cap : 256;

    if (n > SIZE_MAX / 4 || b->len > SIZE_MAX / 4)
        no_memory();
    while (cap - b->len < n)
        cap *= 2;
    b->data = mem_resize(b->data, cap);
    b->cap = cap;
    return b->data + b->len;
}

void buf_free(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args, again;
    int n;

    va_start(args, format);
    va_copy(again, args);
    n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n > 0) {
        vsnprintf(buf_room(b, (size_t)n + 1), (size_t)n + 1, format, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

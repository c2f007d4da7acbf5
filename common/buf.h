/* SPDX-License-Identifier: MIT */
/*
 * A growing byte buffer.  Out of memory ends the process (exit 71): no caller could
 * do anything better, and everything accepted so far is on disk or with its sender.
 */
#ifndef TS_BUF_H
#define TS_BUF_H

#include "slice.h"

struct buf {
    char *data; /* owned; NULL while cap is 0 */
    size_t len; /* bytes in use */
    size_t cap;
};

/* Makes room for n more bytes and returns where they go; the caller adds to len. */
char *buf_grow(struct buf *b, size_t n);

/* Gives the memory back; the buffer is empty and usable again. */
void buf_free(struct buf *b);

/* malloc and realloc that never return NULL. */
void *mem_alloc(size_t n);
void *mem_resize(void *p, size_t n);

/* A NUL-terminated copy, to be freed by the caller. */
char *mem_text(struct slice s);

static inline char *buf_room(struct buf *b, size_t n)
{
    return b->cap - b->len >= n ? b->data + b->len : buf_grow(b, n);
}

static inline void buf_add(struct buf *b, const void *p, size_t n)
{
    if (n > 0) {
        memcpy(buf_room(b, n), p, n);
        b->len += n;
    }
}

static inline void buf_slice(struct buf *b, struct slice s)
{
    buf_add(b, s.p, s.n);
}

static inline void buf_char(struct buf *b, char c)
{
    *buf_room(b, 1) = c;
    b->len++;
}

#define buf_lit(b, literal) buf_add((b), (literal), sizeof(literal) - 1)

static inline void buf_text(struct buf *b, const char *text)
{
    buf_add(b, text, strlen(text));
}

/* printf into the buffer; for places that are not hot. */
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

static inline struct slice buf_all(const struct buf *b)
{
    return (struct slice){b->data, b->len};
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The body of an HTTP request: cut from what follows the head, put together from its chunks, and
 * unpacked.  Pure: bytes in, bytes out, no further than a limit.
 */
#ifndef TS_BODY_H
#define TS_BODY_H

#include "buf.h"
#include "head.h"

/* How far a body is read. */
struct body {
    int step;
    uint64_t left;     /* bytes of the body, or of the chunk in hand */
    unsigned digits;   /* of the size of the chunk in hand */
    size_t line_bytes; /* of the line of a chunk; of all trailers */
    bool begun;        /* the trailer line in hand has bytes */
    uint64_t longest;  /* of the whole */
};

/* Reads the body that the head announces, of `longest` bytes at most. */
void body_begin(struct body *b, const struct head *head, size_t longest);

/* Takes off *in what belongs to the body, and appends its content to *out, which holds nothing
 * else. 0: it is whole, and *in begins with what follows it.  BODY_MORE: all of *in is taken, and
 * more is to come.  Else the HTTP status to refuse it with. */
#define BODY_MORE 1
int body_take(struct body *b, struct slice *in, struct buf *out);

/* Appends what a gzip body (RFC 1952: one member and nothing behind it) holds.  0, 400: it is none,
 * or damaged; 413: it would be longer than `longest` bytes, of which no more are made. */
int body_unpack(struct slice packed, size_t longest, struct buf *out);

/* The same of a body that is called deflate: RFC 1950, or as some devices have it without the head
   and the sum of that (RFC 1951). */
int body_inflate(struct slice packed, size_t longest, struct buf *out);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The head of an HTTP request, checked before any library reads it, so that there is one reading of
 * every message: what could be understood in two ways is refused (RFC 9112, 11.2).
 */
#ifndef TS_HEAD_H
#define TS_HEAD_H

#include <stdint.h>

#include "slice.h"

#define HEAD_LINE_BYTES 2048u /* request line */
#define HEAD_BYTES 8192u      /* all of it */
#define HEAD_FIELDS 64u

struct head {
    bool chunked;
    uint64_t body_bytes; /* Content-Length; 0 without */
    size_t bytes;        /* of the head, with its empty line */
};

/* 0: whole and good.  HEAD_MORE: good so far.  Else the HTTP status to refuse it with. */
#define HEAD_MORE 1
int head_check(struct slice in, struct head *head);

#endif

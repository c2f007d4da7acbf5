/* SPDX-License-Identifier: MIT */
/*
 * The head of an HTTP request.  There is one reading of every message: what could be understood in
 * two ways is refused (RFC 9112, 11.2).
 */
#ifndef TS_HEAD_H
#define TS_HEAD_H

#include <stdint.h>

#include "slice.h"

#define HEAD_LINE_BYTES 2048u /* request line */
#define HEAD_BYTES 8192u      /* all of it */
#define HEAD_FIELDS 64u

enum method { METHOD_GET, METHOD_HEAD, METHOD_POST, METHOD_PUT, METHODS };

/* The slices point into what was read; SLICE_NONE where a field is absent. */
struct head {
    enum method method;
    bool old;            /* HTTP/1.0 */
    bool close;          /* the peer wants no further request on this connection */
    bool expects;        /* it waits for 100 Continue */
    bool chunked;        /* the body is; else it has body_bytes */
    uint64_t body_bytes; /* Content-Length; 0 without */
    size_t bytes;        /* of the head, with its empty line */
    struct slice target, type, coding, authorization;
    struct slice fields; /* all field lines: head_field */
};

/* 0: whole and good.  HEAD_MORE: good so far.  Else the HTTP status to refuse it with. */
#define HEAD_MORE 1
int head_check(struct slice in, struct head *head);

/* Takes the next field off the lines of a head that is good; false when none is left. */
bool head_field(struct slice *fields, struct slice *name, struct slice *value);

/* Whether a word is this one, in letters of any case. */
bool head_word(struct slice s, const char *word);

#endif

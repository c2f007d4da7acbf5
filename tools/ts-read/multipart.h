/* SPDX-License-Identifier: MIT */
/*
 * The parts of a multipart stream as cameras and terminals write it: boundary lines that come
 * twice, LF alone, a second header block, no closing boundary, lengths that are missing or wrong.
 * Pure, and without memory of its own: it looks at the bytes that the caller has, and says what
 * they are.
 *
 *     --X CRLF  Content-Type: application/json CRLF  Content-Length: 278 CRLF  CRLF  {…} CRLF
 *     --X CRLF  Content-Type: image/jpeg …
 *
 * Where a stream was cut into pieces makes no difference.
 */
#ifndef TS_MULTIPART_H
#define TS_MULTIPART_H

#include <stdint.h>

#include "slice.h"

#define MULTIPART_BOUNDARY_BYTES 72 /* RFC 2046 has 70 */

enum part_kind {
    PART_TEXT,    /* told by its first byte or its type; its length is not believed */
    PART_PICTURE, /* image/… */
    PART_OTHER,   /* anything else that is no text */
};

struct multipart {
    char mark[MULTIPART_BOUNDARY_BYTES + 2]; /* --X */
    size_t mark_bytes;
    size_t limit;   /* a length beyond it is not believed */
    bool begin;     /* nothing was taken yet: a boundary needs no line end before it */
    bool in_part;   /* the next bytes go on with a part whose beginning was taken */
    size_t scanned; /* of the body so far: no boundary begins there */
    enum part_kind kind;
    bool has_length;
    uint64_t length; /* of what is left of the body */
};

/* False: not a boundary that can be looked for. */
bool multipart_begin(struct multipart *m, struct slice boundary, size_t limit);

/* The boundary that a Content-Type names; SLICE_NONE: it is no multipart. */
struct slice multipart_boundary(struct slice type);

enum multipart_got {
    MULTIPART_MORE, /* more bytes are needed, none can be let go of */
    MULTIPART_SKIP, /* *used bytes are between parts */
    MULTIPART_OPEN, /* a part, whose end is not here yet: body is what there is of it */
    MULTIPART_PART, /* a part: body is all of it, or all that is left of it */
};

struct part {
    enum part_kind kind;
    struct slice body; /* in the caller's bytes */
    bool cut;          /* the stream ended in its middle */
};

/* What the bytes begin with; end: no more will come. */
enum multipart_got multipart_next(
    struct multipart *m, struct slice in, bool end, size_t *used, struct part *part);

/* After OPEN or PART: the part's body up to `to` was taken, which is *used bytes of the input. all:
   the rest of the part is not wanted or not there, and what follows is between two parts. */
void multipart_took(struct multipart *m, struct slice in, const struct part *part, size_t to,
    bool all, size_t *used);

/* After OPEN: lets go of what can be of a part that is not wanted; 0: nothing. */
size_t multipart_drop(struct multipart *m, struct slice in, const struct part *part);

#endif

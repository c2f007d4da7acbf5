/* SPDX-License-Identifier: MIT */
/*
 * Lines with holes of NUL bytes: what a memory stick leaves behind that was pulled too early.  A
 * hole may be hundreds of kilobytes long, so its bytes are counted and dropped as they come instead
 * of being gathered; the line around it becomes one record that says how many there were.
 */
#ifndef TS_DAMAGE_H
#define TS_DAMAGE_H

#include "format.h"

struct damage {
    size_t longest; /* of the text kept around a hole, in bytes */
    uint64_t nuls;  /* dropped since the last record */
    bool begun;     /* the first bytes of the stream were looked at */
    bool told;      /* kept and nuls belong to the record handed out last */
    struct buf kept;
    struct buf base64;
    char error[48];
};

/* Zeroed memory and `longest` are enough to begin with. */
void damage_free(struct damage *d);

/* frame_line that steps over holes and over a byte order mark at the very beginning. */
enum frame damage_frame(
    struct damage *d, struct slice in, bool end, size_t *used, struct slice *record);

/* Whether the record had a hole; then *out says so, and its raw is the line without its NULs. */
bool damage_found(struct damage *d, struct slice record, struct decoded *out);

/* Sets the draft's raw: as text, or in base64 when it is not UTF-8.  The text must outlive the
 * draft's use. */
void damage_raw(struct damage *d, struct slice text, struct decoded *out);

#endif

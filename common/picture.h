/* SPDX-License-Identifier: MIT */
/*
 * A picture of a passage, which a reader keeps in a folder and names by its content: what the
 * event's snapshot says of it, and the file itself.  The file's name comes from a device or from
 * whoever wrote the event: no link is followed, no step leaves the folder, and nothing but a
 * regular file is opened.
 */
#ifndef TS_PICTURE_H
#define TS_PICTURE_H

#include <time.h>

#include "event.h"

/* ---- the member; pure ---- */

#define SNAPSHOT_SHA256_BYTES 65

/* A reference to a picture in the folder; the texts are the event's. */
struct snapshot {
    struct slice file, sha256, media_type; /* SLICE_NONE: not said */
    int64_t bytes;                         /* -1: not said */
};

/* True when the event refers to a file, and has neither the picture nor where it is. */
bool snapshot_of(const struct event *e, struct snapshot *s);

/* The hash that it names, in lower case; false when that is none. */
bool snapshot_sha256(const struct snapshot *s, char out[SNAPSHOT_SHA256_BYTES]);

/* The member with a place in place of the file (NULL: the file stays), and what went wrong (NULL:
   nothing). */
void snapshot_print(
    struct buf *out, const struct snapshot *s, const char *location, const char *error);

/* image/jpeg or image/png, by the first bytes; NULL: neither. */
#define SNAPSHOT_MAGIC_BYTES 8
const char *snapshot_type(const void *first, size_t n);

/* ---- the file ---- */

struct picture {
    int fd;
    uint64_t bytes;
    const char *media_type; /* as its first bytes say */
    char sha256[SNAPSHOT_SHA256_BYTES];
    struct timespec changed;
};

/* Opens what s names beneath `folder` and looks at all of it: its size (bytes_max at most), its
   type, its hash, which must be the one that s names.  NULL, or in plain words why the picture
   cannot be had (static). */
const char *picture_open(
    struct picture *p, int folder, const struct snapshot *s, uint64_t bytes_max);
void picture_close(struct picture *p);

/* Bytes from `at` on: how many, less than n only at its end; -1 when they cannot be read. */
ssize_t picture_read(const struct picture *p, uint64_t at, char *to, size_t n);

/* Whether it is still as it was when it was opened. */
bool picture_same(const struct picture *p);
#define PICTURE_CHANGED "the snapshot changed while it was read"

/* Appends the member that has the picture in it; NULL, or why it cannot be read, and nothing is
   appended. */
const char *picture_print(const struct picture *p, struct buf *out);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * One picture file beneath the snapshot folder.  Its name comes from a device or from whoever wrote
 * the event: no link is followed, no step leaves the folder, and nothing but a regular file is
 * opened.
 */
#ifndef TS_SEND_PICTURE_H
#define TS_SEND_PICTURE_H

#include <time.h>

#include "snapshot.h"

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

#endif

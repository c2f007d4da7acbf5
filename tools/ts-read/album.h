/* SPDX-License-Identifier: MIT */
/*
 * --snapshots DIR: pictures of passages, each a file that is named by its content, so that the same
 * picture is kept once: ab/abcdef….jpg.  Nothing of a name comes from a device.
 */
#ifndef TS_ALBUM_H
#define TS_ALBUM_H

#include "buf.h"
#include "fault.h"

struct album;

/* The folder must be there, and ours to write into; 69: the library that hashes is missing. */
struct album *album_open(const char *folder, struct fault *why);
void album_free(struct album *a);

/* Keeps a picture, safe before it returns, and appends the event's `snapshot`: where it is, or why
   it was not kept; that is said on standard error too, once. */
void album_keep(struct album *a, struct slice picture, struct buf *snapshot);

#endif

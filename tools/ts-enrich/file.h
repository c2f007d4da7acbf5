/* SPDX-License-Identifier: MIT */
/* Small files that are read whole: the site file and the roster. */
#ifndef TS_ENRICH_FILE_H
#define TS_ENRICH_FILE_H

#include "buf.h"
#include "fault.h"

/* Appends the file to *out, without a byte order mark; longer than limit bytes is a fault (78). */
int file_read(const char *path, size_t limit, struct buf *out, struct fault *why);

#endif

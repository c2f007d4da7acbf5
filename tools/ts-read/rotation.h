/* SPDX-License-Identifier: MIT */
/*
 * What became of a followed file while nobody read it.  Its rows are found again in the same
 * folder: renamed (known by its inode), or copied before it was cut (known by its first bytes).
 * Files that were rotated after it are read too.  When in doubt more is read: ids make that
 * harmless.
 */
#ifndef TS_ROTATION_H
#define TS_ROTATION_H

#include <sys/stat.h>
#include <time.h>

#include "sink.h"

struct rotation;

/*
 * fd is what stands at the path now; place and saved are those of the checkpoint.  NULL: go on in
 * it.  Else the files to read in turn, of which the last is fd's; what is found is said on standard
 * error.
 */
struct rotation *rotation_find(
    const char *path, int fd, const struct place *place, const struct timespec *saved);

/*
 * While we watch: the file `left` was read to its end, and fd stands at the path now.  NULL:
 * nothing is between them.  Else as above, for files that were rotated in quick turn or while there
 * was no room for their rows.
 */
struct rotation *rotation_between(const char *path, int fd, const struct stat *left);

/* While we watch: fd was cut, and `place` is how far it was read before.  NULL: no copy of it has
 * more. */
struct rotation *rotation_copied(const char *path, int fd, const struct place *place);

void rotation_free(struct rotation *r);

/* The descriptor of the next file, from now on the caller's; -1: none is left.  It is gone on in at
 * `from`, or read from its start where the offset is 0. */
int rotation_next(struct rotation *r, struct place *from);

/* Whether rotation_next has more; false for NULL. */
bool rotation_more(const struct rotation *r);

/* Rows may be left out: not all of what was written since the checkpoint can be found. */
bool rotation_gap(const struct rotation *r);

#endif

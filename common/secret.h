/* SPDX-License-Identifier: MIT */
/* Secrets come from files, inherited descriptors or $CREDENTIALS_DIRECTORY; never from argv or the
 * environment. */
#ifndef TS_SECRET_H
#define TS_SECRET_H

#include <stdbool.h>

#include "buf.h"
#include "fault.h"

#define SECRET_BYTES_MAX (64u << 10)

/*
 * Reads the first line of a file into *out (replaced).  name is a path; "fd:N" and "/dev/fd/N" read
 * descriptor N, which is then closed; a name without a slash is looked for in
 * $CREDENTIALS_DIRECTORY first.  The file must be regular, ours or root's, and closed to group and
 * others (fault 77 says how to mend it); it must not be empty (78).  On a fault *out is empty.
 */
int secret_read(const char *name, struct buf *out, struct fault *why);

/* The same of all its lines; shown: others may read it, as a certificate. */
int secret_read_all(const char *name, bool shown, struct buf *out, struct fault *why);

/* Whether it names a descriptor, which can be read only once. */
bool secret_inherited(const char *name);

/* The path behind a name that is none of a descriptor, to be freed by the caller. */
char *secret_path(const char *name);

/* Overwrites and frees. */
void secret_forget(struct buf *secret);

/* Equal or not, in a time that does not depend on where they differ. */
bool secret_equal(struct slice a, struct slice b);

#endif

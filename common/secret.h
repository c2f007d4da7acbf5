/* SPDX-License-Identifier: MIT */
/* Secrets come from files, inherited descriptors or $CREDENTIALS_DIRECTORY; never from argv or the
 * environment. */
#ifndef TS_SECRET_H
#define TS_SECRET_H

#include "buf.h"
#include "fault.h"

#define SECRET_BYTES_MAX (64u << 10)

/*
 * Reads the first line of a file into *out (replaced).  name is a path; "fd:N" reads descriptor N,
 * which is then closed; a name without a slash is looked for in $CREDENTIALS_DIRECTORY first.  The
 * file must be regular, ours or root's, and closed to group and others (fault 77 says how to mend
 * it); it must not be empty (78).  On a fault *out is empty.
 */
int secret_read(const char *name, struct buf *out, struct fault *why);

/* Overwrites and frees. */
void secret_forget(struct buf *secret);

/* Equal or not, in a time that does not depend on where they differ. */
bool secret_equal(struct slice a, struct slice b);

#endif

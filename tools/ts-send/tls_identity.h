/* SPDX-License-Identifier: MIT */
/*
 * Our own certificate and its key, as bytes: so they may come from wherever secrets do, and are
 * read again when they are renewed.  Counted references: requests under way keep what they began
 * with.
 */
#ifndef TS_SEND_TLS_IDENTITY_H
#define TS_SEND_TLS_IDENTITY_H

#include "buf.h"
#include "fault.h"

struct tls_identity {
    unsigned references;
    struct buf cert, key; /* PEM; key empty: it stands in cert */
};

/* cert, key: files as secret.h names them; cert NULL: there is none, *out is NULL.  A certificate
   may be seen by others, unless its key is in the same file.  old: what was read before, or NULL;
   what came from a descriptor is taken from there, and *out is old (one more reference) where
   nothing has changed.  -1 and *why. */
int tls_identity_read(const char *cert, const char *key, struct tls_identity *old,
    struct tls_identity **out, struct fault *why);
void tls_identity_drop(struct tls_identity *i); /* the last one wipes; NULL is fine */

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Where pictures were put: from a picture's hash and the URL that it was posted to, to the location
 * that the receiver gave.  A file of a fixed number of slots, so that neither it nor the memory
 * grows; the oldest are forgotten.  Each slot has a sum of its own: what a crash or a stranger left
 * behind is no entry.  An entry that is lost costs one more upload, so nothing is synced, and a new
 * file is as good as an old one.  Several processes may use it at once.
 */
#ifndef TS_SEND_PLACES_H
#define TS_SEND_PLACES_H

#include "snapshot.h"

struct places;

/* The file `name` in the folder, made when it is not there; name NULL, or where that fails (*why
   says how, else it is empty): in memory, for this run. */
struct places *places_open(int folder, const char *name, struct fault *why);
void places_close(struct places *p); /* NULL is fine */

/* False: not known. */
bool places_find(
    const struct places *p, const char *url, const char *sha256, char out[SNAPSHOT_LOCATION_BYTES]);

/* -1 and *why: it is not remembered. */
int places_put(
    struct places *p, const char *url, const char *sha256, const char *location, struct fault *why);

#endif

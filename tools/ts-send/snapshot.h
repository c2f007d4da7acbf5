/* SPDX-License-Identifier: MIT */
/*
 * What becomes of the snapshot of an event (picture.h): what may stand in its place, how a receiver
 * is asked to keep the picture, and how it says where it does.  Pure.
 */
#ifndef TS_SEND_SNAPSHOT_H
#define TS_SEND_SNAPSHOT_H

#include "picture.h"
#include "reply.h"
#include "url.h"

enum snapshot_mode {
    SNAPSHOT_KEEP,   /* the member travels as it is */
    SNAPSHOT_INLINE, /* the picture in place of its reference */
    SNAPSHOT_UPLOAD, /* the picture goes ahead, the event says where it is */
    SNAPSHOT_OMIT,   /* no snapshot at all */
};

struct snapshot_config {
    enum snapshot_mode mode;
    const char *folder;          /* NULL: none */
    size_t bytes_max;            /* of a picture */
    char url[URL_BYTES_MAX + 1]; /* where pictures are posted */
    bool ours;                   /* … which is the receiver of the events */
};

/* Reads "inline", "omit", "upload", "upload=/path" (of the receiver) or "upload=URL" into *c; its
   folder is set.  0, or -1 and *why. */
int snapshot_option(
    struct snapshot_config *c, const char *text, const char *receiver, struct fault *why);

#define SNAPSHOT_LOCATION_BYTES 256 /* with its NUL; longer ones are none */

/* What stands before and after the picture in a multipart/form-data body. */
void snapshot_multipart(struct buf *head, struct buf *tail, const char *boundary,
    const char *sha256, const char *media_type);

/* Whether it may stand in an event: a path from the root, or a URL, that nothing can hide in. */
bool snapshot_location(struct slice text);

/* Where the receiver of an upload to `url` keeps the picture: its Location, else the member
   location, url or path of a JSON body.  With another origin than the events' a path is completed.
   False: it does not say, or what it says is no location. */
bool snapshot_reply(
    const struct reply *r, const struct snapshot_config *c, char out[SNAPSHOT_LOCATION_BYTES]);

#endif

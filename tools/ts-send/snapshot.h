/* SPDX-License-Identifier: MIT */
/*
 * The snapshot of an event: a picture of the passage, which a reader keeps in a folder and names by
 * its content.  Pure: what the member says, what may stand in its place, and how a receiver is
 * asked to keep the picture and says where it does.
 */
#ifndef TS_SEND_SNAPSHOT_H
#define TS_SEND_SNAPSHOT_H

#include "event.h"
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

#define SNAPSHOT_SHA256_BYTES 65
#define SNAPSHOT_LOCATION_BYTES 256 /* with its NUL; longer ones are none */

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

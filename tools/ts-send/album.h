/* SPDX-License-Identifier: MIT */
/*
 * The pictures of a run: their folder, where they were put before, and what becomes of the snapshot
 * of each event.  Whatever is wrong with a picture, its event goes: with the reference and `error`
 * in place of the picture.
 */
#ifndef TS_SEND_ALBUM_H
#define TS_SEND_ALBUM_H

#include "snapshot.h"

struct album;

/* config must live as long; body_max: of an event.  dry: nothing is remembered in the folder.  NULL
   and *why. */
struct album *album_open(
    const struct snapshot_config *config, size_t body_max, bool dry, struct fault *why);
void album_close(struct album *a); /* NULL is fine */

/* Puts into *body, which is the event as it will travel, what takes the place of its snapshot.
   True: that is not known before the picture has been uploaded. */
bool album_event(struct album *a, const struct event *e, struct buf *body);

/* For an event that waits for an upload.  True: here is its picture, to be closed by the caller.
   False: *fresh (replaced) is its body, because the place is known by now, or there is no picture.
 */
bool album_picture(struct album *a, struct slice body, struct picture *p, struct buf *fresh);

/* The picture was uploaded and is at this location: remembered for all events that have it. */
void album_put(struct album *a, const char *sha256, const char *location);

/* The body of an event whose picture is at a location, or (NULL) cannot be had. */
void album_placed(struct album *a, struct slice body, const char *sha256, const char *location,
    const char *error, struct buf *fresh);

/* The hash that the event names; false: none. */
bool album_names(struct album *a, struct slice body, char out[SNAPSHOT_SHA256_BYTES]);

uint64_t album_missing(const struct album *a); /* events that go without their picture */

/* What stands for a location where nothing is sent. */
#define ALBUM_STAND_IN "{location}"

#endif

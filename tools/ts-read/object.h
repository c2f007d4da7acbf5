/* SPDX-License-Identifier: MIT */
/*
 * A JSON object as an event: one of ts-event(5) itself, or a CloudEvents 1.0 envelope (it has
 * `specversion`) whose `data` is one.  Shared by the formats whose records are JSON.
 */
#ifndef TS_OBJECT_H
#define TS_OBJECT_H

#include "format.h"

struct object_reader;

struct object_reader *object_reader_new(void);
void object_reader_free(struct object_reader *r);

/* Emits what one object says, or why it says nothing.  part: the object is not the whole record, so
   an error carries it as raw.  The text must live until the next call. */
void object_emit(
    struct object_reader *r, struct slice json, bool torn, bool part, const struct emitter *out);

#endif

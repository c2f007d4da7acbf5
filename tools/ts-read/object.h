/* SPDX-License-Identifier: MIT */
/*
 * A JSON object as an event: one of ts-event(5) itself, or a CloudEvents 1.0 envelope (it has
 * `specversion`) whose `data` is one.  Shared by the formats whose records are JSON.
 */
#ifndef TS_OBJECT_H
#define TS_OBJECT_H

#include <yyjson.h>

#include "damage.h"

struct object_reader;

/* The state of a format whose records are JSON. */
struct object_state {
    struct damage damage; /* for lines with holes, and for raw of what is no text */
    struct object_reader *reader;
    struct decoded out; /* of what is no object */
    char error[120];
};

/* Memory for yyjson that ends the program when there is none: a record must not be called damaged
 * because of that. */
extern const yyjson_alc object_memory;

/* open and close of such a format, which has no options. */
void *object_open(const struct format_options *options, const char *format, struct fault *why);
void object_close(void *state);

/* Emits what one object says, or why it says nothing.  part: the object is not the whole record, so
   an error carries it as raw.  The text must live until the next call. */
void object_emit(
    struct object_state *s, struct slice json, bool torn, bool part, const struct emitter *out);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Documents of devices, JSON or XML, and their members: the same number comes as a number and as a
 * string, and an empty string or a zero often means that there is none.  Pure.
 */
#ifndef TS_FIELDS_H
#define TS_FIELDS_H

#include <stdint.h>
#include <yyjson.h>

#include "buf.h"
#include "clock.h"

/* NULL and *error (which may be in `room`), a plain reason.  Numbers keep their digits.  To be
   freed with yyjson_doc_free. */
#define FIELDS_ERROR_BYTES 120
yyjson_doc *fields_read(struct slice text, char room[FIELDS_ERROR_BYTES], const char **error);

/* Appends a text with U+FFFD in place of what is no UTF-8: names are written in any coding. */
void text_clean(struct buf *out, struct slice text);

/* A string or the digits of a number, without white space around it; SLICE_NONE: neither, or
   empty.  value: of NULL there is none. */
struct slice field_value(yyjson_val *value);
struct slice field_text(yyjson_val *object, const char *key);

/* A whole number, however it is written (a fraction is cut); -1: none, or negative. */
int64_t field_number(yyjson_val *object, const char *key);

/* -1: not said. */
int field_bool(yyjson_val *object, const char *key);

/* The member, when it is an object; also of NULL. */
yyjson_val *field_object(yyjson_val *object, const char *key);

/* Appends a value as JSON on one line, without the members (at any depth) whose keys are in the
   NULL-ended list: what is nobody's business beyond the device. */
void fields_print(struct buf *out, yyjson_val *value, const char *const *hidden);

/* A network address of six pairs in its usual form, in out; SLICE_NONE: it is none, or says nothing
   (all zeros, all ones). */
#define MAC_BYTES 17
struct slice mac_read(struct slice text, char out[MAC_BYTES]);

/* A wall clock with what stands behind it. */
struct wall {
    char local[CLOCK_TEXT];
    size_t local_bytes;
    struct slice
        offset; /* in the text; SLICE_NONE: none, or -00:00, which says that none is known */
    bool unset; /* before 2000: the device had lost its clock */
};

/* "2026-07-06T00:33:53+03:00", "2026-07-06 00:33:53", …; false: none of these. */
bool wall_read(struct wall *w, struct slice text);

#endif

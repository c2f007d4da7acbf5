/* SPDX-License-Identifier: MIT */
/* From events to the bytes of a request: bodies, keys, gzip.  Pure. */
#ifndef TS_SEND_REQUEST_H
#define TS_SEND_REQUEST_H

#include "event.h"

#define REQUEST_KEY_BYTES 256 /* with its NUL; longer ids are hashed */

enum id_form { ID_V8, ID_V5 }; /* as it is; or a version-5 UUID of it */

/* The event as the plain profile posts it: without what only the toolkit needs.  id: written in
   place of event_id unless it is SLICE_NONE. */
void request_event(struct buf *out, const struct event *e, struct slice id);

/* The version-5 UUID of an event id, as text. */
#define REQUEST_ID_BYTES 37
void request_id_v5(struct slice id, char out[REQUEST_ID_BYTES]);

/* '[' events, joined by ',' ']' */
void request_array(struct buf *out, const struct slice *events, size_t n);

/* Idempotency-Key of one event: its id, or a UUID of it where the id has bytes that a header must
   not carry or is too long. */
void request_key(struct slice id, enum id_form form, char out[REQUEST_KEY_BYTES]);

/* … of an array: a version-5 UUID of the set of ids, whatever their order.  ids is reordered. */
void request_key_set(struct slice *ids, size_t n, char out[REQUEST_KEY_BYTES]);

/* The header field of a W3C trace context.  The trace is that of the id: its 32 hexadecimal digits
   where it is a UUID, else those of a version-5 UUID of it, so that a repeat carries the same.
   number: of the try in it. */
#define REQUEST_TRACE_BYTES 72
#define REQUEST_TRACE_AT 16 /* where those digits begin in the field */
#define REQUEST_TRACE_DIGITS 32
void request_trace(struct slice id, uint64_t number, char out[REQUEST_TRACE_BYTES]);

/* body as a gzip member, in out (replaced).  The work memory is kept for the next call. */
struct request_packer;
void request_pack(struct request_packer **packer, struct buf *out, struct slice body);
void request_packer_free(struct request_packer *packer);

#endif

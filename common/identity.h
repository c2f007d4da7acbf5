/* SPDX-License-Identifier: MIT */
/*
 * The identity of a passage: a UUID version 8 (RFC 9562) that is the same on every path by which
 * the passage is read.  ts-event(5) has the recipe and test vectors.
 *
 *   octets 0-5   the device's wall clock, read as UTC, Unix milliseconds, big-endian
 *   octets 6-15  the same octets of uuid_generate_sha1(namespace, device ␟ who ␟ clock), version 8
 */
#ifndef TS_IDENTITY_H
#define TS_IDENTITY_H

#include "clock.h"
#include "event.h"

#define IDENTITY_NAMESPACE "6c1f2b0e-5a43-5f0d-9f4e-1d3c7a9b8e20"

struct identity {
    unsigned char octets[16];
};

/* Replaces SHA-1 of the namespace and the name by another 16-octet hash of the name (ts-enrich
 * --id-key). */
struct identity_hash {
    void (*hash)(void *arg, struct slice name, unsigned char octets[16]);
    void *arg;
};

/* From the parts.  clock is "YYYY-MM-DDThh:mm:ss" as text and as local seconds; key may be NULL. */
void identity_make(struct identity *id, struct slice device, struct slice who, struct slice clock,
    int64_t clock_s, const struct identity_hash *key);

/* Of an event, with `device` in place of its device_id where that is not SLICE_NONE.  A record with
   `error` or without a clock is told by the SHA-1 of its raw bytes, with zeros for the time. */
void identity_of(struct identity *id, const struct event *e, struct slice device,
    const struct identity_hash *key);

/* The same for an event without `error`, whose clock (local_time, else time) the caller has parsed
   already; its whole_bytes are not 0. */
void identity_at(struct identity *id, const struct event *e, struct slice device,
    struct slice clock, const struct clock_time *t, const struct identity_hash *key);

/* Of a record that could not be understood. */
void identity_of_bytes(struct identity *id, struct slice bytes, const struct identity_hash *key);

#define IDENTITY_TEXT 37
void identity_print(const struct identity *id, char out[IDENTITY_TEXT]);

/* Any UUID in its 36-character form, upper or lower case. */
bool identity_parse(struct slice text, struct identity *id);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * ts-event(5): one JSON object a line.  `event_read` parses a line with yyjson and remembers where
 * in the line each member stands; `event_write` copies the members that did not change byte for
 * byte and puts the others in their place.  A `draft` is the set of fields that a tool wants to
 * add, change or remove; written on its own it is a new event.  Field order and names are one
 * table, in event.c.
 */
#ifndef TS_EVENT_H
#define TS_EVENT_H

#include <stdint.h>
#include <yyjson.h>

#include "buf.h"
#include "fault.h"

/* In the order in which our tools write them. */
enum event_field {
    EV_EVENT_ID,
    EV_KIND,
    EV_TIME,
    EV_LOCAL_TIME,
    EV_UTC_OFFSET,
    EV_TIME_NOTE,
    EV_RECEIVED_AT,
    EV_DEVICE_ID,
    EV_READER,
    EV_DIRECTION,
    EV_DIRECTION_FROM,
    EV_PUNCH,
    EV_CODE,
    EV_PERSON_ID,
    EV_CARD_NO,
    EV_CARD_READ,
    EV_CREDENTIAL,
    EV_EMPLOYEE_ID,
    EV_HR,
    EV_SNAPSHOT,
    EV_SERIAL_NO,
    EV_SOURCE,
    EV_ORIGIN,
    EV_RAW,
    EV_RAW_BASE64,
    EV_SKEW_S,
    EV_LATE,
    EV_DUPLICATE_OF,
    EV_CANCELS,
    EV_SKIP,
    EV_HOLD,
    EV_ERROR,
    EV_ATTEMPTS,
    EV_AMBIGUOUS,
    EV_ACK,
    EVENT_FIELDS,  /* how many; also "not one of ours" */
    EVENT_DROPPED, /* of a member: left out by event_drop */
};

/* The JSON key of a field, and the field of a key (EVENT_FIELDS when it is not ours). */
const char *event_key(enum event_field field);
enum event_field event_field_of(struct slice key);

/* ---- drafts: fields to set or remove ---- */

struct draft {
    uint64_t set;                     /* bit a field: value[field] is to be written */
    uint64_t json;                    /* … and is JSON text already, to be written as it is */
    uint64_t gone;                    /* bit a field: to be removed */
    struct slice value[EVENT_FIELDS]; /* borrowed: must live until the draft is written */
};

#define EVENT_BIT(field) (1ull << (field))

static inline void draft_reset(struct draft *d)
{
    d->set = d->json = d->gone = 0;
}

static inline void draft_str(struct draft *d, enum event_field field, struct slice text)
{
    d->set |= EVENT_BIT(field);
    d->json &= ~EVENT_BIT(field);
    d->value[field] = text;
}

static inline void draft_json(struct draft *d, enum event_field field, struct slice json)
{
    draft_str(d, field, json);
    d->json |= EVENT_BIT(field);
}

static inline void draft_remove(struct draft *d, enum event_field field)
{
    d->set &= ~EVENT_BIT(field);
    d->gone |= EVENT_BIT(field);
}

/* A new event of the fields that are set: one object, no newline. */
void draft_print(struct buf *out, const struct draft *d);

/* ---- parsed lines ---- */

/* Top-level members of one event beside those of enum event_field: who adds or removes one of ours
   never makes a line that the next program refuses. */
#define EVENT_OTHERS_MAX 512

struct event_member {
    uint32_t start; /* offset in the line of the key's opening quote */
    uint32_t end;   /* offset after the value's last byte */
    uint32_t value; /* offset of the value's first byte */
    enum event_field field;
};

struct event {
    struct slice line; /* as given to event_read */
    unsigned count;    /* members */
    struct event_member *member;
    yyjson_val *field[EVENT_FIELDS]; /* NULL: absent */
    unsigned short at[EVENT_FIELDS]; /* index into member, where field is not NULL */
    yyjson_val *root;                /* the whole object, for rules that need it */
};

/* Owns the memory of one parse; the event given out is valid until the next event_read or the free.
 */
struct event_reader;
struct event_reader *event_reader_new(void);
void event_reader_free(struct event_reader *r);

/* 0, or -1 and *why in plain words: not a JSON object, not UTF-8, one of our fields twice, … */
int event_read(struct event_reader *r, struct slice line, struct event *e, struct fault *why);

/* The text of a field; SLICE_NONE when it is absent, null, or neither a string nor a number.
 * Escapes are resolved; a number is its digits as they stand in the line. */
struct slice event_str(const struct event *e, enum event_field field);

/* The value's own bytes in the line (for any type); SLICE_NONE when absent. */
struct slice event_json(const struct event *e, enum event_field field);

static inline bool event_has(const struct event *e, enum event_field field)
{
    return e->field[field] != NULL;
}

/* Leaves out every member whose key is among these names, ours or not, when the event is written (a
   draft may still set a field of that name).  Returns how many there are. */
unsigned event_drop(const struct event *e, const struct slice *names, unsigned count);

/* The event with the draft applied: one object, no newline.  New fields go where the table has
 * them. */
void event_write(struct buf *out, const struct event *e, const struct draft *d);

/* ---- shared by all tools ---- */

/* The record for a line that is no event: the event_id of its bytes (key: see identity.h), kind
 * "other", raw or raw_base64, error.  No newline.  raw is cut at 4 KiB; the id is of all. */
struct identity_hash;
void event_print_bad(
    struct buf *out, struct slice line, const char *error, const struct identity_hash *key);

/* Whose order the event belongs to: employee_id, else person_id, else card_no; SLICE_NONE without a
   person, and for a record of an unset clock: it has no place in anybody's order, and must not hold
   back what the person did since. */
struct slice event_person(const struct event *e);

#endif

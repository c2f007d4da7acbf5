/* SPDX-License-Identifier: MIT */
/*
 * The values of jq programs.  value.c and script.c alone know jq.h and jv.h (by libjq.h): everybody
 * else holds a `struct value`, which is one jv.  (A header of our own called jq.h would hide
 * libjq's.)
 *
 * A value is owned by whoever holds it; a function says "takes" where it becomes the owner.  Copies
 * are cheap: they share what they hold.
 */
#ifndef TS_VALUE_H
#define TS_VALUE_H

#include <stdint.h>
#include <yyjson.h>

#include "buf.h"

struct value {
    uint64_t word[2];
};

enum value_kind {
    VALUE_NULL,
    VALUE_FALSE,
    VALUE_TRUE,
    VALUE_NUMBER,
    VALUE_STRING,
    VALUE_ARRAY,
    VALUE_OBJECT,
};

/* What comes from outside is cut to this: deeper parts and larger objects become null, since libjq
   recurses, and its hash of a name can be foretold. */
#define VALUE_DEPTH_MAX 200
#define VALUE_MEMBERS_MAX 4096

struct value value_null(void);
struct value value_bool(bool b);
struct value value_number(double n);
struct value value_string(struct slice text); /* bytes that are not UTF-8 become U+FFFD */
struct value value_array(void);
struct value value_object(void);
struct value value_copy(struct value v);
void value_free(struct value v);

/* Takes v. */
void value_push(struct value *array, struct value v);
void value_set(struct value *object, const char *key, struct value v);

/* A name that is used for each request, made and hashed once:
   static struct value_key events = {.name = "events"}; */
struct value_key {
    const char *name;
    bool made;
    struct value value;
};
void value_put(struct value *object, struct value_key *key, struct value v); /* takes v */
struct value value_pick(struct value object, struct value_key *key);         /* as value_get */

void value_set_slice(struct value *object, struct slice key, struct value v);

/* With a key that is a string; the key stays the caller's. */
void value_set_value(struct value *object, struct value key, struct value v);

enum value_kind value_kind(struct value v);

/* Elements, members, or 0. */
unsigned value_count(struct value v);

/* The text of a string, with a NUL behind it, for as long as v lives; else SLICE_NONE. */
struct slice value_text(struct value v);
double value_double(struct value v); /* of a number; else 0 */

/* New references: null when there is none. */
struct value value_get(struct value object, const char *key);
struct value value_at(struct value array, unsigned n);

/* Goes through the members of an object: *at is 0 before the first.  *v is the caller's; *key lives
   as long as the object.  False at the end. */
bool value_next(struct value object, int *at, struct slice *key, struct value *v);

/* The same, but both are the object's own, not the caller's. */
bool value_step(struct value object, int *at, struct value *key, struct value *v);

/* Whether both are the same; for what is compared once in a while. */
bool value_same(struct value a, struct value b);

/* Whether they are one and the same in memory: quick, and true only if they are the same. */
static inline bool value_is(struct value a, struct value b)
{
    return a.word[0] == b.word[0] && a.word[1] == b.word[1];
}

/* JSON, on one line. */
void value_print(struct buf *out, struct value v);

/* Integers that a double cannot hold become strings of their digits. */
struct value value_of_json(yyjson_val *json);

/* The same of what stands inside of something: what that, as a whole, had there. */
struct value value_of_part(yyjson_val *json, unsigned depth);

/* The same of what the user wrote: objects of any size. */
struct value value_of_ours(yyjson_val *json);

/* An empty object is 2 bytes of a line, and some hundred of libjq's.  Of an event of more values
   than this, members of more than a few are not made. */
#define VALUES_MAX 20000
#define VALUES_FEW 16

/* With all that is in it. */
static inline size_t values_in(yyjson_val *json)
{
    return (size_t)(unsafe_yyjson_get_next(json) - json);
}

/* Which members of an event are wanted: what is not read need not be made.  NULL: all. */
struct value_filter {
    uint64_t fields; /* bits EVENT_BIT(field) */
    const struct slice *other;
    unsigned others;
};
struct value value_of_event(yyjson_val *event, const struct value_filter *filter);
bool value_wanted(const struct value_filter *filter, const char *name);
bool value_parse(struct slice text, struct value *v); /* false, and *v null: no JSON */

#endif

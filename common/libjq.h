/* SPDX-License-Identifier: MIT */
/*
 * libjq, loaded when the first jq program is: whoever has none starts without it.  Whoever includes
 * this file calls its functions by their own names.
 */
#ifndef TS_LIBJQ_H
#define TS_LIBJQ_H

#include <jq.h>
#include <jv.h>

#include "fault.h"
#include "value.h"

/* What is used of it; the macros below have the same names. */
/* clang-format off */
#define LIBJQ_FUNCTIONS(X) \
    X(jq_compile) X(jq_init) X(jq_next) X(jq_set_error_cb) X(jq_start) \
    X(jq_teardown) X(jv_array) X(jv_array_append) X(jv_array_get) X(jv_array_length) \
    X(jv_array_sized) X(jv_bool) X(jv_copy) X(jv_dump_string) X(jv_equal) X(jv_free) \
    X(jv_get_kind) X(jv_invalid_get_msg) X(jv_invalid_has_msg) X(jv_null) X(jv_number) \
    X(jv_number_value) X(jv_object) X(jv_object_get) X(jv_object_iter) X(jv_object_iter_key) \
    X(jv_object_iter_next) X(jv_object_iter_valid) X(jv_object_iter_value) X(jv_object_length) \
    X(jv_object_set) X(jv_string) X(jv_string_length_bytes) X(jv_string_sized) \
    X(jv_string_value)
/* clang-format on */

#define LIBJQ_MEMBER(name) __typeof__(name) *name;
struct libjq {
    LIBJQ_FUNCTIONS(LIBJQ_MEMBER)
};
extern struct libjq libjq_functions;

/* 0 when it is there; it stays. */
int libjq_load(struct fault *why);

/* Aborts where it is not there and nobody asked before. */
void libjq_must_load(void);

static inline const struct libjq *libjq(void)
{
    if (!libjq_functions.jv_null)
        libjq_must_load();
    return &libjq_functions;
}

#ifndef LIBJQ_LOADS
#define jv_is_valid(v) (jv_get_kind(v) != JV_KIND_INVALID) /* in jv.h, where it calls by name */
#define jq_compile libjq()->jq_compile
#define jq_init libjq()->jq_init
#define jq_next libjq()->jq_next
#define jq_set_error_cb libjq()->jq_set_error_cb
#define jq_start libjq()->jq_start
#define jq_teardown libjq()->jq_teardown
#define jv_array libjq()->jv_array
#define jv_array_append libjq()->jv_array_append
#define jv_array_get libjq()->jv_array_get
#define jv_array_length libjq()->jv_array_length
#define jv_array_sized libjq()->jv_array_sized
#define jv_bool libjq()->jv_bool
#define jv_copy libjq()->jv_copy
#define jv_dump_string libjq()->jv_dump_string
#define jv_equal libjq()->jv_equal
#define jv_free libjq()->jv_free
#define jv_get_kind libjq()->jv_get_kind
#define jv_invalid_get_msg libjq()->jv_invalid_get_msg
#define jv_invalid_has_msg libjq()->jv_invalid_has_msg
#define jv_null libjq()->jv_null
#define jv_number libjq()->jv_number
#define jv_number_value libjq()->jv_number_value
#define jv_object libjq()->jv_object
#define jv_object_get libjq()->jv_object_get
#define jv_object_iter libjq()->jv_object_iter
#define jv_object_iter_key libjq()->jv_object_iter_key
#define jv_object_iter_next libjq()->jv_object_iter_next
#define jv_object_iter_valid libjq()->jv_object_iter_valid
#define jv_object_iter_value libjq()->jv_object_iter_value
#define jv_object_length libjq()->jv_object_length
#define jv_object_set libjq()->jv_object_set
#define jv_string libjq()->jv_string
#define jv_string_length_bytes libjq()->jv_string_length_bytes
#define jv_string_sized libjq()->jv_string_sized
#define jv_string_value libjq()->jv_string_value
#endif

_Static_assert(sizeof(jv) == sizeof(struct value), "a value is a jv");

static inline jv jv_of(struct value v)
{
    jv j;

    memcpy(&j, &v, sizeof j);
    return j;
}

static inline struct value value_of(jv j)
{
    struct value v;

    memcpy(&v, &j, sizeof v);
    return v;
}

#endif

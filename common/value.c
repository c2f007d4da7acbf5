/* SPDX-License-Identifier: MIT */
/* Values by libjq: made, taken apart, printed, and read from what yyjson parsed. */
#include "value.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "event.h"
#include "json.h"
#include "libjq.h"

/* ---- values ---- */

struct value value_null(void)
{
    return value_of(jv_null());
}

struct value value_bool(bool b)
{
    return value_of(jv_bool(b));
}

struct value value_number(double n)
{
    return value_of(jv_number(n));
}

struct value value_string(struct slice text)
{
    return value_of(jv_string_sized(text.n > 0 ? text.p : "", (int)text.n));
}

struct value value_array(void)
{
    return value_of(jv_array());
}

struct value value_object(void)
{
    return value_of(jv_object());
}

struct value value_copy(struct value v)
{
    return value_of(jv_copy(jv_of(v)));
}

void value_free(struct value v)
{
    jv_free(jv_of(v));
}

void value_push(struct value *array, struct value v)
{
    *array = value_of(jv_array_append(jv_of(*array), jv_of(v)));
}

void value_set_slice(struct value *object, struct slice key, struct value v)
{
    *object = value_of(jv_object_set(jv_of(*object), jv_string_sized(key.p, (int)key.n), jv_of(v)));
}

void value_set_value(struct value *object, struct value key, struct value v)
{
    *object = value_of(jv_object_set(jv_of(*object), jv_copy(jv_of(key)), jv_of(v)));
}

static jv made(struct value_key *key)
{
    if (!key->made) {
        key->value = value_of(jv_string(key->name));
        key->made = true;
    }
    return jv_copy(jv_of(key->value));
}

void value_put(struct value *object, struct value_key *key, struct value v)
{
    *object = value_of(jv_object_set(jv_of(*object), made(key), jv_of(v)));
}

void value_set(struct value *object, const char *key, struct value v)
{
    value_set_slice(object, slice_of(key), v);
}

enum value_kind value_kind(struct value v)
{
    static const enum value_kind kinds[] = {
        [JV_KIND_INVALID] = VALUE_NULL,
        [JV_KIND_NULL] = VALUE_NULL,
        [JV_KIND_FALSE] = VALUE_FALSE,
        [JV_KIND_TRUE] = VALUE_TRUE,
        [JV_KIND_NUMBER] = VALUE_NUMBER,
        [JV_KIND_STRING] = VALUE_STRING,
        [JV_KIND_ARRAY] = VALUE_ARRAY,
        [JV_KIND_OBJECT] = VALUE_OBJECT,
    };

    return kinds[jv_get_kind(jv_of(v))];
}

unsigned value_count(struct value v)
{
    switch (value_kind(v)) {
    case VALUE_ARRAY:
        return (unsigned)jv_array_length(jv_copy(jv_of(v)));
    case VALUE_OBJECT:
        return (unsigned)jv_object_length(jv_copy(jv_of(v)));
    default:
        return 0;
    }
}

static struct slice text_of(jv j)
{
    return (struct slice){jv_string_value(j), (size_t)jv_string_length_bytes(jv_copy(j))};
}

struct slice value_text(struct value v)
{
    return value_kind(v) == VALUE_STRING ? text_of(jv_of(v)) : SLICE_NONE;
}

double value_double(struct value v)
{
    return value_kind(v) == VALUE_NUMBER ? jv_number_value(jv_of(v)) : 0;
}

static jv valid(jv j)
{
    if (jv_is_valid(j))
        return j;
    jv_free(j);
    return jv_null();
}

struct value value_get(struct value object, const char *key)
{
    if (value_kind(object) != VALUE_OBJECT)
        return value_null();
    return value_of(valid(jv_object_get(jv_copy(jv_of(object)), jv_string(key))));
}

struct value value_pick(struct value object, struct value_key *key)
{
    if (value_kind(object) != VALUE_OBJECT)
        return value_null();
    return value_of(valid(jv_object_get(jv_copy(jv_of(object)), made(key))));
}

struct value value_at(struct value array, unsigned n)
{
    if (value_kind(array) != VALUE_ARRAY)
        return value_null();
    return value_of(valid(jv_array_get(jv_copy(jv_of(array)), (int)n)));
}

bool value_step(struct value object, int *at, struct value *key, struct value *v)
{
    jv o = jv_of(object), name, value;
    int i;

    /* libjq's own iterators begin at 0; ours are one ahead, so that 0 is "before the first". */
    if (*at > 0)
        i = jv_object_iter_next(o, *at - 1);
    else if (jv_get_kind(o) == JV_KIND_OBJECT)
        i = jv_object_iter(o);
    else
        return false;
    if (!jv_object_iter_valid(o, i))
        return false;
    *at = i + 1;
    name = jv_object_iter_key(o, i);
    value = jv_object_iter_value(o, i);
    *key = value_of(name);
    *v = value_of(value);
    jv_free(name); /* the object keeps them alive */
    jv_free(value);
    return true;
}

bool value_next(struct value object, int *at, struct slice *key, struct value *v)
{
    struct value name;

    if (!value_step(object, at, &name, v))
        return false;
    *key = text_of(jv_of(name));
    *v = value_copy(*v);
    return true;
}

bool value_same(struct value a, struct value b)
{
    return jv_equal(jv_copy(jv_of(a)), jv_copy(jv_of(b)));
}

/* ---- to JSON ---- */

static void print_number(struct buf *out, double n)
{
    char text[40];

    if (isnan(n)) {
        buf_lit(out, "null");
        return;
    }
    if (isinf(n))
        n = n > 0 ? 1.7976931348623157e308 : -1.7976931348623157e308;
    if (n > -1e17 && n < 1e17 && n == (double)(int64_t)n) {
        json_int(out, (int64_t)n);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, n);
        if (strtod(text, NULL) == n)
            break;
    }
    buf_text(out, text);
}

static void print(struct buf *out, jv j);

static void print_array(struct buf *out, jv j)
{
    int n = jv_array_length(jv_copy(j));

    buf_char(out, '[');
    for (int i = 0; i < n; i++) {
        jv element = jv_array_get(jv_copy(j), i);

        if (i > 0)
            buf_char(out, ',');
        print(out, element);
        jv_free(element);
    }
    buf_char(out, ']');
}

static void print_object(struct buf *out, jv j)
{
    char gap = '{';

    for (int i = jv_object_iter(j); jv_object_iter_valid(j, i); i = jv_object_iter_next(j, i)) {
        jv key = jv_object_iter_key(j, i), value = jv_object_iter_value(j, i);

        buf_char(out, gap);
        gap = ',';
        json_str(out, text_of(key));
        buf_char(out, ':');
        print(out, value);
        jv_free(key);
        jv_free(value);
    }
    if (gap == '{')
        buf_char(out, gap);
    buf_char(out, '}');
}

static void print(struct buf *out, jv j)
{
    switch (jv_get_kind(j)) {
    case JV_KIND_FALSE:
        buf_lit(out, "false");
        break;
    case JV_KIND_TRUE:
        buf_lit(out, "true");
        break;
    case JV_KIND_NUMBER:
        print_number(out, jv_number_value(j));
        break;
    case JV_KIND_STRING:
        json_str(out, text_of(j));
        break;
    case JV_KIND_ARRAY:
        print_array(out, j);
        break;
    case JV_KIND_OBJECT:
        print_object(out, j);
        break;
    default:
        buf_lit(out, "null");
        break;
    }
}

void value_print(struct buf *out, struct value v)
{
    print(out, jv_of(v));
}

/* ---- from JSON ---- */

/* The names of an event's fields, made and hashed once. */
static jv key_of(struct slice name)
{
    static jv keys[EVENT_FIELDS];
    static bool made;
    enum event_field f = event_field_of(name);

    if (f == EVENT_FIELDS)
        return jv_string_sized(name.p, (int)name.n);
    if (!made) {
        for (unsigned i = 0; i < EVENT_FIELDS; i++)
            keys[i] = jv_string(event_key((enum event_field)i));
        made = true;
    }
    return jv_copy(keys[f]);
}

static jv number_of(yyjson_val *json)
{
    static const uint64_t exact = 1ull << 53;
    char text[24];
    int64_t i;

    if (yyjson_is_real(json))
        return jv_number(yyjson_get_real(json));
    if (yyjson_is_uint(json)) {
        uint64_t u = yyjson_get_uint(json);

        if (u <= exact)
            return jv_number((double)u);
        snprintf(text, sizeof text, "%llu", (unsigned long long)u);
        return jv_string(text);
    }
    i = yyjson_get_sint(json);
    if (i >= -(int64_t)exact)
        return jv_number((double)i);
    snprintf(text, sizeof text, "%lld", (long long)i);
    return jv_string(text);
}

/* most: members of an object. */
static jv convert(yyjson_val *json, unsigned depth, size_t most);

static jv array_of(yyjson_val *json, unsigned depth, size_t most)
{
    jv j = jv_array_sized((int)yyjson_arr_size(json));
    yyjson_val *element;
    size_t i, n;

    yyjson_arr_foreach(json, i, n, element)
    {
        j = jv_array_append(j, convert(element, depth, most));
    }
    return j;
}

static jv object_of(yyjson_val *json, unsigned depth, size_t most)
{
    jv j;
    yyjson_val *key, *value;
    size_t i, n;

    if (yyjson_obj_size(json) > most)
        return jv_null();
    j = jv_object();
    yyjson_obj_foreach(json, i, n, key, value)
    {
        j = jv_object_set(j, key_of((struct slice){yyjson_get_str(key), yyjson_get_len(key)}),
            convert(value, depth, most));
    }
    return j;
}

static jv convert(yyjson_val *json, unsigned depth, size_t most)
{
    switch (yyjson_get_type(json)) {
    case YYJSON_TYPE_BOOL:
        return jv_bool(yyjson_get_bool(json));
    case YYJSON_TYPE_NUM:
        return number_of(json);
    case YYJSON_TYPE_RAW:
        return jv_string_sized(yyjson_get_raw(json), (int)yyjson_get_len(json));
    case YYJSON_TYPE_STR:
        return jv_string_sized(yyjson_get_str(json), (int)yyjson_get_len(json));
    case YYJSON_TYPE_ARR:
        return depth < VALUE_DEPTH_MAX ? array_of(json, depth + 1, most) : jv_null();
    case YYJSON_TYPE_OBJ:
        return depth < VALUE_DEPTH_MAX ? object_of(json, depth + 1, most) : jv_null();
    default:
        return jv_null();
    }
}

struct value value_of_json(yyjson_val *json)
{
    return value_of(convert(json, 0, VALUE_MEMBERS_MAX));
}

struct value value_of_part(yyjson_val *json, unsigned depth)
{
    return value_of(convert(json, depth, VALUE_MEMBERS_MAX));
}

struct value value_of_ours(yyjson_val *json)
{
    return value_of(convert(json, 0, SIZE_MAX));
}

static bool other_wanted(const struct value_filter *filter, struct slice name)
{
    for (unsigned i = 0; i < filter->others; i++)
        if (slice_eq(filter->other[i], name))
            return true;
    return false;
}

bool value_wanted(const struct value_filter *filter, const char *name)
{
    return !filter || other_wanted(filter, slice_of(name));
}

static bool field_wanted(const struct value_filter *filter, struct slice name)
{
    enum event_field f = event_field_of(name);

    if (!filter)
        return true;
    return f == EVENT_FIELDS ? other_wanted(filter, name) : (filter->fields & EVENT_BIT(f)) != 0;
}

struct value value_of_event(yyjson_val *event, const struct value_filter *filter)
{
    bool huge = event && values_in(event) > VALUES_MAX;
    jv j;
    yyjson_val *key, *value;
    size_t i, n;

    if (!yyjson_is_obj(event) || (!filter && (!huge || yyjson_obj_size(event) > VALUE_MEMBERS_MAX)))
        return value_of_json(event);
    j = jv_object();
    yyjson_obj_foreach(event, i, n, key, value)
    {
        struct slice name = {yyjson_get_str(key), yyjson_get_len(key)};

        if (field_wanted(filter, name) && !(huge && values_in(value) > VALUES_FEW))
            j = jv_object_set(j, key_of(name), convert(value, 1, VALUE_MEMBERS_MAX));
    }
    return value_of(j);
}

bool value_parse(struct slice text, struct value *v)
{
    yyjson_doc *doc =
        yyjson_read_opts((char *)(uintptr_t)text.p, text.n, YYJSON_READ_BIGNUM_AS_RAW, NULL, NULL);

    *v = value_null();
    if (!doc)
        return false;
    *v = value_of_json(yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
    return true;
}

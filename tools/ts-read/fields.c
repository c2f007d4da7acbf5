/* SPDX-License-Identifier: MIT */
/* Looking at values; copying them without some. */
#include "fields.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "json.h"
#include "object.h"
#include "xml.h"

#define DEPTH_MAX 64 /* of what is printed */
#define UNSET_BEFORE 946684800

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

void text_clean(struct buf *out, struct slice text)
{
    for (size_t i = 0, n; i < text.n; i += n) {
        n = utf8_length(text.p + i, text.n - i);
        if (n == 0)
            buf_lit(out, "\xef\xbf\xbd");
        else
            buf_add(out, text.p + i, n);
        n = n ? n : 1;
    }
}

yyjson_doc *fields_read(struct slice text, char room[FIELDS_ERROR_BYTES], const char **error)
{
    struct buf clean = {0};
    yyjson_read_err why;
    yyjson_doc *doc;

    *error = NULL;
    if (text.n > 0 && *text.p == '<')
        return xml_read(text, &object_memory, error);
    if (!utf8_valid(text)) {
        text_clean(&clean, text);
        text = buf_all(&clean);
    }
    /* The cast: without YYJSON_READ_INSITU the text is only read. */
    doc = yyjson_read_opts(
        (char *)(uintptr_t)text.p, text.n, YYJSON_READ_NUMBER_AS_RAW, &object_memory, &why);
    buf_free(&clean);
    if (!doc) {
        snprintf(room, FIELDS_ERROR_BYTES, "not JSON: wrong at byte %zu", why.pos + 1);
        *error = room;
    }
    return doc;
}

struct slice field_value(yyjson_val *value)
{
    struct slice s = SLICE_NONE;

    if (yyjson_is_str(value) || yyjson_is_raw(value))
        s = (struct slice){unsafe_yyjson_get_str(value), unsafe_yyjson_get_len(value)};
    while (s.n > 0 && is_space(s.p[0]))
        s.p++, s.n--;
    while (s.n > 0 && is_space(s.p[s.n - 1]))
        s.n--;
    return s.n > 0 ? s : SLICE_NONE;
}

struct slice field_text(yyjson_val *object, const char *key)
{
    return field_value(yyjson_obj_get(object, key));
}

int64_t field_number(yyjson_val *object, const char *key)
{
    struct slice s = field_text(object, key);
    int64_t v = 0;
    size_t i = 0;

    for (; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++) {
        if (i == 18)
            return -1;
        v = v * 10 + (s.p[i] - '0');
    }
    return i > 0 && (i == s.n || s.p[i] == '.') ? v : -1;
}

int field_bool(yyjson_val *object, const char *key)
{
    yyjson_val *v = yyjson_obj_get(object, key);
    struct slice s = field_value(v);

    if (yyjson_is_bool(v))
        return yyjson_get_bool(v);
    return slice_is(s, "true") || slice_is(s, "1")    ? 1
           : slice_is(s, "false") || slice_is(s, "0") ? 0
                                                      : -1;
}

yyjson_val *field_object(yyjson_val *object, const char *key)
{
    yyjson_val *v = yyjson_obj_get(object, key);

    return yyjson_is_obj(v) ? v : NULL;
}

struct slice mac_read(struct slice text, char out[MAC_BYTES])
{
    bool ones = true, zeros = true;

    if (text.n != MAC_BYTES)
        return SLICE_NONE;
    for (size_t i = 0; i < MAC_BYTES; i++) {
        char c = (char)tolower((unsigned char)text.p[i]);
        bool mark = i % 3 == 2;

        if (mark ? c != ':' && c != '-' : !isxdigit((unsigned char)c))
            return SLICE_NONE;
        out[i] = mark ? ':' : c;
        zeros = zeros && (mark || c == '0');
        ones = ones && (mark || c == 'f');
    }
    return ones || zeros ? SLICE_NONE : (struct slice){out, MAC_BYTES};
}

/* ---- printing ---- */

static bool is_hidden(yyjson_val *key, const char *const *hidden)
{
    for (; *hidden; hidden++)
        if (yyjson_equals_str(key, *hidden))
            return true;
    return false;
}

static yyjson_mut_val *copy(
    yyjson_mut_doc *doc, yyjson_val *value, const char *const *hidden, unsigned depth)
{
    yyjson_mut_val *to;
    yyjson_val *key, *v;
    size_t i, n;

    if (depth == DEPTH_MAX)
        return yyjson_mut_null(doc);
    if (yyjson_is_obj(value)) {
        to = yyjson_mut_obj(doc);
        yyjson_obj_foreach(value, i, n, key, v)
        {
            if (!is_hidden(key, hidden))
                yyjson_mut_obj_add(
                    to, yyjson_val_mut_copy(doc, key), copy(doc, v, hidden, depth + 1));
        }
        return to;
    }
    if (!yyjson_is_arr(value))
        return yyjson_val_mut_copy(doc, value);
    to = yyjson_mut_arr(doc);
    yyjson_arr_foreach(value, i, n, v)
    {
        yyjson_mut_arr_append(to, copy(doc, v, hidden, depth + 1));
    }
    return to;
}

void fields_print(struct buf *out, yyjson_val *value, const char *const *hidden)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(&object_memory);
    size_t n = 0;
    char *text =
        yyjson_mut_val_write_opts(copy(doc, value, hidden, 0), 0, &object_memory, &n, NULL);

    if (text)
        buf_add(out, text, n);
    else
        buf_lit(out, "null");
    free(text);
    yyjson_mut_doc_free(doc);
}

/* ---- times ---- */

bool wall_read(struct wall *w, struct slice text)
{
    struct clock_time t;
    struct slice rest;

    *w = (struct wall){0};
    if (!clock_parse(text, &t) || t.whole_bytes == 0)
        return false;
    w->local_bytes = clock_print_local(w->local, t.local_s, t.ms);
    w->unset = t.local_s < UNSET_BEFORE;
    if (!t.has_offset)
        return true;
    rest = (struct slice){text.p + t.whole_bytes, text.n - t.whole_bytes};
    while (rest.n > 0 && !strchr("Zz+-", *rest.p))
        rest.p++, rest.n--;
    if (slice_is(rest, "z"))
        rest = SLICE("Z");
    if (!slice_is(rest, "-00:00"))
        w->offset = rest;
    return true;
}

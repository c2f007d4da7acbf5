/* SPDX-License-Identifier: MIT */
/*
 * json: one JSON text that is the whole input, as an HTTP request body is: an event of ts-event(5),
 * an array of them, a CloudEvents envelope, or a batch (array) of those; over any number of lines.
 *
 *     [ {"local_time":"2026-01-07T10:34:08", "person_id":"126"},
 *       {"local_time":"2026-01-07T10:34:09", "person_id":"127"} ]
 *
 * Each element is written anew on one line; keys keep their order and numbers their digits.
 */
#include <stdio.h>
#include <stdlib.h>
#include <yyjson.h>

#include "object.h"

static void *json_open(const struct format_options *options, struct fault *why)
{
    return object_open(options, "json", why);
}

/* Without the white space of JSON at both ends, and without a byte order mark. */
static struct slice body_of(struct slice in)
{
    if (in.n >= 3 && memcmp(in.p, "\xef\xbb\xbf", 3) == 0)
        in.p += 3, in.n -= 3;
    while (in.n > 0 && (in.p[0] == ' ' || (in.p[0] >= '\t' && in.p[0] <= '\r')))
        in.p++, in.n--;
    while (
        in.n > 0 && (in.p[in.n - 1] == ' ' || (in.p[in.n - 1] >= '\t' && in.p[in.n - 1] <= '\r')))
        in.n--;
    return in;
}

static enum frame json_frame(
    void *state, struct slice in, bool end, size_t *used, struct slice *record)
{
    (void)state;
    if (!end || in.n == 0)
        return FRAME_MORE;
    *used = in.n;
    *record = body_of(in);
    return record->n > 0 ? FRAME_RECORD : FRAME_SKIP;
}

static void fail(
    struct object_state *s, const char *error, struct slice raw, const struct emitter *out)
{
    s->out = (struct decoded){.error = error};
    damage_raw(&s->damage, raw, &s->out);
    out->emit(out->arg, &s->out);
}

/* One element of the body, on one line. */
static void emit_element(struct object_state *s, yyjson_val *element, const struct emitter *out)
{
    size_t n = 0;
    char *text = yyjson_val_write_opts(element, 0, &object_memory, &n, NULL);
    struct slice line = {text, n};

    if (!text)
        fail(s, "an element that cannot be written", SLICE(""), out);
    else if (!yyjson_is_obj(element))
        fail(s, "not a JSON object", line, out);
    else
        object_emit(s, line, false, true, out);
    free(text);
}

static void json_decode(void *state, struct slice record, bool torn, const struct emitter *out)
{
    struct object_state *s = state;
    struct slice body = body_of(record);
    yyjson_read_err error;
    yyjson_doc *doc;
    yyjson_val *root, *element;
    size_t i, count;

    (void)torn;
    if (body.n == 0)
        return;
    if (body.p[0] == '{' && !memchr(body.p, '\n', body.n) && !memchr(body.p, '\r', body.n)) {
        object_emit(s, body, false, false, out);
        return;
    }
    /* The cast: without YYJSON_READ_INSITU the text is only read. */
    doc = yyjson_read_opts(
        (char *)(uintptr_t)body.p, body.n, YYJSON_READ_NUMBER_AS_RAW, &object_memory, &error);
    root = yyjson_doc_get_root(doc);
    if (!doc) {
        snprintf(s->error, sizeof s->error, "not JSON: %s at byte %zu", error.msg, error.pos + 1);
        fail(s, s->error, body, out);
    } else if (yyjson_is_arr(root)) {
        yyjson_arr_foreach(root, i, count, element)
        {
            emit_element(s, element, out);
        }
    } else if (yyjson_is_obj(root)) {
        emit_element(s, root, out);
    } else {
        fail(s, "not a JSON object or array", body, out);
    }
    yyjson_doc_free(doc);
}

/* An array of objects, or an object that does not end in its first line: those are ndjson. */
static int json_sniff(struct slice head, bool whole)
{
    struct slice body = body_of(head);

    (void)whole;
    if (body.n == 0)
        return 0;
    if (body.p[0] == '{')
        return 50;
    if (body.p[0] != '[')
        return 0;
    body.p++;
    body.n--;
    body = body_of(body);
    return body.n == 0 || body.p[0] == ']' ? 50 : body.p[0] == '{' ? 90 : 20;
}

const struct format format_json = {
    .name = "json",
    .title = "one JSON text: an event or an array of events; CloudEvents too",
    .sniff = json_sniff,
    .open = json_open,
    .close = object_close,
    .frame = json_frame,
    .decode = json_decode,
};

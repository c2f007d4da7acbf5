/* SPDX-License-Identifier: MIT */
/*
 * ndjson: one JSON object a line, each an event of ts-event(5) or a CloudEvents envelope of one:
 *
 *     {"local_time":"2026-01-07T10:34:08","device_id":"GATE-7","person_id":"126"}\n
 *
 * Needs `time` or `local_time`; everything else is optional and passes through, known or not, with
 * its own bytes.
 */
#include <yyjson.h>

#include "object.h"

#define SNIFF_LINES 4

static void *ndjson_open(const struct format_options *options, struct fault *why)
{
    return object_open(options, "ndjson", why);
}

static enum frame ndjson_frame(
    void *state, struct slice in, bool end, size_t *used, struct slice *record)
{
    struct object_state *s = state;

    return damage_frame(&s->damage, in, end, used, record);
}

static bool is_blank(struct slice line)
{
    for (size_t i = 0; i < line.n; i++)
        if (line.p[i] != ' ' && line.p[i] != '\t' && line.p[i] != '\r')
            return false;
    return true;
}

static void ndjson_decode(void *state, struct slice record, bool torn, const struct emitter *out)
{
    struct object_state *s = state;

    if (is_blank(record))
        return;
    s->out = (struct decoded){0};
    if (damage_found(&s->damage, record, &s->out))
        out->emit(out->arg, &s->out);
    else
        object_emit(s, record, torn, false, out);
}

static bool is_object(struct slice line)
{
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)line.p, line.n, YYJSON_READ_BIGNUM_AS_RAW,
        &object_memory, NULL); /* the cast: it is only read */
    bool result = yyjson_is_obj(yyjson_doc_get_root(doc));

    yyjson_doc_free(doc);
    return result;
}

/* Whole objects in the first lines; or the beginning of a line that is longer than the head. */
static int ndjson_sniff(struct slice head, bool whole)
{
    struct slice line;
    int sure = 0;

    if (head.n >= 3 && memcmp(head.p, "\xef\xbb\xbf", 3) == 0)
        head.p += 3, head.n -= 3;
    for (int i = 0; i < SNIFF_LINES && format_head_line(&head, &line); i++) {
        if (is_blank(line))
            continue;
        if (slice_trim(line).p[0] == '{' && is_object(line))
            return i == 0 ? 90 : 85;
        if (i == 0 && head.n == 0 && !whole && line.p[0] == '{')
            sure = 60;
    }
    return sure;
}

const struct format format_ndjson = {
    .name = "ndjson",
    .title = "events as JSON objects, one a line; CloudEvents too",
    .stateless = true,
    .sniff = ndjson_sniff,
    .open = ndjson_open,
    .close = object_close,
    .frame = ndjson_frame,
    .decode = ndjson_decode,
};

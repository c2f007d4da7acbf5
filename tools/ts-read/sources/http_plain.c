/* SPDX-License-Identifier: MIT */
/*
 * Events by POST or PUT on any path: JSON, NDJSON, CSV, CloudEvents, or any format of files.  Of a
 * CloudEvent in binary mode the attributes are fields of the head and the body is its data; both
 * are put together to the envelope of the structured mode:
 *
 *     ce-specversion: 1.0 CRLF  ce-id: 7 CRLF  ce-type: passage CRLF  CRLF  {"local_time":…}
 *     {"specversion":"1.0","id":"7","type":"passage","data":{"local_time":…}}
 */
#include <stdio.h>

#include "http_dialect.h"
#include "json.h"
#include "object.h"

/* ---- what the head says ---- */

static const char *named_format(struct slice type)
{
    static const struct {
        const char *type, *format;
    } types[] = {
        {"application/json", "json"},
        {"application/cloudevents+json", "json"},
        {"application/cloudevents-batch+json", "json"},
        {"application/x-ndjson", "ndjson"},
        {"application/ndjson", "ndjson"},
        {"application/jsonl", "ndjson"},
        {"text/csv", "csv"},
    };
    size_t n = 0;

    while (n < type.n && !strchr("; \t", type.p[n]))
        n++;
    type.n = n;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (head_word(type, types[i].type))
            return types[i].format;
    return NULL;
}

static int hex(char c)
{
    return c >= '0' && c <= '9'                 ? c - '0'
           : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                : -1;
}

/* An attribute's value: text in which some bytes are written as %XX. */
static void add_value(struct buf *out, struct slice value)
{
    struct buf text = {0};

    for (size_t i = 0; i < value.n; i++) {
        int high = i + 2 < value.n ? hex(value.p[i + 1]) : -1;
        int low = i + 2 < value.n ? hex(value.p[i + 2]) : -1;

        if (value.p[i] == '%' && high >= 0 && low >= 0) {
            buf_char(&text, (char)(high << 4 | low));
            i += 2;
        } else {
            buf_char(&text, value.p[i]);
        }
    }
    json_str(out, buf_all(&text));
    buf_free(&text);
}

/* The names are letters and digits; anything else is no attribute. */
static bool is_attribute(struct slice *name)
{
    if (name->n < 4 || strncasecmp(name->p, "ce-", 3) != 0)
        return false;
    name->p += 3;
    name->n -= 3;
    for (size_t i = 0; i < name->n; i++)
        if (hex(name->p[i]) < 0 && !((name->p[i] | 32) >= 'a' && (name->p[i] | 32) <= 'z'))
            return false;
    return !head_word(*name, "data");
}

static bool has_attribute(const struct buf *envelope, struct slice name)
{
    char key[64];
    int n = snprintf(key, sizeof key, "\"%.*s\":", (int)name.n, name.p);

    return n < (int)sizeof key && memmem(envelope->data, envelope->len, key, (size_t)n) != NULL;
}

/* The envelope without its data; nothing when the head is of no CloudEvent.  400: an attribute
 * stands there twice. */
static unsigned begin_envelope(struct buf *out, struct slice fields)
{
    struct slice name, value;
    char lower[64];

    while (head_field(&fields, &name, &value)) {
        if (!is_attribute(&name) || name.n >= sizeof lower)
            continue;
        for (size_t i = 0; i < name.n; i++)
            lower[i] = (char)(name.p[i] >= 'A' && name.p[i] <= 'Z' ? name.p[i] | 32 : name.p[i]);
        name.p = lower;
        if (out->len > 0 && has_attribute(out, name))
            return 400;
        buf_char(out, out->len > 0 ? ',' : '{');
        json_str(out, name);
        buf_char(out, ':');
        add_value(out, value);
    }
    if (out->len > 0 && !has_attribute(out, SLICE("specversion")))
        buf_free(out);
    return 0;
}

static bool plain_takes(const struct ask *ask)
{
    (void)ask;
    return true;
}

/* `own` is the format that the media type names, a static text. */
static enum plan plain_begin(struct request *r, const struct ask *ask, struct reply *reply)
{
    const struct head *head = ask->head;

    if (head->method == METHOD_GET || head->method == METHOD_HEAD) {
        reply->status = 405;
        return PLAN_ANSWER;
    }
    r->own = (void *)named_format(head->type);
    reply->status = begin_envelope(&r->kept, head->fields);
    return reply->status == 0 ? PLAN_FEED : PLAN_ANSWER;
}

/* ---- the body ---- */

/* A second line that is not blank: objects one a line, whatever the sender calls it. */
static bool has_lines(struct slice body)
{
    const char *line = memchr(body.p, '\n', body.n);

    for (; line && line < body.p + body.n; line++)
        if (!strchr(" \t\r\n", *line))
            return true;
    return false;
}

static const struct format *choose_format(const char *type, struct slice body)
{
    const struct format *ndjson = format_find(SLICE("ndjson"));

    if (!type)
        return NULL;
    if (strcmp(type, "json") == 0 && body.p[0] == '{' && has_lines(body) &&
        format_sniff(body, true) == ndjson)
        return ndjson;
    return format_find(slice_of(type));
}

/* Only one JSON object can be the data: anything else is read as if there were no attributes. */
static void close_envelope(struct request *r, struct buf *body)
{
    yyjson_doc *doc =
        yyjson_read_opts(body->data, body->len, YYJSON_READ_BIGNUM_AS_RAW, &object_memory, NULL);

    if (yyjson_is_obj(yyjson_doc_get_root(doc))) {
        buf_lit(&r->kept, ",\"data\":");
        buf_slice(&r->kept, buf_all(body));
        buf_char(&r->kept, '}');
        buf_free(body);
        *body = r->kept;
        r->kept = (struct buf){0};
        r->own = (void *)"json";
    }
    yyjson_doc_free(doc);
}

static bool plain_feed(struct request *r, struct buf *body, struct feed *feed, struct reply *reply)
{
    if (body->len == 0) {
        reply->status = 400;
        reply->error = "empty body";
        return false;
    }
    if (r->kept.len > 0)
        close_envelope(r, body);
    feed->format = choose_format(r->own, buf_all(body));
    return true;
}

static void plain_accepted(struct request *r, uint64_t events, uint64_t bad, struct reply *reply)
{
    char json[96];
    int n;

    (void)r;
    if (bad > 0)
        n = snprintf(json, sizeof json, "{\"accepted\":%llu,\"not_understood\":%llu}\n",
            (unsigned long long)events, (unsigned long long)bad);
    else
        n = snprintf(json, sizeof json, "{\"accepted\":%llu}\n", (unsigned long long)events);
    buf_add(reply->text, json, (size_t)n);
}

const struct dialect dialect_plain = {
    .name = "plain",
    .takes = plain_takes,
    .begin = plain_begin,
    .feed = plain_feed,
    .accepted = plain_accepted,
};

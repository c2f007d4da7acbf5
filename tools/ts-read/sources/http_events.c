/* SPDX-License-Identifier: MIT */
/*
 * A whole body to events.  Of a CloudEvent in binary mode the attributes are fields of the head and
 * the body is its data; both are put together to the envelope of the structured mode:
 *
 *     ce-specversion: 1.0 CRLF  ce-id: 7 CRLF  ce-type: passage CRLF  CRLF  {"local_time":…}
 *     {"specversion":"1.0","id":"7","type":"passage","data":{"local_time":…}}
 */
#include <stdio.h>
#include <stdlib.h>

#include "http.h"
#include "json.h"
#include "msg.h"
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

unsigned http_describe(struct conn *c, const struct head *head)
{
    c->type = named_format(head->type);
    return begin_envelope(&c->envelope, head->fields);
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

static const struct format *choose_format(const struct conn *c)
{
    struct slice body = buf_all(&c->body);
    const struct format *ndjson = format_find(SLICE("ndjson"));

    if (!c->type)
        return NULL;
    if (strcmp(c->type, "json") == 0 && body.p[0] == '{' && has_lines(body) &&
        format_sniff(body, true) == ndjson)
        return ndjson;
    return format_find(slice_of(c->type));
}

static unsigned unpack(struct conn *c)
{
    struct buf plain = {0};
    int status = body_unpack(buf_all(&c->body), c->http->env->body_bytes, &plain);

    buf_free(&c->body);
    c->body = plain;
    return (unsigned)status;
}

/* Only one JSON object can be the data: anything else is read as if there were no attributes. */
static void close_envelope(struct conn *c)
{
    yyjson_doc *doc = yyjson_read_opts(
        c->body.data, c->body.len, YYJSON_READ_BIGNUM_AS_RAW, &object_memory, NULL);

    if (yyjson_is_obj(yyjson_doc_get_root(doc))) {
        buf_lit(&c->envelope, ",\"data\":");
        buf_slice(&c->envelope, buf_all(&c->body));
        buf_char(&c->envelope, '}');
        buf_free(&c->body);
        c->body = c->envelope;
        c->envelope = (struct buf){0};
        c->type = "json";
    }
    yyjson_doc_free(doc);
}

static void open_stream(struct conn *c)
{
    const struct source_env *env = c->http->env;
    struct stream_config config = {
        .kind = STREAM_BODY, .origin = c->name, .device = c->host, .format = choose_format(c)};

    config.track = c->track = track_new(TRACK_TELL, c->http->number, c);
    c->stream = stream_open(env->pump, &config);
    stream_take(c->stream, &c->body);
    stream_end(c->stream);
}

/* False when it was answered instead. */
static bool prepare(struct conn *c)
{
    unsigned status = c->packed ? unpack(c) : 0;

    if (status == 0 && c->body.len == 0)
        status = 400;
    if (status != 0) {
        http_refuse(c, status, status == 400 ? "not gzip, damaged, or empty" : NULL);
        return false;
    }
    if (c->envelope.len > 0)
        close_envelope(c);
    http_hold(c);
    open_stream(c);
    return true;
}

void http_feed(struct conn *c)
{
    struct http *h = c->http;
    struct fault why;

    if (!c->stream && !prepare(c))
        return;
    switch (stream_run(c->stream, &why)) {
    case STREAM_END:
        http_enter(c, PHASE_WAIT);
        http_hold(c);
        break;
    case STREAM_ERROR:
        h->failed = sink_fault(h->env->sink) || pump_failed(h->env->pump);
        h->why = why;
        if (h->failed)
            return;
        msg_warn("%s: %s", h->operand, why.text);
        http_refuse(c, 500, NULL);
        break;
    default:
        break;
    }
}

void http_settled(struct conn *c, enum verdict verdict)
{
    if (verdict == VERDICT_DONE)
        http_accepted(c, stream_events(c->stream), stream_bad(c->stream));
    else if (verdict == VERDICT_TOO_MANY)
        http_refuse(c, 413, "too many events in one body");
    else if (verdict == VERDICT_AGAIN)
        http_refuse(c, 503, NULL);
}

void http_forget(struct conn *c)
{
    sink_leave(c->http->env->sink, c->track);
    c->track = NULL;
    stream_close(c->stream);
    c->stream = NULL;
    buf_free(&c->body);
    buf_free(&c->envelope);
    http_hold(c);
}

/* SPDX-License-Identifier: MIT */
/* Receipts: one printer and one parser for the four programs. */
#include "receipt.h"

#include "clock.h"
#include "json.h"

static const char *const names[OUTCOMES] = {
    [OUTCOME_STORED] = "stored",
    [OUTCOME_DELIVERED] = "delivered",
    [OUTCOME_DUPLICATE] = "duplicate",
    [OUTCOME_SKIPPED] = "skipped",
    [OUTCOME_REJECTED] = "rejected",
    [OUTCOME_HELD] = "held",
    [OUTCOME_DEFERRED] = "deferred",
};

const char *outcome_name(enum outcome outcome)
{
    return names[outcome];
}

static void member(struct buf *out, const char *key, struct slice text)
{
    if (!text.p)
        return;
    if (out->data[out->len - 1] != '{')
        buf_char(out, ',');
    buf_char(out, '"');
    buf_text(out, key);
    buf_lit(out, "\":");
    json_str(out, text);
}

static void member_time(struct buf *out, const char *key, int64_t at_ms)
{
    /* Receipts come in bursts: the text of the last instant is kept. */
    static int64_t last_ms = INT64_MIN;
    static char text[CLOCK_TEXT];
    static size_t n;

    if (at_ms == 0)
        return;
    if (at_ms != last_ms) {
        n = clock_print_utc_ms(text, at_ms);
        last_ms = at_ms;
    }
    member(out, key, (struct slice){text, n});
}

static void member_int(struct buf *out, const char *key, int64_t n)
{
    if (n == 0)
        return;
    buf_lit(out, ",\"");
    buf_text(out, key);
    buf_lit(out, "\":");
    json_int(out, n);
}

void receipt_print(struct buf *out, const struct receipt *r)
{
    buf_char(out, '{');
    member(out, "ack", r->ack);
    member(out, "event_id", r->event_id);
    member(out, "outcome", slice_of(names[r->outcome]));
    member_int(out, "status", r->status);
    member(out, "error", r->error);
    member_int(out, "attempts", r->attempts);
    if (r->ambiguous)
        buf_lit(out, ",\"ambiguous\":true");
    member_time(out, "at", r->at_ms);
    member_time(out, "retry_at", r->retry_at_ms);
    member(out, "location", r->location);
    member(out, "trace", r->trace);
    buf_lit(out, "}\n");
}

static enum outcome outcome_of(yyjson_val *v)
{
    struct slice name = {yyjson_get_str(v), yyjson_get_len(v)};

    for (int i = 0; name.p && i < OUTCOMES; i++)
        if (slice_is(name, names[i]))
            return (enum outcome)i;
    return OUTCOMES;
}

static struct slice text_of(yyjson_val *v)
{
    return (struct slice){yyjson_get_str(v), yyjson_get_len(v)};
}

static int64_t instant_of(yyjson_val *v)
{
    struct clock_time t;
    struct slice s = text_of(v);

    return s.p && clock_parse(s, &t) && t.has_offset ? clock_instant_ms(&t) : 0;
}

int receipt_parse(
    struct event_reader *reader, struct slice line, struct receipt *r, struct fault *why)
{
    struct event e;
    size_t i, max;
    yyjson_val *key, *val;

    *r = (struct receipt){.outcome = OUTCOMES};
    if (event_read(reader, line, &e, why) < 0)
        return -1;
    yyjson_obj_foreach(e.root, i, max, key, val)
    {
        struct slice k = text_of(key);

        if (slice_is(k, "ack"))
            r->ack = text_of(val);
        else if (slice_is(k, "event_id"))
            r->event_id = text_of(val);
        else if (slice_is(k, "outcome"))
            r->outcome = outcome_of(val);
        else if (slice_is(k, "status"))
            r->status = yyjson_get_int(val);
        else if (slice_is(k, "error"))
            r->error = text_of(val);
        else if (slice_is(k, "attempts"))
            r->attempts = (unsigned)yyjson_get_uint(val);
        else if (slice_is(k, "ambiguous"))
            r->ambiguous = yyjson_get_bool(val);
        else if (slice_is(k, "at"))
            r->at_ms = instant_of(val);
        else if (slice_is(k, "retry_at"))
            r->retry_at_ms = instant_of(val);
        else if (slice_is(k, "location"))
            r->location = text_of(val);
        else if (slice_is(k, "trace"))
            r->trace = text_of(val);
    }
    if (r->outcome == OUTCOMES)
        return fault_set(why, EX_DATAERR, "not a receipt: no known \"outcome\"");
    return 0;
}

/* SPDX-License-Identifier: MIT */
/* What jq profiles see of events and replies, and what becomes of what they return. */
#include "ask.h"

#include "../../support/unit.h"
#include "judge.h"

static struct scripted *profile(const struct profile_settings *given)
{
    struct fault why;
    struct scripted *p = scripted_open("cloudevents", given, &why);

    ck_assert_ptr_nonnull(p);
    return p;
}

static const struct profile_settings usual = {.url = "http://h:80/in/?k=1"};

static struct value parsed(const char *json)
{
    struct value v;

    ck_assert(value_parse(slice_of(json), &v));
    return v;
}

/* ---- values ---- */

static const struct {
    const char *json, *printed;
} values[] = {
    {"{\"a\":[1,2.5,-3,true,false,null,\"x\"]}", NULL},
    {"9007199254740992", NULL},
    {"9007199254740993", "\"9007199254740993\""},
    {"-9007199254740993", "\"-9007199254740993\""},
    {"18446744073709551615", "\"18446744073709551615\""},
    {"123456789012345678901234567890", "\"123456789012345678901234567890\""},
    {"0.1", NULL},
    {"1e300", "1e+300"},
    {"{}", NULL},
    {"[]", NULL},
    {"{\"z\":1,\"a\":2,\"event_id\":\"\\u00e9\\n\"}", "{\"z\":1,\"a\":2,\"event_id\":\"é\\n\"}"},
};

START_TEST(value)
{
    struct value v = parsed(values[_i].json);
    struct buf out = {0};

    value_print(&out, v);
    buf_char(&out, '\0');
    ck_assert_str_eq(out.data, values[_i].printed ? values[_i].printed : values[_i].json);
    buf_free(&out);
    value_free(v);
}
END_TEST

START_TEST(too_deep_becomes_null)
{
    struct buf text = {0}, out = {0};
    struct value v;

    for (int i = 0; i < 100000; i++)
        buf_char(&text, '[');
    for (int i = 0; i < 100000; i++)
        buf_char(&text, ']');
    ck_assert(value_parse(buf_all(&text), &v));
    value_print(&out, v);
    ck_assert_uint_eq(out.len, 2 * VALUE_DEPTH_MAX + 4);
    value_free(v);
    buf_free(&text);
    buf_free(&out);
}
END_TEST

/* ---- events ---- */

static const struct {
    const char *zone, *time, *wanted;
} times[] = {
    {NULL, "2026-01-07T10:34:08+08:00", "2026-01-07 02:34:08|2026-01-07 10:34:08|+08:00"},
    {"zone=Asia/Manila", "2026-01-07T02:34:08.9Z",
        "2026-01-07 02:34:08|2026-01-07 10:34:08|+08:00"},
    {"zone=America/New_York", "2026-03-08T06:59:59Z",
        "2026-03-08 06:59:59|2026-03-08 01:59:59|-05:00"},
    {"zone=America/New_York", "2026-03-08T07:00:00Z",
        "2026-03-08 07:00:00|2026-03-08 03:00:00|-04:00"},
    {NULL, "1969-12-31T23:59:59Z", "1969-12-31 23:59:59|1969-12-31 23:59:59|+00:00"},
    {NULL, "2026-01-07T10:34:08", "||"},
    {NULL, "nonsense", "||"},
};

START_TEST(event_times)
{
    struct fault why;
    struct profile_settings given = usual;
    struct scripted *p = profile(&given);
    struct buf body = {0}, got = {0};
    struct value e;
    int64_t unix_s;

    if (times[_i].zone)
        p->zone = zone_find(strchr(times[_i].zone, '=') + 1, &why);
    buf_printf(&body, "{\"time\":\"%s\"}", times[_i].time);
    e = ask_event(p, &(struct ask_event){buf_all(&body), SLICE("k"), 2, true}, &unix_s);
    for (int i = 0; i < 3; i++) {
        struct value v = value_get(e, (const char *[]){"utc", "site", "site_offset"}[i]);

        buf_slice(&got, value_text(v));
        buf_char(&got, i < 2 ? '|' : '\0');
        value_free(v);
    }
    ck_assert_str_eq(got.data, times[_i].wanted);
    ck_assert((unix_s == ASK_NO_TIME) == (times[_i].wanted[0] == '|'));
    buf_free(&body);
    buf_free(&got);
    value_free(e);
    scripted_free(p);
}
END_TEST

/* ---- requests ---- */

static const struct {
    const char *said, *url, *field, *body; /* url NULL: refused */
} requests[] = {
    {"{}", "http://h:80/in/?k=1", "Accept: application/json, application/problem+json", ""},
    {"{\"path\":\"\"}", "http://h:80/in/?k=1", NULL, ""},
    {"{\"path\":\"/a b/\\u00e9\"}", "http://h:80/in/a%20b/%C3%A9?k=1", NULL, ""},
    {"{\"path\":\"/a?b=c d#e\"}", "http://h:80/in/a?k=1&b=c%20d%23e", NULL, ""},
    {"{\"path\":\"/a%20b\"}", "http://h:80/in/a%20b?k=1", NULL, ""},
    {"{\"query\":{\"a\":[1,\"x&y\"],\"n\":null,\"t\":true}}",
        "http://h:80/in/?k=1&a=1&a=x%26y&t=true", NULL, ""},
    {"{\"form\":{\"a b\":\"c=d\"}}", "http://h:80/in/?k=1",
        "Content-Type: application/x-www-form-urlencoded", "a%20b=c%3Dd"},
    {"{\"json\":[1]}", "http://h:80/in/?k=1", "Content-Type: application/json", "[1]"},
    {"{\"text\":\"x\",\"content_type\":\"a/b\"}", "http://h:80/in/?k=1", "Content-Type: a/b", "x"},
    {"{\"headers\":{\"content-type\":\"c/d\"},\"json\":1}", "http://h:80/in/?k=1",
        "content-type: c/d", "1"},
    {"{\"path\":\"a\"}", NULL, NULL, NULL},
    {"{\"path\":\"//evil/x\"}", "http://h:80/in//evil/x?k=1", NULL, ""},
    {"{\"path\":\"/..\"}", NULL, NULL, NULL},
    {"{\"path\":\"/a/%2E./b\"}", NULL, NULL, NULL},
    {"{\"path\":\"/a/./b\"}", NULL, NULL, NULL},
    {"{\"path\":\"/a..b/...\"}", "http://h:80/in/a..b/...?k=1", NULL, ""},
    {"{\"path\":3}", NULL, NULL, NULL},
    {"{\"headers\":{\"X\":\"a\\r\\nY: b\"}}", NULL, NULL, NULL},
    {"{\"headers\":{\"X\":\"a\\u0000b\"}}", NULL, NULL, NULL},
    {"{\"headers\":{\"Host\":\"evil\"}}", NULL, NULL, NULL},
    {"{\"headers\":{\"Content-Length\":\"3\"}}", NULL, NULL, NULL},
    {"{\"headers\":[]}", NULL, NULL, NULL},
    {"{\"method\":\"TRACE\"}", NULL, NULL, NULL},
    {"{\"json\":1,\"text\":\"x\"}", NULL, NULL, NULL},
    {"{\"url\":\"http://evil/\"}", NULL, NULL, NULL},
    {"{\"form\":3}", NULL, NULL, NULL},
    {"[]", NULL, NULL, NULL},
    {"null", NULL, NULL, NULL},
};

START_TEST(request)
{
    struct scripted *p = profile(&usual);
    struct value said = parsed(requests[_i].said);
    struct ask a;
    struct fault why;
    bool found = !requests[_i].field;
    int rc;

    ask_init(&a);
    rc = ask_read(p, said, NULL, &a, &why);
    if (!requests[_i].url) {
        ck_assert_int_eq(rc, -1);
        ck_assert_int_eq(why.status, EX_CONFIG);
    } else {
        ck_assert_int_eq(rc, 0);
        ck_assert_str_eq(a.url.data, requests[_i].url);
        ck_assert(slice_is(buf_all(&a.body), requests[_i].body));
        for (unsigned i = 0; i < a.field_count; i++)
            found |= requests[_i].field && strcmp(a.field[i], requests[_i].field) == 0;
        ck_assert(found);
    }
    ask_free(&a);
    value_free(said);
    scripted_free(p);
}
END_TEST

/* ---- verdicts ---- */

static const struct {
    const char *said;
    int act; /* -1: no verdict */
    enum cause cause;
    int64_t wait_ms;
    bool perhaps;
} verdicts[] = {
    {"\"delivered\"", ACT_DELIVERED, CAUSE_NONE, 0, false},
    {"\"skipped\"", ACT_SKIPPED, CAUSE_NONE, 0, false},
    {"{\"outcome\":\"held\",\"reason\":\"r\",\"location\":null}", ACT_HELD, CAUSE_NONE, 0, false},
    {"\"retry\"", ACT_RETRY, CAUSE_OUTAGE, 0, false},
    {"{\"outcome\":\"retry\",\"cause\":\"busy\",\"wait_s\":2.5,\"perhaps\":true}", ACT_RETRY,
        CAUSE_BUSY, 2500, true},
    {"{\"outcome\":\"stop\"}", ACT_STOP, CAUSE_CONFIG, 0, false},
    {"{\"outcome\":\"stop\",\"cause\":\"time\",\"wait_s\":1e12}", ACT_STOP, CAUSE_TIME, 86400000,
        false},
    {"{\"then\":{\"a\":1}}", ACT_THEN, CAUSE_NONE, 0, true},
    {"{\"then\":false}", ACT_THEN, CAUSE_NONE, 0, true},
    {"{\"then\":1,\"perhaps\":true}", ACT_THEN, CAUSE_NONE, 0, true},
    {"{\"then\":1,\"perhaps\":false}", ACT_THEN, CAUSE_NONE, 0, false},
    {"{\"then\":1,\"perhaps\":0}", -1, CAUSE_NONE, 0, false},
    {"{\"then\":1,\"outcome\":\"retry\"}", -1, CAUSE_NONE, 0, false},
    {"null", ACT_RETRY, CAUSE_OUTAGE, 0, false}, /* 503 of the plain table */
    {"\"delivred\"", -1, CAUSE_NONE, 0, false},
    {"{\"outcome\":\"retry\",\"cause\":\"none\"}", -1, CAUSE_NONE, 0, false},
    {"{\"outcome\":\"retry\",\"wait_s\":-1}", -1, CAUSE_NONE, 0, false},
    {"{\"outcome\":\"retry\",\"wait\":1}", -1, CAUSE_NONE, 0, false},
    {"{\"reason\":\"x\"}", -1, CAUSE_NONE, 0, false},
    {"[]", -1, CAUSE_NONE, 0, false},
    {"[\"delivered\",\"delivered\"]", -1, CAUSE_NONE, 0, false},
    {"[\"session\"]", -1, CAUSE_NONE, 0, false},
    {"3", -1, CAUSE_NONE, 0, false},
};

START_TEST(verdict)
{
    struct scripted *p = profile(&usual);
    struct verdict each[1];
    struct judgement j;
    struct fault why;
    int rc = judge_read(p, parsed(verdicts[_i].said), 1, verdict_of(NET_OK, 503), &j, each, &why);

    ck_assert_int_eq(rc, verdicts[_i].act < 0 ? -1 : 0);
    if (rc == 0) {
        ck_assert(!j.each);
        ck_assert_int_eq((int)j.one.act, verdicts[_i].act);
        ck_assert_int_eq(j.one.cause, verdicts[_i].cause);
        ck_assert_int_eq(j.one.wait_ms, verdicts[_i].wait_ms);
        ck_assert(j.one.perhaps == verdicts[_i].perhaps);
        judgement_free(&j);
    }
    scripted_free(p);
}
END_TEST

START_TEST(verdict_for_each)
{
    struct scripted *p = profile(&usual);
    struct verdict each[3];
    struct judgement j;
    struct fault why;

    ck_assert_int_eq(judge_read(p,
                         parsed("[\"duplicate\",null,{\"outcome\":\"held\",\"reason\":"
                                "\"r\"}]"),
                         3, verdict_of(NET_OK, 200), &j, each, &why),
        0);
    ck_assert(j.each);
    ck_assert_int_eq(each[0].act, ACT_DUPLICATE);
    ck_assert_int_eq(each[1].act, ACT_DELIVERED);
    ck_assert_int_eq(each[2].act, ACT_HELD);
    ck_assert_str_eq(each[2].reason, "r");
    judgement_free(&j);
    scripted_free(p);
}
END_TEST

START_TEST(reply_as_input)
{
    struct scripted *p = profile(&usual);
    struct ask_input in = {value_array(), value_null(), value_null(), 1700000000, NULL};
    struct reply r = {.keep = true};
    struct ask a;
    struct value input, headers, v;

    ask_init(&a);
    reply_reset(&r);
    reply_header(&r, SLICE("HTTP/1.1 503 Service Unavailable\r\n"));
    reply_header(&r, SLICE("X-Way: a\r\n"));
    reply_header(&r, SLICE("x-way:  b\r\n"));
    reply_header(&r, SLICE("Retry-After: 7\r\n"));
    reply_body(&r, SLICE("\xef\xbb\xbf{\"id\":12345678901234567890}"));
    input = judge_input(p, &in, &r, &a);
    headers = value_get(input, "headers");
    v = value_get(headers, "x-way");
    ck_assert(slice_is(value_text(v), "a, b"));
    value_free(v);
    value_free(headers);
    headers = value_get(input, "body");
    v = value_get(headers, "id");
    ck_assert(slice_is(value_text(v), "12345678901234567890"));
    value_free(v);
    value_free(headers);
    headers = value_get(input, "plain");
    v = value_get(headers, "wait_s");
    ck_assert(value_double(v) == 7);
    value_free(v);
    value_free(headers);
    for (int i = 0; i < 3; i++) {
        v = value_get(input, (const char *[]){"secret", "session", "url"}[i]);
        ck_assert_int_eq(value_kind(v), VALUE_NULL);
        value_free(v);
    }
    value_free(input);
    value_free(in.events);
    buf_free(&r.lines);
    buf_free(&r.body);
    ask_free(&a);
    scripted_free(p);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_loop_test(tc, value, 0, (int)(sizeof values / sizeof *values));
    tcase_add_test(tc, too_deep_becomes_null);
    tcase_add_loop_test(tc, event_times, 0, (int)(sizeof times / sizeof *times));
    tcase_add_loop_test(tc, request, 0, (int)(sizeof requests / sizeof *requests));
    tcase_add_loop_test(tc, verdict, 0, (int)(sizeof verdicts / sizeof *verdicts));
    tcase_add_test(tc, verdict_for_each);
    tcase_add_test(tc, reply_as_input);
}
UNIT_MAIN("ask", add)

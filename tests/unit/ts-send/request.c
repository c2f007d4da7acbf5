/* SPDX-License-Identifier: MIT */
/* Bodies, keys, gzip; the checks of URLs and header fields. */
#include "request.h"

#include <zlib.h>

#include "../../support/unit.h"
#include "header.h"
#include "profile.h"
#include "url.h"

static const struct {
    const char *line, *body;
} events[] = {
    {"{\"a\":1}", "{\"a\":1}"},
    {"{\"ack\":\"x\"}", "{}"},
    {"{\"event_id\":\"e\",\"ack\":\"x\",\"n\":12345678901234567890123}",
        "{\"event_id\":\"e\",\"n\":12345678901234567890123}"},
    {"{\"raw\":{\"a\":[1,2]},\"raw_base64\":\"eA==\",\"origin\":\"f:1\",\"z\":\"\\u0041\"}",
        "{\"z\":\"\\u0041\"}"},
    {" { \"attempts\" : 3 , \"x\" : 1.50e1 , \"ambiguous\" : true } ", "{\"x\" : 1.50e1}"},
    {"{\"skew_s\":3,\"late\":true,\"hr\":{\"ack\":\"mine\"}}",
        "{\"skew_s\":3,\"late\":true,\"hr\":{\"ack\":\"mine\"}}"},
};

START_TEST(event_body)
{
    struct event_reader *r = event_reader_new();
    struct buf out = {0};
    struct event e;
    struct fault why;

    ck_assert_int_eq(event_read(r, slice_of(events[_i].line), &e, &why), 0);
    request_event(&out, &e, SLICE_NONE);
    buf_char(&out, '\0');
    ck_assert_str_eq(out.data, events[_i].body);
    buf_free(&out);
    event_reader_free(r);
}
END_TEST

START_TEST(event_with_another_id)
{
    struct event_reader *r = event_reader_new();
    struct buf out = {0};
    struct event e;
    struct fault why;

    ck_assert_int_eq(event_read(r, SLICE("{\"event_id\":\"e\",\"z\":1}"), &e, &why), 0);
    request_event(&out, &e, SLICE("other"));
    ck_assert(slice_is(buf_all(&out), "{\"event_id\":\"other\",\"z\":1}"));
    buf_free(&out);
    event_reader_free(r);
}
END_TEST

START_TEST(arrays)
{
    struct slice three[] = {SLICE("{}"), SLICE("{\"a\":1}"), SLICE("{}")};
    struct buf out = {0};

    profile_plain.request(&out, three, 3, true);
    ck_assert(slice_is(buf_all(&out), "[{},{\"a\":1},{}]"));
    out.len = 0;
    profile_plain.request(&out, three, 1, true);
    ck_assert(slice_is(buf_all(&out), "[{}]"));
    out.len = 0;
    profile_plain.request(&out, three + 1, 1, false);
    ck_assert(slice_is(buf_all(&out), "{\"a\":1}"));
    buf_free(&out);
}
END_TEST

static const struct {
    struct slice id;
    bool as_is;
} ids[] = {
    {SLICE("019b9805-6100-8b85-a657-08efdeb09c4e"), true},
    {SLICE("evt-1"), true},
    {SLICE("a b"), false},
    {SLICE("a\r\nX: y"), false},
    {SLICE("caf\xc3\xa9"), false},
    {SLICE("nul\0nul"), false},
    {SLICE(""), false},
};

static bool is_v5(const char *text)
{
    return strlen(text) == 36 && text[14] == '5' && strchr("89ab", text[19]);
}

START_TEST(key)
{
    char text[REQUEST_KEY_BYTES];

    request_key(ids[_i].id, ID_V8, text);
    if (ids[_i].as_is)
        ck_assert(slice_is(ids[_i].id, text));
    else
        ck_assert(is_v5(text));
    request_key(ids[_i].id, ID_V5, text);
    ck_assert(is_v5(text));
}
END_TEST

START_TEST(long_key)
{
    char id[1000], text[REQUEST_KEY_BYTES];

    memset(id, 'k', sizeof id);
    request_key((struct slice){id, REQUEST_KEY_BYTES - 1}, ID_V8, text);
    ck_assert_uint_eq(strlen(text), REQUEST_KEY_BYTES - 1);
    request_key((struct slice){id, REQUEST_KEY_BYTES}, ID_V8, text);
    ck_assert(is_v5(text));
}
END_TEST

START_TEST(key_of_a_set)
{
    struct slice a[] = {SLICE("x"), SLICE("019b9805-6100-8b85-a657-08efdeb09c4e"), SLICE("yy")};
    struct slice b[] = {a[2], a[0], a[1]};
    struct slice c[] = {a[2], a[0]};
    struct slice d[] = {SLICE("xy"), a[1], SLICE("y")};
    char ka[REQUEST_KEY_BYTES], kb[REQUEST_KEY_BYTES];

    request_key_set(a, 3, ka);
    ck_assert(is_v5(ka));
    request_key_set(b, 3, kb);
    ck_assert_str_eq(ka, kb);
    request_key_set(c, 2, kb);
    ck_assert_str_ne(ka, kb);
    request_key_set(d, 3, kb);
    ck_assert_str_ne(ka, kb);
}
END_TEST

static const struct {
    const char *id, *trace; /* NULL: some version-5 UUID */
} traces[] = {
    {"019b9805-6100-8b85-a657-08efdeb09c4e", "019b980561008b85a65708efdeb09c4e"},
    {"019B9805-6100-8B85-A657-08EFDEB09C4E", NULL},
    {"00000000-0000-0000-0000-000000000000", NULL},
    {"00000000-0000-8000-0000-000000000000", NULL},
    {"e1", NULL},
    {"", NULL},
    {"a b\r\nX: y", NULL},
};

START_TEST(trace)
{
    char first[REQUEST_TRACE_BYTES], again[REQUEST_TRACE_BYTES];
    struct slice id = slice_of(traces[_i].id);

    request_trace(id, 0, first);
    ck_assert_uint_eq(strlen(first), 68);
    ck_assert(strncmp(first, "traceparent: 00-", REQUEST_TRACE_AT) == 0);
    ck_assert_uint_eq(
        strspn(first + REQUEST_TRACE_AT, "0123456789abcdef"), (size_t)REQUEST_TRACE_DIGITS);
    ck_assert_uint_eq(strspn(first + 49, "0123456789abcdef"), 16);
    ck_assert_str_eq(first + 65, "-01");
    if (traces[_i].trace)
        ck_assert(strncmp(first + REQUEST_TRACE_AT, traces[_i].trace, REQUEST_TRACE_DIGITS) == 0);
    for (uint64_t n = 0; n < 1000; n++) {
        request_trace(id, n, again);
        ck_assert(strncmp(first, again, 49) == 0);
        ck_assert_int_eq(strcmp(first, again) == 0, n == 0);
        ck_assert_uint_lt(strspn(again + 49, "0"), 16);
    }
}
END_TEST

START_TEST(gzip)
{
    struct request_packer *packer = NULL;
    struct buf out = {0}, body = {0};
    char back[70000];

    for (int round = 0; round < 3; round++) {
        z_stream z = {0};

        body.len = 0;
        for (int i = 0; i < 5000 * round; i++)
            buf_printf(&body, "%d,", i * 7);
        request_pack(&packer, &out, buf_all(&body));
        ck_assert_int_eq(inflateInit2(&z, 15 + 16), Z_OK);
        z.next_in = (Bytef *)out.data;
        z.avail_in = (uInt)out.len;
        z.next_out = (Bytef *)back;
        z.avail_out = sizeof back;
        ck_assert_int_eq(inflate(&z, Z_FINISH), Z_STREAM_END);
        ck_assert_uint_eq(z.total_out, body.len);
        ck_assert(body.len == 0 || memcmp(back, body.data, body.len) == 0);
        inflateEnd(&z);
    }
    request_packer_free(packer);
    buf_free(&out);
    buf_free(&body);
}
END_TEST

static const struct {
    const char *url;
    bool fine;
    const char *shown;
    struct url_host at;
} urls[] = {
    {"http://localhost:9981/api/turnstile", true, "http://localhost:9981/api/turnstile",
        {"localhost", 9981}},
    {"https://h/x?key=geheim&b", true, "https://h/x?***", {"h", 443}},
    {"HTTPS://h", true, "HTTPS://h", {"h", 443}},
    {"http://[::1]:80/", true, "http://[::1]:80/", {"::1", 80}},
    {"https://[::1]", true, "https://[::1]", {"::1", 443}},
    {"http://h7:/", true, "http://h7:/", {"h7", 80}},
    {"http://192.0.2.7", true, "http://192.0.2.7", {"192.0.2.7", 80}},
    {"http://h?a@b", true, "http://h?***", {"h", 80}},
    {"http://u@h/", false, NULL, {"", 0}},
    {"http://u:p@h/", false, NULL, {"", 0}},
    {"http:///", false, NULL, {"", 0}},
    {"http://", false, NULL, {"", 0}},
    {"http://:80/", false, NULL, {"", 0}},
    {"http://h/ x", false, NULL, {"", 0}},
    {"http://h/\r\n", false, NULL, {"", 0}},
    {"http://h/\x7f", false, NULL, {"", 0}},
    {"http://h/\xc3\xa9", false, NULL, {"", 0}},
    {"http://h/#a", false, NULL, {"", 0}},
    {"file:///etc/passwd", false, NULL, {"", 0}},
    {"gopher://h/", false, NULL, {"", 0}},
    {"h/x", false, NULL, {"", 0}},
    {"", false, NULL, {"", 0}},
};

START_TEST(url)
{
    struct fault why = {0};
    char shown[URL_BYTES_MAX + 8];
    struct url_host at;

    ck_assert_int_eq(url_check("URL", urls[_i].url, &why), urls[_i].fine ? 0 : -1);
    ck_assert_int_eq(why.status, urls[_i].fine ? 0 : EX_USAGE);
    if (!urls[_i].fine)
        return;
    url_shown(urls[_i].url, shown);
    ck_assert_str_eq(shown, urls[_i].shown);
    ck_assert_int_eq(url_is_https(urls[_i].url), (urls[_i].url[4] | 32) == 's');
    url_host(urls[_i].url, &at);
    ck_assert_str_eq(at.host, urls[_i].at.host);
    ck_assert_int_eq(at.port, urls[_i].at.port);
}
END_TEST

static const struct {
    const char *field;
    bool fine;
} fields[] = {
    {"X-Site: Manila", true},
    {"Content-Type: text/plain", true},
    {"X-Empty:", true},
    {"X-Tab:\ta", true},
    {"Authorization: Basic eA==", false},
    {"proxy-authorization: x", false},
    {"Cookie: a", false},
    {"X-API-Key: a", false},
    {"X-Auth-Token: a", false},
    {"Ocp-Apim-Subscription-Key: a", false},
    {"X-Client-Secret: a", false},
    {"Content-Length: 1", false},
    {"transfer-encoding: chunked", false},
    {"Idempotency-Key: a", false},
    {"no colon", false},
    {": no name", false},
    {"A b: c", false},
    {"A: b\r\nC: d", false},
    {"A: b\x01", false},
    {"", false},
};

START_TEST(field)
{
    struct fault why = {0};

    ck_assert_int_eq(header_check(fields[_i].field, &why), fields[_i].fine ? 0 : -1);
    ck_assert(!strstr(why.text, "eA=="));
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_loop_test(tc, event_body, 0, (int)(sizeof events / sizeof *events));
    tcase_add_test(tc, event_with_another_id);
    tcase_add_test(tc, arrays);
    tcase_add_loop_test(tc, key, 0, (int)(sizeof ids / sizeof *ids));
    tcase_add_test(tc, long_key);
    tcase_add_test(tc, key_of_a_set);
    tcase_add_loop_test(tc, trace, 0, (int)(sizeof traces / sizeof *traces));
    tcase_add_test(tc, gzip);
    tcase_add_loop_test(tc, url, 0, (int)(sizeof urls / sizeof *urls));
    tcase_add_loop_test(tc, field, 0, (int)(sizeof fields / sizeof *fields));
}
UNIT_MAIN("request", add)

/* SPDX-License-Identifier: MIT */
/* Printing strings, numbers and base64; judging UTF-8. */
#include "json.h"

#include <yyjson.h>

#include "../../support/unit.h"

static const struct {
    struct slice in;
    const char *out;
} strings[] = {
    {{"", 0}, "\"\""},
    {{"plain", 5}, "\"plain\""},
    {{"12345678", 8}, "\"12345678\""},
    {{"1234567\"", 8}, "\"1234567\\\"\""},
    {{"a\\b/c", 5}, "\"a\\\\b/c\""},
    {{"\b\f\n\r\t", 5}, "\"\\b\\f\\n\\r\\t\""},
    {{"\0\x1f\x7f", 3}, "\"\\u0000\\u001f\x7f\""},
    {{"Zo\xc3\xab", 4}, "\"Zo\xc3\xab\""},
    {{"\xf0\x9f\x9a\xaa", 4}, "\"\xf0\x9f\x9a\xaa\""},
    {{"a\xffz", 3}, "\"a\xef\xbf\xbdz\""},
    {{"\xc3", 1}, "\"\xef\xbf\xbd\""},
    {{"\xed\xa0\x80", 3}, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    {{"abcdefghijklmn\x01pq", 17}, "\"abcdefghijklmn\\u0001pq\""},
};

START_TEST(prints_strings)
{
    struct buf out = {0};

    json_str(&out, strings[_i].in);
    buf_char(&out, '\0');
    ck_assert_str_eq(out.data, strings[_i].out);
    buf_free(&out);
}
END_TEST

/* Any bytes give a JSON string; UTF-8 comes back as it was. */
START_TEST(strings_survive)
{
    char text[64];
    uint32_t seed = 1;

    for (int round = 0; round < 20000; round++) {
        struct slice s = {text, (size_t)round % sizeof text};
        struct buf out = {0};
        yyjson_doc *doc;

        for (size_t i = 0; i < s.n; i++) {
            seed = seed * 1664525 + 1013904223;
            text[i] = (char)(round % 2 ? seed >> 24 : seed >> 25);
        }
        json_str(&out, s);
        doc = yyjson_read(out.data, out.len, 0);
        ck_assert_ptr_nonnull(doc);
        if (utf8_valid(s)) {
            ck_assert_uint_eq(yyjson_get_len(yyjson_doc_get_root(doc)), s.n);
            ck_assert_mem_eq(yyjson_get_str(yyjson_doc_get_root(doc)), text, s.n);
        }
        yyjson_doc_free(doc);
        buf_free(&out);
    }
}
END_TEST

static const struct {
    int64_t n;
    const char *out;
} numbers[] = {
    {0, "0"},
    {7, "7"},
    {-1, "-1"},
    {9007199254740993, "9007199254740993"},
    {INT64_MAX, "9223372036854775807"},
    {INT64_MIN, "-9223372036854775808"},
};

START_TEST(prints_numbers)
{
    struct buf out = {0};

    json_int(&out, numbers[_i].n);
    buf_char(&out, '\0');
    ck_assert_str_eq(out.data, numbers[_i].out);
    buf_free(&out);
}
END_TEST

/* RFC 4648, section 10, and bytes with the high bit. */
static const struct {
    struct slice in;
    const char *out;
} base64[] = {
    {{"", 0}, "\"\""},
    {{"f", 1}, "\"Zg==\""},
    {{"fo", 2}, "\"Zm8=\""},
    {{"foo", 3}, "\"Zm9v\""},
    {{"foob", 4}, "\"Zm9vYg==\""},
    {{"fooba", 5}, "\"Zm9vYmE=\""},
    {{"foobar", 6}, "\"Zm9vYmFy\""},
    {{"\xff\x00x", 3}, "\"/wB4\""},
    {{"\xfb\xff\xfe", 3}, "\"+//+\""},
};

START_TEST(prints_base64)
{
    struct buf out = {0};

    json_base64(&out, base64[_i].in);
    buf_char(&out, '\0');
    ck_assert_str_eq(out.data, base64[_i].out);
    buf_free(&out);
}
END_TEST

START_TEST(reads_base64)
{
    struct slice quoted = slice_of(base64[_i].out);
    struct buf out = {0};

    ck_assert(json_base64_bytes(&out, (struct slice){quoted.p + 1, quoted.n - 2}));
    ck_assert(slice_eq(buf_all(&out), base64[_i].in));
    buf_free(&out);
}
END_TEST

static const char *const no_base64[] = {"Zg=", "Zg", "Z===", "Zg=a", "Zm 8", "Zm8-", "====Zg=="};

START_TEST(refuses_other_text)
{
    struct buf out = {0};

    ck_assert(!json_base64_bytes(&out, slice_of(no_base64[_i])));
    buf_free(&out);
}
END_TEST

/* RFC 3629: first and last of each length, and what must not be. */
static const struct {
    const char *text;
    bool valid;
} utf8[] = {
    {"", true},
    {"ascii only, and longer than eight", true},
    {"\xc2\x80", true},
    {"\xdf\xbf", true},
    {"\xe0\xa0\x80", true},
    {"\xed\x9f\xbf", true},
    {"\xee\x80\x80", true},
    {"\xef\xbf\xbf", true},
    {"\xf0\x90\x80\x80", true},
    {"\xf4\x8f\xbf\xbf", true},
    {"12345678\xc3\xab", true},
    {"\x80", false},
    {"\xc0\xaf", false},         /* overlong */
    {"\xc1\xbf", false},         /* overlong */
    {"\xe0\x9f\xbf", false},     /* overlong */
    {"\xf0\x8f\xbf\xbf", false}, /* overlong */
    {"\xed\xa0\x80", false},     /* surrogate */
    {"\xf4\x90\x80\x80", false}, /* past U+10FFFF */
    {"\xf5\x80\x80\x80", false},
    {"\xe2\x82", false}, /* cut */
    {"1234567\xc3", false},
    {"\xc3\x28", false},
};

START_TEST(judges_utf8)
{
    ck_assert_int_eq(utf8_valid(slice_of(utf8[_i].text)), utf8[_i].valid);
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, prints_strings, 0, COUNT(strings));
    tcase_add_test(tc, strings_survive);
    tcase_add_loop_test(tc, prints_numbers, 0, COUNT(numbers));
    tcase_add_loop_test(tc, prints_base64, 0, COUNT(base64));
    tcase_add_loop_test(tc, reads_base64, 0, COUNT(base64));
    tcase_add_loop_test(tc, refuses_other_text, 0, COUNT(no_base64));
    tcase_add_loop_test(tc, judges_utf8, 0, COUNT(utf8));
}

UNIT_MAIN("json", add_tests)

/* SPDX-License-Identifier: MIT */
/* json and ndjson beyond their golden files: size, depth, cuts, and what sniffing says. */
#include "../../support/unit.h"

#include "format_run.h"

static const struct format *find(const char *name)
{
    const struct format *f = format_find(slice_of(name));

    ck_assert_ptr_nonnull(f);
    return f;
}

START_TEST(an_array_gives_each_element)
{
    struct buf in = {0};
    struct format_run r;

    buf_char(&in, '[');
    for (int i = 0; i < 10000; i++)
        buf_printf(&in, "%s{\"local_time\":\"2026-01-07T10:34:08\", \"n\": %d}\n", i ? "," : "", i);
    buf_char(&in, ']');
    ck_assert(format_run(&r, find("json"), buf_all(&in), 65536, NULL, 0));
    ck_assert_uint_eq(r.events, 10000);
    ck_assert_uint_eq(r.errors, 0);
    buf_char(&r.out, '\0');
    ck_assert_ptr_nonnull(
        strstr(r.out.data, "\n{\"local_time\":\"2026-01-07T10:34:08\",\"n\":9999}\n"));
    buf_free(&r.out);
    buf_free(&in);
}
END_TEST

/* Depth costs memory in proportion to the text, and no stack: an event, or an error with a reason.
 */
START_TEST(nests_deeply)
{
    static const struct {
        const char *format, *end;
        int depth;
    } cases[] = {
        {"json", "}", 500},
        {"json", "\n}", 500},
        {"ndjson", "}\n", 500},
        {"json", "}", 200000},
        {"json", "\n}", 200000},
        {"ndjson", "}\n", 200000},
    };
    struct buf in = {0};
    struct format_run r;

    buf_lit(&in, "{\"local_time\":\"2026-01-07T10:34:08\",\"a\":");
    for (int i = 0; i < cases[_i].depth; i++)
        buf_char(&in, '[');
    for (int i = 0; i < cases[_i].depth; i++)
        buf_char(&in, ']');
    buf_text(&in, cases[_i].end);
    ck_assert(format_run(&r, find(cases[_i].format), buf_all(&in), 65536, NULL, 0));
    ck_assert_uint_eq(r.events, 1);
    ck_assert_uint_ge(r.out.len, (size_t)cases[_i].depth * 2);
    if (cases[_i].depth == 500)
        ck_assert_uint_eq(r.errors, 0);
    buf_free(&r.out);
    buf_free(&in);
}
END_TEST

START_TEST(cuts_do_not_matter)
{
    static const char text[] = "\xef\xbb\xbf{\"local_time\":\"2026-01-07T10:34:08\"}\r\n\n  \n"
                               "[1]\n{\"time\":\"2026-01-07T10:34:08Z\",\"t\":\"\xc3\xb1\"}\n"
                               "{\"local_time\":\"2026-01-07T10:34:08\"}";
    struct format_run whole, cut;

    ck_assert(format_run(&whole, find("ndjson"), SLICE(text), 4096, NULL, 0));
    ck_assert_uint_eq(whole.events, 4);
    ck_assert_uint_eq(whole.errors, 1);
    for (size_t piece = 1; piece < 40; piece++) {
        ck_assert(format_run(&cut, find("ndjson"), SLICE(text), piece, NULL, 0));
        ck_assert_msg(slice_eq(buf_all(&cut.out), buf_all(&whole.out)), "piece %zu", piece);
        buf_free(&cut.out);
    }
    buf_free(&whole.out);
}
END_TEST

static const struct {
    const char *head, *format;
    bool whole;
} heads[] = {
    {"{\"a\":1}\n{\"a\":2}\n", "ndjson", true},
    {"{\"a\":1}", "ndjson", true},
    {"  {\"a\":1}  \n", "ndjson", false},
    {"junk\n\n{\"a\":1}\n", "ndjson", false},
    {"{\"a\":\"a line longer than the head", "ndjson", false},
    {"{\"a\":\"cut off", "json", true},
    {"{\n\"a\":1}", "json", true},
    {"[{\"a\":1}]", "json", true},
    {"[\n{\"a\":1},\n{\"a\":1}\n]\n", "json", true},
    {"\xef\xbb\xbf [\n", "json", false},
    {"[]", "json", true},
};

START_TEST(tells_them_apart)
{
    const struct format *f = format_sniff(slice_of(heads[_i].head), heads[_i].whole);

    ck_assert_ptr_nonnull(f);
    ck_assert_str_eq(f->name, heads[_i].format);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, an_array_gives_each_element);
    tcase_add_loop_test(tc, nests_deeply, 0, 6);
    tcase_add_test(tc, cuts_do_not_matter);
    tcase_add_loop_test(tc, tells_them_apart, 0, (int)(sizeof heads / sizeof *heads));
}
UNIT_MAIN("format_json", add_tests)

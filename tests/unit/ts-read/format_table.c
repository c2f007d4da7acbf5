/* SPDX-License-Identifier: MIT */
/* The table of formats, option checks, and the line frame that formats share. */
#include "../../support/unit.h"

#include "format.h"

START_TEST(names_are_sorted_and_found)
{
    for (int i = 0; formats[i]; i++) {
        ck_assert_ptr_eq(format_find(slice_of(formats[i]->name)), formats[i]);
        if (i > 0)
            ck_assert_str_lt(formats[i - 1]->name, formats[i]->name);
    }
    ck_assert_ptr_null(format_find(SLICE("zk")));
    ck_assert_ptr_null(format_find(SLICE("zk-attlog2")));
    ck_assert_ptr_null(format_find(SLICE("")));
}
END_TEST

START_TEST(nothing_is_recognised_in_nothing)
{
    ck_assert_ptr_null(format_sniff(SLICE(""), true));
    ck_assert_ptr_null(format_sniff(SLICE("\n\n \n"), true));
    ck_assert_ptr_null(format_sniff(SLICE("hello world\nthis is no log\n"), true));
    ck_assert_ptr_null(format_sniff(SLICE("\x7f\x45\x4c\x46\0\0\0\t\t\n"), false));
}
END_TEST

START_TEST(pushed_bodies_are_recognised)
{
    static const char *const pushed[] = {
        "OPLOG 13\t0\t2024-03-12 11:03:28\t0\t0\t0\t0\r\n",
        "OPLOG 0\t0\t289515406\t0\t0\t0\t0\n",
        "USER PIN=4\tName=\tPri=0\n",
        "time=2026-09-09 12:09:11\tsensor=02\trelay=00\talarm=01\tdoor=01\r\n",
        "time=2026-09-09 12:09:10\tpin=445966\tcardno=0\tevent=3\n",
    };

    for (size_t i = 0; i < sizeof pushed / sizeof *pushed; i++)
        ck_assert_ptr_eq(format_sniff(slice_of(pushed[i]), true), format_find(SLICE("zk-push")));
}
END_TEST

static const struct {
    const char *in;
    bool end;
    enum frame frame;
    size_t used;
    const char *record;
} lines[] = {
    {"", false, FRAME_MORE, 0, NULL},
    {"", true, FRAME_MORE, 0, NULL},
    {"ab", false, FRAME_MORE, 0, NULL},
    {"ab", true, FRAME_RECORD, 2, "ab"},
    {"ab\r", true, FRAME_RECORD, 3, "ab"},
    {"ab\ncd\n", false, FRAME_RECORD, 3, "ab"},
    {"ab\r\ncd", false, FRAME_RECORD, 4, "ab"},
    {"ab\r\r\n", false, FRAME_RECORD, 5, "ab\r"},
    {"\nab\n", false, FRAME_SKIP, 1, NULL},
    {"\r\nab\n", false, FRAME_SKIP, 2, NULL},
    {"\r", true, FRAME_SKIP, 1, NULL},
    {" \n", false, FRAME_RECORD, 2, " "},
};

START_TEST(frames_a_line)
{
    struct slice record = SLICE_NONE;
    size_t used = 0;
    enum frame frame = frame_line(NULL, slice_of(lines[_i].in), lines[_i].end, &used, &record);

    ck_assert_int_eq(frame, lines[_i].frame);
    if (frame != FRAME_MORE)
        ck_assert_uint_eq(used, lines[_i].used);
    if (frame == FRAME_RECORD)
        ck_assert(slice_is(record, lines[_i].record));
}
END_TEST

START_TEST(takes_lines_off_a_head)
{
    struct slice head = SLICE("a\r\n\nlast"), line;

    ck_assert(format_head_line(&head, &line) && slice_is(line, "a"));
    ck_assert(format_head_line(&head, &line) && slice_is(line, ""));
    ck_assert(format_head_line(&head, &line) && slice_is(line, "last"));
    ck_assert(!format_head_line(&head, &line));
}
END_TEST

START_TEST(the_last_value_of_an_option_counts)
{
    const struct format_option option[] = {
        {SLICE("a"), SLICE("1")}, {SLICE("b"), SLICE("2")}, {SLICE("a"), SLICE("3")}};
    const struct format_options options = {.option = option, .count = 3, .longest = 100};

    ck_assert(slice_is(format_option(&options, "a"), "3"));
    ck_assert(slice_is(format_option(&options, "b"), "2"));
    ck_assert_ptr_null(format_option(&options, "c").p);
}
END_TEST

START_TEST(an_unknown_option_is_refused_with_the_known_ones)
{
    static const char *const known[] = {"a", "b", NULL}, *const none[] = {NULL};
    const struct format_option option[] = {{SLICE("a"), SLICE("1")}, {SLICE("x"), SLICE("2")}};
    const struct format_options fine = {.option = option, .count = 1, .longest = 100};
    const struct format_options wrong = {.option = option, .count = 2, .longest = 100};
    struct fault why = {0};

    ck_assert_int_eq(format_options_check(&fine, "f", known, &why), 0);
    ck_assert_int_eq(format_options_check(&wrong, "f", known, &why), -1);
    ck_assert_int_eq(why.status, EX_USAGE);
    ck_assert_str_eq(why.text, "-o x: format f has no such option; it knows: a, b");
    ck_assert_int_eq(format_options_check(&fine, "f", none, &why), -1);
    ck_assert_str_eq(why.text, "-o a: format f has no such option; it knows: none");
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, names_are_sorted_and_found);
    tcase_add_test(tc, nothing_is_recognised_in_nothing);
    tcase_add_test(tc, pushed_bodies_are_recognised);
    tcase_add_loop_test(tc, frames_a_line, 0, (int)(sizeof lines / sizeof *lines));
    tcase_add_test(tc, takes_lines_off_a_head);
    tcase_add_test(tc, the_last_value_of_an_option_counts);
    tcase_add_test(tc, an_unknown_option_is_refused_with_the_known_ones);
}
UNIT_MAIN("format_table", add_tests)

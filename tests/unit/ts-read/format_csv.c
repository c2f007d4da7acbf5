/* SPDX-License-Identifier: MIT */
/* csv beyond its golden files: dates as people write them, words, quotes and cuts anywhere. */
#include "../../support/unit.h"

#include <stdio.h>

#include "format_run.h"
#include "stamp.h"
#include "word.h"

static const struct {
    const char *text;
    enum stamp_order order;
    const char *local, *zoned, *error;
} stamps[] = {
    {"2026-01-07 10:34:08", STAMP_UNKNOWN, "2026-01-07T10:34:08", NULL, NULL},
    {"  2026-01-07   10:34 ", STAMP_UNKNOWN, "2026-01-07T10:34:00", NULL, NULL},
    {"2026-1-7 9:34", STAMP_UNKNOWN, "2026-01-07T09:34:00", NULL, NULL},
    {"2026/12/31 23:59:59", STAMP_MDY, "2026-12-31T23:59:59", NULL, NULL},
    {"31.12.2026 23:59:59", STAMP_MDY, "2026-12-31T23:59:59", NULL, NULL},
    {"31/12/2026 23:59", STAMP_DMY, "2026-12-31T23:59:00", NULL, NULL},
    {"12/31/2026 23:59", STAMP_MDY, "2026-12-31T23:59:00", NULL, NULL},
    {"12/31/2026 11:59 pm", STAMP_MDY, "2026-12-31T23:59:00", NULL, NULL},
    {"2026-01-07T10:34:08.5", STAMP_UNKNOWN, "2026-01-07T10:34:08.500", NULL, NULL},
    {"2026-01-07T10:34:08.1239", STAMP_UNKNOWN, "2026-01-07T10:34:08.123", NULL, NULL},
    {"2026-01-07 10:34:08.000", STAMP_UNKNOWN, "2026-01-07T10:34:08", NULL, NULL},
    {"2026-01-07t10:34:08z", STAMP_UNKNOWN, "2026-01-07T10:34:08", "2026-01-07T10:34:08Z", NULL},
    {"2026-01-07 10:34:08+05:30", STAMP_UNKNOWN, "2026-01-07T10:34:08", "2026-01-07T10:34:08+05:30",
        NULL},
    {"2026-01-07T10:34-03:00", STAMP_UNKNOWN, "2026-01-07T10:34:00", "2026-01-07T10:34:00-03:00",
        NULL},
    {"31/12/2026 23:59", STAMP_UNKNOWN, NULL, NULL, "ambiguous date: give -o date=dmy or mdy"},
    {"01-02-2026 23:59", STAMP_UNKNOWN, NULL, NULL, "ambiguous date: give -o date=dmy or mdy"},
    {"31/12/2026 23:59", STAMP_MDY, NULL, NULL, "impossible date"},
    {"2026-02-29 10:34:08", STAMP_UNKNOWN, NULL, NULL, "impossible date"},
    {"2026-01-07 24:00", STAMP_UNKNOWN, NULL, NULL, "impossible date"},
    {"2026-01-07 10:60", STAMP_UNKNOWN, NULL, NULL, "impossible date"},
    {"2026-01-07 10:34:60", STAMP_UNKNOWN, NULL, NULL, "impossible date"},
    {"31/12/2026", STAMP_UNKNOWN, NULL, NULL, "not a time"},
    {"2026-01-07", STAMP_UNKNOWN, NULL, NULL, "not a time"},
    {"2026-01/07 10:34", STAMP_UNKNOWN, NULL, NULL, "not a time"},
    {"2026.01.07 10:34", STAMP_UNKNOWN, NULL, NULL, "not a time"},
    {"12026-01-07 10:34", STAMP_UNKNOWN, NULL, NULL, "not a time"},
    {"2026-001-07 10:34", STAMP_UNKNOWN, NULL, NULL, "not a time"},
    {"2026-01-07 10:34:", STAMP_UNKNOWN, NULL, NULL, "not a time"},
    {"2026-01-07 10:34:08.", STAMP_UNKNOWN, NULL, NULL, "not a time"},
    {"2026-01-07 10:34:08 x", STAMP_UNKNOWN, NULL, NULL, "not a time"},
    {"2026-01-07 10:34:08+5:30", STAMP_UNKNOWN, NULL, NULL, "not a time"},
    {"2026-01-07 10:34:08+24:00", STAMP_UNKNOWN, NULL, NULL, "not a time"},
    {"2026-01-07 13:34 PM", STAMP_UNKNOWN, NULL, NULL, "not a time"},
    {"2026-01-07 10:3", STAMP_UNKNOWN, NULL, NULL, "not a time"},
    {"2026-01-07 :34", STAMP_UNKNOWN, NULL, NULL, "not a time"},
    {"-", STAMP_UNKNOWN, NULL, NULL, "not a time"},
    {"", STAMP_UNKNOWN, NULL, NULL, "not a time"},
};

START_TEST(reads_dates)
{
    struct stamp stamp;
    const char *error = stamp_parse(slice_of(stamps[_i].text), stamps[_i].order, &stamp);

    ck_assert_pstr_eq(error, stamps[_i].error);
    if (error)
        return;
    ck_assert(slice_is((struct slice){stamp.local, stamp.local_bytes}, stamps[_i].local));
    ck_assert_uint_eq(stamp.zoned_bytes, stamps[_i].zoned ? strlen(stamps[_i].zoned) : 0);
    if (stamps[_i].zoned)
        ck_assert_int_eq(memcmp(stamp.zoned, stamps[_i].zoned, stamp.zoned_bytes), 0);
}
END_TEST

START_TEST(knows_words)
{
    ck_assert(slice_is(word_punch(SLICE("Over-Time Out")), "overtime_out"));
    ck_assert(slice_is(word_punch(SLICE("C/Out")), "check_out"));
    ck_assert(slice_is(word_punch(SLICE("3")), "break_in"));
    ck_assert_ptr_null(word_punch(SLICE("6")).p);
    ck_assert_ptr_null(word_punch(SLICE("checkinn")).p);
    ck_assert_ptr_null(word_punch(SLICE("/")).p);
    ck_assert(slice_is(word_credential(SLICE("Finger Print")), "fingerprint"));
    ck_assert(slice_is(word_credential(SLICE("25")), "palm"));
    ck_assert_ptr_null(word_credential(SLICE("0")).p);
    ck_assert(slice_is(word_direction(SLICE("ENTRY")), "in"));
    ck_assert_ptr_null(word_direction(SLICE("2")).p);
    ck_assert_int_eq(word_code(SLICE("0255")), 255);
    ck_assert_int_eq(word_code(SLICE("12345")), -1);
    ck_assert_int_eq(word_code(SLICE("-1")), -1);
}
END_TEST

static const struct format *csv(void)
{
    return format_find(SLICE("csv"));
}

static const char *const tables[] = {
    "time,pin\n2026-01-07 10:34:08,126\r\n2026-01-07 10:34:09,127",
    "\xef\xbb\xbfpin;time\n\"1;\"\"2\";2026-01-07 10:34\n\n;;\n3;2026-01-07 10:34:09\n",
    "time,pin,note\n2026-01-07 10:34:08,1,\"a\nb\r\nc\"\r\n2026-01-07 10:34:08,2,\"a\"\"\"\n",
    "time,pin,note\n2026-01-07 10:34:08,1,\"a\n2026-01-07 10:34:08,2,b\n2026-01-07 10:34:08,3,c",
    "time,pin,note\n2026-01-07 10:34:08,1,\"a\"x\n2026-01-07 10:34:08,2,\"\r\n\"\r",
    "sep=;\ntime;pin\n2026-01-07 10:34:08;1\n",
};

START_TEST(cuts_do_not_matter)
{
    struct format_run whole, cut;

    ck_assert(format_run(&whole, csv(), slice_of(tables[_i]), 4096, NULL, 0));
    ck_assert_uint_gt(whole.events, 0);
    for (size_t piece = 1; piece < 40; piece++) {
        ck_assert(format_run(&cut, csv(), slice_of(tables[_i]), piece, NULL, 0));
        ck_assert_msg(slice_eq(buf_all(&cut.out), buf_all(&whole.out)), "piece %zu: %.*s", piece,
            (int)cut.out.len, cut.out.data);
        buf_free(&cut.out);
    }
    buf_free(&whole.out);
}
END_TEST

/* A quote that is never closed costs its own line; it neither gathers the file nor hides a row. */
START_TEST(a_stray_quote_costs_one_row)
{
    static const char head[] = "time,pin,note\n2026-01-07 10:34:08,1,\"stray\n";
    struct buf in = {0};
    struct format_run r;

    buf_lit(&in, head);
    for (int i = 0; i < 5000; i++)
        buf_lit(&in, "2026-01-07 10:34:09,2,x\n");
    ck_assert(format_run(&r, csv(), buf_all(&in), 1024, NULL, 0));
    ck_assert_uint_eq(r.events, 5001);
    ck_assert_uint_eq(r.errors, 1);
    ck_assert_uint_le(r.waiting, 20u << 10);
    buf_free(&r.out);
    buf_free(&in);
}
END_TEST

static const char *const wrong_options[][2] = {
    {"map", ""},
    {"map", "time"},
    {"map", "-,-,time"},
    {"map", "time,,pin"},
    {"map", "time,pin,shoe"},
    {"map", "time,pin:"},
    {"map", "time:1"},
    {"map", "person_id:1"},
    {"map", "time:0,pin:1"},
    {"map", "time:513,pin:1"},
    {"map", "time:,pin:1"},
    {"map", "shoe:1,time:2,pin:3"},
    {"map", "time:1,pin:2,"},
    {"header", "1"},
    {"header", "no"},
    {"separator", ""},
    {"separator", "\""},
    {"separator", "ab"},
    {"date", ""},
    {"date", "ymd"},
    {"dates", "dmy"},
};

START_TEST(refuses_options)
{
    const struct format_option option = {
        slice_of(wrong_options[_i][0]), slice_of(wrong_options[_i][1])};
    const struct format_options options = {.option = &option, .count = 1, .longest = 4096};
    struct fault why = {0};

    ck_assert_ptr_null(csv()->open(&options, &why));
    ck_assert_int_eq(why.status, EX_USAGE);
    ck_assert_str_ne(why.text, "");
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, reads_dates, 0, (int)(sizeof stamps / sizeof *stamps));
    tcase_add_test(tc, knows_words);
    tcase_add_loop_test(tc, cuts_do_not_matter, 0, (int)(sizeof tables / sizeof *tables));
    tcase_add_test(tc, a_stray_quote_costs_one_row);
    tcase_add_loop_test(
        tc, refuses_options, 0, (int)(sizeof wrong_options / sizeof *wrong_options));
}
UNIT_MAIN("format_csv", add_tests)

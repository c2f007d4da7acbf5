/* SPDX-License-Identifier: MIT */
/* Times as text: what is taken, what is refused, what is printed. */
#include "clock.h"

#include "../../support/unit.h"

static const struct {
    const char *text;
    int64_t local_s;
    int ms;
    bool has_offset;
    int32_t offset_s;
    size_t whole_bytes;
} good[] = {
    {"1970-01-01T00:00:00", 0, 0, false, 0, 19},
    {"2020-01-07T10:34:08", 1578393248, 0, false, 0, 19},
    {"2020-01-07 10:34:08", 1578393248, 0, false, 0, 19},
    {"2020-01-07t10:34:08z", 1578393248, 0, true, 0, 19},
    {"2020-01-07T10:34:08Z", 1578393248, 0, true, 0, 19},
    {"2020-01-07T10:34:08+08:00", 1578393248, 0, true, 28800, 19},
    {"2020-01-07T10:34:08-03:30", 1578393248, 0, true, -12600, 19},
    {"2020-01-07T10:34:08-00:00", 1578393248, 0, true, 0, 19},
    {"2020-01-07T10:34:08.25", 1578393248, 250, false, 0, 19},
    {"2020-01-07T10:34:08.1239999Z", 1578393248, 123, true, 0, 19},
    {"2016-12-31T23:59:60Z", 1483228799, 0, true, 0, 19},
    {"1969-12-31T23:59:59", -1, 0, false, 0, 19},
    {"0000-01-01T00:00:00", -62167219200, 0, false, 0, 19},
    {"9999-12-31T23:59:59.999", 253402300799, 999, false, 0, 19},
    {"2000-02-29T00:00:00", 951782400, 0, false, 0, 19},
    {"2026-05-04", 1777852800, 0, false, 0, 0},
};

START_TEST(takes)
{
    struct clock_time t;

    ck_assert(clock_parse(slice_of(good[_i].text), &t));
    ck_assert_int_eq(t.local_s, good[_i].local_s);
    ck_assert_int_eq(t.ms, good[_i].ms);
    ck_assert_int_eq(t.has_offset, good[_i].has_offset);
    ck_assert_int_eq(t.offset_s, good[_i].offset_s);
    ck_assert_uint_eq(t.whole_bytes, good[_i].whole_bytes);
}
END_TEST

static const char *const bad[] = {
    "",
    "2026-5-4",
    "2026-05-04T",
    "2026-05-04T10",
    "2026-05-04T10:34",
    "2026-05-04T10:34:0",
    "2026-05-04x10:34:08",
    "2026/05/04T10:34:08",
    "2026-05-04T10-34-08",
    "2026-13-01T00:00:00",
    "2026-00-01T00:00:00",
    "2026-04-31T00:00:00",
    "2026-05-00T00:00:00",
    "2025-02-29T00:00:00",
    "1900-02-29T00:00:00",
    "2026-05-04T24:00:00",
    "2026-05-04T10:60:00",
    "2026-05-04T10:34:61",
    "2026-05-04T10:34:08.",
    "2026-05-04T10:34:08.Z",
    "2026-05-04T10:34:08+8:00",
    "2026-05-04T10:34:08+0800",
    "2026-05-04T10:34:08+24:00",
    "2026-05-04T10:34:08+08:60",
    "2026-05-04T10:34:08 +08:00",
    "2026-05-04T10:34:08Zx",
    "+026-05-04T10:34:08",
    "2 26-05-04T10:34:08",
    "1971--10--29 -23:-59:-53",
    "\xd9\xa2\xd9\xa0-26-05-04T10:34",
};

START_TEST(refuses)
{
    struct clock_time t;

    ck_assert(!clock_parse(slice_of(bad[_i]), &t));
}
END_TEST

static bool day_fits(int64_t day, int year, int month, int d)
{
    char text[CLOCK_TEXT];
    struct clock_time t;
    int64_t last_s = day * 86400 + 86399;

    return clock_days(year, month, d) == day && clock_print_local(text, last_s, 0) == 19 &&
           clock_parse(slice_of(text), &t) && t.local_s == last_s;
}

/* Each day of ten thousand years, there and back, and one after the other. */
START_TEST(all_days)
{
    int64_t day = clock_days(0, 1, 1);

    ck_assert_int_eq(day, -719528);
    for (int year = 0; year <= 9999; year++)
        for (int month = 1; month <= 12; month++)
            for (int d = 1; d <= 31; d++)
                if (clock_date_exists(year, month, d) && !day_fits(day++, year, month, d))
                    ck_abort_msg("%d-%d-%d", year, month, d);
    ck_assert_int_eq(day, 2932897);
}
END_TEST

START_TEST(dates)
{
    ck_assert(clock_date_exists(2000, 2, 29));
    ck_assert(clock_date_exists(2024, 2, 29));
    ck_assert(!clock_date_exists(2100, 2, 29));
    ck_assert(!clock_date_exists(2026, 2, 0));
    ck_assert(!clock_date_exists(2026, 0, 1));
    ck_assert(!clock_date_exists(2026, 13, 1));
    ck_assert(!clock_date_exists(-1, 1, 1));
    ck_assert(!clock_date_exists(10000, 1, 1));
}
END_TEST

static const struct {
    int64_t local_s;
    int ms;
    int32_t offset_s;
    const char *text;
} zoned[] = {
    {1578393248, 0, 28800, "2020-01-07T10:34:08+08:00"},
    {1578393248, 250, 28800, "2020-01-07T10:34:08.250+08:00"},
    {1578393248, 5, -12600, "2020-01-07T10:34:08.005-03:30"},
    {1578393248, 0, 0, "2020-01-07T10:34:08+00:00"},
    {0, 0, -36000, "1970-01-01T00:00:00-10:00"},
    /* Amsterdam's mean time, +00:19:32: RFC 3339 cannot say that. */
    {-1000000000, 0, 1172, "1938-04-24T21:53:48Z"},
};

START_TEST(prints_zoned)
{
    char text[CLOCK_TEXT];
    size_t n = clock_print_zoned(text, zoned[_i].local_s, zoned[_i].ms, zoned[_i].offset_s);

    ck_assert_str_eq(text, zoned[_i].text);
    ck_assert_uint_eq(n, strlen(text));
}
END_TEST

START_TEST(prints_utc)
{
    char text[CLOCK_TEXT];

    ck_assert_uint_eq(clock_print_utc_ms(text, 1578364448250), 24);
    ck_assert_str_eq(text, "2020-01-07T02:34:08.250Z");
    clock_print_utc_ms(text, -1);
    ck_assert_str_eq(text, "1969-12-31T23:59:59.999Z");
}
END_TEST

#define BAD (-1) /* of no zone */

static const struct {
    const char *text;
    int32_t offset_s; /* BAD: not taken */
} offsets[] = {
    {"Z", 0},
    {"z", 0},
    {"+08:00", 28800},
    {"-03:30", -12600},
    {"-00:00", 0},
    {"+23:59", 86340},
    {"", BAD},
    {"+24:00", BAD},
    {"+08:60", BAD},
    {"+0800", BAD},
    {"08:00", BAD},
    {"+08:00 ", BAD},
    {"ZZ", BAD},
};

START_TEST(parses_offsets)
{
    int32_t offset_s;
    bool good_one = clock_parse_offset(slice_of(offsets[_i].text), &offset_s);

    ck_assert_int_eq(good_one, offsets[_i].offset_s != BAD);
    if (good_one)
        ck_assert_int_eq(offset_s, offsets[_i].offset_s);
}
END_TEST

START_TEST(instants)
{
    struct clock_time t;

    ck_assert(clock_parse(SLICE("2020-01-07T10:34:08.250+08:00"), &t));
    ck_assert_int_eq(clock_instant_ms(&t), 1578364448250);
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, takes, 0, COUNT(good));
    tcase_add_loop_test(tc, refuses, 0, COUNT(bad));
    tcase_add_loop_test(tc, parses_offsets, 0, COUNT(offsets));
    tcase_add_test(tc, all_days);
    tcase_add_test(tc, dates);
    tcase_add_loop_test(tc, prints_zoned, 0, COUNT(zoned));
    tcase_add_test(tc, prints_utc);
    tcase_add_test(tc, instants);
}

UNIT_MAIN("clock", add_tests)

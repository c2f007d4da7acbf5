/* SPDX-License-Identifier: MIT */
/* Periods of a clock: which one holds a moment. */
#include "clockwork.h"

#include "../../support/unit.h"

static struct clock_fix fixes[] = {{100, 200, 1}, {INT64_MIN, 50, 2}, {200, INT64_MAX, 3}};

static const struct {
    int64_t at, add_s; /* 0: none */
} rows[] = {
    {INT64_MIN, 2}, {49, 2}, {50, 0}, {99, 0}, {100, 1}, {199, 1}, {200, 3}, {INT64_MAX - 1, 3}};

START_TEST(corrections)
{
    const struct clockwork w = {.fixes = fixes, .fix_count = 3}, nothing = {0};
    const struct clock_fix *fix = clockwork_fix(&w, rows[_i].at);

    ck_assert_int_eq(fix ? fix->add_s : 0, rows[_i].add_s);
    ck_assert_ptr_null(clockwork_fix(&nothing, rows[_i].at));
}
END_TEST

START_TEST(overlaps)
{
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            ck_assert_int_eq(clockwork_overlap(&fixes[i], &fixes[j]), i == j);
    ck_assert(clockwork_overlap(&fixes[0], &(struct clock_fix){199, 201, 0}));
    ck_assert(clockwork_overlap(&fixes[0], &(struct clock_fix){0, 101, 0}));
    ck_assert(clockwork_overlap(&fixes[0], &(struct clock_fix){120, 130, 0}));
    ck_assert(!clockwork_overlap(&fixes[0], &(struct clock_fix){0, 100, 0}));
}
END_TEST

START_TEST(zones)
{
    struct fault why;
    struct zone *a = zone_find("UTC", &why), *b = zone_find("Asia/Manila", &why);
    struct zone_period periods[] = {{INT64_MIN, a}, {100, b}, {200, a}};
    struct clockwork w = {.zones = periods, .zone_count = 3};

    ck_assert_ptr_eq(clockwork_zone(&w, INT64_MIN), a);
    ck_assert_ptr_eq(clockwork_zone(&w, 99), a);
    ck_assert_ptr_eq(clockwork_zone(&w, 100), b);
    ck_assert_ptr_eq(clockwork_zone(&w, 199), b);
    ck_assert_ptr_eq(clockwork_zone(&w, 200), a);
    w.zones++;
    w.zone_count = 1;
    ck_assert_ptr_null(clockwork_zone(&w, 99));
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, corrections, 0, (int)(sizeof rows / sizeof *rows));
    tcase_add_test(tc, overlaps);
    tcase_add_test(tc, zones);
}

UNIT_MAIN("clockwork", add_tests)

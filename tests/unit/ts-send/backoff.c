/* SPDX-License-Identifier: MIT */
/* The waits: their bounds, and that they fill them. */
#include "backoff.h"

#include "../../support/unit.h"

static const struct {
    int64_t first, last;
    unsigned failures;
    uint64_t random;
    int64_t wait;
} rows[] = {
    {500, 60000, 1, 0, 1},
    {500, 60000, 1, 499, 500},
    {500, 60000, 1, 500, 1},
    {500, 60000, 2, 999, 1000},
    {500, 60000, 3, 1999, 2000},
    {500, 60000, 7, 31999, 32000},
    {500, 60000, 8, 59999, 60000},
    {500, 60000, 8, 60000, 1},
    {500, 60000, 4000000000u, 59999, 60000},
    {500, 60000, 9, UINT64_MAX, 1 + (int64_t)(UINT64_MAX % 60000)},
    {500, 60000, 0, 499, 500},
    {1, 1, 50, 77, 1},
    {0, 0, 3, 5, 1},
    {1000, 10, 1, 9, 10},
    {1, INT64_MAX, 70, (uint64_t)INT64_MAX - 1, INT64_MAX},
};

START_TEST(row)
{
    struct backoff b = {rows[_i].first, rows[_i].last};

    ck_assert_int_eq(backoff_ms(&b, rows[_i].failures, rows[_i].random), rows[_i].wait);
}
END_TEST

START_TEST(stays_in_bounds)
{
    struct backoff b = {300, 7000};
    uint64_t random = 88172645463325252u;

    for (unsigned i = 0; i < 100000; i++) {
        int64_t wait, most = 300ll << (i % 5);

        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        wait = backoff_ms(&b, i % 5 + 1, random);
        ck_assert_int_ge(wait, 1);
        ck_assert_int_le(wait, most < 7000 ? most : 7000);
    }
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_loop_test(tc, row, 0, (int)(sizeof rows / sizeof *rows));
    tcase_add_test(tc, stays_in_bounds);
}
UNIT_MAIN("backoff", add)

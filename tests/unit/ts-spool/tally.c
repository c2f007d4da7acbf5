/* SPDX-License-Identifier: MIT */
/* Counts by key: bounded, in order of first sight. */
#include "tally.h"

#include <stdio.h>

#include "../../support/unit.h"

START_TEST(counts_in_order)
{
    struct tally *t = tally_new();
    struct tally_row row;
    size_t n = 0;

    tally_count(t, SLICE("b"), STATE_DEAD, NULL);
    tally_count(t, SLICE("a"), STATE_WAITING, NULL);
    tally_count(t, SLICE("b"), STATE_WAITING, NULL);
    tally_count(t, SLICE(""), STATE_HELD, NULL);
    ck_assert(tally_next(t, &n, &row));
    ck_assert(slice_is(row.key, "b"));
    ck_assert_uint_eq(row.all, 2);
    ck_assert_uint_eq(row.in[STATE_DEAD], 1);
    ck_assert(tally_next(t, &n, &row));
    ck_assert(slice_is(row.key, "a"));
    ck_assert(tally_next(t, &n, &row));
    ck_assert_uint_eq(row.key.n, 0);
    ck_assert_ptr_nonnull(row.key.p);
    ck_assert(!tally_next(t, &n, &row));
    tally_free(t);
}
END_TEST

START_TEST(an_empty_key_is_a_key)
{
    struct tally *t = tally_new();
    struct tally_row row;
    size_t n = 0;

    tally_count(t, SLICE(""), STATE_HELD, NULL);
    ck_assert(tally_next(t, &n, &row));
    ck_assert_ptr_nonnull(row.key.p);
    tally_free(t);
}
END_TEST

START_TEST(keeps_what_was_seen)
{
    static const struct tally_seen seen[] = {
        {SLICE("2026-05-04T08:00:00+08:00"), SLICE_NONE, SLICE("D1"), SLICE("unmapped")},
        {SLICE("2026-05-03T09:00:00"), SLICE("Ada Example"), SLICE("D1"), SLICE("unmapped")},
        {SLICE_NONE, SLICE("Other"), SLICE("D2"), SLICE_NONE},
        {SLICE("2026-05-03"), SLICE_NONE, SLICE_NONE, SLICE("")},
    };
    struct tally *t = tally_new();
    struct tally_row row;
    size_t n = 0;

    for (size_t i = 0; i < sizeof seen / sizeof *seen; i++)
        tally_count(t, SLICE("p"), STATE_HELD, &seen[i]);
    tally_count(t, SLICE("q"), STATE_HELD, NULL);
    ck_assert(tally_next(t, &n, &row));
    ck_assert(slice_is(row.first, "2026-05-03"));
    ck_assert(slice_is(row.last, "2026-05-04T08:00:00"));
    ck_assert(slice_is(row.name, "Ada Example"));
    ck_assert(slice_is(row.device, "D1"));
    ck_assert(slice_is(row.reason, "unmapped"));
    ck_assert(row.more_devices && !row.more_reasons);
    ck_assert(tally_next(t, &n, &row));
    ck_assert_ptr_null(row.first.p);
    ck_assert_ptr_null(row.name.p);
    tally_free(t);
}
END_TEST

START_TEST(is_bounded)
{
    struct tally *t = tally_new();
    struct tally_row row;
    size_t n = 0, rows = 0;
    uint64_t all = 0;
    char key[32];

    for (unsigned i = 0; i < TALLY_KEYS + 100; i++) {
        snprintf(key, sizeof key, "%u", i);
        tally_count(t, slice_of(key), STATE_WAITING, NULL);
    }
    while (tally_next(t, &n, &row)) {
        rows++;
        all += row.all;
    }
    ck_assert_uint_eq(rows, TALLY_KEYS + 1);
    ck_assert_uint_eq(all, TALLY_KEYS + 100);
    ck_assert_ptr_null(row.key.p);
    ck_assert_uint_eq(row.all, 100);
    tally_free(t);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, counts_in_order);
    tcase_add_test(tc, an_empty_key_is_a_key);
    tcase_add_test(tc, keeps_what_was_seen);
    tcase_add_test(tc, is_bounded);
}

UNIT_MAIN("tally", add_tests)

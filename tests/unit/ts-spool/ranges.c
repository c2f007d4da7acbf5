/* SPDX-License-Identifier: MIT */
/* Sets of numbers as ranges, against a plain array of flags. */
#include "ranges.h"

#include <stdio.h>
#include <string.h>

#include "../../support/unit.h"

enum { TOP = 200 };

/* The set as text: "1-3 7-7". */
static const char *text_of(const struct ranges *r)
{
    static char text[4096];
    size_t n = 0;

    text[0] = '\0';
    for (size_t i = 0; i < r->count; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%d-%d", i > 0 ? " " : "",
            (int)r->at[i].first, (int)r->at[i].last);
    return text;
}

static const struct {
    int add[8][2];
    const char *wanted;
} rows[] = {
    {{{5, 5}}, "5-5"},
    {{{5, 5}, {6, 6}}, "5-6"},
    {{{5, 5}, {4, 4}}, "4-5"},
    {{{5, 5}, {7, 7}}, "5-5 7-7"},
    {{{5, 5}, {7, 7}, {6, 6}}, "5-7"},
    {{{7, 9}, {1, 2}, {4, 5}}, "1-2 4-5 7-9"},
    {{{7, 9}, {1, 2}, {4, 5}, {3, 3}}, "1-5 7-9"},
    {{{7, 9}, {1, 2}, {4, 5}, {2, 8}}, "1-9"},
    {{{7, 9}, {8, 8}}, "7-9"},
    {{{7, 9}, {1, 20}}, "1-20"},
};

START_TEST(merges)
{
    struct ranges r = {0};

    for (int i = 0; rows[_i].add[i][0] > 0; i++)
        ranges_add(&r, (uint64_t)rows[_i].add[i][0], (uint64_t)rows[_i].add[i][1]);
    ck_assert_str_eq(text_of(&r), rows[_i].wanted);
    ranges_free(&r);
}
END_TEST

START_TEST(floor_takes_what_touches)
{
    struct ranges r = {0};

    ranges_add(&r, 3, 4);
    ranges_add(&r, 6, 9);
    ck_assert_uint_eq(ranges_floor(&r, 2), 2);
    ck_assert_str_eq(text_of(&r), "3-4 6-9");
    ck_assert_uint_eq(ranges_floor(&r, 3), 5);
    ck_assert_str_eq(text_of(&r), "6-9");
    ck_assert_uint_eq(ranges_floor(&r, 7), 10);
    ck_assert_uint_eq(r.count, 0);
    ck_assert_uint_eq(ranges_floor(&r, 7), 7);
    ranges_free(&r);
}
END_TEST

START_TEST(is_the_set_that_was_added)
{
    struct ranges r = {0};
    bool in[TOP + 2] = {false};
    unsigned seed = 1;

    for (int step = 0; step < 300; step++) {
        int first = 1 + rand_r(&seed) % TOP, last = first + rand_r(&seed) % 4;

        if (last > TOP)
            last = TOP;
        ranges_add(&r, (uint64_t)first, (uint64_t)last);
        memset(in + first, 1, (size_t)(last - first + 1));
        for (uint64_t n = 1; n <= TOP + 1; n++)
            ck_assert_msg(ranges_have(&r, n) == in[n], "step %d: %d", step, (int)n);
        for (size_t i = 1; i < r.count; i++)
            ck_assert_uint_lt(r.at[i - 1].last + 1, r.at[i].first);
    }
    ranges_free(&r);
}
END_TEST

/* Applies a difference to a set of rows keyed by their first, as the table of the store is. */
static uint64_t table[TOP + 2];

static int drop_row(void *arg, const struct range *range)
{
    ++*(int *)arg;
    ck_assert_uint_eq(table[range->first], range->last);
    table[range->first] = 0;
    return 0;
}

static int add_row(void *arg, const struct range *range)
{
    ++*(int *)arg;
    table[range->first] = range->last;
    return 0;
}

static int refuse_row(void *arg, const struct range *range)
{
    (void)arg;
    (void)range;
    return -1;
}

START_TEST(difference_makes_one_from_the_other)
{
    struct ranges from = {0}, to = {0};
    unsigned seed = 7;

    memset(table, 0, sizeof table);
    for (int step = 0; step < 200; step++) {
        int changes = 0;
        struct ranges_change change = {drop_row, add_row, &changes};
        uint64_t n = 1 + (uint64_t)rand_r(&seed) % TOP;

        ranges_add(&to, n, n);
        if (step % 10 == 9)
            ranges_floor(&to, to.at[0].first);
        ck_assert_int_eq(ranges_diff(&from, &to, &change), 0);
        for (uint64_t first = 1, i = 0; first <= TOP; first++)
            if (table[first] > 0) {
                ck_assert_uint_lt(i, to.count);
                ck_assert_uint_eq(to.at[i].first, first);
                ck_assert_uint_eq(to.at[i].last, table[first]);
                i++;
            }
        ranges_copy(&from, &to);
        changes = 0;
        ranges_diff(&from, &to, &change);
        ck_assert_int_eq(changes, 0);
    }
    ranges_add(&to, TOP + 10, TOP + 10);
    ck_assert_int_eq(
        ranges_diff(&from, &to, &(struct ranges_change){refuse_row, refuse_row, NULL}), -1);
    ranges_free(&from);
    ranges_free(&to);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, merges, 0, (int)(sizeof rows / sizeof *rows));
    tcase_add_test(tc, floor_takes_what_touches);
    tcase_add_test(tc, is_the_set_that_was_added);
    tcase_add_test(tc, difference_makes_one_from_the_other);
}

UNIT_MAIN("ranges", add_tests)

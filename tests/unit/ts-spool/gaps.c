/* SPDX-License-Identifier: MIT */
/* Missing serial numbers: found from counts of days, named from lines. */
#include "gaps.h"

#include <stdio.h>

#include "../../support/unit.h"
#include "missing.h"

enum { DAYS = 6, TOP = 300 };

#define DAY(n, low, high)                                                                          \
    {                                                                                              \
        .serials = (n), .first = (low), .last = (high)                                             \
    }
#define ODD(n, low, high)                                                                          \
    {                                                                                              \
        .serials = (n), .first = (low), .last = (high), .odd = true                                \
    }

/* Days as (serials, first, last); what is wanted of each, and the sum. */
static const struct {
    const char *name;
    struct gap_day day[DAYS];
    int64_t missing[DAYS], before[DAYS], sum;
} rows[] = {
    {"nothing", {{0}}, {0}, {0}, 0},
    {"complete", {DAY(10, 1, 10), DAY(5, 11, 15)}, {0}, {0}, 0},
    {"within a day", {DAY(8, 1, 10), DAY(5, 11, 15)}, {2, 0}, {0}, 2},
    {"between days", {DAY(10, 1, 10), DAY(5, 14, 18)}, {0}, {0, 3}, 3},
    {"both", {DAY(9, 1, 10), DAY(4, 14, 18)}, {1, 1}, {0, 3}, 5},
    {"a day without numbers between", {DAY(10, 1, 10), DAY(0, -1, -1), DAY(5, 12, 16)}, {0},
        {0, 0, 1}, 1},
    {"clock set back over midnight", {DAY(53, 50, 104), DAY(98, 100, 200)}, {0}, {0}, 0},
    {"the same, and one is missing", {DAY(52, 50, 104), DAY(98, 100, 200)}, {1, 0}, {0}, 1},
    {"an unset clock", {ODD(1, 20, 20), DAY(39, 1, 40), DAY(10, 41, 50)}, {0}, {0}, 0},
    {"an unset clock, between days", {ODD(2, 41, 42), DAY(40, 1, 40), DAY(8, 43, 50)}, {0}, {0}, 0},
    {"an unset clock at the very first", {ODD(3, 1, 3), DAY(7, 4, 10)}, {0}, {0}, 0},
    {"an unset clock, far away", {ODD(3, 1, 3), DAY(7, 4000, 4006)}, {0}, {0}, 0},
    {"a clock far ahead", {DAY(39, 1, 40), DAY(10, 41, 50), ODD(1, 20, 20)}, {0}, {0}, 0},
    {"cleared, counts again", {DAY(100, 1, 100), DAY(10, 1, 10), DAY(10, 11, 20)}, {0}, {0}, 0},
    {"cleared before its first known", {DAY(100, 900, 999), DAY(10, 1, 10), DAY(9, 12, 20)}, {0},
        {0, 0, 1}, 1},
    {"cleared after a gap", {DAY(95, 1, 100), DAY(60, 1, 60), DAY(60, 62, 121)}, {5}, {0, 0, 1}, 6},
    {"days out of order", {DAY(10, 1, 10), DAY(10, 21, 30), DAY(10, 11, 20)}, {0}, {0}, 0},
    {"a number once more", {DAY(11, 1, 10)}, {0}, {0}, 0},
    {"a broken counter", {DAY(2, 0, INT64_MAX)}, {INT64_MAX - 2}, {0}, INT64_MAX - 2},
};

START_TEST(each_row)
{
    struct gap_day day[DAYS];

    for (int i = 0; i < DAYS; i++)
        day[i] = rows[_i].day[i];
    ck_assert_msg(gaps_find(day, DAYS, NULL, NULL) == rows[_i].sum, "%s: sum", rows[_i].name);
    for (int i = 0; i < DAYS; i++) {
        ck_assert_msg(day[i].missing == rows[_i].missing[i], "%s: day %d misses %lld",
            rows[_i].name, i, (long long)day[i].missing);
        ck_assert_msg(day[i].missing_before == rows[_i].before[i], "%s: before day %d %lld",
            rows[_i].name, i, (long long)day[i].missing_before);
    }
}
END_TEST

/* Numbers 1..TOP on days at random, near their order; some are lost.  All that is lost between the
   lowest and the highest is found, counted and named. */

static struct missing *missing;
static int64_t found;

static void note(void *arg, const struct gap *gap)
{
    (void)arg;
    found += gap->count;
    missing_add(missing, SLICE("D"), SLICE("2026-05-04"), gap);
}

static bool lost[TOP + 2], named[TOP + 2];

static int name_it(void *arg, const struct missing_row *row)
{
    (void)arg;
    ck_assert(row->exact);
    ck_assert_int_eq(row->count, row->last - row->first + 1);
    for (int64_t n = row->first; n <= row->last; n++)
        named[n] = true;
    return 0;
}

static int64_t lose(unsigned *seed, struct gap_day *day)
{
    int64_t first = 0, last = 0, sum = 0;

    for (int n = 1; n <= TOP; n++) {
        int at = (n * DAYS + rand_r(seed) % 200) / (TOP + 60) % DAYS;
        struct gap_day *d = &day[at];

        lost[n] = rand_r(seed) % 9 == 0;
        named[n] = false;
        if (lost[n])
            continue;
        first = first ? first : n;
        last = n;
        d->first = d->serials ? d->first : n;
        d->last = n;
        d->serials++;
    }
    for (int64_t n = 1; n <= TOP; n++) {
        lost[n] = lost[n] && n > first && n < last;
        sum += lost[n];
    }
    return sum;
}

START_TEST(finds_and_names_what_is_lost)
{
    struct gap_day day[DAYS] = {{0}};
    unsigned seed = (unsigned)_i;
    int64_t sum = lose(&seed, day), told = 0;

    missing = missing_new();
    found = 0;
    ck_assert_int_eq(gaps_find(day, DAYS, note, NULL), sum);
    ck_assert_int_eq(found, sum);
    for (int i = 0; i < DAYS; i++)
        told += day[i].missing + day[i].missing_before;
    ck_assert_int_eq(told, sum);
    for (int64_t n = TOP; n > 0; n--)
        if (!lost[n])
            missing_seen(missing, SLICE("D"), n);
    ck_assert_int_eq(missing_each(missing, name_it, NULL), 0);
    for (int64_t n = 1; n <= TOP; n++)
        ck_assert_msg(lost[n] == named[n], "%lld", (long long)n);
    missing_free(missing);
}
END_TEST

static int print(void *arg, const struct missing_row *row)
{
    char *text = arg;

    sprintf(text + strlen(text), "%.*s %lld-%lld %lld %s; ", (int)row->device.n, row->device.p,
        (long long)row->first, (long long)row->last, (long long)row->count,
        row->exact ? "exact" : "within");
    return 0;
}

START_TEST(purged_lines_name_no_number)
{
    struct missing *m = missing_new();
    char text[200] = "";

    missing_add(m, SLICE("A"), SLICE("2026-05-04"), &(struct gap){5, 9, 5, 0});
    ck_assert(!missing_needs_lines(m));
    missing_add(m, SLICE("B"), SLICE("2026-05-04"), &(struct gap){1, 10, 2, 0});
    missing_add(m, SLICE("C"), SLICE("2026-05-04"), &(struct gap){1, 6, 2, 0});
    ck_assert(missing_needs_lines(m));
    missing_seen(m, SLICE("A"), 7);
    missing_seen(m, SLICE("B"), 1);
    missing_seen(m, SLICE("C"), 1);
    missing_seen(m, SLICE("C"), 3);
    missing_seen(m, SLICE("C"), 4);
    missing_seen(m, SLICE("C"), 6);
    missing_seen(m, SLICE("C"), 60);
    missing_seen(m, SLICE("D"), 2);
    missing_seen(m, SLICE_NONE, 2);
    missing_each(m, print, text);
    ck_assert_str_eq(text, "A 5-9 5 exact; B 1-10 2 within; C 2-2 1 exact; C 5-5 1 exact; ");
    missing_free(m);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, each_row, 0, (int)(sizeof rows / sizeof *rows));
    tcase_add_loop_test(tc, finds_and_names_what_is_lost, 0, 40);
    tcase_add_test(tc, purged_lines_name_no_number);
}

UNIT_MAIN("gaps", add_tests)

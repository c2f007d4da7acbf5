/* SPDX-License-Identifier: MIT */
/* Counts by device and day: ids once, records each time. */
#include "tally.h"

#include <stdio.h>

#include "../../support/unit.h"

static const struct {
    const char *device, *who, *clock;
} added[] = {
    {"\"A\"", "1", "2026-05-04T08:00:00"},
    {"\"A\"", "1", "2026-05-04T08:00:00.250"}, /* one id: whole seconds */
    {"\"A\"", "2", "2026-05-04T08:00:00"},
    {"\"B\"", "1", "2026-05-04T08:00:00"},
    {"\"A\"", "1", "2026-05-03T23:59:59"},
    {"\"A\"", "1", "2026-05-05T00:00:00"},
    {"\"A\"", "1", NULL},
};

START_TEST(by_device_and_day)
{
    struct tally *t = tally_new();
    struct buf out = {0};

    for (size_t i = 0; i < sizeof added / sizeof *added; i++)
        tally_add(t, slice_of(added[i].device), slice_of(added[i].who),
            added[i].clock ? slice_of(added[i].clock) : SLICE_NONE);
    tally_says(t, SLICE("\"B\""), 7, 0);
    tally_says(t, SLICE("\"C\""), 0, 1000);
    tally_print(t, &out);
    buf_char(&out, '\0');
    ck_assert_str_eq(out.data,
        "{\"device\":\"A\",\"day\":\"2026-05-03\",\"events\":1,\"records\":1}\n"
        "{\"device\":\"A\",\"day\":\"2026-05-04\",\"events\":2,\"records\":3}\n"
        "{\"device\":\"A\",\"day\":\"2026-05-05\",\"events\":1,\"records\":1}\n"
        "{\"device\":\"A\",\"events\":4,\"records\":6,\"first\":\"2026-05-03T23:59:59\","
        "\"last\":\"2026-05-05T00:00:00\",\"not_understood\":1}\n"
        "{\"device\":\"B\",\"day\":\"2026-05-04\",\"events\":1,\"records\":1}\n"
        "{\"device\":\"B\",\"events\":1,\"records\":1,\"first\":\"2026-05-04T08:00:00\","
        "\"last\":\"2026-05-04T08:00:00\",\"not_understood\":0,\"says\":7}\n"
        "{\"device\":\"C\",\"events\":0,\"records\":0,\"not_understood\":0,\"says\":0,"
        "\"room\":1000}\n");
    buf_free(&out);
    tally_free(t);
}
END_TEST

/* Many of both, each twice, in an order that is none. */
START_TEST(many)
{
    struct tally *t = tally_new();
    struct buf out = {0};

    for (unsigned i = 0; i < 200000; i++) {
        unsigned n = i % 100000 * 7919u % 100000u;
        char who[16], clock[32];

        snprintf(who, sizeof who, "%u", n % 500);
        snprintf(clock, sizeof clock, "20%02u-%02u-%02uT%02u:00:00", 10 + n / 500 % 10,
            1 + n / 5000 % 12, 1 + n / 60000, n / 500 % 20);
        tally_add(t, SLICE("\"A\""), slice_of(who), slice_of(clock));
    }
    tally_print(t, &out);
    buf_char(&out, '\0');
    ck_assert_ptr_nonnull(strstr(out.data, "\"records\":200000,\"first\""));
    ck_assert_ptr_nonnull(strstr(out.data, "\"day\":\"2010-01-01\""));
    buf_free(&out);
    tally_free(t);
}
END_TEST

START_TEST(days_without_end)
{
    struct tally *t = tally_new();
    struct buf out = {0};

    for (unsigned i = 0; i < 30000; i++) {
        char clock[40];

        snprintf(
            clock, sizeof clock, "%04u-%02u-%02uT00:00:00", 1000 + i / 100, i / 10 % 10, i % 10);
        tally_add(t, SLICE("\"A\""), SLICE("1"), slice_of(clock));
        if (i % 1000 == 0)
            tally_add(t, SLICE("\"A\""), SLICE("2"), slice_of(clock));
    }
    tally_print(t, &out);
    buf_char(&out, '\0');
    ck_assert_ptr_nonnull(strstr(out.data, "\"records\":30030,\"first\""));
    buf_free(&out);
    tally_free(t);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, by_device_and_day);
    tcase_add_test(tc, many);
    tcase_add_test(tc, days_without_end);
}

UNIT_MAIN("tally", add_tests)

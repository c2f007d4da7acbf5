/* SPDX-License-Identifier: MIT */
/* What a store keeps of an event: the device, its day, its serial number. */
#include "facts.h"

#include <stdio.h>

#include "../../support/unit.h"

static const struct {
    const char *line, *device, *day;
    int64_t serial;
} rows[] = {
    {"{\"device_id\":\"A\",\"local_time\":\"2026-05-04T23:59:59\",\"time\":\"2026-05-05T03:59:"
     "59Z\","
     "\"serial_no\":7}",
        "A", "2026-05-04", 7},
    {"{\"device_id\":\"A\",\"time\":\"2026-05-05T03:59:59+02:00\",\"serial_no\":\"0012\"}", "A",
        "2026-05-05", 12},
    {"{\"device_id\":5,\"local_time\":\"2026-02-30T00:00:00\",\"time\":\"2026-03-02T00:00:00Z\"}",
        "5", "2026-03-02", -1},
    {"{\"local_time\":\"yesterday at noon\"}", NULL, NULL, -1},
    {"{\"device_id\":null,\"serial_no\":-4}", NULL, NULL, -1},
    {"{\"serial_no\":1.5}", NULL, NULL, -1},
    {"{\"serial_no\":999999999999999999}", NULL, NULL, 999999999999999999},
    {"{\"serial_no\":1000000000000000000}", NULL, NULL, -1},
    {"{\"serial_no\":\"\"}", NULL, NULL, -1},
};

static void is(struct slice got, const char *want)
{
    if (!want)
        ck_assert_ptr_null(got.p);
    else
        ck_assert_msg(slice_is(got, want), "%.*s, not %s", (int)got.n, got.p ? got.p : "", want);
}

START_TEST(facts_of_an_event)
{
    struct event_reader *parser = event_reader_new();
    struct event e;
    struct fault why;
    struct record r = {0};

    ck_assert_int_eq(event_read(parser, slice_of(rows[_i].line), &e, &why), 0);
    facts_of(&r, &e);
    is(r.device, rows[_i].device);
    is(r.day, rows[_i].day);
    ck_assert_int_eq(r.serial, rows[_i].serial);
    event_reader_free(parser);
}
END_TEST

START_TEST(long_names_are_cut)
{
    char line[400];
    struct event_reader *parser = event_reader_new();
    struct event e;
    struct fault why;
    struct record r = {0};

    snprintf(line, sizeof line, "{\"device_id\":\"%0300d\"}", 1);
    ck_assert_int_eq(event_read(parser, slice_of(line), &e, &why), 0);
    facts_of(&r, &e);
    ck_assert_uint_eq(r.device.n, STORE_DEVICE_MAX);
    event_reader_free(parser);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, facts_of_an_event, 0, (int)(sizeof rows / sizeof *rows));
    tcase_add_test(tc, long_names_are_cut);
}

UNIT_MAIN("facts", add_tests)

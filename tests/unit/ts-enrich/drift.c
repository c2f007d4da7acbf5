/* SPDX-License-Identifier: MIT */
/* Measured clocks: what is told of a device from samples, when, and what is not. */
#include "drift.h"

#include <stdio.h>

#include "../../support/unit.h"

#define LIMIT_MS 60000
#define NOON_MS 1793534400000ll /* 2026-11-01T12:00:00Z */
#define NOON_S 1793534400

static struct drift *d;
static struct buf said;

static void say(const char *text)
{
    buf_text(&said, text);
    buf_char(&said, '\n');
}

static void set_up(void)
{
    d = drift_new();
    said.len = 0;
}

static void tear_down(void)
{
    drift_free(d);
    buf_free(&said);
}

/* What is told now. */
static const char *told(void)
{
    bool news = drift_has_news(d);

    said.len = 0;
    drift_tell(d, LIMIT_MS, say);
    ck_assert(news || said.len == 0);
    ck_assert(!drift_has_news(d));
    buf_char(&said, '\0');
    return said.data;
}

static struct drift_sample sample_of(const char *device)
{
    return (struct drift_sample){
        .device = slice_of(device), .known = true, .received_ms = NOON_MS, .local_s = NOON_S};
}

/* `count` events, `step_s` apart, from minute `from` on. */
static void add(struct drift_sample s, int count, int step_s, int from)
{
    for (int i = 0; i < count; i++) {
        int64_t after_s = from * 60 + i * step_s;
        struct drift_sample one = s;

        one.received_ms += after_s * 1000;
        one.local_s += after_s;
        drift_add(d, &one, LIMIT_MS);
    }
}

/* Twenty events a minute apart. */
static const struct {
    int64_t skew_ms, added_s;
    const char *zone;
    bool told;
    int32_t offset_s;
    const char *text; /* after "device G: its clock is " */
} rows[] = {
    {LIMIT_MS, 0, "UTC", false, 0, NULL},
    {-LIMIT_MS, 0, "UTC", false, 0, NULL},
    {412400, 0, "UTC", false, 0,
        "412 s ahead, set it; what it wrote until then is corrected in the site file by "
        "\"clock\": [{\"from\": \"2026-11-01T12:00:00\", \"add_s\": -412}]"},
    {-412600, 0, "UTC", false, 0,
        "413 s behind, set it; what it wrote until then is corrected in the site file by "
        "\"clock\": [{\"from\": \"2026-11-01T12:00:00\", \"add_s\": 413}]"},
    {-100000, 400, "UTC", false, 0,
        "100 s behind, set it; what it wrote until then is corrected in the site file by "
        "\"clock\": [{\"from\": \"2026-11-01T12:00:00\", \"add_s\": 500}]"},
    {8 * 3600000 - 1500, 0, "Asia/Manila", true, 0,
        "28799 s ahead, as if it wrote local time and called it UTC; in the site file "
        "\"utc_offset\": \"ignore\" mends that"},
    {-5 * 3600000 - 1500, 0, "America/New_York", true, 0,
        "18002 s behind, as if it wrote local time and called it UTC; in the site file "
        "\"utc_offset\": \"ignore\" mends that"},
    {-7 * 3600000, 0, "Europe/Berlin", true, 28800,
        "25200 s behind, as if it wrote local time and called it another zone's; in the site file "
        "\"utc_offset\": \"ignore\" mends that"},
    {20700000, 0, NULL, true, 0,
        "20700 s ahead, as if it wrote local time and called it UTC; in the site file \"zone\" and "
        "\"utc_offset\": \"ignore\" mends that"},
    {7 * 3600000, 0, "Asia/Manila", true, 0,
        "25200 s ahead, set it; what it wrote until then is corrected in the site file by "
        "\"clock\": [{\"from\": \"2026-11-01T12:00:00\", \"add_s\": -25200}]"},
    {3600000 - 5000, 0, "Europe/Berlin", false, 0,
        "3595 s ahead, as if its zone were not Europe/Berlin, or its summer time not set"},
    {-1800000, 0, NULL, false, 0,
        "1800 s behind, as if its zone were not what its events say, or its summer time not set"},
    {900000, 0, "UTC", false, 0,
        "900 s ahead, set it; what it wrote until then is corrected in the site file by "
        "\"clock\": [{\"from\": \"2026-11-01T12:00:00\", \"add_s\": -900}]"},
    {3600000 + 125000, 0, "UTC", false, 0,
        "3725 s ahead, set it; what it wrote until then is corrected in the site file by "
        "\"clock\": [{\"from\": \"2026-11-01T12:00:00\", \"add_s\": -3725}]"},
};

START_TEST(verdicts)
{
    struct drift_sample s = sample_of("G");
    struct fault why;
    char wanted[400] = "";

    s.skew_ms = rows[_i].skew_ms;
    s.added_s = rows[_i].added_s;
    s.zone = rows[_i].zone ? zone_find(rows[_i].zone, &why) : NULL;
    s.told = rows[_i].told;
    s.offset_s = rows[_i].offset_s;
    add(s, 20, 60, 0);
    if (rows[_i].text)
        snprintf(wanted, sizeof wanted, "device G: its clock is %s\n", rows[_i].text);
    ck_assert_str_eq(told(), wanted);
    add(s, 20, 60, 20);
    ck_assert_str_eq(told(), ""); /* once */
}
END_TEST

/* An event that was on its way for long says nothing about the clock. */
START_TEST(delays)
{
    struct drift_sample late = sample_of("G"), right = sample_of("G");

    late.skew_ms = -7200000;
    add(late, 500, 0, 0); /* what was kept during an outage, all at once */
    ck_assert_str_eq(told(), "");
    add(late, 9, 60, 1);
    right.skew_ms = -900;
    add(right, 1, 0, 12); /* the first that comes in time settles it */
    add(late, 500, 1, 13);
    ck_assert_str_eq(told(), "");
    late = sample_of("H");
    late.skew_ms = -7200000;
    add(late, 4, 60, 0);
    ck_assert_str_eq(told(), "");
}
END_TEST

START_TEST(ahead_needs_more_than_one)
{
    struct drift_sample s = sample_of("G");

    s.skew_ms = 400000;
    add(s, 2, 60, 0);
    ck_assert_str_eq(told(), "");
    add(s, 1, 60, 2);
    ck_assert(strstr(told(), "400 s ahead"));
}
END_TEST

/* Said anew when it changed by more than the limit; and when it is right again, on another day. */
START_TEST(changes)
{
    struct drift_sample s = sample_of("G");

    s.skew_ms = 400000;
    add(s, 20, 60, 0);
    ck_assert(strstr(told(), "400 s ahead"));
    s.skew_ms = 455000;
    add(s, 20, 60, 20);
    ck_assert_str_eq(told(), "");
    s.skew_ms = 461000;
    add(s, 20, 60, 40);
    ck_assert(strstr(told(), "461 s ahead"));
    s.skew_ms = -1000;
    add(s, 20, 60, 60);
    ck_assert_str_eq(told(), "");
    add(s, 5, 60, 24 * 60); /* too few of the new day: the day before counts */
    ck_assert_str_eq(told(), "");
    add(s, 20, 60, 24 * 60 + 5);
    ck_assert_str_eq(told(), "device G: its clock is right again\n");
    ck_assert_str_eq(told(), "");
}
END_TEST

/* What the site file says since is measured anew. */
START_TEST(mended)
{
    struct drift_sample s = sample_of("G");

    s.skew_ms = 400000;
    add(s, 20, 60, 0);
    ck_assert(strstr(told(), "400 s ahead"));
    s.skew_ms = 0;
    s.added_s = -400;
    add(s, 20, 60, 20);
    ck_assert_str_eq(told(), "device G: its clock is right again\n");
}
END_TEST

/* Whoever sends names without end does not push out those of the site file. */
START_TEST(many_names)
{
    struct drift_sample s;
    char name[80];

    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "stranger-%d", i);
        s = sample_of(name);
        s.known = false;
        s.skew_ms = 400000;
        add(s, 3, 60, 0);
    }
    told();
    ck_assert_uint_lt(said.len, 300 * 200);
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "known-%d", i);
        s = sample_of(name);
        s.skew_ms = i == 1999 ? 400000 : 0;
        add(s, 3, 60, 0);
    }
    ck_assert(strstr(told(), "device known-1999: its clock is 400 s ahead"));
    memset(name, 'x', sizeof name);
    s = sample_of("");
    s.skew_ms = 400000;
    add(s, 3, 60, 0);
    s.device = (struct slice){name, sizeof name};
    add(s, 3, 60, 0);
    ck_assert_str_eq(told(), "");
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, verdicts, 0, (int)(sizeof rows / sizeof *rows));
    tcase_add_test(tc, delays);
    tcase_add_test(tc, ahead_needs_more_than_one);
    tcase_add_test(tc, changes);
    tcase_add_test(tc, mended);
    tcase_add_test(tc, many_names);
}

UNIT_MAIN("drift", add_tests)

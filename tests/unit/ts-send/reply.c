/* SPDX-License-Identifier: MIT */
/* What is read out of a reply: dates in three forms, Retry-After, the limits of each field. */
#include "reply.h"

#include <stdio.h>

#include "../../support/unit.h"

#define NOW 1700000000 /* Tue, 14 Nov 2023 22:13:20 GMT */
#define MOST (REPLY_WAIT_MAX_S * 1000)

static const struct {
    const char *text;
    int64_t unix_s; /* -1: none */
} dates[] = {
    {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
    {"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
    {"Sun Nov  6 08:49:37 1994", 784111777},
    {"Sun Nov 16 08:49:37 1994", 784975777},
    {"Tue, 14 Nov 2023 22:13:20 GMT", NOW},
    {"Tue, 14 nov 2023 22:13:20 gmt", NOW},
    {"Tuesday, 14-Nov-23 22:13:20 GMT", NOW},
    {"Tuesday, 14-Nov-73 22:13:20 GMT", 3277923200},
    {"Thursday, 14-Nov-74 22:13:20 GMT", 153699200},
    {"Thu, 29 Feb 2024 00:00:00 GMT", 1709164800},
    {"Wed, 29 Feb 2023 00:00:00 GMT", -1},
    {"Tue, 14 Nov 2023 24:00:00 GMT", -1},
    {"Tue, 14 Nov 2023 22:60:00 GMT", -1},
    {"Tue, 14 Nov 2023 22:13:20", -1},
    {"Tue, 14 Nov 2023 22:13:20 PST", -1},
    {"Tue, 14 Nov 2023 22:13:20 GMT ", -1},
    {"Tue, 14 Nox 2023 22:13:20 GMT", -1},
    {"Tue, 4 Nov 2023 22:13:20 GMT", -1},
    {"Tue, 14 Nov 99999 22:13:20 GMT", -1},
    {"2023-11-14T22:13:20Z", -1},
    {"Tue,", -1},
    {",", -1},
    {"Sun", -1},
    {"", -1},
};

START_TEST(date)
{
    int64_t s = -1;
    bool is = reply_date(slice_of(dates[_i].text), NOW, &s);

    ck_assert_int_eq(is, dates[_i].unix_s >= 0);
    ck_assert_int_eq(is ? s : -1, dates[_i].unix_s);
}
END_TEST

static const struct {
    const char *retry_after, *date;
    int64_t wait_ms;
} waits[] = {
    {"0", "", 0},
    {"1", "", 1000},
    {"120", "", 120000},
    {"21600", "", MOST},
    {"21601", "", MOST},
    {"99999999999999999999999999999999999", "", MOST},
    {"", "", -1},
    {"-1", "", -1},
    {"1.5", "", -1},
    {"1 s", "", -1},
    {"soon", "", -1},
    {"Tue, 14 Nov 2023 22:13:50 GMT", "", 30000},
    {"Tue, 14 Nov 2023 22:13:10 GMT", "", 0},
    {"Thu, 14 Nov 2024 22:13:20 GMT", "", MOST},
    /* The receiver's clock is wrong; its own Date tells by how much. */
    {"Tue, 14 Nov 2017 22:13:50 GMT", "Tue, 14 Nov 2017 22:13:20 GMT", 30000},
    {"Tue, 14 Nov 2023 22:13:50 GMT", "yesterday", 30000},
};

START_TEST(wait)
{
    struct reply r = {0};
    char line[200];

    reply_reset(&r);
    reply_header(&r, SLICE("HTTP/1.1 503 Service Unavailable\r\n"));
    snprintf(line, sizeof line, "Retry-After:  %s \r\n", waits[_i].retry_after);
    reply_header(&r, slice_of(line));
    snprintf(line, sizeof line, "date:%s\r\n", waits[_i].date);
    reply_header(&r, slice_of(line));
    reply_header(&r, SLICE("\r\n"));
    ck_assert_int_eq(reply_wait_ms(&r, NOW), waits[_i].wait_ms);
}
END_TEST

START_TEST(header_block)
{
    struct reply r = {0};

    reply_reset(&r);
    reply_header(&r, SLICE("HTTP/1.1 100 Continue\r\n"));
    reply_header(&r, SLICE("Location: /early\r\n"));
    reply_header(&r, SLICE("HTTP/2 201 \r\n"));
    ck_assert_int_eq(r.status, 201);
    ck_assert_str_eq(r.location, "");
    reply_header(&r, SLICE("LOCATION:/events/7\r\n"));
    reply_header(&r, SLICE("Locations: /no\r\n"));
    reply_header(&r, SLICE("Location-Of: /no\r\n"));
    reply_header(&r, SLICE("R\r\n"));
    reply_header(&r, SLICE(""));
    ck_assert_str_eq(r.location, "/events/7");
    ck_assert_str_eq(r.retry_after, "");
}
END_TEST

START_TEST(too_long_counts_as_absent)
{
    struct reply r = {0};
    char line[600];

    memset(line, '1', sizeof line);
    memcpy(line, "Retry-After:", 12);
    reply_reset(&r);
    reply_header(&r, (struct slice){line, sizeof line});
    ck_assert_int_eq(reply_wait_ms(&r, NOW), -1);
    memcpy(line, "Location:   ", 12);
    reply_header(&r, (struct slice){line, sizeof line});
    ck_assert_str_eq(r.location, "");
    ck_assert_uint_eq(r.header_bytes, 2 * sizeof line);
}
END_TEST

START_TEST(body_is_cut)
{
    struct reply r = {0};
    char bytes[200];

    memset(bytes, 'x', sizeof bytes);
    reply_reset(&r);
    for (int i = 0; i < 5; i++)
        reply_body(&r, (struct slice){bytes, sizeof bytes});
    ck_assert_uint_eq(r.text_n, sizeof r.text);
    ck_assert_uint_eq(r.body_bytes, 1000);
}
END_TEST

START_TEST(status_names)
{
    ck_assert_str_eq(reply_status_name(200), "OK");
    ck_assert_str_eq(reply_status_name(503), "Service Unavailable");
    ck_assert_str_eq(reply_status_name(999), "");
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_loop_test(tc, date, 0, (int)(sizeof dates / sizeof *dates));
    tcase_add_loop_test(tc, wait, 0, (int)(sizeof waits / sizeof *waits));
    tcase_add_test(tc, header_block);
    tcase_add_test(tc, too_long_counts_as_absent);
    tcase_add_test(tc, body_is_cut);
    tcase_add_test(tc, status_names);
}
UNIT_MAIN("reply", add)

/* SPDX-License-Identifier: MIT */
/* Headers about a rate limit, as receivers write them and as they should not. */
#include "quota.h"

#include "../../support/unit.h"

#define NOW 1700000000
#define MOST (QUOTA_RESET_MAX_S * 1000)

static const struct {
    const char *lines; /* split by newlines */
    int64_t limit, remaining, reset_ms;
    bool bounded;
} rows[] = {
    /* the draft: 00 to 06, 07, from 08 on */
    {"RateLimit-Limit: 100\nRateLimit-Remaining: 7\nRateLimit-Reset: 30", 100, 7, 30000, false},
    {"ratelimit-limit: 100, 100;w=60\nratelimit-remaining: 0\nratelimit-reset: 1", 100, 0, 1000,
        false},
    {"RateLimit: limit=100, remaining=50, reset=20\nRateLimit-Policy: 100;w=60", 100, 50, 20000,
        false},
    {"RateLimit: remaining=3,reset=5", 0, 3, 5000, false},
    {"RateLimit: \"default\";r=50;t=30\nRateLimit-Policy: \"default\";q=200;w=60", 200, 50, 30000,
        false},
    {"RateLimit: default;r=50;t=30", 0, 50, 30000, false},
    /* the tightest of several, in one line or two */
    {"RateLimit: \"a\";r=50;t=30, \"b\";r=2;t=3000, \"c\";r=999;t=60", 0, 2, 3000000, false},
    {"RateLimit: \"a\";r=0;t=10, \"b\";r=0;t=30", 0, 0, 30000, false},
    {"RateLimit: \"b\";r=0;t=30\nRateLimit: \"a\";r=5;t=10", 0, 0, 30000, false},
    {"RateLimit-Policy: \"a\";q=10;w=1, \"b\";q=1000;w=3600\nRateLimit: \"a\";r=9;t=1", 10, 9, 1000,
        false},
    {"RateLimit: \"a,;b\";r=1;t=2", 0, 1, 2000, false},
    /* no reset: the window is the longest that it can be */
    {"RateLimit: \"a\";r=0\nRateLimit-Policy: \"a\";q=10;w=60", 10, 0, 60000, false},
    {"RateLimit-Remaining: 0\nRateLimit-Policy: 100;w=60", 100, 0, 60000, false},
    /* X-: seconds from now, Unix seconds, Unix milliseconds, fractions */
    {"X-RateLimit-Limit: 60\nX-RateLimit-Remaining: 59\nX-RateLimit-Reset: 45", 60, 59, 45000,
        false},
    {"x-rate-limit-limit: 15\nx-rate-limit-remaining: 0\nx-rate-limit-reset: 1700000900", 15, 0,
        900000, false},
    {"X-RateLimit-Remaining: 0\nX-RateLimit-Reset: 1700000012345", 0, 0, 12345, false},
    {"X-RateLimit-Remaining: 0\nX-RateLimit-Reset: 1700000000.75", 0, 0, 750, false},
    {"X-RATELIMIT-REMAINING:0\nX-RATELIMIT-RESET:\t1.5 ", 0, 0, 1500, false},
    {"X-RateLimit-Remaining: 4\nX-RateLimit-Reset: 1699999990", 0, 4, 0, false},
    {"X-RateLimit-Remaining: 4\nX-RateLimit-Reset: 0", 0, 4, 0, false},
    /* the draft goes before what came before it */
    {"X-RateLimit-Remaining: 0\nX-RateLimit-Reset: 99\nRateLimit: limit=9, remaining=8, reset=7", 9,
        8, 7000, false},
    /* mad values are bounded */
    {"X-RateLimit-Remaining: 0\nX-RateLimit-Reset: 315360000", 0, 0, 0, false}, /* Unix, 1979 */
    {"X-RateLimit-Remaining: 0\nX-RateLimit-Reset: 2015360000", 0, 0, MOST, true},
    {"X-RateLimit-Remaining: 0\nX-RateLimit-Reset: 86400", 0, 0, MOST, true},
    {"RateLimit: \"a\";r=0;t=99999999999999999999999999999999", 0, 0, MOST, true},
    {"RateLimit: \"a\";r=99999999999999999999;t=3600", 0, (INT64_C(1) << 60) / 1000, MOST, false},
    /* nothing that could be obeyed */
    {"", -1, 0, 0, false},
    {"RateLimit-Remaining: 0", -1, 0, 0, false},
    {"RateLimit-Reset: 10", -1, 0, 0, false},
    {"X-RateLimit-Remaining: 0\nRateLimit-Policy: 100;w=60", -1, 0, 0, false},
    {"RateLimit-Remaining: -1\nRateLimit-Reset: 10", -1, 0, 0, false},
    {"RateLimit-Remaining: few\nRateLimit-Reset: soon", -1, 0, 0, false},
    {"RateLimit: ;;;,,,=,\"", -1, 0, 0, false},
    {"RateLimit: r=;t=", -1, 0, 0, false},
    {"RateLimit:", -1, 0, 0, false},
    {"RateLimit", -1, 0, 0, false},
    {"X-Rate", -1, 0, 0, false},
    {"Rate-Limit-Remaining: 0\nRate-Limit-Reset: 9", -1, 0, 0, false},
    {"RateLimiter-Remaining: 0\nRateLimits: r=1;t=1", -1, 0, 0, false},
    {"X-RateLimit-Remaining-Minute: 0\nX-RateLimit-Reset: 9", -1, 0, 0, false},
};

START_TEST(row)
{
    struct quota q;
    struct quota_left left = {-1, -1, -1, false};
    const char *p = rows[_i].lines;
    bool said;

    quota_reset(&q);
    while (*p) {
        size_t n = strcspn(p, "\n");

        quota_header(&q, (struct slice){p, n});
        p += n + (p[n] != '\0');
    }
    said = quota_left(&q, NOW, &left);
    ck_assert_int_eq(said, rows[_i].limit >= 0);
    if (!said)
        return;
    ck_assert_int_eq(left.limit, rows[_i].limit);
    ck_assert_int_eq(left.remaining, rows[_i].remaining);
    ck_assert_int_eq(left.reset_ms, rows[_i].reset_ms);
    ck_assert_int_eq(left.bounded, rows[_i].bounded);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_loop_test(tc, row, 0, (int)(sizeof rows / sizeof *rows));
}
UNIT_MAIN("quota", add)

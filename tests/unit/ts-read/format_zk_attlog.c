/* SPDX-License-Identifier: MIT */
/* zk-attlog beyond its golden files: the clock that was never set, holes, and cuts anywhere. */
#include "../../support/unit.h"

#include <stdint.h>
#include <stdio.h>

#include "clock.h"
#include "format_run.h"

static const struct format *attlog(void)
{
    return format_find(SLICE("zk-attlog"));
}

/* How the firmware prints a packed time: C's division, which cuts toward zero. */
static int print_packed(char *out, size_t size, int32_t t)
{
    return snprintf(out, size, "1\t%d-%02d-%02d %02d:%02d:%02d\t1\t0\t1\t0\n",
        t / 60 / 60 / 24 / 31 / 12 + 2000, t / 60 / 60 / 24 / 31 % 12 + 1,
        t / 60 / 60 / 24 % 31 + 1, t / 60 / 60 % 24, t / 60 % 60, t % 60);
}

/* The clock that the packed time stands for: the same steps, but rounding down. */
static bool clock_of(int32_t t, char *out)
{
    int64_t days = t / 86400 - (t % 86400 < 0), months = days / 31 - (days % 31 < 0);
    int64_t years = months / 12 - (months % 12 < 0);
    int year = (int)years + 2000, month = (int)(months - 12 * years) + 1;
    int day = (int)(days - 31 * months) + 1;

    if (!clock_date_exists(year, month, day))
        return false;
    clock_print_local(out, clock_days(year, month, day) * 86400 + (t - days * 86400), 0);
    return true;
}

static void check_packed(int32_t t)
{
    char line[80], clock[CLOCK_TEXT], wanted[200];
    struct format_run r;

    print_packed(line, sizeof line, t);
    ck_assert(format_run(&r, attlog(), slice_of(line), 4096, NULL, 0));
    buf_char(&r.out, '\0');
    if (clock_of(t, clock))
        snprintf(wanted, sizeof wanted,
            "{\"kind\":\"granted\",\"local_time\":\"%s\",%s\"punch\":\"check_in\","
            "\"person_id\":\"1\",\"credential\":\"fingerprint\"}\n",
            clock, t < 0 ? "\"time_note\":\"clock_unset\"," : "");
    else
        snprintf(wanted, sizeof wanted, "\"error\":\"impossible date\"}\n");
    ck_assert_msg(strstr(r.out.data, wanted) != NULL, "%d: %s gave %s", t, line, r.out.data);
    buf_free(&r.out);
}

/* Every packed time is read back, whatever its sign: steps of about a day and odd seconds over the
 * whole range, and its ends. */
START_TEST(reads_what_the_firmware_prints)
{
    static const int32_t ends[] = {INT32_MIN, INT32_MIN + 1, -86401, -86400, -86399, -61, -60, -59,
        -1, 0, 1, 59, 86399, 86400, INT32_MAX};

    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        check_packed(ends[i]);
    for (int64_t t = INT32_MIN; t <= INT32_MAX; t += 90007)
        check_packed((int32_t)t);
}
END_TEST

static const char *const logs[] = {
    "      126\t2026-01-07 10:34:08\t1\t0\t1\t0\n     2233\t2026-01-07 10:38:32\t1\t0\t15\t0\r\n",
    "CGXH2012345\r\n  213\t2026-05-05 15:21:26\t1\t0\t1\t0\r\n3A7F09C1\r\n\r\n",
    "CGXH2012345\r\n  213\t2026-05-05 15:21:26\t1\t0\t1\t0\r\n3A7F\r\n  1\t2026-05-05 15:21:26\n",
    "  1\t2026-01-07 10:34:08\t1\t0\t1\t0\n\n \n  2\t2026-01-07 10:34:0",
    "x\n\t\t\t\n1\tA\t2026-01-07 10:34:08\t1\t0\n1\t2026-01-07 10:34:08\t1\t0\t0",
};

START_TEST(cuts_do_not_matter)
{
    struct format_run whole, cut;

    ck_assert(format_run(&whole, attlog(), slice_of(logs[_i]), 4096, NULL, 0));
    ck_assert_uint_gt(whole.events, 0);
    for (size_t piece = 1; piece < 40; piece++) {
        ck_assert(format_run(&cut, attlog(), slice_of(logs[_i]), piece, NULL, 0));
        ck_assert_msg(slice_eq(buf_all(&cut.out), buf_all(&whole.out)), "piece %zu: %.*s", piece,
            (int)cut.out.len, cut.out.data);
        buf_free(&cut.out);
    }
    buf_free(&whole.out);
}
END_TEST

/* The hole is dropped as it comes: at no time do more than two pieces wait. */
START_TEST(a_hole_is_not_gathered)
{
    static const char before[] = "  1\t2026-01-0", after[] = "7 10:34:08\t1\t0\t1\t0\n";
    size_t hole = 700001, n = sizeof before - 1 + hole + sizeof after - 1;
    char *in = calloc(1, n);
    struct format_run r;

    ck_assert_ptr_nonnull(in);
    memcpy(in, before, sizeof before - 1);
    memcpy(in + n - (sizeof after - 1), after, sizeof after - 1);
    ck_assert(format_run(&r, attlog(), (struct slice){in, n}, 4096, NULL, 0));
    ck_assert_uint_eq(r.events, 1);
    ck_assert_uint_le(r.waiting, 2 * 4096);
    buf_char(&r.out, '\0');
    ck_assert_str_eq(r.out.data, "{\"raw\":\"  1\\t2026-01-07 10:34:08\\t1\\t0\\t1\\t0\","
                                 "\"error\":\"damaged: 700001 NUL bytes\"}\n");
    buf_free(&r.out);
    free(in);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, reads_what_the_firmware_prints);
    tcase_add_loop_test(tc, cuts_do_not_matter, 0, (int)(sizeof logs / sizeof *logs));
    tcase_add_test(tc, a_hole_is_not_gathered);
}
UNIT_MAIN("format_zk_attlog", add_tests)

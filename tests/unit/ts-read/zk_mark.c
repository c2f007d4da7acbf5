/* SPDX-License-Identifier: MIT */
/* Marks in a device's log: text and back, and where the log is found again. */
#include "zk_mark.h"

#include "../../support/unit.h"

static void fill(char *log, size_t bytes)
{
    for (unsigned i = 0, x = 1; i < bytes; i++, x = x * 1103515245u + 12345u)
        log[i] = (char)(x >> 16);
}

START_TEST(text_and_back)
{
    static const char *const serials[] = {"CGXH2012345", "", "with two spaces"};
    struct zk_mark m = {.layout = ZK_40, .end = 24204, .records = 605, .last_s = -1}, back;
    struct buf text = {0};
    char log[1000];

    fill(log, sizeof log);
    zk_mark_take(&m, (struct slice){log, sizeof log});
    ck_assert_uint_eq(m.window, ZK_WINDOW_BYTES);
    for (size_t i = 0; i < 3; i++) {
        text.len = 0;
        memcpy(m.serial, serials[i], strlen(serials[i]) + 1);
        zk_mark_print(&text, &m);
        ck_assert(zk_mark_parse(text.data, &back));
        ck_assert_str_eq(back.serial, serials[i]);
        ck_assert_str_eq(back.fingerprint, m.fingerprint);
        ck_assert_int_eq(back.layout, ZK_40);
        ck_assert_uint_eq(back.end, 24204);
        ck_assert_uint_eq(back.records, 605);
        ck_assert_uint_eq(back.window, m.window);
        ck_assert_int_eq(back.last_s, -1);
    }
    m = (struct zk_mark){.last_s = ZK_NO_TIME};
    text.len = 0;
    zk_mark_print(&text, &m);
    ck_assert(zk_mark_parse(text.data, &back));
    ck_assert_uint_eq(back.end, 0);
    ck_assert_int_eq(back.last_s, ZK_NO_TIME);
    buf_free(&text);
}
END_TEST

static const char *const damaged[] = {"", "zk1", "zk2 40 44 1 40 x 0 S", "zk1 41 44 1 40 x 0 S",
    "zk1 40 44 1 45 x 0 S", "zk1 40 4400 1 393 x 0 S", "zk1 40 44 1 40 x 0",
    "zk1 40 67108865 1 40 x 0 S", "zk1 40 -1 1 40 x 0 S", "605",
    "zk1 40 44 1 40 x 0 01234567890123456789012345678901234567890123456789012345678901234"};

START_TEST(damaged_text)
{
    struct zk_mark m;

    ck_assert(!zk_mark_parse(damaged[_i], &m));
}
END_TEST

START_TEST(found_again)
{
    static char log[40 * 500];
    struct zk_mark m = {.layout = ZK_40};

    fill(log, sizeof log);
    for (size_t end = 40; end <= sizeof log; end += 40 * 7) {
        size_t window = end < ZK_WINDOW_BYTES ? end : ZK_WINDOW_BYTES;

        zk_mark_take(&m, (struct slice){log, end});
        ck_assert_uint_eq(m.window, window);
        ck_assert(zk_mark_matches(&m, (struct slice){log + end - window, window}));
        ck_assert_uint_eq(zk_mark_find(&m, (struct slice){log, sizeof log}), end);
        /* the oldest 3 records are gone */
        if (end > ZK_WINDOW_BYTES + 120)
            ck_assert_uint_eq(
                zk_mark_find(&m, (struct slice){log + 120, sizeof log - 120}), end - 120);
        /* all of it is */
        ck_assert_uint_eq(zk_mark_find(&m, (struct slice){log, end - 40}), 0);
    }
    log[40 * 499 + 27]++;
    zk_mark_take(&m, (struct slice){log, sizeof log});
    log[40 * 499 + 27]--;
    ck_assert(
        !zk_mark_matches(&m, (struct slice){log + sizeof log - ZK_WINDOW_BYTES, ZK_WINDOW_BYTES}));
    ck_assert_uint_eq(zk_mark_find(&m, (struct slice){log, sizeof log}), 0);
}
END_TEST

START_TEST(nothing_read)
{
    struct zk_mark m = {.layout = ZK_40};

    zk_mark_take(&m, SLICE_NONE);
    ck_assert(zk_mark_matches(&m, SLICE_NONE));
    ck_assert(!zk_mark_matches(&m, SLICE("x")));
    ck_assert_uint_eq(zk_mark_find(&m, SLICE("abcabc")), 0);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, text_and_back);
    tcase_add_loop_test(tc, damaged_text, 0, (int)(sizeof damaged / sizeof *damaged));
    tcase_add_test(tc, found_again);
    tcase_add_test(tc, nothing_read);
}

UNIT_MAIN("zk_mark", add_tests)

/* SPDX-License-Identifier: MIT */
/* Records beside what was seen of a log: seen, new after an emptied log, a clock that was set back,
 * neighbours; and the cursor. */
#include "device_log.h"

#include <stdio.h>

#include "../../support/unit.h"

/* Seen last: record 100 at 10:00:00; the latest time of any was 10:00:05. */
static struct log_seen seen_so_far(void)
{
    struct log_seen s = LOG_SEEN_NONE;
    struct log_place p;

    log_place_set(&p, 99, SLICE("2026-03-02T10:00:05+03:00"));
    log_see(&s, &p);
    log_place_set(&p, 100, SLICE("2026-03-02T10:00:00+03:00"));
    log_see(&s, &p);
    return s;
}

static const struct {
    int64_t serial;
    const char *time;
    bool seen, anew, near;
    int64_t back_s;
} rows[] = {
    {100, "2026-03-02T10:00:00+03:00", true, false, true, 0},
    {100, "2026-03-02T08:00:00+01:00", true, false, true, 0},   /* the same moment */
    {100, "2026-03-02T09:00:00+03:00", true, false, true, 0},   /* shown otherwise, in summer */
    {100, "2026-02-02T10:00:00+03:00", true, false, false, 0},  /* that is another one */
    {99, "2026-03-02T09:58:00+03:00", true, false, true, 0},    /* a neighbour */
    {99, "2026-03-02T05:00:00+03:00", true, false, false, 0},   /* of another log */
    {20, "2026-03-02T09:58:00+03:00", true, false, false, 0},   /* likewise */
    {1, "2026-03-02T11:00:00+03:00", false, true, false, 0},    /* emptied */
    {100, "2026-03-02T11:00:00+03:00", false, true, true, 0},   /* perhaps */
    {101, "2026-03-02T09:58:00+03:00", false, false, false, 0}, /* out of order */
    {101, "2026-03-02T08:00:00+03:00", false, false, false, 7200},
    {101, "2026-03-02T10:00:06+03:00", false, false, false, 0},
    {-1, "2026-03-02T10:00:05+03:00", true, false, false, 0},
    {-1, "2026-03-02T10:00:06+03:00", false, false, false, 0},
    {101, "yesterday", false, false, false, 0},
    {-1, "", false, false, false, 0},
};

START_TEST(records)
{
    struct log_seen s = seen_so_far();
    struct log_place p;

    log_place_set(&p, rows[_i].serial, slice_of(rows[_i].time));
    ck_assert_int_eq(log_was_seen(&s, &p), rows[_i].seen);
    ck_assert_int_eq(log_is_new(&s, &p), rows[_i].anew);
    ck_assert_int_eq(log_is_near(&s, &p), rows[_i].near);
    ck_assert_int_eq(log_step_back(&s, &p), rows[_i].back_s);
}
END_TEST

/* A clock that was once far ahead must not hide what came since, where there are no numbers. */
START_TEST(a_latest_time_to_come_is_none)
{
    struct log_seen s = LOG_SEEN_NONE, numbered = seen_so_far();
    struct log_place ahead, now, later;
    int64_t high_s = numbered.high_s;

    log_place_set(&ahead, -1, SLICE("2099-03-02T10:00:00Z"));
    log_place_set(&now, -1, SLICE("2026-03-02T10:00:00Z"));
    log_place_set(&later, -1, SLICE("2026-03-02T10:00:10Z"));
    log_see(&s, &ahead);
    ck_assert(log_was_seen(&s, &later));
    log_bound(&s, now.time_s);
    ck_assert(!log_was_seen(&s, &later));
    log_bound(&numbered, now.time_s - 864000);
    ck_assert_int_eq(numbered.high_s, high_s);
}
END_TEST

START_TEST(cursors_come_back)
{
    struct log_seen s = seen_so_far(), back = LOG_SEEN_NONE;
    char cursor[LOG_CURSOR_BYTES], device[LOG_DEVICE_BYTES];

    log_cursor_print(cursor, "FZ\"12\n34567", &s);
    ck_assert(log_cursor_read(cursor, device, &back));
    ck_assert_str_eq(device, "FZ1234567");
    ck_assert_int_eq(back.last.serial, 100);
    ck_assert_int_eq(back.last.time_s, s.last.time_s);
    ck_assert_int_eq(back.high_s, s.high_s);
}
END_TEST

static const char *const none[] = {"", "{}", "[]", "zk1 40 44 1 40 x 1 SN", "{\"device\":\"A\"}",
    "{\"device\":\"A\",\"serial\":\"1\",\"time\":\"2026-03-02T10:00:00\"}",
    "{\"device\":\"A\",\"serial\":1,\"time\":\"soon\"}",
    "{\"device\":7,\"serial\":1,\"time\":\"2026-03-02T10:00:00\"}"};

START_TEST(other_cursors_are_none)
{
    struct log_seen s = LOG_SEEN_NONE;
    char device[LOG_DEVICE_BYTES];

    ck_assert(!log_cursor_read(none[_i], device, &s));
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, records, 0, (int)(sizeof rows / sizeof *rows));
    tcase_add_test(tc, a_latest_time_to_come_is_none);
    tcase_add_test(tc, cursors_come_back);
    tcase_add_loop_test(tc, other_cursors_are_none, 0, (int)(sizeof none / sizeof *none));
}
UNIT_MAIN("device_log", add_tests)

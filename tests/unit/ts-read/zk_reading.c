/* SPDX-License-Identifier: MIT */
/* What of a log is new, how far it was read, and who the numbers in it are. */
#include "zk_reading.h"

#include "../../support/unit.h"
#include "zk_packet.h"
#include "zk_recent.h"
#include "zk_users.h"

#define MORNING 836217248u /* 2026-01-07T10:34:08, packed */

static void put_record(struct buf *log, unsigned uid, uint32_t packed)
{
    char r[8] = {(char)uid, 0, 1};

    zk_put_u32(r + 3, packed);
    buf_add(log, r, sizeof r);
}

static bool is_known(void *arg, const struct zk_passage *p)
{
    return !zk_recent_has(arg, p);
}

static size_t take(struct zk_reading *r, struct zk_recent *known, const char *p, size_t n)
{
    char out[256];

    ck_assert_uint_le(zk_reading_room(r, (struct slice){p, n}), sizeof out);
    return zk_reading_take(r, (struct slice){p, n}, out, is_known, known) / 8;
}

START_TEST(goes_on_where_it_was_left)
{
    struct zk_reading r = {0};
    struct zk_recent known = {0};
    struct zk_mark first;
    struct buf log = {0};

    for (unsigned i = 0; i < 6; i++)
        put_record(&log, i + 1, MORNING + i);
    zk_reading_forget(&r);
    zk_reading_begin(&r, ZK_8, 4, SLICE_NONE);
    ck_assert_uint_eq(take(&r, &known, log.data, 29), 3);
    ck_assert_uint_eq(r.rest.len, 5);
    zk_reading_end(&r);
    first = r.seen;
    ck_assert_uint_eq(first.end, 4 + 24);
    ck_assert_uint_eq(first.records, 3);
    ck_assert(zk_mark_matches(&first, (struct slice){log.data, 24}));
    /* A half record is read again as a whole. */
    zk_reading_begin(&r, ZK_8, first.end, (struct slice){log.data, 24});
    ck_assert_uint_eq(take(&r, &known, log.data + 24, 24), 3);
    zk_reading_end(&r);
    ck_assert_uint_eq(r.seen.end, 4 + 48);
    ck_assert_uint_eq(r.seen.window, 48);
    ck_assert(zk_mark_matches(&r.seen, buf_all(&log)));
    ck_assert_uint_eq(r.back, 0);
    zk_reading_free(&r);
    buf_free(&log);
}
END_TEST

START_TEST(leaves_out_what_is_known)
{
    struct zk_passage p = {.by_uid = true, .uid = 2, .dated = true};
    struct zk_reading r = {0};
    struct zk_recent known = {0};
    struct buf log = {0};
    bool unset;

    for (unsigned i = 0; i < 3; i++)
        put_record(&log, i + 1, MORNING + i);
    ck_assert(zk_time(MORNING + 1, &p.local_s, &unset));
    zk_recent_add(&known, &p);
    zk_reading_forget(&r);
    zk_reading_begin(&r, ZK_8, 4, SLICE_NONE);
    ck_assert_uint_eq(take(&r, &known, log.data, log.len), 2);
    ck_assert_uint_eq(r.seen.records, 3);
    zk_reading_free(&r);
    buf_free(&log);
}
END_TEST

/* Which steps of a clock are told of, in seconds. */
static const struct {
    int step;
    unsigned back;
} steps[] = {{5, 0}, {-60, 0}, {-61, 1}, {-7200, 1}};

START_TEST(sees_a_clock_set_back)
{
    struct zk_reading r = {0};
    struct zk_recent known = {0};
    struct buf log = {0};

    put_record(&log, 1, MORNING);
    put_record(&log, 2, MORNING + (unsigned)steps[_i].step);
    zk_reading_forget(&r);
    zk_reading_begin(&r, ZK_8, 4, SLICE_NONE);
    take(&r, &known, log.data, log.len);
    ck_assert_uint_eq(r.back, steps[_i].back);
    ck_assert_int_eq(r.back_s, steps[_i].back ? -steps[_i].step : 0);
    zk_reading_free(&r);
    buf_free(&log);
}
END_TEST

START_TEST(forgets_the_oldest_passage)
{
    struct zk_passage p = {.by_uid = true, .dated = true, .local_s = 1000};
    struct zk_recent known = {0};

    for (unsigned i = 0; i < 3 * ZK_RECENT + 7; i++) {
        p.uid = (uint16_t)i;
        ck_assert(!zk_recent_has(&known, &p));
        zk_recent_add(&known, &p);
        ck_assert(zk_recent_has(&known, &p));
    }
    p.uid = (uint16_t)(p.uid - ZK_RECENT);
    ck_assert(!zk_recent_has(&known, &p));
    p.uid++;
    ck_assert(zk_recent_has(&known, &p));
    p.dated = false;
    ck_assert(!zk_recent_has(&known, &p));
}
END_TEST

/* Two users of 28 bytes: 1 is 4711, 2 is 12. */
START_TEST(knows_who_a_number_is)
{
    char table[56] = {0};
    struct zk_passage p = {.by_uid = true, .uid = 2};
    struct buf list = {0};

    table[0] = 1;
    zk_put_u32(table + 24, 4711);
    table[28] = 2;
    zk_put_u32(table + 52, 12);
    memcpy(table + 3, "12345Anna", 9);
    ck_assert(zk_users_read(&list, (struct slice){table, sizeof table}, 2));
    ck_assert_uint_eq(list.len, 3 + 4 + 3 + 2);
    ck_assert(zk_users_know(buf_all(&list), 1));
    ck_assert(!zk_users_know(buf_all(&list), 3));
    zk_users_translate(buf_all(&list), false, &p);
    ck_assert_str_eq(p.person, "12");
    zk_users_translate(buf_all(&list), true, &p);
    ck_assert(p.by_uid);
    ck_assert_uint_eq(p.uid, 2);
    ck_assert_str_eq(p.person, "");
    ck_assert(!zk_users_read(&list, (struct slice){table, 55}, 2));
    ck_assert_uint_eq(list.len, 0);
    ck_assert(zk_users_read(&list, SLICE_NONE, 2));
    buf_free(&list);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, goes_on_where_it_was_left);
    tcase_add_test(tc, leaves_out_what_is_known);
    tcase_add_loop_test(tc, sees_a_clock_set_back, 0, (int)(sizeof steps / sizeof *steps));
    tcase_add_test(tc, forgets_the_oldest_passage);
    tcase_add_test(tc, knows_who_a_number_is);
}

UNIT_MAIN("zk_reading", add_tests)

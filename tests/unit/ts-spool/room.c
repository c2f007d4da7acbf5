/* SPDX-License-Identifier: MIT */
/* The forecast of room, and how ages, sizes and stores are shown. */
#include "room.h"

#include "../../support/unit.h"
#include "print.h"

#define DAY_MS 86400000ll
#define NOW (400 * DAY_MS)

static const struct {
    const char *name;
    struct store_stat stat;
    int64_t days; /* -1: not known */
} rows[] = {
    {"nothing is known of the disk", {.free_bytes = -1, .put_last_week = 7, .stored = 7}, -1},
    {"nothing was put last week", {.free_bytes = 1 << 30, .stored = 7}, -1},
    {"1000 events a day of 500 bytes",
        {.free_bytes = 50000000, .put_last_week = 7000, .stored = 100000, .bytes = 50000000}, 100},
    {"the limit is nearer than the disk",
        {.free_bytes = 1ll << 40,
            .limit_bytes = 60000000,
            .put_last_week = 7000,
            .stored = 100000,
            .bytes = 50000000},
        20},
    {"a limit on a disk that is not known",
        {.free_bytes = -1,
            .limit_bytes = 60000000,
            .put_last_week = 7000,
            .stored = 100000,
            .bytes = 50000000},
        20},
    {"the limit is passed",
        {.free_bytes = 1ll << 40,
            .limit_bytes = 40000000,
            .put_last_week = 7000,
            .stored = 100000,
            .bytes = 50000000},
        0},
    {"two days old",
        {.free_bytes = 50000000,
            .put_last_week = 2000,
            .stored = 2000,
            .bytes = 1000000,
            .first_put_ms = NOW - 2 * DAY_MS + 1},
        100},
    {"few events: a usual size is taken",
        {.free_bytes = 50000000, .put_last_week = 7, .stored = 7, .bytes = 65536}, 100000},
    {"half is purged: what is left takes more",
        {.free_bytes = 50000000,
            .put_last_week = 7000,
            .stored = 200000,
            .purged = 100000,
            .bytes = 50000000},
        100},
    {"nearly all is purged",
        {.free_bytes = 50000000,
            .put_last_week = 7000,
            .stored = 100000,
            .purged = 99500,
            .bytes = 50000000},
        100},
    {"for ever", {.free_bytes = INT64_MAX, .put_last_week = 1, .stored = 1}, 365000},
};

START_TEST(each_row)
{
    int64_t ms = room_ms(&rows[_i].stat, NOW);

    ck_assert_msg(rows[_i].days < 0 ? ms == -1 : ms / DAY_MS == rows[_i].days, "%s: %lld",
        rows[_i].name, (long long)(ms / DAY_MS));
}
END_TEST

static void check(struct buf *got, const char *wanted)
{
    buf_char(got, '\0');
    ck_assert_str_eq(got->data, wanted);
    buf_free(got);
}

START_TEST(ages_and_sizes)
{
    static const struct {
        int64_t n;
        const char *age, *size;
    } shown[] = {
        {-5000, "0s", "-5000 bytes"},
        {999, "0s", "999 bytes"},
        {59999, "59s", "59.9 kB"},
        {60000, "1m", "60.0 kB"},
        {3599999, "59m", "3.5 MB"},
        {3600000, "1h", "3.6 MB"},
        {86400000, "1d", "86.4 MB"},
        {1000 * DAY_MS, "1000d", "86.4 GB"},
    };

    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
        struct buf text = {0};

        print_age(&text, shown[i].n);
        check(&text, shown[i].age);
        print_size(&text, shown[i].n);
        check(&text, shown[i].size);
    }
}
END_TEST

START_TEST(a_password_is_not_shown)
{
    static const char *const names[][2] = {
        {"q.db", "q.db"},
        {"/var/spool/turnstile/q.db", "q.db"},
        {"postgresql://me:secret@db.example:5432/turnstile", "db.example:5432/turnstile"},
        {"postgres://me:se@cret@db/t?password=secret&x=/y", "db/t"},
        {"postgresql:///t?host=/run/a&password=secret", "/t"},
        {"postgresql://db", "db"},
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct buf text = {0};

        print_store(&text, names[i][0]);
        check(&text, names[i][1]);
    }
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, each_row, 0, (int)(sizeof rows / sizeof *rows));
    tcase_add_test(tc, ages_and_sizes);
    tcase_add_test(tc, a_password_is_not_shown);
}

UNIT_MAIN("room", add_tests)

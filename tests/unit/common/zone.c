/* SPDX-License-Identifier: MIT */
/*
 * Offsets, gaps and folds against a table made with Python's zoneinfo: for a naive datetime t,
 *
 *     a, b = (t.replace(tzinfo=ZoneInfo(zone), fold=f).utcoffset() for f in (0, 1))
 *     offset = a; note = PLAIN if a == b else GAP if a < b else FOLD
 *
 * The rows stand around the changes of zones with something odd to them: half hours, two hours,
 * midnight, a day left out, winter time that is the exception.
 */
#include "zone.h"

#include "../../support/unit.h"
#include "clock.h"

static const struct {
    const char *zone, *local;
    int32_t offset_s;
    enum zone_note note;
} rows[] = {
    /* clang-format off */
    {"Europe/Berlin", "2026-03-29T01:59:59", 3600, ZONE_PLAIN},
    {"Europe/Berlin", "2026-03-29T02:00:00", 3600, ZONE_GAP},
    {"Europe/Berlin", "2026-03-29T02:30:00", 3600, ZONE_GAP},
    {"Europe/Berlin", "2026-03-29T02:59:59", 3600, ZONE_GAP},
    {"Europe/Berlin", "2026-03-29T03:00:00", 7200, ZONE_PLAIN},
    {"Europe/Berlin", "2026-10-25T01:59:59", 7200, ZONE_PLAIN},
    {"Europe/Berlin", "2026-10-25T02:00:00", 7200, ZONE_FOLD},
    {"Europe/Berlin", "2026-10-25T02:30:00", 7200, ZONE_FOLD},
    {"Europe/Berlin", "2026-10-25T02:59:59", 7200, ZONE_FOLD},
    {"Europe/Berlin", "2026-10-25T03:00:00", 3600, ZONE_PLAIN},
    {"America/New_York", "2026-03-08T01:59:59", -18000, ZONE_PLAIN},
    {"America/New_York", "2026-03-08T02:00:00", -18000, ZONE_GAP},
    {"America/New_York", "2026-03-08T02:30:00", -18000, ZONE_GAP},
    {"America/New_York", "2026-03-08T02:59:59", -18000, ZONE_GAP},
    {"America/New_York", "2026-03-08T03:00:00", -14400, ZONE_PLAIN},
    {"America/New_York", "2026-11-01T00:59:59", -14400, ZONE_PLAIN},
    {"America/New_York", "2026-11-01T01:00:00", -14400, ZONE_FOLD},
    {"America/New_York", "2026-11-01T01:30:00", -14400, ZONE_FOLD},
    {"America/New_York", "2026-11-01T01:59:59", -14400, ZONE_FOLD},
    {"America/New_York", "2026-11-01T02:00:00", -18000, ZONE_PLAIN},
    {"Australia/Lord_Howe", "2026-10-04T01:59:59", 37800, ZONE_PLAIN},
    {"Australia/Lord_Howe", "2026-10-04T02:00:00", 37800, ZONE_GAP},
    {"Australia/Lord_Howe", "2026-10-04T02:29:59", 37800, ZONE_GAP},
    {"Australia/Lord_Howe", "2026-10-04T02:30:00", 39600, ZONE_PLAIN},
    {"Australia/Lord_Howe", "2026-04-05T01:29:59", 39600, ZONE_PLAIN},
    {"Australia/Lord_Howe", "2026-04-05T01:30:00", 39600, ZONE_FOLD},
    {"Australia/Lord_Howe", "2026-04-05T01:59:59", 39600, ZONE_FOLD},
    {"Australia/Lord_Howe", "2026-04-05T02:00:00", 37800, ZONE_PLAIN},
    {"Asia/Tehran", "2022-03-21T23:59:59", 12600, ZONE_PLAIN},
    {"Asia/Tehran", "2022-03-22T00:00:00", 12600, ZONE_GAP},
    {"Asia/Tehran", "2022-03-22T00:59:59", 12600, ZONE_GAP},
    {"Asia/Tehran", "2022-03-22T01:00:00", 16200, ZONE_PLAIN},
    {"Asia/Tehran", "2022-09-21T22:59:59", 16200, ZONE_PLAIN},
    {"Asia/Tehran", "2022-09-21T23:00:00", 16200, ZONE_FOLD},
    {"Asia/Tehran", "2022-09-21T23:59:59", 16200, ZONE_FOLD},
    {"Asia/Tehran", "2022-09-22T00:00:00", 12600, ZONE_PLAIN},
    {"America/Sao_Paulo", "2018-11-03T23:59:59", -10800, ZONE_PLAIN},
    {"America/Sao_Paulo", "2018-11-04T00:00:00", -10800, ZONE_GAP},
    {"America/Sao_Paulo", "2018-11-04T00:59:59", -10800, ZONE_GAP},
    {"America/Sao_Paulo", "2018-11-04T01:00:00", -7200, ZONE_PLAIN},
    {"America/Sao_Paulo", "2019-02-16T22:59:59", -7200, ZONE_PLAIN},
    {"America/Sao_Paulo", "2019-02-16T23:00:00", -7200, ZONE_FOLD},
    {"America/Sao_Paulo", "2019-02-16T23:59:59", -7200, ZONE_FOLD},
    {"America/Sao_Paulo", "2019-02-17T00:00:00", -10800, ZONE_PLAIN},
    {"Pacific/Apia", "2011-12-29T23:59:59", -36000, ZONE_PLAIN},
    {"Pacific/Apia", "2011-12-30T00:00:00", -36000, ZONE_GAP},
    {"Pacific/Apia", "2011-12-30T12:00:00", -36000, ZONE_GAP},
    {"Pacific/Apia", "2011-12-30T23:59:59", -36000, ZONE_GAP},
    {"Pacific/Apia", "2011-12-31T00:00:00", 50400, ZONE_PLAIN},
    {"Asia/Pyongyang", "2015-08-14T23:29:59", 32400, ZONE_PLAIN},
    {"Asia/Pyongyang", "2015-08-14T23:30:00", 32400, ZONE_FOLD},
    {"Asia/Pyongyang", "2015-08-14T23:59:59", 32400, ZONE_FOLD},
    {"Asia/Pyongyang", "2015-08-15T00:00:00", 30600, ZONE_PLAIN},
    {"Asia/Pyongyang", "2018-05-04T23:29:59", 30600, ZONE_PLAIN},
    {"Asia/Pyongyang", "2018-05-04T23:30:00", 30600, ZONE_GAP},
    {"Asia/Pyongyang", "2018-05-04T23:59:59", 30600, ZONE_GAP},
    {"Asia/Pyongyang", "2018-05-05T00:00:00", 32400, ZONE_PLAIN},
    {"Africa/Casablanca", "2022-03-27T01:59:59", 3600, ZONE_PLAIN},
    {"Africa/Casablanca", "2022-03-27T02:00:00", 3600, ZONE_FOLD},
    {"Africa/Casablanca", "2022-03-27T02:59:59", 3600, ZONE_FOLD},
    {"Africa/Casablanca", "2022-03-27T03:00:00", 0, ZONE_PLAIN},
    {"Africa/Casablanca", "2022-05-08T01:59:59", 0, ZONE_PLAIN},
    {"Africa/Casablanca", "2022-05-08T02:00:00", 0, ZONE_GAP},
    {"Africa/Casablanca", "2022-05-08T02:59:59", 0, ZONE_GAP},
    {"Africa/Casablanca", "2022-05-08T03:00:00", 3600, ZONE_PLAIN},
    {"America/Caracas", "2016-05-01T02:29:59", -16200, ZONE_PLAIN},
    {"America/Caracas", "2016-05-01T02:30:00", -16200, ZONE_GAP},
    {"America/Caracas", "2016-05-01T02:59:59", -16200, ZONE_GAP},
    {"America/Caracas", "2016-05-01T03:00:00", -14400, ZONE_PLAIN},
    {"Europe/Dublin", "2026-03-29T00:59:59", 0, ZONE_PLAIN},
    {"Europe/Dublin", "2026-03-29T01:00:00", 0, ZONE_GAP},
    {"Europe/Dublin", "2026-03-29T01:59:59", 0, ZONE_GAP},
    {"Europe/Dublin", "2026-03-29T02:00:00", 3600, ZONE_PLAIN},
    {"Europe/Dublin", "2026-10-25T00:59:59", 3600, ZONE_PLAIN},
    {"Europe/Dublin", "2026-10-25T01:00:00", 3600, ZONE_FOLD},
    {"Europe/Dublin", "2026-10-25T01:59:59", 3600, ZONE_FOLD},
    {"Europe/Dublin", "2026-10-25T02:00:00", 0, ZONE_PLAIN},
    {"Antarctica/Troll", "2022-03-27T00:59:59", 0, ZONE_PLAIN},
    {"Antarctica/Troll", "2022-03-27T01:00:00", 0, ZONE_GAP},
    {"Antarctica/Troll", "2022-03-27T02:59:59", 0, ZONE_GAP},
    {"Antarctica/Troll", "2022-03-27T03:00:00", 7200, ZONE_PLAIN},
    {"Antarctica/Troll", "2022-10-30T00:59:59", 7200, ZONE_PLAIN},
    {"Antarctica/Troll", "2022-10-30T01:00:00", 7200, ZONE_FOLD},
    {"Antarctica/Troll", "2022-10-30T02:59:59", 7200, ZONE_FOLD},
    {"Antarctica/Troll", "2022-10-30T03:00:00", 0, ZONE_PLAIN},
    {"Asia/Manila", "2026-05-04T06:35:30", 28800, ZONE_PLAIN},
    {"Asia/Manila", "2000-01-01T00:00:00", 28800, ZONE_PLAIN},
    {"Asia/Manila", "1971-06-01T12:00:00", 28800, ZONE_PLAIN},
    {"Asia/Kolkata", "2026-05-04T06:35:30", 19800, ZONE_PLAIN},
    {"Asia/Kolkata", "2000-01-01T00:00:00", 19800, ZONE_PLAIN},
    {"Asia/Kolkata", "1971-06-01T12:00:00", 19800, ZONE_PLAIN},
    {"Asia/Kathmandu", "2026-05-04T06:35:30", 20700, ZONE_PLAIN},
    {"Asia/Kathmandu", "2000-01-01T00:00:00", 20700, ZONE_PLAIN},
    {"Asia/Kathmandu", "1971-06-01T12:00:00", 19800, ZONE_PLAIN},
    {"Pacific/Kiritimati", "2026-05-04T06:35:30", 50400, ZONE_PLAIN},
    {"Pacific/Kiritimati", "2000-01-01T00:00:00", 50400, ZONE_PLAIN},
    {"Pacific/Kiritimati", "1971-06-01T12:00:00", -38400, ZONE_PLAIN},
    {"Pacific/Pago_Pago", "2026-05-04T06:35:30", -39600, ZONE_PLAIN},
    {"Pacific/Pago_Pago", "2000-01-01T00:00:00", -39600, ZONE_PLAIN},
    {"Pacific/Pago_Pago", "1971-06-01T12:00:00", -39600, ZONE_PLAIN},
    {"UTC", "2026-05-04T06:35:30", 0, ZONE_PLAIN},
    {"UTC", "2000-01-01T00:00:00", 0, ZONE_PLAIN},
    {"UTC", "1971-06-01T12:00:00", 0, ZONE_PLAIN},
    {"Asia/Manila", "1990-05-21T00:00:00", 28800, ZONE_GAP},
    {"Asia/Manila", "1990-05-20T23:59:59", 28800, ZONE_PLAIN},
    {"Asia/Manila", "1978-09-20T12:00:00", 28800, ZONE_PLAIN},
    {"America/Argentina/Buenos_Aires", "2009-03-14T23:30:00", -7200, ZONE_FOLD},
    {"America/Argentina/Buenos_Aires", "2008-10-19T00:30:00", -10800, ZONE_GAP},
    /* clang-format on */
};

#define ROWS ((int)(sizeof rows / sizeof *rows))

static int64_t local_of(const char *text)
{
    struct clock_time t;

    ck_assert(clock_parse(slice_of(text), &t));
    return t.local_s;
}

static void check_row(int i)
{
    struct fault why;
    struct zone *z = zone_find(rows[i].zone, &why);
    int32_t offset_s;
    enum zone_note note;

    ck_assert_ptr_nonnull(z);
    note = zone_offset(z, local_of(rows[i].local), &offset_s);
    ck_assert_msg(note == rows[i].note && offset_s == rows[i].offset_s,
        "%s in %s: offset %d note %d, wanted %d note %d", rows[i].local, rows[i].zone, offset_s,
        note, rows[i].offset_s, rows[i].note);
}

START_TEST(offsets)
{
    check_row(_i);
}
END_TEST

/* In one process, forwards and backwards: no zone may answer for another, no day for another. */
START_TEST(zones_do_not_mix)
{
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < ROWS; i++)
            check_row(round ? ROWS - 1 - i : i);
}
END_TEST

/* Every quarter of an hour of a year: local time, offset and instant agree. */
START_TEST(a_year)
{
    static const char *const names[] = {"Europe/Berlin", "America/New_York", "Asia/Manila"};
    static const int gaps[] = {4, 4, 0};
    struct fault why;
    struct zone *z = zone_find(names[_i], &why);
    int64_t from = local_of("2026-01-01T00:00:00"), end = local_of("2027-01-01T00:00:00");
    int gap = 0, fold = 0;

    for (int64_t at = from; at < end; at += 900) {
        int32_t offset_s;
        enum zone_note note = zone_offset(z, at, &offset_s);

        gap += note == ZONE_GAP;
        fold += note == ZONE_FOLD;
        if (note != ZONE_GAP)
            ck_assert_int_eq(zone_offset_at(z, at - offset_s), offset_s);
        else
            ck_assert_int_ne(zone_offset_at(z, at - offset_s), offset_s);
    }
    ck_assert_int_eq(gap, gaps[_i]);
    ck_assert_int_eq(fold, gaps[_i]);
}
END_TEST

static const struct {
    const char *name;
    int32_t offset_s;
} fixed[] = {
    {"+08:00", 28800},
    {"-03:30", -12600},
    {"+00:00", 0},
    {"Z", 0},
    {"UTC", 0},
};

START_TEST(fixed_offsets)
{
    struct fault why;
    struct zone *z = zone_find(fixed[_i].name, &why);
    int32_t offset_s;

    ck_assert_ptr_nonnull(z);
    ck_assert_str_eq(zone_name(z), fixed[_i].name);
    ck_assert_int_eq(zone_offset(z, 1578393248, &offset_s), ZONE_PLAIN);
    ck_assert_int_eq(offset_s, fixed[_i].offset_s);
    ck_assert_int_eq(zone_offset_at(z, 1578393248), fixed[_i].offset_s);
}
END_TEST

static const char *const unknown[] = {
    "", "Asia/Nowhere", "Asia", "/etc/passwd", "../../../etc/passwd", "Asia/../../../../etc/passwd",
    "asia/manila\n", "+8:00", "+25:00", "Asia/Manila ", "leapseconds", /* lies beside the zones */
};

START_TEST(unknown_zones)
{
    struct fault why = {0};

    ck_assert_ptr_null(zone_find(unknown[_i], &why));
    ck_assert_int_eq(why.status, EX_CONFIG);
}
END_TEST

START_TEST(found_once)
{
    struct fault why;

    ck_assert_ptr_eq(zone_find("Asia/Manila", &why), zone_find("Asia/Manila", &why));
}
END_TEST

static const struct {
    const char *typed, *near; /* NULL: none is */
} nears[] = {
    {"Asia/Manilla", "Asia/Manila"},
    {"asia/manila", "Asia/Manila"},
    {"Manila", "Asia/Manila"},
    {"Singapoor", "Asia/Singapore"},
    {"America/Argentina/Salto", "America/Argentina/Salta"},
    {"Nowhere/At_All", NULL},
    {"", NULL},
    {"/etc/passwd", NULL},
};

START_TEST(near_zones)
{
    char near[ZONE_NAME_BYTES] = "?";

    ck_assert(zone_near(nears[_i].typed, near) == (nears[_i].near != NULL));
    if (nears[_i].near)
        ck_assert_str_eq(near, nears[_i].near);
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, offsets, 0, ROWS);
    tcase_add_test(tc, zones_do_not_mix);
    tcase_add_loop_test(tc, a_year, 0, 3);
    tcase_add_loop_test(tc, fixed_offsets, 0, COUNT(fixed));
    tcase_add_loop_test(tc, unknown_zones, 0, COUNT(unknown));
    tcase_add_test(tc, found_once);
    tcase_add_loop_test(tc, near_zones, 0, COUNT(nears));
}

UNIT_MAIN("zone", add_tests)

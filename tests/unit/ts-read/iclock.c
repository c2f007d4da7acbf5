/* SPDX-License-Identifier: MIT */
/* The words of ZKTeco push: requests, bodies that hold no records, answers, and what is remembered
 * of devices. */
#include "iclock.h"

#include <stdio.h>

#include "../../support/unit.h"
#include "iclock_book.h"
#include "zk_time.h"

static const struct {
    const char *path, *query;
    enum iclock_page page;
    enum iclock_table table;
    const char *serial, *stamp;
    int acc;
} requests[] = {
    {"/iclock/cdata", "SN=A1&table=ATTLOG&Stamp=9999", ICLOCK_CDATA, ICLOCK_ATTLOG, "A1", "9999",
        -1},
    {"/iclock/cdata", "SN=0066688490001&Stamp=289503453", ICLOCK_CDATA, ICLOCK_ATTLOG,
        "0066688490001", "289503453", -1},
    {"/iclock/cdata", "SN=A1&OpStamp=7", ICLOCK_CDATA, ICLOCK_OPERLOG, "A1", "7", -1},
    {"/iclock/cdata", "SN=A1&PhotoStamp=7", ICLOCK_CDATA, ICLOCK_PHOTO, "A1", "7", -1},
    {"/iclock/cdata", "SN=A1&table=OPERLOG&Stamp=8", ICLOCK_CDATA, ICLOCK_OPERLOG, "A1", "8", -1},
    {"/iclock/cdata", "sn=A1&TABLE=operlog&OPERLOGStamp=8", ICLOCK_CDATA, ICLOCK_OPERLOG, "A1", "8",
        -1},
    {"/iclock/cdata", "SN=A1&table=ATTLOG Stamp=123", ICLOCK_CDATA, ICLOCK_ATTLOG, "A1", "123", -1},
    {"/iclock/cdata", "SN=A1&table=ATTLOG%20Stamp=123", ICLOCK_CDATA, ICLOCK_ATTLOG, "A1", "123",
        -1},
    {"/iclock/cdata", "SN=A1&table=rtlog&DeviceType=acc", ICLOCK_CDATA, ICLOCK_EVENTS, "A1", "", 1},
    {"/iclock/cdata", "SN=A1&options=all&DeviceType=middle%20east", ICLOCK_CDATA, ICLOCK_ATTLOG,
        "A1", "", 0},
    {"/iclock/cdata", "SN=A1&table=tabledata&tablename=user&count=3", ICLOCK_CDATA, ICLOCK_PEOPLE,
        "A1", "", -1},
    {"/iclock/cdata", "SN=A1&table=tabledata", ICLOCK_CDATA, ICLOCK_STATE, "A1", "", -1},
    {"/iclock/cdata", "SN=A1&table=NEWTABLE", ICLOCK_CDATA, ICLOCK_OTHER, "A1", "", -1},
    {"/iclock/querydata", "SN=A1&type=tabledata&tablename=transaction", ICLOCK_QUERYDATA,
        ICLOCK_EVENTS, "A1", "", -1},
    {"/iclock/querydata", "SN=A1&type=options", ICLOCK_QUERYDATA, ICLOCK_STATE, "A1", "", -1},
    {"/iclock/fdata", "SN=A1&PIN=1&PhotoStamp=4", ICLOCK_FDATA, ICLOCK_PHOTO, "A1", "4", -1},
    {"/iclock/cdata.aspx", "SN=A1", ICLOCK_CDATA, ICLOCK_ATTLOG, "A1", "", -1},
    {"/iclock/iclock/cdata/", "SN=A1", ICLOCK_CDATA, ICLOCK_ATTLOG, "A1", "", -1},
    {"/ICLOCK/getreq", "SN=A1", ICLOCK_GETREQUEST, ICLOCK_ATTLOG, "A1", "", -1},
    {"/iclock/service/control", "SN=A1", ICLOCK_HELLO, ICLOCK_ATTLOG, "A1", "", -1},
    {"/iclock", "SN=A1", ICLOCK_NOWHERE, ICLOCK_ATTLOG, "A1", "", -1},
    {"/iclock/.aspx", "", ICLOCK_NOWHERE, ICLOCK_ATTLOG, "", "", -1},
    {"/iclock/cdata", "SN=A1&SN=B1", ICLOCK_CDATA, ICLOCK_ATTLOG, "A1", "", -1},
    {"/iclock/cdata", "SN=A%00", ICLOCK_CDATA, ICLOCK_ATTLOG, "", "", -1},
    {"/iclock/cdata", "SN=A%0aB", ICLOCK_CDATA, ICLOCK_ATTLOG, "", "", -1},
    {"/iclock/cdata", "SN=A/B", ICLOCK_CDATA, ICLOCK_ATTLOG, "", "", -1},
    {"/iclock/cdata", "SN=12345678901234567890123456789012", ICLOCK_CDATA, ICLOCK_ATTLOG,
        "12345678901234567890123456789012", "", -1},
    {"/iclock/cdata", "SN=123456789012345678901234567890123", ICLOCK_CDATA, ICLOCK_ATTLOG, "", "",
        -1},
    {"/iclock/cdata", "SN=A1&table=ATTLOG&Stamp=1%0aTransFlag=11", ICLOCK_CDATA, ICLOCK_ATTLOG,
        "A1", "", -1},
    {"/iclock/cdata", "SN&=&&table&%", ICLOCK_CDATA, ICLOCK_ATTLOG, "", "", -1},
};

START_TEST(reads_requests)
{
    struct iclock_query q;

    ck_assert(iclock_path(slice_of(requests[_i].path)));
    iclock_read(slice_of(requests[_i].path), slice_of(requests[_i].query), &q);
    ck_assert_int_eq(q.page, requests[_i].page);
    ck_assert_int_eq(q.table, requests[_i].table);
    ck_assert_str_eq(q.serial, requests[_i].serial);
    ck_assert_str_eq(q.stamp, requests[_i].stamp);
    ck_assert_int_eq(q.acc, requests[_i].acc);
}
END_TEST

START_TEST(reads_the_rest_of_a_query)
{
    struct iclock_query q;

    iclock_read(SLICE("/iclock/querydata"),
        SLICE("SN=A1&tablename=transaction&count=12&packcnt=36&packidx=7&type=tabledata"), &q);
    ck_assert_str_eq(q.tablename, "transaction");
    ck_assert_str_eq(q.count, "12");
    ck_assert_int_eq(q.packs, 36);
    ck_assert_int_eq(q.pack, 7);
    iclock_read(SLICE("/iclock/cdata"), SLICE("SN=A1&tablename=a%3d1&count=1e9&packidx=-1"), &q);
    ck_assert_str_eq(q.tablename, "");
    ck_assert_str_eq(q.count, "");
    ck_assert_int_eq(q.pack, 0);
    iclock_read(SLICE("/iclock/getrequest"),
        SLICE("SN=A1&INFO=Ver%206.39%20Apr%2028%202008,3,4,5311,127.0.0.1"), &q);
    ck_assert_int_eq(q.logs, 5311);
    iclock_read(SLICE("/iclock/getrequest"), SLICE("SN=A1&INFO=Ver,3,4"), &q);
    ck_assert_int_eq(q.logs, -1);
}
END_TEST

START_TEST(other_paths_are_not_theirs)
{
    ck_assert(!iclock_path(SLICE("/")));
    ck_assert(!iclock_path(SLICE("/iclocks/cdata")));
    ck_assert(!iclock_path(SLICE("/x/iclock/cdata")));
}
END_TEST

START_TEST(reads_a_registry)
{
    static const struct {
        const char *body;
        int acc;
    } registries[] = {
        {"DeviceType=acc,~DeviceName=Sense,Face, 2A,FirmVer=ZAM70,x=1", 1},
        {"~OEMVendor=ZKTECO CO., LTD.,DeviceType=att\r\n", 0},
        {"~DeviceName=Sense,DeviceTypes,DeviceType=acc,x=1", 1},
        {"~DeviceName=DeviceType,a=DeviceType=acc", -1},
        {"nothing at all", -1},
        {"=,=,,=a", -1},
        {"", -1},
    };

    for (size_t i = 0; i < sizeof registries / sizeof *registries; i++)
        ck_assert_int_eq(iclock_read_registry(slice_of(registries[i].body)), registries[i].acc);
}
END_TEST

START_TEST(reads_results)
{
    struct slice body = SLICE("ID=4&Return=0&CMD=DATA\nID=5\nReturn=-1004\nCMD=DATA\nComKey=1\r\n"
                              "ID=x&Return=1\nReturn=7\nID=6&CMD=Shell&Return=17\n");
    struct iclock_result r;

    ck_assert(iclock_next_result(&body, &r));
    ck_assert(r.id == 4 && r.value == 0);
    ck_assert(iclock_next_result(&body, &r));
    ck_assert(r.id == 5 && r.value == -1004);
    ck_assert_str_eq(iclock_meaning(r.value), "it has no such table");
    ck_assert(iclock_next_result(&body, &r));
    ck_assert(r.id == 6 && r.value == 17);
    ck_assert(!iclock_next_result(&body, &r));
}
END_TEST

START_TEST(counts_lines)
{
    ck_assert_uint_eq(iclock_lines(SLICE("a\nb\r\n\r\n \t\nc")), 3);
    ck_assert_uint_eq(iclock_lines(SLICE("")), 0);
}
END_TEST

static const struct {
    const char *text, *serial, *command; /* NULL: refused */
} periods[] = {
    {"2026-01-01..2026-01-31", "",
        "C:7:DATA QUERY ATTLOG StartTime=2026-01-01 00:00:00\tEndTime=2026-01-31 23:59:59\n"},
    {"2026-01-01T08:00:00..2026-01-01T08:00:00", "",
        "C:7:DATA QUERY ATTLOG StartTime=2026-01-01 08:00:00\tEndTime=2026-01-01 08:00:00\n"},
    {"A-1:2026-01-01..2026-01-01T12:00:00", "A-1",
        "C:7:DATA QUERY ATTLOG StartTime=2026-01-01 00:00:00\tEndTime=2026-01-01 12:00:00\n"},
    {"2026-01-01", "", NULL},
    {"2026-02-30..2026-03-01", "", NULL},
    {"2026-02-02..2026-02-01", "", NULL},
    {"2026-01-01T08:00:00Z..2026-01-02", "", NULL},
    {"a b:2026-01-01..2026-01-02", "", NULL},
    {":2026-01-01..2026-01-02", "", NULL},
    {"..", "", NULL},
    {"", "", NULL},
};

START_TEST(reads_periods)
{
    struct iclock_period p;
    struct buf out = {0};
    struct fault why;
    int rc = iclock_read_period(slice_of(periods[_i].text), &p, &why);

    if (!periods[_i].command) {
        ck_assert_int_eq(rc, -1);
        ck_assert_int_eq(why.status, EX_USAGE);
        return;
    }
    ck_assert_int_eq(rc, 0);
    ck_assert_str_eq(p.serial, periods[_i].serial);
    iclock_print_query(&out, 7, &p, false);
    ck_assert(slice_is(buf_all(&out), periods[_i].command));
    buf_free(&out);
}
END_TEST

static const struct {
    int32_t offset_s;
    const char *zone, *time;
} zones[] = {
    {0, "0", "DateTime=841132873,ServerTZ=+0000"},
    {8 * 3600, "8", "DateTime=841132873,ServerTZ=+0800"},
    {-5 * 3600, "-5", "DateTime=841132873,ServerTZ=-0500"},
    {19800, "330", "DateTime=841132873,ServerTZ=+0530"},
    {-12600, "-210", "DateTime=841132873,ServerTZ=-0330"},
    {13 * 3600, "780", "DateTime=841132873,ServerTZ=+1300"},
    {-12 * 3600, "-12", "DateTime=841132873,ServerTZ=-1200"},
    {14 * 3600, "840", "DateTime=841132873,ServerTZ=+1400"},
};

START_TEST(prints_zones)
{
    struct buf out = {0};

    iclock_print_zone(&out, zones[_i].offset_s);
    ck_assert(slice_is(buf_all(&out), zones[_i].zone));
    out.len = 0;
    iclock_print_time(&out, 1772438473, zones[_i].offset_s); /* 2026-03-02T08:01:13 */
    ck_assert(slice_is(buf_all(&out), zones[_i].time));
    buf_free(&out);
}
END_TEST

START_TEST(codes_last)
{
    struct buf a = {0}, b = {0};

    iclock_print_code(&a, "A1", "registry");
    iclock_print_code(&b, "A1", "registry");
    ck_assert_uint_eq(a.len, 32);
    ck_assert(slice_eq(buf_all(&a), buf_all(&b)));
    b.len = 0;
    iclock_print_code(&b, "A2", "registry");
    ck_assert(!slice_eq(buf_all(&a), buf_all(&b)));
    b.len = 0;
    iclock_print_code(&b, "A1", "session");
    ck_assert(!slice_eq(buf_all(&a), buf_all(&b)));
    buf_free(&a);
    buf_free(&b);
}
END_TEST

/* What is packed comes back; a 31 February does not. */
START_TEST(packs_times)
{
    struct zk_time t = {.unset = false};
    struct clock_time at;

    for (int64_t s = 946684800; zk_time_pack(s) <= INT32_MAX; s += 86399 * 7) {
        ck_assert(zk_time_unpack(&t, zk_time_pack(s)) == NULL && !t.unset);
        ck_assert(clock_parse((struct slice){t.local, ZK_TIME_BYTES}, &at));
        ck_assert_int_eq(at.local_s, s);
    }
    ck_assert_ptr_nonnull(zk_time_unpack(&t, zk_time_pack(946684800) + 31u * 86400u * 2u - 86400u));
    ck_assert_uint_eq(zk_time_pack(0), 0);
}
END_TEST

START_TEST(forgets_the_longest_silent)
{
    struct iclock_book *b = iclock_book_new(3);
    struct iclock_device *a, *c;
    size_t others;
    bool fresh;

    a = iclock_book_see(b, "A", 1, &fresh);
    ck_assert(fresh);
    a->held = 1;
    snprintf(a->host, sizeof a->host, "192.0.2.1");
    iclock_book_see(b, "B", 2, &fresh);
    iclock_book_see(b, "C", 3, &fresh);
    c = iclock_book_see(b, "D", 4, &fresh); /* in place of B: A is held */
    ck_assert(fresh && iclock_book_count(b) == 3);
    ck_assert_ptr_eq(iclock_book_at(b, "192.0.2.1", c, &others), a);
    ck_assert_uint_eq(others, 1);
    ck_assert_ptr_null(iclock_book_at(b, "192.0.2.1", a, &others));
    ck_assert_ptr_eq(iclock_book_see(b, "A", 5, &fresh), a);
    ck_assert(!fresh);
    iclock_book_see(b, "C", 6, &fresh);
    ck_assert(!fresh);
    iclock_book_see(b, "B", 7, &fresh);
    ck_assert(fresh);
    iclock_book_see(b, "C", 8, &fresh)->held = 1;
    iclock_book_see(b, "B", 9, &fresh)->held = 1;
    ck_assert_ptr_null(iclock_book_see(b, "E", 10, &fresh));
    iclock_book_free(b);
}
END_TEST

START_TEST(finds_each_of_many)
{
    struct iclock_book *b = iclock_book_new(5000);
    char serial[ICLOCK_SERIAL];
    bool fresh;

    for (int round = 0; round < 2; round++)
        for (int n = 0; n < 5000; n++) {
            snprintf(serial, sizeof serial, "SN%d", n);
            ck_assert_str_eq(iclock_book_see(b, serial, n, &fresh)->serial, serial);
            ck_assert(fresh == (round == 0));
        }
    ck_assert_uint_eq(iclock_book_count(b), 5000);
    iclock_book_free(b);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, reads_requests, 0, (int)(sizeof requests / sizeof *requests));
    tcase_add_test(tc, reads_the_rest_of_a_query);
    tcase_add_test(tc, other_paths_are_not_theirs);
    tcase_add_test(tc, reads_a_registry);
    tcase_add_test(tc, reads_results);
    tcase_add_test(tc, counts_lines);
    tcase_add_loop_test(tc, reads_periods, 0, (int)(sizeof periods / sizeof *periods));
    tcase_add_loop_test(tc, prints_zones, 0, (int)(sizeof zones / sizeof *zones));
    tcase_add_test(tc, codes_last);
    tcase_add_test(tc, packs_times);
    tcase_add_test(tc, forgets_the_longest_silent);
    tcase_add_test(tc, finds_each_of_many);
}

UNIT_MAIN("iclock", add_tests)

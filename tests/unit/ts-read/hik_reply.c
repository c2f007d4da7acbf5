/* SPDX-License-Identifier: MIT */
/* Answers of Hikvision devices in the forms that are known of them. */
#include "../../support/unit.h"

#include "hik_reply.h"

START_TEST(short_serials)
{
    static const char *const rows[][2] = {
        {"DS-K1T673DX20240101V031000ENFZ1234567", "FZ1234567"},
        {"DS-2CD2386G2-IU00000000AAWRJ00000000", "J00000000"},
        {"DS-7608NXI-I0/0P/S0000000000CCRRJ00000000WCVU", "J00000000"},
        {"FY0597362", "FY0597362"},
        {"0123456", "0123456"},
        {"GATE-TERMINAL-7", "GATE-TERMINAL-7"},
        {"", ""},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert(slice_is(hik_short_serial(slice_of(rows[i][0])), rows[i][1]));
}
END_TEST

START_TEST(clocks)
{
    static const struct {
        const char *text, *offset;
        int64_t time_s;
    } rows[] = {
        {"<Time><localTime>2026-03-02T09:00:00+03:00</localTime></Time>", "+03:00", 1772431200},
        {"{\"Time\":{\"localTime\":\"2026-03-02T06:00:00Z\"}}", "Z", 1772431200},
        {"<Time><localTime>2026-03-02T14:00:00</localTime><timeZone>CST-8:00:00</timeZone></Time>",
            "+08:00", 1772431200},
        {"<Time><localTime>2026-03-02T01:00:00</localTime>"
         "<timeZone>CST+5:00:00DST01:00:00,M3.2.0/02:00:00,M11.1.0/02:00:00</timeZone></Time>",
            "-05:00", 1772431200},
        {"<Time><localTime>2026-03-02T11:30:00-00:00</localTime><timeZone>X-5:30</timeZone></Time>",
            "+05:30", 1772431200},
        {"<Time><localTime>2026-03-02T09:00:00</localTime></Time>", NULL, 0},
        {"<Time><localTime>2026-03-02T09:00:00</localTime><timeZone>8</timeZone></Time>", NULL, 0},
        {"<Time><timeZone>CST-8:00:00</timeZone></Time>", NULL, 0},
        {"", NULL, 0},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct log_place clock = {.serial = 7};
        char offset[8] = "";
        bool good = hik_clock_read(slice_of(rows[i].text), &clock, offset);

        ck_assert(good == (rows[i].offset != NULL));
        if (good) {
            ck_assert_str_eq(offset, rows[i].offset);
            ck_assert_int_eq(clock.time_s, rows[i].time_s);
        }
    }
}
END_TEST

static bool want_even(void *arg, const struct log_place *place)
{
    *(int64_t *)arg += place->serial;
    return place->serial % 2 == 0;
}

#define RECORD(n)                                                                                  \
    "{\"major\":5,\"minor\":75,\"time\":\"2026-03-02T09:00:00+03:00\",\"serialNo\":" n "}"

START_TEST(pages)
{
    static const struct {
        const char *text;
        enum hik_more more;
        int64_t total, sum;
        unsigned count;
        bool kept;
    } rows[] = {
        {"{\"AcsEvent\":{\"responseStatusStrg\":\"MORE\",\"totalMatches\":9,\"InfoList\":[" RECORD(
             "1") "," RECORD("2") "]}}",
            HIK_MORE, 9, 3, 2, true},
        {"{\"AcsEvent\":{\"responseStatusStrg\":\"OK\",\"totalMatches\":\"1\",\"InfoList\":"
         "{\"AcsEventInfo\":[" RECORD("\"3\"") "]}}}",
            HIK_LAST, 1, 3, 1, false},
        {"{\"AcsEvent\":{\"responseStatusStrg\":\"OK\",\"InfoList\":" RECORD("4") "}}", HIK_LAST,
            -1, 4, 1, true},
        {"<AcsEvent><responseStatusStrg>OK</responseStatusStrg><InfoList><Info><time>2026-03-02T"
         "09:00:00+03:00</time><serialNo>6</serialNo></Info><Info><time>2026-03-02T09:00:01+03:00"
         "</time><serialNo>8</serialNo></Info></InfoList></AcsEvent>",
            HIK_LAST, -1, 14, 2, true},
        {"{\"AcsEvent\":{\"responseStatusStrg\":\"NO MATCH\",\"totalMatches\":0}}", HIK_LAST, 0, 0,
            0, false},
        {"{\"statusCode\":4,\"statusString\":\"Invalid Operation\"}", HIK_BAD, -1, 0, 0, false},
        {"<html>", HIK_BAD, -1, 0, 0, false},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct hik_page page = {0};
        int64_t sum = 0;

        hik_page_read(slice_of(rows[i].text), &page, want_even, &sum);
        ck_assert_int_eq(page.more, rows[i].more);
        ck_assert_int_eq(page.total, rows[i].total);
        ck_assert_int_eq(sum, rows[i].sum);
        ck_assert_uint_eq(page.count, rows[i].count);
        ck_assert((page.kept.len > 0) == rows[i].kept);
        buf_free(&page.kept);
    }
}
END_TEST

START_TEST(notices)
{
    static const struct {
        const char *text;
        bool heartbeat, event, live, history;
        int64_t serial, front;
    } rows[] = {
        {"{\"eventType\":\"videoloss\",\"eventState\":\"inactive\"}", true, false, false, false, -1,
            -1},
        {"{\"eventType\":\"videoloss\",\"eventState\":\"active\"}", false, false, false, false, -1,
            -1},
        {"<EventNotificationAlert xmlns=\"urn:x\"><eventType>heartBeat</eventType>"
         "</EventNotificationAlert>",
            true, false, false, false, -1, -1},
        {"{\"eventType\":\"x\",\"eventState\":\"inactive\",\"activePostCount\":0}", true, false,
            false, false, -1, -1},
        {"{\"dateTime\":\"2026-03-02T09:00:00+03:00\",\"AccessControllerEvent\":{\"serialNo\":10,"
         "\"fronSerialNo\":9,\"currentEvent\":false}}",
            false, true, false, true, 10, 9},
        {"{\"EventNotificationAlert\":{\"AccessControllerEvent\":{\"serialNo\":\"11\","
         "\"frontSerialNo\":10,\"currentEvent\":true}}}",
            false, true, true, false, 11, 10},
        {"{\"AccessControllerEvent\":{\"serialNo\":0}}", false, true, false, false, -1, -1},
        {"{", false, false, false, false, -1, -1},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct hik_notice n;

        hik_notice_read(slice_of(rows[i].text), &n);
        ck_assert(n.heartbeat == rows[i].heartbeat && n.event == rows[i].event);
        ck_assert(n.live == rows[i].live && n.history == rows[i].history);
        ck_assert_int_eq(n.place.serial, rows[i].serial);
        ck_assert_int_eq(n.front, rows[i].front);
    }
}
END_TEST

START_TEST(refusals)
{
    static const char *const rows[][2] = {
        {"<userCheck><statusValue>401</statusValue><lockStatus>lock</lockStatus>"
         "<unlockTime>1800</unlockTime></userCheck>",
            "the account is locked for 1800 s: too many wrong passwords"},
        {"{\"userCheck\":{\"lockStatus\":\"lock\"}}",
            "the account is locked: too many wrong passwords"},
        {"<userCheck><lockStatus>unlock</lockStatus><retryLoginTime>4</retryLoginTime></userCheck>",
            "refuses the user or the password (4 tries are left before it locks the account)"},
        {"<html>401</html>", ""},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char words[200] = "";

        ck_assert(
            hik_refusal_read(slice_of(rows[i][0]), words, sizeof words) == (*rows[i][1] != 0));
        ck_assert_str_eq(words, rows[i][1]);
    }
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, short_serials);
    tcase_add_test(tc, clocks);
    tcase_add_test(tc, pages);
    tcase_add_test(tc, notices);
    tcase_add_test(tc, refusals);
}

UNIT_MAIN("hik_reply", add_tests)

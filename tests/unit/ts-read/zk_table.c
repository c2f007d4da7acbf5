/* SPDX-License-Identifier: MIT */
/* Records as captured, which layout a table has, live events by their length, users. */
#include "zk_table.h"

#include <stdio.h>

#include "../../support/unit.h"
#include "clock.h"
#include "zk_hex.h"

/* ---- records ---- */

static const struct {
    enum zk_layout layout;
    const char *hex, *person, *time;
    unsigned uid, verify, state;
} records[] = {
    {ZK_40, "0d00393939313131333333000000000000000000000000000000016bb368230000000000ff000000",
        "999111333", "2018-06-25T17:50:35", 13, 1, 0},
    {ZK_49,
        "0d00393939313131333333000000000000000000000000000000016bb368230000000000ff000000"
        "ff3235350000000000",
        "999111333", "2018-06-25T17:50:35", 13, 1, 0},
    {ZK_16, "15000000ec154f230000000000000000", "21", "2018-06-06T07:31:56", 0, 0, 0},
    {ZK_16, "0e0000003c234f230104000035000000", "14", "2018-06-06T08:28:44", 0, 4, 1},
    {ZK_8_FLAGS, "07002800a8eba71e", "", "2016-01-01T19:02:00", 7, 1, 0},
    {ZK_8_FLAGS, "7b0028004beca71e", "", "2016-01-01T19:04:43", 123, 1, 0},
    {ZK_8, "7b00014eeca71e01", "", "2016-01-01T19:04:46", 123, 1, 1},
};

START_TEST(what_records_say)
{
    struct buf bytes = {0};
    struct zk_passage p;
    char text[CLOCK_TEXT];

    hex_bytes(&bytes, records[_i].hex);
    ck_assert_uint_eq(bytes.len, zk_layout_bytes(records[_i].layout));
    zk_record_read(records[_i].layout, bytes.data, &p);
    ck_assert_str_eq(p.person, records[_i].person);
    ck_assert(p.dated && !p.unset && !p.empty);
    clock_print_local(text, p.local_s, 0);
    ck_assert_str_eq(text, records[_i].time);
    ck_assert_uint_eq(p.uid, records[_i].uid);
    ck_assert_uint_eq(p.verify, records[_i].verify);
    ck_assert_uint_eq(p.state, records[_i].state);
    ck_assert_int_eq(p.by_uid, !*records[_i].person);
    buf_free(&bytes);
}
END_TEST

/* ---- layouts ---- */

/* Tables of `count` passages, a minute apart, in each layout. */
static void make(struct buf *out, enum zk_layout layout, unsigned count, uint32_t first)
{
    for (unsigned i = 0; i < count; i++) {
        char r[49] = {0};
        uint32_t time = first + i * 60, at = layout == ZK_8 ? 3 : layout < ZK_40 ? 4 : 27;
        char id[8];

        snprintf(id, sizeof id, "%u", 100 + i % 50);
        r[0] = (char)(1 + i % 50);
        if (layout >= ZK_40)
            memcpy(r + 2, id, strlen(id));
        if (layout == ZK_8_FLAGS)
            r[2] = 0x28;
        if (layout == ZK_8)
            r[2] = 1;
        if (layout == ZK_49)
            memcpy(r + 40,
                "\xff"
                "255",
                4);
        for (int b = 0; b < 4; b++)
            r[at + (unsigned)b] = (char)(time >> 8 * b);
        buf_add(out, r, zk_layout_bytes(layout));
    }
}

#define MORNING 0x31d7a9a0u /* 2026-01-07T10:34:08 */
#define UNSET 0xc6871c07u   /* 7 seconds after 1970 */

START_TEST(layouts_are_found)
{
    static const unsigned counts[] = {1, 2, 3, 5, 49, 392, 1960, 7000};

    for (enum zk_layout l = ZK_8; l < ZK_LAYOUTS; l++)
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
            struct buf t = {0};

            make(&t, l, counts[i], MORNING);
            ck_assert_int_eq(zk_layout_find(buf_all(&t), t.len, counts[i]), l);
            ck_assert_int_eq(zk_layout_find(buf_all(&t), t.len, 0), l);
            /* a device that counts wrong */
            ck_assert_int_eq(zk_layout_find(buf_all(&t), t.len, counts[i] + 3), l);
            buf_free(&t);
        }
}
END_TEST

/* A clock that was never set: only with what the device counts. */
START_TEST(layouts_of_unset_clocks)
{
    for (enum zk_layout l = ZK_8; l < ZK_LAYOUTS; l++) {
        struct buf t = {0};

        make(&t, l, 20, UNSET);
        ck_assert_int_eq(zk_layout_find(buf_all(&t), t.len, 20), l);
        ck_assert_int_eq(zk_layout_find(buf_all(&t), t.len, 0), ZK_UNKNOWN_LAYOUT);
        buf_free(&t);
    }
}
END_TEST

/* The 49 bytes in the middle of records of 40. */
START_TEST(marks_between_records)
{
    struct buf one = {0}, t = {0};

    make(&one, ZK_40, 1, MORNING);
    for (int i = 0; i < 9; i++) {
        if (i % 3 == 0)
            buf_add(&t,
                "\xff"
                "255\0\0\0\0",
                9);
        buf_add(&t, one.data, one.len);
    }
    ck_assert_int_eq(zk_layout_find(buf_all(&t), t.len, 9), ZK_40);
    buf_free(&one);
    buf_free(&t);
}
END_TEST

static const char *const nonsense[] = {
    /* in place of a log, from a K40 */
    "40d835802f330100d5dc0100df230100c9010200cb140100d1260200e50901004b4d0200c3fe0000b173020085f1"
    "00006d99020047e4000029bf020061d90000a3e5020019d10000c70c030001cc00005f2c0300d802000018000000"
    "160000000a0000009a19000001340300f20000004800000028030000",
    "00000000000000000000000000000000000000000000000000000000000000000000000000000000",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "",
};

START_TEST(no_layout)
{
    struct buf t = {0};

    hex_bytes(&t, nonsense[_i]);
    ck_assert_int_eq(zk_layout_find(buf_all(&t), t.len, 0), ZK_UNKNOWN_LAYOUT);
    buf_free(&t);
}
END_TEST

START_TEST(layout_names)
{
    for (enum zk_layout l = ZK_8; l < ZK_LAYOUTS; l++)
        ck_assert_int_eq(zk_layout_named(slice_of(zk_layout_name(l))), l);
    ck_assert_int_eq(zk_layout_named(SLICE("unknown")), ZK_UNKNOWN_LAYOUT);
    ck_assert_int_eq(zk_layout_named(SLICE_NONE), ZK_UNKNOWN_LAYOUT);
}
END_TEST

/* ---- live events ---- */

#define ID32 "313134303036340000000000000000000000000000000000"

static const struct {
    const char *hex;
    int count; /* events in the packet; -1: none that can be read */
    const char *person, *time;
    unsigned uid, verify, state;
} events[] = {
    {"f194490000 00120c07130906", 1, "4822257", "2018-12-07T19:09:06", 0, 0, 0},
    {ID32 "0f00120b1d0c3703", 1, "1140064", "2018-11-29T12:55:03", 0, 15, 0},
    {ID32 "0f01120b1d0c3703 00000000", 1, "1140064", "2018-11-29T12:55:03", 0, 15, 1},
    {ID32 "0f01120b1d0c3703 0000000000", 1, "1140064", "2018-11-29T12:55:03", 0, 15, 1},
    {ID32 "0f01120b1d0c3703 000000000000000000", 1, "1140064", "2018-11-29T12:55:03", 0, 15, 1},
    {ID32 "0f01120b1d0c3703 0000000000000000000000000000000000000000", 1, "1140064",
        "2018-11-29T12:55:03", 0, 15, 1},
    {ID32 "0f00120b1d0c3703" ID32 "0f00120b1d0c3704", 2, "1140064", "2018-11-29T12:55:03", 0, 15,
        0},
    {"07000101120c07130906", 1, "", "2018-12-07T19:09:06", 7, 1, 1},
    {"07000101120c0713090600000000", 1, "", "2018-12-07T19:09:06", 7, 1, 1},
    {"07000101120c07130906000000", 1, "16842759", NULL, 0, 18, 12}, /* 13 bytes: read as 12 */
    {"07000101120c0713090600", 1, "", "2018-12-07T19:09:06", 7, 1, 1},
    {"07000101120c07130906 08000101120c07130907", 2, "", "2018-12-07T19:09:06", 7, 1, 1},
    {"f19449000000120c07130906 f19449000000120c07130907", 2, "4822257", "2018-12-07T19:09:06", 0, 0,
        0},
    {"07000101120c071309", -1, NULL, NULL, 0, 0, 0},
    {"", -1, NULL, NULL, 0, 0, 0},
};

START_TEST(live_events)
{
    struct buf bytes = {0};
    struct zk_passage p;
    struct slice data;
    char text[CLOCK_TEXT];
    int count = 0;

    hex_bytes(&bytes, events[_i].hex);
    data = buf_all(&bytes);
    ck_assert_int_eq(zk_event_read(&data, &p), events[_i].count > 0);
    if (events[_i].count > 0) {
        ck_assert_str_eq(p.person, events[_i].person);
        ck_assert_int_eq(p.dated, events[_i].time != NULL);
        if (p.dated) {
            clock_print_local(text, p.local_s, 0);
            ck_assert_str_eq(text, events[_i].time);
        }
        ck_assert_uint_eq(p.uid, events[_i].uid);
        ck_assert_uint_eq(p.verify, events[_i].verify);
        ck_assert_uint_eq(p.state, events[_i].state);
        for (count = 1; data.n > 0 && zk_event_read(&data, &p); count++)
            ;
        ck_assert_int_eq(count, events[_i].count);
        ck_assert_uint_eq(data.n, 0);
    }
    buf_free(&bytes);
}
END_TEST

/* Every length ends, and takes what it read. */
START_TEST(events_of_any_length)
{
    char bytes[300];

    memset(bytes, '1', sizeof bytes);
    for (size_t n = 0; n <= sizeof bytes; n++) {
        struct slice data = {bytes, n};
        struct zk_passage p;
        unsigned turns = 0;

        while (zk_event_read(&data, &p))
            ck_assert_uint_lt(turns++, 31);
        ck_assert_uint_lt(data.n, 10);
    }
}
END_TEST

/* ---- users ---- */

#define USER72                                                                                     \
    "0d000034343400c69a807c4e6564000000000000000000000000000000000000000000de00000002010001000200" \
    "0000353535000000000000000000000000000000000000000000"

START_TEST(users)
{
    struct buf t = {0};
    char person[25];
    uint16_t uid;

    hex_bytes(&t, USER72);
    ck_assert_uint_eq(t.len, 72);
    ck_assert(zk_user_read(t.data, 72, &uid, person));
    ck_assert_uint_eq(uid, 13);
    ck_assert_str_eq(person, "555");
    ck_assert_uint_eq(zk_user_bytes(buf_all(&t), 1), 72);
    ck_assert_uint_eq(zk_user_bytes(buf_all(&t), 0), 72);
    for (int i = 0; i < 6; i++) /* 504 bytes are 7 of 72 or 18 of 28 */
        hex_bytes(&t, USER72);
    ck_assert_uint_eq(zk_user_bytes(buf_all(&t), 7), 72);
    ck_assert_uint_eq(zk_user_bytes(buf_all(&t), 0), 72);
    ck_assert_uint_eq(zk_user_bytes(buf_all(&t), 18), 28);
    t.len = 0;
    hex_bytes(&t, "0700003132330000 416e6e0000000000 0000000000 00 0000 b1940400");
    ck_assert_uint_eq(t.len, 28);
    ck_assert(zk_user_read(t.data, 28, &uid, person));
    ck_assert_uint_eq(uid, 7);
    ck_assert_str_eq(person, "300209");
    ck_assert_uint_eq(zk_user_bytes(buf_all(&t), 1), 28);
    ck_assert_uint_eq(zk_user_bytes((struct slice){t.data, 27}, 1), 0);
    memset(t.data, 0, 28);
    ck_assert(!zk_user_read(t.data, 28, &uid, person));
    buf_free(&t);
}
END_TEST

#define ROWS(test, rows) tcase_add_loop_test(tc, test, 0, (int)(sizeof rows / sizeof *rows))

static void add_tests(TCase *tc)
{
    ROWS(what_records_say, records);
    tcase_add_test(tc, layouts_are_found);
    tcase_add_test(tc, layouts_of_unset_clocks);
    tcase_add_test(tc, marks_between_records);
    ROWS(no_layout, nonsense);
    tcase_add_test(tc, layout_names);
    ROWS(live_events, events);
    tcase_add_test(tc, events_of_any_length);
    tcase_add_test(tc, users);
}

UNIT_MAIN("zk_table", add_tests)

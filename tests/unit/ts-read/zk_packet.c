/* SPDX-License-Identifier: MIT */
/* Packets of port 4370: bytes seen on real wires, keys and times that were computed by others. */
#include "zk_packet.h"

#include "../../support/unit.h"
#include "clock.h"
#include "zk_hex.h"

/* ---- frames ---- */

static const struct {
    const char *hex;
    bool tcp;
    unsigned command, session, reply;
    const char *data;
} packets[] = {
    {"e80317fc00000000", false, ZK_CONNECT, 0, 0, ""},
    {"e903e6002ffb0100", false, ZK_EXIT, 0xfb2f, 1, ""},
    {"d007fffc2ffb0000", false, ZK_ACK_OK, 0xfb2f, 0, ""},
    {"0b005a17f38d03005a4b4661636556657273696f6e00", false, ZK_OPTION, 0x8df3, 3,
        "5a4b4661636556657273696f6e00"},
    {"d007296af38d0a0009", false, ZK_ACK_OK, 0x8df3, 10, "09"}, /* an odd length */
    {"5050827d13000000df05b3cb582014000109000500000000000000"
     "",
        true, ZK_TABLE_OPEN, 0x2058, 20, "0109000500000000000000"},
    {"5050827d0800000032009ee02e1f0100", true, ZK_FREE_SIZES, 0x1f2e, 1, ""},
    {"5050827d28000000f401ac12010000003939393131313333330000000000000000000000000000000100120619112"
     "905",
        true, ZK_REG_EVENT, 1, 0,
        "3939393131313333330000000000000000000000000000000100120619112905"},
    {"4e044e2ccf450100614d323c", false, ZK_AUTH, 0x45cf, 1, "614d323c"},
};

START_TEST(both_ways)
{
    struct zk_packet p;
    struct buf bytes = {0}, data = {0}, again = {0};
    size_t used = 0;

    hex_bytes(&bytes, packets[_i].hex);
    hex_bytes(&data, packets[_i].data);
    if (packets[_i].tcp) {
        ck_assert_int_eq(zk_packet_take(buf_all(&bytes), &used, &p), ZK_TAKE_PACKET);
        ck_assert_uint_eq(used, bytes.len);
        for (size_t n = 0; n < bytes.len; n++)
            ck_assert_int_eq(
                zk_packet_take((struct slice){bytes.data, n}, &used, &p), ZK_TAKE_MORE);
        zk_packet_take(buf_all(&bytes), &used, &p);
    } else {
        ck_assert(zk_packet_parse(buf_all(&bytes), &p));
    }
    ck_assert_uint_eq(p.command, packets[_i].command);
    ck_assert_uint_eq(p.session, packets[_i].session);
    ck_assert_uint_eq(p.reply, packets[_i].reply);
    ck_assert(!p.damaged);
    ck_assert(slice_eq(p.data, buf_all(&data)));
    zk_packet_print(&again, packets[_i].tcp, &p);
    ck_assert(slice_eq(buf_all(&again), buf_all(&bytes)));
    bytes.data[bytes.len - 1] ^= 1;
    ck_assert(zk_packet_parse((struct slice){bytes.data + (packets[_i].tcp ? 8 : 0),
                                  bytes.len - (packets[_i].tcp ? 8 : 0)},
        &p));
    ck_assert(p.damaged);
    buf_free(&bytes);
    buf_free(&data);
    buf_free(&again);
}
END_TEST

/* What comes before a frame, what cannot be one, and one that was cut off, are stepped over. */
static const struct {
    const char *hex;
    enum zk_take take;
    size_t used;
} odd[] = {
    {"00ff5050827d08000000d00745b2cf451b00", ZK_TAKE_JUNK, 2},
    {"505050827d08000000d00745b2cf451b00", ZK_TAKE_JUNK, 1},
    {"00ff50", ZK_TAKE_JUNK, 2},
    {"0000", ZK_TAKE_JUNK, 2},
    {"5050", ZK_TAKE_MORE, 0},
    {"5050827d07000000d00745b2cf45", ZK_TAKE_JUNK, 4},
    {"5050827dffffffffd00745b2cf451b00", ZK_TAKE_JUNK, 4},
    {"5050827d08000000d0075050827d08000000d00745b2cf451b00", ZK_TAKE_JUNK, 10},
    {"5050827d08000000d007505082", ZK_TAKE_MORE, 0},
};

START_TEST(what_is_no_frame)
{
    struct zk_packet p;
    struct buf bytes = {0};
    size_t used = 99;

    hex_bytes(&bytes, odd[_i].hex);
    ck_assert_int_eq(zk_packet_take(buf_all(&bytes), &used, &p), odd[_i].take);
    if (odd[_i].take == ZK_TAKE_JUNK)
        ck_assert_uint_eq(used, odd[_i].used);
    buf_free(&bytes);
}
END_TEST

START_TEST(no_packet)
{
    static char big[ZK_HEAD_BYTES + ZK_DATA_BYTES + 1];
    struct zk_packet p;

    ck_assert(!zk_packet_parse((struct slice){big, 7}, &p));
    ck_assert(!zk_packet_parse((struct slice){big, sizeof big}, &p));
    ck_assert(zk_packet_parse((struct slice){big, sizeof big - 1}, &p));
}
END_TEST

/* ---- keys ---- */

static const struct {
    uint32_t key;
    uint16_t session;
    const char *hex;
} keys[] = {
    {12, 0x45cf, "614d323c"},
    {45, 0x45cf, "61c9323c"},
    {1234, 0x1f2e, "41363266"},
    {1234, 0x2e2e, "41363257"},
    {0, 0x1f2e, "617d3266"},
    {600, 0x1f2e, "21673266"},
    {999999, 0xffff, "22813296"},
};

START_TEST(communication_keys)
{
    unsigned char out[4];
    struct buf wanted = {0};

    zk_auth(keys[_i].key, keys[_i].session, out);
    hex_bytes(&wanted, keys[_i].hex);
    ck_assert_mem_eq(out, wanted.data, 4);
    buf_free(&wanted);
}
END_TEST

/* ---- times ---- */

static const struct {
    uint32_t packed;
    const char *text; /* NULL: no such date */
    bool unset;
} times[] = {
    {0x2368b36b, "2018-06-25T17:50:35", false},
    {289503453, "2009-01-03T17:37:33", false},
    {289515406, "2009-01-03T20:56:46", false},
    {0x234f15ec, "2018-06-06T07:31:56", false},
    {0x29c9ebb8, "2021-10-24T13:42:16", false},
    {0x1ea7eba8, "2016-01-01T19:02:00", false},
    {0, "2000-01-01T00:00:00", false},
    {0x7fffffff, "2066-10-25T03:14:07", false},
    /* "1971--10--29 -23:-59:-53", as the firmware prints it, and two others */
    {(uint32_t)(((-29 * 12 - 11) * 31 - 30) * 86400LL - 86393), "1970-01-01T00:00:07", true},
    {(uint32_t)(((-29 * 12 - 11) * 31 - 30) * 86400LL - 84474), "1970-01-01T00:32:06", true},
    {(uint32_t)(((-10 * 12 - 1) * 31 - 9) * 86400LL - 59380), "1989-11-22T07:30:20", true},
    {(31 + 30) * 86400, NULL, false}, /* 31 February */
    {(31 + 28) * 86400, "2000-02-29T00:00:00", false},
    {(372 + 31 + 28) * 86400, NULL, false}, /* 29 February 2001 */
    {UINT32_MAX, "1999-12-31T23:59:59", true},
};

START_TEST(packed_times)
{
    char text[CLOCK_TEXT];
    int64_t local_s;
    bool unset;

    ck_assert_int_eq(zk_time(times[_i].packed, &local_s, &unset), times[_i].text != NULL);
    ck_assert_int_eq(unset, times[_i].unset);
    if (!times[_i].text)
        return;
    clock_print_local(text, local_s, 0);
    ck_assert_str_eq(text, times[_i].text);
}
END_TEST

/* By the formula, forwards, for every day of a hundred years. */
START_TEST(every_day)
{
    for (int year = 2000; year < 2066; year++)
        for (int month = 1; month <= 12; month++)
            for (int day = 1; day <= 31; day++) {
                uint32_t packed =
                    (uint32_t)(((year - 2000) * 372 + (month - 1) * 31 + day - 1) * 86400 + 86399);
                int64_t local_s = 0;
                bool unset, exists = zk_time(packed, &local_s, &unset);

                ck_assert_int_eq(exists, clock_date_exists(year, month, day));
                ck_assert(!unset);
                if (exists)
                    ck_assert_int_eq(local_s, clock_days(year, month, day) * 86400 + 86399);
            }
}
END_TEST

static const struct {
    const char *hex, *text;
} sixes[] = {
    {"120c07130906", "2018-12-07T19:09:06"},
    {"120b1d0c3703", "2018-11-29T12:55:03"},
    {"120619112905", "2018-06-25T17:41:05"},
    {"64010100000000", NULL},
    {"1a021d000000", NULL},
    {"1a0101180000", NULL},
    {"1a0101003c00", NULL},
    {"1a010100003c", NULL},
    {"000000000000", NULL},
};

START_TEST(times_of_six_bytes)
{
    struct buf bytes = {0};
    char text[CLOCK_TEXT];
    int64_t local_s;

    hex_bytes(&bytes, sixes[_i].hex);
    ck_assert_int_eq(zk_time6(bytes.data, &local_s), sixes[_i].text != NULL);
    if (sixes[_i].text) {
        clock_print_local(text, local_s, 0);
        ck_assert_str_eq(text, sixes[_i].text);
    }
    buf_free(&bytes);
}
END_TEST

/* ---- answers ---- */

START_TEST(free_sizes)
{
    struct buf bytes = {0};
    struct zk_packet p;
    struct zk_sizes sizes;

    hex_bytes(&bytes,
        "d007a3159663130000000000000000000000000000000000070000000000000006000000000000005d020000"
        "000000000f0c0000000000000100000000000000b80b000010270000a0860100b20b00000927000043840100"
        "000000000000");
    ck_assert(zk_packet_parse(buf_all(&bytes), &p));
    ck_assert(zk_sizes_parse(p.data, &sizes));
    ck_assert_uint_eq(sizes.users, 7);
    ck_assert_uint_eq(sizes.records, 605);
    ck_assert_uint_eq(sizes.record_room, 100000);
    ck_assert(!zk_sizes_parse((struct slice){p.data.p, 79}, &sizes));
    buf_free(&bytes);
}
END_TEST

static const struct {
    const char *data, *name, *value;
} options[] = {
    {"~SerialNumber=CGXH2012345", "~SerialNumber", "CGXH2012345"},
    {"~SerialNumber=", "~SerialNumber", ""},
    {"~SerialNumber= A ", "~SerialNumber", "A"},
    {"~SerialNumber", "~SerialNumber", NULL},
    {"~SerialNumberX=1", "~SerialNumber", NULL},
    {"", "~SerialNumber", NULL},
};

START_TEST(option_values)
{
    struct slice value = zk_option_value(
        (struct slice){options[_i].data, strlen(options[_i].data) + 1}, options[_i].name);

    if (options[_i].value)
        ck_assert(value.p && slice_is(value, options[_i].value));
    else
        ck_assert_ptr_null(value.p);
}
END_TEST

#define ROWS(test, rows) tcase_add_loop_test(tc, test, 0, (int)(sizeof rows / sizeof *rows))

static void add_tests(TCase *tc)
{
    ROWS(both_ways, packets);
    ROWS(what_is_no_frame, odd);
    tcase_add_test(tc, no_packet);
    ROWS(communication_keys, keys);
    ROWS(packed_times, times);
    tcase_add_test(tc, every_day);
    ROWS(times_of_six_bytes, sixes);
    tcase_add_test(tc, free_sizes);
    ROWS(option_values, options);
}

UNIT_MAIN("zk_packet", add_tests)

/* SPDX-License-Identifier: MIT */
/* The site file: what is read, and what is said of mistakes. */
#include "site.h"

#include "../../support/unit.h"
#include "files.h"

static struct site *load(const char *text)
{
    struct fault why = {0};
    struct site *site = site_load(file_of(slice_of(text)), remember, &why);

    ck_assert_msg(site != NULL, "%s", why.text);
    return site;
}

START_TEST(without_a_file)
{
    struct site *site = site_new();

    ck_assert_ptr_null(site->zone);
    ck_assert_ptr_null(site->roster);
    ck_assert(!site->require_employee);
    ck_assert_int_eq(site->max_skew_ms, 300000);
    ck_assert_int_eq(site->punch[PUNCH_CHECK_IN], WAY_IN);
    ck_assert_int_eq(site->punch[PUNCH_BREAK_OUT], WAY_OUT);
    ck_assert_int_eq(site->punch[PUNCH_OVERTIME_OUT], WAY_OUT);
    ck_assert_ptr_null(site_find(site, SLICE("x")));
    site_free(site);
}
END_TEST

START_TEST(a_whole_file)
{
    struct site *site = load("\xef\xbb\xbf// a comment\n{\"zone\":\"Asia/Manila\",/* */"
                             "\"roster\":\"r.csv\",\"require_employee\":true,\"max_skew_s\":1.5,"
                             "\"punch\":{\"check_in\":null,},\"devices\":{"
                             "\"A\":{\"zone\":\"+05:30\",\"aliases\":[\"b\",\"c\"],"
                             "\"direction\":\"out\",\"readers\":{\"1\":\"in\",\"\\u0032\":null},"
                             "\"punch\":{\"check_out\":\"in\"}},\"\\u0042\":{},},}");
    const struct device *a = site_find(site, SLICE("A")), *b = site_find(site, SLICE("B"));

    ck_assert_str_eq(zone_name(site->zone), "Asia/Manila");
    ck_assert_str_eq(site->roster + strlen("/proc/self/fd/"), "r.csv");
    ck_assert(site->require_employee);
    ck_assert_int_eq(site->max_skew_ms, 1500);
    ck_assert_int_eq(site->punch[PUNCH_CHECK_IN], WAY_NONE);
    ck_assert_int_eq(site->punch[PUNCH_CHECK_OUT], WAY_OUT);
    ck_assert_uint_eq(site->device_count, 2);
    ck_assert(a && b && a != b);
    ck_assert_ptr_eq(site_find(site, SLICE("b")), a);
    ck_assert_ptr_eq(site_find(site, SLICE("c")), a);
    ck_assert_ptr_null(site_find(site, SLICE("d")));
    ck_assert_str_eq(zone_name(clockwork_zone(&a->clock, 0)), "+05:30");
    ck_assert_int_eq(a->direction, WAY_OUT);
    ck_assert_uint_eq(a->reader_count, 2);
    ck_assert(slice_is(a->readers[1].reader, "2"));
    ck_assert_int_eq(a->readers[1].way, WAY_NONE);
    ck_assert_int_eq(a->punch[PUNCH_CHECK_OUT], WAY_IN);
    ck_assert_int_eq(a->punch[PUNCH_CHECK_IN], WAY_UNSAID);
    ck_assert_int_eq(b->direction, WAY_UNSAID);
    ck_assert_ptr_null(clockwork_zone(&b->clock, 0));
    site_free(site);
}
END_TEST

START_TEST(many_devices)
{
    struct buf text = {0};
    struct site *site;

    buf_lit(&text, "{\"devices\":{");
    for (int i = 0; i < 5000; i++)
        buf_printf(&text, "\"D%d\":{\"aliases\":[\"a%d\",\"b%d\"]},", i, i, i);
    buf_text(&text, "}}");
    buf_char(&text, '\0');
    site = load(text.data);
    ck_assert_uint_eq(site->device_count, 5000);
    ck_assert_ptr_eq(site_find(site, SLICE("b4999")), site_find(site, SLICE("D4999")));
    ck_assert_ptr_ne(site_find(site, SLICE("b4999")), site_find(site, SLICE("D4998")));
    site_free(site);
    buf_free(&text);
}
END_TEST

static const struct {
    const char *text, *mistakes;
} bad[] = {
    {"{\n  \"devices\": {\n    \"A\": {\n      \"reader\": {}}}}",
        "4:7: devices.A.reader: unknown key; did you mean \"readers\"?\n"},
    {"{\"punch\":{\"qqqqqqqqq\":\"in\"}}", "1:11: punch.qqqqqqqqq: unknown key; known here are "
                                           "check_in, check_out, break_out, break_in, "
                                           "overtime_in, overtime_out\n"},
    {"{\"direction\":\"in\"}", "1:2: direction: must be \"alternate\" or null\n"},
    {"{\"day_starts\":\"4\"}", "1:2: day_starts: must be a time of day such as \"04:00\"\n"},
    {"{\"devices\":{\"A\":{\"passing_time_s\":1e9,\"ghost_hour\":1}}}",
        "1:18: devices.A.passing_time_s: must be a number of seconds from 0 to 240\n"
        "1:39: devices.A.ghost_hour: must be true or false\n"},
    {"{\"repeat_window_s\":-1}",
        "1:2: repeat_window_s: must be a number of seconds from 0 to 86400\n"},
    {"{\"punch\":{\"255\":\"alternate\"}}", "1:11: punch.255: must be \"in\", \"out\" or null\n"},
    {"{\"Zone\":\"UTC\"}", "1:2: Zone: unknown key; did you mean \"zone\"?\n"},
    {"{\"rsoter\":\"x\"}", "1:2: rsoter: unknown key; did you mean \"roster\"?\n"},
    {"{\"devices\":[]}", "1:2: devices: must be an object {…}, not array\n"},
    {"{\"devices\":{\"A\":null}}", "1:13: devices.A: must be an object {…}, not null\n"},
    {"{\"devices\":{\"A\":{\"readers\":{\"1\":\"in\",\"1\":\"in\"}}}}",
        "1:38: devices.A.readers.1: is there twice; take one away\n"},
    {"{\"devices\":{\"A\":{\"aliases\":[\"x\",7,\"\"]},\"B\":{\"aliases\":[\"x\"]}}}",
        "1:18: devices.A.aliases[1]: must be a string, not uint\n"
        "1:35: devices.A.aliases[2]: must not be empty or hold a NUL\n"
        "1:56: devices.B.aliases[0]: \"x\" is a name or alias of device A already\n"},
    {"{\"zone\":\"\",\"roster\":\"a\\u0000b\",\"max_skew_s\":1e300}",
        "1:2: zone: must not be empty or hold a NUL\n"
        "1:12: roster: must not be empty or hold a NUL\n"
        "1:32: max_skew_s: must be a number of seconds from 0 to 1000000000\n"},
    {"{\"zone\":\"UTC\",\"zone\":\"UTC\"}", "1:15: zone: is there twice; take one away\n"},
    {"{\"devices\":{\"A\":{\"utc_offset\":\"ingore\"}}}",
        "1:18: devices.A.utc_offset: must be \"trust\" or \"ignore\"; did you mean "
        "\"ignore\"?\n"},
    {"{\"devices\":{\"A\":{\"zone\":[{\"zone\":\"UTC\"},{\"zone\":\"+01:00\"},"
     "{\"from\":\"2026-02-30\",\"zone\":\"UTC\"},{\"from\":\"2026-03-01\"}]}}}",
        "1:42: devices.A.zone[1]: needs \"from\", later than that of the zone before\n"
        "1:60: devices.A.zone[2].from: must be a wall clock such as \"2026-03-01\" or "
        "\"2026-03-01T06:30\", without a zone\n"
        "1:95: devices.A.zone[3]: needs \"zone\"\n"},
    {"{\"devices\":{\"A\":{\"clock\":[{\"from\":\"2026-01-01\",\"until\":\"2026-01-01T00:00\","
     "\"add_s\":1},{\"add_s\":1.5},{\"from\":\"2026-01-02\"},{\"add_s\":1e11}]}}}",
        "1:28: devices.A.clock[0]: \"from\" is not before \"until\"\n"
        "1:87: devices.A.clock[1].add_s: must be whole seconds\n"
        "1:101: devices.A.clock[2]: needs \"add_s\": the seconds to be added to the device's "
        "clock\n"
        "1:123: devices.A.clock[3].add_s: must be a number of seconds from -10000000000 to "
        "10000000000\n"},
    {"{\"devices\":{\"A\":{\"clock\":[{\"until\":\"2026-01-02\",\"add_s\":1},"
     "{\"from\":\"2026-01-02\",\"add_s\":3},{\"from\":\"2026-01-01T23:59:59\",\"add_s\":2}]}}}",
        "1:93: devices.A.clock[2]: covers times that item [0] covers too: end one of them\n"
        "1:93: devices.A.clock[2]: covers times that item [1] covers too: end one of them\n"},
    {"7", "1:1: must be an object {…}, not uint\n"},
};

START_TEST(mistakes)
{
    struct fault why = {0};

    ck_assert_ptr_null(site_load(file_of(slice_of(bad[_i].text)), remember, &why));
    ck_assert_str_eq(remembered(), bad[_i].mistakes);
    ck_assert_int_eq(why.status, EX_CONFIG);
}
END_TEST

static const char *const no_json[] = {"", "{", "{\"zone\":}", "{} x", "{'a':1}"};

START_TEST(not_json)
{
    struct fault why = {0};

    ck_assert_ptr_null(site_load(file_of(slice_of(no_json[_i])), remember, &why));
    ck_assert(strstr(why.text, "not JSON: "));
    ck_assert_int_eq(why.status, EX_CONFIG);
}
END_TEST

START_TEST(not_there)
{
    struct fault why = {0};

    ck_assert_ptr_null(site_load("/nonexistent/site.json", remember, &why));
    ck_assert_int_eq(why.status, EX_NOINPUT);
    ck_assert_ptr_null(site_load("/dev/zero", remember, &why));
    ck_assert(strstr(why.text, "longer than"));
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, without_a_file);
    tcase_add_test(tc, a_whole_file);
    tcase_add_test(tc, many_devices);
    tcase_add_loop_test(tc, mistakes, 0, COUNT(bad));
    tcase_add_loop_test(tc, not_json, 0, COUNT(no_json));
    tcase_add_test(tc, not_there);
}

UNIT_MAIN("site", add_tests)

/* SPDX-License-Identifier: MIT */
/*
 * The moment of an event: what the site file says about the clock of its device against what the
 * event brings.  Each result goes through again and stays as it is; and under a site file that says
 * nothing, what the device said is all there again.
 */
#include "enrich.h"

#include "../../support/unit.h"
#include "files.h"

static struct context c;
static struct site *site;

static void set_up(void)
{
    struct fault why = {0};

    context_init(&c);
    site = site_load(
        file_of(SLICE("{\"devices\":{"
                      "\"plain\":{\"zone\":\"Europe/Berlin\"},"
                      "\"none\":{},"
                      "\"liar\":{\"zone\":\"Europe/Berlin\",\"utc_offset\":\"ignore\"},"
                      "\"lost\":{\"utc_offset\":\"ignore\"},"
                      "\"moved\":{\"zone\":[{\"from\":\"2026-01-01\",\"zone\":\"Asia/Manila\"},"
                      "{\"from\":\"2026-03-01T12:00\",\"zone\":\"Europe/Berlin\"}]},"
                      "\"fixed\":{\"zone\":\"Europe/Berlin\",\"clock\":["
                      "{\"from\":\"2026-05-04T00:00\",\"until\":\"2026-05-05T00:00\",\"add_s\":90},"
                      "{\"until\":\"1990-01-01\",\"add_s\":1777852800},"
                      "{\"from\":\"2026-03-29T01:59\",\"until\":\"2026-03-29T03:00\",\"add_s\":60},"
                      "{\"from\":\"2026-11-01\",\"until\":\"2026-12-01\",\"add_s\":0},"
                      "{\"from\":\"2060-01-01\",\"until\":\"2061-01-01\",\"add_s\":-1072915200},"
                      "{\"from\":\"2070-01-01\",\"until\":\"2071-01-01\",\"add_s\":0},"
                      "{\"from\":\"9990-01-01\",\"add_s\":9999999999}]},"
                      "\"nozone\":{\"clock\":[{\"add_s\":-60}]}}}")),
        remember, &why);
    ck_assert_msg(site != NULL, "%s: %s", why.text, remembered());
    context_use(&c, site, NULL);
}

static void tear_down(void)
{
    context_free(&c);
    site_free(site);
}

/* Members of an event without their braces; device: of those above. */
static const struct {
    const char *device, *in, *out;
} rows[] = {
    /* The offset that the device wrote counts, also where a zone is known. */
    {"none", "'local_time':'2026-05-04T06:35:30','utc_offset':'Z'",
        "'time':'2026-05-04T06:35:30Z','local_time':'2026-05-04T06:35:30','utc_offset':'Z'"},
    {"plain", "'local_time':'2026-05-04T06:35:30.25','utc_offset':'+08:00','time_note':'fold'",
        "'time':'2026-05-04T06:35:30.250+08:00','local_time':'2026-05-04T06:35:30.25',"
        "'utc_offset':'+08:00'"},
    {"plain", "'time':'2026-05-04T06:35:30Z','local_time':'2026-10-25T02:30:00','utc_offset':'z'",
        "'time':'2026-10-25T02:30:00Z','local_time':'2026-10-25T02:30:00','utc_offset':'z'"},
    {"plain", "'local_time':'2026-05-04T06:35:30Z'",
        "'time':'2026-05-04T06:35:30Z','local_time':'2026-05-04T06:35:30Z'"},
    {"plain", "'local_time':'2026-05-04T06:35:30-03:30'",
        "'time':'2026-05-04T06:35:30-03:30','local_time':'2026-05-04T06:35:30-03:30'"},
    {"plain", "'local_time':'2026-05-04T06:35:30','utc_offset':'+8'",
        "'local_time':'2026-05-04T06:35:30','utc_offset':'+8',"
        "'error':'utc_offset: neither Z nor an offset like +08:00'"},
    {"plain", "'local_time':'2026-05-04T06:35:30','utc_offset':null",
        "'time':'2026-05-04T06:35:30+02:00','local_time':'2026-05-04T06:35:30',"
        "'utc_offset':null"},

    /* … unless the site file says that it lies. */
    {"liar", "'time':'2026-05-04T06:35:30Z','local_time':'2026-05-04T06:35:30','utc_offset':'Z'",
        "'time':'2026-05-04T06:35:30+02:00','local_time':'2026-05-04T06:35:30',"
        "'utc_offset':'Z','time_note':'zone_corrected'"},
    {"liar", "'local_time':'2026-05-04T06:35:30','utc_offset':'+02:00'",
        "'time':'2026-05-04T06:35:30+02:00','local_time':'2026-05-04T06:35:30',"
        "'utc_offset':'+02:00'"},
    {"liar", "'local_time':'2026-10-25T02:30:00','utc_offset':'Z'",
        "'time':'2026-10-25T02:30:00+02:00','local_time':'2026-10-25T02:30:00',"
        "'utc_offset':'Z','time_note':'fold'"},
    {"liar", "'local_time':'2026-05-04T06:35:30Z','time_note':'mine'",
        "'time':'2026-05-04T06:35:30+02:00','local_time':'2026-05-04T06:35:30Z',"
        "'time_note':'mine'"},
    {"lost", "'time':'2026-05-04T06:35:30Z','local_time':'2026-05-04T06:35:30','utc_offset':'Z'",
        "'local_time':'2026-05-04T06:35:30','utc_offset':'Z'"},

    /* `time` alone: as it came, as long as nothing speaks against it. */
    {"none", "'time':'2026-05-04T06:35:30.123456z'", "'time':'2026-05-04T06:35:30.123456z'"},
    {"plain", "'time':'2026-05-04T06:35:30Z','time_note':'zone_corrected'",
        "'time':'2026-05-04T06:35:30Z'"},
    {"liar", "'time':'2026-05-04T06:35:30.5Z'",
        "'time':'2026-05-04T06:35:30.500+02:00','local_time':'2026-05-04T06:35:30.5',"
        "'utc_offset':'Z','time_note':'zone_corrected'"},
    {"lost", "'time':'2026-05-04T06:35:30Z'",
        "'local_time':'2026-05-04T06:35:30','utc_offset':'Z'"},
    {"plain", "'time':'2026-05-04 06:35:30'",
        "'time':'2026-05-04T06:35:30+02:00','local_time':'2026-05-04 06:35:30'"},
    {"none", "'time':'2026-05-04T06:35:30'", "'time':'2026-05-04T06:35:30'"},
    {"none", "'time':'2026-05-04T06:35:30','utc_offset':'+05:30'",
        "'time':'2026-05-04T06:35:30+05:30','local_time':'2026-05-04T06:35:30',"
        "'utc_offset':'+05:30'"},
    {"plain", "'time':'2026-05-04'", "'time':'2026-05-04'"},
    {"plain", "'time':'2026-05-04T06:35:30Z','local_time':'soon'",
        "'time':'2026-05-04T06:35:30Z','local_time':'soon'"},
    {"plain", "'time':'2026-05-04T06:35:30Z','local_time':null",
        "'time':'2026-05-04T06:35:30Z','local_time':null"},

    /* Zones by date. */
    {"moved", "'local_time':'2026-03-01T11:59:59'",
        "'time':'2026-03-01T11:59:59+08:00','local_time':'2026-03-01T11:59:59'"},
    {"moved", "'local_time':'2026-03-01T12:00:00'",
        "'time':'2026-03-01T12:00:00+01:00','local_time':'2026-03-01T12:00:00'"},
    {"moved", "'local_time':'2025-12-31T23:59:59'", "'local_time':'2025-12-31T23:59:59'"},

    /* Corrections. */
    {"fixed", "'local_time':'2026-05-04T06:35:30'",
        "'time':'2026-05-04T06:37:00+02:00','local_time':'2026-05-04T06:35:30',"
        "'time_note':'clock_corrected'"},
    {"fixed", "'local_time':'2026-05-05T00:00:00','time_note':'clock_corrected'",
        "'time':'2026-05-05T00:00:00+02:00','local_time':'2026-05-05T00:00:00'"},
    {"fixed", "'local_time':'2026-05-04T06:35:30','utc_offset':'Z'",
        "'time':'2026-05-04T06:37:00Z','local_time':'2026-05-04T06:35:30',"
        "'utc_offset':'Z','time_note':'clock_corrected'"},
    {"fixed", "'time':'2026-05-04T06:35:30Z'",
        "'time':'2026-05-04T06:37:00Z','local_time':'2026-05-04T06:35:30',"
        "'utc_offset':'Z','time_note':'clock_corrected'"},
    {"fixed", "'local_time':'1970-01-01T06:35:30'",
        "'time':'2026-05-04T06:35:30+02:00','local_time':'1970-01-01T06:35:30',"
        "'time_note':'unset_corrected'"},
    {"fixed", "'local_time':'2026-05-04T06:35:30','time_note':'clock_unset'",
        "'time':'2026-05-04T06:37:00+02:00','local_time':'2026-05-04T06:35:30',"
        "'time_note':'unset_corrected'"},
    {"fixed", "'local_time':'2026-11-03T06:35:31'",
        "'time':'2026-11-03T06:35:31+01:00','local_time':'2026-11-03T06:35:31'"},
    {"fixed", "'local_time':'2026-11-03T06:35:31','received_at':'2026-11-02T05:35:30.000Z'",
        "'time':'2026-11-03T06:35:31+01:00','local_time':'2026-11-03T06:35:31',"
        "'time_note':'unset_corrected','received_at':'2026-11-02T05:35:30.000Z'"},
    {"fixed", "'local_time':'2026-03-29T01:59:30'",
        "'time':'2026-03-29T02:00:30+01:00','local_time':'2026-03-29T01:59:30',"
        "'time_note':'gap'"},
    {"fixed", "'local_time':'2060-05-04T06:35:30'",
        "'time':'2026-05-05T06:35:30+02:00','local_time':'2060-05-04T06:35:30',"
        "'time_note':'unset_corrected'"},
    {"fixed", "'local_time':'9991-01-01T00:00:00'",
        "'local_time':'9991-01-01T00:00:00','time_note':'clock_unset'"},
    {"nozone", "'time':'2026-05-04T06:35:30Z','local_time':'2026-05-04T06:35:30'",
        "'local_time':'2026-05-04T06:35:30'"},

    /* Clocks that were never set. */
    {"plain", "'time':'1970-01-01T00:10:00Z'",
        "'local_time':'1970-01-01T00:10:00','utc_offset':'Z','time_note':'clock_unset'"},
    {"plain", "'local_time':'2026-05-04T06:35:30','time_note':'unset_corrected'",
        "'local_time':'2026-05-04T06:35:30','time_note':'clock_unset'"},
    {"plain", "'local_time':'2026-11-03T06:35:29','received_at':'2026-11-02T05:35:30.000Z'",
        "'time':'2026-11-03T06:35:29+01:00','local_time':'2026-11-03T06:35:29',"
        "'received_at':'2026-11-02T05:35:30.000Z'"},
    {"plain", "'local_time':'2026-11-03T06:35:31','received_at':'2026-11-02T05:35:30.000Z'",
        "'local_time':'2026-11-03T06:35:31','time_note':'clock_unset',"
        "'received_at':'2026-11-02T05:35:30.000Z'"},
    /* … but not by a clock of ours that was not set either. */
    {"plain", "'local_time':'2026-11-03T06:35:31','received_at':'2026-10-30T04:35:30.000Z'",
        "'time':'2026-11-03T06:35:31+01:00','local_time':'2026-11-03T06:35:31',"
        "'received_at':'2026-10-30T04:35:30.000Z'"},
    {"plain", "'local_time':'2999-05-04T06:35:30'",
        "'local_time':'2999-05-04T06:35:30','time_note':'clock_unset'"},
    {"none", "'local_time':'2999-05-04T06:35:30'",
        "'local_time':'2999-05-04T06:35:30','time_note':'clock_unset'"},
    {"none", "'time':'2999-05-04T06:35:30Z','local_time':'2999-05-04T06:35:30'",
        "'local_time':'2999-05-04T06:35:30','time_note':'clock_unset'"},
    {"none", "'time':'2999-05-04T06:35:30Z'",
        "'local_time':'2999-05-04T06:35:30','utc_offset':'Z','time_note':'clock_unset'"},
    {"fixed", "'local_time':'2070-05-04T06:35:30'",
        "'local_time':'2070-05-04T06:35:30','time_note':'clock_unset'"},
    {"plain", "'time':'soon','time_note':'clock_unset'", "'time':'soon','time_note':'clock_unset'"},
};

/* The text with its quotes made JSON's, in braces. */
static void object(struct buf *out, const char *members, size_t n)
{
    out->len = 0;
    buf_char(out, '{');
    for (size_t i = 0; i < n; i++)
        buf_char(out, members[i] == '\'' ? '"' : members[i]);
    buf_char(out, '}');
}

static void run(const char *device, struct slice line, struct buf *out)
{
    struct event e;
    struct draft d;
    struct fault why = {0};

    ck_assert_msg(event_read(c.reader, line, &e, &why) == 0, "%s", why.text);
    draft_reset(&d);
    context_read(&c, &e);
    c.device = site_find(site, slice_of(device));
    ck_assert_ptr_nonnull(c.device);
    c.resolved = false;
    c.hold = HOLD_NONE;
    step_when(&e, &c, &d);
    out->len = 0;
    event_write(out, &e, &d);
}

START_TEST(rules)
{
    struct buf line = {0}, wanted = {0}, out = {0};

    object(&line, rows[_i].in, strlen(rows[_i].in));
    object(&wanted, rows[_i].out, strlen(rows[_i].out));
    buf_char(&wanted, '\0');
    for (int pass = 0; pass < 2; pass++) {
        bool unset = strstr(wanted.data, "clock_unset");

        run(rows[_i].device, buf_all(&line), &out);
        buf_char(&out, '\0');
        ck_assert_str_eq(out.data, wanted.data);
        ck_assert_int_eq(c.hold, unset ? HOLD_CLOCK : HOLD_NONE);
        ck_assert(!unset || !c.resolved);
        out.len--;
        line.len = 0;
        buf_slice(&line, buf_all(&out));
        if (strstr(wanted.data, "\"error\""))
            break; /* such a record is not asked again */
    }
    buf_free(&line);
    buf_free(&wanted);
    buf_free(&out);
}
END_TEST

/* Whatever a site file made of an event, the one without a word about its clock makes the same of
   it as of the event itself: nothing was lost. */
START_TEST(taken_back)
{
    struct buf line = {0}, first = {0}, there = {0}, back = {0};

    object(&line, rows[_i].in, strlen(rows[_i].in));
    run("plain", buf_all(&line), &first);
    run(rows[_i].device, buf_all(&line), &there);
    run("plain", buf_all(&there), &back);
    run("plain", buf_all(&first), &there);
    buf_char(&there, '\0');
    buf_char(&back, '\0');
    if (!strstr(back.data, "\"error\"") && !strstr(rows[_i].in, "'time'"))
        ck_assert_str_eq(back.data, there.data);
    buf_free(&line);
    buf_free(&first);
    buf_free(&there);
    buf_free(&back);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, rules, 0, (int)(sizeof rows / sizeof *rows));
    tcase_add_loop_test(tc, taken_back, 0, (int)(sizeof rows / sizeof *rows));
}

UNIT_MAIN("when", add_tests)

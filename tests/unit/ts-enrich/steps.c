/* SPDX-License-Identifier: MIT */
/* Each step alone: what it adds to a draft, from the event and what earlier steps found. */
#include "enrich.h"

#include "../../support/unit.h"
#include "files.h"

static struct context c;
static struct site *site;
static struct roster *roster;

static void set_up(void)
{
    static const struct names none;
    struct fault why = {0};

    context_init(&c);
    site = site_load(
        file_of(SLICE("{\"zone\":\"Asia/Manila\",\"max_skew_s\":60,\"punch\":{\"break_in\":null},"
                      "\"devices\":{\"G\":{\"aliases\":[\"a\"]},"
                      "\"B\":{\"zone\":\"Europe/Berlin\",\"direction\":\"out\","
                      "\"readers\":{\"1\":\"in\",\"2\":null,\"3\":{\"card\":\"hex\"}},"
                      "\"card\":\"last 24\",\"punch\":{\"check_out\":\"in\","
                      "\"check_in\":null}}}}")),
        remember, &why);
    ck_assert_msg(site != NULL, "%s", why.text);
    roster = roster_load(
        file_of(
            SLICE("person_id,card_no,employee_id,name\n1,100,E1,Ann\n2,,E2,\n3,,E3,\n3,,E4,\n")),
        site, &none, remember, &why);
    ck_assert_msg(roster != NULL, "%s", why.text);
    context_use(&c, site, roster);
}

static void tear_down(void)
{
    context_free(&c);
    site_free(site);
    roster_free(roster);
}

/* What the steps before would have found. */
struct before {
    const char *device; /* in the site file */
    int64_t instant_s;  /* 0: not resolved */
    enum hold hold;
    bool require, no_roster;
    const char *redact;
};

static const struct {
    step *run;
    const char *line, *out;
    struct before before;
} rows[] = {
    {step_registry, "{\"device_id\":\"a\"}", "{\"device_id\":\"G\"}", {0}},
    {step_registry, "{\"device_id\":\"G\"}", "{\"device_id\":\"G\"}", {0}},
    {step_registry, "{\"device_id\":\"x\"}", "{\"device_id\":\"x\"}", {0}},
    {step_registry, "{}", "{}", {0}},

    {step_identity, "{\"event_id\":\"mine\"}", "{\"event_id\":\"mine\"}", {0}},
    {step_identity, "{\"event_id\":null,\"raw\":\"hello\",\"error\":\"e\"}",
        "{\"event_id\":\"00000000-0000-8621-8ee2-9001455e4c9f\",\"raw\":\"hello\",\"error\":\"e\"}",
        {0}},

    {step_when, "{}", "{}", {0}},
    {step_when, "{\"local_time\":\"2026-03-29T02:30:00\"}",
        "{\"time\":\"2026-03-29T02:30:00+08:00\",\"local_time\":\"2026-03-29T02:30:00\"}", {0}},
    {step_when, "{\"local_time\":\"2026-03-29T02:30:00\",\"time_note\":\"fold\"}",
        "{\"time\":\"2026-03-29T02:30:00+01:00\",\"local_time\":\"2026-03-29T02:30:00\","
        "\"time_note\":\"gap\"}",
        {.device = "B"}},
    {step_when, "{\"local_time\":\"2026-10-25T02:30:00\",\"time_note\":\"mine\"}",
        "{\"time\":\"2026-10-25T02:30:00+02:00\",\"local_time\":\"2026-10-25T02:30:00\","
        "\"time_note\":\"mine\"}",
        {.device = "B"}},
    {step_when, "{\"local_time\":\"2026-05-04T06:35:30\",\"time_note\":\"gap\"}",
        "{\"time\":\"2026-05-04T06:35:30+08:00\",\"local_time\":\"2026-05-04T06:35:30\"}", {0}},
    {step_when, "{\"local_time\":\"2026-05-04t06:35:60.5\"}",
        "{\"time\":\"2026-05-04T06:35:59.500+08:00\",\"local_time\":\"2026-05-04t06:35:60.5\"}",
        {0}},
    {step_when, "{\"time\":\"2026-05-04T06:35:30Z\",\"local_time\":\"1999-12-31T00:00:00\"}",
        "{\"local_time\":\"1999-12-31T00:00:00\",\"time_note\":\"clock_unset\"}", {0}},
    {step_when, "{\"local_time\":\"\"}",
        "{\"local_time\":\"\",\"error\":\"local_time: not a time like 2026-05-04T06:35:30\"}", {0}},
    {step_when, "{\"local_time\":7,\"time\":\"2026-05-04T06:35:30\"}",
        "{\"local_time\":7,\"time\":\"2026-05-04T06:35:30\","
        "\"error\":\"local_time: not a time like 2026-05-04T06:35:30\"}",
        {0}},

    {step_card, "{\"card_no\":\"0005076483\"}", "{\"card_no\":\"0005076483\"}", {0}},
    {step_card, "{\"card_no\":\"0005076483\"}",
        "{\"card_no\":\"5076483\",\"card_read\":\"0005076483\"}", {.device = "B"}},
    {step_card, "{\"card_no\":5076483}", "{\"card_no\":5076483}", {.device = "B"}},
    {step_card, "{\"card_no\":167772167}", "{\"card_no\":\"7\",\"card_read\":167772167}",
        {.device = "B"}},
    {step_card, "{\"reader\":\"1\",\"card_no\":\"0A004D7603\"}",
        "{\"reader\":\"1\",\"card_no\":\"0A004D7603\"}", {.device = "B"}},
    {step_card, "{\"reader\":\"3\",\"card_no\":\"4D7603\"}",
        "{\"reader\":\"3\",\"card_no\":\"5076483\",\"card_read\":\"4D7603\"}", {.device = "B"}},
    {step_card, "{\"reader\":3,\"card_no\":\"4D7603\"}",
        "{\"reader\":3,\"card_no\":\"5076483\",\"card_read\":\"4D7603\"}", {.device = "B"}},
    {step_card, "{\"card_no\":\"5076483\",\"card_read\":\"0005076483\"}",
        "{\"card_no\":\"5076483\",\"card_read\":\"0005076483\"}", {.device = "B"}},
    {step_card, "{\"card_no\":\"wrong\",\"card_read\":\"0005076483\"}",
        "{\"card_no\":\"5076483\",\"card_read\":\"0005076483\"}", {.device = "B"}},
    {step_card, "{\"card_no\":\"5076483\",\"card_read\":\"0005076483\"}",
        "{\"card_no\":\"0005076483\"}", {.device = "G"}},
    {step_card, "{\"card_read\":\"0005076483\"}", "{\"card_no\":\"0005076483\"}", {.device = "G"}},
    {step_card, "{\"card_no\":\"x\",\"card_read\":\"\"}", "{\"card_no\":\"x\"}", {.device = "G"}},
    {step_card, "{\"card_no\":\"\"}", "{\"card_no\":\"\"}", {.device = "B"}},

    {step_person, "{}", "{}", {.require = true}},
    {step_person, "{\"person_id\":\"1\"}",
        "{\"person_id\":\"1\",\"employee_id\":\"E1\",\"hr\":{\"name\":\"Ann\"}}", {0}},
    {step_person, "{\"card_no\":\" 100 \"}",
        "{\"card_no\":\" 100 \",\"employee_id\":\"E1\",\"hr\":{\"name\":\"Ann\"}}", {0}},
    {step_person, "{\"person_id\":\"2\",\"card_no\":\"100\",\"hr\":{}}",
        "{\"person_id\":\"2\",\"card_no\":\"100\",\"employee_id\":\"E2\"}", {0}},
    {step_person, "{\"person_id\":\"9\",\"employee_id\":\"E9\"}", "{\"person_id\":\"9\"}", {0}},
    {step_person, "{\"person_id\":\"9\",\"employee_id\":\"E9\"}",
        "{\"person_id\":\"9\",\"employee_id\":\"E9\"}", {.no_roster = true, .require = true}},

    {step_direction, "{\"punch\":\"check_in\"}",
        "{\"direction\":\"in\",\"direction_from\":\"punch\",\"punch\":\"check_in\"}", {0}},
    {step_direction, "{\"punch\":\"break_in\"}", "{\"punch\":\"break_in\"}", {0}},
    {step_direction, "{\"punch\":7}", "{\"punch\":7}", {0}},
    {step_direction, "{\"punch\":\"check_out\",\"reader\":\"2\"}",
        "{\"direction\":\"in\",\"direction_from\":\"punch\",\"punch\":\"check_out\","
        "\"reader\":\"2\"}",
        {.device = "B"}},
    {step_direction, "{\"reader\":\"1\",\"punch\":\"break_out\"}",
        "{\"reader\":\"1\",\"direction\":\"in\",\"direction_from\":\"reader\","
        "\"punch\":\"break_out\"}",
        {.device = "B"}},
    {step_direction, "{\"reader\":\"2\",\"punch\":\"check_in\"}",
        "{\"reader\":\"2\",\"punch\":\"check_in\"}", {.device = "B"}},
    {step_direction, "{\"direction\":\"in\",\"punch\":\"check_out\"}",
        "{\"direction\":\"in\",\"punch\":\"check_out\"}", {0}},

    /* Today's tables say it anew; what they did not give stays, and what they do not speak of. */
    {step_direction, "{\"direction\":\"out\",\"direction_from\":\"reader\",\"reader\":\"1\"}",
        "{\"direction\":\"in\",\"direction_from\":\"reader\",\"reader\":\"1\"}", {.device = "B"}},
    {step_direction, "{\"direction\":\"in\",\"direction_from\":\"punch\",\"punch\":\"break_out\"}",
        "{\"direction\":\"out\",\"direction_from\":\"device\",\"punch\":\"break_out\"}",
        {.device = "B"}},
    {step_direction, "{\"direction\":\"in\",\"direction_from\":\"device\"}",
        "{\"direction\":\"in\",\"direction_from\":\"device\"}", {.device = "G"}},
    {step_direction, "{\"direction\":\"out\",\"direction_from\":\"reader\",\"reader\":\"1\"}",
        "{\"direction\":\"out\",\"direction_from\":\"reader\",\"reader\":\"1\"}", {0}},
    {step_direction, "{\"direction\":\"in\",\"direction_from\":\"punch\"}",
        "{\"direction\":\"in\",\"direction_from\":\"punch\"}", {.device = "B"}},
    {step_direction, "{\"direction\":\"in\",\"direction_from\":\"alternate\",\"reader\":\"3\"}",
        "{\"direction\":\"in\",\"direction_from\":\"alternate\",\"reader\":\"3\"}",
        {.device = "B"}},
    {step_direction, "{\"direction\":\"in\",\"reader\":\"3\"}",
        "{\"direction\":\"in\",\"reader\":\"3\"}", {.device = "B"}},

    {step_snapshot, "{}", "{\"snapshot\":null}", {0}},
    {step_snapshot, "{\"snapshot\":{\"url\":\"x\"}}", "{\"snapshot\":{\"url\":\"x\"}}", {0}},

    {step_skew, "{\"received_at\":\"1970-01-01T00:01:00.000Z\"}",
        "{\"received_at\":\"1970-01-01T00:01:00.000Z\"}", {.instant_s = 120}},
    {step_skew, "{\"received_at\":\"1970-01-01T00:01:00.000Z\"}",
        "{\"time_note\":\"drift\",\"received_at\":\"1970-01-01T00:01:00.000Z\",\"skew_s\":61}",
        {.instant_s = 121}},
    {step_skew, "{\"received_at\":\"1970-01-01T00:02:00.000Z\",\"skew_s\":3}",
        "{\"time_note\":\"drift\",\"received_at\":\"1970-01-01T00:02:00.000Z\",\"skew_s\":-119}",
        {.instant_s = 1}},
    {step_skew, "{\"received_at\":\"1970-01-01T00:01:00.000Z\",\"skew_s\":3}",
        "{\"received_at\":\"1970-01-01T00:01:00.000Z\"}", {.instant_s = 100}},
    {step_skew, "{\"received_at\":\"1970-01-01T00:01:00.000Z\"}",
        "{\"received_at\":\"1970-01-01T00:01:00.000Z\"}", {0}},

    {step_hold, "{}", "{}", {0}},
    {step_hold, "{}", "{\"hold\":\"person not in the roster\"}", {.hold = HOLD_UNMAPPED}},
    {step_hold, "{\"hold\":\"person not in the roster\"}",
        "{\"hold\":\"person id claimed by two\"}", {.hold = HOLD_CLAIMED}},
    {step_hold, "{\"person_id\":\"7\",\"hold\":\"person id claimed by two\"}",
        "{\"person_id\":\"7\"}", {0}},
    {step_hold, "{\"hold\":\"person id claimed by two\"}",
        "{\"hold\":\"person id claimed by two\"}", {0}},
    {step_hold, "{\"hold\":\"clock unset: the device did not know the date\"}", "{}", {0}},
    {step_hold, "{\"hold\":\"mine\"}", "{\"hold\":\"mine\"}", {0}},
    {step_hold, "{\"hold\":\"mine\"}", "{\"hold\":\"mine\"}", {.hold = HOLD_CLOCK}},
    {step_hold, "{\"hold\":\"\"}", "{\"hold\":\"clock unset: the device did not know the date\"}",
        {.hold = HOLD_CLOCK}},

    {step_redact, "{\"name\":1,\"raw\":2,\"hr\":{\"name\":3}}",
        "{\"name\":1,\"raw\":2,\"hr\":{\"name\":3}}", {0}},
    {step_redact, "{\"name\":1,\"raw\":2,\"hr\":{\"name\":3,\"a\":4}}", "{\"hr\":{\"a\":4}}",
        {.redact = "name"}},
    {step_redact, "{\"card_no\":\"1\",\"x\":1,\"raw_base64\":\"\",\"hr\":[]}", "{\"x\":1}",
        {.redact = "name,card_no"}},
};

START_TEST(steps)
{
    const struct before *b = &rows[_i].before;
    struct event e;
    struct draft d;
    struct fault why = {0};
    struct buf out = {0};

    ck_assert_int_eq(event_read(c.reader, slice_of(rows[_i].line), &e, &why), 0);
    draft_reset(&d);
    context_read(&c, &e);
    c.device = b->device ? site_find(site, slice_of(b->device)) : NULL;
    c.resolved = b->instant_s != 0;
    c.instant_ms = b->instant_s * 1000;
    c.note = event_str(&e, EV_TIME_NOTE);
    c.hold = b->hold;
    c.settings.require_employee = b->require;
    c.roster = b->no_roster ? NULL : roster;
    if (b->redact)
        ck_assert_int_eq(names_add(&c.settings.redact, "redact", b->redact, &why), 0);
    rows[_i].run(&e, &c, &d);
    event_write(&out, &e, &d);
    buf_char(&out, '\0');
    ck_assert_str_eq(out.data, rows[_i].out);
    buf_free(&out);
}
END_TEST

/* What the steps tell each other. */
START_TEST(findings)
{
    struct event e;
    struct draft d;
    struct fault why;

    draft_reset(&d);
    c.hold = HOLD_NONE;
    ck_assert_int_eq(event_read(c.reader,
                         SLICE("{\"device_id\":\"a\",\"person_id\":\"3\","
                               "\"local_time\":\"2026-05-04T06:35:30.5\"}"),
                         &e, &why),
        0);
    context_read(&c, &e);
    step_registry(&e, &c, &d);
    ck_assert_ptr_eq(c.device, site_find(site, SLICE("G")));
    ck_assert(slice_is(c.device_id, "G"));
    step_when(&e, &c, &d);
    ck_assert(c.resolved && !c.clock_unset);
    ck_assert_int_eq(c.instant_ms, 1777847730500);
    step_person(&e, &c, &d);
    ck_assert_int_eq(c.hold, HOLD_CLAIMED);
}
END_TEST

START_TEST(counts)
{
    struct buf out = {0};

    site->zone = NULL;
    enrich_line(&c, SLICE("{\"local_time\":\"2026-05-04T06:35:30\"}"), NULL, &out);
    enrich_line(
        &c, SLICE("{\"local_time\":\"2026-05-04T06:35:30\",\"device_id\":\"G\"}"), NULL, &out);
    enrich_line(&c, SLICE("x"), NULL, &out);
    enrich_line(&c, SLICE("{}"), "too long", &out);
    enrich_line(&c, SLICE("{\"error\":\"old\"}"), NULL, &out);
    ck_assert_uint_eq(c.lines, 5);
    ck_assert_uint_eq(c.not_understood, 2);
    ck_assert_uint_eq(c.nameless, 1);
    ck_assert_uint_eq(c.zoneless.count, 2);
    buf_free(&out);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, steps, 0, (int)(sizeof rows / sizeof *rows));
    tcase_add_test(tc, findings);
    tcase_add_test(tc, counts);
}

UNIT_MAIN("steps", add_tests)

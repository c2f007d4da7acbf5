/* SPDX-License-Identifier: MIT */
/* Reading events, and writing them with a draft: what did not change keeps its bytes. */
#include "event.h"

#include "../../support/unit.h"

static struct event_reader *reader;

static void set_up(void)
{
    reader = event_reader_new();
}

static void tear_down(void)
{
    event_reader_free(reader);
}

static struct event read_good(const char *line)
{
    struct event e;
    struct fault why = {0};

    ck_assert_msg(event_read(reader, slice_of(line), &e, &why) == 0, "%s: %s", line, why.text);
    return e;
}

static void assert_slice(struct slice got, const char *wanted)
{
    ck_assert_msg(slice_is(got, wanted), "got %.*s, wanted %s", (int)got.n, got.p, wanted);
}

/* ---- keys ---- */

START_TEST(keys_and_fields)
{
    for (int f = 0; f < EVENT_FIELDS; f++) {
        const char *key = event_key((enum event_field)f);
        char longer[40];

        ck_assert_int_eq(event_field_of(slice_of(key)), f);
        snprintf(longer, sizeof longer, "%sx", key);
        ck_assert_int_eq(event_field_of(slice_of(longer)), EVENT_FIELDS);
        ck_assert_int_ne(event_field_of((struct slice){key, strlen(key) - 1}), f);
    }
    ck_assert_int_eq(event_field_of(SLICE("")), EVENT_FIELDS);
    ck_assert_int_eq(event_field_of(SLICE("Kind")), EVENT_FIELDS);
    ck_assert_int_eq(event_field_of(SLICE("a_key_that_is_longer_than_any")), EVENT_FIELDS);
    ck_assert_int_eq(event_field_of(SLICE("kin\0")), EVENT_FIELDS);
    ck_assert_int_eq(event_field_of(SLICE("kind\0")), EVENT_FIELDS);
}
END_TEST

/* ---- reading ---- */

static const struct {
    const char *line, *why;
} bad[] = {
    {"", "empty line"},
    {" ", "not JSON"},
    {"x", "not JSON"},
    {"[]", "not a JSON object"},
    {"1", "not a JSON object"},
    {"\"x\"", "not a JSON object"},
    {"null", "not a JSON object"},
    {"{", "not JSON"},
    {"{\"a\":1", "not JSON"},
    {"{\"a\":1,}", "not JSON"},
    {"{\"a\":01}", "not JSON"},
    {"{\"a\":NaN}", "not JSON"},
    {"{\"a\":1} x", "not JSON"},
    {"{\"a\":1}{}", "not JSON"},
    {"{'a':1}", "not JSON"},
    {"{\"a\":1 /* c */}", "not JSON"},
    {"\xef\xbb\xbf{}", "not JSON"},
    {"{\"a\":\"\xff\"}", "not JSON"},
    {"{\"a\":\"\xed\xa0\x80\"}", "not JSON"},
    {"{\"a\":\"\\ud800\"}", "not JSON"},
    {"{\"a\":\"\t\"}", "not JSON"},
    {"{\"kind\":\"a\",\"kind\":\"b\"}", "field \"kind\" twice"},
    {"{\"kind\":\"a\",\"\\u006bind\":\"b\"}", "field \"kind\" twice"},
};

START_TEST(refuses)
{
    struct event e;
    struct fault why = {0};

    ck_assert_int_eq(event_read(reader, slice_of(bad[_i].line), &e, &why), -1);
    ck_assert_msg(strstr(why.text, bad[_i].why), "%s: %s", bad[_i].line, why.text);
    ck_assert_int_eq(why.status, EX_DATAERR);
    /* The reader is as good as new. */
    assert_slice(event_str(&(struct event[]){read_good("{\"kind\":\"x\"}")}[0], EV_KIND), "x");
}
END_TEST

START_TEST(refuses_nul)
{
    struct event e;
    struct fault why = {0};

    ck_assert_int_eq(event_read(reader, SLICE("{\"a\":1}\0"), &e, &why), -1);
    ck_assert_int_eq(event_read(reader, SLICE("{\"a\":\"\0\"}"), &e, &why), -1);
}
END_TEST

/* Hostile lines cost bounded memory and are refused, or read. */
START_TEST(hostile)
{
    static const char *const units[] = {"[", "{\"a\":", "1,", "\"\\u0000\"", "{}"};

    for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
        struct buf line = {0};
        struct event e;
        struct fault why = {0};

        buf_text(&line, "{\"a\":[");
        while (line.len < 1 << 20)
            buf_text(&line, units[u]);
        ck_assert_int_eq(event_read(reader, buf_all(&line), &e, &why), -1);
        buf_free(&line);
    }
}
END_TEST

START_TEST(many_fields)
{
    struct buf line = {0};
    struct event e;
    struct fault why = {0};

    for (int n = EVENT_OTHERS_MAX; n <= EVENT_OTHERS_MAX + 1; n++) {
        line.len = 0;
        buf_lit(&line, "{\"event_id\":\"x\",\"time\":\"y\"");
        for (int i = 0; i < n; i++)
            buf_printf(&line, ",\"f%d\":%d", i, i);
        buf_char(&line, '}');
        ck_assert_int_eq(
            event_read(reader, buf_all(&line), &e, &why), n > EVENT_OTHERS_MAX ? -1 : 0);
    }
    ck_assert(strstr(why.text, "more than 512 unknown fields"));
    buf_free(&line);
}
END_TEST

START_TEST(values)
{
    struct event e =
        read_good(" { \"person_id\" : \"Zo\\u00eb \\\"\\n\" ,\"serial_no\":-12345678901234567890"
                  ",\"raw\": {\"a\" :[1, 2 ]} ,\"card_no\":5,\"hr\":null , \"x\":\"y\" } ");

    assert_slice(event_str(&e, EV_PERSON_ID), "Zo\xc3\xab \"\n");
    assert_slice(event_json(&e, EV_PERSON_ID), "\"Zo\\u00eb \\\"\\n\"");
    assert_slice(event_json(&e, EV_SERIAL_NO), "-12345678901234567890");
    assert_slice(event_json(&e, EV_RAW), "{\"a\" :[1, 2 ]}");
    assert_slice(event_json(&e, EV_HR), "null");
    ck_assert(slice_is(event_str(&e, EV_CARD_NO), "5")); /* a number is its digits */
    ck_assert_ptr_null(event_str(&e, EV_RAW).p);
    ck_assert_ptr_null(event_str(&e, EV_KIND).p);
    ck_assert_ptr_null(event_json(&e, EV_KIND).p);
    ck_assert(event_has(&e, EV_HR) && !event_has(&e, EV_KIND));
    ck_assert_uint_eq(e.count, 6);
}
END_TEST

/* Where each member stands, whatever its key looks like. */
START_TEST(members)
{
    static const char *const keys[] = {"kind", "k\\u0069nd", "\\\"", "\\\\", "a\\\":", "\\\":", "",
        "kind\\u0000", " ", "\\\\\\\"x"};

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct buf line = {0};
        struct event e;

        buf_printf(&line, "{\"first\":1, \"%s\" : \"v\\\"\" ,\"last\":[] }", keys[i]);
        buf_char(&line, '\0');
        e = read_good(line.data);
        ck_assert_uint_eq(e.count, 3);
        assert_slice(
            (struct slice){line.data + e.member[1].value, e.member[1].end - e.member[1].value},
            "\"v\\\"\"");
        ck_assert_int_eq(line.data[e.member[1].start], '"');
        ck_assert_int_eq(e.member[1].field, i < 2 ? EV_KIND : EVENT_FIELDS);
        assert_slice(
            (struct slice){line.data + e.member[2].start, e.member[2].end - e.member[2].start},
            "\"last\":[]");
        buf_free(&line);
    }
}
END_TEST

/* ---- writing ---- */

/* The draft is itself an event: its strings are set as text, others as JSON, null removes. */
static void draft_of(struct draft *d, const struct event *e)
{
    draft_reset(d);
    for (int f = 0; f < EVENT_FIELDS; f++) {
        enum event_field field = (enum event_field)f;

        if (event_has(e, field) && slice_is(event_json(e, field), "null"))
            draft_remove(d, field);
        else if (event_str(e, field).p)
            draft_str(d, field, event_str(e, field));
        else if (event_has(e, field))
            draft_json(d, field, event_json(e, field));
    }
}

static const struct {
    const char *line, *draft, *out;
} writes[] = {
    {"{}", "{}", "{}"},
    {" { } ", "{}", "{}"},
    {" { \"a\" : 1 } ", "{}", "{\"a\" : 1}"},
    {"{\"a\":1, \"b\" : 2 ,\"c\":3}", "{}", "{\"a\":1, \"b\" : 2 ,\"c\":3}"},
    {"{\"n\":12345678901234567890,\"m\":1.10,\"e\":1E5,\"u\":\"\\u00eb\\/\"}", "{\"ack\":\"x\"}",
        "{\"n\":12345678901234567890,\"m\":1.10,\"e\":1E5,\"u\":\"\\u00eb\\/\",\"ack\":\"x\"}"},
    /* New fields go where the table has them, before the first of ours that comes later. */
    {"{}", "{\"event_id\":\"1\",\"ack\":\"2\"}", "{\"event_id\":\"1\",\"ack\":\"2\"}"},
    {"{\"kind\":\"granted\",\"source\":\"x\"}", "{\"event_id\":\"1\",\"time\":\"t\",\"raw\":\"r\"}",
        "{\"event_id\":\"1\",\"kind\":\"granted\",\"time\":\"t\",\"source\":\"x\",\"raw\":\"r\"}"},
    {"{\"x\":0,\"kind\":\"granted\",\"y\":0}", "{\"event_id\":\"1\",\"ack\":\"a\"}",
        "{\"x\":0,\"event_id\":\"1\",\"kind\":\"granted\",\"y\":0,\"ack\":\"a\"}"},
    {"{\"x\":0}", "{\"kind\":\"k\"}", "{\"x\":0,\"kind\":\"k\"}"},
    /* What is there is replaced in its place, in whatever order the line has. */
    {"{\"time\":\"old\",\"kind\":\"k\",\"x\":1}", "{\"time\":\"new\",\"event_id\":\"1\"}",
        "{\"event_id\":\"1\",\"time\":\"new\",\"kind\":\"k\",\"x\":1}"},
    {"{\"ack\":\"a\" , \"kind\":\"k\"}", "{\"kind\":\"l\",\"hold\":\"h\"}",
        "{\"hold\":\"h\",\"ack\":\"a\",\"kind\":\"l\"}"},
    {"{\"k\\u0069nd\":\"k\"}", "{\"kind\":\"l\"}", "{\"kind\":\"l\"}"},
    /* What is removed takes its comma along, wherever it stands. */
    {"{\"hold\":\"h\"}", "{\"hold\":null}", "{}"},
    {"{\"hold\":\"h\",\"x\":1}", "{\"hold\":null}", "{\"x\":1}"},
    {"{\"x\":1,\"hold\":\"h\"}", "{\"hold\":null}", "{\"x\":1}"},
    {"{\"x\":1, \"hold\":\"h\" , \"y\":2}", "{\"hold\":null}", "{\"x\":1,\"y\":2}"},
    {"{\"x\":1}", "{\"hold\":null}", "{\"x\":1}"},
    {"{\"kind\":\"k\",\"hold\":\"h\",\"ack\":\"a\"}", "{\"kind\":null,\"hold\":null,\"ack\":null}",
        "{}"},
    {"{\"kind\":\"k\",\"hold\":\"h\",\"ack\":\"a\"}", "{\"hold\":null,\"error\":\"e\"}",
        "{\"kind\":\"k\",\"error\":\"e\",\"ack\":\"a\"}"},
    /* Values. */
    {"{\"kind\":\"k\"}", "{\"hr\":{\"a\": [1]},\"snapshot\":false,\"person_id\":\"\\\"\\u0001\"}",
        "{\"kind\":\"k\",\"person_id\":\"\\\"\\u0001\",\"hr\":{\"a\": [1]},\"snapshot\":false}"},
    {"{\"kind\":\"\",\"x\":\"\"}", "{\"kind\":\"\"}", "{\"kind\":\"\",\"x\":\"\"}"},
};

START_TEST(writes_changes)
{
    struct event_reader *other = event_reader_new();
    struct event e = read_good(writes[_i].line), changes;
    struct draft d;
    struct fault why;
    struct buf out = {0};

    ck_assert_int_eq(event_read(other, slice_of(writes[_i].draft), &changes, &why), 0);
    draft_of(&d, &changes);
    buf_text(&out, "before ");
    event_write(&out, &e, &d);
    buf_char(&out, '\0');
    ck_assert_str_eq(out.data + strlen("before "), writes[_i].out);
    buf_free(&out);
    event_reader_free(other);
}
END_TEST

static const struct {
    const char *line, *names[3], *out;
    unsigned dropped;
} drops[] = {
    {"{\"a\":1,\"name\":\"x\",\"b\":2}", {"name"}, "{\"a\":1,\"b\":2}", 1},
    {"{\"name\":\"x\"}", {"name"}, "{}", 1},
    {"{\"n\\u0061me\":\"x\",\"kind\":\"k\"}", {"name"}, "{\"kind\":\"k\"}", 1},
    {"{\"name\":1,\"name\":2,\"kind\":\"k\",\"z\":1}", {"name", "z"}, "{\"kind\":\"k\"}", 3},
    {"{\"kind\":\"k\",\"a\":1}", {"kind"}, "{\"a\":1}", 1},
    {"{\"names\":1,\"nam\":2}", {"name"}, "{\"names\":1,\"nam\":2}", 0},
};

START_TEST(drops_members)
{
    struct event e = read_good(drops[_i].line);
    struct slice names[3];
    struct draft d;
    struct buf out = {0};
    unsigned n = 0;

    for (; n < 3 && drops[_i].names[n]; n++)
        names[n] = slice_of(drops[_i].names[n]);
    draft_reset(&d);
    ck_assert_uint_eq(event_drop(&e, names, n), drops[_i].dropped);
    event_write(&out, &e, &d);
    buf_char(&out, '\0');
    ck_assert_str_eq(out.data, drops[_i].out);
    buf_free(&out);
}
END_TEST

START_TEST(prints_drafts)
{
    struct draft d;
    struct buf out = {0};

    draft_reset(&d);
    draft_print(&out, &d);
    draft_str(&d, EV_ACK, SLICE("a\"b"));
    draft_str(&d, EV_KIND, SLICE("granted"));
    draft_json(&d, EV_SERIAL_NO, SLICE("18446744073709551615"));
    draft_str(&d, EV_HOLD, SLICE("x"));
    draft_remove(&d, EV_HOLD);
    draft_print(&out, &d);
    buf_char(&out, '\0');
    ck_assert_str_eq(
        out.data, "{}{\"kind\":\"granted\",\"serial_no\":18446744073709551615,\"ack\":\"a\\\"b\"}");
    buf_free(&out);
}
END_TEST

/* ---- shared ---- */

START_TEST(bad_records)
{
    struct buf out = {0}, line = {0};
    struct event e;

    event_print_bad(&out, SLICE("a\tb"), "why", NULL);
    buf_char(&out, '\0');
    ck_assert_str_eq(out.data, "{\"event_id\":\"00000000-0000-8866-8675-4423778b21e9\",\"kind\":"
                               "\"other\",\"raw\":\"a\\tb\",\"error\":\"why\"}");
    out.len = 0;
    event_print_bad(&out, SLICE("\xff\x00x"), "why", NULL);
    buf_char(&out, '\0');
    ck_assert_str_eq(out.data, "{\"event_id\":\"00000000-0000-83ce-abba-8616e934fdf2\",\"kind\":"
                               "\"other\",\"raw_base64\":\"/wB4\",\"error\":\"why\"}");

    /* Cut at 4 KiB, and not inside a character. */
    for (int i = 0; i < 4095; i++)
        buf_char(&line, 'x');
    buf_text(&line, "\xe2\x82\xac\xe2\x82\xac");
    out.len = 0;
    event_print_bad(&out, buf_all(&line), "why", NULL);
    buf_char(&out, '\0');
    e = read_good(out.data);
    ck_assert_uint_eq(event_str(&e, EV_RAW).n, 4095);
    ck_assert(slice_is(
        event_str(&e, EV_EVENT_ID), "00000000-0000-8e81-910b-db700f72ff8b")); /* of all of it */
    buf_free(&line);
    buf_free(&out);
}
END_TEST

static const struct {
    const char *line, *person;
} people[] = {
    {"{\"employee_id\":\"E\",\"person_id\":\"P\",\"card_no\":\"C\"}", "E"},
    {"{\"person_id\":\"P\",\"card_no\":\"C\"}", "P"},
    {"{\"person_id\":\"\",\"card_no\":\"C\"}", "C"},
    {"{\"person_id\":5}", "5"},
    {"{\"card_no\":18446744073709551616}", "18446744073709551616"},
    {"{\"person_id\":true}", NULL},
    {"{}", NULL},
    {"{\"person_id\":\"P\",\"time_note\":\"clock_unset\"}", NULL},
    {"{\"person_id\":\"P\",\"time_note\":\"gap\"}", "P"},
};

START_TEST(whose_order)
{
    struct event e = read_good(people[_i].line);
    struct slice person = event_person(&e);

    if (people[_i].person)
        assert_slice(person, people[_i].person);
    else
        ck_assert_ptr_null(person.p);
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, keys_and_fields);
    tcase_add_loop_test(tc, refuses, 0, COUNT(bad));
    tcase_add_test(tc, refuses_nul);
    tcase_add_test(tc, hostile);
    tcase_add_test(tc, many_fields);
    tcase_add_test(tc, values);
    tcase_add_test(tc, members);
    tcase_add_loop_test(tc, writes_changes, 0, COUNT(writes));
    tcase_add_loop_test(tc, drops_members, 0, COUNT(drops));
    tcase_add_test(tc, prints_drafts);
    tcase_add_test(tc, bad_records);
    tcase_add_loop_test(tc, whose_order, 0, COUNT(people));
}

UNIT_MAIN("event", add_tests)

/* SPDX-License-Identifier: MIT */
/*
 * Identities against vectors that Python made, as ts-event(5) has it:
 *
 *     name = "\x1f".join([device, who, clock]).encode()
 *     octets = bytearray(hashlib.sha1(SPACE.bytes + name).digest()[:16])
 *     octets[0:6] = (ms % 2**48).to_bytes(6, "big")
 *     octets[6] = octets[6] & 0x0F | 0x80
 *     octets[8] = octets[8] & 0x3F | 0x80
 */
#include "identity.h"

#include "../../support/unit.h"

/* Of events, as a line of JSON; the first seven stand in ts-event(5). */
static const struct {
    const char *line, *id;
} events[] = {
    {"{\"device_id\":\"GATE-2\",\"local_time\":\"2026-01-07T10:34:08\",\"person_id\":\"126\"}",
        "019b9805-6100-8b85-a657-08efdeb09c4e"},
    {"{\"device_id\":\"GATE-2\",\"local_time\":\"2026-01-07T10:34:08.25\",\"card_no\":"
     "\"0001234567\"}",
        "019b9805-6100-8da5-a692-8830128dc4f2"},
    {"{\"device_id\":\"GATE-2\",\"local_time\":\"2026-01-07T10:34:08\",\"card_no\":\"5076483\","
     "\"card_read\":\"0005076483\"}",
        "019b9805-6100-8a2b-b188-9be0e68c83a4"},
    {"{\"device_id\":\"GATE-2\",\"local_time\":\"2026-01-07T10:34:08\",\"reader\":\"1\",\"code\":"
     "\"5\",\"serial_no\":4711}",
        "019b9805-6100-853d-b992-d206264daebf"},
    {"{\"device_id\":\"GATE-2\",\"time\":\"2026-01-07T10:34:08+08:00\",\"reader\":\"1\"}",
        "019b9805-6100-800e-a9cd-b4d08e629708"},
    {"{\"device_id\":\"GATE-2\",\"local_time\":\"1969-12-31T23:59:59\",\"person_id\":\" Zo\\u00eb "
     "\"}",
        "ffffffff-fc18-860d-a817-bc57d3142e31"},
    {"{\"kind\":\"other\",\"raw\":\"hello\",\"error\":\"not JSON\"}",
        "00000000-0000-8621-8ee2-9001455e4c9f"},
    {"{\"local_time\":\"2026-01-07T10:34:08\",\"person_id\":\"126\"}",
        "019b9805-6100-8d10-8ee1-0ceb341eafda"},
    {"{\"device_id\":\"GATE-2\",\"local_time\":\"2026-01-07T10:34:08\"}",
        "019b9805-6100-887a-9405-ded381e24704"},
    {"{\"device_id\":\"GATE-2\",\"local_time\":\"2026-01-07T10:34:08\",\"person_id\":126,\"card_"
     "no\":\"\"}",
        "019b9805-6100-8b85-a657-08efdeb09c4e"},
    {"{\"device_id\":\"GATE-2\",\"local_time\":\"2026-01-07T10:34:08\",\"serial_no\":"
     "18446744073709551615}",
        "019b9805-6100-8810-9dbf-40cde0963e4e"},
    {"{\"kind\":\"other\",\"raw_base64\":\"/wB4\",\"error\":\"not JSON\"}",
        "00000000-0000-83ce-abba-8616e934fdf2"},
    {"{\"raw\":{\"a\": 1},\"local_time\":\"2026-01-07\"}", "00000000-0000-8e84-8581-7b628143425c"},
    {"{\"raw\":\"x\",\"local_time\":\"tomorrow\",\"person_id\":\"126\"}",
        "00000000-0000-8e30-9705-b1c1ba9245b8"},
    {"{\"raw\":\"x\",\"error\":null,\"local_time\":\"2026-01-07T10:34:08\"}",
        "00000000-0000-8e30-9705-b1c1ba9245b8"},
    {"{\"a\":1}", "00000000-0000-86c0-9176-368dcb448579"},
    {"{}", "00000000-0000-8639-8c66-f20abe74a23c"},
};

static void read_event(const char *line, struct event *e, struct event_reader **reader)
{
    struct fault why;

    *reader = event_reader_new();
    ck_assert_msg(event_read(*reader, slice_of(line), e, &why) == 0, "%s", why.text);
}

START_TEST(of_events)
{
    struct event_reader *reader;
    struct event e;
    struct identity id;
    char text[IDENTITY_TEXT];

    read_event(events[_i].line, &e, &reader);
    identity_of(&id, &e, SLICE_NONE, NULL);
    identity_print(&id, text);
    ck_assert_str_eq(text, events[_i].id);
    event_reader_free(reader);
}
END_TEST

/* What is not in the name does not change the id: that is what makes a replay safe. */
START_TEST(of_passages)
{
    static const char *const lines[] = {
        "{\"device_id\":\"GATE-2\",\"local_time\":\"2026-01-07T10:34:08\",\"person_id\":\"126\"}",
        "{\"local_time\":\"2026-01-07 10:34:08.7\",\"person_id\":\"  126 \",\"card_no\":\"5\","
        "\"time\":\"2026-01-07T12:00:00+01:00\",\"device_id\":\"GATE-2\",\"raw\":\"x\"}",
        "{\"time\":\"2026-01-07T10:34:08Z\",\"person_id\":\"126\",\"device_id\":\"GATE-2\"}",
        "{\"local_time\":\"2026-01-07T10:34:08\",\"person_id\":\"\",\"card_no\":\"126\","
        "\"device_id\":\"GATE-2\"}",
        "{\"local_time\":\"2026-01-07T10:34:08\",\"card_read\":\"126\",\"card_no\":\"78\","
        "\"device_id\":\"GATE-2\"}",
        "{\"local_time\":\"2026-01-07T10:34:08\",\"card_read\":\"9\",\"person_id\":\"126\","
        "\"device_id\":\"GATE-2\"}",
    };

    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct event_reader *reader;
        struct event e;
        struct identity id;
        char text[IDENTITY_TEXT];

        read_event(lines[i], &e, &reader);
        identity_of(&id, &e, SLICE_NONE, NULL);
        identity_print(&id, text);
        ck_assert_str_eq(text, "019b9805-6100-8b85-a657-08efdeb09c4e");
        event_reader_free(reader);
    }
}
END_TEST

START_TEST(device_given)
{
    struct event_reader *reader;
    struct event e;
    struct identity id;
    char text[IDENTITY_TEXT];

    read_event("{\"device_id\":\"alias\",\"local_time\":\"2026-01-07T10:34:08\","
               "\"person_id\":\"126\"}",
        &e, &reader);
    identity_of(&id, &e, SLICE("GATE-2"), NULL);
    identity_print(&id, text);
    ck_assert_str_eq(text, "019b9805-6100-8b85-a657-08efdeb09c4e");
    event_reader_free(reader);
}
END_TEST

/* A name longer than any buffer on the stack: device X six hundred times, who 1. */
START_TEST(long_names)
{
    char device[600], text[IDENTITY_TEXT];
    struct identity id;

    memset(device, 'X', sizeof device);
    identity_make(&id, (struct slice){device, sizeof device}, SLICE("1"),
        SLICE("9999-12-31T23:59:59"), 253402300799, NULL);
    identity_print(&id, text);
    ck_assert_str_eq(text, "e677d21f-d818-8424-97ce-343cb1b1b55a");
}
END_TEST

START_TEST(of_bytes)
{
    struct identity id;
    char text[IDENTITY_TEXT];

    identity_of_bytes(&id, SLICE("3A7F"), NULL);
    identity_print(&id, text);
    ck_assert_str_eq(text, "00000000-0000-8f82-8513-706b1ad8cce5");
    identity_of_bytes(&id, SLICE("\xff\x00x"), NULL);
    identity_print(&id, text);
    ck_assert_str_eq(text, "00000000-0000-83ce-abba-8616e934fdf2");
    identity_of_bytes(&id, SLICE_NONE, NULL);
    identity_print(&id, text);
    ck_assert_str_eq(text, "00000000-0000-8cb6-a8d8-462060df1721");
}
END_TEST

static void count_hash(void *arg, struct slice name, unsigned char octets[16])
{
    int *calls = arg;

    ck_assert_uint_eq(name.n, strlen("GATE-2|126|2026-01-07T10:34:08"));
    memset(octets, 0xff, 16);
    ++*calls;
}

START_TEST(another_hash)
{
    int calls = 0;
    struct identity_hash hash = {count_hash, &calls};
    struct identity id;
    char text[IDENTITY_TEXT];

    identity_make(
        &id, SLICE("GATE-2"), SLICE("126"), SLICE("2026-01-07T10:34:08"), 1767782048, &hash);
    identity_print(&id, text);
    ck_assert_int_eq(calls, 1);
    ck_assert_str_eq(text, "019b9805-6100-8fff-bfff-ffffffffffff");
}
END_TEST

START_TEST(sorts_by_time)
{
    struct identity before, after;

    identity_make(&before, SLICE("Z"), SLICE("9"), SLICE("2026-01-07T10:34:08"), 1767782048, NULL);
    identity_make(&after, SLICE("A"), SLICE("1"), SLICE("2026-01-07T10:34:09"), 1767782049, NULL);
    ck_assert_int_lt(memcmp(before.octets, after.octets, 16), 0);
}
END_TEST

static const struct {
    const char *text;
    bool good;
} texts[] = {
    {"019b9805-6100-8b85-a657-08efdeb09c4e", true},
    {"019B9805-6100-8B85-A657-08EFDEB09C4E", true},
    {"00000000-0000-0000-0000-000000000000", true},
    {"", false},
    {"019b9805-6100-8b85-a657-08efdeb09c4", false},
    {"019b9805-6100-8b85-a657-08efdeb09c4e0", false},
    {"019b980516100-8b85-a657-08efdeb09c4e", false},
    {"019b9805-6100-8b85-a657-08efdeb09c4g", false},
    {"{19b9805-6100-8b85-a657-08efdeb09c4e", false},
    {"019b98056100-8b85-a657-08efdeb09c4e-", false},
};

START_TEST(parses)
{
    struct identity id;
    char text[IDENTITY_TEXT];

    ck_assert_int_eq(identity_parse(slice_of(texts[_i].text), &id), texts[_i].good);
    if (!texts[_i].good)
        return;
    identity_print(&id, text);
    ck_assert_int_eq(strcasecmp(text, texts[_i].text), 0);
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, of_events, 0, COUNT(events));
    tcase_add_test(tc, of_passages);
    tcase_add_test(tc, device_given);
    tcase_add_test(tc, long_names);
    tcase_add_test(tc, of_bytes);
    tcase_add_test(tc, another_hash);
    tcase_add_test(tc, sorts_by_time);
    tcase_add_loop_test(tc, parses, 0, COUNT(texts));
}

UNIT_MAIN("identity", add_tests)

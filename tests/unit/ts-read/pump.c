/* SPDX-License-Identifier: MIT */
/* The pump: the events of a stream do not depend on how its bytes were cut, and every byte is
 * accounted for. */
#include "pump.h"

#include <stdio.h>
#include <unistd.h>

#include "../../support/unit.h"

static struct fault why;
static struct sink *sink;
static int kept, captured;

/* The sink writes to descriptor 1: a file stands in for it, so that it can be read back. */
static void setup(void)
{
    struct sink_config config = {0};

    fflush(stdout);
    kept = dup(STDOUT_FILENO);
    captured = fileno(tmpfile());
    dup2(captured, STDOUT_FILENO);
    sink = sink_new(&config, &why);
    ck_assert_ptr_nonnull(sink);
}

static void teardown(void)
{
    dup2(kept, STDOUT_FILENO);
}

/* What came out since the last call, NUL-terminated; to be freed. */
static char *output(void)
{
    static off_t from;
    off_t end;
    char *text;

    ck_assert_int_eq(sink_flush(sink), 0);
    end = lseek(captured, 0, SEEK_END);
    text = mem_alloc((size_t)(end - from) + 1);
    ck_assert_int_eq(pread(captured, text, (size_t)(end - from), from), end - from);
    text[end - from] = '\0';
    from = end;
    lseek(captured, 0, SEEK_END);
    return text;
}

static struct pump *pump_with(const char *format, size_t longest)
{
    struct pump_config config = {.format = format ? format_find(slice_of(format)) : NULL,
        .options = {.longest = longest},
        .device = "D"};
    struct pump *p = pump_new(&config, sink, &why);

    ck_assert_ptr_nonnull(p);
    return p;
}

/* Feeds text in pieces of `piece` bytes and ends the stream. */
static enum stream_state feed(struct stream *s, struct slice text, size_t piece)
{
    enum stream_state state = STREAM_MORE;

    for (size_t at = 0; at < text.n && state == STREAM_MORE; at += piece) {
        size_t n = text.n - at < piece ? text.n - at : piece;

        memcpy(stream_room(s, n), text.p + at, n);
        stream_added(s, n);
        state = stream_run(s, &why);
    }
    if (state != STREAM_MORE)
        return state;
    stream_end(s);
    return stream_run(s, &why);
}

static char *events_of(const char *format, size_t longest, struct slice text, size_t piece)
{
    struct pump *p = pump_with(format, longest);
    struct stream_config config = {.kind = STREAM_FILE, .origin = "f", .device = "stem"};
    struct stream *s = stream_open(p, &config);
    struct place place;
    char *out;

    ck_assert_int_eq(feed(s, text, piece), STREAM_END);
    stream_place(s, &place);
    ck_assert_uint_eq(place.offset, text.n);
    ck_assert_uint_eq(stream_waiting(s), 0);
    out = output();
    stream_close(s);
    pump_free(p);
    return out;
}

#define BIG "0123456789012345678901234567890123456789012345678901234567890123456789"

static const char *const texts[] = {
    "",
    "{\"time\":\"2026-01-07T10:00:00Z\"}\n",
    "{\"time\":\"2026-01-07T10:00:00Z\"}",
    "\n\n{\"time\":\"2026-01-07T10:00:00Z\"}\n\nbroken\n{\"time\":",
    "{\"time\":\"2026-01-07T10:00:00Z\",\"x\":\"" BIG BIG
    "\"}\n{\"time\":\"2026-01-07T10:00:00Z\"}\n",
    BIG BIG BIG "\n{\"time\":\"2026-01-07T10:00:00Z\"}\n" BIG BIG BIG,
    "    17\t2026-01-07 10:00:00\t1\t0\t1\t0\r\nx\n    17\t2026-01-07 10:00:00\t1\t0\t1\t0\r\n",
    "time,pin\n2026-01-07 10:00:00,\"1\n7\"\n2026-01-07 10:00:00,18\n",
    "\377\376\n    17\t2026-01-07 10:00:00\t1\t0\t1\t0\n",
};

/* Whatever the pieces: the same events, with the same origins. */
START_TEST(pieces_do_not_matter)
{
    static const char *const names[] = {"ndjson", "zk-attlog", "csv", NULL};
    struct slice text = slice_of(texts[_i]);

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *whole = events_of(names[i], 100, text, text.n + 1), *pieces;

        for (size_t piece = 1; piece < 80; piece += piece < 8 ? 1 : 17) {
            pieces = events_of(names[i], 100, text, piece);
            ck_assert_str_eq(pieces, whole);
            free(pieces);
        }
        free(whole);
    }
}
END_TEST

static const struct {
    const char *format, *text, *out;
} records[] = {
    {"ndjson", "\n{\"time\":\"2026-01-07T10:00:00Z\"}\n",
        "{\"time\":\"2026-01-07T10:00:00Z\",\"device_id\":\"D\",\"source\":\"ndjson\","
        "\"origin\":\"f:2\"}\n"},
    {"ndjson", "{\"time\":\"2026-01-07T10:00:00Z\",\"device_id\":\"E\",\"origin\":\"o\"}\n",
        "{\"time\":\"2026-01-07T10:00:00Z\",\"device_id\":\"E\",\"source\":\"ndjson\","
        "\"origin\":\"o\"}\n"},
    {"ndjson", "x\n",
        "{\"kind\":\"other\",\"device_id\":\"D\",\"source\":\"ndjson\",\"origin\":\"f:1\","
        "\"raw\":\"x\",\"error\":\"not JSON: unexpected character, expected a valid root value at "
        "byte 1\"}\n"},
    {"ndjson", "0123456789012345678901234567890123456789",
        "{\"kind\":\"other\",\"device_id\":\"D\",\"source\":\"ndjson\",\"origin\":\"f:1\","
        "\"raw\":\"01234567890123456789012345678901\",\"error\":\"longer than 32 "
        "bytes\"}\n"},
};

START_TEST(what_the_pump_adds)
{
    char *out = events_of(records[_i].format, 32 + 32 * (_i == 1), slice_of(records[_i].text), 7);

    ck_assert_str_eq(out, records[_i].out);
    free(out);
}
END_TEST

/* However long a line is, the buffer is not. */
START_TEST(long_lines_do_not_gather)
{
    struct pump *p = pump_with("ndjson", 1000);
    struct stream_config config = {.kind = STREAM_FILE, .origin = "f", .device = "stem"};
    struct stream *s = stream_open(p, &config);
    char block[8192];

    memset(block, 'x', sizeof block);
    for (int i = 0; i < 10000; i++) {
        memcpy(stream_room(s, sizeof block), block, sizeof block);
        stream_added(s, sizeof block);
        ck_assert_int_eq(stream_run(s, &why), STREAM_MORE);
        ck_assert_uint_le(stream_waiting(s), 1000 + sizeof block);
    }
    ck_assert_uint_eq(pump_bad(p), 1);
    stream_end(s);
    ck_assert_int_eq(stream_run(s, &why), STREAM_END);
    ck_assert_uint_eq(pump_bad(p), 1);
    stream_close(s);
    pump_free(p);
    free(output());
}
END_TEST

START_TEST(unknown_format_of_a_file)
{
    struct pump *p = pump_with(NULL, 1000);
    struct stream_config config = {.kind = STREAM_FILE, .origin = "f", .device = "stem"};
    struct stream *s = stream_open(p, &config);

    ck_assert_int_eq(feed(s, SLICE("prose\nmore\n"), 100), STREAM_ERROR);
    ck_assert_int_eq(why.status, EX_DATAERR);
    ck_assert_str_eq(why.text, "f: unknown format: give -f (ts-read --list-formats)");
    stream_close(s);
    pump_free(p);
}
END_TEST

/* A body is one record when nothing is known of it; a peer's lines are one each. */
START_TEST(unknown_format_of_a_peer)
{
    struct pump *p = pump_with(NULL, 1000);
    struct stream_config config = {
        .kind = _i ? STREAM_BODY : STREAM_PEER, .origin = "1.2.3.4:5", .device = "1.2.3.4"};
    struct stream *s = stream_open(p, &config);

    ck_assert_int_eq(feed(s, SLICE("prose\n\nmore\n"), 100), STREAM_END);
    ck_assert_uint_eq(stream_events(s), _i ? 1 : 2);
    ck_assert_uint_eq(pump_bad(p), stream_events(s));
    stream_close(s);
    pump_free(p);
    free(output());
}
END_TEST

/* In the middle of a file: the head gives format and header, and no event. */
START_TEST(going_on_in_the_middle)
{
    struct pump *p = pump_with(NULL, 1000);
    struct stream_config config = {.kind = STREAM_FILE, .origin = "f.csv", .device = "f"};
    struct stream *s = stream_open(p, &config);
    struct place place = {.offset = 31, .line = 2};
    char *out;

    ck_assert_int_eq(stream_resume(s, SLICE("time,pin\n2026-01-07 10:00:00,1\n"), &place, &why), 0);
    ck_assert_uint_eq(pump_events(p), 0);
    ck_assert_int_eq(feed(s, SLICE("2026-01-07 10:00:01,2\n"), 5), STREAM_END);
    out = output();
    ck_assert_str_eq(out,
        "{\"kind\":\"granted\",\"local_time\":\"2026-01-07T10:00:01\",\"device_id\":\"D\","
        "\"person_id\":\"2\",\"source\":\"csv\",\"origin\":\"f.csv:3\","
        "\"raw\":\"2026-01-07 10:00:01,2\"}\n");
    stream_place(s, &place);
    ck_assert_uint_eq(place.offset, 31 + 22);
    free(out);
    stream_close(s);
    pump_free(p);
}
END_TEST

START_TEST(wrong_format_option)
{
    struct format_option option = {SLICE("no"), SLICE("such")};
    struct pump_config config = {.format = format_find(SLICE("ndjson")),
        .options = {.option = &option, .count = 1, .longest = 1000}};

    ck_assert_ptr_null(pump_new(&config, sink, &why));
    ck_assert_int_eq(why.status, EX_USAGE);
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, pieces_do_not_matter, 0, COUNT(texts));
    tcase_add_loop_test(tc, what_the_pump_adds, 0, COUNT(records));
    tcase_add_test(tc, long_lines_do_not_gather);
    tcase_add_test(tc, unknown_format_of_a_file);
    tcase_add_loop_test(tc, unknown_format_of_a_peer, 0, 2);
    tcase_add_test(tc, going_on_in_the_middle);
    tcase_add_test(tc, wrong_format_option);
}

UNIT_MAIN("pump", add_tests)

/* SPDX-License-Identifier: MIT */
/* Lines in and out: every way an input can end, long lines, and what happens before a wait. */
#include "line.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "../../support/unit.h"
#include "stop.h"

static struct fault why;

/* A descriptor that gives these bytes and then ends. */
static int bytes_fd(const char *text, size_t n)
{
    int fd = fileno(tmpfile());

    ck_assert_int_eq(write(fd, text, n), (ssize_t)n);
    ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static const struct {
    const char *text;
    const char *seen; /* kind and line of each, '|' between them */
} inputs[] = {
    {"", ""},
    {"a\n", "ok:a"},
    {"a\nbc\n", "ok:a|ok:bc"},
    {"a", "torn:a"},
    {"a\nb", "ok:a|torn:b"},
    {"\n\n", "ok:|ok:"},
    {"a\r\n", "ok:a\r"},
    {"12345678\n", "ok:12345678"},
    {"123456789\nx\n", "long:12345678|ok:x"},
    {"123456789", "long:12345678"},
    {"1234567890123456789012345\nx", "long:12345678|torn:x"},
    {"12345678\n123456789\n12345678\n", "ok:12345678|long:12345678|ok:12345678"},
};

static const char *const kinds[] = {[LINE_OK] = "ok", [LINE_LONG] = "long", [LINE_TORN] = "torn"};

START_TEST(every_end)
{
    int fd = bytes_fd(inputs[_i].text, strlen(inputs[_i].text));
    struct line_reader *r = line_reader_new(fd, 8);
    struct buf seen = {0};
    struct slice line;
    enum line kind;
    uint64_t number = 0;

    while ((kind = line_next(r, &line, &why)) <= LINE_TORN) {
        buf_printf(&seen, "%s%s:%.*s", seen.len ? "|" : "", kinds[kind], (int)line.n, line.p);
        ck_assert_uint_eq(line_number(r), ++number);
    }
    ck_assert_int_eq(kind, LINE_END);
    buf_char(&seen, '\0');
    ck_assert_str_eq(seen.data, inputs[_i].seen);
    ck_assert_uint_eq(line_offset(r), strlen(inputs[_i].text));
    buf_free(&seen);
    line_reader_free(r);
    close(fd);
}
END_TEST

START_TEST(nul_bytes_are_bytes)
{
    int fd = bytes_fd("a\0b\n\0\n", 6);
    struct line_reader *r = line_reader_new(fd, 100);
    struct slice line;

    ck_assert_int_eq(line_next(r, &line, &why), LINE_OK);
    ck_assert(slice_eq(line, (struct slice){"a\0b", 3}));
    ck_assert_int_eq(line_next(r, &line, &why), LINE_OK);
    ck_assert(slice_eq(line, (struct slice){"\0", 1}));
    line_reader_free(r);
    close(fd);
}
END_TEST

/* Longer than any buffer: memory does not follow it, and the skipped bytes are counted. */
START_TEST(very_long_line)
{
    enum { BYTES = 20 << 20 };
    char *text = mem_alloc(BYTES + 3);
    struct line_reader *r;
    struct slice line;
    int fd;

    memset(text, 'x', BYTES);
    memcpy(text + BYTES, "\ny\n", 3);
    fd = bytes_fd(text, BYTES + 3);
    r = line_reader_new(fd, 1000);
    ck_assert_int_eq(line_next(r, &line, &why), LINE_LONG);
    ck_assert_uint_eq(line.n, 1000);
    ck_assert_int_eq(line_next(r, &line, &why), LINE_OK);
    ck_assert(slice_is(line, "y"));
    ck_assert_uint_eq(line_skipped(r), BYTES - 1000 + 1);
    line_reader_free(r);
    close(fd);
    free(text);
}
END_TEST

/* The lines of a stream do not depend on how it was cut into reads. */
START_TEST(pieces_make_the_same_lines)
{
    static const char text[] = "a\nbcd\n\nefghij\nk";
    int pair[2];
    struct line_reader *r;
    struct slice line;
    struct buf seen = {0};

    ck_assert_int_eq(pipe(pair), 0);
    r = line_reader_new(pair[0], 100);
    for (size_t i = 0; i < sizeof text - 1; i++) {
        ck_assert_int_eq(write(pair[1], text + i, 1), 1);
        ck_assert_int_eq(line_fill(r, &why), 1);
        while (line_take(r, &line) == LINE_OK)
            buf_printf(&seen, "%.*s|", (int)line.n, line.p);
    }
    close(pair[1]);
    ck_assert_int_eq(line_fill(r, &why), 0);
    ck_assert_int_eq(line_take(r, &line), LINE_TORN);
    ck_assert_int_eq(line_take(r, &line), LINE_END);
    ck_assert(slice_is(buf_all(&seen), "a|bcd||efghij|"));
    buf_free(&seen);
    line_reader_free(r);
    close(pair[0]);
}
END_TEST

struct idle {
    int calls, to; /* writes a line to it at its first call, closes it at its second */
};

static int on_idle(void *arg, struct fault *fault)
{
    struct idle *idle = arg;

    if (idle->calls++ == 0)
        return write(idle->to, "later\n", 6) == 6 ? 0 : fault_set(fault, 74, "cannot");
    close(idle->to);
    return 0;
}

START_TEST(idle_comes_before_each_wait)
{
    int pair[2];
    struct idle idle = {0};
    struct line_reader *r;
    struct slice line;

    ck_assert_int_eq(pipe(pair), 0);
    idle.to = pair[1];
    ck_assert_int_eq(write(pair[1], "now\nalso\n", 9), 9);
    r = line_reader_new(pair[0], 100);
    line_on_idle(r, on_idle, &idle);
    ck_assert_int_eq(line_next(r, &line, &why), LINE_OK);
    ck_assert_int_eq(line_next(r, &line, &why), LINE_OK);
    ck_assert_int_eq(idle.calls, 0);
    ck_assert_int_eq(line_next(r, &line, &why), LINE_OK);
    ck_assert(slice_is(line, "later"));
    ck_assert_int_eq(idle.calls, 1);
    ck_assert_int_eq(line_next(r, &line, &why), LINE_END);
    ck_assert_int_eq(idle.calls, 2);
    line_reader_free(r);
    close(pair[0]);
}
END_TEST

static int refuse(void *arg, struct fault *fault)
{
    (void)arg;
    return fault_set(fault, EX_IOERR, "refused");
}

START_TEST(failing_idle_ends_the_reading)
{
    int pair[2];
    struct line_reader *r;
    struct slice line;

    ck_assert_int_eq(pipe(pair), 0);
    r = line_reader_new(pair[0], 100);
    line_on_idle(r, refuse, NULL);
    ck_assert_int_eq(line_next(r, &line, &why), LINE_ERROR);
    ck_assert_str_eq(why.text, "refused");
    line_reader_free(r);
}
END_TEST

START_TEST(read_errors_are_told)
{
    int fd = open("/", O_RDONLY);
    struct line_reader *r = line_reader_new(fd, 100);
    struct slice line;

    ck_assert_int_eq(line_next(r, &line, &why), LINE_ERROR);
    ck_assert_int_eq(why.status, EX_IOERR);
    line_reader_free(r);
    close(fd);
}
END_TEST

START_TEST(stop_ends_in_order)
{
    int pair[2];
    struct line_reader *r;
    struct slice line;

    ck_assert_int_eq(pipe(pair), 0);
    ck_assert_int_eq(write(pair[1], "a\nhalf", 6), 6);
    r = line_reader_new(pair[0], 100);
    ck_assert_int_eq(line_next(r, &line, &why), LINE_OK);
    stop_request();
    ck_assert_int_eq(line_next(r, &line, &why), LINE_END);
    line_reader_free(r);
}
END_TEST

/* ---- writer ---- */

START_TEST(writer_gathers)
{
    int pair[2];
    struct line_writer w;
    char got[16];

    ck_assert_int_eq(pipe2(pair, O_NONBLOCK), 0);
    line_writer_init(&w, pair[1], "standard output");
    buf_lit(&w.buf, "line\n");
    ck_assert_int_eq(line_written(&w, &why), 0);
    ck_assert_int_eq(read(pair[0], got, sizeof got), -1);
    ck_assert_int_eq(line_flush(&w, &why), 0);
    ck_assert_int_eq(read(pair[0], got, sizeof got), 5);
    ck_assert_int_eq(line_close(&w, &why), 0);
    line_writer_free(&w);
}
END_TEST

START_TEST(writer_writes_when_much_has_gathered)
{
    int fd = fileno(tmpfile());
    struct line_writer w;

    line_writer_init(&w, fd, "standard output");
    for (int i = 0; i < 20000; i++) {
        buf_lit(&w.buf, "0123456789\n");
        ck_assert_int_eq(line_written(&w, &why), 0);
        ck_assert_uint_lt(w.buf.len, LINE_WRITE_BYTES);
    }
    ck_assert_int_eq(line_flush(&w, &why), 0);
    ck_assert_int_eq(lseek(fd, 0, SEEK_END), 20000 * 11);
    line_writer_free(&w);
}
END_TEST

START_TEST(full_device_is_a_fault)
{
    struct line_writer w;

    line_writer_init(&w, open("/dev/full", O_WRONLY), "standard output");
    buf_lit(&w.buf, "line\n");
    ck_assert_int_eq(line_close(&w, &why), -1);
    ck_assert_int_eq(why.status, EX_IOERR);
    ck_assert(!why.quiet);
    line_writer_free(&w);
}
END_TEST

START_TEST(closed_reader_is_a_quiet_fault)
{
    int pair[2];
    struct line_writer w;

    signal(SIGPIPE, SIG_IGN);
    ck_assert_int_eq(pipe(pair), 0);
    close(pair[0]);
    line_writer_init(&w, pair[1], "standard output");
    buf_lit(&w.buf, "line\n");
    ck_assert_int_eq(line_flush(&w, &why), -1);
    ck_assert(why.quiet);
    line_writer_free(&w);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, every_end, 0, (int)(sizeof inputs / sizeof *inputs));
    tcase_add_test(tc, nul_bytes_are_bytes);
    tcase_add_test(tc, very_long_line);
    tcase_add_test(tc, pieces_make_the_same_lines);
    tcase_add_test(tc, idle_comes_before_each_wait);
    tcase_add_test(tc, failing_idle_ends_the_reading);
    tcase_add_test(tc, read_errors_are_told);
    tcase_add_test(tc, stop_ends_in_order);
    tcase_add_test(tc, writer_gathers);
    tcase_add_test(tc, writer_writes_when_much_has_gathered);
    tcase_add_test(tc, full_device_is_a_fault);
    tcase_add_test(tc, closed_reader_is_a_quiet_fault);
}

UNIT_MAIN("line", add_tests)

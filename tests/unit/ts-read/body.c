/* SPDX-License-Identifier: MIT */
/* Bodies of HTTP requests: chunks in any pieces, what follows them, what is refused, and gzip. */
#include "body.h"

#include <zlib.h>

#include "../../support/unit.h"

#define LONGEST 20u

static const struct {
    int64_t length; /* -1: chunked */
    const char *text;
    int status;
    const char *content, *rest; /* where it is whole */
} bodies[] = {
    {3, "abc", 0, "abc", ""},
    {3, "abcPOST", 0, "abc", "POST"},
    {3, "ab", BODY_MORE, NULL, NULL},
    {0, "POST", 0, "", "POST"},
    {21, "abc", 413, NULL, NULL},
    {-1, "3\r\nabc\r\n0\r\n\r\n", 0, "abc", ""},
    {-1, "3\r\nabc\r\n0\r\n\r\nPOST", 0, "abc", "POST"},
    {-1, "1\r\na\r\n002\r\nbc\r\n00\r\n\r\n", 0, "abc", ""},
    {-1, "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", 0, "01234567890123456789", ""},
    {-1, "a\r\n0123456789\r\nb\r\n01234567890\r\n0\r\n\r\n", 413, NULL, NULL},
    {-1, "15\r\n", 413, NULL, NULL},
    {-1, "ffffffffffffffff\r\n", 413, NULL, NULL},
    {-1, "00000000000000001\r\na\r\n", 413, NULL, NULL},
    {-1, "3;a=b\r\nabc\r\n0;x\r\n\r\n", 0, "abc", ""},
    {-1, "3\r\nabc\r\n0\r\nA: b\r\nC: d\r\n\r\nP", 0, "abc", "P"},
    {-1, "3\r\nabc\r\n0\r\nA: b\r\n", BODY_MORE, NULL, NULL},
    {-1, "3\r\nabc\r\n0\r\n\r", BODY_MORE, NULL, NULL},
    {-1, "3 \r\nabc\r\n", 400, NULL, NULL},
    {-1, " 3\r\nabc\r\n", 400, NULL, NULL},
    {-1, "+3\r\nabc\r\n", 400, NULL, NULL},
    {-1, "0x3\r\nabc\r\n", 400, NULL, NULL},
    {-1, "\r\nabc\r\n", 400, NULL, NULL},
    {-1, ";a\r\nabc\r\n", 400, NULL, NULL},
    {-1, "3\nabc\r\n", 400, NULL, NULL},
    {-1, "3\r\nabcd\r\n", 400, NULL, NULL},
    {-1, "3\r\nabc\n0\r\n\r\n", 400, NULL, NULL},
    {-1, "3;a\nb\r\nabc\r\n", 400, NULL, NULL},
    {-1, "3\r\nabc\r\n0\r\nA: b\n\r\n", 400, NULL, NULL},
    {-1, "3\r\nabc\r\n0\r\n\r\r", 400, NULL, NULL},
};

START_TEST(bodies_in_pieces)
{
    struct head head = {.chunked = bodies[_i].length < 0};

    head.body_bytes = head.chunked ? 0 : (uint64_t)bodies[_i].length;
    for (size_t piece = 1; piece < 30; piece++) {
        struct slice text = slice_of(bodies[_i].text);
        struct body b;
        struct buf out = {0};
        int rc = BODY_MORE;

        body_begin(&b, &head, LONGEST);
        while (rc == BODY_MORE && text.n > 0) {
            struct slice part = {text.p, text.n < piece ? text.n : piece};
            size_t n = part.n;

            rc = body_take(&b, &part, &out);
            text.p += n - part.n;
            text.n -= n - part.n;
            ck_assert(rc != BODY_MORE || part.n == 0);
        }
        ck_assert_int_eq(rc, bodies[_i].status);
        ck_assert_uint_le(out.len, LONGEST);
        if (rc == 0) {
            ck_assert(slice_is(buf_all(&out), bodies[_i].content));
            ck_assert(slice_is(text, bodies[_i].rest));
        }
        buf_free(&out);
    }
}
END_TEST

START_TEST(lines_have_an_end)
{
    struct head head = {.chunked = true};
    struct body b;
    struct buf out = {0};
    int rc = BODY_MORE;
    size_t n = 0;

    body_begin(&b, &head, LONGEST);
    rc = body_take(&b, &(struct slice){"1;", 2}, &out);
    while (rc == BODY_MORE && n++ < 100000)
        rc = body_take(&b, &(struct slice){"x", 1}, &out);
    ck_assert_int_eq(rc, 400);
    body_begin(&b, &head, LONGEST);
    rc = body_take(&b, &(struct slice){"0\r\n", 3}, &out);
    for (n = 0; rc == BODY_MORE && n < 100000; n++)
        rc = body_take(&b, &(struct slice){"a: b\r\n", 6}, &out);
    ck_assert_int_eq(rc, 431);
    buf_free(&out);
}
END_TEST

/* Packs text as gzip; format 15 would be zlib's own. */
static struct buf pack(const char *text, size_t n, int format)
{
    struct buf out = {0};
    z_stream z = {.next_in = (unsigned char *)(uintptr_t)text, .avail_in = (uInt)n};

    ck_assert_int_eq(deflateInit2(&z, 9, Z_DEFLATED, format, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_out = (unsigned char *)buf_room(&out, n + 1000);
    z.avail_out = (uInt)n + 1000;
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    out.len = z.total_out;
    deflateEnd(&z);
    return out;
}

START_TEST(unpacks)
{
    static char text[200000];
    struct buf packed = pack(text, sizeof text, 31), out = {0};

    ck_assert_int_eq(body_unpack(buf_all(&packed), sizeof text, &out), 0);
    ck_assert_uint_eq(out.len, sizeof text);
    ck_assert_mem_eq(out.data, text, sizeof text);
    for (size_t n = 0; n < packed.len; n++) {
        out.len = 0;
        ck_assert_int_eq(body_unpack((struct slice){packed.data, n}, sizeof text, &out), 400);
    }
    out.len = 0;
    ck_assert_int_eq(body_unpack(buf_all(&packed), sizeof text - 1, &out), 413);
    buf_char(&packed, '\0');
    out.len = 0;
    ck_assert_int_eq(body_unpack(buf_all(&packed), sizeof text, &out), 400);
    buf_free(&packed);
    buf_free(&out);
}
END_TEST

START_TEST(a_bomb_stays_small)
{
    size_t n = 64u << 20;
    char *text = calloc(1, n);
    struct buf packed = pack(text, n, 31), out = {0};

    ck_assert_int_eq(body_unpack(buf_all(&packed), 1000, &out), 413);
    ck_assert_uint_lt(out.cap, 1u << 20);
    free(text);
    buf_free(&packed);
    buf_free(&out);
}
END_TEST

START_TEST(other_packings_are_none)
{
    struct buf zlib = pack("abc", 3, 15), raw = pack("abc", 3, -15), out = {0};

    ck_assert_int_eq(body_unpack(buf_all(&zlib), LONGEST, &out), 400);
    ck_assert_int_eq(body_unpack(buf_all(&raw), LONGEST, &out), 400);
    ck_assert_int_eq(body_unpack(SLICE("{}"), LONGEST, &out), 400);
    ck_assert_int_eq(body_inflate(SLICE("{}"), LONGEST, &out), 400);
    out.len = 0;
    ck_assert_int_eq(body_inflate(buf_all(&zlib), LONGEST, &out), 0);
    ck_assert_int_eq(body_inflate(buf_all(&raw), LONGEST, &out), 0);
    ck_assert(slice_is(buf_all(&out), "abcabc"));
    ck_assert_int_eq(body_inflate(buf_all(&raw), 2, &out), 413);
    raw.len--;
    ck_assert_int_eq(body_inflate(buf_all(&raw), LONGEST, &out), 400);
    buf_free(&zlib);
    buf_free(&raw);
    buf_free(&out);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, bodies_in_pieces, 0, (int)(sizeof bodies / sizeof *bodies));
    tcase_add_test(tc, lines_have_an_end);
    tcase_add_test(tc, unpacks);
    tcase_add_test(tc, a_bomb_stays_small);
    tcase_add_test(tc, other_packings_are_none);
}

UNIT_MAIN("body", add_tests)

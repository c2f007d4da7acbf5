/* SPDX-License-Identifier: MIT */
/* Recorded streams beyond their golden files: pictures kept with their events, lengths that lie,
   items that are too long, and how much memory all of it takes. */
#include "../../support/unit.h"

#include "format_run.h"
#include "hik_reply.h"

#define EVENT                                                                                      \
    "{\"eventType\":\"AccessControllerEvent\",\"dateTime\":\"2026-03-02T08:01:12+03:00\","         \
    "\"AccessControllerEvent\":{\"majorEventType\":5,\"subEventType\":75,\"picturesNumber\":%d,"   \
    "\"employeeNoString\":\"%d\"}}"

static void add_event(struct buf *b, int pictures, int person)
{
    buf_lit(b, "--X\r\nContent-Type: application/json\r\n\r\n");
    buf_printf(b, EVENT, pictures, person);
    buf_lit(b, "\r\n");
}

static void add_picture(struct buf *b, struct slice picture, long length)
{
    buf_lit(b, "--X\r\nContent-Type: image/jpeg\r\n");
    if (length >= 0)
        buf_printf(b, "Content-Length: %ld\r\n", length);
    buf_lit(b, "\r\n");
    buf_slice(b, picture);
    buf_lit(b, "\r\n");
}

/* A picture with a part of its own in it, as somebody who wants to forge an event would make it. */
static const char forged[] = "\xff\xd8\r\n--X\r\nContent-Type: "
                             "application/json\r\n\r\n{\"eventType\":\"forged\"}\r\n\xff\xd9";

/* Reads all in pieces; the items as "text:pictures,…" of persons and lengths. */
static void run(struct slice in, size_t piece, struct buf *out)
{
    struct format_options options = {.longest = 1 << 20, .pictures = true};
    struct recording r;
    size_t from = 0, to = 0;

    recording_begin(&r, &hikvision_items, &options);
    while (from < in.n) {
        struct slice record;
        size_t used = 0;
        enum frame got =
            recording_frame(&r, (struct slice){in.p + from, to - from}, to == in.n, &used, &record);

        if (got == FRAME_MORE && to == in.n)
            break;
        if (got == FRAME_MORE)
            to = in.n - to < piece ? in.n : to + piece;
        else
            from += used;
        if (got != FRAME_RECORD)
            continue;
        buf_printf(out, "%.*s", 4, (const char *)memmem(r.text.p, r.text.n, "ing\":\"", 6) + 6);
        for (unsigned i = 0; i < r.pictures; i++)
            buf_printf(out, ":%zu", r.picture[i].n);
        buf_char(out, ' ');
    }
}

START_TEST(pictures_stay_with_their_events)
{
    struct buf in = {0};
    struct slice evil = SLICE(forged), plain = SLICE("\xff\xd8 plain \xff\xd9");

    add_event(&in, 1, 1001);
    add_picture(&in, evil, (long)evil.n);
    add_event(&in, 2, 1002);
    add_picture(&in, plain, -1);
    add_picture(&in, plain, 3);
    add_event(&in, 1, 1003); /* promised, and never sent */
    add_event(&in, 0, 1004);
    add_picture(&in, plain, -1); /* sent, and never promised */
    add_event(&in, 1, 1005);
    add_picture(&in, plain, 100000);
    add_event(&in, 0, 1006);
    for (size_t piece = 1; piece < 200; piece++) {
        struct buf out = {0};

        run(buf_all(&in), piece, &out);
        buf_char(&out, '\0');
        ck_assert_str_eq(out.data, "1001:69 1002:11:11 1003 1004 1005:11 1006 ");
        buf_free(&out);
    }
    buf_free(&in);
}
END_TEST

static const struct format *hikvision(void)
{
    return format_find(SLICE("hikvision"));
}

/* Whatever its length is said to be, a picture that nobody wants is not gathered. */
START_TEST(dropped_pictures_take_no_memory)
{
    static const long lengths[] = {-1, 8 << 20, 99999999999, 0};
    struct buf in = {0}, picture = {0};
    struct format_run r;

    for (int i = 0; i < 8 << 20; i++)
        buf_char(&picture, (char)(i * 7));
    add_event(&in, 1, 1001);
    add_picture(&in, buf_all(&picture), lengths[_i]);
    add_event(&in, 0, 1002);
    ck_assert(format_run(&r, hikvision(), buf_all(&in), 65536, NULL, 0));
    ck_assert_uint_eq(r.events, 2);
    ck_assert_uint_eq(r.errors, 0);
    ck_assert_uint_le(r.waiting, 128 << 10);
    buf_free(&r.out);
    buf_free(&picture);
    buf_free(&in);
}
END_TEST

/* One error, and on with the next part; never more than the limit at a time. */
START_TEST(too_long_is_one_error)
{
    struct buf in = {0};
    struct format_run r;

    add_event(&in, 0, 1001);
    buf_lit(&in, "--X\r\nContent-Type: application/json\r\n\r\n{\"a\":\"");
    for (int i = 0; i < 3 << 20; i++)
        buf_char(&in, i % 100 ? 'x' : '\n');
    buf_lit(&in, "\"}\r\n");
    add_event(&in, 0, 1002);
    ck_assert(format_run(&r, hikvision(), buf_all(&in), 65536, NULL, 0));
    ck_assert_uint_eq(r.events, 3);
    ck_assert_uint_eq(r.errors, 1);
    ck_assert_uint_le(r.waiting, 1 << 20);
    buf_free(&r.out);
    buf_free(&in);
}
END_TEST

/* A name in three characters of ours is as good as any; one that could be a document is none. */
START_TEST(boundaries)
{
    static const struct {
        const char *type, *boundary;
    } types[] = {
        {"multipart/mixed; boundary=boundary", "boundary"},
        {" Multipart/Form-Data;boundary=\"a b\"; x=y", "a b"},
        {"multipart/x-mixed-replace; charset=utf-8; BOUNDARY=7F ; a=b", "7F"},
        {"application/json; boundary=x", NULL},
        {"multipart/mixed", NULL},
        {"", NULL},
    };
    struct multipart m;

    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct slice got = multipart_boundary(slice_of(types[i].type));

        ck_assert(types[i].boundary ? slice_is(got, types[i].boundary) : got.p == NULL);
    }
    ck_assert(multipart_begin(&m, SLICE("---- :x"), 100));
    ck_assert(!multipart_begin(&m, SLICE(""), 100));
    ck_assert(!multipart_begin(&m, SLICE("a{b"), 100));
    ck_assert(!multipart_begin(&m, SLICE("a\nb"), 100));
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, pictures_stay_with_their_events);
    tcase_add_loop_test(tc, dropped_pictures_take_no_memory, 0, 4);
    tcase_add_test(tc, too_long_is_one_error);
    tcase_add_test(tc, boundaries);
}

UNIT_MAIN("recording", add_tests)

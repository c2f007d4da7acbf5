/* SPDX-License-Identifier: MIT */
/* Receipts: printed, parsed, and lines that are none. */
#include "receipt.h"

#include "../../support/unit.h"

static struct fault why;

START_TEST(prints_every_field)
{
    struct buf out = {0};
    struct receipt r = {.ack = SLICE("n-1-2"),
        .event_id = SLICE("0190b2d4-3c00-8abc-9def-0123456789ab"),
        .outcome = OUTCOME_DEFERRED,
        .status = 503,
        .error = SLICE("busy \"now\""),
        .attempts = 3,
        .ambiguous = true,
        .at_ms = 1767753248250,
        .retry_at_ms = 1767753308000,
        .location = SLICE("/events/7")};
    struct event_reader *reader = event_reader_new();
    struct receipt back;

    receipt_print(&out, &r);
    ck_assert_int_eq(out.data[out.len - 1], '\n');
    ck_assert_int_eq(receipt_parse(reader, (struct slice){out.data, out.len - 1}, &back, &why), 0);
    ck_assert(slice_eq(back.ack, r.ack));
    ck_assert(slice_eq(back.event_id, r.event_id));
    ck_assert_int_eq(back.outcome, r.outcome);
    ck_assert_int_eq(back.status, 503);
    ck_assert(slice_eq(back.error, r.error));
    ck_assert_uint_eq(back.attempts, 3);
    ck_assert(back.ambiguous);
    ck_assert_int_eq(back.at_ms, r.at_ms);
    ck_assert_int_eq(back.retry_at_ms, r.retry_at_ms);
    ck_assert(slice_eq(back.location, r.location));
    buf_free(&out);
    event_reader_free(reader);
}
END_TEST

/* Each outcome has a name that comes back; exactly the first five are final. */
START_TEST(outcomes)
{
    struct event_reader *reader = event_reader_new();
    struct receipt r = {.outcome = (enum outcome)_i}, back;
    struct buf out = {0};

    receipt_print(&out, &r);
    ck_assert_int_eq(receipt_parse(reader, (struct slice){out.data, out.len - 1}, &back, &why), 0);
    ck_assert_int_eq(back.outcome, _i);
    ck_assert_ptr_null(back.ack.p);
    ck_assert_int_eq(outcome_final(back.outcome), _i <= OUTCOME_REJECTED);
    buf_free(&out);
    event_reader_free(reader);
}
END_TEST

static const char *const none[] = {"", "garbage", "[]", "7", "{}", "{\"ack\":\"a\"}",
    "{\"ack\":\"a\",\"outcome\":\"done\"}", "{\"ack\":\"a\",\"outcome\":7}",
    "{\"ack\":\"a\",\"outcome\":null}", "{\"ack\":\"a\",\"outcome\":\"stored\"",
    "{\"ack\":\"a\",\"outcome\":\"stored\"} x"};

START_TEST(is_no_receipt)
{
    struct event_reader *reader = event_reader_new();
    struct receipt r;

    ck_assert_int_eq(receipt_parse(reader, slice_of(none[_i]), &r, &why), -1);
    event_reader_free(reader);
}
END_TEST

/* Other fields, and fields of another type, do no harm. */
START_TEST(odd_fields_are_ignored)
{
    struct event_reader *reader = event_reader_new();
    struct receipt r;

    ck_assert_int_eq(
        receipt_parse(reader,
            SLICE("{\"ack\":5,\"status\":\"x\",\"error\":{},\"at\":\"never\",\"new\":1,"
                  "\"outcome\":\"stored\"}"),
            &r, &why),
        0);
    ck_assert_ptr_null(r.ack.p);
    ck_assert_int_eq(r.status, 0);
    ck_assert_ptr_null(r.error.p);
    ck_assert_int_eq(r.at_ms, 0);
    event_reader_free(reader);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, prints_every_field);
    tcase_add_loop_test(tc, outcomes, 0, OUTCOMES);
    tcase_add_loop_test(tc, is_no_receipt, 0, (int)(sizeof none / sizeof *none));
    tcase_add_test(tc, odd_fields_are_ignored);
}

UNIT_MAIN("receipt", add_tests)

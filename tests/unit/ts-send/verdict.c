/* SPDX-License-Identifier: MIT */
/* What each status and each broken exchange means. */
#include "verdict.h"

#include "../../support/unit.h"

static const struct {
    enum net net;
    int status;
    enum act act;
    enum cause cause;
    bool at_once, perhaps, its_own;
} rows[] = {
    {NET_OK, 200, ACT_DELIVERED, CAUSE_NONE, false, false, false},
    {NET_OK, 201, ACT_DELIVERED, CAUSE_NONE, false, false, false},
    {NET_OK, 204, ACT_DELIVERED, CAUSE_NONE, false, false, false},
    {NET_OK, 299, ACT_DELIVERED, CAUSE_NONE, false, false, false},
    {NET_OK, 301, ACT_STOP, CAUSE_ADDRESS, true, false, false},
    {NET_OK, 302, ACT_STOP, CAUSE_ADDRESS, true, false, false},
    {NET_OK, 304, ACT_STOP, CAUSE_ADDRESS, true, false, false},
    {NET_OK, 400, ACT_REFUSED, CAUSE_NONE, false, false, false},
    {NET_OK, 401, ACT_STOP, CAUSE_AUTH, true, false, false},
    {NET_OK, 402, ACT_STOP, CAUSE_ADDRESS, true, false, false},
    {NET_OK, 403, ACT_STOP, CAUSE_AUTH, true, false, false},
    {NET_OK, 404, ACT_STOP, CAUSE_ADDRESS, true, false, false},
    {NET_OK, 405, ACT_STOP, CAUSE_ADDRESS, true, false, false},
    {NET_OK, 407, ACT_STOP, CAUSE_AUTH, true, false, false},
    {NET_OK, 408, ACT_RETRY, CAUSE_OUTAGE, false, false, true},
    {NET_OK, 409, ACT_DUPLICATE, CAUSE_NONE, false, false, false},
    {NET_OK, 410, ACT_STOP, CAUSE_ADDRESS, true, false, false},
    {NET_OK, 413, ACT_REFUSED, CAUSE_NONE, false, false, false},
    {NET_OK, 415, ACT_REFUSED, CAUSE_NONE, false, false, false},
    {NET_OK, 418, ACT_STOP, CAUSE_ADDRESS, true, false, false},
    {NET_OK, 422, ACT_REFUSED, CAUSE_NONE, false, false, false},
    {NET_OK, 425, ACT_RETRY, CAUSE_OUTAGE, false, false, true},
    {NET_OK, 429, ACT_RETRY, CAUSE_BUSY, false, false, false},
    {NET_OK, 499, ACT_STOP, CAUSE_ADDRESS, true, false, false},
    {NET_OK, 500, ACT_RETRY, CAUSE_OUTAGE, false, true, true},
    {NET_OK, 501, ACT_STOP, CAUSE_ADDRESS, true, false, false},
    {NET_OK, 502, ACT_RETRY, CAUSE_OUTAGE, false, true, false},
    {NET_OK, 503, ACT_RETRY, CAUSE_OUTAGE, false, false, false},
    {NET_OK, 504, ACT_RETRY, CAUSE_OUTAGE, false, true, false},
    {NET_OK, 505, ACT_STOP, CAUSE_ADDRESS, true, false, false},
    {NET_OK, 511, ACT_STOP, CAUSE_AUTH, true, false, false},
    {NET_OK, 599, ACT_RETRY, CAUSE_OUTAGE, false, true, true},
    /* No status that HTTP knows: it was no answer. */
    {NET_OK, 0, ACT_RETRY, CAUSE_OUTAGE, false, true, true},
    {NET_OK, 199, ACT_RETRY, CAUSE_OUTAGE, false, true, true},
    {NET_OK, 600, ACT_RETRY, CAUSE_OUTAGE, false, true, true},
    {NET_UNSENT, 0, ACT_RETRY, CAUSE_OUTAGE, true, false, false},
    /* 200 with an error after it is no answer. */
    {NET_STRANGER, 0, ACT_STOP, CAUSE_CONFIG, true, false, false},
    {NET_LOST, 200, ACT_RETRY, CAUSE_OUTAGE, false, true, true},
    {NET_LOST, 422, ACT_RETRY, CAUSE_OUTAGE, false, true, true},
    {NET_LOST, 0, ACT_RETRY, CAUSE_OUTAGE, false, true, true},
};

START_TEST(row)
{
    struct verdict v = verdict_of(rows[_i].net, rows[_i].status);

    ck_assert_int_eq(v.act, rows[_i].act);
    ck_assert_int_eq(v.cause, rows[_i].cause);
    ck_assert_int_eq(v.at_once, rows[_i].at_once);
    ck_assert_int_eq(v.perhaps, rows[_i].perhaps);
    ck_assert_int_eq(v.its_own, rows[_i].its_own);
}
END_TEST

/* No status at all is final but those of the contract. */
START_TEST(nothing_else_is_final)
{
    for (int status = 0; status < 1000; status++) {
        struct verdict v = verdict_of(NET_OK, status);
        bool may_be = (status >= 200 && status < 300) || status == 400 || status == 409 ||
                      status == 413 || status == 415 || status == 422;

        ck_assert_int_eq(v.act < ACT_RETRY, may_be);
        ck_assert_int_eq(v.cause != CAUSE_NONE, !may_be);
    }
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_loop_test(tc, row, 0, (int)(sizeof rows / sizeof *rows));
    tcase_add_test(tc, nothing_else_is_final);
}
UNIT_MAIN("verdict", add)

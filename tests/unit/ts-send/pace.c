/* SPDX-License-Identifier: MIT */
/*
 * Connections and rates against receivers that are simulated: one request after the other in time,
 * each with a latency that follows from how many are under way.
 */
#include "pace.h"

#include "../../support/unit.h"

/* ---- a receiver ---- */

#define FLIGHTS 256

struct receiver {
    int64_t work_ms, idle_ms; /* of a worker for a request; on the way besides */
    unsigned workers;         /* more wait for them */
    unsigned room;            /* more than so many are refused by 503; 0: none is */
};

struct world {
    struct pace pace;
    struct receiver receiver;
    int64_t now_ms, free_ms[FLIGHTS]; /* when each worker has time */
    struct {
        int64_t sent_ms, back_ms;
        uint64_t number;
        bool refused;
    } flight[FLIGHTS];
    unsigned busy;
    unsigned good, refused;
    unsigned highest; /* under way at once */
};

static void begin(struct world *w, unsigned most, struct receiver receiver)
{
    *w = (struct world){.receiver = receiver};
    pace_init(&w->pace, most, 0);
}

static void send_one(struct world *w)
{
    unsigned worker = 0, n = w->busy++;
    int64_t from_ms;

    for (unsigned i = 1; i < w->receiver.workers; i++)
        if (w->free_ms[i] < w->free_ms[worker])
            worker = i;
    from_ms = w->free_ms[worker] > w->now_ms ? w->free_ms[worker] : w->now_ms;
    w->flight[n].sent_ms = w->now_ms;
    w->flight[n].number = pace_start(&w->pace, w->now_ms);
    w->flight[n].refused = w->receiver.room > 0 && w->busy > w->receiver.room;
    if (w->flight[n].refused) {
        w->flight[n].back_ms = w->now_ms + 1 + w->receiver.idle_ms;
    } else {
        w->free_ms[worker] = from_ms + w->receiver.work_ms;
        w->flight[n].back_ms = w->free_ms[worker] + w->receiver.idle_ms;
    }
    w->highest = w->busy > w->highest ? w->busy : w->highest;
}

static void take_back(struct world *w, unsigned n)
{
    struct pace_reply r = {.number = w->flight[n].number,
        .took_ms = w->now_ms - w->flight[n].sent_ms,
        .overload = w->flight[n].refused,
        .busy = w->busy - 1};

    w->good += !r.overload;
    w->refused += r.overload;
    w->flight[n] = w->flight[--w->busy];
    pace_reply(&w->pace, &r, w->now_ms);
}

/* So many ms of endless events. */
static void run(struct world *w, int64_t ms)
{
    int64_t end_ms = w->now_ms + ms;

    for (; w->now_ms < end_ms; w->now_ms++) {
        for (unsigned i = 0; i < w->busy;)
            if (w->flight[i].back_ms <= w->now_ms)
                take_back(w, i);
            else
                i++;
        while (pace_free(&w->pace, w->busy) && pace_next_ms(&w->pace, w->now_ms) <= w->now_ms)
            send_one(w);
    }
}

/* ---- connections ---- */

START_TEST(a_healthy_receiver_gets_all_connections_within_a_few_replies)
{
    struct world w;

    begin(&w, 16, (struct receiver){100, 20, 64, 0});
    run(&w, 3 * 120 + 5); /* 4, 8, 16 */
    ck_assert_uint_eq(w.pace.window, 16);
    ck_assert_uint_eq(w.highest, 16);
    run(&w, 10000);
    ck_assert_uint_eq(w.pace.window, 16);
    ck_assert_uint_ge(w.good, 16 * 80);
}
END_TEST

START_TEST(few_connections_are_used_at_once)
{
    struct world w;

    begin(&w, 3, (struct receiver){100, 0, 64, 0});
    ck_assert_uint_eq(w.pace.window, 3);
    begin(&w, 1, (struct receiver){1000, 0, 1, 1});
    run(&w, 60000);
    ck_assert_uint_eq(w.highest, 1);
    ck_assert_uint_eq(w.good, 59);
}
END_TEST

START_TEST(one_slow_worker_is_not_flooded_and_never_idle)
{
    struct world w;

    begin(&w, 64, (struct receiver){100, 10, 1, 0});
    run(&w, 60000);
    w.good = 0;
    w.highest = 0;
    run(&w, 60000);
    ck_assert_uint_le(w.highest, 24); /* of 64 */
    ck_assert_uint_ge(w.good, 590);   /* of 600 */
}
END_TEST

START_TEST(a_full_receiver_is_found_by_its_503)
{
    struct world w;

    begin(&w, 64, (struct receiver){50, 5, 64, 10});
    run(&w, 20000);
    w.good = w.refused = 0;
    run(&w, 20000);
    /* It swings between 5 and 10: three quarters of what ten connections could do. */
    ck_assert_uint_ge(w.good, 20000 / 55 * 10 * 6 / 10);
    ck_assert_uint_le(w.refused * 20, w.good);
}
END_TEST

START_TEST(a_receiver_that_became_slower_for_good_is_no_overload)
{
    struct world w;

    begin(&w, 16, (struct receiver){20, 0, 64, 0});
    run(&w, 5000);
    ck_assert_uint_eq(w.pace.window, 16);
    w.receiver.work_ms = 900;
    run(&w, 2000);
    ck_assert_uint_lt(w.pace.window, 8);
    run(&w, 20000);
    ck_assert_uint_eq(w.pace.window, 16);
}
END_TEST

START_TEST(pauses_of_this_machine_are_no_overload)
{
    struct world w;

    begin(&w, 16, (struct receiver){2, 1, 64, 0});
    for (int i = 0; i < 100; i++) {
        run(&w, 500);
        w.now_ms += 40; /* nothing is read meanwhile */
    }
    ck_assert_uint_eq(w.pace.window, 16);
}
END_TEST

START_TEST(it_halves_once_a_round)
{
    struct pace p;
    uint64_t number[16];
    struct pace_reply bad = {.overload = true, .took_ms = 30000};

    pace_init(&p, 16, 0);
    p.window = 16;
    for (unsigned i = 0; i < 16; i++)
        number[i] = pace_start(&p, 0);
    for (unsigned i = 0; i < 16; i++) {
        bad.number = number[i];
        bad.busy = 15 - i;
        pace_reply(&p, &bad, 10);
        ck_assert_uint_eq(p.window, 8);
    }
    for (unsigned want = 4; want > 0; want /= 2) {
        bad.number = pace_start(&p, 20);
        bad.busy = want * 2 - 1;
        pace_reply(&p, &bad, 30);
        ck_assert_uint_eq(p.window, want);
    }
    bad.number = pace_start(&p, 40);
    bad.busy = 0;
    pace_reply(&p, &bad, 50);
    ck_assert_uint_eq(p.window, 1); /* and never less */
    ck_assert(pace_free(&p, 0));
}
END_TEST

/* What comes back after an overload: one more for as many good replies as there are connections. */
START_TEST(it_grows_slowly_after_an_overload)
{
    struct pace p;
    struct pace_reply r = {.took_ms = 10, .overload = true, .busy = 15};
    unsigned replies = 0;

    pace_init(&p, 16, 0);
    p.window = 16;
    r.number = pace_start(&p, 0);
    pace_reply(&p, &r, 1);
    ck_assert_uint_eq(p.window, 8);
    r.overload = false;
    while (p.window < 16) {
        r.number = pace_start(&p, 2);
        pace_reply(&p, &r, 3);
        replies++;
    }
    ck_assert_uint_eq(replies, 8 + 9 + 10 + 11 + 12 + 13 + 14 + 15);
}
END_TEST

/* ---- rates ---- */

/* How many requests start in so many ms. */
static unsigned starts(struct pace *p, int64_t *now_ms, int64_t ms)
{
    unsigned n = 0;

    for (int64_t end_ms = *now_ms + ms; *now_ms < end_ms; ++*now_ms)
        while (pace_next_ms(p, *now_ms) <= *now_ms && n < 1000000) {
            pace_start(p, *now_ms);
            n++;
        }
    return n;
}

static const struct {
    int64_t rate_us;
    unsigned in_10_s;
} rates[] = {
    {1000000, 10}, {100000, 100}, {300, 33334}, {1000, 10000}, {60000000, 1}, {7, 1428586}};

START_TEST(rate)
{
    struct pace p;
    int64_t now_ms = 123456789;
    unsigned n = 0;

    pace_init(&p, 4, rates[_i].rate_us);
    for (int s = 0; s < 10; s++)
        n += starts(&p, &now_ms, 1000);
    ck_assert_uint_ge(n, rates[_i].in_10_s - rates[_i].in_10_s / 1000);
    ck_assert_uint_le(n, rates[_i].in_10_s + rates[_i].in_10_s / 1000 + 1);
    /* A pause is not made good for. */
    now_ms += 3600000;
    if (rates[_i].rate_us >= 100000)
        ck_assert_uint_eq(starts(&p, &now_ms, 1), 1);
}
END_TEST

static void hear(struct pace *p, int64_t now_ms, int64_t limit, int64_t remaining, int64_t reset_ms,
    unsigned busy)
{
    struct quota_left left = {limit, remaining, reset_ms, false};
    struct pace_reply r = {.number = p->started, .took_ms = 1, .busy = busy, .left = &left};

    pace_reply(p, &r, now_ms);
}

START_TEST(nothing_starts_while_the_limit_is_used_up)
{
    struct pace p;

    pace_init(&p, 4, 0);
    pace_start(&p, 1000);
    ck_assert_int_le(pace_next_ms(&p, 1000), 1000);
    hear(&p, 1010, 100, 0, 30000, 0);
    ck_assert_int_eq(pace_next_ms(&p, 1010), 31010);
    /* Those under way are perhaps not counted in it. */
    hear(&p, 1020, 100, 3, 30000, 3);
    ck_assert_int_eq(pace_next_ms(&p, 1020), 31020);
    hear(&p, 1030, 100, 99, 60000, 3);
    ck_assert_int_le(pace_next_ms(&p, 1030), 1030);
    hear(&p, 1040, 100, 0, 0, 0);
    ck_assert_int_le(pace_next_ms(&p, 1040), 1040);
}
END_TEST

START_TEST(the_last_requests_are_spread_over_the_time_to_the_reset)
{
    struct pace p;

    pace_init(&p, 4, 0);
    pace_start(&p, 1000);
    hear(&p, 1000, 100, 11, 10000, 0); /* enough */
    ck_assert_int_le(pace_next_ms(&p, 1000), 1000);
    hear(&p, 1000, 100, 10, 10000, 0);
    ck_assert_int_eq(pace_next_ms(&p, 1000), 2000);
    ck_assert_int_le(pace_next_ms(&p, 11000), 11000); /* over */
    /* Unknown limit: the last PACE_SMALL. */
    hear(&p, 1000, 0, PACE_SMALL + 1, 10000, 0);
    ck_assert_int_le(pace_next_ms(&p, 1000), 1000);
    hear(&p, 1000, 0, PACE_SMALL, 16000, 8);
    ck_assert_int_eq(pace_next_ms(&p, 1000), 3000);
    /* Never later than the reset, never faster than --rate. */
    hear(&p, 1000, 100, 1, 300, 0);
    ck_assert_int_eq(pace_next_ms(&p, 1000), 1300);
    p.rate_us = 5000000;
    ck_assert_int_eq(pace_next_ms(&p, 1000), 6000);
}
END_TEST

/* A minute's limit, told truly: it is never passed, and used to nine tenths at least. */
START_TEST(a_limit_is_kept_and_used)
{
    enum { LIMIT = 120, WINDOW_MS = 60000 };
    struct pace p;
    unsigned used = 0, most = 0, sum = 0;

    pace_init(&p, 4, 0);
    for (int64_t now_ms = 0; now_ms < 10 * WINDOW_MS; now_ms++) {
        if (now_ms % WINDOW_MS == 0)
            used = 0;
        if (pace_next_ms(&p, now_ms) > now_ms)
            continue;
        pace_start(&p, now_ms);
        used++;
        sum++;
        most = used > most ? used : most;
        hear(&p, now_ms, LIMIT, used < LIMIT ? LIMIT - used : 0, WINDOW_MS - now_ms % WINDOW_MS, 0);
        now_ms += 30;
    }
    ck_assert_uint_le(most, LIMIT);
    ck_assert_uint_ge(sum, 10 * LIMIT * 9 / 10);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_test(tc, a_healthy_receiver_gets_all_connections_within_a_few_replies);
    tcase_add_test(tc, few_connections_are_used_at_once);
    tcase_add_test(tc, one_slow_worker_is_not_flooded_and_never_idle);
    tcase_add_test(tc, a_full_receiver_is_found_by_its_503);
    tcase_add_test(tc, a_receiver_that_became_slower_for_good_is_no_overload);
    tcase_add_test(tc, pauses_of_this_machine_are_no_overload);
    tcase_add_test(tc, it_halves_once_a_round);
    tcase_add_test(tc, it_grows_slowly_after_an_overload);
    tcase_add_loop_test(tc, rate, 0, (int)(sizeof rates / sizeof *rates));
    tcase_add_test(tc, nothing_starts_while_the_limit_is_used_up);
    tcase_add_test(tc, the_last_requests_are_spread_over_the_time_to_the_reset);
    tcase_add_test(tc, a_limit_is_kept_and_used);
}
UNIT_MAIN("pace", add)

/* SPDX-License-Identifier: MIT */
/* Order, turns, blocks and the budget; and a long random run against a simple model. */
#include "queue.h"

#include <stdio.h>

#include "../../support/unit.h"

static struct queue *q;
static int64_t now;

static struct item *put(const char *person, const char *id, const char *ack)
{
    uint64_t who = *person ? queue_hash(q, slice_of(person)) : 0;

    return queue_put(q, who, slice_of(id), ack ? slice_of(ack) : SLICE_NONE, slice_of(id), now);
}

/* The ids of what queue_take gives, with blanks. */
static const char *take(struct item **items, size_t most, size_t bytes, size_t *n)
{
    static char text[400];
    size_t at = 0;

    *n = queue_take(q, items, most, bytes);
    text[0] = '\0';
    for (size_t i = 0; i < *n; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%.*s", i ? " " : "",
            (int)item_id(items[i]).n, item_id(items[i]).p);
    return text;
}

static const char *cut(struct item *it, bool all, int64_t until)
{
    static char text[400];
    size_t at = 0;
    struct item *next;

    text[0] = '\0';
    for (it = queue_cut(q, it, all, until); it; it = next) {
        next = it->next;
        at += (size_t)snprintf(
            text + at, sizeof text - at, "%.*s ", (int)item_id(it).n, item_id(it).p);
        queue_free(q, it);
    }
    return text;
}

static void setup(void)
{
    q = queue_new(1 << 20);
    now = 1000;
}

static void teardown(void)
{
    queue_free_all(q);
}

START_TEST(keeps_bytes)
{
    struct item *it = queue_put(q, 0, SLICE("body"), SLICE("tag"), SLICE("id"), 5);

    ck_assert(slice_is(item_body(it), "body"));
    ck_assert(slice_is(item_ack(it), "tag"));
    ck_assert(slice_is(item_id(it), "id"));
    it = queue_put(q, 0, SLICE(""), SLICE(""), SLICE("id"), 5);
    ck_assert(it->has_ack);
    ck_assert_ptr_nonnull(item_ack(it).p);
    it = queue_put(q, 0, SLICE(""), SLICE_NONE, SLICE("id"), 5);
    ck_assert_ptr_null(item_ack(it).p);
}
END_TEST

START_TEST(one_request_a_person)
{
    struct item *a[8], *b[8];
    size_t n, m;

    put("p", "p1", NULL);
    put("p", "p2", NULL);
    put("r", "r1", NULL);
    put("", "x1", NULL);
    put("", "x2", NULL);
    ck_assert_uint_eq(queue_ready(q), 5);
    ck_assert_str_eq(take(a, 1, 1000, &n), "p1");
    ck_assert_uint_eq(queue_ready(q), 3);
    ck_assert_str_eq(take(b, 8, 1000, &m), "r1 x1 x2");
    put("p", "p3", NULL);
    ck_assert_uint_eq(queue_ready(q), 0);
    queue_done(q, a[0]);
    ck_assert_str_eq(take(a, 8, 1000, &n), "p2 p3");
    ck_assert_uint_eq(queue_count(q), 5);
}
END_TEST

START_TEST(arrays_within_bytes)
{
    struct item *a[8];
    size_t n;

    put("", "1234567890", NULL);
    put("p", "p1", NULL);
    put("p", "1234567890", NULL);
    put("r", "r1", NULL);
    /* [1234567890,p1] is 15 bytes, and the third does not fit. */
    ck_assert_str_eq(take(a, 8, 16, &n), "1234567890 p1");
    ck_assert_str_eq(take(a, 8, 3, &n), "r1");
}
END_TEST

START_TEST(back_in_order_after_a_sleep)
{
    struct item *a[8];
    size_t n;

    put("p", "p1", NULL);
    put("p", "p2", NULL);
    put("r", "r1", NULL);
    put("p", "p3", NULL);
    ck_assert_str_eq(take(a, 3, 1000, &n), "p1 p2 p3");
    queue_back(q, a, n, 2000);
    put("p", "p4", NULL);
    ck_assert_str_eq(take(a, 8, 1000, &n), "r1");
    ck_assert_int_eq(queue_wake(q, 1999), 2000);
    ck_assert_uint_eq(queue_ready(q), 0);
    ck_assert_int_eq(queue_wake(q, 2000), INT64_MAX);
    ck_assert_str_eq(take(a, 8, 1000, &n), "p1 p2 p3 p4");
}
END_TEST

START_TEST(parked_goes_back_to_its_place)
{
    struct item *a[8], *first;
    size_t n;

    for (int i = 1; i <= 4; i++)
        put("p", (const char *[]){"1", "2", "3", "4"}[i - 1], NULL);
    take(a, 1, 1000, &n);
    first = a[0];
    queue_park(q, first);
    ck_assert_str_eq(take(a, 1, 1000, &n), "2");
    queue_unpark(q, first);
    ck_assert_uint_eq(queue_ready(q), 0);
    queue_back(q, a, n, 0);
    ck_assert_str_eq(take(a, 8, 1000, &n), "1 2 3 4");
    /* A parked event alone does not keep its lane. */
    for (size_t i = 1; i < n; i++)
        queue_done(q, a[i]);
    queue_park(q, a[0]);
    queue_unpark(q, a[0]);
    ck_assert_str_eq(take(a, 8, 1000, &n), "1");
}
END_TEST

START_TEST(handed_back)
{
    struct item *first = put("p", "p1", "a");
    uint64_t p = first->person, id1 = queue_hash(q, SLICE("p1")), id2 = queue_hash(q, SLICE("p2"));
    int64_t until = 0;

    put("p", "p2", "a");
    ck_assert(!queue_blocked(q, p, id2, now, 0, &until));
    ck_assert_str_eq(cut(first, false, 5000), "p1 p2 ");
    ck_assert(queue_blocked(q, p, id2, now, 0, &until));
    ck_assert_int_eq(until, 5000);
    ck_assert(!queue_blocked(q, queue_hash(q, SLICE("r")), id2, now, 0, &until));
    /* Not while the input was not seen empty after that time … */
    ck_assert(queue_blocked(q, p, id2, 5001, 4999, &until));
    /* … but the first one itself may come. */
    ck_assert(!queue_blocked(q, p, id1, 1001, 0, &until));
    ck_assert(!queue_blocked(q, p, id2, 1001, 0, &until));
}
END_TEST

START_TEST(blocks_end)
{
    uint64_t p = queue_hash(q, SLICE("p"));
    int64_t until;

    queue_block(q, p, 7, 5000);
    ck_assert(queue_blocked(q, p, 8, 1000, 0, &until));
    ck_assert(!queue_blocked(q, p, 8, 5001, 5000, &until));
    queue_block(q, p, 7, 5000);
    ck_assert(!queue_blocked(q, p, 8, 65000, 0, &until));
    /* Nobody asks again: the lane goes by itself. */
    queue_block(q, p, 7, 5000);
    ck_assert_int_eq(queue_wake(q, 5000), 65000);
    ck_assert_int_eq(queue_wake(q, 65000), INT64_MAX);
    ck_assert(!queue_blocked(q, p, 8, 1000, 0, &until));
}
END_TEST

START_TEST(earliest_ends_the_block)
{
    struct item *a[2], *second;
    uint64_t p;
    int64_t until;
    size_t n;

    p = put("p", "p1", "a")->person;
    take(a, 1, 1000, &n);
    second = put("p", "p2", "a");
    ck_assert(queue_behind(q, second));
    ck_assert_str_eq(cut(second, false, 5000), "p2 ");
    queue_back(q, a, 1, 0);
    ck_assert_str_eq(cut(a[0], false, 5000), "p1 ");
    ck_assert(queue_blocked(q, p, queue_hash(q, SLICE("p2")), now, 0, &until));
    ck_assert(!queue_blocked(q, p, queue_hash(q, SLICE("p1")), now, 0, &until));
}
END_TEST

START_TEST(without_ack_waits_in_place)
{
    struct item *a[4], *first = put("p", "1", "a");
    size_t n;

    put("p", "2", NULL);
    put("p", "3", "a");
    put("p", "4", NULL);
    ck_assert_str_eq(cut(first, false, 0), "1 3 ");
    ck_assert_str_eq(take(a, 4, 1000, &n), "2 4");
    queue_back(q, a, 2, 9000);
    ck_assert_int_eq(queue_wakes_at(q, a[0]), 9000);
    ck_assert_str_eq(cut(a[1], true, 0), "2 4 ");
    ck_assert_uint_eq(queue_count(q), 0);
    ck_assert_int_eq(queue_wake(q, 0), INT64_MAX);
}
END_TEST

static unsigned by_failures(const void *arg, const struct item *it)
{
    (void)arg;
    return it->failures;
}

START_TEST(favours_what_did_not_fail)
{
    struct item *a[4];
    size_t n;

    put("p", "1", NULL)->failures = 1;
    put("r", "2", NULL)->failures = 2;
    queue_favour(q, by_failures, NULL);
    ck_assert_str_eq(take(a, 1, 1000, &n), "1");
    queue_back(q, a, 1, 0);
    put("s", "3", NULL);
    put("t", "4", NULL);
    queue_favour(q, by_failures, NULL);
    ck_assert_uint_eq(queue_ready(q), 4);
    ck_assert_str_eq(take(a, 4, 1000, &n), "3 2 1 4");
    ck_assert_uint_eq(queue_ready(q), 0);
}
END_TEST

START_TEST(budget)
{
    char body[1000];
    size_t n = 0;

    memset(body, 'x', sizeof body);
    for (; queue_room(q); n++)
        queue_put(q, 0, (struct slice){body, sizeof body}, SLICE_NONE, SLICE("i"), now);
    ck_assert_uint_ge(n, 850);
    ck_assert_uint_le(n, 1048);
    cut(queue_oldest(q, false), true, 0);
    ck_assert(queue_room(q));
}
END_TEST

START_TEST(oldest)
{
    struct item *a[4];
    size_t n;

    put("p", "1", "a");
    put("r", "2", NULL);
    put("p", "3", "a");
    ck_assert(slice_is(item_id(queue_oldest(q, false)), "2"));
    take(a, 1, 1000, &n);
    ck_assert_int_eq(queue_oldest(q, true)->state, ITEM_FLYING);
    ck_assert(slice_is(item_id(queue_oldest(q, true)->newer), "3"));
    queue_done(q, a[0]);
    ck_assert(slice_is(item_id(queue_oldest(q, true)), "3"));
}
END_TEST

START_TEST(waits_for_a_picture)
{
    struct item *a[4], *p1 = put("p", "p1", "a"), *p2, *r1;
    size_t n;

    queue_wait(q, p1, 7);
    ck_assert_uint_eq(queue_ready(q), 0);
    p2 = put("p", "p2", NULL);
    r1 = put("r", "r1", NULL);
    put("r", "r2", NULL);
    queue_wait(q, p2, 8);
    ck_assert_str_eq(take(a, 1, 1000, &n), "r1");
    queue_wait(q, queue_oldest(q, false)->newer->newer, 9); /* r2, behind one under way */
    queue_done(q, r1);
    ck_assert_str_eq(take(a, 4, 1000, &n), "");
    /* The second first: it does not pass the first. */
    p2 = queue_rewrite(q, p2, SLICE("another body"));
    ck_assert(slice_is(item_body(p2), "another body") && slice_is(item_id(p2), "p2"));
    ck_assert_str_eq(take(a, 4, 1000, &n), "");
    p1 = queue_rewrite(q, p1, SLICE("x"));
    ck_assert(slice_is(item_ack(p1), "a"));
    ck_assert_ptr_eq(queue_oldest(q, true), p1);
    ck_assert_str_eq(take(a, 1, 1000, &n), "p1");
    queue_back(q, a, 1, 0);
    ck_assert_str_eq(take(a, 4, 1000, &n), "p1 p2");
    queue_done(q, a[0]);
    queue_done(q, a[1]);
    ck_assert_uint_eq(queue_count(q), 1);
    ck_assert_str_eq(cut(queue_oldest(q, false), true, 0), "r2 ");
    ck_assert_uint_eq(queue_count(q) + queue_waiting(q), 0);
}
END_TEST

/* ---- a long run: many persons, random answers; each must come out once, in order ---- */

#define PERSONS 5000
#define EVENTS 60000
#define FLIGHTS 16
#define BATCH 50
#define WAITS 200

static uint64_t dice = 88172645463325252u;

static unsigned roll(unsigned sides)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return (unsigned)(dice >> 33) % sides;
}

static unsigned last_of[PERSONS], came[EVENTS];

static void arrive(struct item *it)
{
    unsigned event, person;

    ck_assert_int_eq(sscanf(item_id(it).p, "%u:%u:", &event, &person), 2);
    ck_assert_uint_eq(came[event], 0);
    came[event] = 1;
    if (person < PERSONS) {
        ck_assert_uint_gt(event + 1, last_of[person]);
        last_of[person] = event + 1;
    }
    queue_done(q, it);
}

/* One request comes back: delivered, failed, or in part. */
static void land(struct item **items, size_t n)
{
    unsigned how = roll(10);
    size_t done = how < 6 ? n : how < 8 ? 0 : roll((unsigned)n + 1);

    for (size_t i = 0; i < done; i++)
        arrive(items[i]);
    queue_back(q, items + done, n - done, roll(2) ? now + roll(50) : 0);
}

/* One that waited goes, and this one waits in its place. */
static void hang(struct item **place, struct item *it)
{
    if (*place)
        queue_rewrite(q, *place, roll(2) ? SLICE("") : SLICE("a body that is longer than it was"));
    *place = it;
    if (it)
        queue_wait(q, it, 1);
}

START_TEST(long_run)
{
    struct item *flight[FLIGHTS][BATCH], *waits[WAITS] = {0}, *it;
    size_t n[FLIGHTS] = {0};
    unsigned next = 0;
    char id[40];

    while (next < EVENTS || queue_count(q) > 0) {
        unsigned f = roll(FLIGHTS);

        now++;
        for (unsigned i = roll(100); i-- > 0 && next < EVENTS && queue_room(q); next++) {
            unsigned person = roll(PERSONS + 100);

            snprintf(id, sizeof id, "%u:%u:", next, person);
            it = queue_put(q,
                person < PERSONS ? queue_hash(q, (struct slice){(char *)&person, 4}) : 0,
                slice_of(id), roll(2) ? SLICE("a") : SLICE_NONE, slice_of(id), now);
            if (roll(2))
                hang(&waits[roll(WAITS)], it);
        }
        hang(&waits[roll(WAITS)], NULL);
        queue_wake(q, now);
        if (n[f] > 0) {
            land(flight[f], n[f]);
            n[f] = 0;
        }
        n[f] = queue_take(q, flight[f], 1 + roll(BATCH), 100 + roll(1000));
    }
    for (unsigned i = 0; i < EVENTS; i++)
        ck_assert_uint_eq(came[i], 1);
    ck_assert_uint_eq(queue_waiting(q) + queue_ready(q), 0);
    ck_assert_int_eq(queue_wake(q, INT64_MAX / 2), INT64_MAX);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, keeps_bytes);
    tcase_add_test(tc, one_request_a_person);
    tcase_add_test(tc, arrays_within_bytes);
    tcase_add_test(tc, back_in_order_after_a_sleep);
    tcase_add_test(tc, parked_goes_back_to_its_place);
    tcase_add_test(tc, handed_back);
    tcase_add_test(tc, blocks_end);
    tcase_add_test(tc, earliest_ends_the_block);
    tcase_add_test(tc, without_ack_waits_in_place);
    tcase_add_test(tc, favours_what_did_not_fail);
    tcase_add_test(tc, budget);
    tcase_add_test(tc, oldest);
    tcase_add_test(tc, waits_for_a_picture);
    tcase_add_test(tc, long_run);
}
UNIT_MAIN("queue", add)

/* SPDX-License-Identifier: MIT */
/* Order, turns, blocks and the budget; and a long random run against a simple model. */
#include "queue.h"

#include <stdio.h>

#include "../../support/unit.h"
#include "block.h"

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

static uint64_t hash(const char *id)
{
    return queue_hash(q, slice_of(id));
}

/* Whether the event, handed over now, is handed back as well. */
static bool blocked(const char *person, const char *id, int64_t at)
{
    int64_t until = 0;

    return queue_blocked(q, hash(person), hash(id), true, at, &until);
}

static void block(const char *person, const char *id, int64_t until)
{
    queue_block(q, hash(person), hash(id), until);
}

START_TEST(handed_back)
{
    struct item *first = put("p", "p1", "a");
    int64_t until = 0;

    put("p", "p2", "a");
    ck_assert(!queue_blocked(q, first->person, hash("p2"), true, now, &until));
    ck_assert_str_eq(cut(first, false, 5000), "p1 p2 ");
    ck_assert(queue_blocked(q, hash("p"), hash("p2"), true, now, &until));
    ck_assert_int_eq(until, 5000);
    ck_assert(!blocked("r", "r1", now));
    /* However late it is, the giver may have handed it over before. */
    ck_assert(blocked("p", "p3", 500000));
    /* The first one itself may come, and then what was behind it. */
    ck_assert(!blocked("p", "p1", 1001));
    ck_assert(blocked("p", "p4", 1001));
    ck_assert(!blocked("p", "p2", 1001));
    ck_assert(!blocked("p", "p3", 1001));
    ck_assert(!blocked("p", "p4", 1001));
    ck_assert(!blocked("p", "p5", 1001));
}
END_TEST

START_TEST(first_does_not_come)
{
    block("p", "p1", 5000);
    ck_assert(blocked("p", "p2", 6000));
    ck_assert(blocked("p", "p3", 7000));
    ck_assert(blocked("p", "p2", 4999)); /* not before the time */
    ck_assert(blocked("p", "p3", 8000)); /* not before the second, which has not come since */
    ck_assert(!blocked("p", "p2", 8000));
    /* What is new waits for those that were behind the first as well. */
    ck_assert(blocked("p", "p4", 8000));
    ck_assert(!blocked("p", "p3", 8000));
    ck_assert(blocked("p", "p5", 8000));
    ck_assert(!blocked("p", "p5", 8000));
    ck_assert(!blocked("p", "p6", 8000));
    /* Held twice: what was behind it may have been handed over between. */
    block("p", "p7", 9000);
    ck_assert(blocked("p", "p8", 9000));
    block("p", "p7", 9000);
    ck_assert(blocked("p", "p8", 9000));
    ck_assert(!blocked("p", "p8", 9000));
    ck_assert_uint_eq(queue_count(q), 0);
    /* Nothing comes again at all: what is new does not renew it. */
    block("r", "r1", 5000);
    ck_assert(blocked("r", "r2", 5000 + BLOCK_LONGEST_MS - 1));
    ck_assert(!blocked("r", "r3", 5000 + BLOCK_LONGEST_MS));
    ck_assert(!blocked("r", "r4", 5000));
}
END_TEST

START_TEST(comes_back_twice)
{
    struct item *a[2];
    size_t n;

    ck_assert_str_eq(cut(put("p", "p1", "a"), false, 1000), "p1 ");
    ck_assert(blocked("p", "p2", 1000));
    ck_assert(!blocked("p", "p1", 1000));
    ck_assert_str_eq(cut(put("p", "p1", "a"), false, 1000), "p1 ");
    /* The giver may not know yet of the second time. */
    ck_assert(blocked("p", "p2", 1000));
    ck_assert(!blocked("p", "p1", 1000));
    put("p", "p1", "a");
    ck_assert(!blocked("p", "p2", 1000));
    ck_assert(!blocked("p", "p3", 1000));
    /* The first is under way and fails: what was put behind it goes back as well. */
    put("p", "p2", "a");
    ck_assert_str_eq(take(a, 2, 1000, &n), "p1 p2");
    ck_assert_ptr_null(queue_held(q, a[0], 1000));
    queue_held_behind(q, a[1]);
    ck_assert(blocked("p", "p3", 1000));
    ck_assert(!blocked("p", "p1", 1000));
    ck_assert(blocked("p", "p4", 1000));
    ck_assert(!blocked("p", "p2", 1000));
    ck_assert(!blocked("p", "p3", 1000));
    ck_assert(!blocked("p", "p4", 1000));
    ck_assert(!blocked("p", "p5", 1000));
}
END_TEST

START_TEST(blocks_are_bounded)
{
    char person[24], id[24];
    int64_t until;

    /* They take no room from others, and of too many the oldest goes. */
    for (unsigned i = 0; i < QUEUE_LANES_MAX + 10; i++) {
        ck_assert(queue_room(q));
        snprintf(person, sizeof person, "x%u", i);
        block(person, "x", 5000);
    }
    ck_assert(!queue_blocked(q, hash("x9"), hash("y"), true, now, &until));
    ck_assert(queue_blocked(q, hash("x10"), hash("y"), false, now, &until));
    /* One of whom many come goes to the end of the queue, and stays. */
    for (unsigned i = 0; i < QUEUE_BACKS_MAX + 10; i++) {
        snprintf(id, sizeof id, "y%u", i);
        ck_assert(blocked("x20", id, now));
    }
    ck_assert(!blocked("x21", "z", now));
    ck_assert(!blocked("x20", "y5", 5000));
    ck_assert(blocked("x20", "z", 5000));
    /* But not those that are for ever. */
    for (unsigned i = 0; i < QUEUE_LANES_MAX; i++) {
        snprintf(person, sizeof person, "x%u", i);
        queue_block(q, hash(person), 1, QUEUE_FOR_EVER);
    }
    ck_assert(!queue_room(q));
    ck_assert(queue_blocked(q, hash("x0"), hash("y"), true, now, &until));
}
END_TEST

START_TEST(earliest_ends_the_block)
{
    struct item *a[2], *second;
    size_t n;

    put("p", "p1", "a");
    take(a, 1, 1000, &n);
    second = put("p", "p2", "a");
    ck_assert(queue_behind(q, second));
    ck_assert_str_eq(cut(second, false, 5000), "p2 ");
    queue_back(q, a, 1, 0);
    ck_assert_str_eq(cut(a[0], false, 5000), "p1 ");
    ck_assert(blocked("p", "p2", now));
    ck_assert(!blocked("p", "p1", now));
    ck_assert(blocked("p", "p3", now));
    ck_assert(!blocked("p", "p2", now));
    ck_assert(!blocked("p", "p3", now));
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
    tcase_add_test(tc, first_does_not_come);
    tcase_add_test(tc, comes_back_twice);
    tcase_add_test(tc, blocks_are_bounded);
    tcase_add_test(tc, earliest_ends_the_block);
    tcase_add_test(tc, without_ack_waits_in_place);
    tcase_add_test(tc, favours_what_did_not_fail);
    tcase_add_test(tc, budget);
    tcase_add_test(tc, oldest);
    tcase_add_test(tc, waits_for_a_picture);
    tcase_add_test(tc, long_run);
}
UNIT_MAIN("queue", add)

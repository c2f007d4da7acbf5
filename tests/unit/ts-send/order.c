/* SPDX-License-Identifier: MIT */
/*
 * One person's order between a giver and the queue, when either side may stand still for any time:
 * games of dice.  The giver hands out as ts-spool drain does, reads answers late, and now and then
 * has an event delivered elsewhere or takes it away by hand.
 */
#include <stdio.h>

#include "../../support/unit.h"
#include "queue.h"

#define GAMES 100
#define PERSONS 4
#define EVENTS 200
#define WINDOW 24
#define BATCH 5
#define TURNS 200000

enum fate { FRESH, DUE, OUT, DONE };

struct line {
    unsigned event[EVENTS * 64], from, to;
    bool delivered[EVENTS * 64];
};

static struct queue *q;
static int64_t now;
static enum fate fate[EVENTS];
static unsigned last[PERSONS], left, out;
static struct line pipe_in, answers;
static struct item *flight[BATCH];
static size_t flying;

static uint64_t dice;

static unsigned roll(unsigned sides)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return (unsigned)(dice >> 33) % sides;
}

static uint64_t hash(const char *what, unsigned n)
{
    char text[24];
    int len = snprintf(text, sizeof text, "%s%u.", what, n);

    return queue_hash(q, (struct slice){text, (size_t)len});
}

static unsigned person(unsigned event)
{
    return event % PERSONS;
}

static void push(struct line *l, unsigned event, bool delivered)
{
    ck_assert_uint_lt(l->to, EVENTS * 64);
    l->event[l->to] = event;
    l->delivered[l->to++] = delivered;
}

static unsigned event_of(const struct item *it)
{
    unsigned n;

    ck_assert_int_eq(sscanf(item_id(it).p, "e%u.", &n), 1);
    return n;
}

static void arrives(unsigned event)
{
    ck_assert_uint_gt(event + 1, last[person(event)]);
    last[person(event)] = event + 1;
}

/* ---- the giver ---- */

/* Whether all of the person before it are done with, or with `or_out` in the pipe. */
static bool first_of(unsigned event, bool or_out)
{
    for (unsigned e = person(event); e < event; e += PERSONS)
        if (fate[e] != DONE && !(or_out && fate[e] == OUT))
            return false;
    return true;
}

static bool overtaken(unsigned event)
{
    for (unsigned e = event + PERSONS; e < EVENTS; e += PERSONS)
        if (fate[e] == OUT)
            return true;
    return false;
}

static void finish(unsigned event)
{
    fate[event] = DONE;
    left--;
}

static void hand_out(void)
{
    for (unsigned e = 0, most = roll(WINDOW); e < EVENTS && most > 0; e++) {
        if ((fate[e] != FRESH && fate[e] != DUE) || !first_of(e, true) || overtaken(e))
            continue;
        if (roll(10) == 0 && first_of(e, false)) {
            if (roll(2))
                arrives(e);
            finish(e);
        } else if (out < WINDOW) {
            fate[e] = OUT;
            out++;
            push(&pipe_in, e, false);
        }
        most--;
    }
}

static void read_answers(void)
{
    for (unsigned n = roll(WINDOW); n > 0 && answers.from < answers.to; n--, answers.from++) {
        unsigned e = answers.event[answers.from];

        out--;
        if (answers.delivered[answers.from])
            finish(e);
        else
            fate[e] = DUE;
    }
}

/* ---- the queue's side ---- */

static void take_in(void)
{
    for (unsigned n = roll(8); n > 0 && pipe_in.from < pipe_in.to; n--) {
        unsigned e = pipe_in.event[pipe_in.from++];
        uint64_t who = hash("p", person(e)), id = hash("e", e);
        int64_t until;
        char text[24];
        int len = snprintf(text, sizeof text, "e%u.", e);
        struct slice line = {text, (size_t)len};

        if (roll(12) == 0) {
            queue_block(q, who, id, now + roll(20));
            push(&answers, e, false);
        } else if (queue_blocked(q, who, id, true, now, &until)) {
            push(&answers, e, false);
        } else {
            queue_put(q, who, line, SLICE("a"), line, now);
        }
    }
}

static void back_to_giver(struct item *it)
{
    for (struct item *next; it; it = next) {
        next = it->next;
        push(&answers, event_of(it), false);
        queue_free(q, it);
    }
}

static void overdue(void)
{
    struct item *it = queue_oldest(q, true);

    while (it && it->state == ITEM_FLYING)
        it = it->newer;
    if (it)
        back_to_giver(queue_cut(q, it, false, now + 1 + roll(20)));
}

static void land_one(struct item *it)
{
    unsigned how = roll(6), e = event_of(it);
    bool blocked, stuck = queue_stuck(q, it, &blocked);

    if (stuck && blocked) {
        push(&answers, e, false);
        queue_held_behind(q, it);
    } else if (stuck || how == 0) {
        queue_back(q, &it, 1, now + roll(5));
    } else if (how == 1) {
        push(&answers, e, false);
        back_to_giver(queue_held(q, it, now + 1 + roll(20)));
    } else {
        arrives(e);
        push(&answers, e, true);
        queue_done(q, it);
    }
}

static void land(void)
{
    for (size_t i = 0; i < flying; i++)
        land_one(flight[i]);
    flying = 0;
}

/* ---- the game ---- */

static void begin(unsigned game)
{
    dice = 88172645463325252u + game * 0x9e3779b97f4a7c15u;
    q = queue_new(1 << 20);
    now = 1000;
    memset(fate, 0, sizeof fate);
    memset(last, 0, sizeof last);
    left = EVENTS;
    out = 0;
    flying = 0;
    pipe_in.from = pipe_in.to = answers.from = answers.to = 0;
}

static void turn(unsigned stopped)
{
    now += roll(3);
    queue_wake(q, now);
    if (stopped != 1 && roll(3) == 0)
        hand_out();
    if (stopped != 1 && stopped != 2 && roll(3) == 0)
        read_answers();
    if (stopped != 3 && roll(3) == 0)
        take_in();
    if (flying == 0)
        flying = queue_take(q, flight, 1 + roll(BATCH), 1000);
    if (roll(3) == 0)
        land();
    if (roll(8) == 0)
        overdue();
}

START_TEST(any_side_may_stop)
{
    unsigned stopped = 0, turns = 0;

    begin((unsigned)_i);
    for (; left > 0 && turns < TURNS; turns++) {
        if (roll(40) == 0)
            stopped = roll(6); /* 1: the giver, 2: its reading, 3: the pipe; else nobody */
        turn(stopped);
    }
    ck_assert_msg(left == 0, "game %d: %u events never get through", _i, left);
    ck_assert_uint_eq(queue_count(q), 0);
    queue_free_all(q);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_loop_test(tc, any_side_may_stop, 0, GAMES);
}
UNIT_MAIN("order", add)

/* SPDX-License-Identifier: MIT */
/*
 * Trails and memos against a model that remembers everything: random passages, late ones, replays,
 * ones that are taken back.  The past of a trail, without memos, is asked for whole days alone:
 * that is what it promises.
 */
#include "state.h"

#include "../../support/unit.h"

enum { EVENTS = 60, RUNS = 1000, WINDOW_S = 60 };

struct known {
    struct passage p;
    struct passage_answer answer;
    uint32_t cancelled_s; /* 0: not */
};

static struct {
    struct known event[EVENTS * 2];
    unsigned count;
} model;

static bool is_way(enum way way)
{
    return way == WAY_IN || way == WAY_OUT;
}

static struct known *model_find(const unsigned char id[16])
{
    for (unsigned i = 0; i < model.count; i++)
        if (memcmp(model.event[i].p.mark.id, id, 16) == 0)
            return &model.event[i];
    return NULL;
}

static const struct known *model_first(const struct passage *p)
{
    const struct known *before = NULL, *after = NULL;

    for (unsigned i = 0; i < model.count; i++) {
        const struct known *k = &model.event[i];
        int64_t since = (int64_t)p->mark.time_s - k->p.mark.time_s;

        if (k->answer.repeat || k->p.mark.place != p->mark.place ||
            (k->cancelled_s && p->mark.time_s > k->cancelled_s) ||
            (is_way(p->way) && is_way(k->answer.way) && p->way != k->answer.way))
            continue;
        if (since >= 0 && since <= p->window_s &&
            (!before || k->p.mark.time_s >= before->p.mark.time_s))
            before = k;
        if (since < 0 && -since <= p->window_s &&
            (!after || k->p.mark.time_s < after->p.mark.time_s))
            after = k;
    }
    return before ? before : after;
}

static enum way model_turn(const struct passage *p)
{
    const struct known *last = NULL;

    for (unsigned i = 0; i < model.count; i++) {
        const struct known *k = &model.event[i];

        if (!k->answer.repeat && !k->cancelled_s && is_way(k->answer.way) &&
            k->p.mark.time_s <= p->mark.time_s &&
            (!last || k->p.mark.time_s >= last->p.mark.time_s))
            last = k;
    }
    return last && last->p.day == p->day && last->answer.way == WAY_IN ? WAY_OUT : WAY_IN;
}

static struct passage_answer model_pass(const struct passage *p)
{
    struct known *k = model_find(p->mark.id);
    const struct known *first;
    struct passage_answer answer = {.way = p->way};

    if (k)
        return k->answer;
    first = model_first(p);
    if (first) {
        answer.repeat = true;
        memcpy(answer.other, first->p.mark.id, 16);
        answer.way = is_way(p->way) ? p->way : first->answer.way;
    } else if (!is_way(p->way) && p->alternate) {
        answer.way = model_turn(p);
    }
    model.event[model.count++] = (struct known){*p, answer, 0};
    return answer;
}

/* With the memos of the state, or (NULL) without. */
static void check_pass(struct state *s, struct trail *t, const struct passage *p, const char *what)
{
    struct passage_answer wanted = model_pass(p), got;

    if (s)
        state_pass(s, t, p, &got);
    else
        trail_pass(t, p, &got);
    ck_assert(trail_sound(t));
    ck_assert_msg(got.repeat == wanted.repeat && got.way == wanted.way &&
                      memcmp(got.other, wanted.other, 16) == 0,
        "%s at %u: way %d, repeat %d; wanted %d, %d", what, p->mark.time_s, (int)got.way,
        got.repeat, (int)wanted.way, wanted.repeat);
}

static void random_id(unsigned char id[16])
{
    for (int i = 0; i < 16; i++)
        id[i] = (unsigned char)random();
}

static struct passage passage_at(uint32_t time_s, uint32_t place, enum way way)
{
    struct passage p = {
        .mark = {.time_s = time_s, .place = place},
        .way = way,
        .day = time_s / 86400,
        .window_s = WINDOW_S,
        .alternate = true,
    };

    random_id(p.mark.id);
    return p;
}

static struct passage random_passage(uint32_t *time_s)
{
    static const enum way ways[] = {WAY_UNSAID, WAY_UNSAID, WAY_UNSAID, WAY_IN, WAY_OUT};

    *time_s += random() % 3 ? 1 + (uint32_t)random() % 90 : 3600 + (uint32_t)random() % 20000;
    return passage_at(*time_s, 1 + (uint32_t)random() % 2, ways[random() % 5]);
}

static void cancel_last(struct trail *t, uint32_t *time_s)
{
    struct known *k = &model.event[model.count - 1];

    if (k->answer.repeat || k->cancelled_s || k->p.mark.time_s != *time_s)
        return;
    *time_s += 1 + (uint32_t)random() % 20;
    k->cancelled_s = *time_s;
    trail_cancel(t, k->p.mark.id, *time_s);
    trail_cancel(t, k->p.mark.id, *time_s + 5); /* once more: nothing */
    ck_assert(trail_sound(t));
}

START_TEST(is_as_the_model)
{
    struct state *state = state_new();
    struct fault why;

    srandom((unsigned)_i);
    for (int run = 0; run < RUNS / 10; run++) {
        struct trail *t;
        uint32_t time_s = 1700000000 + (uint32_t)random() % 86400;
        struct passage late, p;
        bool held = false;

        ck_assert_int_eq(state_room(state, 1, &why), 0);
        t = state_trail(state, 1 + (uint64_t)run, 0);
        model.count = 0;
        for (int i = 0; i < EVENTS; i++) {
            p = random_passage(&time_s);
            if (!held && random() % 8 == 0) { /* comes after the next one */
                late = p;
                held = true;
                continue;
            }
            check_pass(state, t, &p, "new");
            if (held)
                check_pass(state, t, &late, "late");
            held = false;
            if (random() % 10 == 0)
                cancel_last(t, &time_s);
            for (int k = 0; k < 3; k++)
                check_pass(state, t, &model.event[(unsigned)random() % model.count].p, "replay");
        }
    }
    state_free(state);
}
END_TEST

/* Whether something of that day repeats something of the day before. */
static bool is_torn(uint32_t day)
{
    for (unsigned i = 0; i < model.count; i++)
        if (model.event[i].p.day == day && model.event[i].answer.repeat &&
            model_find(model.event[i].answer.other)->p.day != day)
            return true;
    return false;
}

/* Days in order, then each of them once more, from whichever day on. */
START_TEST(replays_days)
{
    srandom((unsigned)_i);
    for (int run = 0; run < RUNS / 10; run++) {
        struct trail t = {0};
        uint32_t time_s = 1700000000, from;
        struct passage p;

        trail_reset(&t, 1);
        model.count = 0;
        for (int i = 0; i < EVENTS; i++) {
            p = random_passage(&time_s);
            p.way = WAY_UNSAID;
            check_pass(NULL, &t, &p, "new");
        }
        for (int k = 0; k < 3; k++) {
            from = model.event[random() % EVENTS].p.day;
            for (unsigned i = 0; !is_torn(from) && i < EVENTS; i++)
                if (model.event[i].p.day >= from)
                    check_pass(NULL, &t, &model.event[i].p, "replayed day");
        }
        for (int i = 0; i < 5; i++) {
            p = random_passage(&time_s);
            check_pass(NULL, &t, &p, "after the replay");
        }
    }
}
END_TEST

static struct passage_answer ask(struct trail *t, const struct passage *p)
{
    struct passage_answer answer;

    trail_pass(t, p, &answer);
    ck_assert(trail_sound(t));
    return answer;
}

#define DAY 1700006400u

START_TEST(counts_ways_only)
{
    struct trail t = {0};
    struct passage in = passage_at(DAY, 1, WAY_UNSAID), p;

    ck_assert_int_eq(ask(&t, &in).way, WAY_IN);
    for (uint32_t i = 1; i < 30; i++) { /* an inner door that says nothing */
        p = passage_at(DAY + i * 300, 2, WAY_UNSAID);
        p.alternate = false;
        ck_assert_int_eq(ask(&t, &p).way, WAY_UNSAID);
    }
    p = passage_at(DAY + 9 * 3600, 1, WAY_UNSAID);
    ck_assert_int_eq(ask(&t, &p).way, WAY_OUT);
    ck_assert_int_eq(ask(&t, &in).way, WAY_IN);
}
END_TEST

/* The other record of a ghost: apart by so many seconds, records and seconds of receiving; -1: not
   known. */
static const struct {
    int32_t apart_s;
    int serial, received;
    bool is;
} ghosts[] = {
    {3600, 1, 0, true},
    {3600, 1, 2, true},
    {3600, 1, 3, false},
    {3600, 1, -1, true},
    {3600, 2, 0, false},
    {3600, 2, -1, false},
    {3600, -1, 1, true},
    {3600, -1, 3600, false},
    {3600, -1, -1, false},
    {3599, 1, 0, false},
    {3601, 1, 0, false},
    {-3600, -1, 0, true},
    {-3600, 1, 0, true},
};

START_TEST(knows_ghosts)
{
    struct state *s = state_new();
    struct trail *t = state_trail(s, 1, 0);
    struct passage a = passage_at(DAY, 1, WAY_UNSAID), b = a;
    struct passage_answer answer;

    a.ghost = b.ghost = true;
    random_id(b.mark.id);
    b.mark.time_s += (uint32_t)ghosts[_i].apart_s;
    if (ghosts[_i].serial >= 0) {
        a.mark.serial = 700;
        b.mark.serial = 700 + (uint32_t)ghosts[_i].serial;
    }
    if (ghosts[_i].received >= 0) {
        a.mark.received = 255;
        b.mark.received = (uint8_t)(1 + (254 + ghosts[_i].received) % 255);
    }
    state_pass(s, t, &a, &answer);
    ck_assert(!answer.repeat);
    for (int i = 0; i < 3; i++) {
        state_pass(s, t, &b, &answer);
        ck_assert_int_eq(answer.ghost, ghosts[_i].is);
        ck_assert_int_eq(answer.repeat, ghosts[_i].is);
        ck_assert(!ghosts[_i].is || answer.way == WAY_IN);
        b.mark.received = 0; /* handed over once more, at another time: the same answer */
    }
    state_free(s);
}
END_TEST

/* In and out again in the window is two passages; so is the next try after one that was taken back.
 */
START_TEST(knows_repeats)
{
    struct trail t = {0};
    struct passage in = passage_at(DAY, 1, WAY_IN), out = passage_at(DAY + 5, 1, WAY_OUT),
                   again = passage_at(DAY + 10, 1, WAY_UNSAID), other = again, next = again;

    other.mark.place = 2;
    random_id(other.mark.id);
    random_id(next.mark.id);
    next.mark.time_s = DAY + 30;
    ck_assert(!ask(&t, &in).repeat);
    ck_assert(!ask(&t, &out).repeat);
    ck_assert(ask(&t, &again).repeat);
    ck_assert(!ask(&t, &other).repeat);
    trail_cancel(&t, out.mark.id, DAY + 20);
    ck_assert(ask(&t, &again).repeat);
    trail_cancel(&t, in.mark.id, DAY + 20);
    ck_assert(!ask(&t, &next).repeat);
}
END_TEST

START_TEST(finds_in_lane)
{
    struct trail t = {0};
    struct mark ann = {.id = {1}, .time_s = DAY, .place = 7, .serial = 11}, ben = ann;
    const struct mark *m;

    ben.id[0] = 2;
    ben.time_s = DAY + 3;
    ben.place = 8;
    trail_note(&t, &ann);
    trail_note(&t, &ben);
    trail_note(&t, &ben);
    ck_assert_ptr_null(trail_find(&t, 0, DAY + 20, 10));
    ck_assert_ptr_null(trail_find(&t, 0, DAY - 1, 10));
    m = trail_find(&t, 0, DAY + 10, 10);
    ck_assert_int_eq(m->id[0], 2);
    ck_assert_uint_eq(m->serial, 11);
    ck_assert_int_eq(trail_find(&t, 7, DAY + 10, 10)->id[0], 1);
    trail_cancel(&t, ben.id, DAY + 10);
    ck_assert_int_eq(trail_find(&t, 0, DAY + 10, 10)->id[0], 2); /* the same record once more */
    ck_assert_int_eq(trail_find(&t, 0, DAY + 9, 10)->id[0], 1);
}
END_TEST

/* Whatever the bytes are, nothing is written or read out of bounds, and what is damaged is seen. */
START_TEST(survives_anything)
{
    srandom((unsigned)_i);
    for (int run = 0; run < RUNS; run++) {
        struct trail t = {0};
        uint32_t time_s = DAY;
        unsigned char *bytes = (unsigned char *)&t;
        struct passage p;

        for (int i = 0; i < 7; i++) {
            p = random_passage(&time_s);
            ask(&t, &p);
        }
        bytes[32 + (size_t)random() % (sizeof t - 32)] ^= (unsigned char)(1 + random() % 255);
        bytes[8 + random() % 8] ^= (unsigned char)random();
        for (int i = 0; i < 3; i++) {
            struct passage_answer answer;

            p = random_passage(&time_s);
            trail_pass(&t, &p, &answer);
            trail_cancel(&t, p.mark.id, time_s + 1);
            trail_find(&t, 0, time_s, 10);
        }
    }
}
END_TEST

START_TEST(sees_damage)
{
    struct trail t = {0};
    uint32_t time_s = DAY;
    unsigned char *bytes = (unsigned char *)&t;
    unsigned seen = 0, listed = 8 + 32 * TRAIL_PRESENT; /* head, and the marks that it lists */

    for (int i = 0; i < TRAIL_PRESENT; i++) {
        struct passage p = passage_at(time_s += 1000, 1, WAY_UNSAID);

        ask(&t, &p);
    }
    for (size_t i = 0; i < sizeof t; i++) {
        bytes[i] ^= 0x10;
        seen += !trail_sound(&t);
        bytes[i] ^= 0x10;
    }
    ck_assert_uint_eq(seen, listed);
    trail_reset(&t, 5);
    ck_assert(trail_sound(&t));
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, is_as_the_model, 0, 10);
    tcase_add_loop_test(tc, replays_days, 0, 10);
    tcase_add_test(tc, counts_ways_only);
    tcase_add_loop_test(tc, knows_ghosts, 0, (int)(sizeof ghosts / sizeof *ghosts));
    tcase_add_test(tc, knows_repeats);
    tcase_add_test(tc, finds_in_lane);
    tcase_add_loop_test(tc, survives_anything, 0, 2);
    tcase_add_test(tc, sees_damage);
}

UNIT_MAIN("trail", add_tests)

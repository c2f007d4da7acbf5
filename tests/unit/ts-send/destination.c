/* SPDX-License-Identifier: MIT */
/*
 * The state machine, as scripts of what comes back.  One letter an exchange; a capital is a probe:
 *   d delivered  r refused (a new person each time)  s refused, always the same person, others wait
 *   o refused, always the same person, nobody else is in hand
 *   5 a 500 (a new person each time)  p a 500 of always the same person
 *   k refused again after deliveries  3 a 503  a a 401  n no connection  w a 503 with Retry-After
 * 10 s  b a 429 with Retry-After 10 s and `.` lets enough time pass for the next request.  States
 * after each: U up, S stopped.
 */
#include "destination.h"

#include <ctype.h>

#include "../../support/unit.h"

static const struct {
    const char *script, *states;
    enum cause cause;
} rows[] = {
    {"ddd", "UUU", CAUSE_NONE},
    {"33333", "UUUUS", CAUSE_OUTAGE},
    {"3333d3333", "UUUUUUUUU", CAUSE_NONE},
    {"3333r3333", "UUUUUUUUU", CAUSE_NONE},
    {"55555", "UUUUS", CAUSE_OUTAGE},
    {"pppppppppp", "UUUUUUUUUU", CAUSE_NONE},
    {"p5p5p5p5", "UUUUUUUS", CAUSE_OUTAGE},
    {"n", "S", CAUSE_OUTAGE},
    {"a", "S", CAUSE_AUTH},
    {"w", "S", CAUSE_OUTAGE},
    {"bbbbbbb", "UUUUUUU", CAUSE_NONE},
    {"a.A.A.D", "SSSSSSU", CAUSE_NONE},
    {"a.N", "SSS", CAUSE_OUTAGE},
    /* What was under way before the stop neither ends it nor prolongs it. */
    {"adada", "SSSSS", CAUSE_AUTH},
    {"a.Dd", "SSUU", CAUSE_NONE},
    /* A refusal ends an outage, since events are judged again. */
    {"n.R", "SSU", CAUSE_NONE},
    {"rrrrrrrrrrrrrrrrrrrr", "UUUUUUUUUUUUUUUUUUUS", CAUSE_REFUSES},
    {"rrrrrrrrrrrrrrrrrrrdr", "UUUUUUUUUUUUUUUUUUUUU", CAUSE_NONE},
    {"rrrrrrrrrrrrrrrrrrrr.R.R.D", "UUUUUUUUUUUUUUUUUUUSSSSSSU", CAUSE_NONE},
    {"kkkkkkkkkkkkkkkkkkkkkkkkk", "UUUUUUUUUUUUUUUUUUUUUUUUU", CAUSE_NONE},
    {"rrrrrrrrrrrrrrrrrrrr.K.D", "UUUUUUUUUUUUUUUUUUUSSSSU", CAUSE_NONE},
    {"n.K", "SSU", CAUSE_NONE},
    {"oooooooooooooooooooo", "UUUUUUUUUUUUUUUUUUUS", CAUSE_REFUSES},
    {"dooooooooooooooooooooo", "UUUUUUUUUUUUUUUUUUUUSS", CAUSE_REFUSES},
    {"ssssssssssssssssssssssssso", "UUUUUUUUUUUUUUUUUUUUUUUUUS", CAUSE_REFUSES},
    {"dsssssssssssssssssssssssss", "UUUUUUUUUUUUUUUUUUUUUUUUUU", CAUSE_NONE},
    {"dsssssssssssssssssssrr", "UUUUUUUUUUUUUUUUUUUUUS", CAUSE_REFUSES},
    {"oooooooooooooooooooo.S.K.D", "UUUUUUUUUUUUUUUUUUUSSSSSSU", CAUSE_NONE},
    {"rrrrrrrrrrrrrrrrrrrr.N.R", "UUUUUUUUUUUUUUUUUUUSSSSS", CAUSE_REFUSES},
};

static void come_back(struct destination *d, char c, int64_t now, uint64_t person)
{
    bool probe = isupper(c);
    struct trouble t = {.probe = probe, .wait_ms = -1};

    switch (tolower(c)) {
    case 'd':
        destination_delivered(d, probe);
        return;
    case 's':
    case 'r':
    case 'o':
        destination_refused(d, &(struct refused){c == 'r' ? person : 1, c != 'o', probe}, now, 0);
        return;
    case 'k':
        destination_known_bad(d, probe, now, 0);
        return;
    case 'n':
        t.verdict = verdict_of(NET_UNSENT, 0);
        break;
    case 'a':
        t.verdict = verdict_of(NET_OK, 401);
        break;
    case 'p':
    case '5':
        t.verdict = verdict_of(NET_OK, 500);
        t.person = c == 'p' ? 1 : person;
        break;
    case 'b':
        t.verdict = verdict_of(NET_OK, 429);
        t.wait_ms = 10000;
        break;
    default:
        t.verdict = verdict_of(NET_OK, 503);
        t.wait_ms = c == 'w' ? 10000 : -1;
    }
    destination_trouble(d, &t, now, 0);
}

START_TEST(script)
{
    struct destination d;
    int64_t now = 1000;
    size_t n = strlen(rows[_i].script);

    ck_assert_uint_eq(n, strlen(rows[_i].states));
    destination_init(&d, &(struct backoff){500, 60000});
    for (size_t i = 0; i < n; i++) {
        char c = rows[_i].script[i];

        if (c == '.')
            now = d.next_ms;
        if (isupper(c)) {
            ck_assert(destination_open(&d, now));
            destination_probe(&d);
            ck_assert(!destination_open(&d, now));
        }
        if (c != '.')
            come_back(&d, c, now, 100 + i);
        ck_assert_msg((d.state == DESTINATION_UP) == (rows[_i].states[i] == 'U'), "%s: after %zu",
            rows[_i].script, i + 1);
    }
    ck_assert_int_eq(d.cause, rows[_i].cause);
}
END_TEST

START_TEST(one_person_cannot_be_refused_for_ever)
{
    struct destination d;
    unsigned n = 1;

    destination_init(&d, &(struct backoff){500, 4000});
    destination_delivered(&d, false);
    while (destination_refused(&d, &(struct refused){7, true, false}, 0, 0) == CHANGE_NONE)
        n++;
    ck_assert_uint_eq(n, REFUSALS_LAST);
}
END_TEST

START_TEST(waits_double)
{
    struct destination d;
    int64_t now = 0;
    static const int64_t waits[] = {500, 1000, 2000, 4000, 4000};

    destination_init(&d, &(struct backoff){500, 4000});
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        struct trouble t = {.verdict = verdict_of(NET_OK, 404), .probe = i > 0, .wait_ms = -1};

        if (i > 0)
            destination_probe(&d);
        /* The largest wait: 1 + (most - 1) % most. */
        ck_assert_int_eq(destination_trouble(&d, &t, now, (uint64_t)waits[i] - 1),
            i > 0 ? CHANGE_NONE : CHANGE_STOPPED);
        ck_assert_int_eq(d.next_ms - now, waits[i]);
        ck_assert(!destination_open(&d, d.next_ms - 1));
        now = d.next_ms;
        ck_assert(destination_open(&d, now));
    }
    ck_assert_int_eq(destination_delivered(&d, true), CHANGE_UP);
    ck_assert(destination_open(&d, 0));
}
END_TEST

START_TEST(retry_after_is_obeyed)
{
    struct destination d;
    struct trouble t = {.verdict = verdict_of(NET_OK, 503), .wait_ms = 7000};

    destination_init(&d, &(struct backoff){500, 4000});
    destination_trouble(&d, &t, 100, 0);
    ck_assert_int_eq(d.next_ms, 7100);
    /* Another reply, of a request from before, asks for longer. */
    t.wait_ms = 9000;
    ck_assert_int_eq(destination_trouble(&d, &t, 200, 0), CHANGE_NONE);
    ck_assert_int_eq(d.next_ms, 9200);
    /* 429 makes the whole destination pause without calling it an outage. */
    destination_init(&d, &(struct backoff){500, 4000});
    t = (struct trouble){.verdict = verdict_of(NET_OK, 429), .wait_ms = 3000};
    ck_assert_int_eq(destination_trouble(&d, &t, 100, 0), CHANGE_NONE);
    ck_assert_int_eq(d.state, DESTINATION_UP);
    ck_assert(!destination_open(&d, 3099));
    ck_assert(destination_open(&d, 3100));
}
END_TEST

START_TEST(a_new_cause_is_told_once)
{
    static const struct {
        enum net net;
        int status;
        enum change change;
    } steps[] = {
        {NET_UNSENT, 0, CHANGE_STOPPED},
        {NET_UNSENT, 0, CHANGE_NONE},
        {NET_OK, 401, CHANGE_CAUSE},
        {NET_OK, 403, CHANGE_NONE},
        {NET_UNSENT, 0, CHANGE_NONE},
        {NET_OK, 404, CHANGE_CAUSE},
        {NET_OK, 401, CHANGE_NONE},
    };
    struct destination d;

    destination_init(&d, &(struct backoff){500, 4000});
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
            struct trouble t = {
                .verdict = verdict_of(steps[i].net, steps[i].status), .wait_ms = -1};

            t.probe = i > 0;
            if (t.probe)
                destination_probe(&d);
            ck_assert_int_eq(destination_trouble(&d, &t, d.next_ms, 0), steps[i].change);
        }
        destination_probe(&d);
        ck_assert_int_eq(destination_delivered(&d, true), CHANGE_UP);
    }
}
END_TEST

#define DAY_MS 86400000ll

static enum change away(struct destination *d, int64_t now_ms, uint64_t random)
{
    struct trouble t = {.verdict = verdict_of(NET_UNSENT, 0), .wait_ms = -1};

    t.probe = d->state != DESTINATION_UP;
    if (t.probe)
        destination_probe(d);
    return destination_trouble(d, &t, now_ms, random);
}

/* So many days away, with the program started anew so often: how many times it is asked. */
static unsigned asked(int64_t away_ms, int64_t restart_ms, uint64_t seed, int64_t *late_ms)
{
    struct destination d;
    int64_t began_ms = 1000000, now_ms = began_ms, life_ms = now_ms + restart_ms;
    unsigned n = 0, changes = 0;

    destination_init(&d, &(struct backoff){500, 60000});
    while (now_ms < began_ms + away_ms) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        changes += away(&d, now_ms, seed >> 20) != CHANGE_NONE;
        n++;
        *late_ms = d.next_ms - now_ms;
        now_ms = d.next_ms;
        if (restart_ms > 0 && now_ms > life_ms) {
            now_ms = life_ms;
            life_ms += restart_ms;
            destination_init(&d, &(struct backoff){500, 60000});
            destination_resume(&d, began_ms, now_ms);
            ck_assert(destination_open(&d, now_ms));
        }
    }
    ck_assert_uint_eq(changes, restart_ms > 0 ? (unsigned)((away_ms - 1) / restart_ms) + 1 : 1);
    return n;
}

START_TEST(days_away_cost_a_probe_in_five_minutes)
{
    for (uint64_t seed = 1; seed <= 50; seed++) {
        int64_t late_ms;

        ck_assert_uint_le(asked(3 * DAY_MS, 0, seed, &late_ms), 3 * 24 * 12);
        ck_assert_int_le(late_ms, 600000);
        ck_assert_int_ge(late_ms, 400000);
        ck_assert_uint_le(asked(3 * DAY_MS, 3600000, seed, &late_ms), 3 * 24 * 12);
        /* Whoever comes back soon is found soon. */
        ck_assert_uint_ge(asked(300000, 0, seed, &late_ms), 5);
        ck_assert_int_le(late_ms, 60000);
        asked(3600000, 0, seed, &late_ms);
        ck_assert_int_le(late_ms, 3600000 / 8 + 60000);
    }
}
END_TEST

START_TEST(a_restart_is_no_change)
{
    struct destination d;

    destination_init(&d, &(struct backoff){500, 60000});
    destination_resume(&d, -5000000, 1000);
    ck_assert(destination_open(&d, 1000));
    destination_probe(&d);
    ck_assert(!destination_open(&d, 1000));
    ck_assert_int_eq(destination_delivered(&d, true), CHANGE_NONE);
    ck_assert_int_eq(d.state, DESTINATION_UP);
    ck_assert_int_eq(away(&d, 2000, 0), CHANGE_STOPPED);
    /* Away still: told once by each program that finds it so, and its return. */
    destination_init(&d, &(struct backoff){500, 60000});
    destination_resume(&d, -5000000, 1000);
    ck_assert_int_eq(away(&d, 1000, 0), CHANGE_CAUSE);
    ck_assert_int_eq(d.next_ms, 1000 + 600000);
    ck_assert_int_eq(away(&d, d.next_ms, 0), CHANGE_NONE);
    destination_probe(&d);
    ck_assert_int_eq(destination_delivered(&d, true), CHANGE_UP);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_test(tc, days_away_cost_a_probe_in_five_minutes);
    tcase_add_test(tc, a_restart_is_no_change);
    tcase_add_loop_test(tc, script, 0, (int)(sizeof rows / sizeof *rows));
    tcase_add_test(tc, one_person_cannot_be_refused_for_ever);
    tcase_add_test(tc, waits_double);
    tcase_add_test(tc, a_new_cause_is_told_once);
    tcase_add_test(tc, retry_after_is_obeyed);
}
UNIT_MAIN("destination", add)

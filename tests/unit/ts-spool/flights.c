/* SPDX-License-Identifier: MIT */
/* Who has events out, against a plain array. */
#include "flights.h"

#include <stdlib.h>

#include "../../support/unit.h"

enum { TOP = 3000, PERSONS = 5 };

START_TEST(persons_are_told_apart)
{
    ck_assert_uint_eq(flights_person(SLICE_NONE), 0);
    ck_assert_uint_ne(flights_person(SLICE("")), 0);
    ck_assert_uint_ne(flights_person(SLICE("1")), flights_person(SLICE("2")));
    ck_assert_uint_eq(flights_person(SLICE("17")), flights_person(SLICE("17")));
}
END_TEST

START_TEST(finds_what_is_out_above)
{
    struct flights f = {0};
    static uint64_t person[TOP + 1];
    static bool out[TOP + 1];
    unsigned seed = 3;

    for (uint64_t seq = 1; seq <= TOP; seq++) {
        uint64_t asked = 1 + (uint64_t)rand_r(&seed) % seq, n;
        bool wanted = false;

        person[seq] = 1 + (uint64_t)rand_r(&seed) % PERSONS;
        out[seq] = true;
        flights_add(&f, seq, person[seq]);
        for (int i = 0; i < 3; i++) {
            n = 1 + (uint64_t)rand_r(&seed) % seq;
            out[n] = false;
            flights_answer(&f, n);
        }
        for (n = asked + 1; n <= seq; n++)
            wanted = wanted || (out[n] && person[n] == 2);
        ck_assert_int_eq(flights_above(&f, asked, 2), wanted);
    }
    ck_assert_uint_lt(f.cap, TOP); /* answered ones are packed away */
    flights_answer(&f, TOP + 5);
    flights_free(&f);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, persons_are_told_apart);
    tcase_add_test(tc, finds_what_is_out_above);
}

UNIT_MAIN("flights", add_tests)

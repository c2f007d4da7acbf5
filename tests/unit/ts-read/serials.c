/* SPDX-License-Identifier: MIT */
/* Which numbers came, against a plain table of them. */
#include "../../support/unit.h"

#include "serials.h"

#define COUNT 200

static unsigned next(unsigned *seed)
{
    *seed = *seed * 1103515245u + 12345u;
    return *seed >> 16;
}

/* In any order: with few holes exact, with many never less than what is missing. */
START_TEST(as_a_table)
{
    bool table[COUNT] = {false};
    unsigned seed = (unsigned)_i + 1, spread = _i % 2 ? 8 : COUNT;
    struct serials s;
    bool full = false;
    unsigned wrong = 0;

    serials_begin(&s, 0);
    table[0] = true;
    for (unsigned round = 0; round < 300; round++) {
        unsigned n = (round + next(&seed) % spread) % COUNT;

        serials_add(&s, n);
        table[n] = true;
        full = full || s.count == SERIALS_HOLES;
        for (int64_t i = 0; i < COUNT; i++)
            wrong += table[i] ? !full && !serials_have(&s, i) : serials_have(&s, i);
        for (unsigned i = 0; i < s.count; i++)
            wrong += s.hole[i].first > s.hole[i].last || s.hole[i].last >= s.top ||
                     (i > 0 && s.hole[i - 1].last >= s.hole[i].first);
    }
    ck_assert_uint_eq(wrong, 0);
}
END_TEST

START_TEST(what_is_missing)
{
    struct serials s;

    serials_begin(&s, -1);
    serials_add(&s, 7); /* nothing was known: nothing is missing */
    ck_assert(s.count == 0 && s.top == 7);
    serials_reach(&s, 10);
    ck_assert(s.count == 1 && s.hole[0].first == 8 && s.hole[0].last == 10);
    ck_assert(!serials_have(&s, 9) && serials_have(&s, 7) && !serials_have(&s, 11));
    serials_add(&s, 9);
    ck_assert(s.count == 2 && s.hole[0].last == 8 && s.hole[1].first == 10);
    serials_forget(&s, 10);
    ck_assert(s.count == 1 && s.hole[0].first == 10);
    serials_forget(&s, 11);
    ck_assert(s.count == 0 && serials_have(&s, 10));
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, as_a_table, 0, 20);
    tcase_add_test(tc, what_is_missing);
}

UNIT_MAIN("serials", add_tests)

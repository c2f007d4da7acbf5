/* SPDX-License-Identifier: MIT */
/* Which words are near enough to ask "did you mean …?". */
#include "near.h"

#include "../../support/unit.h"

static const struct {
    const char *typed, *known;
    size_t distance;
} pairs[] = {
    {"zone", "zone", 0},
    {"Zone", "zone", 0},
    {"zoen", "zone", 1},
    {"zne", "zone", 1},
    {"zonee", "zone", 1},
    {"rsoter", "roster", 1},
    {"enoz", "zone", NEAR_FAR},
    {"", "in", NEAR_FAR},
    {"on", "in", 1},
    {"no", "in", NEAR_FAR},
    {"CGXH20123456", "CGXH2012345", 1},
    {"a name that is longer than any key or zone that there is", "zone", NEAR_FAR},
};

START_TEST(distances)
{
    ck_assert_uint_eq(
        near_distance(slice_of(pairs[_i].typed), slice_of(pairs[_i].known)), pairs[_i].distance);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, distances, 0, (int)(sizeof pairs / sizeof *pairs));
}

UNIT_MAIN("near", add_tests)

/* SPDX-License-Identifier: MIT */
/*
 * The main() of every unit test: one suite of one case, TAP on stdout for tests/run and prove.
 *
 *     START_TEST(parses_offset) { ck_assert_int_eq(...); } END_TEST
 *     static void add_tests(TCase *tc)
 *     {
 *         tcase_add_test(tc, parses_offset);
 *         tcase_add_loop_test(tc, each_row, 0, (int)(sizeof rows / sizeof rows[0]));
 *     }
 *     UNIT_MAIN("clock", add_tests)
 *
 * Each test runs in a child of its own, so a crash is one failed test; CK_FORK=no keeps all in one
 * process (debugger, valgrind). CK_RUN_CASE and CK_TIMEOUT_MULTIPLIER work as Check documents.
 */
#ifndef TS_TEST_UNIT_H
#define TS_TEST_UNIT_H

#include <check.h>
#include <stdlib.h>

enum { UNIT_TIMEOUT_S = 30 };

/* Runs what `add` puts into the case; returns the exit status of the test program. */
static inline int unit_run(const char *name, void (*add)(TCase *tc))
{
    Suite *suite = suite_create(name);
    TCase *tc = tcase_create(name);
    tcase_set_timeout(tc, UNIT_TIMEOUT_S);
    add(tc);
    suite_add_tcase(suite, tc);

    SRunner *runner = srunner_create(suite);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#define UNIT_MAIN(name, add)                                                                       \
    int main(void)                                                                                 \
    {                                                                                              \
        return unit_run(name, add);                                                                \
    }

#endif

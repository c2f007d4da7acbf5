/* SPDX-License-Identifier: MIT */
/* Options from a table, and the shapes of their values. */
#include "option.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../support/unit.h"

enum { OPT_INTO = OPTION_LONG };

static const struct option_spec specs[] = {
    {'d', "device", "ID", "a device"},
    {'F', "follow", NULL, "follow"},
    {OPT_INTO, "into", "COMMAND", "feed it"},
    OPTION_HELP,
    {0},
};

static void print_more_version(FILE *out)
{
    fputs("and a library\n", out);
}

static const struct program program = {
    .name = "ts-test",
    .synopsis = "[-F] [source]\n-l source",
    .summary = "Tests.",
    .options = specs,
    .more = "That is all.\n",
    .print_version = print_more_version,
};

static struct fault why;

static const struct {
    const char *args; /* separated by spaces */
    const char *seen; /* code=argument of each, ';' between; then the operands */
} lines[] = {
    {"", ""},
    {"a b", "|a|b"},
    {"-d X a", "d=X;|a"},
    {"-dX", "d=X;"},
    {"--device X", "d=X;"},
    {"--device=X -F", "d=X;F;"},
    {"-Fd X", "F;d=X;"},
    {"--into cat a", "256=cat;|a"},
    {"a -F b", "F;|a|b"},
    {"-F -- -d", "F;|-d"},
    {"- -F", "F;|-"},
    {"-x", "fault: -x: no such option; try ts-test --help"},
    {"--nope", "fault: --nope: no such option; try ts-test --help"},
    {"-F -d", "F;fault: -d: needs an argument; try ts-test --help"},
    {"--into", "fault: --into: needs an argument; try ts-test --help"},
    {"--follow=x", "fault: --follow=x: takes no argument; try ts-test --help"},
};

static void run_line(char **argv, int argc, char *seen, size_t room)
{
    struct option_value v;
    int first, rc;

    *seen = '\0';
    while ((rc = option_next(&program, argc, argv, &v, &first, &why)) == 1) {
        char *p = seen + strlen(seen);

        if (v.code < OPTION_LONG)
            snprintf(p, room - (size_t)(p - seen), "%c%s%s;", v.code, v.arg ? "=" : "",
                v.arg ? v.arg : "");
        else
            snprintf(p, room - (size_t)(p - seen), "%d=%s;", v.code, v.arg);
    }
    if (rc < 0) {
        ck_assert_int_eq(why.status, EX_USAGE);
        snprintf(seen + strlen(seen), room - strlen(seen), "fault: %s", why.text);
    }
    for (; rc == 0 && first < argc; first++)
        snprintf(seen + strlen(seen), room - strlen(seen), "|%s", argv[first]);
}

START_TEST(command_lines)
{
    char text[200], seen[600], *argv[20] = {text}, *save = NULL;
    int argc = 1;

    snprintf(text, sizeof text, "%s", lines[_i].args);
    argv[0] = (char *)"ts-test";
    for (char *p = strtok_r(text, " ", &save); p; p = strtok_r(NULL, " ", &save))
        argv[argc++] = p;
    optind = 0;
    run_line(argv, argc, seen, sizeof seen);
    ck_assert_str_eq(seen, lines[_i].seen);
}
END_TEST

START_TEST(help_names_every_option)
{
    FILE *out = tmpfile();
    char text[4000] = "", *argv[] = {(char *)"ts-test", (char *)"--help", NULL};
    struct option_value v;
    int first, kept;

    fflush(stdout);
    kept = dup(STDOUT_FILENO);
    dup2(fileno(out), STDOUT_FILENO);
    optind = 0;
    ck_assert_int_eq(option_next(&program, 2, argv, &v, &first, &why), 2);
    fflush(stdout);
    dup2(kept, STDOUT_FILENO);
    rewind(out);
    ck_assert_uint_gt(fread(text, 1, sizeof text - 1, out), 0);
    ck_assert_ptr_nonnull(strstr(text, "usage: ts-test [-F] [source]\n       ts-test -l source\n"));
    for (const struct option_spec *o = specs; o->code; o++) {
        ck_assert_ptr_nonnull(strstr(text, o->name));
        ck_assert_ptr_nonnull(strstr(text, o->help));
    }
    ck_assert_ptr_nonnull(strstr(text, "\nThat is all.\n"));
}
END_TEST

static const struct {
    const char *text;
    long long want; /* -1: refused */
} durations[] =
    {
        {"0", 0},
        {"60", 60000},
        {"500ms", 500},
        {"60s", 60000},
        {"5m", 300000},
        {"2h", 7200000},
        {"1d", 86400000},
        {"", -1},
        {"s", -1},
        {"-1", -1},
        {"1x", -1},
        {"1 s", -1},
        {"9223372036854775807d", -1},
        {"99999999999999999999", -1},
},
  sizes[] =
      {
          {"64", 64},
          {"64k", 65536},
          {"64K", 65536},
          {"1M", 1048576},
          {"1G", 1073741824},
          {"2G", -1},
          {"0", -1},
          {"-5", -1},
          {"1T", -1},
          {"k", -1},
},
  numbers[] = {
      {"1", 1},
      {"10", 10},
      {"0", -1},
      {"11", -1},
      {"1x", -1},
      {"", -1},
      {"99999999999999999999", -1},
};

START_TEST(duration_values)
{
    long long ms = -1;
    int rc = option_duration("x", durations[_i].text, &ms, &why);

    ck_assert_int_eq(rc, durations[_i].want < 0 ? -1 : 0);
    if (rc == 0)
        ck_assert_int_eq(ms, durations[_i].want);
}
END_TEST

START_TEST(size_values)
{
    long long bytes = -1;
    int rc = option_size("x", sizes[_i].text, 1, 1 << 30, &bytes, &why);

    ck_assert_int_eq(rc, sizes[_i].want < 0 ? -1 : 0);
    if (rc == 0)
        ck_assert_int_eq(bytes, sizes[_i].want);
}
END_TEST

START_TEST(number_values)
{
    long long n = -1;
    int rc = option_number("x", numbers[_i].text, 1, 10, &n, &why);

    ck_assert_int_eq(rc, numbers[_i].want < 0 ? -1 : 0);
    if (rc == 0)
        ck_assert_int_eq(n, numbers[_i].want);
    else
        ck_assert_ptr_nonnull(strstr(why.text, "--x "));
}
END_TEST

#define ROWS(table) ((int)(sizeof(table) / sizeof *(table)))

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, command_lines, 0, ROWS(lines));
    tcase_add_test(tc, help_names_every_option);
    tcase_add_loop_test(tc, duration_values, 0, ROWS(durations));
    tcase_add_loop_test(tc, size_values, 0, ROWS(sizes));
    tcase_add_loop_test(tc, number_values, 0, ROWS(numbers));
}

UNIT_MAIN("option", add_tests)

/* SPDX-License-Identifier: MIT */
/* getopt_long from a table, and the few shapes of option values. */
#include "option.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS_MAX 64
#define HELP_COLUMNS 80

static int usage(
    const struct program *program, struct fault *why, const char *what, const char *name)
{
    return fault_set(why, EX_USAGE, "%s: %s; try %s --help", name, what, program->name);
}

static void build(const struct program *program, char *letters, struct option *longs)
{
    *letters++ = ':';
    for (const struct option_spec *o = program->options; o->code; o++) {
        *longs++ =
            (struct option){o->name, o->arg ? required_argument : no_argument, NULL, o->code};
        if (o->code >= OPTION_LONG)
            continue;
        *letters++ = (char)o->code;
        if (o->arg)
            *letters++ = ':';
    }
    *letters = '\0';
    *longs = (struct option){0};
}

static int bad_option(const struct program *program, char **argv, int code, struct fault *why)
{
    char name[64];
    const char *text = argv[optind - 1], *what = "no such option";

    if (code == ':')
        what = "needs an argument";
    else if (optopt > 0 && strncmp(text, "--", 2) == 0)
        what = "takes no argument";
    if (optopt > 0 && optopt < OPTION_LONG && strncmp(text, "--", 2) != 0) {
        snprintf(name, sizeof name, "-%c", optopt);
        text = name;
    }
    return usage(program, why, what, text);
}

static void print_version(const struct program *program)
{
    printf("%s %s\n", program->name, TS_VERSION);
    if (program->print_version)
        program->print_version(stdout);
}

int option_next(const struct program *program, int argc, char **argv, struct option_value *value,
    int *first, struct fault *why)
{
    static char letters[OPTIONS_MAX * 2 + 2];
    static struct option longs[OPTIONS_MAX + 1];
    int code;

    if (!letters[0])
        build(program, letters, longs);
    opterr = 0;
    code = getopt_long(argc, argv, letters, longs, NULL);
    if (code == -1) {
        *first = optind;
        return 0;
    }
    if (code == '?' || code == ':')
        return bad_option(program, argv, code, why);
    if (code == 'h')
        option_help(program);
    else if (code == 'V')
        print_version(program);
    *value = (struct option_value){code, optarg};
    if (code != 'h' && code != 'V')
        return 1;
    return fflush(stdout) == 0 ? 2 : fault_errno(why, EX_IOERR, "standard output: cannot write");
}

static int columns_of(const char *p, size_t n)
{
    int columns = 0;

    for (size_t i = 0; i < n; i++)
        columns += ((unsigned char)p[i] & 0xc0) != 0x80; /* not the rest of a UTF-8 letter */
    return columns;
}

/* What stays on one line: up to a space outside brackets. */
static size_t piece_bytes(const char *p, size_t longest)
{
    size_t n = 0;

    for (int depth = 0; n < longest && (p[n] != ' ' || depth > 0); n++)
        depth += (p[n] == '[') - (p[n] == ']');
    return n;
}

/* Prints n bytes from column `indent` on; what goes on below is indented as far. */
static void print_folded(const char *p, size_t n, int indent)
{
    const char *end = p + n;
    int column = indent;

    while (p < end) {
        size_t piece = piece_bytes(p, (size_t)(end - p));
        int columns = columns_of(p, piece);

        if (column > indent && column + 1 + columns > HELP_COLUMNS)
            column = printf("\n%*s", indent, "") - 1;
        else if (column > indent)
            column += printf(" ");
        printf("%.*s", (int)piece, p);
        column += columns;
        for (p += piece; p < end && *p == ' ';)
            p++;
    }
    putchar('\n');
}

static void print_synopsis(const struct program *program)
{
    const char *p = program->synopsis, *lead = "usage:";

    while (*p) {
        size_t n = strcspn(p, "\n");

        print_folded(p, n, printf("%s %s ", lead, program->name));
        p += n;
        p += *p == '\n';
        lead = "      ";
    }
}

/* Lines that fit are printed as they are: they may be a table. */
static void print_more(const char *p)
{
    putchar('\n');
    while (*p) {
        size_t n = strcspn(p, "\n");

        if (columns_of(p, n) <= HELP_COLUMNS)
            printf("%.*s\n", (int)n, p);
        else
            print_folded(p, n, 0);
        p += n;
        p += *p == '\n';
    }
}

void option_help(const struct program *program)
{
    print_synopsis(program);
    printf("%s\n\n", program->summary);
    for (const struct option_spec *o = program->options; o->code; o++) {
        char left[64];

        if (o->code < OPTION_LONG)
            snprintf(left, sizeof left, "-%c, --%s%s%s", o->code, o->name, o->arg ? " " : "",
                o->arg ? o->arg : "");
        else
            snprintf(left, sizeof left, "    --%s%s%s", o->name, o->arg ? " " : "",
                o->arg ? o->arg : "");
        printf("  %-25s %s\n", left, o->help);
    }
    if (program->more)
        print_more(program->more);
}

int option_number(const char *name, const char *text, long long low, long long high,
    long long *value, struct fault *why)
{
    char *end;

    errno = 0;
    *value = strtoll(text, &end, 10);
    if (errno || end == text || *end || *value < low || *value > high)
        return fault_set(why, EX_USAGE, "--%s %s: must be a whole number from %lld to %lld", name,
            text, low, high);
    return 0;
}

/* A number and the unit after it. */
static int scaled(const char *name, const char *text, const char *const units[],
    const long long factors[], const char *example, long long *value, struct fault *why)
{
    char *end;

    errno = 0;
    *value = strtoll(text, &end, 10);
    for (int i = 0; units[i] && !errno && end != text && *value >= 0; i++)
        if (strcmp(end, units[i]) == 0 && *value <= (1ll << 53) / factors[i]) {
            *value *= factors[i];
            return 0;
        }
    return fault_set(
        why, EX_USAGE, "--%s %s: not understood; write it like %s", name, text, example);
}

int option_duration(const char *name, const char *text, long long *ms, struct fault *why)
{
    static const char *const units[] = {"", "ms", "s", "m", "h", "d", NULL};
    static const long long factors[] = {1000, 1, 1000, 60000, 3600000, 86400000};

    return scaled(name, text, units, factors, "500ms, 60s, 5m, 2h or 1d", ms, why);
}

int option_size(const char *name, const char *text, long long low, long long high, long long *bytes,
    struct fault *why)
{
    static const char *const units[] = {"", "k", "K", "M", "G", NULL};
    static const long long factors[] = {1, 1024, 1024, 1048576, 1073741824};

    if (scaled(name, text, units, factors, "65536, 64k, 8M or 1G", bytes, why) < 0)
        return -1;
    if (*bytes < low || *bytes > high)
        return fault_set(
            why, EX_USAGE, "--%s %s: must be from %lld to %lld bytes", name, text, low, high);
    return 0;
}

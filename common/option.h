/* SPDX-License-Identifier: MIT */
/*
 * Options: each program has one table, from which come getopt_long's arguments, --help and the test
 * that holds the manual against it.  A letter means the same in all four programs.
 */
#ifndef TS_OPTION_H
#define TS_OPTION_H

#include <stdio.h>

#include "fault.h"

#define OPTION_LONG 256 /* first code of an option without a letter */

struct option_spec {
    int code;         /* its letter, or a number from OPTION_LONG on; 0 ends the table */
    const char *name; /* long form, without dashes */
    const char *arg;  /* what its argument is called; NULL: takes none */
    const char *help; /* one line, at most 52 characters */
};

struct program {
    const char *name;
    const char *synopsis; /* lines of "[-f format] … [source …]", separated by '\n' */
    const char *summary;  /* one sentence */
    const struct option_spec *options;
    const char *more;                 /* printed after the options; may be NULL */
    void (*print_version)(FILE *out); /* further lines of --version; may be NULL */
};

/* In every table: these two rows are handled by option_next itself. */
#define OPTION_HELP                                                                                \
    {'h', "help", NULL, "this text"},                                                              \
    {                                                                                              \
        'V', "version", NULL, "print the version"                                                  \
    }

struct option_value {
    int code;
    const char *arg; /* argv's own text */
};

/* The next option: 1; 0 when there are none left (operands start at *first); -1 usage fault (64);
   -h and -V print to standard output and give 2: exit 0. */
int option_next(const struct program *program, int argc, char **argv, struct option_value *value,
    int *first, struct fault *why);

void option_help(const struct program *program);

/* Whole decimal number in [low, high], or a fault that names the option. */
int option_number(const char *name, const char *text, long long low, long long high,
    long long *value, struct fault *why);

/* A time such as 500ms, 60, 60s, 5m, 2h, 1d: in milliseconds; a plain number is seconds. */
int option_duration(const char *name, const char *text, long long *ms, struct fault *why);

/* A size such as 65536, 64k, 8M, 1G (1024-based): in bytes. */
int option_size(const char *name, const char *text, long long low, long long high, long long *bytes,
    struct fault *why);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * ts-spool audit --against FILE: what a device holds, beside what the store has of it.  FILE has
 * the lines of ts-read --count, compared by device and day, or events, each looked up by its id.
 */
#ifndef TS_SPOOL_AGAINST_H
#define TS_SPOOL_AGAINST_H

#include "line.h"
#include "store.h"

enum against_form { AGAINST_TABLE, AGAINST_JSON, AGAINST_CSV };

struct against {
    const char *path;         /* "-": standard input */
    const struct audit *only; /* device, since and until; row and arg mean nothing */
    enum against_form form;
    struct line_writer *out;
};

/* Prints the days of which something is missing or not in, and in a last line whether all is.
   Exit status, or -1: the file cannot be read, or holds neither (65), or nothing (66). */
int against_run(const struct against *a, struct store *s, struct fault *why);

#endif

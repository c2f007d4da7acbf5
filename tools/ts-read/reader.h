/* SPDX-License-Identifier: MIT */
/*
 * The one loop: runs the sources, moves events and receipts, waits when there is nothing to do
 * (after passing on all that is done), saves the checkpoint, and ends in order.
 */
#ifndef TS_READER_H
#define TS_READER_H

#include "source.h"

struct reader_config {
    const struct source_env *env;
    char **operand;
    size_t operands;
    bool progress; /* --progress, and standard error is a terminal */
};

/* How it ended, as far as it is no fault. */
struct reader_result {
    int status;        /* 0, or that of the first source that could not be read to its end */
    uint64_t unstored; /* events without a final receipt that nobody sends again */
    bool cut_short;    /* the command ended before the sources did */
};

/* 0, or -1 and *why: the output failed, or a source that cannot be left out. */
int reader_run(const struct reader_config *config, struct reader_result *result, struct fault *why);

#endif

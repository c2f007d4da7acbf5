/* SPDX-License-Identifier: MIT */
/*
 * Events into files, for receivers that import them: file:///folder/%Y-%m-%d.csv or .ndjson.
 * ts-profiles(7), FILES, says what it promises.  A loop of its own: nothing here waits for a
 * network.
 */
#ifndef TS_SEND_FILE_SINK_H
#define TS_SEND_FILE_SINK_H

#include "fault.h"

struct file_sink_config {
    const char *url;
    const char *const *option; /* "key=value", as -o gives them */
    unsigned options;
    bool dry; /* print the rows, write nothing; what the files have already is not looked up */
};

bool file_sink_is(const char *url);

/* Runs to the end of the input or to an orderly end: the exit status, or -1 and *why. */
int file_sink_run(const struct file_sink_config *config, struct fault *why);

/* --check: whether the folder takes files, and how much; a line each (finding.h).  Changes nothing.
   The exit status, or -1 and *why. */
int file_sink_check(const struct file_sink_config *config, struct fault *why);

#endif

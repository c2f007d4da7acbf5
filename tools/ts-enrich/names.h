/* SPDX-License-Identifier: MIT */
/* A list of field names from the command line: "name,card_no". */
#ifndef TS_ENRICH_NAMES_H
#define TS_ENRICH_NAMES_H

#include "fault.h"
#include "slice.h"

#define NAMES_MAX 64

struct names {
    struct slice name[NAMES_MAX]; /* of the text that was given */
    unsigned count;
};

/* Adds the names of a comma-separated list; the text must outlive the list, and `option` is what
   the fault calls it.  -1: empty name, or too many. */
int names_add(struct names *names, const char *option, const char *text, struct fault *why);

bool names_have(const struct names *names, struct slice name);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * jq programs in the process, through libjq: compiled once, run on one value after the other.
 */
#ifndef TS_SCRIPT_H
#define TS_SCRIPT_H

#include "fault.h"
#include "value.h"

struct script;

/* What is compiled as one program, each part on lines of its own: with jq 1.6 that takes 20 to 50
   ms, nearly all of it for jq's own library.  There are no modules and no inputs, and halt is an
   error. */
struct script_text {
    const char *name;     /* what messages call it: "profile frappe-hr" */
    struct slice before;  /* whole lines, not counted in messages; may be empty */
    struct slice program; /* the user's */
    struct slice after;   /* may be empty */
};

/* NULL and *why: what is wrong, with its line in the program. */
struct script *script_new(const struct script_text *text, struct fault *why);
void script_free(struct script *s); /* NULL is fine */

/* Begins anew with this input; takes it. */
void script_start(struct script *s, struct value input);

/* What the program gives next; *out is the caller's. */
enum script_got {
    SCRIPT_VALUE,
    SCRIPT_END,   /* nothing more; *out is null */
    SCRIPT_ERROR, /* *out is what it says: a string, which may hold parts of the input */
};
enum script_got script_next(struct script *s, struct value *out);

/* Further outputs are not wanted: lets go of what they hold. */
void script_stop(struct script *s);

#endif

/* SPDX-License-Identifier: MIT */
/* The functions of a profile that is a jq program, compiled together and called by number. */
#ifndef TS_SEND_FUNCTIONS_H
#define TS_SEND_FUNCTIONS_H

#include "script.h"

/* What a program may define, in the order of script_names. */
enum script_function {
    SCRIPT_ABOUT,
    SCRIPT_DEFAULTS,
    SCRIPT_LOGIN,
    SCRIPT_SESSION,
    SCRIPT_REQUEST,
    SCRIPT_VERDICT,
    SCRIPT_CHECK,
    SCRIPT_WATERMARK,
    SCRIPT_FUNCTIONS,
};
extern const char *const script_names[SCRIPT_FUNCTIONS];

struct functions;

/* Compiles the prelude and the program, once for all functions.  `name` is the profile's, for
   messages.  NULL and *why. */
struct functions *functions_new(
    const char *name, struct slice prelude, struct slice program, struct fault *why);
void functions_free(struct functions *s);

/* The first output of a function, null when there is none; takes input.  -1 and *why when it ends
   in an error. */
int functions_call(struct functions *s, enum script_function f, struct value input,
    struct value *out, struct fault *why);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * All functions of a program are compiled together, behind one dispatch on a number: jq's own
 * library takes nearly all the time of a compilation, and a call through the dispatch costs about a
 * microsecond.
 */
#include "functions.h"

#include <stdlib.h>

struct functions {
    struct script *script;
    char *name; /* "profile NAME" */
};

const char *const script_names[SCRIPT_FUNCTIONS] = {
    [SCRIPT_ABOUT] = "about",
    [SCRIPT_DEFAULTS] = "defaults",
    [SCRIPT_LOGIN] = "login",
    [SCRIPT_SESSION] = "session",
    [SCRIPT_REQUEST] = "request",
    [SCRIPT_VERDICT] = "verdict",
    [SCRIPT_CHECK] = "check",
    [SCRIPT_WATERMARK] = "watermark",
};

static void print_dispatch(struct buf *text)
{
    buf_lit(text, ".[0] as $f | .[1] | ");
    /* The two that are called for every request stand first. */
    buf_printf(text, "if $f == %d then request elif $f == %d then verdict", SCRIPT_REQUEST,
        SCRIPT_VERDICT);
    for (int f = 0; f < SCRIPT_FUNCTIONS; f++)
        buf_printf(text, " elif $f == %d then %s", f, script_names[f]);
    buf_text(text, " else null end");
}

struct functions *functions_new(
    const char *name, struct slice prelude, struct slice program, struct fault *why)
{
    struct functions *s = mem_alloc(sizeof *s);
    struct buf dispatch = {0}, full = {0};

    buf_printf(&full, "profile %s%c", name, 0);
    s->name = full.data;
    print_dispatch(&dispatch);
    s->script = script_new(
        &(struct script_text){
            .name = s->name, .before = prelude, .program = program, .after = buf_all(&dispatch)},
        why);
    buf_free(&dispatch);
    if (s->script)
        return s;
    functions_free(s);
    return NULL;
}

void functions_free(struct functions *s)
{
    if (!s)
        return;
    script_free(s->script);
    free(s->name);
    free(s);
}

int functions_call(struct functions *s, enum script_function f, struct value input,
    struct value *out, struct fault *why)
{
    struct value both = value_array();
    enum script_got got;
    int rc = 0;

    value_push(&both, value_number(f));
    value_push(&both, input);
    script_start(s->script, both);
    got = script_next(s->script, out);
    if (got == SCRIPT_ERROR) {
        rc = fault_set(
            why, EX_CONFIG, "%s: %s: %.200s", s->name, script_names[f], value_text(*out).p);
        value_free(*out);
        *out = value_null();
    }
    script_stop(s->script);
    return rc;
}

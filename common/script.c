/* SPDX-License-Identifier: MIT */
/* Compiling and running by libjq. */
#include "script.h"

#include <stdio.h>
#include <stdlib.h>

#include "libjq.h"

struct script {
    jq_state *jq;
    char *name;
    int lines_before;
    char said[200]; /* the first message of a compilation */
};

/* A message of libjq, which may be any value. */
static jv text_of(jv message)
{
    return jv_get_kind(message) == JV_KIND_STRING ? message : jv_dump_string(message, 0);
}

/* What libjq would print on standard error. */
static void on_message(void *arg, jv message)
{
    struct script *s = arg;

    message = text_of(message);
    if (!s->said[0])
        snprintf(s->said, sizeof s->said, "%s", jv_string_value(message));
    jv_free(message);
}

/* libjq counts lines from the first one: those of the program are wanted. */
static void name_compile_error(const struct script *s, struct fault *why)
{
    const char *text = s->said, *at = strstr(text, ", line "), *end;
    int line;

    if (strncmp(text, "jq: error: ", 11) == 0)
        text += 11;
    line = at ? (int)strtol(at + 7, NULL, 10) - s->lines_before : 0;
    if (line > 0) {
        end = strstr(text, " (Unix shell quoting issues?)");
        end = end && end < at ? end : at;
        end = strstr(text, " at <top-level>") && strstr(text, " at <top-level>") < end
                  ? strstr(text, " at <top-level>")
                  : end;
        fault_set(why, EX_CONFIG, "%s, line %d: %.*s", s->name, line, (int)(end - text), text);
    } else {
        fault_set(why, EX_CONFIG, "%s: %.*s", s->name, (int)strcspn(text, "\n"), text);
    }
}

/* libjq 1.6 frees what halt_error says once more with each input that follows, calls what was never
   set for further inputs and for debug, and asserts that jq itself reads the input where somebody
   asks for its name.  And what stderr would print is data. */
static const struct slice mended =
    SLICE("def halt: error(\"halt\"); def halt_error: halt; def halt_error($code): halt; "
          "def input: error(\"no input\"); def inputs: empty; "
          "def input_filename: null; def input_line_number: null; "
          "def debug: .; def debug(message): .; def stderr: .;\n");

static void join(struct buf *text, struct script *s, const struct script_text *parts)
{
    buf_slice(text, mended);
    if (parts->before.n > 0) {
        buf_slice(text, parts->before);
        buf_char(text, '\n');
    }
    for (size_t i = 0; i < text->len; i++)
        s->lines_before += text->data[i] == '\n';
    buf_slice(text, parts->program);
    buf_char(text, '\n');
    buf_slice(text, parts->after);
    buf_char(text, '\0');
}

static bool compile(struct script *s, const struct buf *text)
{
    char *home = getenv("HOME");
    bool fine;

    /* libjq would put the user's ~/.jq before every program. */
    home = home ? mem_text(slice_of(home)) : NULL;
    unsetenv("HOME");
    fine = memchr(text->data, '\0', text->len - 1) == NULL && jq_compile(s->jq, text->data);
    if (home)
        setenv("HOME", home, 1);
    free(home);
    return fine;
}

struct script *script_new(const struct script_text *parts, struct fault *why)
{
    struct script *s;
    struct buf text = {0};
    bool fine;

    if (libjq_load(why) < 0)
        return NULL;
    s = mem_alloc(sizeof *s);
    memset(s, 0, sizeof *s);
    s->name = mem_text(slice_of(parts->name));
    s->jq = jq_init();
    if (!s->jq)
        abort(); /* only for want of memory */
    jq_set_error_cb(s->jq, on_message, s);
    join(&text, s, parts);
    fine = compile(s, &text);
    buf_free(&text);
    if (fine)
        return s;
    name_compile_error(s, why);
    script_free(s);
    return NULL;
}

void script_free(struct script *s)
{
    if (!s)
        return;
    jq_teardown(&s->jq);
    free(s->name);
    free(s);
}

void script_start(struct script *s, struct value input)
{
    jq_start(s->jq, jv_of(input), 0);
}

enum script_got script_next(struct script *s, struct value *out)
{
    jv got = jq_next(s->jq);

    if (jv_is_valid(got)) {
        *out = value_of(got);
        return SCRIPT_VALUE;
    }
    if (jv_invalid_has_msg(jv_copy(got))) {
        *out = value_of(text_of(jv_invalid_get_msg(got)));
        return SCRIPT_ERROR;
    }
    jv_free(got);
    *out = value_null();
    return SCRIPT_END;
}

void script_stop(struct script *s)
{
    jq_start(s->jq, jv_null(), 0);
}

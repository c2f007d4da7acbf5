/* SPDX-License-Identifier: MIT */
/*
 * Any event through rules that let it be, that change fields, and that rebuild it: an event comes
 * out, or a reason in plain words; what a rule did not touch has its bytes; delivery's fields too.
 */
#include "rules.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum rule { AS_IS, REBUILT, CHANGED, INSIDE, RULES };

static const char *const programs[RULES] = {
    [AS_IS] = ". as $e | $e",
    [REBUILT] = "with_entries(.)",
    [CHANGED] = ".kind = \"x\" | .a = 1 | .ack = \"stolen\" | del(.raw) | .event_id = .time",
    [INSIDE] = "map_values(if type == \"object\" then . + {inside: true} else . end)",
};

static void check(bool fine)
{
    if (!fine)
        abort();
}

static struct rules *all[RULES];

/* libjq points behind its stack, not at it: a checker of leaks would take it for lost. */
static void free_all(void)
{
    for (int i = 0; i < RULES; i++)
        rules_free(all[i]);
}

static struct rules *rules(enum rule n)
{
    static bool begun;
    struct fault why;

    if (!begun)
        begun = atexit(free_all) == 0;
    if (!all[n]) {
        all[n] = rules_new();
        check(rules_add(all[n], "rule", slice_of(programs[n]), &why) == 0);
    }
    return all[n];
}

static struct slice bytes_of(const struct event *e, unsigned i)
{
    return (struct slice){e->line.p + e->member[i].start, e->member[i].end - e->member[i].start};
}

/* Whether any member of that name is one: they change together. */
static bool is_object(const struct event *e, yyjson_val *name)
{
    yyjson_val *key, *value;
    size_t i, max;

    yyjson_obj_foreach(e->root, i, max, key, value)
    {
        if (yyjson_is_obj(value) &&
            yyjson_equals_strn(key, yyjson_get_str(name), yyjson_get_len(name)))
            return true;
    }
    return false;
}

/* The members of the event that a rule leaves alone are in what came out, in their order. */
static void check_kept(const struct event *e, const struct event *out, enum rule n)
{
    yyjson_val *key, *value;
    size_t i, max;
    unsigned at = 0;

    yyjson_obj_foreach(e->root, i, max, key, value)
    {
        enum event_field f = e->member[i].field;

        if (n == CHANGED && (f == EV_KIND || f == EV_RAW || yyjson_equals_str(key, "a")))
            continue;
        if (n == INSIDE && is_object(e, key))
            continue;
        while (at < out->count && !slice_eq(bytes_of(e, (unsigned)i), bytes_of(out, at)))
            at++;
        check(at++ < out->count);
    }
}

static void check_rule(const struct event *e, enum rule n)
{
    static struct event_reader *reader;
    struct event out;
    struct fault why;
    struct buf line = {0};
    const char *error = rules_apply(rules(n), e, &line);

    if (!reader)
        reader = event_reader_new();
    if (error) {
        check(rules_error(slice_of(error)) && line.len == 0);
        for (const char *p = error; *p; p++)
            check(*p >= ' ' && *p <= '~');
    } else {
        check(event_read(reader, buf_all(&line), &out, &why) == 0);
        check(n != AS_IS || slice_eq(buf_all(&line), e->line));
        check(slice_eq(event_json(&out, EV_EVENT_ID), event_json(e, EV_EVENT_ID)));
        check(slice_eq(event_json(&out, EV_ACK), event_json(e, EV_ACK)));
        check_kept(e, &out, n);
    }
    check(n != AS_IS || !error);
    buf_free(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct event_reader *reader;
    struct slice line = {(const char *)data, size};
    struct event e;
    struct fault why;

    if (!reader)
        reader = event_reader_new();
    for (int n = 0; n < RULES; n++)
        if (event_read(reader, line, &e, &why) == 0)
            check_rule(&e, (enum rule)n);
    return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * The event passes through with its own bytes; of an envelope its `data` does, completed by `time`
 * and, where it is a UUID, by `id`; the envelope itself stays as `raw`.
 */
#include "object.h"

#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "identity.h"

struct object_reader {
    struct event_reader *outer, *inner; /* inner: made for the first envelope */
    struct decoded out;
    char id[IDENTITY_TEXT];
    char error[sizeof((struct fault *)0)->text];
};

static void *take_memory(void *none, size_t n)
{
    (void)none;
    return mem_alloc(n);
}

static void *resize_memory(void *none, void *p, size_t before, size_t n)
{
    (void)none;
    (void)before;
    return mem_resize(p, n);
}

static void free_memory(void *none, void *p)
{
    (void)none;
    free(p);
}

const yyjson_alc object_memory = {take_memory, resize_memory, free_memory, NULL};

void object_close(void *state)
{
    struct object_state *s = state;

    if (!s)
        return;
    damage_free(&s->damage);
    event_reader_free(s->reader->outer);
    event_reader_free(s->reader->inner);
    free(s->reader);
    free(s);
}

void *object_open(const struct format_options *options, const char *format, struct fault *why)
{
    static const char *const none[] = {NULL};
    struct object_state *s;

    if (format_options_check(options, format, none, why) < 0)
        return NULL;
    s = mem_alloc(sizeof *s);
    *s = (struct object_state){.damage.longest = options->longest};
    s->reader = mem_alloc(sizeof *s->reader);
    s->reader->outer = event_reader_new();
    s->reader->inner = NULL;
    return s;
}

/* The bytes of a member that is none of our fields; SLICE_NONE when absent. */
static struct slice unknown_member(const struct event *e, const char *quoted_key)
{
    size_t n = strlen(quoted_key);

    for (unsigned i = 0; i < e->count; i++) {
        const struct event_member *m = &e->member[i];

        if (m->field == EVENT_FIELDS && m->end - m->start > n &&
            memcmp(e->line.p + m->start, quoted_key, n) == 0)
            return (struct slice){e->line.p + m->value, m->end - m->value};
    }
    return SLICE_NONE;
}

/* `error` of null or false says that there is none, and must not look like one further on. */
static bool is_no_error(const struct event *e)
{
    yyjson_val *v = e->field[EV_ERROR];

    return v && (yyjson_is_null(v) || yyjson_is_false(v));
}

/* An event without a time cannot be told from another; one that carries an error is told by that.
 */
static const char *check_time(const struct event *e, const struct draft *d)
{
    static const enum event_field fields[] = {EV_LOCAL_TIME, EV_TIME};
    bool found = (d->set & EVENT_BIT(EV_TIME)) != 0;
    struct clock_time t;

    if (event_has(e, EV_ERROR) && !is_no_error(e))
        return NULL;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        struct slice text = event_str(e, fields[i]);

        if (text.n == 0)
            continue;
        if (!clock_parse(text, &t))
            return "not a time";
        found = true;
    }
    return found ? NULL : "no time";
}

/* Reads the `data` of an envelope; NULL, or why it is no event. */
static const char *open_envelope(
    struct object_reader *r, const struct event *envelope, struct event *event, struct fault *why)
{
    struct slice data = unknown_member(envelope, "\"data\""), id;
    struct slice time = event_str(envelope, EV_TIME);
    struct draft *d = &r->out.draft;
    struct identity uuid;
    struct clock_time t;

    if (!data.p)
        return "CloudEvent without data";
    if (!r->inner)
        r->inner = event_reader_new();
    if (event_read(r->inner, data, event, why) < 0)
        return why->text;
    if (time.n > 0 && !event_has(event, EV_TIME) && !event_has(event, EV_LOCAL_TIME) &&
        clock_parse(time, &t))
        draft_str(d, EV_TIME, time);
    id = unknown_member(envelope, "\"id\"");
    if (id.n > 2 && !event_has(event, EV_EVENT_ID)) {
        id.p++;
        id.n -= 2;
        if (identity_parse(id, &uuid)) {
            identity_print(&uuid, r->id);
            draft_str(d, EV_EVENT_ID, slice_of(r->id));
        }
    }
    if (!event_has(event, EV_RAW) && !event_has(event, EV_RAW_BASE64))
        draft_json(d, EV_RAW, envelope->line);
    return NULL;
}

void object_emit(
    struct object_state *s, struct slice json, bool torn, bool part, const struct emitter *out)
{
    struct object_reader *r = s->reader;
    struct event outer, event;
    struct fault why;
    const char *error = NULL;

    r->out = (struct decoded){.no_raw = true};
    if (event_read(r->outer, json, &outer, &why) < 0)
        error = torn ? "torn last line" : why.text;
    else if (unknown_member(&outer, "\"specversion\"").p)
        error = open_envelope(r, &outer, &event, &why);
    else
        event = outer;
    if (!error)
        error = check_time(&event, &r->out.draft);
    if (!error) {
        if (is_no_error(&event))
            draft_remove(&r->out.draft, EV_ERROR);
        r->out.base = &event;
    } else {
        draft_reset(&r->out.draft);
        r->out.no_raw = false;
        snprintf(r->error, sizeof r->error, "%s", error);
        r->out.error = r->error;
        if (part)
            draft_str(&r->out.draft, EV_RAW, json);
    }
    out->emit(out->arg, &r->out);
}

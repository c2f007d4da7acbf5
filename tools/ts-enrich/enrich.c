/* SPDX-License-Identifier: MIT */
/* The table of steps, and the one path that every line takes through it. */
#include "enrich.h"

#include <stdlib.h>

static const struct {
    step *run;
    bool always; /* for records with `error` too */
} steps[] = {
    {step_registry, false},
    {step_identity, true},
    {step_when, false},
    {step_card, false},
    {step_person, false},
    {step_direction, false},
    {step_passage, false},
    {step_snapshot, false},
    {step_skew, false},
    {step_hold, false},
    {step_pseudonymize, true},
    {step_redact, true},
    {step_drop, true},
};

void context_init(struct context *c)
{
    *c = (struct context){.settings = {.max_skew_ms = -1, .window_s = -1}};
    c->drift = drift_new();
    c->reader = event_reader_new();
    c->hr_reader = event_reader_new();
}

void context_free(struct context *c)
{
    drift_free(c->drift);
    event_reader_free(c->reader);
    event_reader_free(c->hr_reader);
    buf_free(&c->bad);
    buf_free(&c->hr);
    buf_free(&c->decoded);
}

void context_use(struct context *c, const struct site *site, const struct roster *roster)
{
    c->site = site;
    c->roster = roster;
    c->last_known = false;
}

void context_read(struct context *c, const struct event *e)
{
    c->card = event_str(e, EV_CARD_NO);
    c->local = event_str(e, EV_LOCAL_TIME);
    c->has_clock = c->local.p && clock_parse(c->local, &c->clock) && c->clock.whole_bytes > 0;
    c->has_received = event_has(e, EV_RECEIVED_AT);
    if (c->has_received) {
        struct slice received = event_str(e, EV_RECEIVED_AT);
        struct clock_time t;

        c->has_received = received.p && clock_parse(received, &t) && t.has_offset;
        c->received_ms = c->has_received ? clock_instant_ms(&t) : 0;
    }
}

static void enrich_event(struct context *c, const struct event *e, struct buf *out)
{
    struct draft d;

    draft_reset(&d);
    context_read(c, e);
    c->device = NULL;
    c->device_id = SLICE_NONE;
    c->resolved = false;
    c->clock_unset = false;
    c->hold = HOLD_NONE;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (steps[i].always || !(event_has(e, EV_ERROR) || d.set & EVENT_BIT(EV_ERROR)))
            steps[i].run(e, c, &d);
    c->not_understood += (d.set & EVENT_BIT(EV_ERROR)) != 0;
    event_write(out, e, &d);
    buf_char(out, '\n');
}

/* The record of a line that is no event; it takes the same way as one that ts-read marked. */
static void read_bad(struct context *c, struct slice line, const char *error, struct event *e)
{
    struct fault why;

    c->not_understood++;
    c->bad.len = 0;
    event_print_bad(&c->bad, line, error, c->settings.hash);
    if (event_read(c->reader, buf_all(&c->bad), e, &why) < 0)
        abort();
}

void enrich_line(struct context *c, struct slice line, const char *bad, struct buf *out)
{
    struct event e;
    struct fault why;

    c->lines++;
    if (bad) {
        read_bad(c, line, bad, &e);
    } else if (event_read(c->reader, line, &e, &why) < 0) {
        char *place = strstr(why.text, " at byte ");

        /* Without the place: the same text for the same cause, so that reasons can be counted. */
        if (place)
            *place = '\0';
        read_bad(c, line, why.text, &e);
    }
    enrich_event(c, &e, out);
}

bool enrich_whole(struct context *c, struct slice line)
{
    struct event e;
    struct fault why;

    return event_read(c->reader, line, &e, &why) == 0;
}

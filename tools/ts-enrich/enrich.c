/* SPDX-License-Identifier: MIT */
/* The table of steps, and the one path that every line takes through it. */
#include "enrich.h"

#include <stdlib.h>

#include "json.h"

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
    *c = (struct context){
        .settings = {
            .max_skew_ms = -1, .window_s = -1, .pictures = {.folder = -1, .bytes_max = 2u << 20}}};
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
    buf_free(&c->unruled);
    buf_free(&c->hr);
    buf_free(&c->decoded);
    buf_free(&c->picture);
}

void context_use(struct context *c, const struct site *site, const struct roster *roster)
{
    c->site = site;
    c->roster = roster;
    c->last_known = false;
    c->ahead.count = 0;
    if (c->settings.rules)
        rules_site(c->settings.rules, site_json(site));
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

/* Whether it will have one, as far as the steps have come. */
static bool has_error(const struct event *e, const struct draft *d)
{
    return (event_has(e, EV_ERROR) && !(d->gone & EVENT_BIT(EV_ERROR))) ||
           d->set & EVENT_BIT(EV_ERROR);
}

/* The event as the rules leave it; or, where they fail, as it was, with `error`.  `again`: they did
   in an earlier run. */
static void write_ruled(
    struct context *c, const struct event *e, const struct draft *d, bool again, struct buf *out)
{
    struct slice text;
    struct event whole;
    struct fault why;
    const char *error;

    c->unruled.len = c->decoded.len = 0;
    event_write(&c->unruled, e, d);
    if (again)
        buf_slice(&c->decoded, event_str(e, EV_ERROR));
    text = buf_all(&c->unruled);
    /* By the same reader, in the same memory: e is not needed any more. */
    if (event_read(c->reader, text, &whole, &why) < 0)
        error = RULES_ERROR "the event has too many values";
    else
        error = rules_apply(c->settings.rules, &whole, out);
    if (!error)
        return;
    c->rules_failed += !slice_is(buf_all(&c->decoded), error);
    buf_add(out, text.p, text.n - 1);
    buf_lit(out, ",\"error\":");
    json_str(out, slice_of(error));
    buf_char(out, '}');
}

static void enrich_event(struct context *c, const struct event *e, struct buf *out)
{
    struct draft d;
    bool again;

    draft_reset(&d);
    context_read(c, e);
    c->device = NULL;
    c->device_id = SLICE_NONE;
    c->resolved = false;
    c->clock_unset = false;
    c->hold = HOLD_NONE;
    again = c->settings.rules && rules_error(event_str(e, EV_ERROR));
    if (again)
        draft_remove(&d, EV_ERROR);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (steps[i].always || !has_error(e, &d))
            steps[i].run(e, c, &d);
    c->not_understood += (d.set & EVENT_BIT(EV_ERROR)) != 0;
    if (c->settings.rules && !has_error(e, &d))
        write_ruled(c, e, &d, again, out);
    else
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

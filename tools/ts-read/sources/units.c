/* SPDX-License-Identifier: MIT */
/* A list in the order of pulling; it is let go of from its beginning. */
#include "units.h"

#include <stdio.h>
#include <stdlib.h>

#include "checkpoint.h"

#define UNITS_MAX 128u

struct unit {
    struct unit *next;
    struct units *of;
    struct stream *stream; /* NULL: all of it was handed over */
    struct track *track;
    char *cursor;
    bool ended; /* no more will be fed */
    bool done;  /* all its events have their final receipts */
};

static void unit_free(struct units *u, struct unit *x)
{
    stream_close(x->stream);
    sink_leave(u->env->sink, x->track);
    free(x->cursor);
    free(x);
}

void units_free(struct units *u)
{
    struct unit *next;

    for (struct unit *x = u->first; x; x = next) {
        next = x->next;
        unit_free(u, x);
    }
    u->first = u->last = NULL;
}

bool units_full(const struct units *u)
{
    return u->count >= UNITS_MAX;
}

void units_begin(struct units *u, enum stream_kind kind)
{
    struct unit *x = mem_alloc(sizeof *x);
    struct stream_config config = {.kind = kind,
        .origin = u->origin,
        .device = u->device,
        .certain_device = u->certain,
        .format = u->format,
        .certain_format = true,
        .options = u->options};

    *x = (struct unit){.of = u};
    x->track = track_new(u->env->follow ? TRACK_REPEAT : TRACK_REPORT, u->number, x);
    config.track = x->track;
    x->stream = stream_open(u->env->pump, &config);
    if (u->last)
        u->last->next = x;
    else
        u->first = x;
    u->last = x;
    u->count++;
}

void units_add(struct units *u, struct slice bytes)
{
    memcpy(stream_room(u->last->stream, bytes.n), bytes.p, bytes.n);
    stream_added(u->last->stream, bytes.n);
}

void units_end(struct units *u, const char *cursor)
{
    stream_end(u->last->stream);
    u->last->ended = true;
    u->last->cursor = cursor ? mem_text(slice_of(cursor)) : NULL;
}

/* As the parts of a stream of its own. */
void units_add_item(
    struct units *u, struct slice text, const struct slice *picture, unsigned pictures)
{
    char head[64];

    units_add(u, SLICE("--ts\r\n\r\n"));
    units_add(u, text);
    for (unsigned i = 0; i < pictures; i++) {
        int n = snprintf(head, sizeof head,
            "\r\n--ts\r\nContent-Type: image/jpeg\r\nContent-Length: %zu\r\n\r\n", picture[i].n);

        units_add(u, (struct slice){head, (size_t)n});
        units_add(u, picture[i]);
    }
    units_add(u, SLICE("\r\n--ts--\r\n"));
}

void units_add_recorded(struct units *u, const struct recording *r)
{
    units_add_item(u, r->text, r->picture, r->pictures);
}

/* The cursor moves over those that are done. */
static void move_cursor(struct units *u)
{
    while (u->first && u->first->done && u->first->ended) {
        struct unit *x = u->first;

        if (x->cursor && u->env->checkpoint)
            checkpoint_set_cursor(u->env->checkpoint, u->operand, x->cursor);
        u->first = x->next;
        if (!u->first)
            u->last = NULL;
        u->count--;
        unit_free(u, x);
    }
}

void units_reach(struct units *u, const char *cursor)
{
    if (u->last) {
        free(u->last->cursor);
        u->last->cursor = mem_text(slice_of(cursor));
    } else if (u->env->checkpoint) {
        checkpoint_set_cursor(u->env->checkpoint, u->operand, cursor);
    }
}

enum source_state units_run(struct units *u, struct fault *why)
{
    struct unit *x = u->first;

    while (x && (!x->stream || !x->ended))
        x = x->next;
    if (!x)
        return SOURCE_WAIT;
    switch (stream_run(x->stream, why)) {
    case STREAM_ERROR:
        return SOURCE_ERROR;
    case STREAM_FULL:
        return SOURCE_FULL;
    default:
        stream_close(x->stream);
        x->stream = NULL;
        return SOURCE_MORE;
    }
}

void units_commit(void *token, enum verdict verdict)
{
    struct unit *x = token;

    if (verdict == VERDICT_DONE)
        x->done = true;
    move_cursor(x->of);
}

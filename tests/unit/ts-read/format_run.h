/* SPDX-License-Identifier: MIT */
/*
 * Runs a format over bytes that come in pieces, for unit tests and fuzz targets.  Each event
 * becomes a line of `run.out`, as the pump would print it without what the transport adds; a record
 * that was not understood has its raw.
 */
#ifndef TS_TEST_FORMAT_RUN_H
#define TS_TEST_FORMAT_RUN_H

#include <stdlib.h>

#include "format.h"
#include "json.h"

struct format_run {
    struct buf out;
    struct slice record;
    unsigned events, errors;
    size_t waiting; /* most bytes that a record had to wait for */
};

static void format_run_emit(void *arg, const struct decoded *d)
{
    struct format_run *r = arg;
    struct draft draft = d->draft;
    uint64_t raw = EVENT_BIT(EV_RAW) | EVENT_BIT(EV_RAW_BASE64);
    struct buf base64 = {0};

    r->events++;
    if (d->error && !*d->error)
        abort();
    if (d->error) {
        r->errors++;
        draft_str(&draft, EV_ERROR, slice_of(d->error));
    }
    if (d->error && !(draft.set & raw)) {
        json_base64(&base64, r->record);
        draft_json(&draft, EV_RAW_BASE64, buf_all(&base64));
    }
    if (d->base)
        event_write(&r->out, d->base, &draft);
    else
        draft_print(&r->out, &draft);
    buf_char(&r->out, '\n');
    buf_free(&base64);
}

/* Hands the bytes over `piece` at a time, each time in memory of just that size.  False when the
 * options are wrong. */
static inline bool format_run(struct format_run *r, const struct format *format, struct slice in,
    size_t piece, const struct format_option *option, size_t options)
{
    struct format_options all = {.option = option, .count = options, .longest = 1 << 20};
    const struct emitter emitter = {.emit = format_run_emit, .arg = r};
    struct fault why;
    void *state = format->open(&all, &why);
    size_t from = 0, to = 0;

    *r = (struct format_run){0};
    if (!state)
        return false;
    while (from < in.n) {
        bool end = to == in.n;
        enum frame frame = FRAME_MORE;
        char *copy = mem_alloc(to - from);
        size_t used = 0;

        memcpy(copy, in.p + from, to - from);
        if (from < to)
            frame = format->frame(state, (struct slice){copy, to - from}, end, &used, &r->record);
        if (frame == FRAME_RECORD)
            format->decode(
                state, r->record, end && from + used == to && in.p[to - 1] != '\n', &emitter);
        free(copy);
        if (frame != FRAME_MORE && (used == 0 || used > to - from))
            abort(); /* would not go on, or beyond what there is */
        if (frame != FRAME_MORE)
            from += used;
        else if (end)
            break;
        else
            to = in.n - to < piece ? in.n : to + piece;
        if (frame == FRAME_MORE && to - from > r->waiting + piece)
            r->waiting = to - from - piece;
    }
    format->close(state);
    return true;
}

#endif

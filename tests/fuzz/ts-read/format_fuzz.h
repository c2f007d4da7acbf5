/* SPDX-License-Identifier: MIT */
/*
 * What must hold for every format and every input: it ends, each event prints as one JSON object
 * on one line, an error is not empty, and where the input was cut makes no difference.
 */
#ifndef TS_TEST_FORMAT_FUZZ_H
#define TS_TEST_FORMAT_FUZZ_H

#include <stdint.h>

#include "../../unit/ts-read/format_run.h"

struct format_fuzz_option {
    struct format_option option;
    size_t count; /* 0: none */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void format_fuzz_check(struct slice out, unsigned events)
{
    struct event_reader *reader = event_reader_new();
    struct slice line;
    struct event e;
    struct fault why;
    unsigned lines = 0;

    for (; format_head_line(&out, &line); lines++) {
        /* event_read bounds its memory; an event just below the bound may grow over it. */
        if (event_read(reader, line, &e, &why) < 0 && !strstr(why.text, "too many") &&
            !strstr(why.text, "more than"))
            abort();
    }
    if (lines != events)
        abort();
    event_reader_free(reader);
}

static inline void format_fuzz(const char *name, const struct format_fuzz_option *option,
    size_t options, const uint8_t *data, size_t size)
{
    const struct format *format = format_find(slice_of(name));
    struct format_run whole, cut;
    struct slice in;
    size_t pick, piece;

    if (size == 0)
        return;
    pick = data[0] % options;
    piece = (size_t)data[0] / options + 1;
    in = (struct slice){(const char *)data + 1, size - 1};
    if (!format_run(&whole, format, in, size, &option[pick].option, option[pick].count) ||
        !format_run(&cut, format, in, piece, &option[pick].option, option[pick].count))
        abort(); /* the options are right */
    if (!slice_eq(buf_all(&whole.out), buf_all(&cut.out)))
        abort();
    format_fuzz_check(buf_all(&whole.out), whole.events);
    format_sniff(in, true);
    format_sniff(in, false);
    buf_free(&whole.out);
    buf_free(&cut.out);
}

#endif

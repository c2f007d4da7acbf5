/* SPDX-License-Identifier: MIT */
/* Any bytes as a recorded stream whose pictures are kept: it ends, nothing is longer than allowed,
   and where it was cut makes no difference.  The first byte says how large the pieces are. */
#include "recording.h"

#include <stdlib.h>

#include "dahua_reply.h"
#include "hik_reply.h"

#define LONGEST 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool fine)
{
    if (!fine)
        abort();
}

static void add_item(struct buf *out, const struct recording *r, struct slice record)
{
    check(r->text.p == record.p && r->text.n <= record.n && r->pictures <= RECORDING_PICTURES);
    check(record.n <= LONGEST);
    buf_slice(out, r->text);
    for (unsigned i = 0; i < r->pictures; i++) {
        check(r->picture[i].p >= record.p &&
              r->picture[i].p + r->picture[i].n <= record.p + record.n);
        buf_lit(out, "\n+");
        buf_slice(out, r->picture[i]);
    }
    buf_printf(out, "\n%d%d\n", r->cut, r->late);
}

static void run(const struct recording_kind *kind, struct slice in, size_t piece, struct buf *out)
{
    struct format_options options = {.longest = LONGEST, .pictures = true};
    struct recording r;
    size_t from = 0, to = 0;

    recording_begin(&r, kind, &options);
    while (from < in.n) {
        struct slice part = {in.p + from, to - from}, record;
        size_t used = 0;
        enum frame got = recording_frame(&r, part, to == in.n, &used, &record);

        check(got == FRAME_MORE || (used > 0 && used <= part.n));
        check(got != FRAME_MORE || to < in.n || part.n == 0);
        if (got == FRAME_RECORD)
            add_item(out, &r, record);
        if (got == FRAME_MORE)
            to = in.n - to < piece ? in.n : to + piece;
        else
            from += used;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct recording_kind *kind;
    struct buf whole = {0}, cut = {0};
    struct slice in;

    if (size < 2)
        return 0;
    kind = data[0] & 1 ? &hikvision_items : &dahua_items;
    in = (struct slice){(const char *)data + 1, size - 1};
    run(kind, in, in.n, &whole);
    run(kind, in, (size_t)(data[0] >> 1) + 1, &cut);
    check(slice_eq(buf_all(&whole), buf_all(&cut)));
    buf_free(&whole);
    buf_free(&cut);
    return 0;
}

/* SPDX-License-Identifier: MIT */
/* Any bytes as the parts of a stream: reading ends, every body lies in its bytes, and the bodies
   are the same however the stream was cut.  The first byte says how large the pieces are, and what
   is done with each part. */
#include "multipart.h"

#include <stdlib.h>

#include "buf.h"

#define LIMIT 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool fine)
{
    if (!fine)
        abort();
}

/* Only whole parts are looked at: what there is of one depends on the cuts. */
static void run(struct slice in, size_t piece, struct buf *out)
{
    struct multipart m;
    size_t from = 0, to = 0;

    check(multipart_begin(&m, SLICE("X"), LIMIT));
    while (from < in.n) {
        struct slice have = {in.p + from, to - from};
        struct part part = {0};
        size_t used = 0;
        enum multipart_got got = multipart_next(&m, have, to == in.n, &used, &part);

        if (got == MULTIPART_PART) {
            check(part.body.p >= have.p && part.body.p + part.body.n <= have.p + have.n);
            buf_printf(out, "%d%d ", part.kind, part.cut);
            buf_slice(out, part.body);
            buf_char(out, '\n');
            multipart_took(&m, have, &part, part.body.n, true, &used);
        }
        if (got == MULTIPART_MORE || got == MULTIPART_OPEN) {
            if (to == in.n)
                break;
            to = in.n - to < piece ? in.n : to + piece;
            continue;
        }
        check(used <= have.n && (used > 0 || got == MULTIPART_PART));
        from += used;
        if (used == 0)
            break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole = {0}, cut = {0};
    struct slice in;

    if (size < 2)
        return 0;
    in = (struct slice){(const char *)data + 1, size - 1};
    run(in, in.n, &whole);
    run(in, (size_t)data[0] + 1, &cut);
    check(slice_eq(buf_all(&whole), buf_all(&cut)));
    buf_free(&whole);
    buf_free(&cut);
    multipart_boundary(in);
    return 0;
}

/* SPDX-License-Identifier: MIT */
/* Any bytes as a receipt: refused with a reason, or taken; what was taken is printed and read again
   as the same. */
#include "receipt.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool fine)
{
    if (!fine)
        abort();
}

static void same(const struct receipt *a, const struct receipt *b)
{
    check(a->outcome == b->outcome && a->ambiguous == b->ambiguous);
    check(slice_eq(a->ack, b->ack) && slice_eq(a->event_id, b->event_id));
    check(slice_eq(a->error, b->error) && slice_eq(a->location, b->location));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct event_reader *first = event_reader_new(), *second = event_reader_new();
    struct receipt r, again;
    struct fault why = {0};
    struct buf out = {0};

    if (receipt_parse(first, (struct slice){(const char *)data, size}, &r, &why) < 0) {
        check(why.status == EX_DATAERR && why.text[0]);
    } else {
        receipt_print(&out, &r);
        check(out.len > 0 && out.data[out.len - 1] == '\n');
        check(receipt_parse(second, (struct slice){out.data, out.len - 1}, &again, &why) == 0);
        same(&r, &again);
    }
    buf_free(&out);
    event_reader_free(first);
    event_reader_free(second);
    return 0;
}

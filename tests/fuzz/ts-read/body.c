/* SPDX-License-Identifier: MIT */
/* Any bytes as a body: in one piece or byte by byte it comes out alike and never too long, and as a
   packed one it is unpacked or refused.  The first byte says how its length is told. */
#include "body.h"

#include <stdint.h>
#include <stdlib.h>

#define LONGEST 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool fine)
{
    if (!fine)
        abort();
}

/* Reads in pieces of so many bytes; gives the verdict, and what followed the body in *rest. */
static int read_body(
    const struct head *head, struct slice in, size_t piece, struct buf *out, size_t *rest)
{
    struct body b;
    int rc = BODY_MORE;

    body_begin(&b, head, LONGEST);
    while (rc == BODY_MORE && in.n > 0) {
        struct slice part = {in.p, in.n < piece ? in.n : piece};
        size_t before = part.n;

        rc = body_take(&b, &part, out);
        check(part.n == 0 || rc != BODY_MORE);
        in.p += before - part.n;
        in.n -= before - part.n;
    }
    *rest = in.n;
    check(out->len <= LONGEST);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in;
    struct buf whole = {0}, part = {0}, unpacked = {0};
    struct head head = {0};
    size_t rest = 0, rest_part = 0;
    int rc;

    if (size < 2)
        return 0;
    in = (struct slice){(const char *)data + 1, size - 1};
    head.chunked = data[0] & 1;
    head.body_bytes = head.chunked ? 0 : (uint64_t)(data[0] >> 1) * 40;
    rc = read_body(&head, in, in.n, &whole, &rest);
    check(rc == read_body(&head, in, 1, &part, &rest_part));
    check(rc > BODY_MORE || (rest == rest_part && slice_eq(buf_all(&whole), buf_all(&part))));
    rc = body_unpack(in, LONGEST, &unpacked);
    check(rc == 400 || rc == 413 || (rc == 0 && unpacked.len <= LONGEST));
    unpacked.len = 0;
    rc = body_inflate(in, LONGEST, &unpacked);
    check(rc == 400 || rc == 413 || (rc == 0 && unpacked.len <= LONGEST));
    buf_free(&whole);
    buf_free(&part);
    buf_free(&unpacked);
    return 0;
}

/* SPDX-License-Identifier: MIT */
/* Any bytes as the head of a request: however they arrive, in one piece or byte by byte, they are
   judged alike, and nothing is believed of a head that is refused. */
#include "head.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool fine)
{
    if (!fine)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = {(const char *)data, size};
    struct head whole = {0}, part = {0};
    int verdict = head_check(in, &whole), early = HEAD_MORE;
    size_t n = 0;

    if (verdict == 0) {
        check(whole.bytes > 0 && whole.bytes <= size);
        check(!(whole.chunked && whole.body_bytes > 0));
    } else if (verdict != HEAD_MORE) {
        check(verdict >= 400 && verdict < 600);
    }
    while (n < size && n < 4096 && early == HEAD_MORE)
        early = head_check((struct slice){in.p, ++n}, &part);
    /* What a beginning was refused for, more bytes cannot mend; what it was taken for, they leave.
     */
    if (early == 0)
        check(verdict == 0 && part.bytes == whole.bytes && part.body_bytes == whole.body_bytes);
    else if (early != HEAD_MORE)
        check(verdict != 0);
    return 0;
}

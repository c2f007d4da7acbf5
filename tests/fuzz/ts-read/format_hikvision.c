/* SPDX-License-Identifier: MIT */
/* hikvision over any bytes: the first one picks the options and the size of the pieces. */
#include "format_fuzz.h"

static const struct format_fuzz_option options[] = {
    {{{NULL, 0}, {NULL, 0}}, 0},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    format_fuzz("hikvision", options, sizeof options / sizeof *options, data, size);
    return 0;
}

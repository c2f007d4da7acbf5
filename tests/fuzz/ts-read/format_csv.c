/* SPDX-License-Identifier: MIT */
/* csv over any bytes: the first one picks the options and the size of the pieces. */
#include "format_fuzz.h"

static const struct format_fuzz_option options[] = {
    {{{NULL, 0}, {NULL, 0}}, 0},
    {{SLICE("map"), SLICE("time:1,person_id:2")}, 1},
    {{SLICE("map"), SLICE("date:when,time:2,card_no:card,direction:3,device_id:4")}, 1},
    {{SLICE("date"), SLICE("dmy")}, 1},
    {{SLICE("separator"), SLICE("\t")}, 1},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    format_fuzz("csv", options, sizeof options / sizeof *options, data, size);
    return 0;
}

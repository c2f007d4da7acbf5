/* SPDX-License-Identifier: MIT */
/* zk-attlog over any bytes: the first one picks the options and the size of the pieces. */
#include "format_fuzz.h"

static const struct format_fuzz_option options[] = {
    {{{NULL, 0}, {NULL, 0}}, 0},
    {{SLICE("columns"), SLICE("pin,time,device,status,verify")}, 1},
    {{SLICE("columns"), SLICE("-,time,name,pin")}, 1},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    format_fuzz("zk-attlog", options, sizeof options / sizeof *options, data, size);
    return 0;
}

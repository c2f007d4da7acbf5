/* SPDX-License-Identifier: MIT */
/* Any text: no time, or a time that is printed and read again as the same. */
#include "clock.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool fine)
{
    if (!fine)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clock_time t, again;
    char text[CLOCK_TEXT];
    size_t n;

    if (!clock_parse((struct slice){(const char *)data, size}, &t))
        return 0;
    check(t.ms >= 0 && t.ms <= 999 && t.whole_bytes <= size);
    n = clock_print_local(text, t.local_s, t.ms);
    check(n < sizeof text && clock_parse((struct slice){text, n}, &again));
    check(again.local_s == t.local_s && again.ms == t.ms && !again.has_offset);
    n = clock_print_zoned(text, t.local_s, t.ms, t.offset_s);
    check(n < sizeof text && clock_parse((struct slice){text, n}, &again));
    check(again.local_s == t.local_s && again.ms == t.ms && again.offset_s == t.offset_s);
    return 0;
}

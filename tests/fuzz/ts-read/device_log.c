/* SPDX-License-Identifier: MIT */
/* Any bytes as a cursor: one that is read comes back as it was printed. */
#include "device_log.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool fine)
{
    if (!fine)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_text((struct slice){(const char *)data, size});
    struct log_seen seen = LOG_SEEN_NONE, again = LOG_SEEN_NONE;
    char device[LOG_DEVICE_BYTES], same[LOG_DEVICE_BYTES];
    char printed[LOG_CURSOR_BYTES], reprinted[LOG_CURSOR_BYTES];

    if (log_cursor_read(text, device, &seen)) {
        log_cursor_print(printed, device, &seen);
        check(log_cursor_read(printed, same, &again));
        log_cursor_print(reprinted, same, &again);
        check(strcmp(printed, reprinted) == 0);
        check(seen.last.serial == again.last.serial && seen.high_s == again.high_s);
    }
    free(text);
    return 0;
}

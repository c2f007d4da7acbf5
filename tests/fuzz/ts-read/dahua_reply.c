/* SPDX-License-Identifier: MIT */
/* Any bytes as an answer of a Dahua device: read or not, and what is kept of a page is read by the
   format as so many records. */
#include "dahua_reply.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool fine)
{
    if (!fine)
        abort();
}

static bool want(void *arg, const struct log_place *place)
{
    unsigned *count = arg;

    check(place->serial >= -1 && strlen(place->time) < sizeof place->time);
    return (++*count & 1) != 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = {(const char *)data, size};
    struct dahua_page page = {0};
    struct dahua_notice notice;
    char serial[LOG_DEVICE_BYTES];
    unsigned count = 0, kept = 0;

    dahua_page_read(text, &page, want, &count);
    check(count == page.count && (count == 0 || page.good));
    for (size_t i = 0; i < page.kept.len; i++)
        kept += page.kept.data[i] == '\n';
    check(kept >= (count + 1) / 2);
    buf_free(&page.kept);
    dahua_notice_read(text, &notice);
    if (dahua_serial_read(text, serial))
        check(*serial != '\0');
    return 0;
}

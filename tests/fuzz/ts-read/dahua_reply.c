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

static bool want(void *arg, const struct log_place *place, uint64_t mark)
{
    unsigned *count = arg;

    (void)mark;
    check(place->serial >= -1 && strlen(place->time) < sizeof place->time);
    return (++*count & 1) != 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = {(const char *)data, size};
    struct dahua_page page = {0};
    struct dahua_notice notice;
    char serial[LOG_DEVICE_BYTES], name[DAHUA_NAME_BYTES], token[DAHUA_TOKEN_BYTES];
    unsigned count = 0, kept = 0;

    dahua_page_read(text, &page, want, &count);
    check(count == page.count && (count == 0 || page.good));
    for (size_t i = 0; i < page.kept.len; i++)
        kept += page.kept.data[i] == '\n';
    check(kept >= (count + 1) / 2);
    if (page.kept.len > 0) {
        struct slice before, behind, all = buf_all(&page.kept);
        struct slice record = dahua_record_cut(all, data[0], &before, &behind);
        struct buf live = {0};

        check(before.p == all.p && record.p == before.p + before.n && record.n > 0);
        check(behind.p == record.p + record.n && before.n + record.n + behind.n == all.n);
        dahua_record_live(record, &live);
        check(live.len > 10 && memcmp(live.data, "Events[0].", 10) == 0);
        buf_free(&live);
    }
    buf_free(&page.kept);
    dahua_notice_read(text, &notice);
    if (dahua_serial_read(text, serial))
        check(*serial != '\0');
    if (dahua_name_read(text, name))
        check(*name != '\0' && strlen(name) < sizeof name);
    /* It goes into the head of requests. */
    if (dahua_token_read(text, token))
        check(*token != '\0' && strcspn(token, "\r\n ") == strlen(token));
    return 0;
}

/* SPDX-License-Identifier: MIT */
/* Any bytes as an answer of a Hikvision device: read or not, and what is kept of a page is a reply
   that the format reads. */
#include "hik_reply.h"

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

static void check_page(struct slice text)
{
    struct hik_page page = {0};
    unsigned count = 0;
    yyjson_doc *doc;

    hik_page_read(text, &page, want, &count);
    check(count == page.count);
    if (page.kept.len > 0) {
        doc = yyjson_read(page.kept.data, page.kept.len, YYJSON_READ_NUMBER_AS_RAW);
        check(yyjson_arr_size(yyjson_obj_get(yyjson_obj_get(yyjson_doc_get_root(doc), "AcsEvent"),
                  "InfoList")) == (count + 1) / 2);
        yyjson_doc_free(doc);
    }
    buf_free(&page.kept);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = {(const char *)data, size};
    struct hik_notice notice;
    struct hik_info info;
    struct log_place clock;
    char offset[8], words[100];

    check_page(text);
    hik_notice_read(text, &notice);
    check(!notice.heartbeat || !notice.event);
    if (hik_info_read(text, &info))
        check(*info.serial || strlen(info.mac) == MAC_BYTES);
    if (hik_clock_read(text, &clock, offset))
        check(*offset != '\0');
    hik_words_read(text, words, sizeof words);
    hik_refusal_read(text, words, sizeof words);
    return 0;
}

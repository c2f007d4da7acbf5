/* SPDX-License-Identifier: MIT */
/* Header lines and a body as a hostile receiver could send them: bounds, and sane waits. */
#include <stdint.h>
#include <stdlib.h>

#include "reply.h"
#include "verdict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *p = (const char *)data;
    struct reply r = {0};
    int64_t s, wait_ms;
    struct quota_left left;

    reply_reset(&r);
    while (size > 0) {
        const char *end = memchr(p, '\n', size);
        size_t n = end ? (size_t)(end - p) + 1 : size;

        reply_header(&r, (struct slice){p, n});
        reply_date((struct slice){p, n}, 1700000000, &s);
        reply_body(&r, (struct slice){p, n});
        p += n;
        size -= n;
    }
    wait_ms = reply_wait_ms(&r, 1700000000);
    if (reply_left(&r, 1700000000, &left) &&
        (left.limit < 0 || left.remaining < 0 || left.reset_ms < 0 ||
            left.reset_ms > QUOTA_RESET_MAX_S * 1000))
        abort();
    if (wait_ms < -1 || wait_ms > REPLY_WAIT_MAX_S * 1000 || r.text_n > sizeof r.text ||
        r.status < 0 || r.status > 999 || strlen(r.location) >= sizeof r.location)
        abort();
    if (verdict_of(r.net, r.status).act == ACT_DELIVERED && r.status / 100 != 2)
        abort();
    return 0;
}

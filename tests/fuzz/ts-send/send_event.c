/* SPDX-License-Identifier: MIT */
/* Any line: as an event it becomes a body that is JSON without our own fields, and a safe key. */
#include <stdint.h>
#include <stdlib.h>

#include "header.h"
#include "profile.h"
#include "request.h"
#include "url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_body(const struct event *e, struct slice id)
{
    static struct event_reader *again;
    struct buf one = {0}, out = {0};
    struct event sent;
    struct fault why;
    struct slice two[2];

    if (!again)
        again = event_reader_new();
    profile_plain.event(&one, e, id);
    if (event_read(again, buf_all(&one), &sent, &why) < 0 || event_has(&sent, EV_ACK) ||
        event_has(&sent, EV_RAW) || event_has(&sent, EV_ORIGIN))
        abort();
    if (id.p && !slice_eq(event_str(&sent, EV_EVENT_ID), id))
        abort();
    two[0] = two[1] = buf_all(&one);
    profile_plain.request(&out, two, 2, true);
    if (out.len != 2 * one.len + 3)
        abort();
    buf_free(&one);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct event_reader *reader;
    char key[REQUEST_KEY_BYTES];
    struct slice line = {(const char *)data, size};
    struct fault why;
    struct event e;
    struct buf text = {0};

    if (!reader)
        reader = event_reader_new();
    buf_slice(&text, line);
    buf_char(&text, '\0');
    url_check("URL", text.data, &why);
    header_check(text.data, &why);
    buf_free(&text);
    if (event_read(reader, line, &e, &why) < 0)
        return 0;
    request_key(event_str(&e, EV_EVENT_ID), ID_V8, key);
    for (const char *k = key; *k; k++)
        if (*k <= ' ' || *k > '~')
            abort();
    check_body(&e, SLICE_NONE);
    check_body(&e, SLICE("other"));
    return 0;
}

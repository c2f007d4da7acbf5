/* SPDX-License-Identifier: MIT */
/* The reply to an upload as a hostile receiver could send it, and the member of a hostile event:
   what gets into the event is JSON, and a location in which nothing hides. */
#include <stdint.h>
#include <stdlib.h>
#include <strings.h>

#include "snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_location(const char *text)
{
    if (strlen(text) >= SNAPSHOT_LOCATION_BYTES)
        abort();
    if (strncmp(text, "/", 1) != 0 && strncasecmp(text, "http://", 7) != 0 &&
        strncasecmp(text, "https://", 8) != 0)
        abort();
    if (strncmp(text, "//", 2) == 0)
        abort();
    for (; *text; text++)
        if (*text <= ' ' || *text > '~' || *text == '"' || *text == '\\' || *text == '<')
            abort();
}

static void check_reply(struct slice input, bool ours)
{
    struct snapshot_config c = {.url = "https://media.example:8443/up?x=1", .ours = ours};
    const char *p = input.p, *end = p + input.n;
    char location[SNAPSHOT_LOCATION_BYTES];
    struct reply r = {.keep = true};

    reply_reset(&r);
    while (p < end) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        size_t n = nl ? (size_t)(nl - p) + 1 : (size_t)(end - p);

        if (n == 1)
            break;
        reply_header(&r, (struct slice){p, n});
        p += n;
    }
    reply_body(&r, (struct slice){p, (size_t)(end - p)});
    if (snapshot_reply(&r, &c, location))
        check_location(location);
    buf_free(&r.lines);
    buf_free(&r.body);
}

static void check_member(struct slice line)
{
    static struct event_reader *reader, *again;
    struct buf out = {0};
    struct snapshot s;
    struct event e;
    struct fault why;

    if (!reader) {
        reader = event_reader_new();
        again = event_reader_new();
    }
    if (event_read(reader, line, &e, &why) < 0 || !snapshot_of(&e, &s))
        return;
    buf_lit(&out, "{\"snapshot\":");
    snapshot_print(&out, &s, NULL, "why");
    buf_char(&out, '}');
    if (event_read(again, buf_all(&out), &e, &why) < 0 || !snapshot_of(&e, &s))
        abort();
    out.len = 0;
    buf_lit(&out, "{\"snapshot\":");
    snapshot_print(&out, &s, "/x", NULL);
    buf_char(&out, '}');
    if (event_read(again, buf_all(&out), &e, &why) < 0 || snapshot_of(&e, &s))
        abort();
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = {(const char *)data, size};

    check_reply(input, true);
    check_reply(input, false);
    check_member(input);
    snapshot_type(data, size);
    return 0;
}

/* SPDX-License-Identifier: MIT */
/* The HTTP side of the test receiver: a request is recognised in a connection's buffer, its body
 * made plain (chunks joined, gzip undone). HTTP/1.x only, one request at a time a connection.
 * All functions are static: every tests/sim/NAME.c is one program of one translation unit, and
 * only receiver.c includes this file. */
#ifndef RECEIVER_HTTP_H
#define RECEIVER_HTTP_H

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#define HEAD_MAX (64u << 10)  /* bytes of request line and headers */
#define BODY_MAX (256u << 20) /* bytes of a body, before and after gzip */

/* A growing buffer. */
struct bytes {
    char *at;
    size_t len, room;
};

/* What the head of a request says; offsets count from the start of the buffer, which may move. */
struct head {
    size_t bytes;  /* of the head with its empty line; 0: not complete yet */
    size_t length; /* Content-Length */
    size_t key_at, key_len;
    bool post, summary, chunked, gzip, close, expect;
};

static void bytes_room(struct bytes *b, size_t more)
{
    if (b->room - b->len >= more)
        return;
    b->room = (b->len + more) * 2;
    b->at = realloc(b->at, b->room);
    if (!b->at)
        abort();
}

static void bytes_add(struct bytes *b, const void *from, size_t len)
{
    bytes_room(b, len);
    memcpy(b->at + b->len, from, len);
    b->len += len;
}

static bool head_value_has(const char *value, size_t len, const char *word)
{
    size_t n = strlen(word);

    for (size_t i = 0; i + n <= len; i++)
        if (!strncasecmp(value + i, word, n))
            return true;
    return false;
}

/* One header line; false when its value cannot be taken. */
static bool head_field(struct head *h, const char *base, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len), *value;
    size_t name, left;

    if (!colon)
        return false;
    name = (size_t)(colon - line);
    for (value = colon + 1; value < line + len && *value == ' '; value++)
        ;
    left = (size_t)(line + len - value);
#define IS(text) (name == sizeof(text) - 1 && !strncasecmp(line, text, name))
    if (IS("content-length")) {
        char *end;
        h->length = strtoul(value, &end, 10);
        return end == line + len && h->length <= BODY_MAX;
    }
    if (IS("idempotency-key")) {
        h->key_at = (size_t)(value - base);
        h->key_len = left;
    } else if (IS("transfer-encoding")) {
        h->chunked = head_value_has(value, left, "chunked");
    } else if (IS("content-encoding")) {
        h->gzip = head_value_has(value, left, "gzip");
    } else if (IS("connection")) {
        h->close = head_value_has(value, left, "close");
    } else if (IS("expect")) {
        h->expect = true;
    }
#undef IS
    return true;
}

/* Reads the head at the start of `b`: 1 complete, 0 more bytes are needed, -1 not HTTP. */
static int head_parse(struct head *h, const struct bytes *b)
{
    const char *end = memmem(b->at, b->len, "\r\n\r\n", 4), *line, *next;

    if (!end)
        return b->len > HEAD_MAX ? -1 : 0;
    memset(h, 0, sizeof(*h));
    line = memmem(b->at, b->len, "\r\n", 2);
    h->post = !strncmp(b->at, "POST ", 5) || !strncmp(b->at, "PUT ", 4);
    h->summary = !strncmp(b->at, "GET /summary ", 13);
    if (line - b->at < 14 || strncmp(line - 9, " HTTP/1.", 8) != 0)
        return -1;
    h->close = line[-1] == '0';
    for (; line < end; line = next) {
        next = memmem(line + 2, (size_t)(end + 2 - line - 2), "\r\n", 2);
        if (!next || !head_field(h, b->at, line + 2, (size_t)(next - line - 2)))
            return -1;
    }
    h->bytes = (size_t)(end - b->at) + 4;
    return 1;
}

/* Walks the chunks at `from`; with `out` joins them there. Returns 1 and the bytes taken when the
 * last one is in, 0 when more is needed, -1 when it is no chunked body. */
static int chunks_walk(const char *from, size_t len, size_t *taken, struct bytes *out)
{
    size_t at = 0;

    for (;;) {
        const char *nl = memmem(from + at, len - at, "\r\n", 2);
        char *end;
        size_t size;
        if (!nl)
            return len - at > 64 ? -1 : 0;
        size = strtoul(from + at, &end, 16);
        if (end != nl || size > BODY_MAX)
            return -1;
        at = (size_t)(nl - from) + 2;
        if (at + size + 2 > len)
            return 0;
        if (out)
            bytes_add(out, from + at, size);
        at += size + 2;
        if (size == 0) {
            *taken = at;
            return 1;
        }
    }
}

/* Undoes gzip into `out`. libz is loaded by name when the first such body comes, because the
 * simulators are all linked by one rule. Returns 0 or -1. */
static int gunzip(const char *from, size_t len, struct bytes *out)
{
    static int (*init)(z_streamp, int, const char *, int);
    static int (*step)(z_streamp, int), (*end)(z_streamp);
    z_stream z = {.next_in = (Bytef *)(uintptr_t)from, .avail_in = (uInt)len};
    int rc = Z_OK;

    if (!end) {
        void *lib = dlopen("libz.so.1", RTLD_NOW);
        if (!lib)
            return -1;
        *(void **)&init = dlsym(lib, "inflateInit2_");
        *(void **)&step = dlsym(lib, "inflate");
        *(void **)&end = dlsym(lib, "inflateEnd");
    }
    if (init(&z, 15 + 16, ZLIB_VERSION, (int)sizeof(z)) != Z_OK)
        return -1;
    out->len = 0;
    while (rc == Z_OK && out->len <= BODY_MAX) {
        bytes_room(out, 64 << 10);
        z.next_out = (Bytef *)out->at + out->len;
        z.avail_out = (uInt)(out->room - out->len);
        rc = step(&z, Z_NO_FLUSH);
        out->len = (size_t)((char *)z.next_out - out->at);
    }
    end(&z);
    return rc == Z_STREAM_END ? 0 : -1;
}

static const char *status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } known[] = {{200, "OK"}, {201, "Created"}, {204, "No Content"}, {400, "Bad Request"},
        {401, "Unauthorized"}, {403, "Forbidden"}, {404, "Not Found"}, {409, "Conflict"},
        {413, "Content Too Large"}, {422, "Unprocessable Content"}, {429, "Too Many Requests"},
        {500, "Internal Server Error"}, {502, "Bad Gateway"}, {503, "Service Unavailable"}};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (known[i].status == status)
            return known[i].text;
    return "Answer";
}

#endif

/* SPDX-License-Identifier: MIT */
/* Any bytes as the answer to a request, in pieces: it ends, keeps no more than it may, and what is
   sent is one request, without the password. */
#include "exchange.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool fine)
{
    if (!fine)
        abort();
}

/* One head, and no line of it that the answer made. */
static void check_request(struct slice out)
{
    const char *end = memmem(out.p, out.n, "\r\n\r\n", 4);
    unsigned lines = 0;

    check(end == out.p + out.n - 4);
    for (size_t i = 0; i < out.n; i++) {
        lines += out.p[i] == '\n';
        check(out.p[i] != '\n' || (i > 0 && out.p[i - 1] == '\r'));
        check(out.p[i] != '\r' || (i + 1 < out.n && out.p[i + 1] == '\n'));
    }
    check(lines <= 8);
}

/* What was asked in all, and how it ended. */
static void run(struct slice in, size_t piece, struct buf *all)
{
    struct exchange_request request = {.post = true,
        .path = "/cgi-bin/api/global/login",
        .host = "192.0.2.7:9500",
        .field = "X-cgi-token: abc",
        .user = "admin",
        .password = "a password",
        .random = "0123456789abcdef",
        .limit = 512};
    struct exchange x;

    exchange_begin(&x, &request);
    for (size_t i = 0; i < in.n; i += piece) {
        if (x.out.len > 0) {
            check_request(buf_all(&x.out));
            buf_slice(all, buf_all(&x.out));
            x.out.len = 0;
        }
        exchange_take(&x, (struct slice){in.p + i, in.n - i < piece ? in.n - i : piece});
        check(x.head.len <= 8192 + piece && x.body.len <= 512 + piece && x.tries <= 2);
    }
    exchange_end(&x);
    check(x.state != EXCHANGE_GOES_ON && (x.state == EXCHANGE_DONE) != (x.error != NULL));
    check(x.state != EXCHANGE_DONE || (x.status >= 200 && x.status < 600));
    exchange_free(&x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole = {0}, bytes = {0};
    struct slice in;

    if (size == 0)
        return 0;
    in = (struct slice){(const char *)data + 1, size - 1};
    run(in, 1, &bytes);
    run(in, (size_t)data[0] + 1, &whole);
    /* The password goes nowhere, but where the answer has the same word. */
    check(memmem(in.p, in.n, "a password", 10) || bytes.len == 0 ||
          !memmem(bytes.data, bytes.len, "a password", 10));
    buf_free(&whole);
    buf_free(&bytes);
    return 0;
}

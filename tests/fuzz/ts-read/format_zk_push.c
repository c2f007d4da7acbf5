/* SPDX-License-Identifier: MIT */
/* zk-push over any bytes; and that no password comes out of a line about people, wherever it is
 * cut. */
#include "format_fuzz.h"

static const struct format_fuzz_option options[] = {
    {{{NULL, 0}, {NULL, 0}}, 0},
};

/* What stands between a line about people and the rest of the input must not be shown. */
static void check_secret(const uint8_t *data, size_t size)
{
    static const char head[] = "USER PIN=7\tName=Zoe Qx\tPri=14\tPasswd=SECRET83\tCard=99887766";
    struct buf in = {0};
    struct format_run r;

    buf_add(&in, data, size < 4096 ? size : 4096);
    buf_lit(&in, "\r\n");
    buf_lit(&in, head);
    buf_lit(&in, "\r\n");
    buf_add(&in, data, size < 4096 ? size : 4096);
    if (!format_run(&r, format_find(SLICE("zk-push")), buf_all(&in), size % 61 + 1, NULL, 0))
        abort();
    if (memmem(r.out.data, r.out.len, "SECRET83", 8) ||
        memmem(r.out.data, r.out.len, "99887766", 8) || memmem(r.out.data, r.out.len, "Zoe Qx", 6))
        abort();
    buf_free(&r.out);
    buf_free(&in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || memmem(data, size, "SECRET83", 8) || memmem(data, size, "99887766", 8) ||
        memmem(data, size, "Zoe Qx", 6))
        return 0;
    format_fuzz("zk-push", options, 1, data, size);
    check_secret(data, size);
    return 0;
}

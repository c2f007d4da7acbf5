/* SPDX-License-Identifier: MIT */
/* Any bytes as target, registry, result and period of a device that pushes: what is taken from them
 * ends, is plain, and can put no line of its own into an answer. */
#include "iclock.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool fine)
{
    if (!fine)
        abort();
}

static void check_plain(const char *text, size_t room)
{
    size_t n = strnlen(text, room);

    check(n < room);
    for (size_t i = 0; i < n; i++)
        check(text[i] > 0x20 && text[i] < 0x7f && text[i] != '=' && text[i] != '/');
}

static unsigned lines_of(const struct iclock_terms *t)
{
    struct buf out = {0};
    unsigned lines = 0;

    iclock_print_options(&out, t);
    iclock_print_push(&out, t, true);
    for (size_t i = 0; i < out.len; i++)
        lines += out.data[i] == '\n';
    buf_free(&out);
    return lines;
}

static void check_request(struct slice in)
{
    static const char stamps[ICLOCK_STAMPS][ICLOCK_STAMP] = {""};
    const char *mark = in.n > 0 ? memchr(in.p, '?', in.n) : NULL;
    struct slice path = {in.p, mark ? (size_t)(mark - in.p) : in.n};
    char stamp[ICLOCK_STAMPS][ICLOCK_STAMP] = {""};
    struct iclock_query q;

    iclock_path(path);
    iclock_read(path, mark ? (struct slice){mark + 1, in.n - path.n - 1} : SLICE_NONE, &q);
    check_plain(q.serial, sizeof q.serial);
    check_plain(q.stamp, sizeof q.stamp);
    check_plain(q.tablename, sizeof q.tablename);
    check_plain(q.count, sizeof q.count);
    check(q.page <= ICLOCK_NOWHERE && q.table <= ICLOCK_OTHER && q.packs >= 0 && q.pack >= 0);
    memcpy(stamp[0], q.stamp, sizeof q.stamp);
    check(lines_of(&(struct iclock_terms){.serial = q.serial, .stamp = (const void *)stamp}) ==
          lines_of(&(struct iclock_terms){.serial = "A1", .stamp = stamps}));
}

static void check_bodies(struct slice in)
{
    struct iclock_result result;
    struct iclock_period period;
    struct slice rest = in;
    struct fault why;
    size_t left = in.n + 1;

    check(iclock_read_registry(in) >= -1 && iclock_read_registry(in) <= 1);
    while (iclock_next_result(&rest, &result)) {
        check(rest.n < left);
        left = rest.n;
        iclock_meaning(result.value);
    }
    check(iclock_lines(in) <= in.n);
    if (iclock_read_period(in, &period, &why) == 0) {
        check_plain(period.serial, sizeof period.serial);
        check(period.from_s <= period.to_s);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = {(const char *)data, size};

    check_request(in);
    check_bodies(in);
    return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * The log and the users of a ZKTeco device out of any bytes: first byte the layout, second the size
 * of the pieces that come, then the table.  However it comes, the same records are new and the same
 * place is reached, and the place is found again in the table.
 */
#include <stdint.h>
#include <stdlib.h>

#include "zk_packet.h"
#include "zk_reading.h"
#include "zk_recent.h"
#include "zk_users.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each passage once, among the newest. */
static bool is_new(void *arg, const struct zk_passage *p)
{
    bool known = zk_recent_has(arg, p);

    zk_recent_add(arg, p);
    return !known;
}

static void read_log(enum zk_layout layout, struct slice log, size_t piece, struct zk_reading *r,
    struct buf *records)
{
    struct zk_recent recent = {0};

    zk_reading_forget(r);
    zk_reading_begin(r, layout, 4, SLICE_NONE);
    while (log.n > 0) {
        size_t n = piece < log.n ? piece : log.n, room;
        struct slice part = {log.p, n};

        room = zk_reading_room(r, part);
        n = zk_reading_take(r, part, buf_room(records, room), is_new, &recent);
        if (n > room)
            abort();
        records->len += n;
        log.p += part.n;
        log.n -= part.n;
    }
    zk_reading_end(r);
}

static void look_again(const struct zk_reading *r, struct slice log)
{
    size_t end = r->seen.end - 4;

    if (end > log.n || log.n - end >= zk_layout_bytes(r->seen.layout) + ZK_MARK_BYTES)
        abort();
    if (!zk_mark_matches(&r->seen, (struct slice){log.p + end - r->seen.window, r->seen.window}))
        abort();
    if (r->seen.window > 0 && zk_mark_find(&r->seen, (struct slice){log.p, end}) != end)
        abort();
}

static void users(struct slice table)
{
    struct zk_passage p = {.by_uid = true, .uid = table.n > 1 ? zk_u16(table.p) : 0};
    struct buf list = {0};

    zk_users_read(&list, table, 0);
    zk_users_translate(buf_all(&list), false, &p);
    if (p.by_uid == zk_users_know(buf_all(&list), p.uid))
        abort();
    zk_users_translate(buf_all(&list), true, &p);
    buf_free(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct zk_reading whole = {0}, pieces = {0};
    struct buf a = {0}, b = {0};
    enum zk_layout layout;
    struct slice log;

    if (size < 2)
        return 0;
    layout = (enum zk_layout)(1 + data[0] % (ZK_LAYOUTS - 1));
    log = (struct slice){(const char *)data + 2, size - 2};
    read_log(layout, log, SIZE_MAX, &whole, &a);
    read_log(layout, log, 1u + data[1], &pieces, &b);
    if (a.len != b.len || memcmp(a.data ? a.data : "", b.data ? b.data : "", a.len) != 0 ||
        whole.seen.end != pieces.seen.end || whole.back != pieces.back ||
        (whole.seen.window && strcmp(whole.seen.fingerprint, pieces.seen.fingerprint) != 0))
        abort();
    look_again(&whole, log);
    users(log);
    zk_reading_free(&whole);
    zk_reading_free(&pieces);
    buf_free(&a);
    buf_free(&b);
    return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Packets of port 4370 out of any bytes: framing always goes on, what it finds prints as it was
 * found, and times, sizes, options, records, events and users read nothing beyond their bytes.
 */
#include <stdint.h>
#include <stdlib.h>

#include "clock.h"
#include "zk_mark.h"
#include "zk_packet.h"
#include "zk_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In memory of just that size. */
static char *copy_of(struct slice s)
{
    char *copy = mem_alloc(s.n ? s.n : 1);

    memcpy(copy, s.p, s.n);
    return copy;
}

static void values(struct slice bytes)
{
    char *copy = copy_of(bytes);
    struct slice s = {copy, bytes.n};
    struct zk_sizes sizes;
    struct zk_passage p;
    int64_t local_s;
    char person[25];
    uint16_t uid;
    bool unset;

    zk_sizes_parse(s, &sizes);
    zk_option_value(s, "~SerialNumber");
    if (s.n >= 4 && zk_time(zk_u32(s.p), &local_s, &unset) &&
        (local_s < clock_days(1900, 1, 1) * 86400 || local_s > clock_days(2100, 1, 1) * 86400))
        abort();
    if (s.n >= 6)
        zk_time6(s.p, &local_s);
    for (enum zk_layout l = ZK_8; l < ZK_LAYOUTS; l++)
        if (s.n >= zk_layout_bytes(l))
            zk_record_read(l, s.p, &p);
    zk_layout_find(s, s.n, s.n / 40);
    for (size_t n = s.n; zk_event_read(&s, &p); n = s.n)
        if (s.n >= n)
            abort();
    s = (struct slice){copy, bytes.n};
    uid = (uint16_t)zk_user_bytes(s, 0);
    if (s.n >= 72)
        zk_user_read(s.p, 72, &uid, person);
    if (s.n >= 28)
        zk_user_read(s.p, 28, &uid, person);
    free(copy);
}

static void mark(struct slice bytes)
{
    char *text = mem_text(bytes);
    struct zk_mark m, again;
    struct buf printed = {0};

    if (zk_mark_parse(text, &m)) {
        zk_mark_print(&printed, &m);
        if (!zk_mark_parse(printed.data, &again) || again.end != m.end ||
            again.window != m.window || strcmp(again.serial, m.serial) != 0)
            abort();
        zk_mark_find(&m, bytes);
    }
    buf_free(&printed);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = {(const char *)data, size};
    struct buf again = {0};
    struct zk_packet p;
    size_t used;

    values(in);
    mark(in);
    while (in.n > 0) {
        enum zk_take take = zk_packet_take(in, &used, &p);

        if (take == ZK_TAKE_MORE)
            break;
        if (used == 0 || used > in.n)
            abort();
        if (take == ZK_TAKE_PACKET) {
            again.len = 0;
            zk_packet_print(&again, true, &p);
            if (again.len != used || (!p.damaged && memcmp(again.data, in.p, used) != 0))
                abort();
            values(p.data);
        }
        in.p += used;
        in.n -= used;
    }
    buf_free(&again);
    return 0;
}

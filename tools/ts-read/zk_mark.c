/* SPDX-License-Identifier: MIT */
/* The fingerprint is identity_of_bytes: SHA-1. */
#include "zk_mark.h"

#include <inttypes.h>
#include <stdio.h>

#include "identity.h"
#include "zk_session.h"

void zk_mark_print(struct buf *out, const struct zk_mark *m)
{
    buf_printf(out, "zk1 %s %" PRIu32 " %" PRIu64 " %" PRIu32 " %s %" PRId64 " %s",
        zk_layout_name(m->layout), m->end, m->records, m->window, m->window ? m->fingerprint : "-",
        m->last_s, m->serial);
    buf_char(out, '\0');
}

bool zk_mark_parse(const char *text, struct zk_mark *m)
{
    char layout[16];
    int n = 0;

    *m = (struct zk_mark){0};
    if (sscanf(text, "zk1 %15s %" SCNu32 " %" SCNu64 " %" SCNu32 " %39s %" SCNd64 "%n", layout,
            &m->end, &m->records, &m->window, m->fingerprint, &m->last_s, &n) != 6 ||
        text[n] != ' ' || strlen(text + n + 1) >= sizeof m->serial)
        return false;
    snprintf(m->serial, sizeof m->serial, "%s", text + n + 1);
    m->layout = zk_layout_named(slice_of(layout));
    return m->window <= ZK_WINDOW_BYTES && m->window <= m->end && m->end <= ZK_TABLE_MAX &&
           (m->layout != ZK_UNKNOWN_LAYOUT || m->end == 0);
}

static void print_fingerprint(struct slice bytes, char out[40])
{
    struct identity id;

    identity_of_bytes(&id, bytes, NULL);
    identity_print(&id, out);
}

void zk_mark_take(struct zk_mark *m, struct slice before)
{
    if (before.n > ZK_WINDOW_BYTES) {
        before.p += before.n - ZK_WINDOW_BYTES;
        before.n = ZK_WINDOW_BYTES;
    }
    m->window = (uint32_t)before.n;
    print_fingerprint(before, m->fingerprint);
}

bool zk_mark_matches(const struct zk_mark *m, struct slice window)
{
    char print[40];

    if (window.n != m->window)
        return false;
    print_fingerprint(window, print);
    return m->window == 0 || strcmp(print, m->fingerprint) == 0;
}

size_t zk_mark_find(const struct zk_mark *m, struct slice bytes)
{
    size_t record = zk_layout_bytes(m->layout);

    if (record == 0 || m->window == 0)
        return 0;
    for (size_t end = bytes.n; end >= m->window; end -= record) {
        if (zk_mark_matches(m, (struct slice){bytes.p + end - m->window, m->window}))
            return end;
        if (end < record)
            break;
    }
    return 0;
}

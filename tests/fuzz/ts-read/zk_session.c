/* SPDX-License-Identifier: MIT */
/*
 * A session with a device that says anything.  The input is what is asked and what comes, in turn:
 *
 *     first byte   1 UDP, 2 there is a key
 *     then         u8 what is asked, u8 length, that many bytes that come; again and again
 *
 * Whatever comes: each thing asked ends in bounded time, memory is bounded, and of a range never
 * more comes than was asked for.
 */
#include <stdint.h>
#include <stdlib.h>

#include "zk_session.h"

#define STEPS_MAX 20000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(
    struct zk_session *s, unsigned what, uint32_t table_bytes, int64_t now_ms, uint64_t *wanted)
{
    uint32_t from = what / 8 * (table_bytes / 32);

    *wanted = 0;
    switch (what % 8) {
    case 0:
        zk_session_connect(s, now_ms);
        break;
    case 1:
        zk_session_option(s, "~SerialNumber", now_ms);
        break;
    case 2:
        if (what & 8)
            zk_session_sizes(s, now_ms);
        else
            zk_session_clock(s, now_ms);
        break;
    case 3:
        zk_session_listen(s, now_ms);
        break;
    case 4:
        zk_session_open(s, what & 8 ? ZK_TABLE_USERS : ZK_TABLE_LOG, now_ms);
        break;
    case 5:
        *wanted = table_bytes - from;
        zk_session_read(s, from, table_bytes, now_ms);
        break;
    case 6:
        zk_session_shut(s, now_ms);
        break;
    default:
        zk_session_exit(s, now_ms);
        break;
    }
}

/* Until what was asked has ended; false when all has. */
static bool until_end(struct zk_session *s, struct slice come, bool udp, int64_t *now_ms,
    uint32_t *table, uint64_t left)
{
    struct zk_news news;
    struct slice packet;
    bool given = false;

    for (unsigned i = 0; i < STEPS_MAX; i++) {
        switch (zk_session_next(s, *now_ms, &news)) {
        case ZK_NEWS_LOST:
            return false;
        case ZK_NEWS_DATA:
            if (news.data.n > left)
                abort();
            left -= news.data.n;
            break;
        case ZK_NEWS_DONE:
        case ZK_NEWS_REFUSED:
            if (news.size > ZK_TABLE_MAX)
                abort();
            if (news.size > 0)
                *table = news.size;
            return true;
        case ZK_NEWS_EVENT:
            break;
        case ZK_NEWS_NONE:
            while (zk_session_out(s, &packet)) {
                if (packet.n < 8 || packet.n > 64)
                    abort();
                zk_session_sent(s);
            }
            if (!given)
                zk_session_take(s, come);
            else if (zk_session_due(s) <= *now_ms)
                abort();
            else
                *now_ms = zk_session_due(s);
            given = true;
            if (*now_ms > INT32_MAX)
                abort();
            break;
        }
    }
    (void)udp;
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool udp = size > 0 && data[0] & 1;
    struct zk_session *s = zk_session_new(udp, size > 0 && data[0] & 2, 1234);
    uint32_t table = 0;
    int64_t now_ms = 0;
    uint64_t wanted;
    bool more = true;

    for (size_t at = 1; more && at + 2 <= size;) {
        size_t n = data[at + 1], left = size - at - 2;
        struct slice come = {(const char *)data + at + 2, n < left ? n : left};

        /* The length is in units that let a table come in one piece. */
        if (n > 200)
            come.n = (n - 200) * 100 < left ? (n - 200) * 100 : left;
        ask(s, data[at], table, now_ms, &wanted);
        more = until_end(s, come, udp, &now_ms, &table, wanted);
        if ((data[at] % 8) == 6)
            table = 0;
        at += 2 + come.n;
    }
    zk_session_free(s);
    return 0;
}

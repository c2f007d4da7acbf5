/* SPDX-License-Identifier: MIT */
/*
 * What devices do, and what is done about it:
 *
 * - Session and reply id of what comes are often others than they should be, so they prove nothing;
 *   but a device whose parts have carried our reply ids once is held to them, for then what is left
 *   of an earlier try can be told from what was asked last.
 * - The ACK_OK after a part may be missing, late, cut off, or come together with the data: nobody
 *   waits for it.  A bare one that comes while something else is expected is such a late one.
 */
#include "zk_transfer.h"

#include <stdlib.h>

#include "secret.h"

#define STALE_MAX 4u    /* a reply id so little before ours is that of an earlier request */
#define DOUBLES_MAX 32u /* datagrams back that one is compared with */

struct chunk {
    uint16_t number;
    uint32_t at, n;
};

void zk_transfer_free(struct zk_transfer *t)
{
    secret_forget(&t->got);
    buf_free(&t->chunks);
}

static void forget(struct zk_transfer *t)
{
    t->got.len = t->chunks.len = 0;
    t->announced = 0;
    t->strange = false;
}

void zk_transfer_begin(struct zk_transfer *t, uint32_t bytes)
{
    forget(t);
    t->stale = 0;
    t->part = bytes > 0;
    t->wanted = bytes;
}

void zk_transfer_again(struct zk_transfer *t)
{
    /* That it kept to reply ids before may have been chance. */
    if (t->stale > 0 && t->got.len == 0)
        t->loose = true;
    zk_transfer_begin(t, t->part ? t->wanted : 0);
}

bool zk_is_error(const struct zk_packet *p)
{
    return p->command == ZK_ACK_ERROR || p->command == ZK_ACK_UNAUTH || p->command == ZK_NO_LOG ||
           p->command == ZK_OTHER_SDK || p->command >= ZK_ERROR_DATA;
}

bool zk_transfer_is_stale(struct zk_transfer *t, const struct zk_packet *p, uint16_t reply)
{
    uint16_t before = (uint16_t)(reply - p->reply);

    if (before == 0)
        return false;
    if (t->loose || (before > STALE_MAX && !(t->echoes && t->part))) {
        t->strange = true;
        return false;
    }
    t->stale++;
    return true;
}

/* ---- chunks over UDP ---- */

static int by_number(const void *a, const void *b)
{
    const struct chunk *x = a, *y = b;

    return x->number != y->number ? (x->number < y->number ? -1 : 1) : x->at < y->at ? -1 : 1;
}

/* Whether the numbers are those of a transfer: one after the other, some of them twice perhaps.
   distinct: how many there are. */
static bool is_numbered(const struct chunk *c, size_t count, size_t *distinct)
{
    *distinct = 1;
    for (size_t i = 1; i < count; i++)
        *distinct += c[i].number != c[i - 1].number;
    return *distinct > 1 && (size_t)(c[count - 1].number - c[0].number) < 2 * count;
}

/* Puts in order what came.  False: something of it is missing. */
static bool order_chunks(struct zk_transfer *t)
{
    struct chunk *c = (struct chunk *)(void *)t->chunks.data;
    size_t count = t->chunks.len / sizeof *c, distinct;
    struct buf sorted = {0};

    if (count < 2)
        return true;
    qsort(c, count, sizeof *c, by_number);
    if (!is_numbered(c, count, &distinct)) /* as it came, unless it came twice */
        return distinct > 1 || c[0].n != c[1].n ||
               memcmp(t->got.data + c[0].at, t->got.data + c[1].at, c[0].n) != 0;
    if ((size_t)(c[count - 1].number - c[0].number) + 1 != distinct)
        return false;
    for (size_t i = 0; i < count; i++)
        if (i == 0 || c[i].number != c[i - 1].number)
            buf_add(&sorted, t->got.data + c[i].at, c[i].n);
    secret_forget(&t->got);
    t->got = sorted;
    return t->got.len >= t->wanted;
}

/* Whether the same datagram was here already. */
static bool came_before(const struct zk_transfer *t, const struct zk_packet *p)
{
    const struct chunk *c = (const struct chunk *)(const void *)t->chunks.data;
    size_t count = t->chunks.len / sizeof *c;

    for (size_t i = count; i > 0 && count - i < DOUBLES_MAX; i--)
        if (c[i - 1].number == p->session && c[i - 1].n == p->data.n &&
            memcmp(t->got.data + c[i - 1].at, p->data.p, p->data.n) == 0)
            return true;
    return false;
}

/* ---- what comes ---- */

static enum zk_transferred end(struct zk_transfer *t)
{
    if (t->udp && !order_chunks(t))
        return ZK_TRANSFER_BROKEN;
    if (t->part) {
        if (t->got.len < t->wanted)
            t->wanted = (uint32_t)t->got.len;
        t->echoes = !t->strange;
    }
    return ZK_TRANSFER_WHOLE;
}

/* The table tells its size too; the larger of the two is waited for, the smaller will do. */
static uint32_t bulk_wanted(const struct zk_transfer *t)
{
    uint32_t said = t->got.len < 4 ? 0 : zk_u32(t->got.data);

    return said < ZK_BULK_MAX && said + 4 > t->announced ? said + 4 : t->announced;
}

/* All came that was announced, which for a part may be less than was asked for. */
static bool is_enough(const struct zk_transfer *t)
{
    return t->announced > 0 && (t->part ? t->got.len == t->announced : t->got.len >= t->announced);
}

static enum zk_transferred take_prepare(struct zk_transfer *t, const struct zk_packet *p)
{
    forget(t); /* it begins, perhaps again */
    t->announced = p->data.n >= 4 ? zk_u32(p->data.p) : 0;
    if (!t->part && t->announced > ZK_BULK_MAX)
        return ZK_TRANSFER_TOO_LARGE;
    if (!t->part)
        t->wanted = t->announced;
    return ZK_TRANSFER_WAIT;
}

static enum zk_transferred take_data(struct zk_transfer *t, const struct zk_packet *p)
{
    uint32_t most = t->part ? t->wanted : ZK_BULK_MAX;
    size_t room = most - t->got.len, n = p->data.n < room || t->udp ? p->data.n : room;
    struct chunk chunk = {p->session, (uint32_t)t->got.len, (uint32_t)n};

    if (t->udp && came_before(t, p))
        return ZK_TRANSFER_WAIT;
    if (t->got.len + n > ZK_BULK_MAX)
        return ZK_TRANSFER_TOO_LARGE;
    buf_add(&t->got, p->data.p, n);
    if (t->udp)
        buf_add(&t->chunks, &chunk, sizeof chunk);
    if (!t->part)
        t->wanted = bulk_wanted(t);
    if (t->got.len >= t->wanted && t->got.len > 0)
        return end(t);
    return n > 0 ? ZK_TRANSFER_MORE : ZK_TRANSFER_WAIT;
}

/* An end, or what is left of one. */
static enum zk_transferred take_end(struct zk_transfer *t, bool ours)
{
    if (is_enough(t) && (ours || !t->part))
        return end(t);
    if (!ours)
        return ZK_TRANSFER_WAIT;
    if (!t->part && t->got.len == 0 && t->announced == 0)
        return ZK_TRANSFER_WHOLE; /* nothing was announced: it is empty */
    /* It is less than was announced: believed when the table says the same of itself. */
    if (!t->part && t->got.len >= 4 && zk_u32(t->got.data) + 4 == t->got.len)
        return end(t);
    return ZK_TRANSFER_BROKEN;
}

enum zk_transferred zk_transfer_take(
    struct zk_transfer *t, const struct zk_packet *p, uint16_t reply)
{
    bool content = p->command == ZK_PREPARE || p->command == ZK_DATA, ours = p->reply == reply;

    if (content && zk_transfer_is_stale(t, p, reply))
        return ZK_TRANSFER_WAIT;
    if (content)
        return p->command == ZK_PREPARE ? take_prepare(t, p) : take_data(t, p);
    if (p->command == ZK_ACK_OK)
        return take_end(t, ours);
    if (!zk_is_error(p) || !ours)
        return ZK_TRANSFER_WAIT;
    return t->part ? ZK_TRANSFER_BROKEN : ZK_TRANSFER_REFUSED;
}

enum zk_transferred zk_transfer_late(struct zk_transfer *t)
{
    return is_enough(t) ? end(t) : ZK_TRANSFER_BROKEN;
}

/* SPDX-License-Identifier: MIT */
/* Numbers are little-endian on the wire whatever this machine has. */
#include "zk_packet.h"

#include "clock.h"

#define SHORT_BYTES 16u /* a frame that is so short and holds the mark of another was cut off */

static const char mark[4] = {0x50, 0x50, (char)0x82, 0x7d};

uint16_t zk_u16(const void *p)
{
    const unsigned char *b = p;

    return (uint16_t)(b[0] | b[1] << 8);
}

uint32_t zk_u32(const void *p)
{
    return zk_u16(p) | (uint32_t)zk_u16((const char *)p + 2) << 16;
}

static void put_u16(void *p, uint16_t value)
{
    unsigned char *b = p;

    b[0] = (unsigned char)value;
    b[1] = (unsigned char)(value >> 8);
}

void zk_put_u32(void *p, uint32_t value)
{
    put_u16(p, (uint16_t)value);
    put_u16((char *)p + 2, (uint16_t)(value >> 16));
}

/* ---- packets ---- */

uint16_t zk_checksum(struct slice packet)
{
    uint32_t sum = 0;

    for (size_t i = 0; i + 1 < packet.n; i += 2) {
        sum += i == 2 ? 0u : zk_u16(packet.p + i);
        sum = (sum & 0xffff) + (sum >> 16);
    }
    if (packet.n & 1)
        sum += (unsigned char)packet.p[packet.n - 1];
    return (uint16_t) ~((sum & 0xffff) + (sum >> 16));
}

void zk_packet_print(struct buf *out, bool tcp, const struct zk_packet *p)
{
    size_t bytes = ZK_HEAD_BYTES + p->data.n, before = tcp ? ZK_TOP_BYTES : 0;
    char *at = buf_room(out, before + bytes);

    if (tcp) {
        memcpy(at, mark, sizeof mark);
        zk_put_u32(at + sizeof mark, (uint32_t)bytes);
        at += ZK_TOP_BYTES;
    }
    put_u16(at, p->command);
    put_u16(at + 4, p->session);
    put_u16(at + 6, p->reply);
    if (p->data.n > 0)
        memcpy(at + ZK_HEAD_BYTES, p->data.p, p->data.n);
    put_u16(at + 2, zk_checksum((struct slice){at, bytes}));
    out->len += before + bytes;
}

bool zk_packet_parse(struct slice packet, struct zk_packet *p)
{
    if (packet.n < ZK_HEAD_BYTES || packet.n > ZK_HEAD_BYTES + ZK_DATA_BYTES)
        return false;
    p->command = zk_u16(packet.p);
    p->session = zk_u16(packet.p + 4);
    p->reply = zk_u16(packet.p + 6);
    p->data = (struct slice){packet.p + ZK_HEAD_BYTES, packet.n - ZK_HEAD_BYTES};
    p->damaged = zk_checksum(packet) != zk_u16(packet.p + 2);
    return true;
}

/* Where the mark begins, or as much of it as there is at the end; n when nowhere. */
static size_t find_mark(const char *p, size_t n, size_t from)
{
    for (; from < n; from++) {
        size_t left = n - from, most = left < sizeof mark ? left : sizeof mark;

        if (memcmp(p + from, mark, most) == 0)
            return from;
    }
    return n;
}

enum zk_take zk_packet_take(struct slice in, size_t *used, struct zk_packet *p)
{
    size_t bytes, next;

    *used = find_mark(in.p, in.n, 0);
    if (*used > 0)
        return ZK_TAKE_JUNK;
    if (in.n < ZK_TOP_BYTES)
        return ZK_TAKE_MORE;
    bytes = zk_u32(in.p + sizeof mark);
    *used = sizeof mark;
    if (bytes < ZK_HEAD_BYTES || bytes > ZK_HEAD_BYTES + ZK_DATA_BYTES)
        return ZK_TAKE_JUNK;
    if (bytes <= SHORT_BYTES) {
        size_t here = in.n - ZK_TOP_BYTES < bytes ? in.n : ZK_TOP_BYTES + bytes;

        next = find_mark(in.p, here, sizeof mark);
        *used = next;
        if (next + sizeof mark <= here)
            return ZK_TAKE_JUNK;
    }
    if (in.n - ZK_TOP_BYTES < bytes)
        return ZK_TAKE_MORE;
    *used = ZK_TOP_BYTES + bytes;
    zk_packet_parse((struct slice){in.p + ZK_TOP_BYTES, bytes}, p);
    return ZK_TAKE_PACKET;
}

void zk_auth(uint32_t key, uint16_t session, unsigned char out[4])
{
    static const unsigned char letters[4] = {'Z', 'K', 'S', 'O'}, swapped[4] = {2, 3, 0, 1};
    const unsigned char ticks = 50;
    unsigned char b[4];
    uint32_t k = 0;

    for (int i = 0; i < 32; i++)
        k |= (key >> i & 1) << (31 - i);
    zk_put_u32(b, k + session);
    for (int i = 0; i < 4; i++)
        out[i] = (unsigned char)(b[swapped[i]] ^ letters[swapped[i]] ^ ticks);
    out[2] = ticks;
}

/* ---- values ---- */

/* Quotient toward minus infinity; the rest, which is never negative, goes to *rest. */
static int64_t divide(int64_t n, int64_t by, int64_t *rest)
{
    int64_t q = n / by;

    if (n % by < 0)
        q--;
    *rest = n - q * by;
    return q;
}

bool zk_time(uint32_t packed, int64_t *local_s, bool *unset)
{
    int64_t second, day, month, year;

    *unset = packed > INT32_MAX;
    year = (int64_t)packed - (*unset ? (int64_t)1 << 32 : 0);
    year = divide(year, 86400, &second);
    year = divide(year, 31, &day);
    year = divide(year, 12, &month) + 2000;
    if (!clock_date_exists((int)year, (int)month + 1, (int)day + 1))
        return false;
    *local_s = clock_days((int)year, (int)month + 1, (int)day + 1) * 86400 + second;
    return true;
}

bool zk_time6(const void *six, int64_t *local_s)
{
    const unsigned char *b = six;

    if (b[0] > 99 || b[3] > 23 || b[4] > 59 || b[5] > 59 ||
        !clock_date_exists(2000 + b[0], b[1], b[2]))
        return false;
    *local_s = clock_days(2000 + b[0], b[1], b[2]) * 86400 + b[3] * 3600 + b[4] * 60 + b[5];
    return true;
}

bool zk_sizes_parse(struct slice data, struct zk_sizes *sizes)
{
    if (data.n < 80)
        return false;
    sizes->users = zk_u32(data.p + 16);
    sizes->records = zk_u32(data.p + 32);
    sizes->record_room = zk_u32(data.p + 64);
    return true;
}

struct slice zk_option_value(struct slice data, const char *name)
{
    size_t n = strlen(name);
    const char *end;

    if (data.n <= n || memcmp(data.p, name, n) != 0 || data.p[n] != '=')
        return SLICE_NONE;
    data.p += n + 1;
    data.n -= n + 1;
    end = memchr(data.p, '\0', data.n);
    return slice_trim((struct slice){data.p, end ? (size_t)(end - data.p) : data.n});
}

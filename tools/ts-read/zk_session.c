/* SPDX-License-Identifier: MIT */
/*
 * What devices do, and what is done about it:
 *
 * - Session and reply id of what comes are often others than they should be, so they prove nothing;
 *   but a device whose parts have carried our reply ids once is held to them, for then what is left
 *   of an earlier try can be told from what was asked last.
 * - The ACK_OK after a part may be missing, late, cut off, or come together with the data: nobody
 *   waits for it.  A bare one that comes while something else is expected is such a late one.
 * - A part that does not come whole is asked for again, PART_TRIES times.
 * - A device that does not know ZK_TABLE_OPEN is asked in the old way, in which the whole table
 *   comes in one go, and is kept here.
 * - Datagrams may be lost, doubled or swapped.  Devices number the data of a transfer in the
 * session field; where the numbers make sense, they are put in order by them.
 */
#include "zk_session.h"

#include <stdlib.h>

#include "secret.h"

#define PART_TCP 65472u
#define PART_UDP 16384u
#define PART_TRIES 3u
#define STALE_MAX 4u      /* a reply id so little before ours is that of an earlier request */
#define ANNOUNCED_MAX 16u /* bytes of an answer to ZK_TABLE_OPEN */
#define DOUBLES_MAX 32u   /* datagrams back that one is compared with */
#define UDP_TRIES 3u
#define OUT_MAX 4096u /* of acknowledgements that nobody sends */
#define JUNK_MAX (256u << 10)
#define PART_MS 120000        /* for a part, however it drips */
#define BULK_MS 1800000       /* for a whole table */
#define SLICE_MAX (64u << 10) /* of one DATA from memory */
#define EVENT_ATTENDANCE 1u

enum ask { ASK_NOTHING, CONNECTING, OPTION, SIZES, LISTEN, OPENING, READING, SHUT, LEAVING, ASKS };

/* How long an answer may take: over UDP it is asked again after that. */
static const struct {
    int tcp_ms, udp_ms;
} patience[ASKS] = {
    [CONNECTING] = {5000, 1000},
    [OPTION] = {5000, 2000},
    [SIZES] = {10000, 3000},
    [LISTEN] = {5000, 2000},
    [OPENING] = {30000, 15000}, /* the device gathers the table */
    [READING] = {5000, 2000},
    [SHUT] = {1000, 500},
    [LEAVING] = {1000, 500},
};

struct chunk {
    uint16_t number;
    uint32_t at, n;
};

struct zk_session {
    bool udp, keyed, connected, lost;
    uint32_t key;
    uint16_t session, reply; /* reply: of the last request */
    struct buf out;          /* u16 length, packet; again and again */
    struct buf in;
    size_t in_from, junk;

    enum ask ask;
    bool authorizing, receiving, old; /* old: without ZK_TABLE_OPEN */
    char option[32];
    struct buf request; /* the packet that waits for its answer, to be sent again */
    unsigned tries;
    int64_t due_ms, limit_ms; /* limit_ms: of a transfer, which puts off due_ms as it goes on */

    enum zk_table table;
    uint32_t size;
    bool whole;         /* `got` is all of the table */
    uint32_t at, to;    /* what is left of the range to read */
    uint32_t wanted;    /* bytes of the transfer, as far as is known; 0: not yet */
    uint32_t announced; /* by ZK_PREPARE */
    struct buf got;
    struct buf chunks; /* struct chunk, over UDP */
    bool echoes;       /* its parts carry our reply ids */
    bool loose;        /* … and yet they do not: all is taken */
    bool strange;      /* one of this transfer did not */
    unsigned stale;    /* packets dropped for that */
    bool give, ended;  /* `got` is to be handed out; what was asked is done with that */
};

struct zk_session *zk_session_new(bool udp, bool keyed, uint32_t key)
{
    struct zk_session *s = mem_alloc(sizeof *s);

    *s = (struct zk_session){
        .udp = udp, .keyed = keyed, .key = key, .reply = UINT16_MAX, .due_ms = INT64_MAX};
    return s;
}

void zk_session_free(struct zk_session *s)
{
    if (!s)
        return;
    buf_free(&s->out);
    secret_forget(&s->in);
    buf_free(&s->request);
    secret_forget(&s->got);
    buf_free(&s->chunks);
    free(s);
}

/* ---- sending ---- */

static void put_out(struct zk_session *s, const struct zk_packet *p)
{
    size_t at = s->out.len, bytes;

    if (at > OUT_MAX)
        return;
    buf_add(&s->out, "\0\0", 2);
    zk_packet_print(&s->out, !s->udp, p);
    bytes = s->out.len - at - 2;
    s->out.data[at] = (char)bytes;
    s->out.data[at + 1] = (char)(bytes >> 8);
}

bool zk_session_out(struct zk_session *s, struct slice *packet)
{
    if (s->out.len == 0)
        return false;
    *packet = (struct slice){s->out.data + 2, zk_u16(s->out.data)};
    return true;
}

void zk_session_sent(struct zk_session *s)
{
    size_t bytes = 2u + zk_u16(s->out.data);

    s->out.len -= bytes;
    memmove(s->out.data, s->out.data + bytes, s->out.len);
}

static void wait_from(struct zk_session *s, int64_t now_ms)
{
    s->due_ms = now_ms + (s->udp ? patience[s->ask].udp_ms : patience[s->ask].tcp_ms);
    s->limit_ms = now_ms + (s->ask == READING ? PART_MS : BULK_MS);
}

/* Something came of a transfer. */
static void go_on_waiting(struct zk_session *s, int64_t now_ms)
{
    s->due_ms = now_ms + (s->udp ? patience[READING].udp_ms : patience[READING].tcp_ms);
    if (s->due_ms > s->limit_ms)
        s->due_ms = s->limit_ms;
}

/* Sends a request: what the answer is to, from now on. */
static void request(
    struct zk_session *s, enum zk_command command, struct slice data, int64_t now_ms)
{
    struct zk_packet p = {.command = (uint16_t)command, .session = s->session, .data = data};

    /* 0, 1, 2, … and never 65535, which some take for an error. */
    s->reply = s->reply >= UINT16_MAX - 1 ? 0 : (uint16_t)(s->reply + 1);
    p.reply = s->reply;
    put_out(s, &p);
    s->request.len = 0;
    zk_packet_print(&s->request, false, &p);
    wait_from(s, now_ms);
}

static void begin(struct zk_session *s, enum ask ask)
{
    s->ask = ask;
    s->tries = 1;
    s->stale = 0;
    s->receiving = false;
}

void zk_session_connect(struct zk_session *s, int64_t now_ms)
{
    begin(s, CONNECTING);
    s->authorizing = false;
    request(s, ZK_CONNECT, SLICE_NONE, now_ms);
}

void zk_session_option(struct zk_session *s, const char *name, int64_t now_ms)
{
    size_t n = strlen(name);

    begin(s, OPTION);
    if (n >= sizeof s->option)
        n = sizeof s->option - 1;
    memcpy(s->option, name, n);
    s->option[n] = '\0';
    request(s, ZK_OPTION, (struct slice){s->option, n + 1}, now_ms);
}

void zk_session_sizes(struct zk_session *s, int64_t now_ms)
{
    begin(s, SIZES);
    request(s, ZK_FREE_SIZES, SLICE_NONE, now_ms);
}

void zk_session_listen(struct zk_session *s, int64_t now_ms)
{
    char mask[4];

    begin(s, LISTEN);
    zk_put_u32(mask, EVENT_ATTENDANCE);
    request(s, ZK_REG_EVENT, (struct slice){mask, sizeof mask}, now_ms);
}

/* ---- transfers ---- */

/* Forgets what came of a transfer. */
static void reset_transfer(struct zk_session *s)
{
    s->got.len = s->chunks.len = 0;
    s->announced = 0;
    s->strange = false;
}

static void ask_old(struct zk_session *s, int64_t now_ms)
{
    s->old = s->receiving = true;
    s->wanted = 0;
    reset_transfer(s);
    if (s->table == ZK_TABLE_LOG)
        request(s, ZK_LOG, SLICE_NONE, now_ms);
    else
        request(s, ZK_USERS, SLICE("\5"), now_ms);
}

static void ask_open(struct zk_session *s, int64_t now_ms)
{
    static const struct slice tables[] = {
        [ZK_TABLE_LOG] = {"\1\15\0\0\0\0\0\0\0\0\0", 11},
        [ZK_TABLE_USERS] = {"\1\11\0\5\0\0\0\0\0\0\0", 11},
    };

    s->wanted = 0;
    reset_transfer(s);
    request(s, ZK_TABLE_OPEN, tables[s->table], now_ms);
}

void zk_session_open(struct zk_session *s, enum zk_table table, int64_t now_ms)
{
    begin(s, OPENING);
    s->table = table;
    s->size = 0;
    s->whole = false;
    if (s->old)
        ask_old(s, now_ms);
    else
        ask_open(s, now_ms);
}

static void ask_part(struct zk_session *s, int64_t now_ms)
{
    uint32_t most = s->udp ? PART_UDP : PART_TCP;
    char range[8];

    s->wanted = s->to - s->at < most ? s->to - s->at : most;
    s->receiving = true;
    reset_transfer(s);
    zk_put_u32(range, s->at);
    zk_put_u32(range + 4, s->wanted);
    request(s, ZK_TABLE_PART, (struct slice){range, sizeof range}, now_ms);
}

void zk_session_read(struct zk_session *s, uint32_t from, uint32_t to, int64_t now_ms)
{
    begin(s, READING);
    s->at = from;
    s->to = to < s->size ? to : s->size;
    if (s->at > s->to)
        s->at = s->to;
    s->give = s->whole || s->at == s->to;
    s->due_ms = INT64_MAX;
    if (!s->give)
        ask_part(s, now_ms);
}

void zk_session_shut(struct zk_session *s, int64_t now_ms)
{
    begin(s, SHUT);
    secret_forget(&s->got);       /* of users, there were names and passwords */
    s->give = s->whole && s->old; /* nothing to free there */
    s->whole = false;
    s->size = 0;
    s->due_ms = INT64_MAX;
    if (!s->give)
        request(s, ZK_FREE_DATA, SLICE_NONE, now_ms);
}

void zk_session_exit(struct zk_session *s, int64_t now_ms)
{
    begin(s, LEAVING);
    s->connected = false;
    request(s, ZK_EXIT, SLICE_NONE, now_ms);
}

/* ---- news ---- */

static bool say(struct zk_session *s, struct zk_news *news, enum zk_news_kind kind)
{
    news->kind = kind;
    s->ask = ASK_NOTHING;
    s->receiving = false;
    s->due_ms = INT64_MAX;
    return true;
}

static bool refused(struct zk_session *s, struct zk_news *news, uint16_t code)
{
    news->code = code;
    return say(s, news, ZK_NEWS_REFUSED);
}

static bool lost(struct zk_session *s, struct zk_news *news, const char *why)
{
    news->why = why;
    s->lost = true;
    s->connected = false;
    return say(s, news, ZK_NEWS_LOST);
}

static bool is_error(const struct zk_packet *p)
{
    return p->command == ZK_ACK_ERROR || p->command == ZK_ACK_UNAUTH || p->command == ZK_NO_LOG ||
           p->command == ZK_OTHER_SDK || p->command >= ZK_ERROR_DATA;
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
static bool order_chunks(struct zk_session *s)
{
    struct chunk *c = (struct chunk *)(void *)s->chunks.data;
    size_t count = s->chunks.len / sizeof *c, distinct;
    struct buf sorted = {0};

    if (count < 2)
        return true;
    qsort(c, count, sizeof *c, by_number);
    if (!is_numbered(c, count, &distinct)) /* as it came, unless it came twice */
        return distinct > 1 || c[0].n != c[1].n ||
               memcmp(s->got.data + c[0].at, s->got.data + c[1].at, c[0].n) != 0;
    if ((size_t)(c[count - 1].number - c[0].number) + 1 != distinct)
        return false;
    for (size_t i = 0; i < count; i++)
        if (i == 0 || c[i].number != c[i - 1].number)
            buf_add(&sorted, s->got.data + c[i].at, c[i].n);
    buf_free(&s->got);
    s->got = sorted;
    return s->got.len >= s->wanted;
}

/* ---- what comes of a transfer ---- */

/* A range is read in parts; else the whole table comes. */
static bool in_parts(const struct zk_session *s)
{
    return s->ask == READING;
}

/* All came that was announced, though more was asked for. */
static bool is_short_part(const struct zk_session *s)
{
    return in_parts(s) && s->announced > 0 && s->got.len == s->announced;
}

static bool try_again(struct zk_session *s, struct zk_news *news, int64_t now_ms)
{
    if (s->tries++ >= PART_TRIES)
        return lost(s, news, "the device does not hand over a whole part of its table");
    /* That it kept to reply ids before may have been chance. */
    if (s->stale > 0 && s->got.len == 0)
        s->loose = true;
    s->stale = 0;
    if (in_parts(s))
        ask_part(s, now_ms);
    else if (s->old)
        ask_old(s, now_ms);
    else
        ask_open(s, now_ms);
    return false;
}

static bool whole_table(struct zk_session *s, struct zk_news *news)
{
    s->whole = true;
    s->size = (uint32_t)s->got.len;
    news->size = s->size;
    return say(s, news, ZK_NEWS_DONE);
}

static bool end_transfer(struct zk_session *s, struct zk_news *news, int64_t now_ms)
{
    if (s->udp && !order_chunks(s))
        return try_again(s, news, now_ms);
    if (!in_parts(s))
        return whole_table(s, news);
    if (s->got.len < s->wanted)
        s->wanted = (uint32_t)s->got.len;
    s->echoes = !s->strange;
    s->tries = 1;
    s->stale = 0;
    s->receiving = false;
    s->due_ms = INT64_MAX;
    s->give = true;
    return false;
}

/* The table tells its size too; the larger of the two is waited for, the smaller will do. */
static uint32_t bulk_wanted(const struct zk_session *s)
{
    uint32_t said = s->got.len < 4 ? 0 : zk_u32(s->got.data);

    return said < ZK_BULK_MAX && said + 4 > s->announced ? said + 4 : s->announced;
}

static bool take_prepare(struct zk_session *s, const struct zk_packet *p, struct zk_news *news)
{
    uint32_t bytes = p->data.n >= 4 ? zk_u32(p->data.p) : 0;

    reset_transfer(s); /* it begins, perhaps again */
    s->announced = bytes;
    if (!in_parts(s)) {
        if (bytes > ZK_BULK_MAX)
            return lost(s, news, "the table is too large to be read in one go");
        s->wanted = bytes;
        s->receiving = true;
        s->ask = OPENING;
    }
    return false;
}

/* Over UDP: whether the same datagram was here already. */
static bool came_before(const struct zk_session *s, const struct zk_packet *p)
{
    const struct chunk *c = (const struct chunk *)(const void *)s->chunks.data;
    size_t count = s->chunks.len / sizeof *c;

    for (size_t i = count; i > 0 && count - i < DOUBLES_MAX; i--)
        if (c[i - 1].number == p->session && c[i - 1].n == p->data.n &&
            memcmp(s->got.data + c[i - 1].at, p->data.p, p->data.n) == 0)
            return true;
    return false;
}

static bool take_data(
    struct zk_session *s, const struct zk_packet *p, struct zk_news *news, int64_t now_ms)
{
    uint32_t most = in_parts(s) ? s->wanted : ZK_BULK_MAX;
    size_t room = most - s->got.len, n = p->data.n < room || s->udp ? p->data.n : room;
    struct chunk chunk = {p->session, (uint32_t)s->got.len, (uint32_t)n};

    if (s->udp && came_before(s, p))
        return false;
    if (s->got.len + n > ZK_BULK_MAX)
        return lost(s, news, "the table is too large to be read in one go");
    buf_add(&s->got, p->data.p, n);
    if (s->udp)
        buf_add(&s->chunks, &chunk, sizeof chunk);
    if (n > 0)
        go_on_waiting(s, now_ms);
    if (!in_parts(s))
        s->wanted = bulk_wanted(s);
    if (s->got.len < s->wanted || s->got.len == 0)
        return false;
    return end_transfer(s, news, now_ms);
}

/* An end, or what is left of one. */
static bool take_end(
    struct zk_session *s, const struct zk_packet *p, struct zk_news *news, int64_t now_ms)
{
    if (!in_parts(s) && s->announced > 0 && s->got.len >= s->announced)
        return end_transfer(s, news, now_ms);
    if (p->reply != s->reply)
        return false;
    if (is_short_part(s))
        return end_transfer(s, news, now_ms);
    if (in_parts(s) || s->got.len > 0 || s->announced > 0) {
        /* It says less than it announced: believed when the table says the same of itself. */
        if (!in_parts(s) && s->got.len >= 4 && zk_u32(s->got.data) + 4 == s->got.len)
            return end_transfer(s, news, now_ms);
        return try_again(s, news, now_ms);
    }
    return whole_table(s, news); /* nothing was announced: it is empty */
}

/* Whether it belongs to an earlier request: what an impatient repetition leaves behind. */
static bool is_stale(struct zk_session *s, const struct zk_packet *p)
{
    uint16_t before = (uint16_t)(s->reply - p->reply);

    if (before == 0)
        return false;
    if (s->loose || (before > STALE_MAX && !(s->echoes && in_parts(s)))) {
        s->strange = true;
        return false;
    }
    s->stale++;
    return true;
}

static bool take_transfer(
    struct zk_session *s, const struct zk_packet *p, struct zk_news *news, int64_t now_ms)
{
    bool content = p->command == ZK_PREPARE || p->command == ZK_DATA;

    if (content && is_stale(s, p))
        return false;
    if (p->command == ZK_PREPARE)
        return take_prepare(s, p, news);
    if (p->command == ZK_DATA)
        return take_data(s, p, news, now_ms);
    if (p->command == ZK_ACK_OK)
        return take_end(s, p, news, now_ms);
    if (!is_error(p) || p->reply != s->reply)
        return false;
    return in_parts(s) ? try_again(s, news, now_ms) : refused(s, news, p->command);
}

/* ---- answers ---- */

static bool take_connect(
    struct zk_session *s, const struct zk_packet *p, struct zk_news *news, int64_t now_ms)
{
    unsigned char hash[4];

    if (p->command == ZK_ACK_OK) {
        if (!s->authorizing)
            s->session = p->session;
        s->connected = true;
        return say(s, news, ZK_NEWS_DONE);
    }
    if (p->command != ZK_ACK_UNAUTH || s->authorizing || !s->keyed)
        return is_error(p) ? refused(s, news, p->command) : false;
    s->session = p->session;
    s->connected = s->authorizing = true;
    s->tries = 1;
    zk_auth(s->key, s->session, hash);
    request(s, ZK_AUTH, (struct slice){(char *)hash, sizeof hash}, now_ms);
    return false;
}

static bool take_option(
    struct zk_session *s, const struct zk_packet *p, struct zk_news *news, int64_t now_ms)
{
    (void)now_ms;
    news->data = zk_option_value(p->data, s->option);
    if (p->command == ZK_ACK_OK && news->data.p)
        return say(s, news, ZK_NEWS_DONE);
    return is_error(p) || p->reply == s->reply ? refused(s, news, p->command) : false;
}

static bool take_sizes(
    struct zk_session *s, const struct zk_packet *p, struct zk_news *news, int64_t now_ms)
{
    (void)now_ms;
    if (p->command == ZK_ACK_OK && zk_sizes_parse(p->data, &news->sizes))
        return say(s, news, ZK_NEWS_DONE);
    return is_error(p) || p->reply == s->reply ? refused(s, news, p->command) : false;
}

static bool take_ack(
    struct zk_session *s, const struct zk_packet *p, struct zk_news *news, int64_t now_ms)
{
    (void)now_ms;
    if (p->command == ZK_ACK_OK)
        return say(s, news, ZK_NEWS_DONE);
    return is_error(p) ? refused(s, news, p->command) : false;
}

/* u8 ?, u32 size, u32 size, …; without the first byte on some.  False: this is the answer to
   something else, which came late or twice. */
static bool announced_size(struct slice data, bool ours, uint32_t *size)
{
    bool at_1 = data.n >= 9 && zk_u32(data.p + 1) == zk_u32(data.p + 5);
    bool at_0 = data.n >= 8 && zk_u32(data.p) == zk_u32(data.p + 4);

    if (!ours && (data.n > ANNOUNCED_MAX || (!at_1 && !at_0)))
        return false;
    *size = data.n < 4 ? 0 : at_1 || (data.n >= 5 && !at_0) ? zk_u32(data.p + 1) : zk_u32(data.p);
    return true;
}

static bool take_opened(
    struct zk_session *s, const struct zk_packet *p, struct zk_news *news, int64_t now_ms)
{
    if (p->command == ZK_DATA || p->command == ZK_PREPARE) {
        s->receiving = !is_stale(s, p);
        return s->receiving ? take_transfer(s, p, news, now_ms) : false;
    }
    if (p->command == ZK_NO_LOG || p->command == ZK_ACK_UNAUTH)
        return refused(s, news, p->command);
    if (is_error(p)) {
        s->tries = 1;
        ask_old(s, now_ms);
        return false;
    }
    if (p->command != ZK_ACK_OK || !announced_size(p->data, p->reply == s->reply, &s->size))
        return false;
    news->size = s->size;
    if (s->size > ZK_TABLE_MAX)
        return lost(s, news, "the device announces a table that is too large");
    return say(s, news, ZK_NEWS_DONE);
}

typedef bool take_answer(
    struct zk_session *s, const struct zk_packet *p, struct zk_news *news, int64_t now_ms);

static take_answer *const answers[ASKS] = {
    [CONNECTING] = take_connect,
    [OPTION] = take_option,
    [SIZES] = take_sizes,
    [LISTEN] = take_ack,
    [OPENING] = take_opened,
    [READING] = take_transfer,
    [SHUT] = take_ack,
    [LEAVING] = take_ack,
};

static void resend(struct zk_session *s, int64_t now_ms)
{
    struct zk_packet p;

    if (zk_packet_parse(buf_all(&s->request), &p))
        put_out(s, &p);
    wait_from(s, now_ms);
}

static bool take_packet(
    struct zk_session *s, const struct zk_packet *p, struct zk_news *news, int64_t now_ms)
{
    struct zk_packet ack = {.command = ZK_ACK_OK, .session = s->session};

    if (p->command == ZK_REG_EVENT) {
        put_out(s, &ack);
        if (!(p->session & EVENT_ATTENDANCE))
            return false;
        news->data = p->data;
        news->kind = ZK_NEWS_EVENT;
        return true;
    }
    if (s->ask == ASK_NOTHING || s->give)
        return false;
    if ((p->command == ZK_ACK_RETRY || p->command == ZK_ACK_REPEAT) && s->tries < UDP_TRIES) {
        s->tries++;
        resend(s, now_ms);
        return false;
    }
    return (s->receiving ? take_transfer : answers[s->ask])(s, p, news, now_ms);
}

/* ---- input ---- */

void zk_session_take(struct zk_session *s, struct slice bytes)
{
    struct zk_packet p;

    if (s->in_from > 0) {
        s->in.len -= s->in_from;
        memmove(s->in.data, s->in.data + s->in_from, s->in.len);
        s->in_from = 0;
    }
    if (!s->udp)
        buf_slice(&s->in, bytes);
    else if (zk_packet_parse(bytes, &p))
        zk_packet_print(&s->in, true, &p);
}

/* ---- handing out ---- */

static bool give(struct zk_session *s, struct zk_news *news, int64_t now_ms)
{
    uint32_t n = s->to - s->at;

    s->give = false;
    if (s->ask != READING)
        return say(s, news, ZK_NEWS_DONE);
    if (s->ended || n == 0) {
        s->ended = false;
        if (s->at == s->to)
            return say(s, news, ZK_NEWS_DONE);
        ask_part(s, now_ms);
        return false;
    }
    if (s->whole) {
        n = n < SLICE_MAX ? n : SLICE_MAX;
        news->data = (struct slice){s->got.data + s->at, n};
    } else {
        n = s->wanted;
        news->data = (struct slice){s->got.data, n};
        s->ended = true;
    }
    s->at += n;
    s->give = true;
    news->kind = ZK_NEWS_DATA;
    return true;
}

/* ---- time ---- */

static bool too_late(struct zk_session *s, struct zk_news *news, int64_t now_ms)
{
    if (s->receiving && s->announced > 0 &&
        (in_parts(s) ? is_short_part(s) : s->got.len >= s->announced))
        return end_transfer(s, news, now_ms);
    if (s->ask == SHUT || s->ask == LEAVING)
        return say(s, news, ZK_NEWS_DONE);
    if (s->receiving && (in_parts(s) || s->announced > 0 || s->udp))
        return try_again(s, news, now_ms);
    if (s->udp && s->tries++ < UDP_TRIES) {
        resend(s, now_ms);
        return false;
    }
    if (s->ask == OPTION)
        return refused(s, news, 0);
    return lost(s, news,
        s->ask == CONNECTING ? "no answer (another program may have the device)"
                             : "the device does not answer any more");
}

enum zk_news_kind zk_session_next(struct zk_session *s, int64_t now_ms, struct zk_news *news)
{
    struct zk_packet p;
    size_t used;

    *news = (struct zk_news){0};
    while (!s->lost) {
        struct slice in = s->in.len > 0
                              ? (struct slice){s->in.data + s->in_from, s->in.len - s->in_from}
                              : SLICE_NONE;
        enum zk_take take = ZK_TAKE_MORE;

        if (s->give) {
            if (give(s, news, now_ms))
                break;
            continue;
        }
        if (in.n > 0)
            take = zk_packet_take(in, &used, &p);
        if (take == ZK_TAKE_MORE) {
            if (now_ms < s->due_ms || too_late(s, news, now_ms))
                break;
            continue;
        }
        s->in_from += used;
        s->junk += take == ZK_TAKE_JUNK ? used : 0;
        if (s->junk > JUNK_MAX && lost(s, news, "this is no ZKTeco device"))
            break;
        if (take == ZK_TAKE_PACKET && take_packet(s, &p, news, now_ms))
            break;
    }
    return news->kind;
}

int64_t zk_session_due(const struct zk_session *s)
{
    return s->due_ms;
}

void zk_session_stalled(struct zk_session *s, int64_t for_ms)
{
    if (s->due_ms != INT64_MAX)
        s->due_ms += for_ms;
    s->limit_ms += for_ms;
}

bool zk_session_open_now(const struct zk_session *s)
{
    return s->connected;
}

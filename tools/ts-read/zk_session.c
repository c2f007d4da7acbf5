/* SPDX-License-Identifier: MIT */
/*
 * What devices do, and what is done about it, beside zk_transfer.c:
 *
 * - A part that does not come whole is asked for again, PART_TRIES times.
 * - A device that does not know ZK_TABLE_OPEN is asked in the old way, in which the whole table
 *   comes in one go, and is kept here.
 */
#include "zk_session.h"

#include <stdlib.h>

#include "secret.h"
#include "zk_transfer.h"

#define PART_TCP 65472u
#define PART_UDP 16384u
#define PART_TRIES 3u
#define ANNOUNCED_MAX 16u /* bytes of an answer to ZK_TABLE_OPEN */
#define UDP_TRIES 3u
#define OUT_MAX 4096u /* of acknowledgements that nobody sends */
#define JUNK_MAX (256u << 10)
#define PART_MS 120000        /* for a part, however it drips */
#define BULK_MS 1800000       /* for a whole table */
#define SLICE_MAX (64u << 10) /* of one DATA from memory */
#define EVENT_ATTENDANCE 1u

enum ask {
    ASK_NOTHING,
    CONNECTING,
    OPTION,
    SIZES,
    CLOCK,
    LISTEN,
    OPENING,
    READING,
    SHUT,
    LEAVING,
    ASKS
};

/* How long an answer may take: over UDP it is asked again after that. */
static const struct {
    int tcp_ms, udp_ms;
} patience[ASKS] = {
    [CONNECTING] = {5000, 1000},
    [OPTION] = {5000, 2000},
    [SIZES] = {10000, 3000},
    [CLOCK] = {5000, 2000},
    [LISTEN] = {5000, 2000},
    [OPENING] = {30000, 15000}, /* the device gathers the table */
    [READING] = {5000, 2000},
    [SHUT] = {1000, 500},
    [LEAVING] = {1000, 500},
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
    bool whole;              /* data.got is all of the table */
    uint32_t at, to;         /* what is left of the range to read */
    struct zk_transfer data; /* what comes of a table */
    bool give;               /* it is to be handed out, or that all of it was */
};

struct zk_session *zk_session_new(bool udp, bool keyed, uint32_t key)
{
    struct zk_session *s = mem_alloc(sizeof *s);

    *s = (struct zk_session){.udp = udp,
        .keyed = keyed,
        .key = key,
        .reply = UINT16_MAX,
        .due_ms = INT64_MAX,
        .data.udp = udp};
    return s;
}

void zk_session_free(struct zk_session *s)
{
    if (!s)
        return;
    buf_free(&s->out);
    secret_forget(&s->in);
    buf_free(&s->request);
    zk_transfer_free(&s->data);
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

void zk_session_clock(struct zk_session *s, int64_t now_ms)
{
    begin(s, CLOCK);
    request(s, ZK_CLOCK, SLICE_NONE, now_ms);
}

void zk_session_listen(struct zk_session *s, int64_t now_ms)
{
    char mask[4];

    begin(s, LISTEN);
    zk_put_u32(mask, EVENT_ATTENDANCE);
    request(s, ZK_REG_EVENT, (struct slice){mask, sizeof mask}, now_ms);
}

/* ---- transfers ---- */

static void ask_old(struct zk_session *s, int64_t now_ms)
{
    s->old = s->receiving = true;
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

    s->receiving = false;
    request(s, ZK_TABLE_OPEN, tables[s->table], now_ms);
}

void zk_session_open(struct zk_session *s, enum zk_table table, int64_t now_ms)
{
    begin(s, OPENING);
    s->table = table;
    s->size = 0;
    s->whole = false;
    zk_transfer_begin(&s->data, 0);
    if (s->old)
        ask_old(s, now_ms);
    else
        ask_open(s, now_ms);
}

/* The next part of the range, or what was asked for last once more. */
static void ask_part(struct zk_session *s, int64_t now_ms)
{
    char range[8];

    s->receiving = true;
    zk_put_u32(range, s->at);
    zk_put_u32(range + 4, s->data.wanted);
    request(s, ZK_TABLE_PART, (struct slice){range, sizeof range}, now_ms);
}

static void next_part(struct zk_session *s, int64_t now_ms)
{
    uint32_t most = s->udp ? PART_UDP : PART_TCP;

    zk_transfer_begin(&s->data, s->to - s->at < most ? s->to - s->at : most);
    ask_part(s, now_ms);
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
        next_part(s, now_ms);
}

void zk_session_shut(struct zk_session *s, int64_t now_ms)
{
    begin(s, SHUT);
    secret_forget(&s->data.got);  /* of users, there were names and passwords */
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
    return say(s, news, ZK_NEWS_LOST);
}

/* ---- what comes of a table ---- */

static bool try_again(struct zk_session *s, struct zk_news *news, int64_t now_ms)
{
    if (s->tries++ >= PART_TRIES)
        return lost(s, news, "the device does not hand over a whole part of its table");
    zk_transfer_again(&s->data);
    if (s->data.part)
        ask_part(s, now_ms);
    else if (s->old)
        ask_old(s, now_ms);
    else
        ask_open(s, now_ms);
    return false;
}

static bool end_transfer(struct zk_session *s, struct zk_news *news)
{
    if (!s->data.part) {
        s->whole = true;
        s->size = news->size = (uint32_t)s->data.got.len;
        return say(s, news, ZK_NEWS_DONE);
    }
    s->tries = 1;
    s->receiving = false;
    s->due_ms = INT64_MAX;
    s->give = true;
    return false;
}

static bool on_transfer(
    struct zk_session *s, enum zk_transferred what, struct zk_news *news, int64_t now_ms)
{
    switch (what) {
    case ZK_TRANSFER_MORE:
        go_on_waiting(s, now_ms);
        return false;
    case ZK_TRANSFER_WHOLE:
        return end_transfer(s, news);
    case ZK_TRANSFER_BROKEN:
        return try_again(s, news, now_ms);
    case ZK_TRANSFER_TOO_LARGE:
        return lost(s, news, "the table is too large to be read in one go");
    default:
        return false;
    }
}

static bool take_transfer(
    struct zk_session *s, const struct zk_packet *p, struct zk_news *news, int64_t now_ms)
{
    enum zk_transferred what = zk_transfer_take(&s->data, p, s->reply);

    if (what == ZK_TRANSFER_REFUSED)
        return refused(s, news, p->command);
    return on_transfer(s, what, news, now_ms);
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
        return zk_is_error(p) ? refused(s, news, p->command) : false;
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
    return zk_is_error(p) || p->reply == s->reply ? refused(s, news, p->command) : false;
}

static bool take_sizes(
    struct zk_session *s, const struct zk_packet *p, struct zk_news *news, int64_t now_ms)
{
    (void)now_ms;
    if (p->command == ZK_ACK_OK && zk_sizes_parse(p->data, &news->sizes))
        return say(s, news, ZK_NEWS_DONE);
    return zk_is_error(p) || p->reply == s->reply ? refused(s, news, p->command) : false;
}

static bool take_clock(
    struct zk_session *s, const struct zk_packet *p, struct zk_news *news, int64_t now_ms)
{
    bool unset;

    (void)now_ms;
    if (p->command == ZK_ACK_OK && p->data.n >= 4 &&
        zk_time(zk_u32(p->data.p), &news->local_s, &unset))
        return say(s, news, ZK_NEWS_DONE);
    return zk_is_error(p) || p->reply == s->reply ? refused(s, news, p->command) : false;
}

static bool take_ack(
    struct zk_session *s, const struct zk_packet *p, struct zk_news *news, int64_t now_ms)
{
    (void)now_ms;
    if (p->command == ZK_ACK_OK)
        return say(s, news, ZK_NEWS_DONE);
    return zk_is_error(p) ? refused(s, news, p->command) : false;
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
        s->receiving = !zk_transfer_is_stale(&s->data, p, s->reply);
        return s->receiving ? take_transfer(s, p, news, now_ms) : false;
    }
    if (p->command == ZK_NO_LOG || p->command == ZK_ACK_UNAUTH)
        return refused(s, news, p->command);
    if (zk_is_error(p)) {
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
    [CLOCK] = take_clock,
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

/* The next part is asked for before this one is looked at: the device works meanwhile. */
static bool give(struct zk_session *s, struct zk_news *news, int64_t now_ms)
{
    uint32_t n = s->to - s->at;

    s->give = false;
    if (s->ask != READING || n == 0)
        return say(s, news, ZK_NEWS_DONE);
    if (!s->whole)
        n = s->data.wanted;
    else if (n > SLICE_MAX)
        n = SLICE_MAX;
    news->kind = ZK_NEWS_DATA;
    news->data = (struct slice){s->data.got.data + (s->whole ? s->at : 0), n};
    s->at += n;
    if (s->whole || s->at == s->to)
        s->give = true;
    else
        next_part(s, now_ms);
    return true;
}

/* ---- time ---- */

static bool too_late(struct zk_session *s, struct zk_news *news, int64_t now_ms)
{
    enum zk_transferred what = s->receiving ? zk_transfer_late(&s->data) : ZK_TRANSFER_WAIT;

    if (what == ZK_TRANSFER_WHOLE)
        return end_transfer(s, news);
    if (s->ask == SHUT || s->ask == LEAVING)
        return say(s, news, ZK_NEWS_DONE);
    if (what == ZK_TRANSFER_BROKEN && (s->data.part || s->data.announced > 0 || s->udp))
        return try_again(s, news, now_ms);
    if (s->udp && s->tries++ < UDP_TRIES) {
        resend(s, now_ms);
        return false;
    }
    if (s->ask == OPTION || s->ask == CLOCK)
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
        s->junk = take == ZK_TAKE_JUNK ? s->junk + used : 0;
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

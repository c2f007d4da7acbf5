/* SPDX-License-Identifier: MIT */
/*
 * A session with a device that is played here, byte by byte, with what devices do: the forms of a
 * transfer, acknowledgements that are missing, late or cut off, wrong numbers, lost and swapped
 * datagrams.  Whatever it does, the table that comes out is the one that it has, or nothing.
 */
#include "zk_session.h"

#include <stdio.h>

#include "../../support/unit.h"
#include "zk_hex.h"

/* ---- the device ---- */

enum quirk {
    NO_ACK = 1 << 0,      /* after a part */
    LATE_ACK = 1 << 1,    /* before the answer to the next request */
    CUT_ACK = 1 << 2,     /* its last bytes are missing */
    DIRECT = 1 << 3,      /* a part is one ZK_DATA, without ZK_PREPARE */
    SMALL = 1 << 4,       /* frames of 1008 bytes */
    WRONG_IDS = 1 << 5,   /* any session, any reply id, on all of a transfer */
    NO_TABLES = 1 << 6,   /* no ZK_TABLE_OPEN */
    AT_ONCE = 1 << 7,     /* the whole table as the answer to ZK_TABLE_OPEN, as ZK_DATA */
    PREPARED = 1 << 8,    /* the same with ZK_PREPARE */
    JUNK = 1 << 9,        /* before each frame */
    SHORT_ONCE = 1 << 10, /* the first try of each part lacks its second half */
    SIZE_AT_0 = 1 << 11,  /* the answer to ZK_TABLE_OPEN without its first byte */
    LOSES = 1 << 12,      /* UDP: the first datagram with data of each first try */
    SWAPS = 1 << 13,      /* UDP: two of them change places */
    DOUBLES = 1 << 14,    /* UDP: each comes twice */
    EVENTS = 1 << 15,     /* a live event before each answer */
    LESS = 1 << 16,       /* at most 5000 bytes a part, as announced */
    SLOW_TWICE = 1 << 17, /* the first try of each part comes when it was given up, and whole */
    LIES_LOW = 1 << 18,   /* in one go: announces half of it */
    LIES_HIGH = 1 << 19,  /* in one go: announces more than there is */
    WANTS_KEY = 1 << 20,
};

#define SESSION 0x1f2e
#define DATAGRAM 1024u
#define DATAGRAMS 128

struct device {
    unsigned quirks;
    bool udp;
    struct buf table;
    struct buf out;               /* TCP: what it sends */
    struct buf slow;              /* what it sends later */
    struct slice gram[DATAGRAMS]; /* UDP */
    unsigned first, grams, tries, events, acks, freed;
    uint32_t last_from;
    bool late;
};

static void put(
    struct device *d, unsigned command, unsigned session, unsigned reply, struct slice data)
{
    struct zk_packet p = {.command = (uint16_t)command,
        .session = (uint16_t)session,
        .reply = (uint16_t)reply,
        .data = data};
    struct buf one = {0};

    if (d->quirks & JUNK && !d->udp)
        buf_lit(&d->out, "\0\xffPPx");
    if (!d->udp) {
        zk_packet_print(&d->out, true, &p);
        return;
    }
    zk_packet_print(&one, false, &p);
    ck_assert_uint_lt(d->grams, DATAGRAMS);
    d->gram[d->grams++] = buf_all(&one);
}

static void put_ack(struct device *d, unsigned reply)
{
    if (d->quirks & LATE_ACK)
        d->late = true;
    if (d->quirks & (NO_ACK | LATE_ACK))
        return;
    put(d, ZK_ACK_OK, d->quirks & WRONG_IDS ? 0x7777 : SESSION, d->quirks & WRONG_IDS ? 99 : reply,
        SLICE_NONE);
    if (d->quirks & CUT_ACK && !d->udp)
        d->out.len -= 5;
}

/* A transfer in all its forms. */
static void put_transfer(struct device *d, struct slice data, unsigned reply)
{
    unsigned id = d->quirks & WRONG_IDS ? 4711 : reply, number = 0, swap = UINT32_MAX;
    size_t each = d->udp ? DATAGRAM : d->quirks & SMALL ? 1008 : 65528, announced = data.n;
    char sizes[8];

    if (d->quirks & LIES_LOW)
        announced /= 2;
    if (d->quirks & LIES_HIGH)
        announced += 100;
    zk_put_u32(sizes, (uint32_t)announced);
    zk_put_u32(sizes + 4, (uint32_t)each);
    if (!(d->quirks & DIRECT) || data.n > each)
        put(d, ZK_PREPARE, SESSION, id, (struct slice){sizes, 8});
    if (d->quirks & SHORT_ONCE && d->tries == 1)
        data.n /= 2;
    for (; data.n > 0; number++) {
        size_t n = data.n < each ? data.n : each;
        bool gone = d->quirks & LOSES && d->tries == 1 && number == 0;

        if (d->quirks & SWAPS && number % 2 == 0)
            swap = d->grams;
        if (!gone)
            put(d, ZK_DATA, d->quirks & WRONG_IDS ? 5 : number, id, (struct slice){data.p, n});
        if (d->quirks & DOUBLES)
            put(d, ZK_DATA, number, id, (struct slice){data.p, n});
        if (d->quirks & SWAPS && number % 2 == 1 && d->grams == swap + 2) {
            struct slice other = d->gram[swap];

            d->gram[swap] = d->gram[swap + 1];
            d->gram[swap + 1] = other;
        }
        data.p += n;
        data.n -= n;
    }
    put_ack(d, reply);
}

static void on_part(struct device *d, const struct zk_packet *p)
{
    uint32_t from = zk_u32(p->data.p), n = zk_u32(p->data.p + 4);
    struct buf now = {0};

    ck_assert_uint_le(n, d->udp ? 16384 : 65472);
    ck_assert_uint_le((uint64_t)from + n, d->table.len);
    d->tries = from == d->last_from ? d->tries + 1 : 1;
    d->last_from = from;
    if (d->quirks & LESS && n > 5000)
        n = 5000;
    if (d->quirks & SLOW_TWICE && d->tries == 1)
        now = d->out, d->out = d->slow;
    put_transfer(d, (struct slice){d->table.data + from, n}, p->reply);
    if (d->quirks & SLOW_TWICE && d->tries == 1)
        d->slow = d->out, d->out = now;
}

static void on_open(struct device *d, const struct zk_packet *p)
{
    uint32_t n = (uint32_t)d->table.len;
    char sizes[13] = {0};

    ck_assert_uint_eq(p->data.n, 11);
    if (d->quirks & NO_TABLES) {
        put(d, ZK_UNKNOWN, SESSION, p->reply, SLICE_NONE);
    } else if (d->quirks & AT_ONCE) {
        put(d, ZK_DATA, SESSION, p->reply, buf_all(&d->table));
    } else if (d->quirks & PREPARED) {
        put_transfer(d, buf_all(&d->table), p->reply);
    } else {
        zk_put_u32(sizes + 1, n);
        zk_put_u32(sizes + 5, n);
        zk_put_u32(sizes + 9, 0xabcdef);
        put(d, ZK_ACK_OK, SESSION, p->reply,
            d->quirks & SIZE_AT_0 ? (struct slice){sizes + 1, 12} : (struct slice){sizes, 13});
    }
}

static void on_packet(struct device *d, struct slice packet)
{
    struct slice event = {"1140064\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\17\0\22\13\35\14\67\3", 32};
    struct zk_packet p;
    char sizes[80] = {0};
    unsigned char hash[4];

    ck_assert(zk_packet_parse(packet, &p));
    ck_assert(!p.damaged);
    if (p.command == ZK_ACK_OK) {
        d->acks++;
        return;
    }
    if (d->late)
        put(d, ZK_ACK_OK, SESSION, 3, SLICE_NONE);
    d->late = false;
    buf_slice(&d->out, buf_all(&d->slow));
    d->slow.len = 0;
    if (d->quirks & EVENTS && p.command != ZK_CONNECT) {
        d->events++;
        put(d, ZK_REG_EVENT, 1, 0, event);
    }
    switch (p.command) {
    case ZK_CONNECT:
        ck_assert_uint_eq(p.session, 0);
        put(d, d->quirks & WANTS_KEY ? ZK_ACK_UNAUTH : ZK_ACK_OK, SESSION, 16, SLICE("\11"));
        break;
    case ZK_AUTH:
        zk_auth(1234, SESSION, hash);
        put(d, memcmp(hash, p.data.p, 4) == 0 ? ZK_ACK_OK : ZK_ACK_UNAUTH, SESSION, p.reply,
            SLICE_NONE);
        break;
    case ZK_OPTION:
        ck_assert_str_eq(p.data.p, "~SerialNumber");
        put(d, ZK_ACK_OK, SESSION, p.reply, SLICE("~SerialNumber=CGXH2012345\0"));
        break;
    case ZK_FREE_SIZES:
        zk_put_u32(sizes + 32, 605);
        put(d, ZK_ACK_OK, SESSION, p.reply, (struct slice){sizes, sizeof sizes});
        break;
    case ZK_TABLE_OPEN:
        on_open(d, &p);
        break;
    case ZK_TABLE_PART:
        on_part(d, &p);
        break;
    case ZK_LOG:
        d->tries++;
        put_transfer(d, buf_all(&d->table), p.reply);
        break;
    case ZK_FREE_DATA:
        d->freed++;
        put(d, ZK_ACK_OK, SESSION, p.reply, SLICE_NONE);
        break;
    default:
        ck_assert_uint_eq(p.command, ZK_EXIT);
        put(d, ZK_ACK_OK, SESSION, p.reply, SLICE_NONE);
    }
}

/* ---- the wire ---- */

struct play {
    struct device device;
    struct zk_session *session;
    int64_t now_ms;
    size_t piece; /* bytes that arrive at once */
    size_t out;   /* bytes of the device that did */
    unsigned events, waits;
};

static void begin(struct play *t, unsigned quirks, bool udp, size_t table_bytes, size_t piece)
{
    *t = (struct play){.device = {.quirks = quirks, .udp = udp, .last_from = UINT32_MAX},
        .session = zk_session_new(udp, true, 1234),
        .now_ms = 1000,
        .piece = piece};
    char *p = buf_room(&t->device.table, table_bytes);

    for (size_t i = 0; i < table_bytes; i++)
        p[i] = (char)(i * 31 + (i >> 8) * 7 + (i >> 16));
    if (table_bytes >= 4)
        zk_put_u32(p, (uint32_t)table_bytes - 4);
    t->device.table.len = table_bytes;
}

static void end(struct play *t)
{
    zk_session_free(t->session);
    buf_free(&t->device.table);
    buf_free(&t->device.out);
    buf_free(&t->device.slow);
    for (unsigned i = 0; i < t->device.grams; i++)
        free((char *)t->device.gram[i].p);
}

static void move(struct play *t)
{
    struct device *d = &t->device;
    struct slice packet;

    while (zk_session_out(t->session, &packet)) {
        if (!d->udp) {
            ck_assert_mem_eq(packet.p, "PP\x82\x7d", 4);
            packet.p += 8;
            packet.n -= 8;
        }
        on_packet(d, packet);
        zk_session_sent(t->session);
    }
}

/* Hands over one piece of what the device sent; false: there is none. */
static bool deliver(struct play *t)
{
    struct device *d = &t->device;
    size_t n = d->out.len - t->out < t->piece ? d->out.len - t->out : t->piece;

    if (d->udp && d->first < d->grams) {
        zk_session_take(t->session, d->gram[d->first]);
        free((char *)d->gram[d->first].p);
        if (++d->first == d->grams)
            d->first = d->grams = 0;
        return true;
    }
    if (n == 0)
        return false;
    zk_session_take(t->session, (struct slice){d->out.data + t->out, n});
    t->out += n;
    if (t->out == d->out.len)
        t->out = d->out.len = 0;
    return true;
}

/* Plays until something is said that is no event. */
static enum zk_news_kind until_news(struct play *t, struct zk_news *news)
{
    for (;;) {
        enum zk_news_kind kind = zk_session_next(t->session, t->now_ms, news);

        if (kind == ZK_NEWS_EVENT)
            t->events++;
        else if (kind != ZK_NEWS_NONE)
            return kind;
        move(t);
        if (kind == ZK_NEWS_NONE && !deliver(t)) {
            ck_assert_int_ne(zk_session_due(t->session), INT64_MAX);
            ck_assert_int_gt(zk_session_due(t->session), t->now_ms);
            t->now_ms = zk_session_due(t->session);
            ck_assert_uint_lt(t->waits++, 200);
        }
    }
}

#define WANT(kind) ck_assert_int_eq(until_news(t, &news), kind)

static void read_range(struct play *t, uint32_t from, uint32_t to, struct buf *out)
{
    struct zk_news news;
    enum zk_news_kind kind;

    out->len = 0;
    zk_session_read(t->session, from, to, t->now_ms);
    while ((kind = until_news(t, &news)) == ZK_NEWS_DATA)
        buf_slice(out, news.data);
    ck_assert_int_eq(kind, ZK_NEWS_DONE);
    ck_assert_uint_eq(out->len, to - from);
    ck_assert_mem_eq(out->data, t->device.table.data + from, out->len);
}

/* All that is asked of a device, in order. */
static void play_all(struct play *t, size_t table_bytes)
{
    struct zk_news news;
    struct buf got = {0};

    zk_session_connect(t->session, t->now_ms);
    WANT(ZK_NEWS_DONE);
    ck_assert(zk_session_open_now(t->session));
    zk_session_option(t->session, "~SerialNumber", t->now_ms);
    WANT(ZK_NEWS_DONE);
    ck_assert(slice_is(news.data, "CGXH2012345"));
    for (int i = 0; i < 2; i++) {
        zk_session_open(t->session, ZK_TABLE_LOG, t->now_ms);
        WANT(ZK_NEWS_DONE);
        ck_assert_uint_eq(news.size, table_bytes);
        read_range(t, 0, (uint32_t)table_bytes, &got);
        if (table_bytes > 5000) {
            read_range(t, 4711, (uint32_t)table_bytes, &got);
            read_range(t, 17, 4711, &got);
            read_range(t, 17, 17, &got);
        }
        zk_session_shut(t->session, t->now_ms);
        WANT(ZK_NEWS_DONE);
        zk_session_sizes(t->session, t->now_ms);
        WANT(ZK_NEWS_DONE);
        ck_assert_uint_eq(news.sizes.records, 605);
        t->device.tries = 0;
        t->device.last_from = UINT32_MAX;
    }
    zk_session_exit(t->session, t->now_ms);
    WANT(ZK_NEWS_DONE);
    ck_assert(!zk_session_open_now(t->session));
    ck_assert_uint_eq(t->events, t->device.events);
    buf_free(&got);
}

/* ---- tests ---- */

static const unsigned tcp_quirks[] = {0, NO_ACK, LATE_ACK, CUT_ACK, DIRECT, SMALL, WRONG_IDS,
    NO_TABLES, AT_ONCE, PREPARED, JUNK, SHORT_ONCE, SIZE_AT_0, EVENTS, LESS, WANTS_KEY,
    SMALL | NO_ACK | WRONG_IDS, SMALL | LATE_ACK | JUNK, DIRECT | LATE_ACK | EVENTS,
    NO_TABLES | SMALL | EVENTS | NO_ACK, NO_TABLES | CUT_ACK, NO_TABLES | WRONG_IDS,
    NO_TABLES | SHORT_ONCE, SLOW_TWICE, SLOW_TWICE | SMALL, SLOW_TWICE | DIRECT, PREPARED | SMALL,
    NO_TABLES | LIES_LOW, NO_TABLES | LIES_HIGH, PREPARED | LIES_LOW, PREPARED | LIES_HIGH,
    CUT_ACK | SMALL | WRONG_IDS | EVENTS};

START_TEST(over_tcp)
{
    static const size_t sizes[] = {4, 44, 5044, 140004}, pieces[] = {1, 7, 1000, 1 << 20};

    for (size_t i = 0; i < 4; i++)
        for (size_t k = sizes[i] > 100000 ? 2 : 0; k < 4; k++) {
            struct play t;

            begin(&t, tcp_quirks[_i], false, sizes[i], pieces[k]);
            play_all(&t, sizes[i]);
            end(&t);
        }
}
END_TEST

static const unsigned udp_quirks[] = {0, NO_ACK, LATE_ACK, WRONG_IDS, NO_TABLES, PREPARED, LOSES,
    SWAPS, DOUBLES, EVENTS, WANTS_KEY, SHORT_ONCE, LOSES | NO_ACK | EVENTS, SWAPS | NO_TABLES,
    DOUBLES | NO_TABLES, LOSES | NO_TABLES};

START_TEST(over_udp)
{
    static const size_t sizes[] = {4, 44, 2052, 20044};

    for (size_t i = 0; i < 4; i++) {
        struct play t;

        begin(&t, udp_quirks[_i], true, sizes[i], 0);
        play_all(&t, sizes[i]);
        end(&t);
    }
}
END_TEST

/* A table of nothing at all. */
START_TEST(nothing_there)
{
    struct play t;
    struct zk_news news;

    begin(&t, _i ? NO_TABLES : 0, false, 0, 100);
    zk_session_connect(t.session, t.now_ms);
    until_news(&t, &news);
    zk_session_open(t.session, ZK_TABLE_LOG, t.now_ms);
    ck_assert_int_eq(until_news(&t, &news), ZK_NEWS_DONE);
    ck_assert_uint_eq(news.size, 0);
    end(&t);
}
END_TEST

/* One answer in hexadecimal digits, and what becomes of what was asked. */
static const struct {
    const char *asked, *answer;
    enum zk_news_kind kind;
    unsigned code;
} answers[] = {
    {"connect", "d507000000000000", ZK_NEWS_DONE, 0}, /* its key is asked for, and right */
    {"connect", "7117000000000000", ZK_NEWS_REFUSED, ZK_OTHER_SDK},
    {"connect", "d107000000000000", ZK_NEWS_REFUSED, ZK_ACK_ERROR},
    {"connect", "", ZK_NEWS_LOST, 0},
    {"option", "d107000000000000", ZK_NEWS_REFUSED, ZK_ACK_ERROR},
    {"option", "ffff000000000000", ZK_NEWS_REFUSED, ZK_UNKNOWN},
    {"option", "", ZK_NEWS_REFUSED, 0},
    {"sizes", "ffff000000000000", ZK_NEWS_REFUSED, ZK_UNKNOWN},
    {"sizes", "", ZK_NEWS_LOST, 0},
    {"clock", "d107000000000000", ZK_NEWS_REFUSED, ZK_ACK_ERROR},
    {"clock", "d007000000000000", ZK_NEWS_REFUSED, ZK_ACK_OK},
    {"clock", "d007000000000000 80971f32", ZK_NEWS_REFUSED, ZK_ACK_OK}, /* no such date */
    {"clock", "", ZK_NEWS_REFUSED, 0},
    {"open", "7d13000000000000", ZK_NEWS_REFUSED, ZK_NO_LOG},
    {"open", "d007000000000000 00ffffffff ffffffff", ZK_NEWS_LOST, 0},
    {"open", "", ZK_NEWS_LOST, 0},
    {"listen", "d107000000000000", ZK_NEWS_REFUSED, ZK_ACK_ERROR},
    {"shut", "", ZK_NEWS_DONE, 0},
    {"exit", "", ZK_NEWS_DONE, 0},
};

static void ask(struct zk_session *s, const char *what, int64_t now_ms)
{
    if (strcmp(what, "connect") == 0)
        zk_session_connect(s, now_ms);
    else if (strcmp(what, "option") == 0)
        zk_session_option(s, "MAC", now_ms);
    else if (strcmp(what, "sizes") == 0)
        zk_session_sizes(s, now_ms);
    else if (strcmp(what, "open") == 0)
        zk_session_open(s, ZK_TABLE_LOG, now_ms);
    else if (strcmp(what, "clock") == 0)
        zk_session_clock(s, now_ms);
    else if (strcmp(what, "listen") == 0)
        zk_session_listen(s, now_ms);
    else if (strcmp(what, "shut") == 0)
        zk_session_shut(s, now_ms);
    else
        zk_session_exit(s, now_ms);
}

START_TEST(single_answers)
{
    for (int udp = 0; udp < 2; udp++) {
        struct zk_session *s = zk_session_new(udp, true, 1234);
        struct zk_news news;
        struct buf bytes = {0}, framed = {0};
        struct slice packet;
        struct zk_packet p;
        int64_t now_ms = 5;
        unsigned sent = 0;

        hex_bytes(&bytes, answers[_i].answer);
        ask(s, answers[_i].asked, now_ms);
        if (zk_packet_parse(buf_all(&bytes), &p))
            zk_packet_print(&framed, !udp, &p);
        while (zk_session_next(s, now_ms, &news) == ZK_NEWS_NONE) {
            if (zk_session_out(s, &packet)) {
                zk_session_sent(s);
                if (sent++ == 0)
                    zk_session_take(s, buf_all(&framed));
                else if (answers[_i].kind == ZK_NEWS_DONE)
                    zk_session_take(
                        s, udp ? (struct slice){"\xd0\7\0\0\0\0\0\0", 8}
                               : (struct slice){"PP\x82}\10\0\0\0\xd0\7\0\0\0\0\0\0", 16});
                continue;
            }
            ck_assert_int_lt(now_ms, zk_session_due(s));
            now_ms = zk_session_due(s);
            ck_assert_int_lt(now_ms, 200000);
        }
        ck_assert_int_eq(news.kind, answers[_i].kind);
        ck_assert_uint_eq(news.code, answers[_i].code);
        if (news.kind == ZK_NEWS_LOST)
            ck_assert_ptr_nonnull(news.why);
        buf_free(&bytes);
        buf_free(&framed);
        zk_session_free(s);
    }
}
END_TEST

START_TEST(no_key_no_session)
{
    struct zk_session *s = zk_session_new(false, _i == 1, 999);
    struct play t = {.device = {.quirks = WANTS_KEY}, .session = s, .now_ms = 1, .piece = 99};
    struct zk_news news;

    zk_session_connect(s, 1);
    ck_assert_int_eq(until_news(&t, &news), ZK_NEWS_REFUSED);
    ck_assert_uint_eq(news.code, ZK_ACK_UNAUTH);
    ck_assert(!_i || zk_session_open_now(s));
    end(&t);
}
END_TEST

START_TEST(other_services)
{
    struct zk_session *s = zk_session_new(false, false, 0);
    static char junk[65536];
    struct zk_news news = {0};

    memset(junk, 'H', sizeof junk);
    zk_session_connect(s, 1);
    for (int i = 0; i < 10 && news.kind == ZK_NEWS_NONE; i++) {
        zk_session_take(s, (struct slice){junk, sizeof junk});
        zk_session_next(s, 1, &news);
    }
    ck_assert_int_eq(news.kind, ZK_NEWS_LOST);
    ck_assert_str_eq(news.why, "this is no ZKTeco device");
    zk_session_free(s);
}
END_TEST

START_TEST(time_stands_still)
{
    struct zk_session *s = zk_session_new(false, false, 0);
    struct zk_news news;

    zk_session_connect(s, 0);
    zk_session_stalled(s, 1000000);
    ck_assert_int_eq(zk_session_next(s, 1000000, &news), ZK_NEWS_NONE);
    ck_assert_int_eq(zk_session_next(s, 1005000, &news), ZK_NEWS_LOST);
    zk_session_free(s);
}
END_TEST

#define ROWS(test, rows) tcase_add_loop_test(tc, test, 0, (int)(sizeof rows / sizeof *rows))

static void add_tests(TCase *tc)
{
    ROWS(over_tcp, tcp_quirks);
    ROWS(over_udp, udp_quirks);
    tcase_add_loop_test(tc, nothing_there, 0, 2);
    ROWS(single_answers, answers);
    tcase_add_loop_test(tc, no_key_no_session, 0, 2);
    tcase_add_test(tc, other_services);
    tcase_add_test(tc, time_stands_still);
}

UNIT_MAIN("zk_session", add_tests)

/* SPDX-License-Identifier: MIT */
/* Which source reads an operand, addresses, ranges, and the heads of HTTP requests. */
#include "source.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "../../support/unit.h"
#include "address.h"
#include "head.h"

static struct fault why;

static const struct {
    const char *operand;
    bool follow, listen;
    const char *source; /* NULL: refused */
} operands[] = {
    {"-", false, false, "file"},
    {"-", true, false, "file"},
    {"log", false, false, "file"},
    {"log", true, false, "follow"},
    {"log", false, true, NULL},
    {"tcp://h:1", false, false, "tcp"},
    {"tcp://h:1", true, false, "tcp"},
    {"tcp://:1", false, true, "tcp"},
    {"http://:1", false, true, "http"},
    {"http://:1", false, false, NULL},
    {"ftp://h/", false, false, NULL},
    {"ftp://h/", false, true, NULL},
    {"tcp:h", false, false, "file"},
};

START_TEST(source_of_an_operand)
{
    struct source_env env = {.follow = operands[_i].follow, .listen = operands[_i].listen};
    const struct source *s = source_find(&env, operands[_i].operand, &why);

    ck_assert_int_eq(s != NULL, operands[_i].source != NULL);
    if (s)
        ck_assert_str_eq(s->name, operands[_i].source);
    else
        ck_assert_int_eq(why.status, EX_USAGE);
}
END_TEST

START_TEST(table_is_sorted)
{
    for (size_t i = 0; sources[i] && sources[i + 1]; i++)
        ck_assert_str_lt(sources[i]->name, sources[i + 1]->name);
}
END_TEST

static const struct {
    const char *path, *name, *stem;
} paths[] = {
    {"1_attlog.dat", "1_attlog.dat", "1_attlog"},
    {"/mnt/usb/1_attlog.dat", "1_attlog.dat", "1_attlog"},
    {"a.b/c", "c", "c"},
    {".hidden", ".hidden", ".hidden"},
    {"x.tar.gz", "x.tar.gz", "x.tar"},
    {"/", "/", "/"},
};

START_TEST(names_of_a_path)
{
    char name[64], stem[64];

    source_names(paths[_i].path, name, stem, sizeof name);
    ck_assert_str_eq(name, paths[_i].name);
    ck_assert_str_eq(stem, paths[_i].stem);
}
END_TEST

static const struct {
    const char *text, *host, *port; /* host NULL: refused */
} endpoints[] = {
    {":8080", "", "8080"},
    {"gate:4711", "gate", "4711"},
    {"127.0.0.1:0", "127.0.0.1", "0"},
    {"[::1]:80", "::1", "80"},
    {"[]:80", "", "80"},
    {"gate:80/path?a=b:c", "gate", "80"},
    {"gate", NULL, NULL},
    {"gate:", NULL, NULL},
    {"", NULL, NULL},
    {"::1:80", NULL, NULL},
    {"[::1:80", NULL, NULL},
    {"gate:x", NULL, NULL},
    {"gate:-1", NULL, NULL},
    {"gate:65536", NULL, NULL},
    {"gate:123456789", NULL, NULL},
};

START_TEST(endpoint_forms)
{
    struct endpoint e;
    int rc = endpoint_parse("url", endpoints[_i].text, &e, &why);

    ck_assert_int_eq(rc, endpoints[_i].host ? 0 : -1);
    if (rc == 0) {
        ck_assert_str_eq(e.host, endpoints[_i].host);
        ck_assert_str_eq(e.port, endpoints[_i].port);
    }
}
END_TEST

static const struct {
    const char *range, *address;
    int allows; /* -1: the range is refused */
} ranges[] = {
    {"10.0.0.0/8", "10.255.0.1", 1},
    {"10.0.0.0/8", "11.0.0.1", 0},
    {"10.0.0.0/9", "10.127.255.255", 1},
    {"10.0.0.0/9", "10.128.0.0", 0},
    {"192.0.2.7", "192.0.2.7", 1},
    {"192.0.2.7", "192.0.2.8", 0},
    {"0.0.0.0/0", "203.0.113.1", 1},
    {"0.0.0.0/0", "2001:db8::1", 0},
    {"::/0", "203.0.113.1", 1},
    {"2001:db8::/33", "2001:db8:7fff::1", 1},
    {"2001:db8::/33", "2001:db8:8000::1", 0},
    {"::1", "::1", 1},
    {"::ffff:10.0.0.0/104", "10.1.2.3", 1},
    {"10.0.0.0/33", "10.0.0.1", -1},
    {"::/129", "::1", -1},
    {"10.0.0.0/", "10.0.0.1", -1},
    {"10.0.0.0/-1", "10.0.0.1", -1},
    {"10.0.0.0/8x", "10.0.0.1", -1},
    {"10.0.0", "10.0.0.1", -1},
    {"localhost", "127.0.0.1", -1},
    {"", "127.0.0.1", -1},
};

static void octets_of(const char *text, unsigned char octets[16])
{
    struct sockaddr_in six4 = {.sin_family = AF_INET};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET, text, &six4.sin_addr) == 1)
        address_octets((struct sockaddr *)&six4, octets);
    else if (inet_pton(AF_INET6, text, &six.sin6_addr) == 1)
        address_octets((struct sockaddr *)&six, octets);
    else
        ck_abort_msg("no address: %s", text);
}

START_TEST(ranges_of_addresses)
{
    unsigned char octets[16];
    struct cidr c;
    int rc = cidr_parse(ranges[_i].range, &c, &why);

    ck_assert_int_eq(rc, ranges[_i].allows < 0 ? -1 : 0);
    octets_of(ranges[_i].address, octets);
    if (rc == 0)
        ck_assert_int_eq(cidr_allows(&c, 1, octets), ranges[_i].allows);
}
END_TEST

START_TEST(loopback)
{
    static const char *const in[] = {"127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1"};
    static const char *const out[] = {"0.0.0.0", "128.0.0.1", "::", "::2", "10.0.0.1"};
    unsigned char octets[16];

    for (size_t i = 0; i < sizeof in / sizeof *in; i++) {
        octets_of(in[i], octets);
        ck_assert(address_is_loopback(octets));
    }
    for (size_t i = 0; i < sizeof out / sizeof *out; i++) {
        octets_of(out[i], octets);
        ck_assert(!address_is_loopback(octets));
    }
}
END_TEST

#define HEAD "POST / HTTP/1.1\r\nHost: x\r\n"

static const struct {
    const char *text;
    int status;
    uint64_t body;
    bool chunked;
} heads[] = {
    {HEAD "\r\n", 0, 0, false},
    {HEAD "Content-Length: 65\r\n\r\n", 0, 65, false},
    {HEAD "content-length:\t65\r\nX: y \r\n\r\nbody", 0, 65, false},
    {HEAD "Content-Length: 65 \r\n\r\n", 400, 0, false},
    {HEAD "Transfer-Encoding: chunked\t\r\n\r\n", 400, 0, false},
    {HEAD "Transfer-Encoding: Chunked\r\n\r\n", 0, 0, true},
    {HEAD "Expect: 100-Continue\r\n\r\n", 0, 0, false},
    {HEAD "X:\r\n\r\n", 0, 0, false},
    {"GET /a?b=%20 HTTP/1.0\r\n\r\n", 0, 0, false},
    {"", HEAD_MORE, 0, false},
    {HEAD, HEAD_MORE, 0, false},
    {HEAD "\r", HEAD_MORE, 0, false},
    {"POST", HEAD_MORE, 0, false},
    {"\r\n", 400, 0, false},
    {"POST / HTTP/1.1\nHost: x\n\n", 400, 0, false},
    {"POST / HTTP/1.1\rX", 400, 0, false},
    {"BREW / HTTP/1.1\r\n", 405, 0, false},
    {"POST / HTTP/1.2\r\n", 505, 0, false},
    {"POST / HTTP/1.1 \r\n", 400, 0, false},
    {"POST /", HEAD_MORE, 0, false},
    {HEAD "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400, 0, false},
    {HEAD "Content-Length: 1234567890123456\r\n\r\n", 400, 0, false},
    {HEAD "Authorization: a\r\nauthorization: b\r\n\r\n", 400, 0, false},
    {HEAD "X\t: y\r\n", 400, 0, false},
    {HEAD "X: a\r\n\tb\r\n\r\n", 400, 0, false},
    {HEAD "X: \x1b[0m\r\n", 400, 0, false},
};

START_TEST(heads_of_requests)
{
    struct slice text = slice_of(heads[_i].text);
    struct head head;

    ck_assert_int_eq(head_check(text, &head), heads[_i].status);
    if (heads[_i].status != 0)
        return;
    ck_assert_uint_eq(head.body_bytes, heads[_i].body);
    ck_assert_int_eq(head.chunked, heads[_i].chunked);
    ck_assert_mem_eq(text.p + head.bytes - 4, "\r\n\r\n", 4);
}
END_TEST

/* A good head is "more" at every earlier point: nothing is judged before it is here. */
START_TEST(heads_come_in_pieces)
{
    struct slice text = SLICE("POST /e HTTP/1.1\r\nHost: x\r\nA: b\r\nContent-Length: 3\r\n\r\n");
    struct head head;

    for (size_t n = 0; n < text.n; n++)
        ck_assert_int_eq(head_check((struct slice){text.p, n}, &head), HEAD_MORE);
    ck_assert_int_eq(head_check(text, &head), 0);
}
END_TEST

START_TEST(what_a_head_says)
{
    struct slice text =
        SLICE("PUT /e HTTP/1.1\r\nHost: x\r\nconnection: a\r\nConnection: b,\tClose \r\n"
              "content-TYPE:\ttext/csv;x\r\nContent-Encoding: gzip\r\nce-id:\r\n\r\nbody");
    struct slice name, value;
    struct head head;
    unsigned fields = 0;

    ck_assert_int_eq(head_check(text, &head), 0);
    ck_assert_int_eq(head.method, METHOD_PUT);
    ck_assert(head.close && !head.old && !head.expects);
    ck_assert(slice_is(head.target, "/e"));
    ck_assert(slice_is(head.type, "text/csv;x"));
    ck_assert(head_word(head.coding, "GZIP"));
    ck_assert(!head.authorization.p);
    while (head_field(&head.fields, &name, &value))
        fields++;
    ck_assert_uint_eq(fields, 6);
    ck_assert(slice_is(name, "ce-id") && value.n == 0);
}
END_TEST

/* Only HTTP/1.1 without a word against it goes on. */
START_TEST(connections_that_end)
{
    static const struct {
        const char *text;
        bool close;
    } rows[] = {
        {HEAD "\r\n", false},
        {HEAD "Connection: keep-alive\r\n\r\n", false},
        {HEAD "Connection: closed\r\n\r\n", false},
        {HEAD "Connection: close\r\nConnection: keep-alive\r\n\r\n", true},
        {"POST / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
    };
    struct head head;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_int_eq(head_check(slice_of(rows[i].text), &head), 0);
        ck_assert_int_eq(head.close, rows[i].close);
    }
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, source_of_an_operand, 0, COUNT(operands));
    tcase_add_test(tc, table_is_sorted);
    tcase_add_loop_test(tc, names_of_a_path, 0, COUNT(paths));
    tcase_add_loop_test(tc, endpoint_forms, 0, COUNT(endpoints));
    tcase_add_loop_test(tc, ranges_of_addresses, 0, COUNT(ranges));
    tcase_add_test(tc, loopback);
    tcase_add_loop_test(tc, heads_of_requests, 0, COUNT(heads));
    tcase_add_test(tc, heads_come_in_pieces);
    tcase_add_test(tc, what_a_head_says);
    tcase_add_test(tc, connections_that_end);
}

UNIT_MAIN("source", add_tests)

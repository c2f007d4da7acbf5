/* SPDX-License-Identifier: MIT */
/* Requests and answers over a connection that a device has opened; digests of published vectors. */
#include "../../support/unit.h"

#include <stdio.h>

#include "exchange.h"
#include "md5.h"

static void check_md5(const char *text, const char *wanted)
{
    struct slice part = slice_of(text);
    char out[MD5_HEX];

    md5_joined(out, &part, 1);
    ck_assert_str_eq(out, wanted);
}

/* RFC 1321, A.5; and one block more. */
START_TEST(md5_vectors)
{
    check_md5("", "d41d8cd98f00b204e9800998ecf8427e");
    check_md5("abc", "900150983cd24fb0d6963f7d28e17f72");
    check_md5("message digest", "f96b697d7cb7938d525a2f31aaf161d0");
    check_md5("12345678901234567890123456789012345678901234567890123456789012345678901234567890",
        "57edf4a22be3c955ac49da2e2107b67a");
    check_md5(
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", /* 55: the last with room */
        "ef1772b6dff9a122358552954ad0df65");
    check_md5("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "3b0c8ac703f828b04c6c197006d17218");
}
END_TEST

#define CHALLENGE                                                                                  \
    "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"testrealm@host.com\", "         \
    "qop=\"auth,auth-int\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", "                        \
    "opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"\r\nContent-Length: 0\r\n\r\n"

static struct exchange x;

/* That of RFC 2617, 3.5. */
static void begin(void)
{
    struct exchange_request request = {.path = "/dir/index.html",
        .host = "www.nowhere.org",
        .user = "Mufasa",
        .password = "Circle Of Life",
        .random = "0a4f113b",
        .limit = 100};

    exchange_free(&x);
    exchange_begin(&x, &request);
}

static void say(const char *text)
{
    x.out.len = 0;
    exchange_take(&x, slice_of(text));
}

static bool sends(const char *word)
{
    return x.out.len > 0 && memmem(x.out.data, x.out.len, word, strlen(word));
}

START_TEST(digest_of_the_rfc)
{
    begin();
    ck_assert(sends("GET /dir/index.html HTTP/1.1\r\nHost: www.nowhere.org\r\n"));
    ck_assert(!sends("Authorization"));
    say(CHALLENGE);
    ck_assert(sends("response=\"6629fae49393a05397450978507c4ef1\""));
    ck_assert(sends("qop=auth, nc=00000001, cnonce=\"0a4f113b\""));
    ck_assert(sends("opaque=\"5ccc069c403ebaf9f0171e9517f40e41\""));
    say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK");
    ck_assert_int_eq(x.state, EXCHANGE_DONE);
    ck_assert_uint_eq(x.status, 200);
    ck_assert(slice_is(buf_all(&x.body), "OK"));
    exchange_free(&x);
}
END_TEST

/* The second refusal is the end, unless the nonce alone was refused; then the third is. */
START_TEST(password_once)
{
    begin();
    say(CHALLENGE);
    say(CHALLENGE);
    ck_assert_int_eq(x.state, EXCHANGE_DONE);
    ck_assert_uint_eq(x.status, 401);
    ck_assert_uint_eq(x.out.len, 0);
    begin();
    say(CHALLENGE);
    say("HTTP/1.1 401 X\r\nWWW-Authenticate: Digest stale=TRUE, realm=\"a\", nonce=\"b\"\r\n"
        "Content-Length: 0\r\n\r\n");
    ck_assert(sends("nonce=\"b\""));
    ck_assert(!sends("cnonce"));
    say("HTTP/1.1 401 X\r\nWWW-Authenticate: Digest stale=TRUE, realm=\"a\", nonce=\"b\"\r\n"
        "Content-Length: 0\r\n\r\n");
    ck_assert_int_eq(x.state, EXCHANGE_DONE);
    ck_assert_uint_eq(x.tries, 2);
    exchange_free(&x);
}
END_TEST

/* What cannot be answered is none: another algorithm, other protection, Basic. */
START_TEST(no_digest)
{
    static const char *const challenges[] = {"Digest realm=\"a\", nonce=\"b\", algorithm=SHA-256",
        "Digest realm=\"a\", nonce=\"b\", qop=\"auth-int\"", "Digest realm=\"a\"",
        "Digest nonce=\"b", "Basic realm=\"a\""};
    char text[200];

    for (size_t i = 0; i < sizeof challenges / sizeof *challenges; i++) {
        begin();
        snprintf(text, sizeof text,
            "HTTP/1.1 401 X\r\nWWW-Authenticate: %s\r\nContent-Length: 0\r\n\r\n", challenges[i]);
        say(text);
        ck_assert_int_eq(x.state, EXCHANGE_DONE);
        ck_assert_uint_eq(x.tries, 0);
    }
    exchange_free(&x);
}
END_TEST

static const struct {
    const char *text, *body, *error;
} answers[] = {
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "abc", NULL},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\nCONTENT-LENGTH: 1\n\na", "a", NULL},
    {"HTTP/1.1 204 No Content\r\n\r\n", "", NULL},
    {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na", "a", NULL},
    {"HTTP/1.0 200 OK\r\n\r\nto the end", "to the end", NULL},
    {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", NULL, "has hung up"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc", NULL, "says more than it was asked"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n", NULL, "the answer is too long"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na", NULL,
        "answers what is no HTTP"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\na", NULL,
        "answers what is no HTTP"},
    {"HTTP/1.1 401 X\r\nWWW-Authenticate: Digest realm=\"a\rb\", nonce=\"c\"\r\n\r\n", NULL,
        "answers what is no HTTP"},
    {"POST / HTTP/1.1\r\n\r\n", NULL, "answers what is no HTTP"},
};

START_TEST(framing)
{
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        for (size_t piece = 1; piece < 100; piece += 98) {
            struct slice in = slice_of(answers[i].text);

            begin();
            for (; in.n > 0; in.p += piece, in.n -= in.n < piece ? in.n : piece)
                exchange_take(&x, (struct slice){in.p, in.n < piece ? in.n : piece});
            exchange_end(&x);
            if (answers[i].body) {
                ck_assert_msg(x.state == EXCHANGE_DONE, "%zu: %s", i, x.error);
                ck_assert(slice_eq(buf_all(&x.body), slice_of(answers[i].body)));
            } else if (piece > 1 || strstr(answers[i].error, "more") == NULL) {
                ck_assert_int_eq(x.state, EXCHANGE_FAILED);
                ck_assert_str_eq(x.error, answers[i].error);
            }
        }
    exchange_free(&x);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, md5_vectors);
    tcase_add_test(tc, digest_of_the_rfc);
    tcase_add_test(tc, password_once);
    tcase_add_test(tc, no_digest);
    tcase_add_test(tc, framing);
}

UNIT_MAIN("exchange", add_tests)

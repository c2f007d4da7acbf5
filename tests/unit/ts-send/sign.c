/* SPDX-License-Identifier: MIT */
/*
 * Signatures: HMAC by the vectors of RFC 2202 (SHA-1) and RFC 4231 (SHA-256), RSA by verifying
 * them, and the keys that are refused.
 */
#include "sign.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "../../support/unit.h"
#include "json.h"

/* A text, or a byte that comes n times. */
struct bytes {
    const char *text;
    size_t n;
    char byte;
};

#define COUNTED                                                                                    \
    "\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20\21\22\23\24\25\26\27\30\31" /* 0x01 to 0x19 */
#define LARGER "Test Using Larger Than Block-Size Key"

static const struct {
    const char *algorithm;
    struct bytes key, text;
    const char *hex;
} vectors[] = {
    {"hmac-sha1", {NULL, 20, '\x0b'}, {"Hi There", 0, 0},
        "b617318655057264e28bc0b6fb378c8ef146be00"},
    {"hmac-sha1", {"Jefe", 0, 0}, {"what do ya want for nothing?", 0, 0},
        "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
    {"hmac-sha1", {NULL, 20, '\xaa'}, {NULL, 50, '\xdd'},
        "125d7342b9ac11cd91a39af48aa17b4f63f175d3"},
    {"hmac-sha1", {COUNTED, 0, 0}, {NULL, 50, '\xcd'}, "4c9007f4026250c6bc8414f9bf50c86c2d7235da"},
    {"hmac-sha1", {NULL, 20, '\x0c'}, {"Test With Truncation", 0, 0},
        "4c1a03424b55e07fe7f27be1d58bb9324a9a5a04"},
    {"hmac-sha1", {NULL, 80, '\xaa'}, {LARGER " - Hash Key First", 0, 0},
        "aa4ae5e15272d00e95705637ce8a3b55ed402112"},
    {"hmac-sha1", {NULL, 80, '\xaa'}, {LARGER " and Larger Than One Block-Size Data", 0, 0},
        "e8e99d0f45237d786d6bbaa7965c7808bbff1a91"},
    {"hmac-sha256", {NULL, 20, '\x0b'}, {"Hi There", 0, 0},
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {"hmac-sha256", {"Jefe", 0, 0}, {"what do ya want for nothing?", 0, 0},
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {"hmac-sha256", {NULL, 20, '\xaa'}, {NULL, 50, '\xdd'},
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
    {"hmac-sha256", {COUNTED, 0, 0}, {NULL, 50, '\xcd'},
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
    {"hmac-sha256", {NULL, 131, '\xaa'}, {LARGER " - Hash Key First", 0, 0},
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    {"hmac-sha256", {NULL, 131, '\xaa'},
        {"This is a test using a larger than block-size key and a larger than block-size data. The "
         "key needs to be hashed before being used by the HMAC algorithm.",
            0, 0},
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
};

static void put(struct buf *out, struct bytes b)
{
    if (b.text)
        buf_text(out, b.text);
    for (size_t i = 0; i < b.n; i++)
        buf_char(out, b.byte);
}

START_TEST(hmac)
{
    const struct sign_algorithm *a = sign_algorithm_of(slice_of(vectors[_i].algorithm));
    struct buf key = {0}, text = {0}, hex = {0}, base64 = {0}, digits = {0};
    struct sign_key *k;
    struct fault why;

    put(&key, vectors[_i].key);
    put(&text, vectors[_i].text);
    k = sign_key_new(SIGN_HMAC, "key", buf_all(&key), &why);
    ck_assert_ptr_nonnull(k);
    for (int twice = 0; twice < 2; twice++) {
        hex.len = base64.len = digits.len = 0;
        ck_assert_int_eq(sign_text(k, a, buf_all(&text), true, &hex, &why), 0);
        ck_assert(slice_is(buf_all(&hex), vectors[_i].hex));
    }
    ck_assert_int_eq(sign_text(k, a, buf_all(&text), false, &base64, &why), 0);
    ck_assert(json_base64_bytes(&digits, buf_all(&base64)));
    ck_assert_uint_eq(digits.len * 2, hex.len);
    sign_key_free(k);
    buf_free(&key);
    buf_free(&text);
    buf_free(&hex);
    buf_free(&base64);
    buf_free(&digits);
}
END_TEST

/* ---- RSA ---- */

/* In PEM, with a password where one is given. */
static void print_key(EVP_PKEY *key, const char *password, struct buf *pem)
{
    BIO *out = BIO_new(BIO_s_mem());
    char *text;
    long n;

    ck_assert_int_eq(
        PEM_write_bio_PrivateKey(out, key, password ? EVP_aes_128_cbc() : NULL,
            (const unsigned char *)password, password ? (int)strlen(password) : 0, NULL, NULL),
        1);
    n = BIO_get_mem_data(out, &text);
    buf_add(pem, text, (size_t)n);
    BIO_free(out);
}

static void check_signature(EVP_PKEY *key, const char *digest, struct slice signature)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    struct buf bytes = {0};

    ck_assert(json_base64_bytes(&bytes, signature));
    ck_assert_int_eq(EVP_DigestVerifyInit_ex(context, NULL, digest, NULL, NULL, key, NULL), 1);
    ck_assert_int_eq(EVP_DigestVerify(context, (unsigned char *)bytes.data, bytes.len,
                         (const unsigned char *)"swipes", 6),
        1);
    EVP_MD_CTX_free(context);
    buf_free(&bytes);
}

static const char *const digests[][2] = {{"rsa-sha1", "SHA1"}, {"rsa-sha256", "SHA256"}};

START_TEST(rsa)
{
    EVP_PKEY *key = EVP_RSA_gen(2048);
    struct buf pem = {0}, signature = {0};
    struct sign_key *k;
    struct fault why;

    print_key(key, NULL, &pem);
    k = sign_key_new(SIGN_RSA, "key", buf_all(&pem), &why);
    ck_assert_ptr_nonnull(k);
    ck_assert_int_eq(sign_text(k, sign_algorithm_of(slice_of(digests[_i][0])), SLICE("swipes"),
                         false, &signature, &why),
        0);
    check_signature(key, digests[_i][1], buf_all(&signature));
    ck_assert_int_eq(
        sign_text(k, sign_algorithm_of(SLICE("hmac-sha1")), SLICE("x"), false, &signature, &why),
        -1);
    ck_assert_int_eq(why.status, EX_CONFIG);
    sign_key_free(k);
    buf_free(&pem);
    buf_free(&signature);
    EVP_PKEY_free(key);
}
END_TEST

START_TEST(keys_that_are_refused)
{
    struct {
        EVP_PKEY *key;
        const char *password, *said;
    } keys[] = {
        {EVP_RSA_gen(2048), "geheim", "has a password"},
        {EVP_RSA_gen(768), NULL, "1024 bits or more"},
        {EVP_EC_gen("P-256"), NULL, "must be an RSA key"},
        {NULL, NULL, "no private key"},
    };
    struct fault why;

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct buf pem = {0};

        buf_lit(&pem, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n");
        if (keys[i].key)
            pem.len = 0;
        if (keys[i].key)
            print_key(keys[i].key, keys[i].password, &pem);
        ck_assert_ptr_null(sign_key_new(SIGN_RSA, "key", buf_all(&pem), &why));
        ck_assert_int_eq(why.status, EX_CONFIG);
        ck_assert_ptr_nonnull(strstr(why.text, keys[i].said));
        buf_free(&pem);
        EVP_PKEY_free(keys[i].key);
    }
}
END_TEST

START_TEST(words)
{
    struct buf out = {0};
    struct fault why;

    ck_assert_int_eq(sign_family_of(SLICE("hmac")), SIGN_HMAC);
    ck_assert_int_eq(sign_family_of(SLICE("rsa")), SIGN_RSA);
    ck_assert_int_eq(sign_family_of(SLICE("RSA")), SIGN_NONE);
    ck_assert_int_eq(sign_family_of(SLICE_NONE), SIGN_NONE);
    ck_assert_ptr_null(sign_algorithm_of(SLICE("hmac-md5")));
    ck_assert_ptr_null(sign_algorithm_of(SLICE_NONE));
    ck_assert_int_eq(
        sign_text(NULL, sign_algorithm_of(SLICE("rsa-sha1")), SLICE("x"), true, &out, &why), 0);
    ck_assert(slice_is(buf_all(&out), "{signature}"));
    buf_free(&out);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, hmac, 0, (int)(sizeof vectors / sizeof *vectors));
    tcase_add_loop_test(tc, rsa, 0, (int)(sizeof digests / sizeof *digests));
    tcase_add_test(tc, keys_that_are_refused);
    tcase_add_test(tc, words);
}

UNIT_MAIN("sign", add_tests)

/* SPDX-License-Identifier: MIT */
/*
 * One shape for all: a key of libcrypto and EVP_DigestSign.  libcrypto is in the process anyway, by
 * libcurl; it sets itself up at the first call here.
 */
#include "sign.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>

#include "json.h"

#define RSA_BITS_MIN 1024
#define SIGNATURE_MAX 2048 /* bytes: an RSA key of 16384 bits */

struct sign_key {
    unsigned references;
    enum sign_family family;
    EVP_PKEY *key;
};

struct sign_algorithm {
    const char *name;
    enum sign_family family;
    const char *digest;
};

static const struct sign_algorithm algorithms[] = {
    {"hmac-sha1", SIGN_HMAC, "SHA1"},
    {"hmac-sha256", SIGN_HMAC, "SHA256"},
    {"rsa-sha1", SIGN_RSA, "SHA1"},
    {"rsa-sha256", SIGN_RSA, "SHA256"},
};

const struct sign_algorithm *sign_algorithm_of(struct slice word)
{
    for (size_t i = 0; word.p && i < sizeof algorithms / sizeof *algorithms; i++)
        if (slice_is(word, algorithms[i].name))
            return &algorithms[i];
    return NULL;
}

enum sign_family sign_family_of(struct slice word)
{
    if (word.p && slice_is(word, "hmac"))
        return SIGN_HMAC;
    return word.p && slice_is(word, "rsa") ? SIGN_RSA : SIGN_NONE;
}

/* ---- keys ---- */

/* libcrypto would ask for it at the terminal. */
static int no_password(char *text, int size, int writing, void *asked)
{
    (void)text;
    (void)size;
    (void)writing;
    *(bool *)asked = true;
    return -1;
}

static EVP_PKEY *rsa_key(const char *name, struct slice pem, struct fault *why)
{
    bool asked = false;
    BIO *in = BIO_new_mem_buf(pem.p, (int)pem.n);
    EVP_PKEY *key = in ? PEM_read_bio_PrivateKey(in, NULL, no_password, &asked) : NULL;

    BIO_free(in);
    ERR_clear_error();
    if (key && EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bits(key) >= RSA_BITS_MIN)
        return key;
    if (asked)
        fault_set(why, EX_CONFIG,
            "%s: the key has a password: take it off (openssl pkey -in FILE -out NEW)", name);
    else if (!key)
        fault_set(why, EX_CONFIG, "%s: no private key in PEM (-----BEGIN PRIVATE KEY-----)", name);
    else
        fault_set(why, EX_CONFIG, "%s: must be an RSA key of %d bits or more", name, RSA_BITS_MIN);
    EVP_PKEY_free(key);
    return NULL;
}

static EVP_PKEY *hmac_key(const char *name, struct slice secret, struct fault *why)
{
    EVP_PKEY *key = secret.n > 0 ? EVP_PKEY_new_raw_private_key_ex(NULL, "HMAC", NULL,
                                       (const unsigned char *)secret.p, secret.n)
                                 : NULL;

    if (!key)
        fault_set(why, EX_CONFIG, "%s: empty", name);
    return key;
}

struct sign_key *sign_key_new(
    enum sign_family family, const char *name, struct slice secret, struct fault *why)
{
    EVP_PKEY *key = family == SIGN_RSA ? rsa_key(name, secret, why) : hmac_key(name, secret, why);
    struct sign_key *k;

    if (!key)
        return NULL;
    k = mem_alloc(sizeof *k);
    *k = (struct sign_key){1, family, key};
    return k;
}

struct sign_key *sign_key_use(struct sign_key *k)
{
    k->references++;
    return k;
}

void sign_key_free(struct sign_key *k)
{
    if (!k || --k->references > 0)
        return;
    EVP_PKEY_free(k->key); /* which wipes it */
    free(k);
}

/* ---- signatures ---- */

static int digest_sign(const struct sign_key *k, const struct sign_algorithm *a, struct slice text,
    unsigned char *signature, size_t *n)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int rc = -1;

    if (context && EVP_DigestSignInit_ex(context, NULL, a->digest, NULL, NULL, k->key, NULL) == 1 &&
        EVP_DigestSign(context, signature, n, (const unsigned char *)text.p, text.n) == 1)
        rc = 0;
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return rc;
}

int sign_text(const struct sign_key *k, const struct sign_algorithm *a, struct slice text, bool hex,
    struct buf *out, struct fault *why)
{
    unsigned char signature[SIGNATURE_MAX];
    size_t n = sizeof signature;

    if (!k) {
        buf_lit(out, "{signature}");
        return 0;
    }
    if (k->family != a->family)
        return fault_set(why, EX_CONFIG, "%s needs a key of another kind", a->name);
    if (digest_sign(k, a, text, signature, &n) < 0)
        return fault_set(why, EX_SOFTWARE, "%s: libcrypto cannot sign", a->name);
    if (hex) {
        for (size_t i = 0; i < n; i++)
            buf_printf(out, "%02x", signature[i]);
    } else {
        json_base64_text(out, (struct slice){(const char *)signature, n});
    }
    OPENSSL_cleanse(signature, sizeof signature);
    return 0;
}

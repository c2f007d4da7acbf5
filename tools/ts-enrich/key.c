/* SPDX-License-Identifier: MIT */
/* HMAC-SHA-256 by libcrypto; the key is set up once and only wound back for each name. */
#include "key.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>

#include "secret.h"

#define SHA256_BYTES 32

struct key {
    EVP_MAC *mac;
    EVP_MAC_CTX *context;
    struct identity_hash hash;
};

static void hash_name(void *arg, struct slice name, unsigned char octets[16])
{
    struct key *k = arg;
    unsigned char digest[SHA256_BYTES];
    size_t n = 0;

    /* After a good set-up these fail only when memory is gone; a wrong id must never go out. */
    if (!EVP_MAC_init(k->context, NULL, 0, NULL) ||
        !EVP_MAC_update(k->context, (const unsigned char *)name.p, name.n) ||
        !EVP_MAC_final(k->context, digest, &n, sizeof digest) || n != sizeof digest)
        abort();
    memcpy(octets, digest, 16);
}

static int set_up(struct key *k, const struct buf *secret)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };

    k->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    k->context = k->mac ? EVP_MAC_CTX_new(k->mac) : NULL;
    return k->context && EVP_MAC_init(
                             k->context, (const unsigned char *)secret->data, secret->len, params)
               ? 0
               : -1;
}

struct key *key_new(const char *file, struct fault *why)
{
    struct buf secret = {0};
    struct key *k = mem_alloc(sizeof *k);
    int rc;

    *k = (struct key){.hash = {hash_name, k}};
    rc = secret_read(file, &secret, why);
    if (rc == 0 && set_up(k, &secret) < 0)
        rc = fault_set(why, EX_SOFTWARE, "%s: libcrypto has no HMAC-SHA-256", file);
    secret_forget(&secret);
    if (rc == 0)
        return k;
    key_free(k);
    return NULL;
}

void key_free(struct key *k)
{
    if (k) {
        EVP_MAC_CTX_free(k->context);
        EVP_MAC_free(k->mac);
    }
    free(k);
}

const struct identity_hash *key_hash(const struct key *k)
{
    return &k->hash;
}

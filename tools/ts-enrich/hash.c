/* SPDX-License-Identifier: MIT */
/* SHA-1 and HMAC-SHA-256 by libcrypto. */

/* For SHA1_Init and its kin: three times the speed of libuuid's SHA-1, and twice that of EVP, on
   the 50 bytes of an identity.  ts-enrich's rate depends on it. */
#define OPENSSL_API_COMPAT 0x10100000L

#include "hash.h"

#include <endian.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <uuid/uuid.h>

#include "secret.h"

#define BLOCK 64
#define DIGEST 32

struct hash {
    EVP_MAC_CTX *mac; /* keyed: set up once, wound back for each name */
    uuid_t space;     /* public: what it begins with */
    struct identity_hash hash;
};

/* An identity is one block or two: padded here, because SHA1_Update and SHA1_Final cost half as
   much as a block. */
static void hash_name(void *arg, struct slice name, unsigned char octets[16])
{
    const struct hash *h = arg;
    unsigned char block[BLOCK];
    size_t done = 0, at = sizeof h->space;
    uint64_t bits = htobe64((at + name.n) * 8);
    SHA_CTX state;

    SHA1_Init(&state);
    memcpy(block, h->space, at);
    for (; name.n - done >= BLOCK - at; at = 0) {
        memcpy(block + at, name.p + done, BLOCK - at);
        SHA1_Transform(&state, block);
        done += BLOCK - at;
    }
    if (name.n > done)
        memcpy(block + at, name.p + done, name.n - done);
    at += name.n - done;
    block[at++] = 0x80;
    if (at > BLOCK - sizeof bits) {
        memset(block + at, 0, BLOCK - at);
        SHA1_Transform(&state, block);
        at = 0;
    }
    memset(block + at, 0, BLOCK - sizeof bits - at);
    memcpy(block + BLOCK - sizeof bits, &bits, sizeof bits);
    SHA1_Transform(&state, block);
    const uint32_t words[4] = {
        htobe32(state.h0), htobe32(state.h1), htobe32(state.h2), htobe32(state.h3)};
    memcpy(octets, words, sizeof words);
}

static void mac_of(const struct hash *h, struct slice name, unsigned char digest[DIGEST])
{
    size_t n = 0;

    /* After a good set-up these fail only when memory is gone; a wrong id must never go out. */
    if (!EVP_MAC_init(h->mac, NULL, 0, NULL) ||
        !EVP_MAC_update(h->mac, (const unsigned char *)name.p, name.n) ||
        !EVP_MAC_final(h->mac, digest, &n, DIGEST) || n != DIGEST)
        abort();
}

static void hash_name_keyed(void *arg, struct slice name, unsigned char octets[16])
{
    unsigned char digest[DIGEST];

    mac_of(arg, name, digest);
    memcpy(octets, digest, 16);
}

static struct hash *hash_new(void (*run)(void *, struct slice, unsigned char *))
{
    struct hash *h = mem_alloc(sizeof *h);

    *h = (struct hash){.hash = {run, h}};
    return h;
}

struct hash *hash_public(void)
{
    struct hash *h = hash_new(hash_name);

    uuid_parse(IDENTITY_NAMESPACE, h->space);
    return h;
}

static bool start_mac(struct hash *h, struct slice key)
{
    char sha256[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha256, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);

    h->mac = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
    EVP_MAC_free(hmac);
    return h->mac && EVP_MAC_init(h->mac, (const unsigned char *)key.p, key.n, params);
}

struct hash *hash_keyed(const char *file, struct fault *why)
{
    struct buf key = {0};
    struct hash *h = hash_new(hash_name_keyed);
    int rc = secret_read(file, &key, why);

    if (rc == 0 && !start_mac(h, buf_all(&key)))
        rc = fault_set(why, EX_SOFTWARE, "%s: libcrypto has no HMAC-SHA-256", file);
    secret_forget(&key);
    if (rc == 0)
        return h;
    hash_free(h);
    return NULL;
}

struct hash *hash_derived(const struct hash *keyed, const char *purpose, struct fault *why)
{
    struct hash *h = hash_new(hash_name_keyed);
    unsigned char key[DIGEST];
    bool fine;

    mac_of(keyed, slice_of(purpose), key);
    fine = start_mac(h, (struct slice){(const char *)key, sizeof key});
    explicit_bzero(key, sizeof key);
    if (fine)
        return h;
    hash_free(h);
    fault_set(why, EX_SOFTWARE, "libcrypto has no HMAC-SHA-256");
    return NULL;
}

void hash_free(struct hash *h)
{
    if (h)
        EVP_MAC_CTX_free(h->mac);
    free(h);
}

const struct identity_hash *hash_of(const struct hash *h)
{
    return &h->hash;
}

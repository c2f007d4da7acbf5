/* SPDX-License-Identifier: MIT */
/* SHA-256 of a SubjectPublicKeyInfo, as RFC 7469 has it. */
#include "pin.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>

#include "json.h"

#define PREFIX "sha256//"
#define HASH_BYTES 32

static bool is_pin(struct slice text)
{
    size_t n = strlen(PREFIX);
    struct buf hash = {0};
    bool good;

    if (text.n <= n || memcmp(text.p, PREFIX, n) != 0)
        return false;
    good =
        json_base64_bytes(&hash, (struct slice){text.p + n, text.n - n}) && hash.len == HASH_BYTES;
    buf_free(&hash);
    return good;
}

int pin_check(const char *pins, struct fault *why)
{
    for (;;) {
        size_t n = strcspn(pins, ";");

        if (!is_pin((struct slice){pins, n}))
            return fault_set(why, EX_USAGE,
                "--pin-sha256: write it as sha256//HASH, with 44 characters of base64; several "
                "are joined by ;");
        if (!pins[n])
            return 0;
        pins += n + 1;
    }
}

bool pin_of(const char *pem, char out[PIN_BYTES])
{
    BIO *in = BIO_new_mem_buf(pem, -1);
    X509 *certificate = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
    unsigned char *key = NULL, hash[EVP_MAX_MD_SIZE];
    int n = certificate ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &key) : 0;
    struct buf text = {0};
    bool good = n > 0 && EVP_Q_digest(NULL, "SHA256", NULL, key, (size_t)n, hash, NULL) == 1;

    if (good) {
        json_base64_text(&text, (struct slice){(const char *)hash, HASH_BYTES});
        snprintf(out, PIN_BYTES, PREFIX "%.*s", (int)text.len, text.data);
    }
    buf_free(&text);
    OPENSSL_free(key);
    X509_free(certificate);
    BIO_free(in);
    ERR_clear_error();
    return good;
}

/* SPDX-License-Identifier: MIT */
/*
 * Signatures of requests, by libcrypto: HMAC with a shared secret, RSA (PKCS#1 v1.5) with a private
 * key.  A key is parsed once, when its secret is read, and wiped when it is freed.
 */
#ifndef TS_SEND_SIGN_H
#define TS_SEND_SIGN_H

#include <stdbool.h>

#include "buf.h"
#include "fault.h"

enum sign_family { SIGN_NONE, SIGN_HMAC, SIGN_RSA };

/* "hmac" or "rsa"; SIGN_NONE for any other word. */
enum sign_family sign_family_of(struct slice word);

struct sign_key;

/* secret: the bytes of the shared secret, or the private key in PEM; it is not kept.  name is
   what messages call it.  NULL and fault 78: no such key, an encrypted one, a short one. */
struct sign_key *sign_key_new(
    enum sign_family family, const char *name, struct slice secret, struct fault *why);
struct sign_key *sign_key_use(struct sign_key *k); /* one more reference; returns k */
void sign_key_free(struct sign_key *k);            /* the last one wipes it; NULL is fine */

/* "hmac-sha256", "hmac-sha1", "rsa-sha256" or "rsa-sha1"; NULL for any other word. */
const struct sign_algorithm *sign_algorithm_of(struct slice word);

/* Appends the signature of text, in base64 or hex.  k: NULL where the secret is not read; then the
   signature is "{signature}".  -1 and *why: the key is of another family, or libcrypto fails. */
int sign_text(const struct sign_key *k, const struct sign_algorithm *a, struct slice text, bool hex,
    struct buf *out, struct fault *why);

#endif

/* SPDX-License-Identifier: MIT */
/* Reading a certificate and a key. */
#include "tls_identity.h"

#include <stdlib.h>

#include "secret.h"

static bool has(const struct buf *pem, const char *words)
{
    return pem->len > 0 && memmem(pem->data, pem->len, words, strlen(words));
}

static int read_one(
    const char *file, bool shown, const struct buf *old, struct buf *out, struct fault *why)
{
    if (old && secret_inherited(file)) {
        buf_slice(out, buf_all(old));
        return 0;
    }
    if (secret_read_all(file, shown, out, why) < 0)
        return -1;
    if (!has(out, "-----BEGIN "))
        return fault_set(why, EX_CONFIG, "%s: no PEM (-----BEGIN …-----)", file);
    if (has(out, "ENCRYPTED"))
        return fault_set(why, EX_CONFIG,
            "%s: the key has a password: take it off (openssl pkey -in FILE -out NEW)", file);
    return 0;
}

int tls_identity_read(const char *cert, const char *key, struct tls_identity *old,
    struct tls_identity **out, struct fault *why)
{
    struct tls_identity *i;
    int rc;

    *out = NULL;
    if (!cert)
        return 0;
    i = mem_alloc(sizeof *i);
    *i = (struct tls_identity){.references = 1};
    rc = read_one(cert, key != NULL, old ? &old->cert : NULL, &i->cert, why);
    if (rc == 0 && key)
        rc = read_one(key, false, old ? &old->key : NULL, &i->key, why);
    if (rc == 0 && old && slice_eq(buf_all(&i->cert), buf_all(&old->cert)) &&
        slice_eq(buf_all(&i->key), buf_all(&old->key))) {
        tls_identity_drop(i);
        i = old;
        i->references++;
    }
    if (rc < 0)
        tls_identity_drop(i);
    else
        *out = i;
    return rc;
}

void tls_identity_drop(struct tls_identity *i)
{
    if (!i || --i->references > 0)
        return;
    secret_forget(&i->cert);
    secret_forget(&i->key);
    free(i);
}

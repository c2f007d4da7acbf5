/* SPDX-License-Identifier: MIT */
/*
 * The hash of an identity by libcrypto: the public SHA-1 of ts-event(5), faster than libuuid's, or,
 * for --id-key, HMAC-SHA-256 in its place, so that nobody without the key can test guesses of a
 * PIN or card against an event_id.  And that of pseudonyms.
 */
#ifndef TS_ENRICH_HASH_H
#define TS_ENRICH_HASH_H

#include "identity.h"

struct hash;

/* The same octets as identity_of makes without a hash of its own. */
struct hash *hash_public(void);

/* The keyed one; reads the key as common/secret.h says.  NULL and *why. */
struct hash *hash_keyed(const char *file, struct fault *why);

/* Another one for another purpose, whose key is the first one's hash of that word: who has what the
   one gives learns nothing of the other.  NULL and *why. */
struct hash *hash_derived(const struct hash *keyed, const char *purpose, struct fault *why);

void hash_free(struct hash *h); /* NULL is fine */

/* What identity_of wants: valid as long as the hash. */
const struct identity_hash *hash_of(const struct hash *h);

#endif

/* SPDX-License-Identifier: MIT */
/* --id-key: HMAC-SHA-256 in place of the public hash of an identity, so that nobody without the key
   can test guesses of a PIN or card against an event_id. */
#ifndef TS_ENRICH_KEY_H
#define TS_ENRICH_KEY_H

#include "identity.h"

struct key;

/* Reads the key as common/secret.h says; NULL and *why. */
struct key *key_new(const char *file, struct fault *why);
void key_free(struct key *k);

/* What identity_of wants: valid as long as the key. */
const struct identity_hash *key_hash(const struct key *k);

#endif

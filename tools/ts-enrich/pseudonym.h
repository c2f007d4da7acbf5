/* SPDX-License-Identifier: MIT */
/*
 * Pseudonyms: a keyed hash of an id in a form of its own, "p-" and 22 letters and digits.  The same
 * id has the same pseudonym wherever it stands, so order and comparisons work on pseudonyms as they
 * do on ids; without the key nobody can try out guesses.
 */
#ifndef TS_ENRICH_PSEUDONYM_H
#define TS_ENRICH_PSEUDONYM_H

#include "identity.h"

#define PSEUDONYM_TEXT 24

/* Whether it has the form; no id of a device or of an HR system has it. */
bool pseudonym_is(struct slice text);

/* Of the id without the spaces at both ends. */
void pseudonym_print(char out[PSEUDONYM_TEXT], struct slice id, const struct identity_hash *hash);

#endif

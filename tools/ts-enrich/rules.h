/* SPDX-License-Identifier: MIT */
/*
 * The user's own rules: jq programs, compiled once, each given one event and giving one.  What they
 * do not change keeps its bytes.
 *
 * Trusted code on data that is not: an event cannot crash it, and no part of an event gets into a
 * message, whatever the program says.
 */
#ifndef TS_ENRICH_RULES_H
#define TS_ENRICH_RULES_H

#include "event.h"

struct rules;

#define RULES_MAX 16

struct rules *rules_new(void);
void rules_free(struct rules *r); /* NULL is fine */

/* Compiles one more, to run behind those before it.  `name` is what messages call it.  -1, *why. */
int rules_add(struct rules *r, const char *name, struct slice program, struct fault *why);

/* What the programs find in $site from now on; NULL: null. */
void rules_site(struct rules *r, yyjson_val *site);

/* Appends what they make of an event, one object without a newline.  NULL; or why it cannot be had,
   in plain words with RULES_ERROR before them, and nothing is appended.  The text is valid until
   the next call. */
const char *rules_apply(struct rules *r, const struct event *e, struct buf *out);

#define RULES_ERROR "jq program: "

/* Whether an error is one of those: it goes when the program has no more cause for it. */
bool rules_error(struct slice error);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What the file of --oauth says, and how it is written again: the members that the user wrote stay,
 * the tokens change.  Pure.
 */
#ifndef TS_SEND_OAUTH_STATE_H
#define TS_SEND_OAUTH_STATE_H

#include <yyjson.h>

#include "buf.h"
#include "fault.h"

/* The members of the file; those from OAUTH_REFRESH on are ours to write. */
enum oauth_member {
    OAUTH_TOKEN_URL,
    OAUTH_CLIENT_ID,
    OAUTH_CLIENT_SECRET,
    OAUTH_SCOPE,
    OAUTH_GRANT_TYPE,
    OAUTH_CLIENT_AUTH,
    OAUTH_REFRESH,
    OAUTH_PREVIOUS,
    OAUTH_ACCESS,
    OAUTH_EXPIRES,
    OAUTH_MEMBERS
};

/* What the file says. */
struct oauth_state {
    yyjson_doc *doc;
    struct slice is[OAUTH_MEMBERS];
    yyjson_val *parameters;
    bool fixed; /* "rotates": false */
    struct buf token_url;
};

/* Memory that is wiped when it is freed. */
extern const yyjson_alc oauth_wiped;

struct oauth_where {
    const char *file, *url; /* for messages; of the receiver, for a token_url that is a path */
};

/* *s (replaced) is the caller's to free; it is empty after a fault. */
int oauth_state_read(
    const struct oauth_where *w, struct slice text, struct oauth_state *s, struct fault *why);
void oauth_state_free(struct oauth_state *s);

/* The file once more: a copy of the document with other members, SLICE_NONE for none, as text. */
void oauth_state_set(yyjson_mut_doc *doc, enum oauth_member m, struct slice text);
void oauth_state_print(const yyjson_mut_doc *doc, struct buf *out);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Access tokens by OAuth 2 (RFC 6749): client credentials, or a refresh token that may be good for
 * one use only.  All of it stands in one file of the user's, see ts-send(1), OAUTH; oauth_file.h
 * says how it is replaced.  No network here: the caller sends the request and brings the reply.
 */
#ifndef TS_SEND_OAUTH_H
#define TS_SEND_OAUTH_H

#include <yyjson.h>

#include "fault.h"
#include "verdict.h"

struct oauth;

/* Reads the file.  url: of the receiver, for a token_url that is a path.  NULL and *why. */
struct oauth *oauth_open(const char *file, const char *url, struct fault *why);
void oauth_free(struct oauth *o); /* tries once more to keep what could not be kept */

/* The access token, for as long as it stays; SLICE_NONE: there is none. */
struct slice oauth_token(const struct oauth *o);

/* Whether it will be good for a while. */
bool oauth_fresh(const struct oauth *o, int64_t now_s);

/* The receiver does not take it: it is not used again. */
void oauth_refused(struct oauth *o);

/* The receiver has taken it: so the refresh token that came with it is valid too, and the one
   before is forgotten. */
void oauth_proven(struct oauth *o);

enum oauth_next {
    OAUTH_FAULT, /* *why */
    OAUTH_BUSY,  /* another process is at it: come again */
    OAUTH_HAVE,  /* there is a token: the old one, or what another process got */
    OAUTH_ASK,   /* send oauth_request, then say oauth_reply */
};

/* What to do for a token.  After OAUTH_ASK the file is locked until oauth_reply. */
enum oauth_next oauth_begin(struct oauth *o, int64_t now_s, struct fault *why);

struct oauth_request {
    const char *url, *field[3]; /* header fields */
    unsigned fields;
    struct slice body;
};

/* Valid until oauth_reply. */
struct oauth_request oauth_request(const struct oauth *o);

/* True: there is a token, and what came with it is on disk.  False: *v says why not; its reason is
   a literal, or lives until the next call.  Again where v->act is ACT_SESSION: begin anew at once.
 */
bool oauth_reply(struct oauth *o, const struct reply *r, int64_t now_s, struct verdict *v);

/* ---- what a token service says; pure ---- */

struct oauth_answer {
    struct slice access, refresh; /* in doc; access SLICE_NONE: none, see verdict */
    int64_t expires_s;            /* from now; 0: not said */
    struct verdict verdict;
    bool grant_refused; /* the refresh token, or what else was presented, is not good any more */
    yyjson_doc *doc;
};

void oauth_answer_read(const struct reply *r, int64_t now_s, struct oauth_answer *a);
void oauth_answer_free(struct oauth_answer *a);

#endif

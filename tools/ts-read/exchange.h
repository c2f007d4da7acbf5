/* SPDX-License-Identifier: MIT */
/*
 * A request and its answer, over a connection that carries one after the other, seen by who asks:
 * HTTP/1.1, and digest authentication where the answer wants it.  Pure: bytes in, bytes out.
 *
 *     POST /cgi-bin/api/global/login             ->
 *                                                <- 401 with WWW-Authenticate: Digest
 *     the same again with Authorization: Digest  ->
 *                                                <- 200, and a body of a length that is said
 *
 * The password is answered with once; again only where the nonce was stale.
 */
#ifndef TS_EXCHANGE_H
#define TS_EXCHANGE_H

#include "body.h"

struct exchange_request {
    bool post;                   /* else GET */
    const char *path, *host;     /* host: for the field Host */
    const char *field;           /* one more; NULL: none */
    const char *user, *password; /* NULL: none */
    const char *random;          /* for the client's nonce: plain, and never the same twice */
    size_t limit;                /* bytes of the body of an answer */
};

enum exchange_state {
    EXCHANGE_GOES_ON, /* out is to be sent, if there is any; more is to come */
    EXCHANGE_DONE,    /* the answer is here */
    EXCHANGE_FAILED,  /* error says why; nothing can be asked over the connection any more */
};

struct exchange {
    struct exchange_request request; /* borrowed */
    enum exchange_state state;
    const char *error;
    struct buf out;  /* to be sent; the owner takes it away */
    struct buf head; /* of the answer that is coming */
    struct body reading;
    struct buf body;
    bool in_body, to_end; /* to_end: the body ends with the connection */
    unsigned status, tries;
    bool digest; /* the answer wants it, and it can be given: */
    struct buf realm, nonce, opaque;
    bool qop, stale;
};

void exchange_begin(struct exchange *x, const struct exchange_request *request);
void exchange_free(struct exchange *x);

/* What came.  Bytes behind the answer are a failure: nothing was asked for. */
void exchange_take(struct exchange *x, struct slice in);

/* No more will come. */
void exchange_end(struct exchange *x);

#endif

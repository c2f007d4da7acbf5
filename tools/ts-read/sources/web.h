/* SPDX-License-Identifier: MIT */
/*
 * Requests to a device over HTTP, for the sources that ask: libcurl, loaded when the first such
 * source is opened (whoever has none starts without it).  Digest authentication with a fresh nonce
 * for every request; Basic only over TLS.  No redirects, no proxy, no netrc.  Each call has
 * deadlines, keeps a bounded number of bytes, and reads on only when they are taken.
 *
 * A device behind a gateway connects itself and is then asked over that connection: web_line.
 *
 * Nothing here tries anything again: a wrong password, tried again, locks the account.
 */
#ifndef TS_WEB_H
#define TS_WEB_H

#include <poll.h>
#include <stdint.h>

#include "buf.h"
#include "fault.h"

/* --ca, --insecure, --pin-sha256. */
struct web_tls {
    const char *ca, *pin; /* NULL: none */
    bool insecure;
};

struct web_config {
    const char *operand;       /* for messages: hikvision://[user@]host[:port] */
    bool tls, lines;           /* lines: all is asked over those, and the operand names no host */
    const char *user;          /* -o user; NULL: none */
    const char *password_file; /* NULL: none.  user:password, where nothing else names the user */
    struct web_tls security;
};

struct web;

/* 64: the address; 69: no libcurl; 77, 78: the password. */
struct web *web_open(const struct web_config *config, struct fault *why);
void web_close(struct web *w);

/* Host and port as the operand has them, without the user. */
const char *web_host(const struct web *w);

/* Reads the password again; -1 leaves the old one. */
int web_reload(struct web *w, struct fault *why);

/* A connection that the device has opened, for one request after the other: web_line.c. */
struct web_line;

/* Takes over the descriptor, which does not block; host: for the Host of requests. */
struct web_line *web_line_open(struct web *w, int fd, const char *host);
/* Hangs up, after the last web_end. */
void web_line_close(struct web_line *l);

/* Nothing can be asked over it any more: why, in plain words; NULL: it lives. */
const char *web_line_over(const struct web_line *l);

struct web_request {
    const char *path;      /* with its query; sent as it is */
    struct slice body;     /* n 0: GET, else POST */
    struct web_line *line; /* NULL: to the host of the operand.  Over a line, without a body: */
    bool post;             /* … it is a POST all the same */
    const char *field;     /* … one more for its head; NULL: none */
    const char *type;      /* of the body */
    int64_t whole_ms;      /* for all of it; 0: it is a stream */
    int64_t silence_ms;    /* of a stream: the longest time without a byte */
    size_t limit;          /* bytes of its answer that are kept: a stream waits, else it fails */
};

/* One request, until web_end. */
struct web_call;

struct web_call *web_begin(struct web *w, const struct web_request *request);
void web_end(struct web_call *c); /* at any time; NULL is fine */

enum web_state {
    WEB_ASKING, /* no answer yet */
    WEB_COMING, /* the answer has begun: status and type are known */
    WEB_DONE,   /* all of it is here */
    WEB_FAILED, /* and there was none, or not all of it: web_error */
};
enum web_state web_state(const struct web_call *c);

unsigned web_status(const struct web_call *c);   /* 0: none */
const char *web_type(const struct web_call *c);  /* Content-Type; "" without */
const char *web_error(const struct web_call *c); /* plain words */

/* A refusal that wants the password in the clear, where it is not sent so. */
bool web_basic(const struct web_call *c);

/* Bytes of the answer that are here, valid until web_run; the first n of them are done with. */
struct slice web_bytes(const struct web_call *c);
void web_take(struct web_call *c, size_t n);

/* Answers could not be waited for, as nobody took what came: their time begins now. */
void web_calm(struct web *w);

/* What to wait for (room for one). */
nfds_t web_poll(struct web *w, struct pollfd *fds, int *timeout_ms);

/* Moves bytes; true when something came. */
bool web_run(struct web *w);

#endif

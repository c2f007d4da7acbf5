/* SPDX-License-Identifier: MIT */
/*
 * The connections to the receiver.  The only file that knows libcurl: a multi handle driven by its
 * sockets, easy handles that live as long as the process, keep-alive.  http and https only, no
 * redirects, no netrc, no proxy unless told, no other host.
 */
#ifndef TS_SEND_TRANSFER_H
#define TS_SEND_TRANSFER_H

#include "header.h"
#include "reply.h"

struct transfer_config {
    const char *url;
    const char *cacert, *cert, *key; /* files; NULL: the system's trust, no client certificate */
    const char *proxy;               /* URL, or NULL */
    bool insecure, http2;
    bool tls; /* any of the requests may go to https */
    int64_t connect_timeout_ms, timeout_ms;
    bool whole_replies; /* keep all of their header lines and bodies */
    size_t reply_max;   /* bytes of a reply's header or body; a longer one counts as no reply */
    unsigned connections;
};

struct transfer;

/* One request.  What it points to must live until it has come back. */
#define TRANSFER_FIELDS_MAX 40

struct request {
    struct slice body;
    const char *key; /* Idempotency-Key; NULL: none */

    /* Where not every request is a POST to the configured URL: its own URL, on the same host, and
       more header fields than those of all requests. */
    const char *url;    /* NULL: the configured one */
    const char *method; /* with url; of a table: told apart by its address */
    const char *const *field;
    unsigned fields;
    bool no_body;
    bool once;    /* a second one would do harm: never repeated over a new connection */
    bool foreign; /* to another place, at most: without the fields of all requests; its reply is
                     kept */

    int64_t timeout_ms; /* at most; the configured one is never exceeded */
    void *tag;          /* given back */
};

/* What became of it; valid until the next transfer_start or transfer_next. */
struct exchange {
    void *tag;
    const struct reply *reply;
    unsigned sends; /* how often it was put on the wire: libcurl repeats it when a kept connection
                       turns out to be dead */
};

struct transfer *transfer_open(const struct transfer_config *config, struct fault *why);
void transfer_close(struct transfer *t); /* gives up what is under way; NULL is fine */

/* The header fields of the requests that start from now on. */
void transfer_headers(struct transfer *t, struct headers *h);

unsigned transfer_busy(const struct transfer *t); /* requests under way */
bool transfer_free(const struct transfer *t);     /* whether one more may start */
int transfer_start(struct transfer *t, const struct request *r, struct fault *why);

/* To be polled for POLLIN, and how long at most (-1: no limit). */
int transfer_fd(const struct transfer *t);
int transfer_timeout_ms(const struct transfer *t, int64_t now_ms);

/* Goes on as far as possible without waiting; returns how many sockets had news, or -1. */
int transfer_run(struct transfer *t, int64_t now_ms, struct fault *why);
bool transfer_next(struct transfer *t, struct exchange *done);

#endif

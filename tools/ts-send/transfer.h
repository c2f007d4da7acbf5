/* SPDX-License-Identifier: MIT */
/*
 * The connections to the receiver.  The only file that knows libcurl: a multi handle driven by its
 * sockets, easy handles that live as long as the process, keep-alive.  http and https only, no
 * redirects, no netrc, no proxy unless told, no other host.
 */
#ifndef TS_SEND_TRANSFER_H
#define TS_SEND_TRANSFER_H

#include <sys/types.h>

#include "header.h"
#include "reply.h"

struct transfer_config {
    const char *url;
    const char *cacert, *cert, *key; /* files; NULL: the system's trust, no client certificate */
    const char *pin;                 /* of the receiver, see pin.h; or NULL */
    const char *proxy;               /* URL, or NULL */
    bool insecure, http2;
    bool tls; /* any of the requests may go to https */
    int64_t connect_timeout_ms, timeout_ms;
    bool whole_replies; /* keep all of their header lines and bodies */
    bool observed;      /* keep what transfer_peer tells */
    size_t reply_max;   /* bytes of a reply's header or body; a longer one counts as no reply */
    unsigned connections;

    /* Uploads: what is posted elsewhere, on some of the same connections. */
    const char *upload_url; /* NULL: there are none */
    bool upload_ours;       /* it is the receiver: with its credentials */
};

/* How many uploads there are at the same time, of so many connections: events are not to wait. */
static inline unsigned transfer_uploads(unsigned connections)
{
    return connections > 1 ? connections / 2 : 1;
}

struct transfer;

/* Whether the files of the configuration can be read; the key is a secret as any other. */
int transfer_files(const struct transfer_config *config, struct fault *why);

/* Reads the certificate and its key again, for the connections from now on. */
int transfer_renew(struct transfer *t, struct fault *why);

/* One request.  What it points to must live until it has come back. */
#define TRANSFER_FIELDS_MAX 40

struct request {
    struct slice body;
    const char *key;   /* Idempotency-Key; NULL: none */
    const char *trace; /* a whole field: traceparent; NULL: none */

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

    /* Nothing is sent: a new connection, with TLS where the URL says so, is all.  `unchecked`: and
       whatever certificate comes will do, to see what is wrong with it. */
    bool connect_only, unchecked;

    int64_t timeout_ms; /* at most; the configured one is never exceeded */
    void *tag;          /* given back */

    /* Of an upload, in place of body: n bytes from `at` on, or -1 to give it up. */
    ssize_t (*read)(void *arg, uint64_t at, char *to, size_t n);
    void *read_arg;
    uint64_t read_bytes; /* in all */
};

/* What became of it; valid until the next transfer_start or transfer_next. */
struct exchange {
    void *tag;
    const struct reply *reply;
    bool upload;
    unsigned sends; /* how often it was put on the wire: libcurl repeats it when a kept connection
                       turns out to be dead */
    struct call *call;
};

/* How far a connection came, and what stopped it. */
enum way {
    WAY_OPEN,
    WAY_NO_NAME, /* the host is not known; the proxy's is not */
    WAY_NO_PROXY,
    WAY_NOWHERE,   /* nobody takes the connection: `error` is an errno, or 0 */
    WAY_SLOW,      /* … in time */
    WAY_PROXY_NO,  /* the proxy does not let us through: `proxy_status` */
    WAY_NO_TLS,    /* TLS does not come about */
    WAY_EXPIRED,   /* the certificate: out of date */
    WAY_TOO_EARLY, /* … not valid yet */
    WAY_OTHER_NAME,
    WAY_SELF_SIGNED,
    WAY_UNKNOWN_CA,
    WAY_UNTRUSTED, /* any other fault of it */
    WAY_STRANGER,  /* another key than the pinned one: in `words` */
    WAY_FAILED,    /* anything else */
};

/* Of a connect_only request.  The texts are the other side's: hostile, and cut to their arrays. */
struct peer {
    enum way way;
    int error;
    long proxy_status;
    char words[256];  /* libcurl's own */
    char address[64]; /* "": no connection */
    long port;
    bool certificate; /* what follows is known */
    char subject[256], issuer[256];
    char names[512];               /* "DNS:a.example, IP Address:127.0.0.1" */
    int64_t not_before, not_after; /* seconds since 1970; -1: not understood */
};

struct transfer *transfer_open(const struct transfer_config *config, struct fault *why);
void transfer_close(struct transfer *t); /* gives up what is under way; NULL is fine */

/* The header fields of the requests that start from now on. */
void transfer_headers(struct transfer *t, struct headers *h);

unsigned transfer_busy(const struct transfer *t); /* requests under way */
bool transfer_free(const struct transfer *t);     /* whether one more may start */
int transfer_start(struct transfer *t, const struct request *r, struct fault *why);

/* The same for uploads: a POST to upload_url of what r->read gives, with the fields of r alone, and
   those of all requests but Content-… where it is the receiver's own. */
bool transfer_upload_free(const struct transfer *t);
int transfer_upload(struct transfer *t, const struct request *r, struct fault *why);

/* To be polled for POLLIN, and how long at most (-1: no limit). */
int transfer_fd(const struct transfer *t);
int transfer_timeout_ms(const struct transfer *t, int64_t now_ms);

/* Goes on as far as possible without waiting; returns how many sockets had news, or -1. */
int transfer_run(struct transfer *t, int64_t now_ms, struct fault *why);
bool transfer_next(struct transfer *t, struct exchange *done);

/* Waits for the next that comes back: 1; 0: an end was requested, and to_its_end is false; -1 and
 *why. */
int transfer_wait(struct transfer *t, bool to_its_end, struct exchange *done, struct fault *why);

/* A request and its reply, a copy of it: 1; 0: an end was requested; -1 and *why. */
int transfer_call(
    struct transfer *t, const struct request *r, struct reply *reply, struct fault *why);

/* What is known of its connection, where the configuration says `observed`; as valid as *done. */
void transfer_peer(const struct exchange *done, struct peer *peer);

#endif

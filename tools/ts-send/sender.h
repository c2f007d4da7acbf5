/* SPDX-License-Identifier: MIT */
/*
 * The work of ts-send: events from standard input to the receiver, receipts to standard output.
 * ts-send(1) states what it promises.
 */
#ifndef TS_SEND_SENDER_H
#define TS_SEND_SENDER_H

#include "backoff.h"
#include "header.h"
#include "profile.h"
#include "request.h"
#include "snapshot.h"
#include "transfer.h"

#define SENDER_BATCH_MAX 10000
#define SENDER_CONNECTIONS_MAX 256

struct sender_config {
    const struct profile *profile;
    const char *content;
    struct header_source headers;
    struct transfer_config transfer;
    struct backoff backoff;
    unsigned batch;          /* events a request */
    bool array;              /* requests carry arrays, of one event too */
    size_t body_bytes;       /* of a request at most */
    size_t memory_bytes;     /* of waiting events */
    int64_t answer_ms;       /* an event with an ack is answered within */
    int64_t give_up_ms;      /* an event without one is tried for so long */
    int64_t rate_us;         /* between the starts of two requests; 0: no limit */
    int64_t failing_since_s; /* the receiver, in Unix time, as far as is known; 0: it is not */
    enum id_form id;
    bool gzip, verbose;
    bool trace; /* with traceparent */
    struct snapshot_config snapshots;
    const char *oauth_file; /* of --oauth, or NULL */
    bool dry;               /* print the requests, send nothing */
};

/* Runs to the end of the input or to an orderly end: the exit status, or -1 and *why. */
int sender_run(const struct sender_config *config, struct fault *why);

#endif

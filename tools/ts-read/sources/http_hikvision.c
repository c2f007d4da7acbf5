/* SPDX-License-Identifier: MIT */
/*
 * What Hikvision terminals push to their httpHosts, on whatever path they were told: JSON or XML,
 * or multipart with the pictures of the passage; heartbeats too.  The answer is an empty 200: the
 * guide wants a Content-Length of 0.  A terminal that asks whether to open (remoteCheck) is not
 * answered: it decides by itself after its time-out.
 */
#include "http_dialect.h"
#include "recording.h"

#define LOOK_BYTES 4096u

static bool hik_takes(const struct ask *ask)
{
    (void)ask;
    return false; /* the path is anybody's: the body tells */
}

/* Of parts all are looked at: a picture may come first. */
static bool hik_claims(struct slice body)
{
    struct slice head = body;

    if (body.n > LOOK_BYTES && recording_head(&head) != HEAD_MESSAGE)
        body.n = LOOK_BYTES;
    return format_find(SLICE("hikvision"))->sniff(body, false) > 0;
}

static bool hik_feed(struct request *r, struct buf *body, struct feed *feed, struct reply *reply)
{
    (void)r;
    (void)body;
    (void)reply;
    feed->format = format_find(SLICE("hikvision"));
    feed->certain = true;
    return true;
}

static void hik_accepted(struct request *r, uint64_t events, uint64_t bad, struct reply *reply)
{
    (void)r;
    (void)events;
    (void)bad;
    (void)reply;
}

const struct dialect dialect_hikvision = {
    .name = "hikvision",
    .takes = hik_takes,
    .claims = hik_claims,
    .feed = hik_feed,
    .accepted = hik_accepted,
};

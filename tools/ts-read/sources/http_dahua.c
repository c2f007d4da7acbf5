/* SPDX-License-Identifier: MIT */
/*
 * What Dahua terminals push (EventHttpUpload, PictureHttpUpload), on whatever path they were told:
 * JSON, text, or multipart with a picture.  The answer is the word OK: without it the terminal
 * sends the same again and again.
 */
#include "http_dialect.h"

#define LOOK_BYTES 4096u

static bool dahua_takes(const struct ask *ask)
{
    (void)ask;
    return false; /* the path is anybody's: the body tells */
}

static bool dahua_claims(struct slice body)
{
    if (body.n > LOOK_BYTES)
        body.n = LOOK_BYTES;
    return format_find(SLICE("dahua"))->sniff(body, false) > 0;
}

static bool dahua_feed(struct request *r, struct buf *body, struct feed *feed, struct reply *reply)
{
    (void)r;
    (void)body;
    (void)reply;
    feed->format = format_find(SLICE("dahua"));
    feed->certain = true;
    return true;
}

static void dahua_accepted(struct request *r, uint64_t events, uint64_t bad, struct reply *reply)
{
    (void)r;
    (void)events;
    (void)bad;
    reply->type = "text/plain";
    buf_lit(reply->text, "OK");
}

const struct dialect dialect_dahua = {
    .name = "dahua",
    .takes = dahua_takes,
    .claims = dahua_claims,
    .feed = dahua_feed,
    .accepted = dahua_accepted,
};

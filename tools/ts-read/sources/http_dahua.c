/* SPDX-License-Identifier: MIT */
/*
 * What Dahua terminals push (EventHttpUpload, PictureHttpUpload), on whatever path they were told:
 * JSON, text, or multipart with a picture.  The answer is the word OK: without it the terminal
 * sends the same again and again.  One that registers itself wants to be asked: it is at the wrong
 * door.
 */
#include <stdlib.h>

#include "http_dialect.h"
#include "msg.h"

#define LOOK_BYTES 4096u

/* Whether somebody was told of the other door. */
static void *dahua_open(const struct source_env *env, struct fault *why)
{
    (void)env;
    (void)why;
    return memset(mem_alloc(sizeof(bool)), 0, sizeof(bool));
}

/* What is pushed comes on anybody's path: the body tells. */
static bool dahua_takes(const struct ask *ask)
{
    return slice_is(ask->path, "/cgi-bin/api/autoRegist/connect");
}

static enum plan dahua_begin(struct request *r, const struct ask *ask, struct reply *reply)
{
    bool *told = r->state;

    if (!*told)
        msg_warn(
            "%s: a terminal of Dahua registers itself: its door is that of -l dahua://", ask->host);
    *told = true;
    reply->status = 404;
    return PLAN_ANSWER;
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
    .open = dahua_open,
    .close = free,
    .takes = dahua_takes,
    .begin = dahua_begin,
    .claims = dahua_claims,
    .feed = dahua_feed,
    .accepted = dahua_accepted,
};

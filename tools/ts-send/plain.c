/* SPDX-License-Identifier: MIT */
/* The plain profile: the event as it is, or an array of them, to any receiver that reads JSON. */
#include "profile.h"
#include "request.h"

static void plain_request(struct buf *out, const struct slice *events, size_t n, bool array)
{
    if (array)
        request_array(out, events, n);
    else
        buf_slice(out, events[0]);
}

static struct verdict plain_verdict(const struct reply *reply, size_t n)
{
    (void)n;
    return verdict_of(reply->net, reply->status);
}

const struct profile profile_plain = {
    .name = "plain",
    .title = "the event as one JSON object, or an array of them",
    .defaults = {.connections = 4,
        .batch = 1,
        .arrays = ARRAYS_ATOMIC,
        .body_bytes = 1u << 20,
        .late_s = -1,
        .content = "application/json"},
    .event = request_event,
    .request = plain_request,
    .as_is = true,
    .verdict = plain_verdict,
};

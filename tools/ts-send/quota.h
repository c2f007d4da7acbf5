/* SPDX-License-Identifier: MIT */
/*
 * What a receiver says about its rate limit: the IETF draft in its three generations, and the X-
 * fields that came before it.  Pure.  Everything here comes from the other side: what is not
 * understood is ignored, and no wait is longer than QUOTA_RESET_MAX_S.
 *
 *   RateLimit-Limit: 100   RateLimit-Remaining: 7   RateLimit-Reset: 30       drafts 00 to 06
 *   RateLimit: limit=100, remaining=7, reset=30     RateLimit-Policy: 100;w=60           07
 *   RateLimit: "day";r=7;t=30                       RateLimit-Policy: "day";q=100;w=60   from 08
 *   X-RateLimit-Limit, -Remaining, -Reset           also X-Rate-Limit-…
 *
 * A reset is seconds from now, or a Unix time in seconds or milliseconds: its size tells.
 */
#ifndef TS_SEND_QUOTA_H
#define TS_SEND_QUOTA_H

#include <stdint.h>

#include "slice.h"

#define QUOTA_RESET_MAX_S 3600

/* One set of fields as they were said; -1: not said.  Numbers are in thousandths, so that 1.5 s is
   one. */
struct quota_said {
    int64_t limit, remaining, reset;
};

struct quota {
    struct quota_said standard, old; /* the draft; the X- fields */
    int64_t window;                  /* of RateLimit-Policy, where no reset is said */
    bool said;                       /* anything at all */
};

void quota_reset(struct quota *q);

/* Takes a line of the header block, where it is about a limit. */
void quota_header(struct quota *q, struct slice line);

struct quota_left {
    int64_t limit;     /* requests in a window; 0: not said */
    int64_t remaining; /* of them */
    int64_t reset_ms;  /* until there are `limit` again: 0 to QUOTA_RESET_MAX_S */
    bool bounded;      /* it said longer */
};

/* What all fields of a reply say; now_s: the reply's own Date, else our clock.  False: nothing that
   could be obeyed. */
bool quota_left(const struct quota *q, int64_t now_s, struct quota_left *left);

#endif

/* SPDX-License-Identifier: MIT */
/* How long to wait before the next try: exponential, with full jitter.  Pure. */
#ifndef TS_SEND_BACKOFF_H
#define TS_SEND_BACKOFF_H

#include <stdint.h>

struct backoff {
    int64_t first_ms; /* the largest wait after the first failure */
    int64_t last_ms;  /* the largest wait ever */
};

/* The wait after `failures` failures in a row (from 1 on): uniform in [1, min(last, first *
   2^(n-1))] ms.  random is any 64-bit number.  Full jitter, because many senders fail at the same
   moment. */
int64_t backoff_ms(const struct backoff *b, unsigned failures, uint64_t random);

#endif

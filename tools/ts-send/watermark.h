/* SPDX-License-Identifier: MIT */
/*
 * --watermark: tells the receiver up to when everything is in, from the marks of `ts-spool
 * watermark` on standard input.  Only a queue knows what still waits; the sender does not.  A wrong
 * mark marks people absent, so a set of marks that is not whole is refused.
 */
#ifndef TS_SEND_WATERMARK_H
#define TS_SEND_WATERMARK_H

#include "scripted.h"
#include "sender.h"

/* The marks as an object {DEVICE: {upto, site, unix}}: 1; 0 (and no object): there are none, as
   where the queue had none to tell; -1 and *why. */
int watermark_read(
    const struct scripted *p, int64_t now_s, struct value *devices, struct fault *why);

/* The exit status, or -1 and *why. */
int watermark_run(const struct sender_config *config, struct fault *why);

#endif

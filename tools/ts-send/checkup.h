/* SPDX-License-Identifier: MIT */
/*
 * --check: is the way to the receiver open, does it know us, do the clocks agree?  A line a step on
 * standard output (finding.h).  No event is sent, and nothing that could change anything: `check`
 * of the profile, or OPTIONS, which RFC 9110 calls safe.  (A header of our own called check.h would
 * hide that of the unit tests' library.)
 */
#ifndef TS_SEND_CHECKUP_H
#define TS_SEND_CHECKUP_H

#include "sender.h"

/* The exit status: 0 with warnings too; or -1 and *why. */
int check_run(const struct sender_config *config, struct fault *why);

#endif

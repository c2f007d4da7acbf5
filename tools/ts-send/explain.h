/* SPDX-License-Identifier: MIT */
/*
 * --explain: what a jq profile would send for the events on standard input and, for replies given
 * as files, what it makes of them.  No network, no secrets, no receipts.
 */
#ifndef TS_SEND_EXPLAIN_H
#define TS_SEND_EXPLAIN_H

#include "profile.h"
#include "request.h"
#include "snapshot.h"

#define EXPLAIN_REPLIES_MAX 32

struct explain_config {
    const char *reply[EXPLAIN_REPLIES_MAX]; /* files: a status line, header fields, a body */
    unsigned replies;
    const char *now; /* RFC 3339, or NULL: the time that .now says */
    unsigned batch;
    enum id_form id;
    const struct snapshot_config *snapshots;
    size_t body_bytes;     /* of an event at most */
    bool check, watermark; /* in place of events: `check`; marks, for `watermark` */
};

/* One JSON object a line: {"login"|"session"|"upload"|"request"|"verdict": …}, in order.  The exit
   status, or -1 and *why. */
int explain(const struct profile *profile, const struct explain_config *config, struct fault *why);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The conversation with one ZKTeco device, over as many connections as it takes: who it is, what
 * its log holds that was not read yet, and what happens live.  It asks through a zk_session and
 * feeds the pump; sockets are zk.c's.
 */
#ifndef TS_ZK_DEVICE_H
#define TS_ZK_DEVICE_H

#include "source.h"
#include "zk_session.h"

struct zk_device;

struct zk_device *zk_device_new(const struct source_env *env, const char *operand, size_t number);
void zk_device_free(struct zk_device *d);

/* A connection is made: begins to talk.  The session must live until the next of these two calls.
   peer: its address and port; host: without the port. */
void zk_device_connected(struct zk_device *d, struct zk_session *session, const char *peer,
    const char *host, int64_t now_ms);

/* It is over, for whatever reason: what was read stays read. */
void zk_device_disconnected(struct zk_device *d);

/* An orderly end is wanted. */
void zk_device_stop(struct zk_device *d, int64_t now_ms);

enum zk_run {
    ZK_RUN_FAULT = -1, /* cannot go on, now or later */
    ZK_RUN_WAIT,       /* for bytes, or zk_device_due */
    ZK_RUN_MORE,       /* more to do at once */
    ZK_RUN_FULL,       /* the sink has no room */
    ZK_RUN_LOST,       /* the connection is of no more use: *why; another one may be */
    ZK_RUN_END,        /* all is read, and the device was told goodbye */
};

enum zk_run zk_device_run(struct zk_device *d, int64_t now_ms, struct fault *why);

/* When it wants to run though nothing came; INT64_MAX: not by time. */
int64_t zk_device_due(const struct zk_device *d);

/* Whether this connection got as far as a session. */
bool zk_device_known(const struct zk_device *d);

/* For commit of struct source. */
void zk_device_commit(struct zk_device *d, void *token, enum verdict verdict);

void zk_device_progress(const struct zk_device *d, struct source_progress *progress);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The way to the receiver, for --check: its name, a connection, TLS and the certificate, each in
 * plain words.  Nothing is sent: neither an event nor a credential.
 */
#ifndef TS_SEND_WAY_H
#define TS_SEND_WAY_H

#include "finding.h"
#include "transfer.h"

/* 1: the way is open; 0: it is not, as *f says; -1 and *why. */
int way_check(struct findings *f, const struct transfer_config *config, struct transfer *t,
    struct fault *why);

#endif

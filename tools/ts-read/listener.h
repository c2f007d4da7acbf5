/* SPDX-License-Identifier: MIT */
/*
 * A listening TCP socket and who may come in: loopback unless an outside address is written out,
 * which then needs a guard; a limit of connections in all and for each address; and it goes on when
 * the process is out of descriptors.
 */
#ifndef TS_LISTENER_H
#define TS_LISTENER_H

#include <poll.h>

#include "address.h"

struct listener_config {
    const char *operand; /* for messages */
    struct endpoint at;  /* empty host: 127.0.0.1; port 0: any that is free */
    const struct cidr *allow;
    size_t allow_count;
    bool guarded;      /* peers must show a token */
    unsigned most;     /* connections at once */
    unsigned per_peer; /* … from one address */
    int defer_s;       /* peers are seen when they have sent something, or after this; 0: at once */
};

struct listener;

/* Says on standard error where it listens.  64: an outside address without a guard; 69: cannot. */
struct listener *listener_open(const struct listener_config *config, struct fault *why);
void listener_close(struct listener *l);

struct peer {
    int fd; /* not blocking; the caller's */
    struct sockaddr_storage address;
    socklen_t address_bytes;
    unsigned char octets[16];
    bool allowed; /* false: answer it so and close it; it is not counted */
};

/* The next peer that waits, or false. */
bool listener_accept(struct listener *l, struct peer *peer);

/* A peer that was allowed has gone. */
void listener_release(struct listener *l, const struct peer *peer);

/* Whether the limit in all is reached (then nobody is accepted). */
bool listener_full(const struct listener *l);

/* What to wait for (room for one); nothing while it is full or out of descriptors. */
nfds_t listener_poll(struct listener *l, struct pollfd *fds, int *timeout_ms);

#endif

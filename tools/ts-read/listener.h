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
    const char *forbidden, *busy; /* what a peer hears that is not allowed, or finds no place; NULL:
                                     nothing */
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
};

/* The next peer that waits, or false. */
bool listener_accept(struct listener *l, struct peer *peer);

/* It has gone. */
void listener_release(struct listener *l, const struct peer *peer);

/* Says a last word and closes.  What came is read away first, as far as it is here, because closing
 * on unread bytes would reset the connection under the word. */
void listener_refuse(int fd, const char *text);

/* Whether the limit in all is reached (then nobody is accepted). */
bool listener_full(const struct listener *l);

/* What to wait for (room for one); nothing while it is full or out of descriptors. */
nfds_t listener_poll(struct listener *l, struct pollfd *fds, int *timeout_ms);

/* The same for a loop of its own: the descriptor, which is readable when somebody waits, and when
 * to look again though nothing is told (INT64_MAX: never). */
int listener_fd(const struct listener *l);
int64_t listener_resume_ms(const struct listener *l);

#endif

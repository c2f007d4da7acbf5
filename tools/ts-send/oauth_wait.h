/* SPDX-License-Identifier: MIT */
/* A token for those who send one request after the other: asked for and waited for. */
#ifndef TS_SEND_OAUTH_WAIT_H
#define TS_SEND_OAUTH_WAIT_H

#include "oauth.h"
#include "sender.h"

enum oauth_got {
    OAUTH_NONE, /* *v says why */
    OAUTH_KEPT, /* the one of the file has not ended */
    OAUTH_NEW,
};

/* Its reply is waited for, whatever is requested meanwhile. */
enum oauth_got oauth_wait(struct oauth *o, struct transfer *t, struct verdict *v);

/* Puts the token where the profile has it, or into *headers (replaced). */
void oauth_install(const struct oauth *o, const struct sender_config *config, struct transfer *t,
    struct headers **headers);

#endif

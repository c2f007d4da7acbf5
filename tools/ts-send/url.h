/* SPDX-License-Identifier: MIT */
/* The URLs of a run: checked before anything is opened, and in a form that may be shown. */
#ifndef TS_SEND_URL_H
#define TS_SEND_URL_H

#include "fault.h"
#include "slice.h"

#define URL_BYTES_MAX 2048

/* 0, or fault 64: only http and https, a host, no user or password, no fragment, nothing outside
   printable ASCII.  `what` names it in the message, which never repeats the text. */
int url_check(const char *what, const char *url, struct fault *why);

/* The URL without what follows "?", which may hold a secret: "https://host/path?***". */
void url_shown(const char *url, char out[URL_BYTES_MAX + 8]);

/* The host without brackets, and the port, that a checked URL leads to. */
struct url_host {
    char host[256];
    int port;
};
void url_host(const char *url, struct url_host *out);
/* The first bytes of it, up to the path: "https://host:8443". */
struct slice url_origin(const char *url);

/* Whether both lead to the same scheme, host and port; a port that is not written is the usual. */
bool url_same_origin(const char *a, const char *b);

static inline bool url_is_https(const char *url)
{
    return (url[4] | 0x20) == 's';
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The conversation of a jq profile with its receiver, one request after the other: login, request,
 * reply, verdict.  Where the replies come from is the caller's: files for --explain, the network
 * for --check.  (What sends events holds many such at once: talk.c.)
 */
#ifndef TS_SEND_DIALOG_H
#define TS_SEND_DIALOG_H

#include "judge.h"

struct dialog {
    const struct scripted *p;
    const struct headers *common; /* the fields of all requests, or NULL */
    struct ask ask;               /* the request at hand */
    struct reply reply;           /* to it; one that was kept whole */
    struct ask_input in;
    struct verdict *verdicts; /* where the last judgement is one for each event */
    struct judgement said;    /* the last one */

    /* The request stands in `ask`; what: the function that made it.  1: its reply is in `reply`;
       0: there will be none, and that is the end; -1 and *why. */
    int (*answer)(void *arg, const char *what, struct fault *why);
    /* There is a session, in in.session; there is a judgement, in `said`.  Either may be NULL. */
    void (*session)(void *arg);
    void (*judged)(void *arg);
    void *arg;
};

enum dialog_end {
    DIALOG_OPEN,    /* there was no reply to the last request */
    DIALOG_JUDGED,  /* the last word is in d->said; of a login: it worked, or none is needed */
    DIALOG_REFUSED, /* of a login: why is in d->said */
    DIALOG_NOTHING, /* the function wants nothing (null) */
};

/* most: events of a request.  The callbacks are to be set after it. */
void dialog_init(struct dialog *d, const struct scripted *p, unsigned most);
void dialog_free(struct dialog *d);

/* enum dialog_end, or -1 and *why. */
int dialog_login(struct dialog *d, struct fault *why);

/* From `first` (`request`, or one of those that need no events) to the last word. */
int dialog_go(struct dialog *d, enum script_function first, struct fault *why);

/* How many events in.events has, or 1 where it is about none. */
unsigned dialog_count(const struct dialog *d);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What the sources share that ask a device for its log and then listen to a stream of it: one
 * request in hand, one stream, what was pulled (units.h), how far the log was seen, and when to
 * begin again.  The source says what is asked for and what the answers mean: it is a function that
 * takes one step.
 */
#ifndef TS_PULL_H
#define TS_PULL_H

#include "device_log.h"
#include "units.h"
#include "web.h"

struct pull {
    const struct source_env *env;
    const char *operand;
    struct web *web;
    struct units units;
    struct web_request how;         /* what all that is asked for has in common */
    struct web_call *call, *stream; /* what was asked for; what is live; NULL: nothing */
    char device[LOG_DEVICE_BYTES];  /* its serial number; "" while it is not known */
    struct log_seen seen;
    int64_t silence_ms, busy_ms; /* -o silence, -o busy */
    int64_t sweep_ms, swept_ms;  /* -o sweep; when the log was looked into last */
    unsigned heard, found, mute; /* events of the stream, and new ones of the log, since then;
                                    sweeps in a row that found what the stream did not say */
    int64_t resume_ms, live_ms;  /* when to begin again; since when the stream lives, or 0 */
    int backoff_ms;
    int64_t said_back; /* the record after which a clock that was set back was said; -1 */
    bool down, full, known, said_end;
    bool stopping; /* what is here is given on, then it ends */
};

/* Without a connection of its own: the owner sets web, and units.origin and units.device.  64. */
int pull_begin(struct pull *p, const struct source_env *env, const char *operand, size_t number,
    const char *scheme, struct fault *why);

/* scheme://, schemes:// with TLS; 64, 69, 77, 78. */
int pull_open(struct pull *p, const struct source_env *env, const char *operand, size_t number,
    const char *scheme, struct fault *why);
void pull_close(struct pull *p);

/* -o keys: user, silence, busy, sweep. */
bool pull_option(struct slice key);

/* Asks, in the place of what was asked before. */
void pull_ask(struct pull *p, const char *path, struct slice body);
void pull_listen(struct pull *p, const char *path);

/*
 * The answer to pull_ask: 1 it is here, with any status below 500 but 401; 0 not yet, or all begins
 * again; -1.  words: finds in an answer why it was refused, refusal: what a 401 says of the lock;
 * both may be NULL.
 */
struct pull_words {
    bool (*words)(struct slice body, char *out, size_t room);
    bool (*refusal)(struct slice body, char *out, size_t room);
};
int pull_answer(struct pull *p, const struct pull_words *w, struct fault *why);

/* The same for what was listened to: 1 its answer has begun, or is all here. */
int pull_heard(struct pull *p, const struct pull_words *w, struct fault *why);

/* The device has said who it is: name may be "".  Goes on from the checkpoint's place of it, or
   says that another one is there now. */
void pull_known(struct pull *p, const char *name);

/* With -F all begins again after wait_ms or a little more (0: a backoff that grows, and it is said
   once), and then p->resume_ms says when; else it is a fault. */
int pull_again(struct pull *p, int64_t wait_ms, const char *what, struct fault *why);

/* It answers again. */
void pull_answers(struct pull *p);

void pull_hang_up(struct pull *p);

/* Says what a record shows of the log and the clock; true: its numbers begin anew. */
bool pull_look(struct pull *p, const struct log_seen *seen, const struct log_place *place);

/* Whether it is time to look into the log though the stream lives: it may hold back events; and
   that this was done, which notices a stream that does. */
bool pull_sweep_due(const struct pull *p);
void pull_swept(struct pull *p);

/* The place of s is where all that was pulled so far ends. */
void pull_reached(struct pull *p, const struct log_seen *s);

/* One turn: step takes one step, 1 more to do, 0 nothing for now, -1. */
enum source_state pull_run(
    struct pull *p, int (*step)(void *arg, struct fault *why), void *arg, struct fault *why);

nfds_t pull_poll(struct pull *p, bool resting, bool room, struct pollfd *fds, int *timeout_ms);
void pull_stop(struct pull *p);
void pull_reload(struct pull *p);

#endif

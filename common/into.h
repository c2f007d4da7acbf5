/* SPDX-License-Identifier: MIT */
/*
 * --into 'COMMAND': a shell pipeline that gets events on its standard input, each with an `ack`,
 * and answers with receipts on its standard output.  This module spawns it, feeds it without ever
 * blocking, matches receipts to what was handed over, and says when it ended.  The caller owns the
 * loop: it polls the descriptors of into_poll together with its own and then calls into_run.
 *
 * A bounded window of events is outstanding.  Acks carry a nonce of this instance, so a receipt of
 * an earlier life, a doubled or an invented one is counted and ignored.
 */
#ifndef TS_INTO_H
#define TS_INTO_H

#include <poll.h>

#include "receipt.h"

struct into_config {
    const char *command; /* for /bin/sh -c */
    unsigned window;     /* events outstanding at most; 0: INTO_WINDOW */
    size_t window_bytes; /* bytes not yet taken by the command at most; 0: INTO_BYTES */
    int64_t answer_ms; /* an event not answered in this time counts as unanswered; 0: no limit. Time
                          in which the caller stood still does not count, here and below. */
    int64_t silent_ms; /* a command that answers nothing for so long though events wait has lost one
                          of its programs and is ended; 0: INTO_SILENT_MS, or answer_ms if longer */
    bool restart;      /* start the command again, with backoff, when it ends before into_finish */
};

#define INTO_WINDOW 4096u
#define INTO_BYTES (1u << 20)
#define INTO_SILENT_MS 120000

enum into_state {
    INTO_RUNNING, /* takes events while into_room says so */
    INTO_PAUSED,  /* ended; will be started again at its backoff (only with restart) */
    INTO_ENDED,   /* ended and reaped; every event was answered or given back */
};

/* What became of one event: a receipt, or that there will be none (outcome == OUTCOMES: the command
   ended, or answer_ms passed).  token is what into_send was given; the receipt's slices live until
   the next call. */
struct into_answer {
    uint64_t token;
    struct receipt receipt;
};

struct into;

struct into *into_open(const struct into_config *config, struct fault *why);

/* Ends the command if it still runs (SIGTERM to its process group, SIGKILL two seconds later),
 * reaps it, frees all. */
void into_close(struct into *i);

enum into_state into_state(const struct into *i);

/* Whether one more event may be handed over now. */
bool into_room(const struct into *i);

/* Hands over one event: a JSON object without `ack` and without a newline.  Needs into_room. */
void into_send(struct into *i, struct slice line, uint64_t token);

/* SIGHUP to every program of the command: rosters, sites and secrets are read again. */
void into_reload(struct into *i);

/* No more events will come: the command gets end of file when it has read the rest. */
void into_finish(struct into *i);

/* Fills fds (room for INTO_FDS) with what to wait for; returns how many.  *timeout_ms (-1: none) is
   lowered when the module needs to be called earlier. */
#define INTO_FDS 4
nfds_t into_poll(struct into *i, struct pollfd *fds, int *timeout_ms);

/* Moves bytes both ways, as far as it goes without blocking, and notices the command's end; call it
   after every wait.  -1 only for faults of our own side (cannot spawn, out of descriptors). */
int into_run(struct into *i, struct fault *why);

/* The next answer, or false.  Call until false after each into_run. */
bool into_next(struct into *i, struct into_answer *answer);

/* Events handed over and not answered yet. */
unsigned into_outstanding(const struct into *i);

/* Receipts that matched nothing: unknown, late, doubled, not JSON. */
uint64_t into_strays(const struct into *i);

/* After INTO_ENDED or INTO_PAUSED: exit status of the pipeline as the shell gives it (128+n for a
 * signal). */
int into_exit_status(const struct into *i);

#endif

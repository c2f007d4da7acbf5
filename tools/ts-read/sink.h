/* SPDX-License-Identifier: MIT */
/*
 * Where events go: standard output, or the command of --into.  With a command, every event belongs
 * to a track (a file, a connection, a request), and the track learns what became of its events: so
 * a peer hears OK, and a checkpoint moves, only when the final receipts are back.
 */
#ifndef TS_SINK_H
#define TS_SINK_H

#include <poll.h>
#include <stdint.h>

#include "buf.h"
#include "fault.h"

struct sink_config {
    const char *into;  /* command for --into; NULL: standard output */
    int64_t answer_ms; /* --answer-within, for one event; 0: no limit */
    bool restart;      /* start the command again when it ends (-F) */
};

/* A place in a file: everything before it is settled.  line counts the newlines before it. */
struct place {
    uint64_t device, inode;
    uint64_t offset, line;
    uint32_t head_bytes; /* how many of the file's first bytes the fingerprint is of */
    char head[40];
};

/* What is done about an event that got no final receipt. */
enum track_kind {
    TRACK_REPORT, /* counted: the program ends with 75, and can be run again */
    TRACK_TELL,   /* nothing here: the owner tells its peer to send again */
    TRACK_REPEAT, /* handed over again until it has one: nobody can be asked to send again */
};

/*
 * Who waits for a group of events.  Shared by its owner and by the events on their way: freed when
 * both let go of it.
 */
struct track {
    enum track_kind kind;
    size_t source;              /* number of the source, for checkpoints */
    struct place at;            /* identity of the file; offset and line are not used */
    unsigned pending;           /* events without an answer yet */
    unsigned accepted, unfinal; /* with a final receipt; answered otherwise, or given up */
    unsigned refused;           /* of TRACK_TELL: too many in one record, not taken */
    struct place stuck;         /* offset and line of the first of the unfinal, if there is one */
    struct track *before;       /* of the file that the source read before this one, or NULL */
    unsigned refs;
};

struct track *track_new(enum track_kind kind, size_t source);
void track_drop(struct track *t);

/* Moves a place of this track's file back to the first event that got no final receipt, also into a
 * file that was read before. */
void track_settled(const struct track *t, struct place *place);

struct sink;

struct sink *sink_new(const struct sink_config *config, struct fault *why);

/* Whether it takes more now; while not, sources stop reading.  One record may go over it. */
bool sink_room(const struct sink *s);

/* Print one event, without a newline and, with a command, without `ack`, into the buffer … */
struct buf *sink_line(struct sink *s);
/* … and hand it over.  place: where its record starts.  track may be NULL on standard output. */
int sink_take(struct sink *s, struct track *track, uint64_t offset, uint64_t line);

/* No answer for this track is waited for any more: what was not handed over yet is dropped. */
void sink_abandon(struct sink *s, struct track *track);

/* Before each wait, and before a peer is told that its events are out. */
int sink_flush(struct sink *s);

/* SIGHUP for the command, if there is one. */
void sink_reload(struct sink *s);

#define SINK_FDS 4
nfds_t sink_poll(struct sink *s, struct pollfd *fds, int *timeout_ms);

/* After each wait: moves events and receipts, notices a closed output.  1 when something was
 * settled (the sources should look at their tracks), 0, or -1. */
int sink_run(struct sink *s);

/* There is a command (and so receipts); it takes nothing now; it will never take anything again. */
bool sink_receipts(const struct sink *s);
bool sink_down(const struct sink *s);
bool sink_over(const struct sink *s);

/* Events on their way; events that have no final receipt and that nobody is told to send again. */
unsigned sink_pending(const struct sink *s);
uint64_t sink_unstored(const struct sink *s);

/* Before which place a source's events all have their final receipt, as far as some are on their
 * way; false when none is. */
bool sink_oldest(const struct sink *s, size_t source, struct place *place);

/* No more events will come: the command gets end of file after what is queued. */
void sink_finish(struct sink *s);

/* What went wrong in any call above that returned -1; NULL when nothing did. */
const struct fault *sink_fault(const struct sink *s);

/* Flushes, closes, ends the command, frees.  -1 when the output could not take it all. */
int sink_close(struct sink *s, struct fault *why);

#endif

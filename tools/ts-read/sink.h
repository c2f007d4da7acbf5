/* SPDX-License-Identifier: MIT */
/*
 * Where events go: standard output, or the command of --into.  Every event belongs to a track (a
 * file, a connection, a request, a message), and the source that opened the track hears through
 * its `commit` (source.h) what became of them: so a peer hears OK, and a checkpoint moves, only
 * when the final receipts are back.
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

/* What became of a track; see struct source. */
enum verdict {
    VERDICT_OPEN,     /* nothing that is final for all of it: events are on their way, or to come */
    VERDICT_DONE,     /* no more will come, and each has its final receipt */
    VERDICT_AGAIN,    /* of TRACK_TELL: an event has none and will get none: to be sent again */
    VERDICT_TOO_MANY, /* of TRACK_TELL: more events in one record than are taken at once */
};

/*
 * A group of events.  Shared by its owner and by the events on their way: freed when both let go of
 * it.  The numbers are the sink's.
 */
struct track {
    enum track_kind kind;
    size_t source;              /* number of the source that hears of it */
    void *token;                /* what the source knows it by */
    struct place at;            /* identity of its file; offset and line: all before was read */
    unsigned pending;           /* events without an answer yet */
    unsigned accepted, unfinal; /* with a final receipt; answered otherwise, or given up */
    unsigned refused;           /* of TRACK_TELL: too many in one record, not taken */
    struct place stuck;         /* offset and line of the first of the unfinal, if there is one */
    struct track *before;       /* of the file that the source read before this one, or NULL */
    struct track *next;         /* in the list of those whose source is to be told */
    bool ended, listed, left;
    unsigned refs;
};

struct track *track_new(enum track_kind kind, size_t source, void *token);
void track_drop(struct track *t);

/* The track's file is read after that of `before`, whose reference is taken; NULL: after none. */
void track_follow(struct track *t, struct track *before);

enum verdict track_verdict(const struct track *t);

struct sink;

struct sink *sink_new(const struct sink_config *config, struct fault *why);

/* Whether it takes more now; while not, sources stop reading.  One record may go over it. */
bool sink_room(const struct sink *s);

/* Print one event, without a newline and, with a command, without `ack`, into the buffer … */
struct buf *sink_line(struct sink *s);
/* … and hand it over.  place: where its record starts.  track may be NULL on standard output. */
int sink_take(struct sink *s, struct track *track, uint64_t offset, uint64_t line);

/* All events of records before this place of the track were handed over; no more will come. */
void sink_reached(struct sink *s, struct track *track, uint64_t offset, uint64_t line);
void sink_ended(struct sink *s, struct track *track);

/* The owner is not to be told any more, and lets go of it: what was not sent yet is dropped. */
void sink_leave(struct sink *s, struct track *track);

/* The next track that there is news of, for its source's commit: 1, and the caller lets go of it
 * with track_drop; 0: none; -1.  On standard output "stored" is "written". */
int sink_news(struct sink *s, struct track **track);

/* Before which place of its files all events that `newest` and those before it know of have their
 * final receipts; false when there is none. */
bool sink_settled(const struct sink *s, const struct track *newest, struct place *place);

/* Before each wait, and before a peer is told that its events are out. */
int sink_flush(struct sink *s);

/* SIGHUP for the command, if there is one. */
void sink_reload(struct sink *s);

#define SINK_FDS 4
nfds_t sink_poll(struct sink *s, struct pollfd *fds, int *timeout_ms);

/* After each wait: moves events and receipts, notices a closed output.  1 when something was
 * settled, 0, or -1. */
int sink_run(struct sink *s);

/* There is a command (and so receipts); it takes nothing now; it will never take anything again. */
bool sink_receipts(const struct sink *s);
bool sink_down(const struct sink *s);
bool sink_over(const struct sink *s);

/* Events on their way; events that have no final receipt and that nobody is told to send again. */
unsigned sink_pending(const struct sink *s);
uint64_t sink_unstored(const struct sink *s);

/* No more events will come: the command gets end of file after what is queued. */
void sink_finish(struct sink *s);

/* What went wrong in any call above that returned -1; NULL when nothing did. */
const struct fault *sink_fault(const struct sink *s);

/* Flushes, closes, ends the command, frees.  -1 when the output could not take it all. */
int sink_close(struct sink *s, struct fault *why);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Where bytes come from.  A source is one file in sources/ with one `struct source` and one line in
 * source.c's table.  It knows no format: it opens streams of the pump and feeds them.  All sources
 * share one poll loop (reader.c) and never block in it.
 */
#ifndef TS_SOURCE_H
#define TS_SOURCE_H

#include "pump.h"

struct cidr;
struct checkpoint;
struct tally;

/* What every source may need to know. */
struct source_env {
    struct pump *pump;
    struct sink *sink;
    struct checkpoint *checkpoint; /* NULL: none; else where to go on from */
    bool *gap;                /* set where rows may have been left out that no later run finds */
    bool follow, listen;      /* -F, -l */
    const struct cidr *allow; /* --allow */
    size_t allow_count;
    const char *token_file;            /* NULL: none */
    const char *password_file;         /* of the device's password or key; NULL: none */
    const char *device;                /* -d; NULL: none */
    bool pictures;                     /* --snapshots: they are kept */
    const char *ca, *pin;              /* --ca, --pin-sha256 of the device; NULL: none */
    bool insecure;                     /* --insecure */
    const struct bound *since, *until; /* --since, --until: what need not be asked for */
    struct tally *tally;               /* --count: what is read is only counted, here; NULL: not */
    size_t body_bytes;                 /* --max-body */
    int64_t answer_ms;                 /* --answer-within for a peer that waits; never 0 */
    struct format_options options;     /* -o pairs that a source reads */
};

enum source_state {
    SOURCE_ERROR = -1,
    SOURCE_END,  /* nothing more will come */
    SOURCE_WAIT, /* wait for its descriptors, or its time */
    SOURCE_MORE, /* has more to do at once */
    SOURCE_FULL, /* the sink has no room */
};

/* How much of its input is done, for --progress; total 0: cannot be told. */
struct source_progress {
    uint64_t done, total; /* bytes */
};

struct source {
    const char *name;
    const char *synopsis;
    bool in_turn;  /* read one after another; the others all at once */
    bool may_fail; /* when it cannot be read that is told, and the others go on; so also in_turn */

    /* Whether it reads this -o key, which then goes to no format: see env->options; may be NULL. */
    bool (*option)(struct slice key);

    /* Whether it reads what the operand names, with -F and -l as they are. */
    bool (*takes)(const struct source_env *env, const char *operand);

    /* number: of the operand, for tracks and checkpoints. */
    void *(*open)(
        const struct source_env *env, const char *operand, size_t number, struct fault *why);

    /* One bounded piece of work: never waits, reads at most one block. */
    enum source_state (*run)(void *state, struct fault *why);

    /* What to wait for (room for SOURCE_FDS); room: whether the sink takes more. */
    nfds_t (*poll)(void *state, bool room, struct pollfd *fds, int *timeout_ms);

    /* An orderly end is wanted: take nothing new, finish what is in hand, then be at the end. */
    void (*stop)(void *state);

    /*
     * The back-channel: what became of the events of a track.  A source whose peer waits for an
     * acknowledgement (a request, a message with a packet number, a page of a search) opens a track
     * for each unit that is acknowledged as one,
     *
     *     t = track_new(TRACK_TELL, number, token);
     *     stream = stream_open(pump, {.kind = STREAM_BODY, .track = t, …});
     *
     * feeds the stream to its end (stream_end), and is called back once, with the token, when
     *
     *     VERDICT_DONE      every event is safe: acknowledge
     *     VERDICT_AGAIN     one is not, and will not be: the peer is to send the unit again
     *     VERDICT_TOO_MANY  it can never be taken as one unit: refuse it
     *
     * and then lets go of the track with sink_leave.  Before that it may do so at any time (the
     * peer has gone, its patience has ended): then it is not called.  A source of files
     * (TRACK_REPORT, TRACK_REPEAT) is called with VERDICT_OPEN whenever its place may have moved,
     * and hands it to the checkpoint: source_commit_place.  The reader calls between two runs,
     * never from within another call of the source, so commit may do all that run may do.  NULL:
     * the peers of this source hear nothing, and it has no place to go on from.
     */
    void (*commit)(void *state, void *token, enum verdict verdict);

    bool checkpoint; /* --checkpoint: open goes on from checkpoint_find, commit moves it */

    void (*progress)(const void *state, struct source_progress *progress); /* may be NULL */

    void (*reload)(void *state); /* SIGHUP; may be NULL */

    void (*close)(void *state);
};

#define SOURCE_FDS 4
#define SOURCE_BLOCK (256u << 10) /* bytes of one read */

/* Sorted by name; NULL ends the table. */
extern const struct source *const sources[];

/* The source for an operand, or NULL and *why (64). */
const struct source *source_find(
    const struct source_env *env, const char *operand, struct fault *why);

/* Whether a source of one of the operands reads this -o key. */
bool source_option(
    const struct source_env *env, char *const *operand, size_t operands, struct slice key);

/* What a stream's state is for its only source. */
enum source_state source_state(enum stream_state state);

/* Goes on in a file at a place that it matches: see stream_resume. */
int source_resume(
    int fd, const char *name, struct stream *stream, const struct place *place, struct fault *why);

/* For commit: the checkpoint moves to where all before is settled in the file of `newest`. */
void source_commit_place(
    const struct source_env *env, const char *operand, const struct track *newest);

/* The last part of a path, and that without what follows its last dot. */
void source_names(const char *path, char *name, char *stem, size_t room);

/* "scheme://rest": true, and rest when it is not NULL. */
bool source_scheme(const char *operand, const char *scheme, const char **rest);

#endif

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

/* What every source may need to know. */
struct source_env {
    struct pump *pump;
    struct sink *sink;
    struct checkpoint *checkpoint; /* NULL: none; else where to go on from */
    bool *gap;                /* set where rows may have been left out that no later run finds */
    bool follow, listen;      /* -F, -l */
    const struct cidr *allow; /* --allow */
    size_t allow_count;
    const char *token_file; /* NULL: none */
    size_t body_bytes;      /* --max-body */
    int64_t answer_ms;      /* --answer-within for a peer that waits; never 0 */
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
    bool in_turn; /* read one after another; the others all at once */

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

    /* How far everything is read that was handed to the sink; false: cannot be gone on from.  NULL
     * where a source never can. */
    bool (*place)(const void *state, struct place *place);

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

/* What a stream's state is for its only source. */
enum source_state source_state(enum stream_state state);

/* Goes on in a file at a place that it matches: see stream_resume. */
int source_resume(
    int fd, const char *name, struct stream *stream, const struct place *place, struct fault *why);

/* The last part of a path, and that without what follows its last dot. */
void source_names(const char *path, char *name, char *stem, size_t room);

/* "scheme://rest": true, and rest when it is not NULL. */
bool source_scheme(const char *operand, const char *scheme, const char **rest);

#endif

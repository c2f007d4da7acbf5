/* SPDX-License-Identifier: MIT */
/*
 * A file from its start to its end; standard input; a FIFO.  A regular file is always ready; for
 * the others the loop waits, and what was read before has gone out by then.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoint.h"
#include "msg.h"
#include "rotation.h"
#include "source.h"

#define PIPE_BYTES (1 << 20)

struct file {
    const struct source_env *env;
    const char *name;
    size_t number;
    int fd;
    struct rotation *rotation; /* files to read after this one; NULL: none */
    bool regular, stopping, ended;
    bool full; /* the sink had no room for what is buffered */
    struct stream *stream;
    struct track *track;
    struct place at;
    uint64_t bytes, before_bytes; /* this file's size; that of those before it */
};

static bool file_takes(const struct source_env *env, const char *operand)
{
    bool standard = strcmp(operand, "-") == 0;

    return !env->listen && !strstr(operand, "://") && (standard || !env->follow);
}

static int open_operand(struct file *f, struct fault *why)
{
    struct stat st;
    bool standard = strcmp(f->name, "-") == 0;

    f->fd = standard ? STDIN_FILENO : open(f->name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (f->fd < 0)
        return fault_errno(why, EX_NOINPUT, "%s: cannot open", f->name);
    if (fstat(f->fd, &st) < 0)
        return fault_errno(why, EX_NOINPUT, "%s: cannot read", f->name);
    if (S_ISDIR(st.st_mode))
        return fault_set(why, EX_NOINPUT, "%s: is a directory", f->name);
    f->regular = S_ISREG(st.st_mode);
    f->bytes = f->regular ? (uint64_t)st.st_size : 0;
    if (f->regular)
        posix_fadvise(f->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    else if (S_ISFIFO(st.st_mode))
        fcntl(f->fd, F_SETPIPE_SZ, PIPE_BYTES); /* fewer switches; refused is fine */
    return 0;
}

static void file_close(void *state)
{
    struct file *f = state;

    if (!f)
        return;
    if (f->fd > STDERR_FILENO)
        close(f->fd);
    stream_close(f->stream);
    track_drop(f->track);
    rotation_free(f->rotation);
    free(f);
}

/* A stream from the start of what f->fd is. */
static int begin_stream(struct file *f, enum stream_kind kind, struct fault *why)
{
    char name[256], stem[256];
    struct stream_config config = {.origin = name, .device = stem, .kind = kind};
    struct track *before = f->track;

    source_names(strcmp(f->name, "-") == 0 ? "stdin" : f->name, name, stem, sizeof name);
    if (place_identify(f->fd, &f->at) < 0)
        return fault_errno(why, EX_IOERR, "%s: cannot read", f->name);
    if (sink_receipts(f->env->sink)) {
        f->track = track_new(TRACK_REPORT, f->number, NULL);
        f->track->at = f->at;
        track_follow(f->track, before);
    }
    config.track = f->track;
    stream_close(f->stream);
    f->stream = stream_open(f->env->pump, &config);
    f->full = f->ended = false;
    return 0;
}

/* The next file that rotation left: 1; 0 when there is none, -1. */
static int next_file(struct file *f, struct place *from, struct fault *why)
{
    struct stat st;

    if (!rotation_more(f->rotation))
        return 0;
    if (f->fd > STDERR_FILENO)
        close(f->fd);
    f->fd = rotation_next(f->rotation, from);
    f->before_bytes += f->bytes;
    f->bytes = fstat(f->fd, &st) == 0 ? (uint64_t)st.st_size : 0;
    /* A line of an old file that fits no format must not keep us from the ones after it. */
    return begin_stream(f, rotation_more(f->rotation) ? STREAM_TAIL : STREAM_FILE, why) < 0 ? -1
                                                                                            : 1;
}

/* Goes on from the checkpoint: in this file, or in those that were rotated before it. */
static int resume(struct file *f, struct fault *why)
{
    const struct place *place =
        f->env->checkpoint ? checkpoint_find(f->env->checkpoint, f->name) : NULL;
    struct place from;

    if (!place || !f->regular)
        return 0;
    from = *place;
    f->rotation = rotation_find(f->name, f->fd, place, checkpoint_saved(f->env->checkpoint));
    *f->env->gap = *f->env->gap || rotation_gap(f->rotation);
    f->bytes = f->rotation ? 0 : f->bytes;
    if (next_file(f, &from, why) < 0)
        return -1;
    return from.offset > 0 ? source_resume(f->fd, f->name, f->stream, &from, why) : 0;
}

static void *file_open(
    const struct source_env *env, const char *operand, size_t number, struct fault *why)
{
    struct file *f = mem_alloc(sizeof *f);

    *f = (struct file){.env = env, .name = operand, .number = number, .fd = -1};
    if (open_operand(f, why) < 0)
        goto out;
    /* With a checkpoint it is a log, which may well be empty after a rotation. */
    if (f->regular && f->bytes == 0 && !env->checkpoint)
        msg_warn("%s: is empty", f->name);
    if (begin_stream(f, f->regular ? STREAM_FILE : STREAM_PIPE, why) < 0 || resume(f, why) < 0)
        goto out;
    return f;
out:
    file_close(f);
    return NULL;
}

/* One block, when there is one to be had without waiting. */
static enum source_state read_block(struct file *f, struct fault *why)
{
    struct pollfd in = {.fd = f->fd, .events = POLLIN};
    ssize_t n;

    if (!f->regular && poll(&in, 1, 0) == 0)
        return SOURCE_WAIT;
    n = read(f->fd, stream_room(f->stream, SOURCE_BLOCK), SOURCE_BLOCK);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return SOURCE_WAIT;
    if (n < 0) {
        fault_errno(why, EX_IOERR, "%s: cannot read", f->name);
        return SOURCE_ERROR;
    }
    if (n == 0) {
        f->ended = true;
        stream_end(f->stream);
    } else {
        stream_added(f->stream, (size_t)n);
    }
    return SOURCE_MORE;
}

static enum source_state file_run(void *state, struct fault *why)
{
    struct file *f = state;
    struct place from;
    enum source_state rc;
    int next;

    if (sink_over(f->env->sink))
        return SOURCE_END;
    if (!f->stopping && !f->ended && !f->full) {
        rc = read_block(f, why);
        if (rc != SOURCE_MORE)
            return rc;
    }
    rc = source_state(stream_run(f->stream, why));
    f->full = rc == SOURCE_FULL;
    if (rc == SOURCE_END && !f->stopping && (next = next_file(f, &from, why)) != 0)
        return next < 0 ? SOURCE_ERROR : SOURCE_MORE;
    return f->stopping && rc == SOURCE_MORE ? SOURCE_END : rc;
}

static nfds_t file_poll(void *state, bool room, struct pollfd *fds, int *timeout_ms)
{
    struct file *f = state;

    (void)timeout_ms;
    if (!room || f->regular)
        return 0;
    fds[0] = (struct pollfd){.fd = f->fd, .events = POLLIN};
    return 1;
}

static void file_stop(void *state)
{
    ((struct file *)state)->stopping = true;
}

static void file_commit(void *state, void *token, enum verdict verdict)
{
    const struct file *f = state;

    (void)token;
    (void)verdict;
    if (f->regular)
        source_commit_place(f->env, f->name, f->track);
}

static void file_progress(const void *state, struct source_progress *progress)
{
    const struct file *f = state;
    struct place place;

    stream_place(f->stream, &place);
    progress->done += f->before_bytes + place.offset;
    progress->total += f->before_bytes + f->bytes;
}

const struct source source_file = {
    .name = "file",
    .synopsis = "path, FIFO, or - for standard input",
    .in_turn = true,
    .takes = file_takes,
    .open = file_open,
    .run = file_run,
    .poll = file_poll,
    .stop = file_stop,
    .commit = file_commit,
    .checkpoint = true,
    .progress = file_progress,
    .close = file_close,
};

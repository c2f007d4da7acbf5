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
#include "source.h"

#define PIPE_BYTES (1 << 20)

struct file {
    const struct source_env *env;
    const char *name;
    int fd;
    bool regular, stopping, ended;
    bool full; /* the sink had no room for what is buffered */
    struct stream *stream;
    struct track *track;
    struct place at;
    uint64_t bytes;
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
    free(f);
}

/* Goes on from the checkpoint, where this still is the file that it tells of. */
static int resume(struct file *f, struct fault *why)
{
    const struct place *place;

    place_identify(f->fd, &f->at);
    if (f->track)
        f->track->at = f->at;
    place = f->env->checkpoint ? checkpoint_find(f->env->checkpoint, f->name) : NULL;
    if (!place || place->offset == 0 || !f->regular)
        return 0;
    if (!place_matches(f->fd, place)) {
        msg_warn(
            "%s: not the file that the checkpoint tells of: reading it from the start", f->name);
        return 0;
    }
    return source_resume(f->fd, f->name, f->stream, place, why);
}

static void *file_open(
    const struct source_env *env, const char *operand, size_t number, struct fault *why)
{
    struct file *f = mem_alloc(sizeof *f);
    char name[256], stem[256];
    struct stream_config config = {.origin = name, .device = stem};

    *f = (struct file){.env = env, .name = operand, .fd = -1};
    source_names(strcmp(operand, "-") == 0 ? "stdin" : operand, name, stem, sizeof name);
    if (open_operand(f, why) < 0)
        goto out;
    if (sink_receipts(env->sink))
        f->track = track_new(TRACK_REPORT, number);
    config.kind = f->regular ? STREAM_FILE : STREAM_PIPE;
    config.track = f->track;
    f->stream = stream_open(env->pump, &config);
    if (resume(f, why) < 0)
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
    enum source_state rc;

    if (sink_over(f->env->sink))
        return SOURCE_END;
    if (!f->stopping && !f->ended && !f->full) {
        rc = read_block(f, why);
        if (rc != SOURCE_MORE)
            return rc;
    }
    rc = source_state(stream_run(f->stream, why));
    f->full = rc == SOURCE_FULL;
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

static bool file_place(const void *state, struct place *place)
{
    const struct file *f = state;

    *place = f->at;
    stream_place(f->stream, place);
    track_settled(f->track, place);
    return f->regular;
}

static void file_progress(const void *state, struct source_progress *progress)
{
    const struct file *f = state;
    struct place place;

    stream_place(f->stream, &place);
    progress->done += place.offset;
    progress->total += f->bytes;
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
    .place = file_place,
    .progress = file_progress,
    .close = file_close,
};

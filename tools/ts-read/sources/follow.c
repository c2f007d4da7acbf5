/* SPDX-License-Identifier: MIT */
/*
 * -F FILE: a file as it grows.  inotify wakes us, and a look every second is made in any case (file
 * systems over a network do not tell).
 *
 *   replaced   another file stands at the path: the old one is read to its end, with a moment for
 *              a writer that has not noticed yet; then the new one from its start
 *   truncated  shorter than what was read, or another beginning: said, read from the start
 *   missing    waited for
 *
 * A line without its newline waits for its rest; it is torn only when its file is left.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoint.h"
#include "msg.h"
#include "rotation.h"
#include "source.h"
#include "stop.h"

#define LOOK_MS 1000
#define LEAVE_MS 250 /* from seeing a new file to leaving the old one */

struct follow {
    const struct source_env *env;
    const char *path;
    size_t number;
    char name[256], stem[256];
    int fd, notes; /* the file, inotify; -1 */
    int folder_watch, file_watch;
    struct rotation *rotation; /* files to read after this one; NULL: none */
    struct stat left;          /* the file that was left last; inode 0: none */
    struct stream *stream;
    struct track *track;
    struct place at;  /* which file it is; offset and line are the stream's */
    int64_t leave_ms; /* when to leave a replaced file; 0: it is not */
    int64_t look_ms;  /* when to look next without being woken */
    bool fifo, full, ended, truncated, stopping, said_missing;
    bool first; /* the file of the start: the only one that a checkpoint may tell of */
};

/* ---- the file ---- */

static void leave_file(struct follow *f)
{
    stream_close(f->stream);
    f->stream = NULL;
    if (f->file_watch >= 0)
        inotify_rm_watch(f->notes, f->file_watch);
    f->file_watch = -1;
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
    f->full = f->ended = false;
    f->leave_ms = 0;
}

/* A stream from the start of what f->fd is. */
static void begin_stream(struct follow *f)
{
    struct stream_config config = {.origin = f->name, .device = f->stem};
    struct track *before = f->track;

    stream_close(f->stream);
    if (sink_receipts(f->env->sink)) {
        f->track = track_new(TRACK_REPEAT, f->number, NULL);
        track_follow(f->track, before);
    }
    config.kind = STREAM_TAIL;
    config.track = f->track;
    f->stream = stream_open(f->env->pump, &config);
    f->full = f->ended = false;
    f->at = (struct place){0};
    if (!f->fifo)
        place_identify(f->fd, &f->at);
    if (f->track)
        f->track->at = f->at;
}

static void take_file(struct follow *f, int fd)
{
    char self[64];

    leave_file(f);
    f->fd = fd;
    /* By descriptor: the path may mean another file by now. */
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    f->file_watch = inotify_add_watch(f->notes, self, IN_MODIFY | IN_ATTRIB | IN_MOVE_SELF);
    begin_stream(f);
}

/* Opens what stands at the path.  0, also when there is nothing; -1: it can never be read. */
static int open_path(struct follow *f, int *fd, struct fault *why)
{
    struct stat st;
    bool fifo = stat(f->path, &st) == 0 && S_ISFIFO(st.st_mode);

    /* A FIFO also for writing: so it never ends while writers come and go. */
    *fd = open(f->path, (fifo ? O_RDWR : O_RDONLY) | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (*fd < 0 && (errno == ENOENT || errno == EACCES || errno == ENOTDIR)) {
        if (!f->said_missing && f->fd < 0)
            msg_warn("%s: %s: waiting for it", f->path, strerror(errno));
        f->said_missing = true;
        return 0;
    }
    if (*fd < 0 || fstat(*fd, &st) < 0)
        return fault_errno(why, EX_NOINPUT, "%s: cannot open", f->path);
    f->said_missing = false;
    f->fifo = S_ISFIFO(st.st_mode);
    if (f->fifo || S_ISREG(st.st_mode))
        return 0;
    close(*fd);
    return fault_set(why, EX_NOINPUT, "%s: cannot be followed", f->path);
}

/* ---- going on from a checkpoint ---- */

/* The next file that rotation left; false when there is none. */
static bool next_file(struct follow *f, struct place *from)
{
    if (!rotation_more(f->rotation))
        return false;
    take_file(f, rotation_next(f->rotation, from));
    f->look_ms = 0; /* nothing wakes us about a file that is not at the path */
    return true;
}

/* After a file that was replaced: those that were rotated between it and this one. */
static void begin_between(struct follow *f)
{
    struct place from;

    if (f->left.st_ino == 0 || f->fifo)
        return;
    rotation_free(f->rotation);
    f->rotation = rotation_between(f->path, f->fd, &f->left);
    f->left.st_ino = 0;
    *f->env->gap = *f->env->gap || rotation_gap(f->rotation);
    next_file(f, &from);
}

static int resume(struct follow *f, struct fault *why)
{
    const struct place *place =
        f->env->checkpoint ? checkpoint_find(f->env->checkpoint, f->path) : NULL;
    struct place from;

    f->first = false;
    if (!place || f->fifo)
        return 0;
    from = *place;
    f->rotation = rotation_find(f->path, f->fd, place, checkpoint_saved(f->env->checkpoint));
    *f->env->gap = *f->env->gap || rotation_gap(f->rotation);
    next_file(f, &from);
    return from.offset > 0 ? source_resume(f->fd, f->path, f->stream, &from, why) : 0;
}

/* ---- looking ---- */

/* Whether what was read is no longer the beginning of the file. */
static bool is_truncated(const struct follow *f)
{
    struct place was = f->at;

    stream_place(f->stream, &was);
    was.offset += stream_waiting(f->stream);
    /* Not identified yet: a fault of the disk at that moment. */
    return !f->fifo && f->at.inode != 0 && !place_matches(f->fd, &was);
}

/* Another file at the path?  It is not opened before the old one is done with. */
static void look_for_successor(struct follow *f)
{
    struct stat there, here;

    if (f->leave_ms || f->fifo)
        return;
    if (rotation_more(f->rotation))
        f->leave_ms = monotonic_ms() + LEAVE_MS;
    else if (stat(f->path, &there) == 0 && fstat(f->fd, &here) == 0 &&
             (there.st_ino != here.st_ino || there.st_dev != here.st_dev))
        f->leave_ms = monotonic_ms() + LEAVE_MS;
}

static int look(struct follow *f, struct fault *why)
{
    int fd;

    f->look_ms = monotonic_ms() + LOOK_MS;
    if (f->fd >= 0) {
        look_for_successor(f);
        return 0;
    }
    if (open_path(f, &fd, why) < 0)
        return -1;
    if (fd < 0)
        return 0;
    take_file(f, fd);
    if (f->first)
        return resume(f, why);
    begin_between(f);
    return 0;
}

/* Throws the notes away: whatever they say, everything is looked at. */
static bool woken(const struct follow *f)
{
    char notes[4096];
    bool any = false;

    while (f->notes >= 0 && read(f->notes, notes, sizeof notes) > 0)
        any = true;
    return any;
}

/* ---- the source ---- */

static bool follow_takes(const struct source_env *env, const char *operand)
{
    return env->follow && !env->listen && strcmp(operand, "-") != 0 && !strstr(operand, "://");
}

static void follow_close(void *state)
{
    struct follow *f = state;

    if (!f)
        return;
    leave_file(f);
    track_drop(f->track);
    rotation_free(f->rotation);
    if (f->notes >= 0)
        close(f->notes);
    free(f);
}

static void *follow_open(
    const struct source_env *env, const char *operand, size_t number, struct fault *why)
{
    struct follow *f = mem_alloc(sizeof *f);
    char *copy = mem_text(slice_of(operand));

    *f = (struct follow){.env = env,
        .path = operand,
        .number = number,
        .fd = -1,
        .folder_watch = -1,
        .file_watch = -1,
        .first = true};
    source_names(operand, f->name, f->stem, sizeof f->name);
    f->notes = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (f->notes >= 0)
        f->folder_watch = inotify_add_watch(
            f->notes, dirname(copy), IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE);
    free(copy);
    if (look(f, why) == 0)
        return f;
    follow_close(f);
    return NULL;
}

/* One block.  1 something came, 0 nothing there, -1. */
static int read_block(struct follow *f, struct fault *why)
{
    ssize_t n = read(f->fd, stream_room(f->stream, SOURCE_BLOCK), SOURCE_BLOCK);

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return 0;
    if (n < 0)
        return fault_errno(why, EX_IOERR, "%s: cannot read", f->path);
    stream_added(f->stream, (size_t)n);
    if (n > 0 && f->at.head_bytes < PLACE_HEAD_BYTES && !f->fifo) {
        place_identify(f->fd, &f->at);
        if (f->track)
            f->track->at = f->at;
    }
    return n > 0;
}

/* What was read of the file is done with: its torn last line is told, then what comes next is
 * opened. */
static enum source_state finish_file(struct follow *f, struct fault *why)
{
    enum source_state rc;
    struct place from;

    if (!f->ended)
        stream_end(f->stream);
    f->ended = true;
    rc = source_state(stream_run(f->stream, why));
    f->full = rc == SOURCE_FULL;
    if (rc == SOURCE_ERROR || rc == SOURCE_FULL)
        return rc;
    if (f->truncated) {
        f->truncated = false;
        lseek(f->fd, 0, SEEK_SET);
        begin_stream(f);
        return SOURCE_MORE;
    }
    if (next_file(f, &from))
        return SOURCE_MORE;
    if (f->fifo || fstat(f->fd, &f->left) < 0)
        f->left.st_ino = 0;
    leave_file(f);
    return look(f, why) < 0 ? SOURCE_ERROR : SOURCE_MORE;
}

/* What was not read before the cut is in the copy that was made, if one was. */
static enum source_state leave_cut(struct follow *f, struct fault *why)
{
    struct place was = f->at;
    struct rotation *copied = NULL;

    stream_place(f->stream, &was);
    if (!rotation_more(f->rotation))
        copied = rotation_copied(f->path, f->fd, &was);
    if (!copied)
        return finish_file(f, why);
    rotation_free(f->rotation);
    f->rotation = copied;
    f->truncated = false;
    next_file(f, &was);
    return source_resume(f->fd, f->path, f->stream, &was, why) < 0 ? SOURCE_ERROR : SOURCE_MORE;
}

/* At the end of what there is: was it truncated, replaced, or is this all for now? */
static enum source_state at_end(struct follow *f, struct fault *why)
{
    int64_t now = monotonic_ms();

    if (woken(f) || now >= f->look_ms || f->leave_ms) {
        if (look(f, why) < 0)
            return SOURCE_ERROR;
        if (f->leave_ms && now >= f->leave_ms)
            return finish_file(f, why);
    }
    return SOURCE_WAIT;
}

static enum source_state follow_run(void *state, struct fault *why)
{
    struct follow *f = state;
    enum source_state rc;
    int came = 0;

    if (sink_over(f->env->sink))
        return SOURCE_END;
    if (f->ended)
        return finish_file(f, why);
    if (f->fd < 0) {
        woken(f);
        if (f->stopping)
            return SOURCE_END;
        if (look(f, why) < 0)
            return SOURCE_ERROR;
        return f->fd < 0 ? SOURCE_WAIT : SOURCE_MORE;
    }
    if (!f->full && !f->stopping) {
        f->truncated = is_truncated(f);
        if (f->truncated) {
            msg_warn("%s: truncated: reading it from the start", f->path);
            return leave_cut(f, why);
        }
        came = read_block(f, why);
        if (came < 0)
            return SOURCE_ERROR;
    }
    rc = source_state(stream_run(f->stream, why));
    f->full = rc == SOURCE_FULL;
    if (rc != SOURCE_MORE)
        return rc;
    if (f->stopping)
        return SOURCE_END;
    return came > 0 ? SOURCE_MORE : at_end(f, why);
}

static nfds_t follow_poll(void *state, bool room, struct pollfd *fds, int *timeout_ms)
{
    struct follow *f = state;
    int64_t to_ms = (f->leave_ms ? f->leave_ms : f->look_ms) - monotonic_ms();
    nfds_t n = 0;

    if (!room)
        return 0;
    if (to_ms < 0)
        to_ms = 0;
    if (*timeout_ms < 0 || to_ms < *timeout_ms)
        *timeout_ms = (int)to_ms;
    if (f->notes >= 0)
        fds[n++] = (struct pollfd){.fd = f->notes, .events = POLLIN};
    if (f->fifo && f->fd >= 0)
        fds[n++] = (struct pollfd){.fd = f->fd, .events = POLLIN};
    return n;
}

static void follow_stop(void *state)
{
    ((struct follow *)state)->stopping = true;
}

static void follow_commit(void *state, void *token, enum verdict verdict)
{
    const struct follow *f = state;

    (void)token;
    (void)verdict;
    if (!f->fifo)
        source_commit_place(f->env, f->path, f->track);
}

const struct source source_follow = {
    .name = "follow",
    .synopsis = "-F path: a file as it grows, across rotation and truncation",
    .takes = follow_takes,
    .open = follow_open,
    .run = follow_run,
    .poll = follow_poll,
    .stop = follow_stop,
    .commit = follow_commit,
    .checkpoint = true,
    .close = follow_close,
};

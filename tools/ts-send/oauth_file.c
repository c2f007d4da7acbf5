/* SPDX-License-Identifier: MIT */
/* Locks, and a file that is replaced as a whole. */
#include "oauth_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "secret.h"

#define LOCK_TRIES 10 /* the file may be replaced between open and lock */

void oauth_file_open(struct oauth_file *f, const char *name)
{
    struct buf new = {0};

    *f = (struct oauth_file){.name = name, .lock = -1, .new = -1};
    if (secret_inherited(name))
        return;
    f->path = secret_path(name);
    buf_printf(&new, "%s.new%c", f->path, 0);
    f->new_path = new.data;
}

void oauth_file_close(struct oauth_file *f)
{
    oauth_file_unprepare(f);
    oauth_file_unlock(f);
    free(f->path);
    free(f->new_path);
}

/* ---- the lock ---- */

/* Whether the path still leads to what was opened. */
static bool same_file(int fd, const char *path)
{
    struct stat ours, there;

    return fstat(fd, &ours) == 0 && lstat(path, &there) == 0 && ours.st_ino == there.st_ino &&
           ours.st_dev == there.st_dev;
}

int oauth_file_lock(struct oauth_file *f, struct fault *why)
{
    if (!f->path || f->lock >= 0)
        return 1;
    for (int i = 0; i < LOCK_TRIES; i++) {
        int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

        if (fd < 0)
            return fault_errno(why, EX_NOINPUT, "%s: cannot open", f->name);
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
            int error = errno;

            close(fd);
            errno = error;
            return error == EWOULDBLOCK ? 0
                                        : fault_errno(why, EX_IOERR, "%s: cannot lock", f->name);
        }
        if (same_file(fd, f->path)) {
            f->lock = fd;
            return 1;
        }
        close(fd);
    }
    return 0;
}

void oauth_file_unlock(struct oauth_file *f)
{
    if (f->lock >= 0)
        close(f->lock);
    f->lock = -1;
}

/* ---- reading ---- */

int oauth_file_read(const struct oauth_file *f, struct buf *text, struct fault *why)
{
    return secret_read_all(f->name, false, text, why);
}

/* Whoever wrote the file after that knows better. */
static bool is_newer(const struct oauth_file *f)
{
    struct stat new, old;

    if (lstat(f->new_path, &new) < 0 || lstat(f->path, &old) < 0)
        return false;
    return new.st_mtim.tv_sec != old.st_mtim.tv_sec ? new.st_mtim.tv_sec > old.st_mtim.tv_sec
                                                    : new.st_mtim.tv_nsec > old.st_mtim.tv_nsec;
}

bool oauth_file_left(const struct oauth_file *f, struct buf *text)
{
    struct fault why;

    return f->path && is_newer(f) && secret_read_all(f->new_path, false, text, &why) == 0;
}

/* ---- replacing ---- */

static int sync_folder(const struct oauth_file *f, struct fault *why)
{
    const char *slash = strrchr(f->path, '/');
    char *folder = slash ? mem_text((struct slice){f->path, (size_t)(slash - f->path) + 1})
                         : mem_text(SLICE("."));
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = -1;

    if (fd >= 0)
        rc = fsync(fd);
    if (rc < 0)
        fault_errno(why, EX_IOERR, "%s: cannot sync its folder", f->name);
    if (fd >= 0)
        close(fd);
    free(folder);
    return rc;
}

int oauth_file_recover(struct oauth_file *f, struct fault *why)
{
    int fd = open(f->new_path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY), rc = -1;

    if (fd >= 0 && fsync(fd) == 0 && rename(f->new_path, f->path) == 0)
        rc = 0;
    if (rc < 0)
        fault_errno(why, EX_IOERR, "%s: cannot replace %s", f->new_path, f->name);
    if (fd >= 0)
        close(fd);
    return rc < 0 ? -1 : sync_folder(f, why);
}

int oauth_file_prepare(struct oauth_file *f, size_t bytes, struct fault *why)
{
    if (!f->path)
        return fault_set(why, EX_CONFIG,
            "%s: a new refresh token cannot be kept in a descriptor: give a file", f->name);
    oauth_file_unprepare(f);
    unlink(f->new_path); /* of one that died; the lock is ours */
    f->new = open(f->new_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (f->new < 0)
        return fault_errno(why, EX_CANTCREAT, "%s: cannot create", f->new_path);
    errno = posix_fallocate(f->new, 0, (off_t)bytes);
    if (errno && errno != EOPNOTSUPP && errno != EINVAL) {
        fault_errno(why, EX_IOERR, "%s: no room", f->new_path);
        oauth_file_unprepare(f);
        return -1;
    }
    return 0;
}

void oauth_file_unprepare(struct oauth_file *f)
{
    if (f->new < 0)
        return;
    close(f->new);
    unlink(f->new_path);
    f->new = -1;
}

/* The length first: then the file is whole with its last byte. */
static int write_all(int fd, struct slice text)
{
    size_t at = 0;

    if (ftruncate(fd, (off_t)text.n) < 0)
        return -1;
    while (at < text.n) {
        ssize_t n = pwrite(fd, text.p + at, text.n - at, (off_t)at);

        if (n < 0 && errno != EINTR)
            return -1;
        at += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

int oauth_file_write(struct oauth_file *f, struct slice text, struct fault *why)
{
    if (f->new < 0 && oauth_file_prepare(f, text.n, why) < 0)
        return -1;
    if (write_all(f->new, text) < 0 || fsync(f->new) < 0) {
        fault_errno(why, EX_IOERR, "%s: cannot write", f->new_path);
        oauth_file_unprepare(f);
        return -1;
    }
    if (rename(f->new_path, f->path) < 0) {
        fault_errno(why, EX_IOERR, "%s: cannot replace %s", f->new_path, f->name);
        oauth_file_unprepare(f);
        return -1;
    }
    close(f->new);
    f->new = -1;
    return sync_folder(f, why);
}

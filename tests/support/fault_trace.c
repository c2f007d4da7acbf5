/* SPDX-License-Identifier: MIT */
/*
 * A library to preload: it records all that changes the files of one folder, every sync of them,
 * and what leaves through pipes meanwhile, in one order over all processes.  tests/faults/power.py
 * rebuilds from it what a power cut may leave.
 *
 *     TS_TRACE_DIR=/folder TS_TRACE=/elsewhere/trace LD_PRELOAD=fault_trace.so PROGRAM...
 *
 * A record is a line "KIND PID INODE A B N", N bytes and a newline:
 *
 *     S  a process began     A parent             bytes: its command line, NUL between words
 *     C  a file was made                          bytes: its name
 *     W  bytes were written  A offset             bytes: those
 *     L  ftruncate           A length
 *     F  fallocate           A offset, B length
 *     Y  fsync, fdatasync of a file
 *     D  the same of the folder
 *     U  unlink                                   bytes: the name
 *     R  rename, K link                           bytes: old name, NUL, new name
 *     P  into a pipe         A descriptor         bytes: those
 *     ?  a call that changes files and is not understood here: its name
 *
 * Calls that failed are not recorded.  A lock is held from before the call until its record is
 * written, so the order of the records is that of the effects.
 *
 * TS_TRACE_ROOM=N makes the folder a full disk: what would let its files grow past N bytes in all
 * gets ENOSPC, and a write that begins below fails as a whole.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static struct {
    dev_t device;
    ino_t inode;
    const char *folder;
} watched;
static int trace_fd = -1;
static pid_t trace_pid;
static long long room;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* The C library's own function of that name. */
#define REAL(name, ...)                                                                            \
    static __typeof__(name) *real;                                                                 \
    if (!real)                                                                                     \
    *(void **)&real = dlsym(RTLD_NEXT, #name)

static ssize_t plain_write(int fd, const void *data, size_t n)
{
    REAL(write);
    return real(fd, data, n);
}

static int plain_open(const char *path, int flags)
{
    REAL(openat);
    return real(AT_FDCWD, path, flags | O_CLOEXEC, 0600);
}

/* ---- the trace ---- */

static _Noreturn void give_up(const char *what)
{
    perror(what);
    abort();
}

/* After a fork the parent's descriptor shares its lock: every process opens one of its own. */
static void trace_open(void)
{
    if (trace_fd >= 0 && trace_pid == getpid())
        return;
    trace_fd = plain_open(getenv("TS_TRACE"), O_WRONLY | O_APPEND | O_CREAT);
    if (trace_fd < 0)
        give_up("TS_TRACE");
    trace_fd = fcntl(trace_fd, F_DUPFD_CLOEXEC, 900); /* shells use low numbers themselves */
    trace_pid = getpid();
}

static void lock(void)
{
    int error = errno;

    pthread_mutex_lock(&mutex);
    trace_open();
    while (flock(trace_fd, LOCK_EX) < 0)
        if (errno != EINTR)
            give_up("TS_TRACE: lock");
    errno = error;
}

static void unlock(void)
{
    int error = errno;

    flock(trace_fd, LOCK_UN);
    pthread_mutex_unlock(&mutex);
    errno = error;
}

static void put(const void *data, size_t n)
{
    const char *p = data;

    while (n > 0) {
        ssize_t done = plain_write(trace_fd, p, n);

        if (done < 0 && errno != EINTR)
            give_up("TS_TRACE: write");
        p += done > 0 ? done : 0;
        n -= done > 0 ? (size_t)done : 0;
    }
}

static void record(char kind, ino_t inode, long long a, long long b, const void *data, size_t n)
{
    char head[128];
    int error = errno, len;

    len = snprintf(head, sizeof head, "%c %d %llu %lld %lld %zu\n", kind, (int)getpid(),
        (unsigned long long)inode, a, b, n);
    put(head, (size_t)len);
    put(data, n);
    put("\n", 1);
    errno = error;
}

/* ---- what is watched ---- */

static __attribute__((constructor)) void begin(void)
{
    const char *limit = getenv("TS_TRACE_ROOM");
    struct stat st;
    char line[4096];
    ssize_t n;
    int fd;

    watched.folder = getenv("TS_TRACE_DIR");
    if (!watched.folder || !getenv("TS_TRACE") || stat(watched.folder, &st) < 0) {
        watched.folder = NULL;
        return;
    }
    watched.device = st.st_dev;
    watched.inode = st.st_ino;
    room = limit ? atoll(limit) : 0;
    fd = plain_open("/proc/self/cmdline", O_RDONLY);
    n = fd < 0 ? 0 : read(fd, line, sizeof line);
    close(fd);
    lock();
    record('S', 0, getppid(), 0, line, n > 0 ? (size_t)n : 0);
    unlock();
}

/* Whether fd is a file of the folder. */
static bool file_of(int fd, struct stat *st)
{
    char link[32], path[PATH_MAX];
    ssize_t n;

    if (!watched.folder || fstat(fd, st) < 0 || !S_ISREG(st->st_mode) ||
        st->st_dev != watched.device)
        return false;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof path - 1);
    if (n <= 0)
        return false;
    path[n] = '\0';
    n = (ssize_t)strlen(watched.folder);
    return strncmp(path, watched.folder, (size_t)n) == 0 && path[n] == '/';
}

/* The name in the folder that the path means. */
static bool in_folder(const char *path, int at, char name[NAME_MAX + 1])
{
    const char *slash = strrchr(path, '/');
    char folder[PATH_MAX];
    struct stat st;

    if (!watched.folder)
        return false;
    snprintf(name, NAME_MAX + 1, "%s", slash ? slash + 1 : path);
    snprintf(folder, sizeof folder, "%.*s/.", slash ? (int)(slash - path) : 1, slash ? path : ".");
    return fstatat(at, folder, &st, 0) == 0 && st.st_dev == watched.device &&
           st.st_ino == watched.inode;
}

/* Bytes that all files of the folder have, with one of them grown to `size`. */
static bool full(const struct stat *grows, long long size)
{
    long long sum = size;
    struct dirent *e;
    struct stat st;
    DIR *d;

    if (room == 0 || size <= grows->st_size || !(d = opendir(watched.folder)))
        return false;
    while ((e = readdir(d)))
        if (fstatat(dirfd(d), e->d_name, &st, 0) == 0 && S_ISREG(st.st_mode) &&
            st.st_ino != grows->st_ino)
            sum += st.st_size;
    closedir(d);
    if (sum <= room)
        return false;
    errno = ENOSPC;
    return true;
}

/* ---- making files ---- */

static int open_any(int at, const char *path, int flags, mode_t mode)
{
    REAL(openat);
    char name[NAME_MAX + 1];
    struct stat st;
    bool there;
    int fd;

    if (!(flags & (O_CREAT | O_TRUNC)) || !in_folder(path, at, name)) {
        fd = real(at, path, flags, mode);
        if (fd >= 0 && (flags & O_TMPFILE) == O_TMPFILE && file_of(fd, &st)) {
            lock();
            record('?', 0, 0, 0, "O_TMPFILE", 9);
            unlock();
        }
        return fd;
    }
    lock();
    there = fstatat(at, path, &st, 0) == 0;
    fd = real(at, path, flags, mode);
    if (fd >= 0 && !there && fstat(fd, &st) == 0)
        record('C', st.st_ino, 0, 0, name, strlen(name));
    else if (fd >= 0 && (flags & O_TRUNC) && st.st_size > 0)
        record('L', st.st_ino, 0, 0, "", 0);
    unlock();
    return fd;
}

/* The third argument of open, when there is one. */
#define MODE(mode)                                                                                 \
    mode_t mode = 0;                                                                               \
    va_list args;                                                                                  \
    va_start(args, flags);                                                                         \
    if (__OPEN_NEEDS_MODE(flags))                                                                  \
        mode = va_arg(args, mode_t);                                                               \
    va_end(args)

int open(const char *path, int flags, ...)
{
    MODE(mode);
    return open_any(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    MODE(mode);
    return open_any(AT_FDCWD, path, flags, mode);
}

int openat(int at, const char *path, int flags, ...)
{
    MODE(mode);
    return open_any(at, path, flags, mode);
}

int openat64(int at, const char *path, int flags, ...)
{
    MODE(mode);
    return open_any(at, path, flags, mode);
}

int creat(const char *path, mode_t mode)
{
    return open_any(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

int creat64(const char *path, mode_t mode)
{
    return creat(path, mode);
}

/* The C library opens these without a call that could be seen here. */
static int open_temporary(char *template, int flags)
{
    REAL(mkostemp);
    char name[NAME_MAX + 1];
    struct stat st;
    int fd;

    if (!in_folder(template, AT_FDCWD, name))
        return real(template, flags);
    lock();
    fd = real(template, flags);
    if (fd >= 0 && fstat(fd, &st) == 0 && in_folder(template, AT_FDCWD, name))
        record('C', st.st_ino, 0, 0, name, strlen(name));
    unlock();
    return fd;
}

int mkstemp(char *template)
{
    return open_temporary(template, 0);
}

int mkstemp64(char *template)
{
    return open_temporary(template, 0);
}

int mkostemp(char *template, int flags)
{
    return open_temporary(template, flags);
}

/* ---- writing ---- */

/* What may carry words to another program: not a terminal, and not the words for people. */
static bool is_pipe(int fd, const struct stat *st)
{
    return fd != STDERR_FILENO && (S_ISFIFO(st->st_mode) || S_ISSOCK(st->st_mode));
}

/* A pipe is written to under the lock as well: tests never let one fill up. */
ssize_t write(int fd, const void *data, size_t n)
{
    struct stat st;
    ssize_t done;
    off_t at;
    bool file;

    if (!watched.folder || fstat(fd, &st) < 0 || !(is_pipe(fd, &st) || file_of(fd, &st)))
        return plain_write(fd, data, n);
    lock();
    file = file_of(fd, &st);
    at = !file ? 0 : fcntl(fd, F_GETFL) & O_APPEND ? st.st_size : lseek(fd, 0, SEEK_CUR);
    done = file && full(&st, at + (long long)n) ? -1 : plain_write(fd, data, n);
    if (done > 0 && file)
        record('W', st.st_ino, at, 0, data, (size_t)done);
    else if (done > 0)
        record('P', 0, fd, 0, data, (size_t)done);
    unlock();
    return done;
}

static ssize_t pwrite_any(int fd, const void *data, size_t n, off_t at)
{
    REAL(pwrite);
    struct stat st;
    ssize_t done;

    if (!file_of(fd, &st))
        return real(fd, data, n, at);
    lock();
    done = fstat(fd, &st) < 0 || full(&st, at + (long long)n) ? -1 : real(fd, data, n, at);
    if (done > 0)
        record('W', st.st_ino, at, 0, data, (size_t)done);
    unlock();
    return done;
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t at)
{
    return pwrite_any(fd, data, n, at);
}

ssize_t pwrite64(int fd, const void *data, size_t n, off_t at)
{
    return pwrite_any(fd, data, n, at);
}

static int truncate_any(int fd, off_t length)
{
    REAL(ftruncate);
    struct stat st;
    int rc;

    if (!file_of(fd, &st))
        return real(fd, length);
    lock();
    rc = fstat(fd, &st) < 0 || full(&st, length) ? -1 : real(fd, length);
    if (rc == 0)
        record('L', st.st_ino, length, 0, "", 0);
    unlock();
    return rc;
}

int ftruncate(int fd, off_t length)
{
    return truncate_any(fd, length);
}

int ftruncate64(int fd, off_t length)
{
    return truncate_any(fd, length);
}

/* posix_fallocate gives the error back instead of setting errno. */
static int allocate_any(int fd, off_t at, off_t length)
{
    REAL(posix_fallocate);
    struct stat st;
    int error;

    if (!file_of(fd, &st))
        return real(fd, at, length);
    lock();
    error = fstat(fd, &st) == 0 && full(&st, at + length) ? ENOSPC : real(fd, at, length);
    if (error == 0)
        record('F', st.st_ino, at, length, "", 0);
    unlock();
    return error;
}

int posix_fallocate(int fd, off_t at, off_t length)
{
    return allocate_any(fd, at, length);
}

int posix_fallocate64(int fd, off_t at, off_t length)
{
    return allocate_any(fd, at, length);
}

/* ---- syncs and names ---- */

static int sync_any(int fd, int (*real)(int fd))
{
    struct stat st;
    int rc;

    if (!watched.folder || fstat(fd, &st) < 0 ||
        !(file_of(fd, &st) || (st.st_dev == watched.device && st.st_ino == watched.inode)))
        return real(fd);
    lock();
    rc = real(fd);
    if (rc == 0)
        record(S_ISDIR(st.st_mode) ? 'D' : 'Y', st.st_ino, 0, 0, "", 0);
    unlock();
    return rc;
}

int fsync(int fd)
{
    REAL(fsync);
    return sync_any(fd, real);
}

int fdatasync(int fd)
{
    REAL(fdatasync);
    return sync_any(fd, real);
}

int unlinkat(int at, const char *path, int flags)
{
    REAL(unlinkat);
    char name[NAME_MAX + 1];
    int rc;

    if (!in_folder(path, at, name))
        return real(at, path, flags);
    lock();
    rc = real(at, path, flags);
    if (rc == 0)
        record('U', 0, 0, 0, name, strlen(name));
    unlock();
    return rc;
}

int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

/* Two names in one folder; one of them only is more than the model can do. */
static size_t names(int at, const char *old, int to_at, const char *new, char both[])
{
    char name[NAME_MAX + 1];
    bool from = in_folder(old, at, both), to = in_folder(new, to_at, name);
    size_t n = strlen(both);

    if (!from && !to)
        return 0;
    if (!from || !to)
        return 1;
    memcpy(both + n + 1, name, strlen(name));
    return n + 1 + strlen(name);
}

static void record_names(char kind, const char both[], size_t n)
{
    record(
        n == 1 ? '?' : kind, 0, 0, 0, n == 1 ? "into or out of the folder" : both, n == 1 ? 25 : n);
}

int renameat(int at, const char *old, int to_at, const char *new)
{
    REAL(renameat);
    char both[2 * NAME_MAX + 2];
    size_t n = watched.folder ? names(at, old, to_at, new, both) : 0;
    int rc;

    if (n == 0)
        return real(at, old, to_at, new);
    lock();
    rc = real(at, old, to_at, new);
    if (rc == 0)
        record_names('R', both, n);
    unlock();
    return rc;
}

int renameat2(int at, const char *old, int to_at, const char *new, unsigned flags)
{
    REAL(renameat2);
    char both[2 * NAME_MAX + 2];
    size_t n = watched.folder ? names(at, old, to_at, new, both) : 0;
    int rc;

    if (n == 0)
        return real(at, old, to_at, new, flags);
    lock();
    rc = real(at, old, to_at, new, flags);
    if (rc == 0)
        record_names(flags & RENAME_EXCHANGE ? '?' : 'R', both, n);
    unlock();
    return rc;
}

int rename(const char *old, const char *new)
{
    return renameat(AT_FDCWD, old, AT_FDCWD, new);
}

int linkat(int at, const char *old, int to_at, const char *new, int flags)
{
    REAL(linkat);
    char both[2 * NAME_MAX + 2];
    size_t n = watched.folder ? names(at, old, to_at, new, both) : 0;
    int rc;

    if (n == 0)
        return real(at, old, to_at, new, flags);
    lock();
    rc = real(at, old, to_at, new, flags);
    if (rc == 0)
        record_names('K', both, n);
    unlock();
    return rc;
}

int link(const char *old, const char *new)
{
    return linkat(AT_FDCWD, old, AT_FDCWD, new, 0);
}

/* ---- calls that the model does not know: a program that begins to use one is told of ---- */

static void unknown(int fd, const char *name)
{
    struct stat st;

    if (!file_of(fd, &st))
        return;
    lock();
    record('?', st.st_ino, 0, 0, name, strlen(name));
    unlock();
}

#define UNKNOWN(result, function, fd, parameters, ...)                                             \
    result function parameters                                                                     \
    {                                                                                              \
        REAL(function);                                                                            \
        unknown(fd, #function);                                                                    \
        return real(__VA_ARGS__);                                                                  \
    }
UNKNOWN(ssize_t, writev, fd, (int fd, const struct iovec *v, int n), fd, v, n)
UNKNOWN(ssize_t, pwritev, fd, (int fd, const struct iovec *v, int n, off_t at), fd, v, n, at)
UNKNOWN(ssize_t, sendfile, out, (int out, int in, off_t *at, size_t n), out, in, at, n)
UNKNOWN(ssize_t, copy_file_range, out,
    (int in, off64_t *in_at, int out, off64_t *out_at, size_t n, unsigned flags), in, in_at, out,
    out_at, n, flags)
UNKNOWN(int, fallocate, fd, (int fd, int mode, off_t at, off_t n), fd, mode, at, n)
UNKNOWN(int, fallocate64, fd, (int fd, int mode, off64_t at, off64_t n), fd, mode, at, n)

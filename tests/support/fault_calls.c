/* SPDX-License-Identifier: MIT */
/*
 * A library for LD_PRELOAD that counts the I/O calls of one program and breaks it at the k-th.
 *
 *   FAULT_PROGRAM   whom: "ts-spool put": the name, and the first argument where one is given
 *   FAULT_PAGE      a file of sizeof(struct page) zero bytes: what happened, also after SIGKILL
 *   FAULT_CLASSES   which calls are counted: "write,sync"; see the table
 *   FAULT_AT        the k-th of them; 0: none is broken, all are counted
 *   FAULT_DO        before, after (SIGKILL there), torn (half of it is written, then SIGKILL),
 *                   short (half of it is done), or the number of an error
 *   FAULT_STICKY    every one from the k-th on fails, not only that one
 *
 * The environment is inherited, so a pipeline of many programs can be started with it: the others
 * are left alone, as are children of the victim before their exec.  Calls within libc itself
 * (stdio, opendir) cannot be seen here; the programs do what matters without them.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define MOST_CALLS 80
#define NAME_BYTES 24

#define CALLS(X)                                                                                   \
    X(read, "read")                                                                                \
    X(pread, "read")                                                                               \
    X(pread64, "read")                                                                             \
    X(readv, "read")                                                                               \
    X(recv, "read")                                                                                \
    X(recvfrom, "read")                                                                            \
    X(recvmsg, "read")                                                                             \
    X(getrandom, "read")                                                                           \
    X(write, "write")                                                                              \
    X(pwrite, "write")                                                                             \
    X(pwrite64, "write")                                                                           \
    X(writev, "write")                                                                             \
    X(send, "write")                                                                               \
    X(sendto, "write")                                                                             \
    X(sendmsg, "write")                                                                            \
    X(sendfile64, "write")                                                                         \
    X(fsync, "sync")                                                                               \
    X(fdatasync, "sync")                                                                           \
    X(open, "open")                                                                                \
    X(open64, "open")                                                                              \
    X(openat, "open")                                                                              \
    X(openat64, "open")                                                                            \
    X(ftruncate, "size")                                                                           \
    X(ftruncate64, "size")                                                                         \
    X(fallocate, "size")                                                                           \
    X(fallocate64, "size")                                                                         \
    X(posix_fallocate, "size")                                                                     \
    X(posix_fallocate64, "size")                                                                   \
    X(unlink, "name")                                                                              \
    X(rename, "name")                                                                              \
    X(close, "close")                                                                              \
    X(flock, "lock")                                                                               \
    X(fcntl, "lock")                                                                               \
    X(fcntl64, "lock")                                                                             \
    X(poll, "wait")                                                                                \
    X(ppoll, "wait")                                                                               \
    X(epoll_wait, "wait")                                                                          \
    X(accept, "accept")                                                                            \
    X(accept4, "accept")                                                                           \
    X(stat, "stat")                                                                                \
    X(stat64, "stat")                                                                              \
    X(lstat, "stat")                                                                               \
    X(lstat64, "stat")                                                                             \
    X(fstat, "stat")                                                                               \
    X(fstat64, "stat")                                                                             \
    X(fork, "start")                                                                               \
    X(pipe2, "start")                                                                              \
    X(socket, "setup")                                                                             \
    X(bind, "setup")                                                                               \
    X(listen, "setup")                                                                             \
    X(epoll_create1, "setup")                                                                      \
    X(epoll_ctl, "setup")                                                                          \
    X(inotify_init1, "setup")                                                                      \
    X(inotify_add_watch, "setup")                                                                  \
    X(mmap, "memory")                                                                              \
    X(mmap64, "memory")                                                                            \
    X(malloc, "memory")                                                                            \
    X(calloc, "memory")                                                                            \
    X(realloc, "memory")

#define AS_ENUM(name, group) CALL_##name,
#define AS_NAME(name, group) #name,
#define AS_CLASS(name, group) group,

enum call { CALLS(AS_ENUM) COUNT };
static const char *const names[] = {CALLS(AS_NAME)};
static const char *const classes[] = {CALLS(AS_CLASS)};
_Static_assert(COUNT <= MOST_CALLS, "struct page has room for all calls");

/* Read by tests/faults/calls.py; the two must agree. */
struct page {
    _Atomic uint64_t count;        /* calls of the classes asked for */
    _Atomic uint64_t hits;         /* broken ones among them */
    _Atomic uint64_t synced_again; /* after a sync failed: again, with nothing written between */
    _Atomic uint64_t told_after;   /* writes to stdout after a sync failed */
    _Atomic uint64_t seen[MOST_CALLS]; /* by call, of all classes */
    char name[MOST_CALLS][NAME_BYTES];
    char what[256]; /* the first that was broken: call, file, who called */
};

enum step { GO, FAIL, HALF, LAST, TORN };

static struct {
    struct page *page; /* NULL: leave this process alone */
    bool counted[COUNT];
    uint64_t at;
    bool sticky;
    enum step step; /* FAIL: with this error; GO stands for SIGKILL before the call */
    int error;

    /* The file whose sync failed. */
    bool failed, written;
    dev_t device;
    ino_t inode;
} plan;

static void *real[COUNT];

/* ---- what is to happen ---- */

static void *real_of(enum call c)
{
    if (!real[c])
        real[c] = dlsym(RTLD_NEXT, names[c]);
    return real[c];
}

#define REAL(call) ((__typeof__(&call))real_of(CALL_##call))

static _Noreturn void die(void)
{
    for (;;)
        syscall(SYS_kill, getpid(), SIGKILL);
}

static bool in_list(const char *list, const char *word)
{
    size_t n = strlen(word);

    for (const char *p = list; (p = strstr(p, word)); p += n)
        if ((p == list || p[-1] == ',') && (p[n] == ',' || p[n] == '\0'))
            return true;
    return false;
}

static void describe(enum call c, int fd, const char *path, const void *caller)
{
    char link[40], target[128] = "";
    const char *slash, *by = "";
    Dl_info info;

    if (fd >= 0) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        if (readlink(link, target, sizeof target - 1) > 0)
            path = target;
    }
    slash = path ? strrchr(path, '/') : NULL;
    if (dladdr(caller, &info) && info.dli_fname)
        by = strrchr(info.dli_fname, '/') ? strrchr(info.dli_fname, '/') + 1 : info.dli_fname;
    snprintf(plan.page->what, sizeof plan.page->what, "%s%s%s by %s", names[c], path ? " of " : "",
        slash  ? slash + 1
        : path ? path
               : "",
        by);
}

static bool same_file(int fd)
{
    struct stat st;

    return plan.failed && fd >= 0 && REAL(fstat)(fd, &st) == 0 && st.st_dev == plan.device &&
           st.st_ino == plan.inode;
}

/* A sync that failed has told of the loss once: to ask again, without writing again, is to hear
   that all is well when nothing is. */
static void watch_sync(enum call c, int fd, bool fails)
{
    struct stat st;

    if (c == CALL_fsync || c == CALL_fdatasync) {
        if (same_file(fd) && !plan.written)
            plan.page->synced_again++;
        if (fails && REAL(fstat)(fd, &st) == 0 && S_ISREG(st.st_mode)) {
            plan.failed = true;
            plan.written = false;
            plan.device = st.st_dev;
            plan.inode = st.st_ino;
        }
    } else if (plan.failed && c == CALL_write && fd == STDOUT_FILENO) {
        plan.page->told_after++;
    } else if (plan.failed && !plan.written && c >= CALL_write && c <= CALL_posix_fallocate64) {
        plan.written = same_file(fd);
    }
}

/* Counts the call and says how it is to go on; errno is set where it has to fail. */
static enum step before(enum call c, int fd, const char *path, const void *caller)
{
    struct page *page = plan.page;
    int error = errno;
    bool hit = false;
    uint64_t n;

    if (!page)
        return GO;
    page->seen[c]++;
    if (plan.counted[c] && fd != STDERR_FILENO) { /* it has to be able to say what is wrong */
        n = ++page->count;
        hit = plan.at > 0 && (n == plan.at || (plan.sticky && n > plan.at));
    }
    if (hit && page->hits++ == 0)
        describe(c, fd, path, caller);
    if (hit && plan.step == GO)
        die();
    watch_sync(c, fd, hit && plan.step == FAIL);
    errno = hit && plan.step == FAIL ? plan.error : error;
    return hit ? plan.step : GO;
}

static void after(enum step step)
{
    if (step == LAST || step == TORN)
        die();
}

static size_t part(enum step step, size_t n)
{
    return (step == HALF || step == TORN) && n > 1 ? n / 2 : n;
}

/* ---- whom it is about ---- */

static bool is_victim(int argc, char **argv)
{
    const char *whom = getenv("FAULT_PROGRAM"), *name, *space;
    size_t n;

    if (!whom || argc < 1)
        return false;
    name = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
    space = strchr(whom, ' ');
    n = space ? (size_t)(space - whom) : strlen(whom);
    return strlen(name) == n && memcmp(name, whom, n) == 0 &&
           (!space || (argc > 1 && strcmp(argv[1], space + 1) == 0));
}

static void in_child(void)
{
    plan.page = NULL;
}

static struct page *map_page(const char *path)
{
    int fd = path ? REAL(open)(path, O_RDWR | O_CLOEXEC) : -1;
    struct stat st;
    struct page *page =
        fd < 0 || REAL(fstat)(fd, &st) < 0 || st.st_size != (off_t)sizeof *page
            ? MAP_FAILED
            : REAL(mmap)(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (page == MAP_FAILED) {
        fprintf(stderr, "fault_calls: FAULT_PAGE cannot be used\n");
        _exit(99);
    }
    REAL(close)(fd);
    return page;
}

static void read_plan(void)
{
    static const struct {
        const char *word;
        enum step step;
    } words[] = {{"before", GO}, {"after", LAST}, {"torn", TORN}, {"short", HALF}};
    const char *list = getenv("FAULT_CLASSES"), *at = getenv("FAULT_AT");
    const char *what = getenv("FAULT_DO");

    for (int c = 0; c < COUNT; c++)
        plan.counted[c] = list && in_list(list, classes[c]);
    plan.at = at ? strtoull(at, NULL, 10) : 0;
    plan.sticky = getenv("FAULT_STICKY") != NULL;
    plan.step = FAIL;
    plan.error = what ? (int)strtol(what, NULL, 10) : EIO;
    for (size_t i = 0; what && i < sizeof words / sizeof *words; i++)
        if (strcmp(what, words[i].word) == 0)
            plan.step = words[i].step;
}

/* glibc calls constructors with the arguments of main. */
__attribute__((constructor)) static void begin(int argc, char **argv)
{
    struct page *page;

    if (!is_victim(argc, argv))
        return;
    for (enum call c = 0; c < COUNT; c++)
        real_of(c);
    read_plan();
    pthread_atfork(NULL, NULL, in_child);
    page = map_page(getenv("FAULT_PAGE"));
    for (int c = 0; c < COUNT; c++)
        snprintf(page->name[c], NAME_BYTES, "%s", names[c]);
    plan.page = page;
}

/* ---- the calls ---- */

#define CALLER __builtin_return_address(0)

/* Fails with -1; fd and path are what a report calls it by. */
#define PLAIN(type, call, params, args, fd, path)                                                  \
    type call params                                                                               \
    {                                                                                              \
        enum step step = before(CALL_##call, fd, path, CALLER);                                    \
        type rc;                                                                                   \
                                                                                                   \
        if (step == FAIL)                                                                          \
            return -1;                                                                             \
        rc = REAL(call) args;                                                                      \
        after(step);                                                                               \
        return rc;                                                                                 \
    }

/* The same, of n bytes, of which only a part may be done. */
#define BYTES(call, params, args)                                                                  \
    ssize_t call params                                                                            \
    {                                                                                              \
        enum step step = before(CALL_##call, fd, NULL, CALLER);                                    \
        ssize_t rc;                                                                                \
                                                                                                   \
        if (step == FAIL)                                                                          \
            return -1;                                                                             \
        n = part(step, n);                                                                         \
        rc = REAL(call) args;                                                                      \
        after(step);                                                                               \
        return rc;                                                                                 \
    }

BYTES(read, (int fd, void *to, size_t n), (fd, to, n))
BYTES(pread, (int fd, void *to, size_t n, off_t at), (fd, to, n, at))
BYTES(pread64, (int fd, void *to, size_t n, off64_t at), (fd, to, n, at))
BYTES(recv, (int fd, void *to, size_t n, int flags), (fd, to, n, flags))
BYTES(write, (int fd, const void *from, size_t n), (fd, from, n))
BYTES(pwrite, (int fd, const void *from, size_t n, off_t at), (fd, from, n, at))
BYTES(pwrite64, (int fd, const void *from, size_t n, off64_t at), (fd, from, n, at))
BYTES(send, (int fd, const void *from, size_t n, int flags), (fd, from, n, flags))
BYTES(sendfile64, (int fd, int from, off64_t *at, size_t n), (fd, from, at, n))
PLAIN(ssize_t, readv, (int fd, const struct iovec *v, int n), (fd, v, n), fd, NULL)
PLAIN(ssize_t, writev, (int fd, const struct iovec *v, int n), (fd, v, n), fd, NULL)
PLAIN(ssize_t, recvmsg, (int fd, struct msghdr *m, int flags), (fd, m, flags), fd, NULL)
PLAIN(ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags), (fd, m, flags), fd, NULL)
PLAIN(ssize_t, getrandom, (void *to, size_t n, unsigned flags), (to, n, flags), -1, NULL)
PLAIN(int, fsync, (int fd), (fd), fd, NULL)
PLAIN(int, fdatasync, (int fd), (fd), fd, NULL)
PLAIN(int, ftruncate, (int fd, off_t n), (fd, n), fd, NULL)
PLAIN(int, ftruncate64, (int fd, off64_t n), (fd, n), fd, NULL)
PLAIN(int, fallocate, (int fd, int mode, off_t at, off_t n), (fd, mode, at, n), fd, NULL)
PLAIN(int, fallocate64, (int fd, int mode, off64_t at, off64_t n), (fd, mode, at, n), fd, NULL)
PLAIN(int, unlink, (const char *path), (path), -1, path)
PLAIN(int, rename, (const char *from, const char *to), (from, to), -1, to)
PLAIN(int, flock, (int fd, int how), (fd, how), fd, NULL)
PLAIN(int, poll, (struct pollfd * fds, nfds_t n, int ms), (fds, n, ms), -1, NULL)
PLAIN(int, ppoll,
    (struct pollfd * fds, nfds_t n, const struct timespec *limit, const sigset_t *mask),
    (fds, n, limit, mask), -1, NULL)
PLAIN(int, epoll_wait, (int fd, struct epoll_event *events, int n, int ms), (fd, events, n, ms), -1,
    NULL)
PLAIN(int, stat, (const char *path, struct stat *st), (path, st), -1, path)
PLAIN(int, stat64, (const char *path, struct stat64 *st), (path, st), -1, path)
PLAIN(int, lstat, (const char *path, struct stat *st), (path, st), -1, path)
PLAIN(int, lstat64, (const char *path, struct stat64 *st), (path, st), -1, path)
PLAIN(int, fstat, (int fd, struct stat *st), (fd, st), fd, NULL)
PLAIN(int, fstat64, (int fd, struct stat64 *st), (fd, st), fd, NULL)
PLAIN(pid_t, fork, (void), (), -1, NULL)
PLAIN(int, pipe2, (int fds[2], int flags), (fds, flags), -1, NULL)
PLAIN(int, socket, (int domain, int type, int protocol), (domain, type, protocol), -1, NULL)
PLAIN(int, listen, (int fd, int n), (fd, n), fd, NULL)
PLAIN(int, epoll_create1, (int flags), (flags), -1, NULL)
PLAIN(int, epoll_ctl, (int fd, int what, int of, struct epoll_event *event), (fd, what, of, event),
    of, NULL)
PLAIN(int, inotify_init1, (int flags), (flags), -1, NULL)
PLAIN(int, inotify_add_watch, (int fd, const char *path, uint32_t mask), (fd, path, mask), -1, path)

/* glibc declares these with a union of all kinds of addresses in C. */
#define ADDRESSED(type, call, params, args) PLAIN(type, call, params, args, fd, NULL)
ADDRESSED(ssize_t, recvfrom,
    (int fd, void *restrict to, size_t n, int flags, __SOCKADDR_ARG from, socklen_t *restrict len),
    (fd, to, n, flags, from, len))
ADDRESSED(ssize_t, sendto,
    (int fd, const void *from, size_t n, int flags, __CONST_SOCKADDR_ARG to, socklen_t len),
    (fd, from, n, flags, to, len))
ADDRESSED(int, bind, (int fd, __CONST_SOCKADDR_ARG to, socklen_t len), (fd, to, len))
ADDRESSED(int, accept, (int fd, __SOCKADDR_ARG from, socklen_t *restrict len), (fd, from, len))
ADDRESSED(int, accept4, (int fd, __SOCKADDR_ARG from, socklen_t *restrict len, int flags),
    (fd, from, len, flags))

/* Linux closes the descriptor whatever close says. */
int close(int fd)
{
    enum step step = before(CALL_close, fd, NULL, CALLER);
    int error = errno, rc = REAL(close)(fd);

    after(step);
    if (step != FAIL)
        return rc;
    errno = error;
    return -1;
}

/* These return their error. */
#define ALLOCATE(call, type)                                                                       \
    int call(int fd, type at, type n)                                                              \
    {                                                                                              \
        enum step step = before(CALL_##call, fd, NULL, CALLER);                                    \
        int rc;                                                                                    \
                                                                                                   \
        if (step == FAIL)                                                                          \
            return errno;                                                                          \
        rc = REAL(call)(fd, at, n);                                                                \
        after(step);                                                                               \
        return rc;                                                                                 \
    }

ALLOCATE(posix_fallocate, off_t)
ALLOCATE(posix_fallocate64, off64_t)

static mode_t mode_of(int flags, va_list *args)
{
    return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(*args, mode_t) : 0;
}

#define OPEN(call)                                                                                 \
    int call(const char *path, int flags, ...)                                                     \
    {                                                                                              \
        enum step step = before(CALL_##call, -1, path, CALLER);                                    \
        va_list args;                                                                              \
        mode_t mode;                                                                               \
        int rc;                                                                                    \
                                                                                                   \
        va_start(args, flags);                                                                     \
        mode = mode_of(flags, &args);                                                              \
        va_end(args);                                                                              \
        if (step == FAIL)                                                                          \
            return -1;                                                                             \
        rc = REAL(call)(path, flags, mode);                                                        \
        after(step);                                                                               \
        return rc;                                                                                 \
    }
#define OPENAT(call)                                                                               \
    int call(int folder, const char *path, int flags, ...)                                         \
    {                                                                                              \
        enum step step = before(CALL_##call, -1, path, CALLER);                                    \
        va_list args;                                                                              \
        mode_t mode;                                                                               \
        int rc;                                                                                    \
                                                                                                   \
        va_start(args, flags);                                                                     \
        mode = mode_of(flags, &args);                                                              \
        va_end(args);                                                                              \
        if (step == FAIL)                                                                          \
            return -1;                                                                             \
        rc = REAL(call)(folder, path, flags, mode);                                                \
        after(step);                                                                               \
        return rc;                                                                                 \
    }

OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

/* What _FORTIFY_SOURCE makes of open without a mode. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);

int __open_2(const char *path, int flags)
{
    return open(path, flags);
}

int __open64_2(const char *path, int flags)
{
    return open64(path, flags);
}

static bool locks(int what)
{
    return what == F_SETLK || what == F_SETLKW || what == F_OFD_SETLK || what == F_OFD_SETLKW;
}

/* Only locks are counted. */
#define FCNTL(call)                                                                                \
    int call(int fd, int what, ...)                                                                \
    {                                                                                              \
        enum step step = locks(what) ? before(CALL_##call, fd, NULL, CALLER) : GO;                 \
        va_list args;                                                                              \
        void *arg;                                                                                 \
        int rc;                                                                                    \
                                                                                                   \
        va_start(args, what);                                                                      \
        arg = va_arg(args, void *);                                                                \
        va_end(args);                                                                              \
        if (step == FAIL)                                                                          \
            return -1;                                                                             \
        rc = REAL(call)(fd, what, arg);                                                            \
        after(step);                                                                               \
        return rc;                                                                                 \
    }

FCNTL(fcntl)
FCNTL(fcntl64)

/* ---- memory ---- */

#define MAP(call, type)                                                                            \
    void *call(void *at, size_t n, int protection, int flags, int fd, type offset)                 \
    {                                                                                              \
        enum step step = before(CALL_##call, fd, NULL, CALLER);                                    \
                                                                                                   \
        return step == FAIL ? MAP_FAILED : REAL(call)(at, n, protection, flags, fd, offset);       \
    }

MAP(mmap, off_t)
MAP(mmap64, off64_t)

/* By these names, as dlsym may itself allocate. */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t bytes);
void *__libc_realloc(void *p, size_t n);

void *malloc(size_t n)
{
    return before(CALL_malloc, -1, NULL, CALLER) == FAIL ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t bytes)
{
    return before(CALL_calloc, -1, NULL, CALLER) == FAIL ? NULL : __libc_calloc(n, bytes);
}

void *realloc(void *p, size_t n)
{
    return before(CALL_realloc, -1, NULL, CALLER) == FAIL ? NULL : __libc_realloc(p, n);
}

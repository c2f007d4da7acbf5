/* SPDX-License-Identifier: MIT */
/* Files that grow under a lock and are shown whole. */
#include "file_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "stop.h"

#define COPY_BYTES (256u << 10)
#define SHOW_MS 1000     /* a copy a second at most … */
#define SHOW_SHARE 20    /* … and 1/20 of the time for copies */
#define TIDY_HOURS 960   /* 40 days back */
#define PUBLISH_MAX 1000 /* files of one name: NAME, NAME-2, … */
#define FILE_MODE 0640   /* less the umask: there are people in it */
#define LOCK_NAME ".ts-send.lock"

/* A set of ids: open addressing, no id is ever removed. */
struct ids {
    struct identity *slot;
    bool *used;
    size_t count, size; /* size: a power of two, or 0 */
};

struct row {
    struct identity id;
    size_t start, n; /* in rows */
};

struct file {
    struct file *next;
    char name[FILE_NAME_BYTES];
    int64_t local_s;  /* a wall clock of its time */
    int fd;           /* .NAME.part */
    off_t seen;       /* up to here its ids are known */
    struct ids known; /* in the file */
    struct ids fresh; /* waiting */
    struct buf rows;
    struct row *row;
    size_t waiting, room;
    bool stale; /* NAME is older than .NAME.part */
    int64_t show_ms;
    bool failed;
    struct fault fault;
};

struct file_store {
    const struct file_format *format;
    char pattern[FILE_NAME_BYTES], done[FILE_NAME_BYTES]; /* names, without their folders */
    int folder, done_folder, lock;                        /* done_folder -1: there is none */
    struct event_reader *reader;
    struct file *files;
    unsigned open;
    struct buf copy;
};

/* ---- sets of ids ---- */

static size_t slot_of(const struct ids *s, const struct identity *id)
{
    uint64_t h;
    size_t i;

    /* The last octets are those of a hash. */
    memcpy(&h, id->octets + 8, sizeof h);
    h *= 0x9e3779b97f4a7c15u;
    for (i = (size_t)(h >> 20) & (s->size - 1); s->used[i]; i = (i + 1) & (s->size - 1))
        if (memcmp(s->slot[i].octets, id->octets, sizeof id->octets) == 0)
            break;
    return i;
}

static bool ids_has(const struct ids *s, const struct identity *id)
{
    return s->size > 0 && s->used[slot_of(s, id)];
}

static void ids_free(struct ids *s)
{
    free(s->slot);
    free(s->used);
    *s = (struct ids){0};
}

static void ids_add(struct ids *s, const struct identity *id)
{
    size_t at;

    if ((s->count + 1) * 2 > s->size) {
        struct ids wide = {.size = s->size ? s->size * 2 : 64};

        wide.slot = mem_alloc(wide.size * sizeof *wide.slot);
        wide.used = mem_alloc(wide.size * sizeof *wide.used);
        memset(wide.used, 0, wide.size * sizeof *wide.used);
        for (size_t i = 0; i < s->size; i++)
            if (s->used[i])
                ids_add(&wide, &s->slot[i]);
        ids_free(s);
        *s = wide;
    }
    at = slot_of(s, id);
    s->count += !s->used[at];
    s->used[at] = true;
    s->slot[at] = *id;
}

/* ---- names and the lock ---- */

static void part_name(const char *name, const char *ending, char out[FILE_NAME_BYTES])
{
    snprintf(out, FILE_NAME_BYTES, ".%.240s.%s", name, ending);
}

static int lock(struct file_store *s, struct fault *why)
{
    while (flock(s->lock, LOCK_EX) < 0)
        if (errno != EINTR)
            return fault_errno(why, EX_IOERR, "%s: cannot lock", LOCK_NAME);
    return 0;
}

static void unlock(struct file_store *s)
{
    flock(s->lock, LOCK_UN);
}

static bool exists(int folder, const char *name)
{
    struct stat st;

    return fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int open_regular(int folder, const char *name, int flags)
{
    int fd = openat(folder, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, FILE_MODE);
    struct stat st;

    if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))) {
        close(fd);
        errno = EINVAL;
        return -1;
    }
    return fd;
}

/* ---- reading what a file has ---- */

static int read_at(int fd, struct buf *b, off_t at, struct fault *why)
{
    ssize_t n;

    do
        n = pread(fd, buf_room(b, COPY_BYTES), COPY_BYTES, at);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return fault_errno(why, EX_IOERR, "cannot read the file");
    b->len += (size_t)n;
    return n > 0;
}

/* The columns of a file that is there must be ours, or its rows would be told apart wrongly. */
static int check_heading(struct file_store *s, struct slice line, struct fault *why)
{
    struct buf ours = {0};
    bool same;

    file_format_heading(s->format, &ours);
    same = ours.len == 0 || slice_eq((struct slice){ours.data, ours.len - 1}, line);
    buf_free(&ours);
    return same ? 0 : fault_set(why, EX_CONFIG, "the file has other columns than these");
}

/* Whole lines of fd from *seen on; their ids are known then, and *seen is behind the last one. */
static int absorb(struct file_store *s, struct file *f, int fd, off_t *seen, struct fault *why)
{
    struct buf b = {0};
    off_t at = *seen;
    int rc;

    while ((rc = read_at(fd, &b, at + (off_t)b.len, why)) > 0) {
        size_t start = 0;
        char *end;

        while ((end = memchr(b.data + start, '\n', b.len - start))) {
            struct slice line = {b.data + start, (size_t)(end - b.data) - start};
            struct identity id;

            if (at == 0 && start == 0 && check_heading(s, line, why) < 0) {
                buf_free(&b);
                return -1;
            }
            if (file_format_id(s->format, s->reader, line, &id))
                ids_add(&f->known, &id);
            start += line.n + 1;
        }
        memmove(b.data, b.data + start, b.len - start);
        b.len -= start;
        at += (off_t)start;
    }
    *seen = at;
    buf_free(&b);
    return rc;
}

/* ---- copies ---- */

static int write_all(int fd, const char *p, size_t n, off_t at)
{
    while (n > 0) {
        ssize_t done = pwrite(fd, p, n, at);

        if (done < 0 && errno != EINTR)
            return -1;
        if (done == 0)
            errno = ENOSPC;
        if (done == 0)
            return -1;
        if (done > 0)
            p += done, n -= (size_t)done, at += done;
    }
    return 0;
}

static int copy_bytes(struct file_store *s, int from, int to, struct fault *why)
{
    off_t at = 0;
    int rc;

    for (;; at += (off_t)s->copy.len) {
        s->copy.len = 0;
        rc = read_at(from, &s->copy, at, why);
        if (rc <= 0)
            return rc;
        if (write_all(to, s->copy.data, s->copy.len, at) < 0)
            return fault_errno(why, EX_CANTCREAT, "cannot write");
    }
}

/* Puts a whole copy of `from` (-1: a heading alone) in place of `name`, which keeps its mode. */
static int put_copy(
    struct file_store *s, int from, const char *base, const char *name, struct fault *why)
{
    char temp[FILE_NAME_BYTES];
    struct buf heading = {0};
    struct stat st;
    int fd, rc = -1;

    part_name(base, "tmp", temp);
    fd = open_regular(s->folder, temp, O_RDWR | O_CREAT | O_TRUNC);
    if (fd < 0)
        return fault_errno(why, EX_CANTCREAT, "%s: cannot create", temp);
    if (fstatat(s->folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
        (void)fchmod(fd, st.st_mode & 0777);
    file_format_heading(s->format, &heading);
    if (from < 0 && write_all(fd, heading.data, heading.len, 0) < 0)
        fault_errno(why, EX_CANTCREAT, "cannot write");
    else if (from >= 0 && copy_bytes(s, from, fd, why) < 0)
        ;
    else if (fsync(fd) < 0)
        fault_errno(why, EX_IOERR, "%s: cannot sync", temp);
    else if (renameat(s->folder, temp, s->folder, name) < 0 || fsync(s->folder) < 0)
        fault_errno(why, EX_CANTCREAT, "%s: cannot put in place", name);
    else
        rc = 0;
    if (rc < 0)
        unlinkat(s->folder, temp, 0);
    buf_free(&heading);
    close(fd);
    return rc;
}

/* ---- opening ---- */

static void forget(struct file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
    f->seen = 0;
    ids_free(&f->known);
}

static int create_part(struct file_store *s, struct file *f, const char *part, struct fault *why)
{
    int from = s->done_folder >= 0 ? -1 : open_regular(s->folder, f->name, O_RDONLY);
    int rc = -1;

    if (from < 0 && s->done_folder < 0 && errno != ENOENT)
        return fault_errno(why, EX_CANTCREAT, "%s: cannot open", f->name);
    rc = put_copy(s, from, f->name, part, why);
    if (from >= 0)
        close(from);
    return rc;
}

/* NAME, or NAME-2, NAME-3, … : "2026-03-02-2.csv". */
static void numbered(const char *name, unsigned n, char out[FILE_NAME_BYTES])
{
    const char *dot = strrchr(name, '.');

    if (n < 2)
        snprintf(out, FILE_NAME_BYTES, "%s", name);
    else
        snprintf(out, FILE_NAME_BYTES, "%.*s-%u%s", (int)(dot - name), name, n, dot);
}

/* What was published of the same name, and is still there, is known too. */
static int absorb_published(struct file_store *s, struct file *f, struct fault *why)
{
    char name[FILE_NAME_BYTES], one[FILE_NAME_BYTES];
    int fd, rc = 0;

    if (s->done_folder < 0)
        return 0;
    file_name(s->done, f->local_s, name);
    for (unsigned n = 1; rc == 0 && n < PUBLISH_MAX; n++) {
        off_t seen = 0;

        numbered(name, n, one);
        fd = open_regular(s->done_folder, one, O_RDONLY);
        if (fd < 0)
            break;
        rc = absorb(s, f, fd, &seen, why);
        close(fd);
    }
    return rc;
}

/* Under the lock: f->fd is .NAME.part, its ids are known, and it ends with a whole line. */
static int refresh(struct file_store *s, struct file *f, struct fault *why)
{
    char part[FILE_NAME_BYTES];
    struct stat ours, there;

    part_name(f->name, "part", part);
    if (f->fd >= 0 &&
        (fstatat(s->folder, part, &there, AT_SYMLINK_NOFOLLOW) < 0 || fstat(f->fd, &ours) < 0 ||
            ours.st_ino != there.st_ino || ours.st_dev != there.st_dev || there.st_size < f->seen))
        forget(f);
    if (f->fd < 0) {
        if (!exists(s->folder, part) && create_part(s, f, part, why) < 0)
            return -1;
        f->fd = open_regular(s->folder, part, O_RDWR);
        if (f->fd < 0)
            return fault_errno(why, EX_CANTCREAT, "%s: cannot open", part);
        if (absorb_published(s, f, why) < 0)
            return -1;
    }
    if (absorb(s, f, f->fd, &f->seen, why) < 0)
        return -1;
    if (fstat(f->fd, &ours) < 0 || (ours.st_size > f->seen && ftruncate(f->fd, f->seen) < 0))
        return fault_errno(why, EX_IOERR, "%s: cannot cut off a torn line", part);
    return 0;
}

static void file_free(struct file *f)
{
    forget(f);
    ids_free(&f->fresh);
    buf_free(&f->rows);
    free(f->row);
    free(f);
}

struct file *file_find(struct file_store *s, int64_t local_s, bool *full, struct fault *why)
{
    char name[FILE_NAME_BYTES];
    struct file *f;
    int rc;

    *full = false;
    file_name(s->pattern, local_s, name);
    for (f = s->files; f; f = f->next)
        if (strcmp(f->name, name) == 0)
            return f;
    *full = s->open >= FILES_OPEN_MAX;
    if (*full || lock(s, why) < 0)
        return NULL;
    f = mem_alloc(sizeof *f);
    *f = (struct file){.fd = -1, .local_s = local_s};
    memcpy(f->name, name, sizeof name);
    rc = refresh(s, f, why);
    /* What a dead run wrote without a sync is about to be called safe. */
    if (rc == 0 && fdatasync(f->fd) < 0)
        rc = fault_errno(why, EX_IOERR, "%s: cannot sync", f->name);
    unlock(s);
    if (rc < 0) {
        file_free(f);
        return NULL;
    }
    f->next = s->files;
    s->files = f;
    s->open++;
    f->stale = true; /* a .part that was found may be ahead of its copy */
    return f;
}

/* ---- appending ---- */

bool file_row(struct file *f, const struct identity *id, struct slice row)
{
    if (ids_has(&f->known, id) || ids_has(&f->fresh, id))
        return false;
    if (f->waiting == f->room) {
        f->room = f->room ? f->room * 2 : 64;
        f->row = mem_resize(f->row, f->room * sizeof *f->row);
    }
    f->row[f->waiting++] = (struct row){*id, f->rows.len, row.n};
    buf_slice(&f->rows, row);
    ids_add(&f->fresh, id);
    return true;
}

const struct fault *file_fault(const struct file *f)
{
    return f->failed ? &f->fault : NULL;
}

/* Another program may have written the same events meanwhile: those go out of the rows. */
static void drop_known(struct file *f)
{
    size_t len = 0;

    for (size_t i = 0; i < f->waiting; i++) {
        const struct row *r = &f->row[i];

        if (ids_has(&f->known, &r->id))
            continue;
        memmove(f->rows.data + len, f->rows.data + r->start, r->n);
        len += r->n;
    }
    f->rows.len = len;
}

/* 0, also when the file says no (f->failed); -1 and *why when a sync failed. */
static int append_one(struct file_store *s, struct file *f, struct fault *why)
{
    f->failed = refresh(s, f, &f->fault) < 0;
    if (f->failed)
        return 0;
    drop_known(f);
    if (write_all(f->fd, f->rows.data, f->rows.len, f->seen) < 0) {
        fault_errno(&f->fault, EX_CANTCREAT, "%s: cannot write", f->name);
        f->failed = true;
        /* Whole lines of it must not stay either: nobody is told that they are there. */
        if (ftruncate(f->fd, f->seen) < 0)
            return fault_errno(why, EX_IOERR, "%s: cannot take back a write", f->name);
        return 0;
    }
    if (fdatasync(f->fd) < 0)
        return fault_errno(why, EX_IOERR, "%s: cannot sync", f->name);
    for (size_t i = 0; i < f->waiting; i++)
        ids_add(&f->known, &f->row[i].id);
    f->seen += (off_t)f->rows.len;
    f->stale = true;
    return 0;
}

int file_store_append(struct file_store *s, struct fault *why)
{
    int rc = 0;

    if (lock(s, why) < 0)
        return -1;
    for (struct file *f = s->files; f && rc == 0; f = f->next) {
        f->failed = false;
        if (f->waiting > 0)
            rc = append_one(s, f, why);
        f->waiting = f->rows.len = 0;
        ids_free(&f->fresh);
    }
    unlock(s);
    return rc;
}

/* ---- showing, finishing, publishing: under the lock ---- */

static int finish(struct file_store *s, const char *name, struct fault *why)
{
    char part[FILE_NAME_BYTES];

    part_name(name, "part", part);
    if (renameat(s->folder, part, s->folder, name) < 0 || fsync(s->folder) < 0)
        return fault_errno(why, EX_CANTCREAT, "%s: cannot put in place", name);
    return 0;
}

static bool same_file(int folder, const char *name, int other, const char *other_name)
{
    struct stat a, b;

    return fstatat(folder, name, &a, AT_SYMLINK_NOFOLLOW) == 0 &&
           fstatat(other, other_name, &b, AT_SYMLINK_NOFOLLOW) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

/* A rename that replaces nothing; by a link where the file system has no such rename. */
static int move(struct file_store *s, const char *part, const char *name)
{
    if (renameat2(s->folder, part, s->done_folder, name, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (linkat(s->folder, part, s->done_folder, name, 0) < 0 &&
        !(errno == EEXIST && same_file(s->folder, part, s->done_folder, name)))
        return -1;
    return unlinkat(s->folder, part, 0);
}

static int publish(struct file_store *s, const char *name, int64_t local_s, struct fault *why)
{
    char part[FILE_NAME_BYTES], done[FILE_NAME_BYTES], one[FILE_NAME_BYTES];

    part_name(name, "part", part);
    file_name(s->done, local_s, done);
    for (unsigned n = 1; n < PUBLISH_MAX; n++) {
        numbered(done, n, one);
        if (move(s, part, one) == 0) {
            if (fsync(s->done_folder) < 0 || fsync(s->folder) < 0)
                return fault_errno(why, EX_IOERR, "%s: cannot sync its folder", one);
            return 0;
        }
        if (errno != EEXIST)
            break;
    }
    return fault_errno(why, EX_CANTCREAT, "%s: cannot publish", done);
}

/* Takes the file out of the list; what is not open is not there. */
static void let_go(struct file_store *s, const char *name)
{
    for (struct file **at = &s->files; *at; at = &(*at)->next)
        if (strcmp((*at)->name, name) == 0) {
            struct file *f = *at;

            *at = f->next;
            file_free(f);
            s->open--;
            return;
        }
}

/* A .part whose time is over, or that a dead run left: its torn line is cut off, and it is synced.
 */
static int settle(
    struct file_store *s, const char *name, int64_t local_s, bool over, struct fault *why)
{
    struct file f = {.fd = -1, .local_s = local_s};
    char part[FILE_NAME_BYTES];
    int rc = 0;

    part_name(name, "part", part);
    if (!exists(s->folder, part) || (s->done_folder >= 0 && !over))
        return 0;
    snprintf(f.name, sizeof f.name, "%s", name);
    rc = refresh(s, &f, why);
    if (rc == 0 && fsync(f.fd) < 0)
        rc = fault_errno(why, EX_IOERR, "%s: cannot sync", part);
    forget(&f);
    if (rc == 0)
        rc = s->done_folder >= 0 ? publish(s, name, local_s, why) : finish(s, name, why);
    if (rc == 0)
        let_go(s, name);
    return rc;
}

int file_store_tidy(struct file_store *s, int64_t local_s, bool first, struct fault *why)
{
    char now[FILE_NAME_BYTES], last[FILE_NAME_BYTES] = "", name[FILE_NAME_BYTES];
    int rc = 0;

    if (lock(s, why) < 0)
        return -1;
    file_name(s->pattern, local_s, now);
    for (int hour = 0; hour < TIDY_HOURS && rc == 0; hour++) {
        int64_t at_s = local_s - hour * 3600;
        bool over;

        file_name(s->pattern, at_s, name);
        over = strcmp(name, now) != 0;
        if (strcmp(name, last) != 0 && (over || first))
            rc = settle(s, name, at_s, over, why);
        memcpy(last, name, sizeof last);
    }
    unlock(s);
    return rc;
}

int file_store_show(struct file_store *s, int64_t now_ms, int64_t *wait_ms, struct fault *why)
{
    int rc = 0;

    *wait_ms = -1;
    if (s->done_folder >= 0)
        return 0;
    for (struct file *f = s->files; f && rc == 0; f = f->next) {
        int64_t began_ms = monotonic_ms();

        if (!f->stale)
            continue;
        if (now_ms < f->show_ms) {
            if (*wait_ms < 0 || f->show_ms - now_ms < *wait_ms)
                *wait_ms = f->show_ms - now_ms;
            continue;
        }
        rc = lock(s, why);
        if (rc < 0)
            break;
        rc = refresh(s, f, why);
        if (rc == 0)
            rc = put_copy(s, f->fd, f->name, f->name, why);
        unlock(s);
        f->stale = rc < 0;
        f->show_ms = monotonic_ms();
        f->show_ms += SHOW_MS + (f->show_ms - began_ms) * SHOW_SHARE;
    }
    return rc;
}

int file_store_release(struct file_store *s, struct fault *why)
{
    int rc = 0;

    if (lock(s, why) < 0)
        return -1;
    while (s->files && rc == 0) {
        struct file *f = s->files;

        if (s->done_folder < 0)
            rc = refresh(s, f, why) < 0 ? -1 : finish(s, f->name, why);
        if (rc == 0)
            let_go(s, f->name);
    }
    unlock(s);
    return rc;
}

/* ---- the store ---- */

static int open_folder(const char *path, char name[FILE_NAME_BYTES], struct fault *why)
{
    const char *slash = strrchr(path, '/');
    struct slice folder = {path, slash > path ? (size_t)(slash - path) : 1};
    char *text;
    int fd;

    if (file_name_check(slash + 1, why) < 0)
        return -1;
    if (memchr(folder.p, '%', folder.n))
        return fault_set(why, EX_USAGE, "URL: %% stands in the name of the file alone");
    snprintf(name, FILE_NAME_BYTES, "%s", slash + 1);
    text = mem_text(folder);
    fd = open(text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        fault_errno(why, EX_CANTCREAT, "%s: cannot open the folder", text);
    free(text);
    return fd;
}

static int open_done(struct file_store *s, const char *done, struct fault *why)
{
    struct stat a, b;

    if (!done)
        return 0;
    s->done_folder = open_folder(done, s->done, why);
    if (s->done_folder < 0)
        return -1;
    if (fstat(s->folder, &a) == 0 && fstat(s->done_folder, &b) == 0 && a.st_dev != b.st_dev)
        return fault_set(why, EX_CONFIG, "-o done: on another file system: nothing can be renamed");
    return 0;
}

static int check_folder(const char *pattern, int64_t *room, struct fault *why)
{
    char name[FILE_NAME_BYTES];
    struct statvfs st;
    int folder = open_folder(pattern, name, why), rc = -1, lock = -1;

    if (folder < 0)
        return -1;
    if (faccessat(folder, ".", W_OK | X_OK, AT_EACCESS) < 0) {
        fault_errno(why, EX_CANTCREAT, "%s: cannot write in its folder", pattern);
        goto out;
    }
    lock = open_regular(folder, LOCK_NAME, O_RDWR);
    if (lock < 0 && errno != ENOENT) {
        fault_errno(
            why, EX_CANTCREAT, "%s: " LOCK_NAME " in its folder belongs to somebody else", pattern);
        goto out;
    }
    rc = fstatvfs(folder, &st) == 0 ? 0 : fault_errno(why, EX_IOERR, "%s: cannot look", pattern);
    if (rc == 0)
        *room = (int64_t)st.f_bavail * (int64_t)st.f_frsize;
out:
    if (lock >= 0)
        close(lock);
    close(folder);
    return rc;
}

int file_store_check(const struct file_store_config *config, int64_t *room, struct fault *why)
{
    if (check_folder(config->pattern, room, why) < 0)
        return -1;
    return config->done ? check_folder(config->done, room, why) : 0;
}

struct file_store *file_store_open(const struct file_store_config *config, struct fault *why)
{
    struct file_store *s = mem_alloc(sizeof *s);

    *s = (struct file_store){.format = config->format, .folder = -1, .done_folder = -1, .lock = -1};
    s->reader = event_reader_new();
    s->folder = open_folder(config->pattern, s->pattern, why);
    if (s->folder < 0 || open_done(s, config->done, why) < 0)
        goto fail;
    s->lock = open_regular(s->folder, LOCK_NAME, O_RDWR | O_CREAT);
    if (s->lock >= 0)
        return s;
    fault_errno(why, EX_CANTCREAT, "%s: cannot write in its folder", config->pattern);
fail:
    file_store_close(s);
    return NULL;
}

void file_store_close(struct file_store *s)
{
    const int fds[] = {s->folder, s->done_folder, s->lock};

    while (s->files) {
        struct file *f = s->files;

        s->files = f->next;
        file_free(f);
    }
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    event_reader_free(s->reader);
    buf_free(&s->copy);
    free(s);
}

/* SPDX-License-Identifier: MIT */
/*
 * Names of rotated files begin with the name of the file: log.1, log.old, log-20260501, log.1.gz.
 * By their times of change they are put in order, and those are left out that are older than the
 * file that the checkpoint tells of.
 */
#include "rotation.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoint.h"
#include "msg.h"

#define SLACK_S 10 /* clocks of file systems may differ, or be coarse */

struct old {
    char *name;
    int fd;
    struct timespec changed;
    bool packed;  /* cannot be read as it is */
    bool renamed; /* the file of the checkpoint itself */
};

struct rotation {
    const char *path;
    struct place place; /* of the first, when that is gone on in */
    struct old *old;
    size_t count, next;
    ino_t skip;  /* was read already; 0: none */
    int current; /* what stands at the path; -1: handed out */
    bool resume; /* the first is gone on in */
    bool gap;
};

/* ---- names ---- */

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);

    return n > m && strcmp(name + n - m, end) == 0;
}

static const char *const packings[] = {".gz", ".xz", ".bz2", ".zst", NULL};

/* The ending of a packed file, or "". */
static const char *packing_of(const char *name)
{
    for (size_t i = 0; packings[i]; i++)
        if (ends_with(name, packings[i]))
            return packings[i];
    return "";
}

/* What stands behind the file's name: a number or a date, or a word for what is past.  Another
 * device's file (gate-2) or what was made of this one (log.json) is not a part of it. */
static bool is_rotated_name(const char *rest)
{
    static const char *const words[] = {".old", ".bak", ".prev", ".orig", ".save", "~", NULL};
    size_t digits = 0, n = strlen(rest) - strlen(packing_of(rest));

    for (const char *const *word = words; *word; word++)
        if (n == strlen(*word) && memcmp(rest, *word, n) == 0)
            return true;
    for (size_t i = 0; i < n; i++) {
        if (!strchr("0123456789.-_:+TZ~", rest[i]))
            return false;
        digits += rest[i] >= '0' && rest[i] <= '9';
    }
    return *rest == '.' ? digits > 0 : (*rest == '-' || *rest == '_') && digits >= 6;
}

/* ---- finding ---- */

static bool before(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

static int by_change(const void *a, const void *b)
{
    const struct old *x = a, *y = b;

    if (before(&x->changed, &y->changed))
        return -1;
    return before(&y->changed, &x->changed) ? 1 : -strcmp(x->name, y->name);
}

/* Looks at one name of the folder: is it the renamed file, or one that was rotated? */
static void look_at(struct rotation *r, DIR *folder, const struct dirent *entry, const char *base)
{
    size_t n = strlen(base);
    bool named = strncmp(entry->d_name, base, n) == 0 && is_rotated_name(entry->d_name + n);
    struct old old = {.packed = named && *packing_of(entry->d_name)};
    struct stat st, here;

    if (!named && entry->d_ino != r->place.inode)
        return;
    if (r->skip != 0 && entry->d_ino == r->skip)
        return;
    old.fd = openat(
        dirfd(folder), entry->d_name, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
    if (old.fd < 0 && named && errno != ENOENT && errno != ELOOP) {
        msg_warn("%s: %s: cannot be read: %s", r->path, entry->d_name, strerror(errno));
        r->gap = true;
    }
    if (old.fd < 0)
        return;
    old.renamed = !old.packed && r->skip == 0 && place_matches(old.fd, &r->place);
    if (fstat(old.fd, &st) < 0 || fstat(r->current, &here) < 0 || !S_ISREG(st.st_mode) ||
        (st.st_ino == here.st_ino && st.st_dev == here.st_dev) || (!named && !old.renamed)) {
        close(old.fd);
        return;
    }
    old.changed = st.st_mtim;
    old.name = mem_text(slice_of(entry->d_name));
    r->old = mem_resize(r->old, (r->count + 1) * sizeof *r->old);
    r->old[r->count++] = old;
}

static void look_around(struct rotation *r)
{
    char *copy = mem_text(slice_of(r->path)), *copy2 = mem_text(slice_of(r->path));
    const char *base = basename(copy2);
    DIR *folder = opendir(dirname(copy));
    const struct dirent *entry;

    while (folder && (entry = readdir(folder)))
        look_at(r, folder, entry, base);
    if (folder)
        closedir(folder);
    if (r->count > 0)
        qsort(r->old, r->count, sizeof *r->old, by_change);
    free(copy);
    free(copy2);
}

/*
 * The file that the checkpoint tells of, or r->count: itself, else the oldest that begins alike (of
 * two that do, the newer one is read whole).  A beginning of few bytes may be that of every file:
 * only one that was changed after `since` counts then, where that is not NULL.
 */
static size_t find_first(const struct rotation *r, const struct timespec *since)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->old[i].renamed)
            return i;
    for (size_t i = 0; i < r->count; i++)
        if (!r->old[i].packed && !(since && before(&r->old[i].changed, since)) &&
            place_begins(r->old[i].fd, &r->place))
            return i;
    return r->count;
}

/* ---- choosing ---- */

/* The first in order, whatever files of the same time there are. */
static void put_first(struct rotation *r, size_t first)
{
    struct old own = r->old[first];

    memmove(r->old + 1, r->old, first * sizeof own);
    r->old[0] = own;
}

static void warn_packed(struct rotation *r, const struct old *old)
{
    msg_warn("%s: %s is packed and not read: it may hold rows written since the checkpoint: unpack "
             "it and read it once without --checkpoint; ids make that safe",
        r->path, old->name);
    r->gap = true;
}

/* Leaves the file that is gone on in, and those that are not older than `since`. */
static void choose(struct rotation *r, const struct timespec *since)
{
    size_t kept = 0;

    for (size_t i = 0; i < r->count; i++) {
        struct old *old = &r->old[i];
        /* Of the same time may be another; a packed one is then likely this one. */
        bool wanted = (i == 0 && r->resume) ||
                      (old->packed ? before(since, &old->changed) : !before(&old->changed, since));

        if (wanted && old->packed)
            warn_packed(r, old);
        if (wanted && !old->packed) {
            r->old[kept++] = *old;
        } else {
            close(old->fd);
            free(old->name);
        }
    }
    r->count = kept;
}

/* A whole beginning that fits is proof enough: the file was copied and put back, and has grown. */
static bool is_same_again(const struct rotation *r)
{
    return r->place.head_bytes == PLACE_HEAD_BYTES && place_begins(r->current, &r->place);
}

static void say(struct rotation *r)
{
    struct buf names = {0};

    for (size_t i = 0; i < r->count; i++)
        buf_printf(&names, "%s%s", i ? ", " : "", r->old[i].name);
    buf_char(&names, '\0');
    if (r->resume)
        msg_warn("%s: %s since the checkpoint: its rest comes first (%s)", r->path,
            r->old[0].renamed ? "renamed" : "cut or replaced, and copied", names.data);
    else if (is_same_again(r))
        msg_warn("%s: not the file that the checkpoint tells of, but it begins alike: reading it "
                 "from the start",
            r->path);
    else
        msg_warn("%s: not the file that the checkpoint tells of: reading %s%sit from the start; "
                 "rows written between the checkpoint and the rotation may be in %s.1, %s.2: read "
                 "them once without --checkpoint; ids make that safe",
            r->path, names.data, r->count ? ", then " : "", r->path, r->path);
    r->gap = r->gap || (!r->resume && !is_same_again(r));
    buf_free(&names);
}

struct rotation *rotation_find(
    const char *path, int fd, const struct place *place, const struct timespec *saved)
{
    struct rotation *r = mem_alloc(sizeof *r);
    bool same = place_matches(fd, place), shorts = place->head_bytes < PLACE_HEAD_BYTES;
    struct timespec since = {.tv_sec = saved->tv_sec - SLACK_S};
    size_t first;

    *r = (struct rotation){.path = path, .place = *place, .current = fd};
    /* Where a few bytes fit, the file may have been cut and have begun alike. */
    if (!same || shorts)
        look_around(r);
    first = find_first(r, same || place->head_bytes == 0 ? &since : NULL);
    if (same && first == r->count) {
        r->current = -1;
        rotation_free(r);
        return NULL;
    }
    r->current = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    r->resume = first < r->count;
    if (r->resume) {
        put_first(r, first);
        since = r->old[0].changed;
    }
    choose(r, &since);
    say(r);
    return r;
}

struct rotation *rotation_between(const char *path, int fd, const struct stat *left)
{
    struct rotation *r = mem_alloc(sizeof *r);

    *r = (struct rotation){.path = path, .current = fd, .skip = left->st_ino};
    look_around(r);
    choose(r, &left->st_mtim);
    if (r->count == 0) {
        r->current = -1;
        rotation_free(r);
        return NULL;
    }
    r->current = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    msg_warn("%s: rotated more than once: reading %s first", path, r->old[0].name);
    return r;
}

struct rotation *rotation_copied(const char *path, int fd, const struct place *place)
{
    struct rotation *r = mem_alloc(sizeof *r);
    struct timespec since;
    struct stat st = {0};
    size_t first;

    *r = (struct rotation){.path = path, .place = *place, .current = fd};
    if (place->head_bytes > 0)
        look_around(r);
    first = find_first(r, NULL);
    if (first == r->count || fstat(r->old[first].fd, &st) < 0 ||
        (uint64_t)st.st_size <= place->offset) {
        r->current = -1;
        rotation_free(r);
        return NULL;
    }
    r->current = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    r->resume = true;
    put_first(r, first);
    since = r->old[0].changed;
    choose(r, &since);
    msg_warn("%s: cut: the rest comes from %s", path, r->old[0].name);
    return r;
}

/* ---- reading ---- */

void rotation_free(struct rotation *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->count; i++) {
        if (i >= r->next)
            close(r->old[i].fd);
        free(r->old[i].name);
    }
    if (r->current >= 0)
        close(r->current);
    free(r->old);
    free(r);
}

bool rotation_more(const struct rotation *r)
{
    return r && (r->next < r->count || r->current >= 0);
}

int rotation_next(struct rotation *r, struct place *from)
{
    int fd = r->current;

    *from = (struct place){0};
    if (r->next == r->count) {
        if (fd >= 0)
            lseek(fd, 0, SEEK_SET); /* shared with the descriptor that it was copied from */
        r->current = -1;
        return fd;
    }
    if (r->next == 0 && r->resume)
        *from = r->place;
    return r->old[r->next++].fd;
}

bool rotation_gap(const struct rotation *r)
{
    return r && r->gap;
}

/* SPDX-License-Identifier: MIT */
/*
 *     {"sources":[{"source":"/var/log/gate.dat","device":2049,"inode":1441,"offset":81920,
 *                  "line":2100,"head_bytes":1024,"head":"00000000-0000-8b1f-…"},
 *                 {"source":"zk://10.1.0.7","cursor":"…"}]}
 *
 * `head` is the identity of the file's first bytes (identity_of_bytes: SHA-1).
 */
#include "checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yyjson.h>

#include "identity.h"
#include "json.h"

#define FILE_BYTES_MAX (4u << 20)

struct item {
    char *source;
    char *cursor; /* NULL: it is the place */
    struct place place;
};

struct checkpoint {
    char *path, *beside, *folder;
    struct item *item;
    size_t count;
    struct timespec saved;
    bool changed;
    int lock;
};

/* ---- places ---- */

/* How many bytes the fingerprint is of; -1. */
static int read_head(int fd, uint32_t bytes, char head[40])
{
    char data[PLACE_HEAD_BYTES];
    struct identity id;
    ssize_t n;

    do
        n = pread(fd, data, bytes < sizeof data ? bytes : sizeof data, 0);
    while (n < 0 && errno == EINTR);
    *head = '\0';
    if (n <= 0)
        return (int)n;
    identity_of_bytes(&id, (struct slice){data, (size_t)n}, NULL);
    identity_print(&id, head);
    return (int)n;
}

int place_identify(int fd, struct place *place)
{
    char head[40];
    struct stat st;
    int n;

    if (fstat(fd, &st) < 0)
        return -1;
    n = S_ISREG(st.st_mode) ? read_head(fd, PLACE_HEAD_BYTES, head) : 0;
    if (n < 0)
        return -1;
    place->device = st.st_dev;
    place->inode = st.st_ino;
    place->head_bytes = (uint32_t)n;
    memcpy(place->head, n > 0 ? head : "", n > 0 ? sizeof head : 1);
    return 0;
}

bool place_matches(int fd, const struct place *place)
{
    struct stat st;

    /* The device number may change when the machine starts again: the head speaks for it. */
    return fstat(fd, &st) == 0 && st.st_ino == place->inode && place_begins(fd, place);
}

bool place_begins(int fd, const struct place *place)
{
    struct stat st;
    char head[40];

    return fstat(fd, &st) == 0 && (uint64_t)st.st_size >= place->offset &&
           read_head(fd, place->head_bytes, head) == (int)place->head_bytes &&
           strcmp(head, place->head) == 0;
}

/* ---- the file ---- */

static struct item *find(const struct checkpoint *c, const char *source)
{
    for (size_t i = 0; i < c->count; i++)
        if (strcmp(c->item[i].source, source) == 0)
            return &c->item[i];
    return NULL;
}

const struct place *checkpoint_find(const struct checkpoint *c, const char *source)
{
    const struct item *item = find(c, source);

    return item && !item->cursor ? &item->place : NULL;
}

const char *checkpoint_cursor(const struct checkpoint *c, const char *source)
{
    const struct item *item = find(c, source);

    return item ? item->cursor : NULL;
}

const struct timespec *checkpoint_saved(const struct checkpoint *c)
{
    return &c->saved;
}

static bool same(const struct place *a, const struct place *b)
{
    return a->device == b->device && a->inode == b->inode && a->offset == b->offset &&
           a->line == b->line && a->head_bytes == b->head_bytes && strcmp(a->head, b->head) == 0;
}

static struct item *find_or_add(struct checkpoint *c, const char *source)
{
    struct item *item = find(c, source);

    if (item)
        return item;
    c->item = mem_resize(c->item, (c->count + 1) * sizeof *c->item);
    item = &c->item[c->count++];
    *item = (struct item){.source = mem_text(slice_of(source))};
    c->changed = true;
    return item;
}

void checkpoint_set(struct checkpoint *c, const char *source, const struct place *place)
{
    struct item *item = find_or_add(c, source);

    c->changed = c->changed || item->cursor || !same(&item->place, place);
    free(item->cursor);
    item->cursor = NULL;
    item->place = *place;
}

void checkpoint_set_cursor(struct checkpoint *c, const char *source, const char *cursor)
{
    struct item *item = find_or_add(c, source);

    if (item->cursor && strcmp(item->cursor, cursor) == 0)
        return;
    free(item->cursor);
    item->cursor = mem_text(slice_of(cursor));
    c->changed = true;
}

static bool read_item(struct checkpoint *c, yyjson_val *v)
{
    const char *source = yyjson_get_str(yyjson_obj_get(v, "source"));
    const char *cursor = yyjson_get_str(yyjson_obj_get(v, "cursor"));
    const char *head = yyjson_get_str(yyjson_obj_get(v, "head"));
    struct place place = {.device = yyjson_get_uint(yyjson_obj_get(v, "device")),
        .inode = yyjson_get_uint(yyjson_obj_get(v, "inode")),
        .line = yyjson_get_uint(yyjson_obj_get(v, "line")),
        .head_bytes = (uint32_t)yyjson_get_uint(yyjson_obj_get(v, "head_bytes"))};

    if (source && cursor && strlen(cursor) <= CURSOR_BYTES_MAX) {
        checkpoint_set_cursor(c, source, cursor);
        return true;
    }
    if (!source || !head || !yyjson_is_uint(yyjson_obj_get(v, "offset")) ||
        place.head_bytes > PLACE_HEAD_BYTES || strlen(head) >= sizeof place.head)
        return false;
    place.offset = yyjson_get_uint(yyjson_obj_get(v, "offset"));
    snprintf(place.head, sizeof place.head, "%s", head);
    checkpoint_set(c, source, &place);
    return true;
}

static bool read_items(struct checkpoint *c, const char *text, size_t n)
{
    yyjson_doc *doc = yyjson_read(text, n, 0);
    yyjson_val *list = yyjson_obj_get(yyjson_doc_get_root(doc), "sources"), *v;
    bool good = yyjson_is_arr(list);
    size_t i, max;

    if (good)
        yyjson_arr_foreach(list, i, max, v) good = good && read_item(c, v);
    yyjson_doc_free(doc);
    return good;
}

static int read_file(struct checkpoint *c, struct fault *why)
{
    int fd = open(c->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), rc = -1;
    struct buf text = {0};
    struct stat st;
    ssize_t n = 0;

    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return fault_errno(why, EX_NOINPUT, "%s: cannot open", c->path);
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return fault_set(why, EX_CANTCREAT, "%s: is no regular file", c->path);
    }
    c->saved = st.st_mtim;
    do {
        text.len += (size_t)n;
        n = read(fd, buf_room(&text, 65536), 65536);
    } while (n > 0 && text.len < FILE_BYTES_MAX);
    if (n < 0)
        fault_errno(why, EX_IOERR, "%s: cannot read", c->path);
    else if (!read_items(c, text.data, text.len))
        fault_set(why, EX_CONFIG, "%s: damaged: delete it to read from the start", c->path);
    else
        rc = 0;
    c->changed = false;
    buf_free(&text);
    close(fd);
    return rc;
}

static char *beside(const char *path, const char *ending)
{
    struct buf name = {0};

    buf_text(&name, path);
    buf_text(&name, ending);
    buf_char(&name, '\0');
    return name.data;
}

/* The file itself is replaced, so its lock is another one, which stays. */
static int lock_file(struct checkpoint *c, struct fault *why)
{
    char *name = beside(c->path, ".lock");

    c->lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    free(name);
    if (c->lock < 0)
        return fault_errno(why, EX_CANTCREAT, "%s.lock: cannot create", c->path);
    if (flock(c->lock, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        return fault_set(why, EX_TEMPFAIL,
            "%s: another ts-read works with it: give each its own checkpoint", c->path);
    return 0; /* a file system that knows no locks has none */
}

struct checkpoint *checkpoint_open(const char *path, struct fault *why)
{
    struct checkpoint *c = mem_alloc(sizeof *c);
    char *copy = mem_text(slice_of(path));

    *c = (struct checkpoint){
        .path = mem_text(slice_of(path)), .beside = beside(path, ".new"), .lock = -1};
    c->folder = mem_text(slice_of(dirname(copy)));
    free(copy);
    if (access(c->folder, W_OK | X_OK) < 0)
        fault_errno(why, EX_CANTCREAT, "%s: cannot write into its folder", path);
    else if (lock_file(c, why) == 0 && read_file(c, why) == 0)
        return c;
    checkpoint_free(c);
    return NULL;
}

void checkpoint_free(struct checkpoint *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->count; i++) {
        free(c->item[i].source);
        free(c->item[i].cursor);
    }
    if (c->lock >= 0)
        close(c->lock);
    free(c->item);
    free(c->path);
    free(c->beside);
    free(c->folder);
    free(c);
}

static void print_items(const struct checkpoint *c, struct buf *out)
{
    buf_lit(out, "{\"sources\":[");
    for (size_t i = 0; i < c->count; i++) {
        const struct place *p = &c->item[i].place;

        buf_text(out, i ? ",\n{\"source\":" : "\n{\"source\":");
        json_str(out, slice_of(c->item[i].source));
        if (c->item[i].cursor) {
            buf_lit(out, ",\"cursor\":");
            json_str(out, slice_of(c->item[i].cursor));
            buf_char(out, '}');
            continue;
        }
        buf_printf(out,
            ",\"device\":%" PRIu64 ",\"inode\":%" PRIu64 ",\"offset\":%" PRIu64 ",\"line\":%" PRIu64
            ",\"head_bytes\":%" PRIu32 ",\"head\":\"%s\"}",
            p->device, p->inode, p->offset, p->line, p->head_bytes, p->head);
    }
    buf_lit(out, "\n]}\n");
}

static bool write_all(int fd, struct slice text)
{
    while (text.n > 0) {
        ssize_t n = write(fd, text.p, text.n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        text.p += n;
        text.n -= (size_t)n;
    }
    return true;
}

static bool sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0)
        close(fd);
    return good;
}

int checkpoint_save(struct checkpoint *c, struct fault *why)
{
    struct buf text = {0};
    int fd, rc = -1;

    if (!c->changed)
        return 0;
    print_items(c, &text);
    unlink(c->beside); /* what a crash left there */
    fd = open(c->beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        fault_errno(why, EX_CANTCREAT, "%s: cannot create", c->beside);
        goto out;
    }
    if (!write_all(fd, buf_all(&text)) || fsync(fd) < 0)
        fault_errno(why, EX_IOERR, "%s: cannot write", c->beside);
    else if (rename(c->beside, c->path) < 0 || !sync_folder(c->folder))
        fault_errno(why, EX_IOERR, "%s: cannot replace", c->path);
    else
        rc = 0;
out:
    if (fd >= 0)
        close(fd);
    buf_free(&text);
    c->changed = rc < 0;
    return rc;
}

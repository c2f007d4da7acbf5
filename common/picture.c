/* SPDX-License-Identifier: MIT */
/* References; and files that others name: opened step by step, looked at before they are believed.
 */
#include "picture.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "json.h"

#define STEPS_MAX 16
#define READ_BYTES (64u << 10)
#define CANNOT_READ "the snapshot cannot be read"

/* ---- the member ---- */

static struct slice text_of(yyjson_val *object, const char *key)
{
    yyjson_val *v = yyjson_obj_get(object, key);

    return yyjson_is_str(v) ? (struct slice){yyjson_get_str(v), yyjson_get_len(v)} : SLICE_NONE;
}

bool snapshot_of(const struct event *e, struct snapshot *s)
{
    yyjson_val *o = e->field[EV_SNAPSHOT], *bytes;

    if (!yyjson_is_obj(o) || yyjson_obj_get(o, "url") || yyjson_obj_get(o, "base64"))
        return false;
    bytes = yyjson_obj_get(o, "bytes");
    *s = (struct snapshot){.file = text_of(o, "file"),
        .sha256 = text_of(o, "sha256"),
        .media_type = text_of(o, "media_type"),
        .bytes = yyjson_is_uint(bytes) && yyjson_get_uint(bytes) <= INT64_MAX
                     ? (int64_t)yyjson_get_uint(bytes)
                     : -1};
    return s->file.p != NULL;
}

bool snapshot_sha256(const struct snapshot *s, char out[SNAPSHOT_SHA256_BYTES])
{
    if (s->sha256.n != SNAPSHOT_SHA256_BYTES - 1)
        return false;
    for (size_t i = 0; i < s->sha256.n; i++) {
        char c = s->sha256.p[i];

        out[i] = (char)(c >= 'A' && c <= 'F' ? c | 0x20 : c);
        if ((out[i] < '0' || out[i] > '9') && (out[i] < 'a' || out[i] > 'f'))
            return false;
    }
    out[SNAPSHOT_SHA256_BYTES - 1] = '\0';
    return true;
}

void snapshot_print(
    struct buf *out, const struct snapshot *s, const char *location, const char *error)
{
    const struct {
        const char *key;
        struct slice text;
    } members[] = {
        {"url", slice_of(location)},
        {"file", location ? SLICE_NONE : s->file},
        {"sha256", s->sha256},
        {"media_type", s->media_type},
        {"error", slice_of(error)},
    };
    char comma = '{';

    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        if (!members[i].text.p)
            continue;
        buf_printf(out, "%c\"%s\":", comma, members[i].key);
        json_str(out, members[i].text);
        comma = ',';
    }
    if (s->bytes >= 0)
        buf_printf(out, ",\"bytes\":%lld", (long long)s->bytes);
    buf_char(out, '}');
}

const char *snapshot_type(const void *first, size_t n)
{
    static const struct {
        struct slice magic;
        const char *type;
    } types[] = {
        {{"\xff\xd8\xff", 3}, "image/jpeg"},
        {{"\x89PNG\r\n\x1a\n", 8}, "image/png"},
    };

    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (n >= types[i].magic.n && memcmp(first, types[i].magic.p, types[i].magic.n) == 0)
            return types[i].type;
    return NULL;
}

/* ---- the file ---- */

/* The next step of a path, into out; false: it is none that we go. */
static bool next_step(struct slice *path, char out[NAME_MAX + 1])
{
    const char *slash = memchr(path->p, '/', path->n);
    size_t n = slash ? (size_t)(slash - path->p) : path->n;

    if (n == 0 || n > NAME_MAX || memchr(path->p, '\0', n))
        return false;
    memcpy(out, path->p, n);
    out[n] = '\0';
    path->p += slash ? n + 1 : n;
    path->n -= slash ? n + 1 : n;
    return strcmp(out, ".") != 0 && strcmp(out, "..") != 0 && (!slash || path->n > 0);
}

static const char *cannot_open(int code)
{
    return code == ENOENT || code == ENOTDIR ? "the snapshot is not there"
           : code == ELOOP                   ? "the snapshot is behind a symbolic link"
                                             : CANNOT_READ;
}

/* Opens the last step; a device is not even opened. */
static const char *open_file(int folder, const char *name, int *fd)
{
    struct stat st;

    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return cannot_open(errno);
    if (S_ISLNK(st.st_mode))
        return cannot_open(ELOOP);
    if (!S_ISREG(st.st_mode))
        return "the snapshot is no regular file";
    *fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return *fd < 0 ? cannot_open(errno) : NULL;
}

static const char *open_beneath(int folder, struct slice path, int *fd)
{
    char name[NAME_MAX + 1];
    const char *error = "the snapshot has no name beneath the folder";
    struct stat st;
    int at = folder;

    for (unsigned steps = 0; steps < STEPS_MAX && next_step(&path, name); steps++) {
        int next;

        if (path.n == 0) {
            error = open_file(at, name, fd);
            break;
        }
        next = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0) {
            bool link = fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);

            error = cannot_open(link ? ELOOP : errno);
            break;
        }
        if (at != folder)
            close(at);
        at = next;
    }
    if (at != folder)
        close(at);
    return error;
}

/* ---- its content ---- */

ssize_t picture_read(const struct picture *p, uint64_t at, char *to, size_t n)
{
    size_t got = 0;

    if (at >= p->bytes)
        return 0;
    n = n < p->bytes - at ? n : (size_t)(p->bytes - at);
    while (got < n) {
        ssize_t more = pread(p->fd, to + got, n - got, (off_t)(at + got));

        if (more < 0 && errno == EINTR)
            continue;
        if (more <= 0) /* it was longer */
            return -1;
        got += (size_t)more;
    }
    return (ssize_t)got;
}

static void print_hash(const unsigned char *octets, char out[SNAPSHOT_SHA256_BYTES])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < (SNAPSHOT_SHA256_BYTES - 1) / 2; i++) {
        out[2 * i] = digits[octets[i] >> 4];
        out[2 * i + 1] = digits[octets[i] & 15];
    }
    out[SNAPSHOT_SHA256_BYTES - 1] = '\0';
}

/* Hash and type. */
static const char *look_at(struct picture *p)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *sum = EVP_MD_CTX_new();
    char *bytes = mem_alloc(READ_BYTES);
    const char *error = NULL;
    ssize_t n = 1;

    if (!sum || !EVP_DigestInit_ex(sum, EVP_sha256(), NULL))
        abort(); /* only for want of memory */
    p->media_type = NULL;
    for (uint64_t at = 0; !error && at < p->bytes; at += (uint64_t)n) {
        n = picture_read(p, at, bytes, READ_BYTES);
        if (at == 0 && n > 0)
            p->media_type = snapshot_type(bytes, (size_t)n);
        if (n < 0)
            error = CANNOT_READ;
        else if (!p->media_type)
            error = "the snapshot is neither JPEG nor PNG";
        else
            EVP_DigestUpdate(sum, bytes, (size_t)n);
    }
    if (!error && EVP_DigestFinal_ex(sum, hash, NULL))
        print_hash(hash, p->sha256);
    EVP_MD_CTX_free(sum);
    free(bytes);
    return error;
}

bool picture_same(const struct picture *p)
{
    struct stat st;

    return fstat(p->fd, &st) == 0 && (uint64_t)st.st_size == p->bytes &&
           st.st_mtim.tv_sec == p->changed.tv_sec && st.st_mtim.tv_nsec == p->changed.tv_nsec;
}

static const char *check(struct picture *p, const struct snapshot *s, uint64_t bytes_max)
{
    const char *error;
    struct stat st;

    if (fstat(p->fd, &st) < 0)
        return CANNOT_READ;
    if (!S_ISREG(st.st_mode))
        return "the snapshot is no regular file";
    if (st.st_size == 0)
        return "the snapshot is empty";
    if ((uint64_t)st.st_size > bytes_max)
        return "the snapshot is larger than --snapshot-max";
    p->bytes = (uint64_t)st.st_size;
    p->changed = st.st_mtim;
    error = look_at(p);
    if (!picture_same(p))
        return PICTURE_CHANGED;
    if (!error && s->sha256.p &&
        (s->sha256.n != SNAPSHOT_SHA256_BYTES - 1 ||
            strncasecmp(s->sha256.p, p->sha256, SNAPSHOT_SHA256_BYTES - 1) != 0))
        error = "the snapshot is not the one that sha256 names";
    return error;
}

const char *picture_open(
    struct picture *p, int folder, const struct snapshot *s, uint64_t bytes_max)
{
    const char *error;

    p->fd = -1;
    error = open_beneath(folder, s->file, &p->fd);
    if (!error)
        error = check(p, s, bytes_max);
    if (error)
        picture_close(p);
    return error;
}

void picture_close(struct picture *p)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
}

const char *picture_print(const struct picture *p, struct buf *out)
{
    struct buf bytes = {0};
    size_t n = (size_t)p->bytes;
    const char *error = NULL;

    if (picture_read(p, 0, buf_room(&bytes, n), n) != (ssize_t)n || !picture_same(p))
        error = PICTURE_CHANGED;
    bytes.len = n;
    if (!error) {
        buf_lit(out, "{\"base64\":");
        json_base64(out, buf_all(&bytes));
        buf_printf(out, ",\"media_type\":\"%s\"}", p->media_type);
    }
    buf_free(&bytes);
    return error;
}

/* SPDX-License-Identifier: MIT */
/*
 * Written beside under a name of its own, synced, and renamed.  libcrypto is loaded for its
 * SHA-256: whoever keeps no pictures starts without it.
 */
#include "album.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "msg.h"

#define LIBRARY "libcrypto.so.3"
#define HASH_BYTES 32
#define NAME_BYTES 80

struct album {
    char *folder;
    int fd;
    bool failing; /* said so */
    __typeof__(EVP_Digest) *digest;
    __typeof__(EVP_sha256) *sha256;
};

struct album *album_open(const char *folder, struct fault *why)
{
    struct album *a = mem_alloc(sizeof *a);
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

    *a = (struct album){.folder = mem_text(slice_of(folder)), .fd = -1};
    if (library) {
        *(void **)&a->digest = dlsym(library, "EVP_Digest");
        *(void **)&a->sha256 = dlsym(library, "EVP_sha256");
    }
    if (!a->digest || !a->sha256) {
        fault_set(why, EX_UNAVAILABLE, "--snapshots: %s is missing: install libssl3", LIBRARY);
        goto out;
    }
    a->fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (a->fd >= 0 && faccessat(a->fd, ".", W_OK | X_OK, 0) == 0)
        return a;
    fault_errno(why, EX_CANTCREAT, "--snapshots %s: cannot write into it", folder);
out:
    album_free(a);
    return NULL;
}

void album_free(struct album *a)
{
    if (!a)
        return;
    if (a->fd >= 0)
        close(a->fd);
    free(a->folder);
    free(a);
}

static const char *type_of(struct slice p, const char **ending)
{
    if (p.n >= 3 && memcmp(p.p, "\xff\xd8\xff", 3) == 0) {
        *ending = "jpg";
        return "image/jpeg";
    }
    *ending = "png";
    return p.n >= 8 && memcmp(p.p, "\x89PNG\r\n\x1a\n", 8) == 0 ? "image/png" : NULL;
}

static bool hash(const struct album *a, struct slice picture, char hex[HASH_BYTES * 2 + 1])
{
    unsigned char octets[EVP_MAX_MD_SIZE];

    if (a->digest(picture.p, picture.n, octets, NULL, a->sha256(), NULL) != 1)
        return false;
    for (size_t i = 0; i < HASH_BYTES; i++)
        snprintf(hex + 2 * i, 3, "%02x", octets[i]);
    return true;
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

static bool sync_at(int folder)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0)
        close(fd);
    return good;
}

/* The folder of the first two digits, made when it is not there; -1. */
static int open_part(struct album *a, const char part[3])
{
    if (mkdirat(a->fd, part, 0700) == 0 && !sync_at(a->fd))
        return -1;
    return openat(a->fd, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* 0; -1 and errno. */
static int store(struct album *a, const char *name, struct slice picture)
{
    char part[3] = {name[0], name[1], '\0'}, beside[NAME_BYTES];
    int folder = open_part(a, part), fd = -1, rc = -1, error;
    struct stat st;

    if (folder < 0)
        return -1;
    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
        (size_t)st.st_size == picture.n) {
        rc = 0; /* it is there already */
        goto out;
    }
    snprintf(beside, sizeof beside, ".%.64s.new", name);
    unlinkat(folder, beside, 0); /* what a crash left there */
    fd = openat(folder, beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0 && write_all(fd, picture) && fsync(fd) == 0 &&
        renameat(folder, beside, folder, name) == 0 && sync_at(folder))
        rc = 0;
    else if (fd >= 0)
        unlinkat(folder, beside, 0);
out:
    error = errno;
    if (fd >= 0)
        close(fd);
    close(folder);
    errno = error;
    return rc;
}

static void not_kept(struct buf *snapshot, const char *error)
{
    buf_printf(snapshot, "{\"error\":\"%s\"}", error);
}

void album_keep(struct album *a, struct slice picture, struct buf *snapshot)
{
    char hex[HASH_BYTES * 2 + 1], name[NAME_BYTES];
    const char *ending, *type = type_of(picture, &ending);

    if (!type) {
        not_kept(snapshot, "the picture is neither JPEG nor PNG");
        return;
    }
    if (!hash(a, picture, hex)) {
        not_kept(snapshot, "the picture could not be hashed");
        return;
    }
    snprintf(name, sizeof name, "%s.%s", hex, ending);
    if (store(a, name, picture) < 0) {
        if (!a->failing)
            msg_warn("--snapshots %s: cannot keep pictures: %s", a->folder, strerror(errno));
        a->failing = true;
        not_kept(snapshot, "the picture could not be kept");
        return;
    }
    if (a->failing)
        msg_warn("--snapshots %s: pictures are kept again", a->folder);
    a->failing = false;
    buf_printf(snapshot,
        "{\"file\":\"%.2s/%s\",\"sha256\":\"%s\",\"media_type\":\"%s\",\"bytes\":%zu}", hex, name,
        hex, type, picture.n);
}

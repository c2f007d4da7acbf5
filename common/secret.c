/* SPDX-License-Identifier: MIT */
/* Reading secrets with care for who else could. */
#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The text behind "fd:" or "/dev/fd/", or NULL.  The shell's <(…) is of this kind. */
static const char *descriptor(const char *name)
{
    static const char *const forms[] = {"fd:", "/dev/fd/", "/proc/self/fd/"};

    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (strncmp(name, forms[i], strlen(forms[i])) == 0)
            return name + strlen(forms[i]);
    return NULL;
}

bool secret_inherited(const char *name)
{
    return descriptor(name) != NULL;
}

/* 0 to 2 are those of the events, the receipts and the messages. */
static int inherited_fd(const char *name, struct fault *why)
{
    const char *digits = descriptor(name);
    char *end;
    long n = strtol(digits, &end, 10);

    if (digits[0] < '0' || digits[0] > '9' || *end || n < 3 || n > INT_MAX)
        return fault_set(why, EX_USAGE, "%s: a secret comes by descriptor 3 or above", name);
    if (fcntl((int)n, F_GETFD) < 0)
        return fault_errno(why, EX_NOINPUT, "%s: cannot open", name);
    return (int)n;
}

char *secret_path(const char *name)
{
    const char *folder = strchr(name, '/') ? NULL : getenv("CREDENTIALS_DIRECTORY");
    struct buf path = {0};

    if (folder)
        buf_printf(&path, "%s/%s%c", folder, name, 0);
    if (folder && access(path.data, F_OK) == 0)
        return path.data;
    path.len = 0;
    buf_printf(&path, "%s%c", name, 0);
    return path.data;
}

static int open_named(const char *name, struct fault *why)
{
    char *path;
    int fd;

    if (descriptor(name))
        return inherited_fd(name, why);
    path = secret_path(name);
    /* What the service manager laid out may be links; it is checked all the same. */
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (strcmp(path, name) == 0 ? O_NOFOLLOW : 0));
    free(path);
    return fd < 0 ? fault_errno(why, EX_NOINPUT, "%s: cannot open", name) : fd;
}

static int check_owner(int fd, const char *name, struct fault *why)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return fault_errno(why, EX_NOINPUT, "%s: cannot read", name);
    if (!S_ISREG(st.st_mode))
        return fault_set(why, EX_NOPERM, "%s: not a regular file", name);
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return fault_set(why, EX_NOPERM, "%s: holds a secret but belongs to another user", name);
    if (st.st_mode & 077)
        return fault_set(
            why, EX_NOPERM, "%s: holds a secret but others may read it: chmod 600 it", name);
    return 0;
}

static int read_all(int fd, const char *name, struct buf *out, struct fault *why)
{
    /* One buffer of full size from the start: growing would leave copies of the secret behind. */
    buf_room(out, SECRET_BYTES_MAX + 1);
    for (;;) {
        ssize_t n = read(fd, out->data + out->len, SECRET_BYTES_MAX + 1 - out->len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fault_errno(why, EX_NOINPUT, "%s: cannot read", name);
        if (n == 0)
            break;
        out->len += (size_t)n;
        if (out->len > SECRET_BYTES_MAX)
            return fault_set(why, EX_CONFIG, "%s: too long for a secret", name);
    }
    return 0;
}

int secret_read_all(const char *name, bool shown, struct buf *out, struct fault *why)
{
    int fd, rc = -1;

    secret_forget(out);
    fd = open_named(name, why);
    if (fd < 0)
        return -1;
    if (!shown && !descriptor(name) && check_owner(fd, name, why) < 0)
        goto out;
    if (read_all(fd, name, out, why) < 0)
        goto out;
    rc = out->len > 0 ? 0 : fault_set(why, EX_CONFIG, "%s: empty", name);
out:
    if (rc < 0)
        secret_forget(out);
    close(fd);
    return rc;
}

int secret_read(const char *name, struct buf *out, struct fault *why)
{
    const char *end;

    if (secret_read_all(name, false, out, why) < 0)
        return -1;
    end = memchr(out->data, '\n', out->len);
    if (end)
        out->len = (size_t)(end - out->data);
    if (out->len > 0 && out->data[out->len - 1] == '\r')
        out->len--;
    if (out->len > 0)
        return 0;
    secret_forget(out);
    return fault_set(why, EX_CONFIG, "%s: empty", name);
}

void secret_forget(struct buf *secret)
{
    if (secret->data)
        explicit_bzero(secret->data, secret->cap);
    buf_free(secret);
}

bool secret_equal(struct slice a, struct slice b)
{
    unsigned char differ = a.n != b.n;

    for (size_t i = 0; i < a.n; i++)
        differ |= (unsigned char)(a.p[i] ^ (b.n > 0 ? b.p[i % b.n] : 0));
    return differ == 0;
}

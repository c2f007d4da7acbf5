/* SPDX-License-Identifier: MIT */
/* Reading a file whole. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define STEP_BYTES (64u << 10)

int file_read(const char *path, size_t limit, struct buf *out, struct fault *why)
{
    static const struct slice mark = {"\xef\xbb\xbf", 3};
    size_t start = out->len;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), rc = -1;
    ssize_t n;

    if (fd < 0)
        return fault_errno(why, EX_NOINPUT, "%s: cannot open", path);
    do {
        n = read(fd, buf_room(out, STEP_BYTES), STEP_BYTES);
        if (n < 0 && errno != EINTR) {
            fault_errno(why, EX_NOINPUT, "%s: cannot read", path);
            goto out;
        }
        out->len += n > 0 ? (size_t)n : 0;
        if (out->len - start > limit) {
            fault_set(why, EX_CONFIG, "%s: longer than %zu bytes", path, limit);
            goto out;
        }
    } while (n != 0);
    if (out->len - start >= mark.n && memcmp(out->data + start, mark.p, mark.n) == 0) {
        out->len -= mark.n;
        memmove(out->data + start, out->data + start + mark.n, out->len - start);
    }
    rc = 0;
out:
    close(fd);
    return rc;
}

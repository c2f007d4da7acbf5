/* SPDX-License-Identifier: MIT */
/* Files for tests of what reads them: a text under a path, without touching the disk. */
#ifndef TS_TEST_FILES_H
#define TS_TEST_FILES_H

#include <check.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "buf.h"

/* A path that reads the text; valid until the next call of this process. */
static inline const char *file_of(struct slice text)
{
    static char path[64];
    int fd = memfd_create("test", MFD_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text.p, text.n), (ssize_t)text.n);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return path;
}

/* What was reported, one a line, without the path in front. */
static struct buf remarks;

static inline void remember(const char *text)
{
    text = strchr(text, ':');
    ck_assert_ptr_nonnull(text);
    buf_text(&remarks, text + 1);
    buf_char(&remarks, '\n');
}

static inline const char *remembered(void)
{
    buf_char(&remarks, '\0');
    remarks.len--;
    return remarks.data;
}

#endif

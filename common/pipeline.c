/* SPDX-License-Identifier: MIT */
/* The shell's children as /proc/SHELL/task/SHELL/children lists them: in the order of their start.
 */
#include "pipeline.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static unsigned list_children(pid_t shell, pid_t pid[PIPELINE_MOST])
{
    char path[64], text[512];
    char *p = text, *end;
    unsigned count = 0;
    ssize_t n;
    int fd;

    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)shell, (int)shell);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    for (long v; count < PIPELINE_MOST && (v = strtol(p, &end, 10), end > p); p = end)
        pid[count++] = (pid_t)v;
    return count;
}

static bool is_among(const pid_t *pid, unsigned count, pid_t wanted)
{
    for (unsigned i = 0; i < count; i++)
        if (pid[i] == wanted)
            return true;
    return false;
}

void pipeline_watch(struct pipeline *p, pid_t shell)
{
    pipeline_forget(p);
    p->count = list_children(shell, p->pid);
    if (p->count < 2)
        return;
    p->last = (int)syscall(SYS_pidfd_open, p->pid[p->count - 1], 0);
    if (p->last >= 0)
        fcntl(p->last, F_SETFD, FD_CLOEXEC);
}

bool pipeline_broken(const struct pipeline *p, pid_t shell)
{
    pid_t now[PIPELINE_MOST];
    unsigned count = p->count >= 2 ? list_children(shell, now) : 0;

    if (count == 0 || is_among(now, count, p->pid[p->count - 1]))
        return false;
    for (unsigned i = 0; i + 1 < p->count; i++)
        if (is_among(now, count, p->pid[i]))
            return true;
    return false;
}

void pipeline_forget(struct pipeline *p)
{
    if (p->last >= 0)
        close(p->last);
    *p = (struct pipeline){.last = -1};
}

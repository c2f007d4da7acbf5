/* SPDX-License-Identifier: MIT */
/*
 * The programs of a shell's pipeline.  When the last one dies, nothing tells: the others may be
 * waiting for input, and the shell, which waits for them, holds the pipe open.  So the parent of
 * the shell keeps an eye on the last one itself.
 */
#ifndef TS_PIPELINE_H
#define TS_PIPELINE_H

#include <stdbool.h>
#include <sys/types.h>

#define PIPELINE_MOST 16u

struct pipeline {
    pid_t pid[PIPELINE_MOST]; /* in the order of their start */
    unsigned count;
    int last; /* pidfd of the last one, readable when it has ended; -1: none is watched */
};

/* Looks at the children of the shell; with two or more, the last one is watched. */
void pipeline_watch(struct pipeline *p, pid_t shell);

/* Whether the last one has ended and another one of then is still there.  Without a /proc that
 * tells it: no. */
bool pipeline_broken(const struct pipeline *p, pid_t shell);

void pipeline_forget(struct pipeline *p);

#endif

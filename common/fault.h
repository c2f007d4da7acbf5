/* SPDX-License-Identifier: MIT */
/*
 * A fault is why something could not be done: filled where it is noticed, returned to main,
 * printed there once.  A function that can fail takes `struct fault *why` last and
 * returns -1 (or NULL); `return fault_set(why, …)` is one line.
 */
#ifndef TS_FAULT_H
#define TS_FAULT_H

#include <stdbool.h>
#include <sysexits.h>

struct fault {
    int status;     /* exit status, from sysexits.h */
    bool quiet;     /* standard output was closed by its reader: end without a message */
    bool full;      /* for want of room on a disk: the same may be tried again later */
    char text[400]; /* "object: what failed: reason"; escaped when it is printed */
};

/* Both fill *why and return -1.  fault_errno adds ": strerror(errno)" and keeps errno. */
int fault_set(struct fault *why, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int fault_errno(struct fault *why, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What people read on standard error: one line a message, "PROGRAM: object: what: reason".
 * Everything is escaped here, so that no device, receiver or file name can move the cursor, forge
 * a line or turn the reading direction.  No personal data belongs in a message.
 */
#ifndef TS_MSG_H
#define TS_MSG_H

#include "buf.h"
#include "fault.h"

/* First thing in main: the name that stands before every message.  Opens descriptors 0-2 on
   /dev/null where they are closed, ignores SIGPIPE and SIGXFSZ, and forbids core dumps (they would
   hold secrets and people). */
void msg_start(const char *program);

void msg_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Like msg_warn, without the program's name in front: progress lines and `[INFO]` lines. */
void msg_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints the fault unless it is quiet, and returns its exit status. */
int msg_fault(const struct fault *why);

/* Appends text with every byte outside printable ASCII and harmless UTF-8 letters as \xNN. */
void msg_escape(struct buf *out, struct slice text);

#endif

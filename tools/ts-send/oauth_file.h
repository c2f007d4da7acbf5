/* SPDX-License-Identifier: MIT */
/*
 * The file of --oauth as a place: one holder at a time, and replaced as a whole.  A new refresh
 * token exists nowhere else, so the room for it is there before it is asked for, and it is on disk
 * before anybody uses it:
 *
 *   lock FILE, read it -> FILE.new, empty, with room -> ask -> FILE.new written, synced
 *   -> renamed to FILE -> folder synced -> unlock
 *
 * A FILE.new that is whole was left by one that died before the rename; one that is not, by one
 * that died before it had an answer, or before it could write it down.
 */
#ifndef TS_SEND_OAUTH_FILE_H
#define TS_SEND_OAUTH_FILE_H

#include <stdbool.h>

#include "buf.h"
#include "fault.h"

struct oauth_file {
    const char *name; /* as it was given: for messages */
    char *path;       /* NULL: a descriptor; nothing can be kept there */
    char *new_path;
    int lock, new; /* descriptors, or -1 */
};

void oauth_file_open(struct oauth_file *f, const char *name);
void oauth_file_close(struct oauth_file *f);

/* 1: ours; 0: somebody else has it now; -1 and *why. */
int oauth_file_lock(struct oauth_file *f, struct fault *why);
void oauth_file_unlock(struct oauth_file *f);

/* The text, as secret_read_all. */
int oauth_file_read(const struct oauth_file *f, struct buf *text, struct fault *why);

/* What one that died has left, without looking whether it is whole: false when there is nothing. */
bool oauth_file_left(const struct oauth_file *f, struct buf *text);

/* Puts what was left in place of the file. */
int oauth_file_recover(struct oauth_file *f, struct fault *why);

/* Makes room for the text of about so many bytes. */
int oauth_file_prepare(struct oauth_file *f, size_t bytes, struct fault *why);
void oauth_file_unprepare(struct oauth_file *f);

/* Replaces the file: the text is on disk when it returns 0.  Locked; after a fault it may be called
   again. */
int oauth_file_write(struct oauth_file *f, struct slice text, struct fault *why);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The files of one folder.  While a file grows it is .NAME.part, which nobody is meant to read;
 * what stands under NAME is always a whole copy of it, put there by rename.  Everything that
 * changes the folder is done under a lock on .ts-send.lock in it, so several programs may write the
 * same files.
 *
 *   append   rows into .NAME.part, then fdatasync: they are safe
 *   show     .NAME.part is copied, synced, renamed to NAME
 *   finish   .NAME.part itself becomes NAME; the next row makes it a .part again, by a copy
 *   publish  with a folder for finished files: .NAME.part gets its name there once its time is
 * over; a file that is there already is never replaced
 *
 * After a kill at any point the next run finds a .NAME.part by its name; a torn last line is cut
 * off before anything is appended.
 */
#ifndef TS_SEND_FILE_STORE_H
#define TS_SEND_FILE_STORE_H

#include "file_row.h"

#define FILES_OPEN_MAX 8

struct file_store_config {
    const char *pattern; /* path of the files, with fields in the name alone */
    const char *done;    /* path of the finished ones, or NULL */
    const struct file_format *format;
};

struct file_store;

/* Whether it could be opened and written, by what the permissions say; *room: bytes that are free.
   Changes nothing. */
int file_store_check(const struct file_store_config *config, int64_t *room, struct fault *why);

struct file_store *file_store_open(const struct file_store_config *config, struct fault *why);
void file_store_close(struct file_store *s);

struct file;

/* The file of a wall clock, open and with its ids known.  *full (and NULL): as many as may be open
   are; append and let them go first.  NULL and *why: EX_CONFIG for ever, else for now. */
struct file *file_find(struct file_store *s, int64_t local_s, bool *full, struct fault *why);

/* A row that waits for the next append; false: the file, or what waits for it, has the id already.
 */
bool file_row(struct file *f, const struct identity *id, struct slice row);

/* What waits for all files, synced.  Then file_fault says why nothing of it is in a file: NULL when
   it is safe.  -1 and *why: a sync failed, so nobody knows. */
int file_store_append(struct file_store *s, struct fault *why);
const struct fault *file_fault(const struct file *f);

/* Shows what changed, as often as its size allows.  *wait_ms: until it wants to be asked again, -1
   for not before the next append. */
int file_store_show(struct file_store *s, int64_t now_ms, int64_t *wait_ms, struct fault *why);

/* Finishes all open files, or (where there is a folder for finished ones) lets them go. */
int file_store_release(struct file_store *s, struct fault *why);

/* Finishes or publishes what a dead run left, or what is older than the file of this wall clock. */
int file_store_tidy(struct file_store *s, int64_t local_s, bool first, struct fault *why);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * --checkpoint FILE: how far each source is read, in one small JSON file.  It only ever names a
 * place before which everything has its final receipt; it is replaced as a whole (written beside,
 * synced, renamed, folder synced), so after a crash it is the old one or the new one.
 *
 * The place of a file is a `struct place`.  Of anything else it is a cursor: a text that only the
 * source itself understands.
 */
#ifndef TS_CHECKPOINT_H
#define TS_CHECKPOINT_H

#include <time.h>

#include "sink.h"

struct checkpoint;

/* Reads the file when there is one.  78: it is damaged; 73: its folder is missing or not ours; 75:
   another program has it, which knows nothing of our places and would write over them. */
struct checkpoint *checkpoint_open(const char *path, struct fault *why);
void checkpoint_free(struct checkpoint *c);

/* Where a source was; NULL when it was never told. */
const struct place *checkpoint_find(const struct checkpoint *c, const char *source);

/* When the file was written that was read: what is older was seen by then. */
const struct timespec *checkpoint_saved(const struct checkpoint *c);

/* Remembers a place, until checkpoint_save. */
void checkpoint_set(struct checkpoint *c, const char *source, const struct place *place);

/* The same for a cursor, at most CURSOR_BYTES_MAX long; the text is valid until the next set. */
#define CURSOR_BYTES_MAX 4096u
const char *checkpoint_cursor(const struct checkpoint *c, const char *source);
void checkpoint_set_cursor(struct checkpoint *c, const char *source, const char *cursor);

/* Writes what has changed since the last time; 0 also when nothing has. */
int checkpoint_save(struct checkpoint *c, struct fault *why);

#define PLACE_HEAD_BYTES 1024u

/* Fills in which file fd is, and the fingerprint of as much of its head as there is, at most
 * PLACE_HEAD_BYTES.  -1: it cannot be read, and nothing is filled in. */
int place_identify(int fd, struct place *place);

/* Whether fd is the file that `place` tells of, and still has all that was read of it. */
bool place_matches(int fd, const struct place *place);

/* The same of a copy: it begins alike and is long enough. */
bool place_begins(int fd, const struct place *place);

#endif

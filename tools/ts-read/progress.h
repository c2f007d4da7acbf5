/* SPDX-License-Identifier: MIT */
/* --progress: one line on the terminal, written over a few times a second. */
#ifndef TS_PROGRESS_H
#define TS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress;

struct progress *progress_new(void);

/* All take NULL, for no progress.  Lowers the timeout to the next line's time. */
void progress_wait(const struct progress *p, int *timeout_ms);
bool progress_due(const struct progress *p);

/* Bytes done, of how many (0: cannot be told), and events so far. */
void progress_show(struct progress *p, uint64_t done, uint64_t total, uint64_t events);

/* Ends the line and frees. */
void progress_end(struct progress *p);

#endif

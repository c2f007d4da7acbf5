/* SPDX-License-Identifier: MIT */
/* How the subcommands show things: members of a JSON object, cells of a table, ages and sizes. */
#ifndef TS_SPOOL_PRINT_H
#define TS_SPOOL_PRINT_H

#include <stdint.h>

#include "buf.h"

/* ,"key":… with the comma left out after an opening brace.  print_str writes null for SLICE_NONE;
   print_moment writes nothing for 0. */
void print_key(struct buf *out, const char *key);
void print_str(struct buf *out, const char *key, struct slice text);
void print_int(struct buf *out, const char *key, int64_t value);
void print_bool(struct buf *out, const char *key, bool value);
void print_moment(struct buf *out, const char *key, int64_t ms);

/* A quoted cell of a CSV file.  One that begins like a formula gets a quote before it, also behind
   a leading blank; what moves a terminal's cursor, or hides text, is spelled out. */
void print_cell(struct buf *out, struct slice text);

/* The moment as RFC 3339 UTC, with whole seconds; "-" for 0. */
void print_utc(struct buf *out, int64_t ms);

/* Escaped, and filled with blanks up to the width. */
void print_padded(struct buf *out, struct slice text, int width);

/* 12s, 4m, 3h, 2d: rounded down; nothing is younger than 0s. */
void print_age(struct buf *out, int64_t ms);

/* 912 bytes, 1.3 MB: as disks count, 1000-based. */
void print_size(struct buf *out, int64_t bytes);

/* How a store is called where many read it, in metrics and alerts: a file without its folder, a URL
   as host and database alone, as it may hold a password. */
void print_store(struct buf *out, const char *name);

#endif

/* SPDX-License-Identifier: MIT */
/* Comma-separated values (RFC 4180): quoted cells, doubled quotes, LF or CRLF.  Cells are unquoted
   where they stand, so the text is changed and must be kept. */
#ifndef TS_ENRICH_CSV_H
#define TS_ENRICH_CSV_H

#include "fault.h"
#include "slice.h"

#define CSV_COLUMNS_MAX 64

struct csv {
    char *p, *end;    /* what is left */
    const char *path; /* for messages */
    unsigned line;    /* of the row read last, from 1 */
    unsigned next;    /* of the next row */
};

/* The next row that is not blank: 1, with its cells (spaces around unquoted ones are kept); 0 at
   the end; -1 with file and line in *why. */
int csv_row(struct csv *c, struct slice cells[CSV_COLUMNS_MAX], unsigned *count, struct fault *why);

#endif

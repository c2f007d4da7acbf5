/* SPDX-License-Identifier: MIT */
/* Comma-separated values (RFC 4180): quoted cells, doubled quotes, LF or CRLF; with semicolons or
   tabs in place of the commas too, as spreadsheets of many countries write them.  Cells are
   unquoted where they stand, so the text is changed and must be kept. */
#ifndef TS_ENRICH_CSV_H
#define TS_ENRICH_CSV_H

#include "fault.h"
#include "slice.h"

#define CSV_COLUMNS_MAX 256

struct csv {
    char *p, *end;    /* what is left */
    const char *path; /* for messages */
    unsigned line;    /* of the row read last, from 1 */
    unsigned next;    /* of the next row */
    char separator;
};

/* Before the first row: finds the separator, by a line "sep=;" or by what is most frequent in the
   first row. */
void csv_start(struct csv *c);

/* The next row that is not blank: 1, with its cells (spaces around unquoted ones are kept); 0 at
   the end; -1 with file and line in *why. */
int csv_row(struct csv *c, struct slice cells[CSV_COLUMNS_MAX], unsigned *count, struct fault *why);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Rows of named cells: a CSV file with a header row, or JSON objects in an array or one after the
 * other.  Which of these a file is, and what separates its cells, is told by its content.
 */
#ifndef TS_ENRICH_ROWS_H
#define TS_ENRICH_ROWS_H

#include "buf.h"
#include "csv.h"

struct rows {
    const char *path;
    unsigned line; /* of the row read last, from 1 */
    unsigned columns;
    struct slice name[CSV_COLUMNS_MAX]; /* JSON: more come with objects that have them */

    /* The module's own. */
    struct buf text;
    struct csv csv;
    char *p, *end;     /* JSON that is left; NULL: it is CSV */
    unsigned next;     /* line of p */
    bool array, first; /* between [ and ]; no object was read yet */
    struct buf pool;   /* the parser's memory for one object */
    struct buf joined; /* values of lists, between semicolons */
};

/* Reads the file and, of CSV, the header.  0, or -1 and *why; rows_close either way. */
int rows_open(struct rows *r, const char *path, size_t limit, struct fault *why);

/* The next row, its cells by column: 1; 0 at the end; -1 and *why with file and line.  Cells are
   valid until the next call; a row may have fewer or (CSV) more of them than there are columns. */
int rows_next(
    struct rows *r, struct slice cells[CSV_COLUMNS_MAX], unsigned *count, struct fault *why);

void rows_close(struct rows *r);

#endif

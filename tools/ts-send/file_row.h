/* SPDX-License-Identifier: MIT */
/*
 * How an event looks in a file: a line of NDJSON, or a row of CSV.  Pure.  A row is one line,
 * always: control characters in a cell become spaces; a cell that a spreadsheet would take for a
 * formula gets a ' in front.  event_id is the first cell of a row, so that a file can be asked for
 * what it has.
 */
#ifndef TS_SEND_FILE_ROW_H
#define TS_SEND_FILE_ROW_H

#include "identity.h"

#define FILE_COLUMNS_MAX 64
#define FILE_NAME_BYTES 256

struct file_column {
    struct slice name;      /* a field, hr.COLUMN, date or clock */
    struct slice heading;   /* in the first line */
    enum event_field field; /* EVENT_FIELDS: name decides */
};

struct file_format {
    bool csv;
    char separator;
    bool heading;
    unsigned columns;
    struct file_column column[FILE_COLUMNS_MAX];
};

/* "field[:heading],…"; what columns points to must live as long as the format.  event_id is put in
   front where it is not first.  0, or fault 64. */
int file_format_columns(struct file_format *f, const char *columns, struct fault *why);

/* The first line of a new file, with its newline; nothing for NDJSON. */
void file_format_heading(const struct file_format *f, struct buf *out);

/* The event, with its newline.  local: its wall clock.  id: its event_id, or what stands for it. */
void file_format_row(const struct file_format *f, struct buf *out, const struct event *e,
    struct slice id, const struct clock_time *local);

/* The id of a line as written above; false when it has none. */
bool file_format_id(const struct file_format *f, struct event_reader *reader, struct slice line,
    struct identity *id);

/* A set key of any event_id: its octets where it is a UUID. */
void file_id(struct slice text, struct identity *id);

/* The name of the file for a wall clock: %Y %m %d %H %j %G %V %u and %%.  check: 0, or fault 64. */
int file_name_check(const char *pattern, struct fault *why);
void file_name(const char *pattern, int64_t local_s, char out[FILE_NAME_BYTES]);

#endif

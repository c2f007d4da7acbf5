/* SPDX-License-Identifier: MIT */
/*
 * How bytes become events.  A format is one file in formats/ with one `struct format` and one line
 * in format.c's table.  It is pure: no I/O, no clock, no globals that change; so golden files and
 * fuzzing need nothing else.  It knows no transport; what the transport knows (origin, received_at,
 * device name) is added by the pump.
 */
#ifndef TS_FORMAT_H
#define TS_FORMAT_H

#include "event.h"

/* `-o key=value` pairs, in the order given. */
struct format_option {
    struct slice key, value;
};

struct format_options {
    const struct format_option *option;
    size_t count;
    size_t longest; /* --max-line: no record is longer, in bytes */
    bool pictures;  /* --snapshots: pictures are kept, and stay in the record of their event */
};

/* What one record says.  Slices may point into the record, into static text, or into the format's
   own state: they are used before the next call. */
struct decoded {
    const struct event *base; /* a line that is an event already (ndjson); NULL otherwise */
    struct draft
        draft; /* its fields, or the changes to base; `raw` only when it is not the record itself */
    const char
        *error; /* not understood, and why: a plain reason, the same text for the same cause */
    uint64_t unknown; /* EVENT_BITs of fields left out, because their word is none that is known */
    bool no_raw;      /* base carries everything: the pump adds no `raw` */
    const char *remark; /* "empty, left out": how many such records is said at the end; no error */
    bool nothing;       /* only that: the record makes no event */
    bool
        now; /* it says no time: that of a live one is when it came, and then error does not hold */
    bool history;        /* it did not happen just now: no `received_at` */
    struct slice device; /* a name that -d stands above, as a network address; SLICE_NONE: none */
};

/* Takes the events of a record, in order; a record may hold none (heartbeat), one, or many (JSON
 * array). */
struct emitter {
    void (*emit)(void *arg, const struct decoded *event);
    void *arg;

    /* Keeps a picture and appends the event's `snapshot` (an object, also where it could not be
     * kept).  NULL: pictures are dropped. */
    void (*keep)(void *arg, struct slice picture, struct buf *snapshot);
};

enum frame {
    FRAME_RECORD, /* *record is a record; *used bytes of the input are done */
    FRAME_SKIP, /* *used bytes are between records (empty line, padding, junk): go on after them */
    FRAME_MORE, /* no whole record yet; with end: nothing but the rest is left, which the pump
                   reports as torn */
};

struct format {
    const char *name;  /* as in -f and in `source` */
    const char *title; /* one line for --list-formats */

    /* How sure the first bytes are this format: 0 no, 1..99 maybe, 100 certain.  whole: there is no
     * more input. */
    int (*sniff)(struct slice head, bool whole);

    /* Where no format is known: that the first bytes are nearly this one, and what to give for it;
     * false when they are not.  Names no data of people.  NULL: never. */
    bool (*hint)(struct slice head, struct buf *out);

    /* Nothing is kept from one record to the next: between two, the state may be closed and opened
     * again (so that an idle peer keeps no memory). */
    bool stateless;

    /* Its records are counted to number them; of other formats, lines are. */
    bool binary;

    /* State of one stream (a file, a connection, a request body).  NULL and *why: an option was
     * wrong (64). */
    void *(*open)(const struct format_options *options, struct fault *why);
    void (*close)(void *state);

    /* Finds the next record in `in`; end: no more bytes will follow. */
    enum frame (*frame)(void *state, struct slice in, bool end, size_t *used, struct slice *record);

    /* Emits what the record says.  torn: it is the last line of the input and has no newline. */
    void (*decode)(void *state, struct slice record, bool torn, const struct emitter *out);
};

/* Sorted by name; NULL ends the table. */
extern const struct format *const formats[];

const struct format *format_find(struct slice name);

/* The format that is surest about the first bytes, or NULL when none is. */
const struct format *format_sniff(struct slice head, bool whole);

/* Whether a format has something to say about a head that none is sure of. */
bool format_hint(struct slice head, struct buf *out);

/* For formats of lines: a record is a line without its LF and without a CR before it, at the end of
 * the input also one without its LF; empty lines are skipped. */
enum frame frame_line(void *state, struct slice in, bool end, size_t *used, struct slice *record);

/* For open: 0 when every option's key is in the NULL-ended list, else -1 and a fault (64) that
 * names them. */
int format_options_check(const struct format_options *options, const char *format,
    const char *const *known, struct fault *why);

/* The last value given for a key; SLICE_NONE when there is none. */
struct slice format_option(const struct format_options *options, const char *key);

/* For sniff: takes the next line off the head, without its line end; false when none is left. */
bool format_head_line(struct slice *head, struct slice *line);

#endif

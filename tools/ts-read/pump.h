/* SPDX-License-Identifier: MIT */
/*
 * The pump: bytes of a stream become records (format->frame), records become events
 * (format->decode), and events become lines in the sink, with what only the transport knows:
 * device_id, source, origin, received_at, raw.  One pump for the program; one stream for each file,
 * connection and request body.
 */
#ifndef TS_PUMP_H
#define TS_PUMP_H

#include "clock.h"
#include "format.h"
#include "sink.h"
#include "zone.h"

struct tally;

/* One end of --since/--until. */
struct bound {
    bool set;
    struct clock_time at;
};

struct pump_config {
    const struct format *format; /* NULL: told by the first bytes of each stream */
    struct format_options options;
    const char *device;        /* -d; NULL: none */
    struct zone *zone;         /* -z; NULL: none */
    struct bound since, until; /* from since on, before until */
    struct tally *tally;       /* --count: events go here and nowhere else; NULL: not */
    struct album *album;       /* --snapshots; NULL: pictures are dropped */
};

struct pump;

/* Borrows what config points to.  NULL and *why: an option of the format, or
 * the range, is wrong (64). */
struct pump *pump_new(const struct pump_config *config, struct sink *sink, struct fault *why);
void pump_free(struct pump *p);

/* Events read, and those of them that were not understood. */
uint64_t pump_events(const struct pump *p);
uint64_t pump_bad(const struct pump *p);

/* Nothing can be read any more, for any stream: the output failed, or --since needs a zone. */
bool pump_failed(const struct pump *p);

/* Says on standard error what was not understood, and why; nothing when all was. */
void pump_report(const struct pump *p);

enum stream_kind {
    STREAM_FILE, /* no format fits: a fault; format is told from 4 KiB, or the end */
    STREAM_PIPE, /* the same, told as soon as a whole line is there */
    STREAM_TAIL, /* a file that grows; a line that fits no format is a record not understood */
    STREAM_PEER, /* live; likewise; records have no numbers */
    STREAM_BODY, /* live; what fits no format is one record; records have no numbers */
    STREAM_PAST, /* what a device kept: as STREAM_PEER, but not received when it happened */
};

struct stream_config {
    enum stream_kind kind;
    const char *origin;                   /* file's base name, or peer's address and port */
    const char *device;                   /* device_id where neither format nor -d knows one */
    bool certain_device;                  /* … it is the device's own name, and stands above -d */
    const struct format *format;          /* instead of the pump's auto; NULL: auto */
    bool certain_format;                  /* … and stands above -f */
    const struct format_options *options; /* of the format, instead of the pump's; NULL: those */
    struct track *track; /* the stream takes a share of its own; NULL without a command */

    /* Is shown each event before it is handed on (also those out of --since/--until); or NULL. */
    void (*see)(void *arg, const struct decoded *decoded);
    void *see_arg;
};

enum stream_state {
    STREAM_ERROR = -1,
    STREAM_END,  /* all done, after stream_end */
    STREAM_MORE, /* needs more bytes */
    STREAM_FULL, /* the sink has no room: run it again when it has */
};

struct stream;

struct stream *stream_open(struct pump *p, const struct stream_config *config);
void stream_close(struct stream *s);

/* Room for n more bytes; stream_added says how many of them came. */
char *stream_room(struct stream *s, size_t n);
void stream_added(struct stream *s, size_t n);

/* The stream takes over what a buffer holds, as its first and only bytes. */
void stream_take(struct stream *s, struct buf *b);

/* No more bytes will come. */
void stream_end(struct stream *s);

/* Turns what is there into events. */
enum stream_state stream_run(struct stream *s, struct fault *why);

/* Bytes buffered, of a record that is not whole yet (or that the sink had no room for). */
size_t stream_waiting(const struct stream *s);

/* Bytes of memory for them. */
size_t stream_room_bytes(const struct stream *s);

/* Gives memory back while little is buffered: for the many streams of a listener. */
void stream_trim(struct stream *s);

/* Events that this stream gave, with those that were not understood; and these alone. */
uint64_t stream_events(const struct stream *s);
uint64_t stream_bad(const struct stream *s);

/* Fills offset and line with where all before is done. */
void stream_place(const struct stream *s, struct place *place);

/*
 * Goes on in the middle of a file: `head` is the file's beginning, from which the format and what
 * it needs to know of it (a header row) are taken without giving an event; then the bytes that
 * follow are those at place->offset.
 */
int stream_resume(
    struct stream *s, struct slice head, const struct place *place, struct fault *why);

#endif

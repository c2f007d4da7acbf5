/* SPDX-License-Identifier: MIT */
/*
 * What a Dahua device answers, and what a source must know of its events to keep their order: pure
 * readers of its texts.  The events themselves are the format's.
 */
#ifndef TS_DAHUA_REPLY_H
#define TS_DAHUA_REPLY_H

#include "device_log.h"
#include "recording.h"

/* Items and pictures of a stream, as the format takes them apart. */
extern const struct recording_kind dahua_items;

struct dahua_notice {
    bool passage;           /* an AccessControl; anything else has no place */
    struct log_place place; /* serial -1, or without a time: the log has to tell; true times only */
};

/* An item of a stream. */
void dahua_notice_read(struct slice text, struct dahua_notice *out);

/* "sn=6G0123ABCD" in the answer to magicBox; false: it is not there. */
bool dahua_serial_read(struct slice text, char out[LOG_DEVICE_BYTES]);

/* A page of recordFinder. */
struct dahua_page {
    bool good;               /* it is one */
    unsigned count;          /* of its records */
    int64_t first_s, last_s; /* times of the first and the last; 0: none */
    struct buf kept;         /* the lines of those that `want` took, for the format */
};
/* mark: of all that the record says, to know it again when it comes on another page. */
typedef bool dahua_want(void *arg, const struct log_place *place, uint64_t mark);
void dahua_page_read(struct slice text, struct dahua_page *page, dahua_want *want, void *arg);

/* One of the kept records: that with the number, else the first; and what is before and behind it.
   Then the same as an event of a stream, which may have a picture behind it. */
struct slice dahua_record_cut(
    struct slice kept, int64_t serial, struct slice *before, struct slice *behind);
void dahua_record_live(struct slice record, struct buf *out);

/* The name in {"DevClass":…,"DeviceID":…,"ServerIP":…}, with which a terminal registers itself:
   letters, digits, - _ and dot.  False: it says none. */
#define DAHUA_NAME_BYTES 33
bool dahua_name_read(struct slice text, char out[DAHUA_NAME_BYTES]);

/* {"Token":…} in the answer to its login; false: there is none that could stand in a head. */
#define DAHUA_TOKEN_BYTES 257
bool dahua_token_read(struct slice text, char out[DAHUA_TOKEN_BYTES]);

#endif

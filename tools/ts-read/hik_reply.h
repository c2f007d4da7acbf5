/* SPDX-License-Identifier: MIT */
/*
 * What a Hikvision device answers, and what a source must know of its events to keep their order:
 * pure readers of JSON and XML.  The events themselves are the format's.
 */
#ifndef TS_HIK_REPLY_H
#define TS_HIK_REPLY_H

#include "device_log.h"
#include "fields.h"
#include "recording.h"

/* Items and pictures of a stream, as the format takes them apart. */
extern const struct recording_kind hikvision_items;

/* The short form, which newer terminals write, of a serial number that begins with the model: its
   last letters and digits, nine in all; a shorter one as it is. */
struct slice hik_short_serial(struct slice serial);

/* ---- records ---- */

struct hik_notice {
    bool heartbeat;     /* there to show that the connection lives */
    bool event;         /* of the access controller; anything else has no place */
    bool live, history; /* as it says itself; neither: it says nothing */
    struct log_place place;
    int64_t front; /* the record before it, as the device says; -1 */
};

/* Whether a notification that is no event of the access controller is a heartbeat. */
bool hik_is_heartbeat(yyjson_val *notification);

/* A document of a stream. */
void hik_notice_read(struct slice text, struct hik_notice *out);

/* ---- answers ---- */

struct hik_info {
    char serial[64]; /* short; "" */
    char mac[MAC_BYTES + 1];
};
bool hik_info_read(struct slice text, struct hik_info *out);

/* The device's own clock: a time with an offset, or beside its zone.  False: neither. */
bool hik_clock_read(struct slice text, struct log_place *out, char offset[8]);

enum hik_more { HIK_MORE, HIK_LAST, HIK_BAD };

/* A page of a search. */
struct hik_page {
    enum hik_more more;
    int64_t total;   /* records that match; -1: not said */
    unsigned count;  /* of this page */
    struct buf kept; /* a reply with those that `want` took, for the format; empty: none */
};
void hik_page_read(struct slice text, struct hik_page *page,
    bool (*want)(void *arg, const struct log_place *place), void *arg);

/* Why it was refused: "Invalid Operation (notSupport)"; false: it says nothing. */
bool hik_words_read(struct slice text, char *out, size_t room);

/* The body of a 401, in words; false: it says nothing. */
bool hik_refusal_read(struct slice text, char *out, size_t room);

/* ---- requests ---- */

struct hik_search {
    const char *id;
    uint64_t position;
    char from[CLOCK_TEXT], to[CLOCK_TEXT]; /* with an offset */
    int64_t first, last;                   /* serial numbers; -1: any */
};
void hik_search_print(struct buf *out, const struct hik_search *search);

#endif

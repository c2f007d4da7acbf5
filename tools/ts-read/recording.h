/* SPDX-License-Identifier: MIT */
/*
 * What a device said over HTTP, as it came: documents one after the other, or the parts of a
 * multipart stream, with or without the head of the message before them.  It is what a connection
 * carries and what a recording of one holds.  Pure; shared by the formats of such devices, which
 * say what an item of theirs is.
 */
#ifndef TS_RECORDING_H
#define TS_RECORDING_H

#include "document.h"
#include "format.h"
#include "multipart.h"

#define RECORDING_PICTURES 4 /* kept of one item; more are dropped */

enum item {
    ITEM_MORE,  /* not all of it is here */
    ITEM_WHOLE, /* the first *n bytes are one */
    ITEM_SKIP,  /* the first *n bytes are none; a line end after them is left */
};

struct recording_kind {
    /* What a text begins with that does not begin with white space.  whole: nothing more belongs to
       it; first: nothing of its part was taken before.  d is zeroed for each item. */
    enum item (*item)(struct document *d, struct slice text, bool whole, bool first, size_t *n);

    /* How many pictures follow an item, as it says itself. */
    unsigned (*pictures)(struct slice text);
};

struct recording {
    const struct recording_kind *kind;
    size_t limit;       /* longest item, with its pictures */
    bool with_pictures; /* they stay with their items; else they are passed over */
    bool multi;         /* in a multipart stream */
    bool lost;          /* behind an item that was too long */
    struct multipart m;
    struct document document;

    /* the item of the record handed out last */
    struct slice text;
    struct slice picture[RECORDING_PICTURES];
    unsigned pictures;
    bool cut;  /* it was not whole when the stream, or its part, ended */
    bool late; /* it was too long; text is its beginning */
};

void recording_begin(
    struct recording *r, const struct recording_kind *kind, const struct format_options *options);

/* As struct format has it; the record begins with `text`, and its pictures lie in it. */
enum frame recording_frame(
    struct recording *r, struct slice in, bool end, size_t *used, struct slice *record);

/* For sniff: what the head of an input begins with. */
enum recording_head {
    HEAD_JSON,
    HEAD_XML,
    HEAD_MESSAGE, /* the head of a message, or a boundary */
    HEAD_OTHER,
};
enum recording_head recording_head(struct slice *head); /* takes white space off */

/* Whether the word is anywhere in it; and whether it is a key in so many brackets, 1 for that of
   the outermost object: deeper down it may be what another program keeps of a record. */
bool recording_has(struct slice head, const char *word);
bool recording_key(struct slice head, const char *key, unsigned depth);

#endif

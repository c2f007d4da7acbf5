/* SPDX-License-Identifier: MIT */
/*
 * One event through all steps.  A step is a function in a file of its own: it looks at the event
 * and at what the steps before it found (the second half of struct context), and adds to the draft.
 * Everything that a draft borrows lives in the context, the event, the site or the roster.
 *
 * Steps are idempotent: what one of them set in an earlier run it sets again, from today's site and
 * roster, or takes away when its cause is gone.
 */
#ifndef TS_ENRICH_ENRICH_H
#define TS_ENRICH_ENRICH_H

#include "ahead.h"
#include "clock.h"
#include "drift.h"
#include "event.h"
#include "identity.h"
#include "names.h"
#include "pseudonym.h"
#include "roster.h"
#include "rules.h"
#include "site.h"
#include "state.h"

/* What becomes of pictures that events refer to. */
struct pictures {
    enum { PICTURES_KEEP, PICTURES_REFERENCE, PICTURES_INLINE, PICTURES_OMIT } mode;
    int folder;         /* a descriptor, with REFERENCE and INLINE */
    uint64_t bytes_max; /* of one */
};

/* From the command line; these stand above the site file, except that a device's own zone wins. */
struct settings {
    struct slice device; /* -d; SLICE_NONE: not given */
    struct zone *zone;   /* -z; NULL: not given */
    bool require_employee;
    int64_t max_skew_ms; /* -1: not given */
    int window_s;        /* --repeat-window; -1: not given */
    struct names redact, drop, keep;
    struct pictures pictures;
    struct rules *rules;                    /* NULL: none */
    const struct identity_hash *hash;       /* NULL: as common/identity.h has it */
    const struct identity_hash *pseudonyms; /* NULL: ids stay as they are */
};

/* Why an event waits; the texts are in hold.c. */
enum hold { HOLD_NONE, HOLD_CLOCK, HOLD_CLAIMED, HOLD_UNMAPPED, HOLDS };

#define DEVICE_ID_KEPT 128
#define PSEUDONYMS 4 /* fields that may have one */

/* How often something was met, and the device of the first of them. */
struct first {
    uint64_t count;
    char device[DEVICE_ID_KEPT];
};

/* What step_when worked with. */
struct moment {
    bool known;                  /* there is a wall clock: the rest holds */
    bool only_time;              /* it is that of `time`; there is no local_time */
    struct slice text;           /* the wall clock as the device wrote it, without offset */
    struct clock_time wall;      /* … with the correction of the site file */
    const struct clock_fix *fix; /* that correction; NULL: none */
    struct slice offset;         /* Z or an offset that the device wrote; SLICE_NONE: none */
    int32_t offset_s;
    bool trusted;      /* … and it counts */
    bool unset;        /* without a correction the event would wait */
    struct zone *zone; /* that the configuration has for then; NULL: none */
};

struct context {
    struct settings settings;
    const struct site *site;
    const struct roster *roster; /* NULL: none */
    struct state *state;         /* who passed last; NULL: passages are not looked at */

    /* The event's local_time, read once for all steps. */
    struct slice local;
    struct clock_time clock;
    bool has_clock; /* `clock` holds it, with its time of day */
    bool has_received;
    int64_t received_ms; /* received_at */
    int64_t now_ms;      /* our clock when it was looked at; never ahead of it */

    struct slice card; /* card_no, after step_card as it comes out; SLICE_NONE: none */

    /* What the steps found out about the event in hand. */
    const struct device *device; /* NULL: not in the site file */
    struct slice device_id;      /* canonical; SLICE_NONE: none */
    struct moment moment;
    bool resolved; /* instant_ms is known */
    int64_t instant_ms;
    bool clock_unset;
    struct identity identity; /* event_id, where step_identity made it */
    enum way way;             /* WAY_IN, WAY_OUT or WAY_UNSAID */
    struct slice way_from;    /* by whom it was said in this run, in quotes */
    bool alternate;           /* not said, but the other way than the last one */
    struct slice note;        /* the time_note that it will have; SLICE_NONE: none */
    enum hold hold;

    /* Texts that the draft borrows, quotes and all. */
    char event_id[IDENTITY_TEXT + 2], other_id[IDENTITY_TEXT + 2], time[CLOCK_TEXT + 2], skew[24];
    char card_text[CARD_TEXT + 2];
    char pseudonym[PSEUDONYMS][PSEUDONYM_TEXT + 2];
    struct buf hr, decoded, picture;

    char offset[8]; /* of the last event's time: "+08:00" */
    int32_t offset_s;

    /* The device of the last event: most come in runs of one device. */
    char last_id[DEVICE_ID_KEPT];
    size_t last_bytes;
    bool last_known;
    const struct device *last_device;

    struct drift *drift; /* of live events */
    struct ahead ahead;

    /* The place of the last passage: device, 0x1f, reader. */
    char place[2 * DEVICE_ID_KEPT];
    size_t place_bytes; /* 0: none */
    uint64_t place_key;

    struct event_reader *reader, *hr_reader;
    struct buf bad;     /* the record of a line that is no event */
    struct buf unruled; /* the event before the rules */

    uint64_t lines, not_understood;
    uint64_t pictureless;          /* events whose picture could not be had */
    const char *picture_error;     /* of the last of them; static */
    uint64_t rules_failed;         /* events that --jq gave no result for */
    uint64_t nameless;             /* events without device_id */
    uint64_t strangers;            /* events of devices that the site file does not have */
    char stranger[DEVICE_ID_KEPT]; /* the first of them */
    uint64_t claimed;              /* events of an id that two people claim */
    struct first zoneless;         /* events left without `time` for want of a zone */
    struct first card_misfits;     /* cards that do not fit their rule */
    struct first unset;            /* events of unset clocks */
};

/* The settings are filled by the caller afterwards; site and roster by context_use. */
void context_init(struct context *c);
void context_free(struct context *c);

/* Works with these from the next event on; both stay the caller's. */
void context_use(struct context *c, const struct site *site, const struct roster *roster);

/* How far a device's clock may be off. */
int64_t context_max_skew_ms(const struct context *c);

/* Reads what several steps need of an event; enrich_line does it by itself. */
void context_read(struct context *c, const struct event *e);

/* Appends what becomes of one line, with its newline.  `bad` is what is wrong with the line already
   ("too long"), or NULL. */
void enrich_line(struct context *c, struct slice line, const char *bad, struct buf *out);

/* Gets ready for the first lines of what comes next; returns after how many lines to call it again.
 */
unsigned enrich_ahead(struct context *c, struct slice input);

/* Whether the line is one JSON object that event_read takes. */
bool enrich_whole(struct context *c, struct slice line);

/* ---- the steps, in their order ---- */

typedef void step(const struct event *e, struct context *c, struct draft *d);

step step_registry;  /* device_id: aliases to names */
step step_identity;  /* event_id */
step step_when;      /* time, time_note: local_time in the device's zone */
step step_card;      /* card_no, card_read: by the reader's rule */
step step_person;    /* employee_id, hr from the roster */
step step_direction; /* direction, direction_from: by tables */
step step_passage;   /* … and by turns; duplicate_of, cancels */
step step_snapshot;  /* the placeholder */
step step_skew;      /* skew_s, time_note "drift" */
step step_hold;      /* hold: what the steps before said */
step step_pseudonymize;
step step_redact; /* takes fields away */
step step_drop;

/* ---- for steps ---- */

/* Whether a clock of ours that shows this was ever set: it is 2026-11-01, when this was written, or
   later. */
static inline bool clock_is_set(int64_t ours_ms)
{
    return ours_ms >= 1793491200000;
}

/* Sets a string field, unless the event has just this text already.  The text is given in its
   quotes, and needs no escapes. */
static inline void put_quoted(
    const struct event *e, struct draft *d, enum event_field field, struct slice quoted)
{
    struct slice old = event_str(e, field);

    d->gone &= ~EVENT_BIT(field); /* an earlier step may have taken it away */
    if (!old.p || !slice_eq(old, (struct slice){quoted.p + 1, quoted.n - 2}))
        draft_json(d, field, quoted);
}

#define PUT(e, d, field, literal) put_quoted((e), (d), (field), SLICE("\"" literal "\""))

static inline void count_first(struct first *f, struct slice device)
{
    size_t n = device.n < sizeof f->device ? device.n : sizeof f->device - 1;

    if (f->count++ > 0)
        return;
    if (n > 0)
        memcpy(f->device, device.p, n);
    f->device[n] = '\0';
}

/* direction and direction_from, which is given in its quotes. */
void put_way(const struct event *e, struct draft *d, enum way way, struct slice from);

/* Whether the site or the command line asks for what a person's last passages decide. */
static inline bool counts_passages(const struct context *c)
{
    return c->site->counts_passages || c->settings.window_s > 0;
}

/* Takes a field away if it is there. */
static inline void put_nothing(const struct event *e, struct draft *d, enum event_field field)
{
    if (event_has(e, field))
        draft_remove(d, field);
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * From events to the request that a jq profile makes of them: the input of its functions, and what
 * `login`, `request` and `check` return.  Pure but for the zone of -o zone=.
 */
#ifndef TS_SEND_ASK_H
#define TS_SEND_ASK_H

#include "header.h"
#include "scripted.h"
#include "transfer.h"

#define ASK_FIELDS_MAX 32
#define ASK_STEPS_MAX 8 /* requests for the same events, one after the other */

/* A request as it goes out. */
struct ask {
    const char *method; /* of a table */
    struct buf url, body, fields;
    const char *field[ASK_FIELDS_MAX]; /* "Name: value", in `fields` */
    unsigned field_count;
    bool has_body;
    bool idempotency;   /* send Idempotency-Key */
    bool safe;          /* nothing arrives by it: a search */
    int64_t timeout_ms; /* 0: not said */
    struct value sent;  /* as the profile returned it, without headers */
};

void ask_init(struct ask *a);
void ask_free(struct ask *a);

struct ask_event {
    struct slice body; /* its JSON */
    struct slice key;
    unsigned attempts;
    bool ambiguous;
};

#define ASK_NO_TIME INT64_MIN

/* The event as a profile sees it.  *unix_s: its moment, or ASK_NO_TIME. */
struct value ask_event(const struct scripted *p, const struct ask_event *e, int64_t *unix_s);

/* Local seconds as "2026-05-04 08:00:00". */
struct value ask_clock(int64_t local_s);

/* The input of a function; takes nothing.  With what is secret only for those that make requests.
 */
struct ask_input {
    struct value events, memo, session;
    int64_t now_s;
    const struct value *devices; /* of `watermark`; NULL: none */
};
struct value ask_input(const struct scripted *p, const struct ask_input *in, bool secrets);

/* The request that `said` describes, into *a (replaced), signed where it says so; common: the
   fields of all requests, which win.  -1 and *why when it describes none. */
int ask_read(const struct scripted *p, struct value said, const struct headers *common,
    struct ask *a, struct fault *why);

/* … as it goes out, but for its key, its tag and whether it goes once; valid as long as *a. */
struct request ask_request(const struct ask *a);

/* It is on its way: lets go of its body in `sent`, which as a value is several times its text.
   `verdict` does not see it. */
void ask_gone(struct ask *a);

#endif

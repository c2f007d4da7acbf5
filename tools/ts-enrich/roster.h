/* SPDX-License-Identifier: MIT */
/*
 * The roster: who a person_id or card_no is to the HR system, on which device and on which day.
 * Read from CSV or JSON (ts-site(5)) and kept as JSON text that only has to be copied into an
 * event.
 */
#ifndef TS_ENRICH_ROSTER_H
#define TS_ENRICH_ROSTER_H

#include "names.h"
#include "site.h"

struct roster;

struct person {
    struct slice employee; /* JSON string */
    struct slice hr;       /* JSON object of strings; SLICE_NONE: nothing more is known */
    unsigned line;         /* of the roster */
};

enum roster_answer { ROSTER_UNKNOWN, ROSTER_FOUND, ROSTER_CLAIMED /* by two people: nobody's */ };

enum roster_key { ROSTER_PERSON, ROSTER_CARD };

#define ROSTER_NO_DAY INT32_MIN

/* Where and when an id was seen. */
struct roster_at {
    struct slice device; /* SLICE_NONE: unknown */
    int32_t day;         /* since 1970-01-01, by the device's wall clock; or ROSTER_NO_DAY */
};

/* Gets a remark on the file, without names or ids: "roster.csv:7: …". */
typedef void roster_remark(const char *text);

/* Reads the file as the site says (columns, card rule, names of devices).  Columns in left_out do
   not get into `hr`.  NULL and *why, with file and line, when the file cannot be read or is no
   roster.  The site is not kept. */
struct roster *roster_load(const char *path, const struct site *site, const struct names *left_out,
    roster_remark *remark, struct fault *why);
void roster_free(struct roster *r);

/* Rows with an employee. */
size_t roster_people(const struct roster *r);

/* The person who has the id there and then.  Ids are compared without the spaces around them,
   cards as card_key has it.  What holds on this device alone stands above the rest; without a day
   only what holds for ever is looked at.  *person is valid as long as the roster. */
enum roster_answer roster_find(const struct roster *r, enum roster_key key, struct slice id,
    struct roster_at at, struct person *person);

/* Of many ids at once: asks for the memory that roster_find will read, and gives the employee whose
   it probably is (SLICE_NONE: nobody's), as text without its quotes. */
#define ROSTER_AHEAD 32
void roster_ahead(const struct roster *r, unsigned n, const enum roster_key *keys,
    const struct slice *ids, struct slice *employees);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The roster: who a person_id or card_no is to the HR system.  A CSV file with a header row;
 * columns person_id, card_no and employee_id, all others go to `hr`.  Kept as JSON text that only
 * has to be copied into an event.
 */
#ifndef TS_ENRICH_ROSTER_H
#define TS_ENRICH_ROSTER_H

#include "names.h"

struct roster;

struct person {
    struct slice employee; /* JSON string */
    struct slice hr;       /* JSON object of strings; SLICE_NONE: nothing more is known */
};

enum roster_answer { ROSTER_UNKNOWN, ROSTER_FOUND, ROSTER_CLAIMED /* by two people: nobody's */ };

enum roster_key { ROSTER_PERSON, ROSTER_CARD };

/* Gets a remark on the file, without names or ids: "roster.csv:7: …". */
typedef void roster_remark(const char *text);

/* Columns in left_out do not get into `hr`.  NULL and *why, with file and line, when the file
   cannot be read or is no roster. */
struct roster *roster_load(
    const char *path, const struct names *left_out, roster_remark *remark, struct fault *why);
void roster_free(struct roster *r);

/* Rows with an employee. */
size_t roster_people(const struct roster *r);

/* The person of an id, compared without the spaces around it.  *person is valid as long as the
   roster. */
enum roster_answer roster_find(
    const struct roster *r, enum roster_key key, struct slice id, struct person *person);

#endif

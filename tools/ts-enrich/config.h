/* SPDX-License-Identifier: MIT */
/*
 * Configuration by JSON, comments and trailing commas allowed.  Each object is read through a table
 * of its keys: one key is one line of the table and one function.  Unknown keys, their suggestions
 * and the place of every mistake need no code of their own; all mistakes of a file are told at
 * once.
 */
#ifndef TS_ENRICH_CONFIG_H
#define TS_ENRICH_CONFIG_H

#include <stdint.h>
#include <yyjson.h>

#include "buf.h"
#include "fault.h"
#include "zone.h"

/* Gets each mistake as "file:line:column: key.key: what is wrong: what to do". */
typedef void config_report(const char *text);

/* A file that is read.  The strings that the functions below give are valid until config_free. */
struct config {
    const char *path;
    void *target; /* what the root is read into; for keys that look beyond their own object */
    config_report *report;
    unsigned mistakes;
    struct buf text; /* parsed in place: an address in it tells the line */
    struct buf said; /* the same as it was in the file */
    yyjson_doc *doc;
};

/* Where we are: a value and what led to it. */
struct place {
    struct config *file;
    const struct place *up; /* NULL at the root */
    yyjson_val *key;        /* NULL at the root and for items of a list */
    size_t item;            /* of a list, from 0 */
    yyjson_val *value;
};

typedef void config_reader(const struct place *at, void *target);

struct config_key {
    const char *name; /* NULL ends a table */
    config_reader *read;
};

/* A string that stands for a number; the word "null" is JSON's null. */
struct config_word {
    const char *word; /* NULL ends a table */
    int value;
};

/* Reads the file whose path, target and report are set.  -1 and *why when it cannot be read, is not
   JSON, or has mistakes (then they are counted, and what could be read is read). */
int config_load(struct config *c, const struct config_key *keys, struct fault *why);
void config_free(struct config *c);

__attribute__((format(printf, 2, 3))) void config_mistake(
    const struct place *at, const char *format, ...);

/* ---- a second look at a file that was read, to speak of what may not be meant ---- */

struct place config_root(struct config *c);

/* The member of that name; false when there is none. */
bool config_member(const struct place *at, const char *name, struct place *member);

/* As config_mistake, but it counts for nothing. */
__attribute__((format(printf, 2, 3))) void config_remark(
    const struct place *at, const char *format, ...);

/* ---- values; each reports what it cannot take, and then what it returns does not matter ---- */

/* An object by the table of its keys; and one member by the table. */
void config_object(const struct place *at, const struct config_key *keys, void *target);
void config_by_table(const struct place *at, const struct config_key *keys, void *target);

/* An object whose keys are names: each member by the same function. */
void config_members(const struct place *at, config_reader *read, void *target);
struct slice config_name(const struct place *at); /* the member's */
size_t config_size(const struct place *at);       /* how many members or items, at most */

/* A list, each item by the same function; or one item without a list around it. */
void config_list(const struct place *at, config_reader *read, void *target);
void config_one_or_list(const struct place *at, config_reader *read, void *target);

bool config_is_object(const struct place *at); /* asks, does not report; so does the next */
bool config_is_list(const struct place *at);
const char *config_text(const struct place *at); /* never empty; NULL after a mistake */
int config_word(const struct place *at, const struct config_word *words);
bool config_bool(const struct place *at);
double config_number(const struct place *at, const char *what, double low, double high);
int config_minutes(const struct place *at);     /* "HH:MM", in minutes after midnight */
int64_t config_local_s(const struct place *at); /* a wall clock, date alone or with a time */
struct zone *config_zone(const struct place *at);

#endif

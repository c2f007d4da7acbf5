/* SPDX-License-Identifier: MIT */
/*
 * The site file, ts-site(5): which devices there are, where they hang, what their keys mean.  Read
 * once and never changed; a reload reads a new one and lets go of the old.
 */
#ifndef TS_ENRICH_SITE_H
#define TS_ENRICH_SITE_H

#include <stdint.h>

#include "card.h"
#include "clockwork.h"
#include "config.h"

enum way {
    WAY_UNSAID, /* the file does not speak of it */
    WAY_NONE,   /* null: it says nothing about the direction */
    WAY_IN,
    WAY_OUT,
    WAY_ALTERNATE, /* of a direction: the other way than the person's last one */
};

enum punch {
    PUNCH_CHECK_IN,
    PUNCH_CHECK_OUT,
    PUNCH_BREAK_OUT,
    PUNCH_BREAK_IN,
    PUNCH_OVERTIME_IN,
    PUNCH_OVERTIME_OUT,
    PUNCHES, /* how many; also "not one of them" */
};

enum punch punch_find(struct slice name);
const char *punch_name(enum punch punch);

struct reader_way {
    struct slice reader;
    enum way way;
    struct card_rule card; /* how it writes cards; count 0: not said */
};

/* What keys without a name mean, by the code that the device writes. */
struct code_way {
    struct slice code;
    enum way way;
};

struct code_table {
    struct code_way *row; /* owned by the site */
    size_t rows;
};

#define WINDOW_MAX_S 86400
#define PASSING_TIME_S 10
#define PASSING_MAX_S 240

/* What counts as a passage.  -1: not said. */
struct passage_rules {
    int window_s;       /* the same person at the same place within so long is a repeat; 0: never */
    int day_starts_min; /* after midnight: alternation begins anew */
    int passing_time_s; /* a device only: how late it says that nobody walked through */
    bool ghost_hour;    /* a device only: it writes some passages twice, an hour apart */
};

#define PASSAGE_RULES_UNSAID                                                                       \
    {                                                                                              \
        -1, -1, -1, false                                                                          \
    }

struct device {
    struct slice name;
    struct clockwork clock;
    enum way direction;         /* of the whole device */
    enum way punch[PUNCHES];    /* as this device's own table has it */
    struct reader_way *readers; /* owned by the site */
    size_t reader_count;
    struct card_rule card;   /* for readers without a rule of their own */
    struct code_table codes; /* beside punch */
    struct passage_rules passage;
};

/* What a column of the roster is. */
enum roster_role {
    ROLE_PERSON,
    ROLE_CARD,
    ROLE_EMPLOYEE,
    ROLE_DEVICE, /* on which the row's ids hold; all, if it is empty */
    ROLE_FROM,   /* the first day on which they hold */
    ROLE_UNTIL,  /* the last */
    ROLES,
};

const char *roster_role_name(enum roster_role role);

#define ROSTER_NAMES_MAX 8
#define ROSTER_LEAST 0.5

#define SITE_MAX_SKEW_S 300

struct site {
    struct zone *zone; /* NULL: not said */
    char *roster;      /* path, made relative to the site file's folder; NULL: none */
    struct slice roster_column[ROLES][ROSTER_NAMES_MAX]; /* none: the role's own name */
    double roster_least;          /* share of its people that a new roster must have at least */
    struct card_rule roster_card; /* how the roster writes cards */
    struct card_rule card;        /* how readers do that have no rule of their own */
    bool require_employee;
    int64_t max_skew_ms;
    enum way punch[PUNCHES]; /* for devices without a word of their own; never WAY_UNSAID */
    struct code_table codes;
    enum way direction; /* WAY_ALTERNATE, for devices that do not say otherwise */
    struct passage_rules passage;
    bool counts_passages; /* somewhere in it passages alternate, repeat or appear twice */
    struct device *devices;
    size_t device_count;
    struct site_memory *memory; /* what the slices above point into */
};

/* NULL and *why when the file cannot be read or has mistakes; each mistake was reported before. */
struct site *site_load(const char *path, config_report *report, struct fault *why);

/* The same, but what can be read of a file with mistakes is read, and their number told. */
struct site *site_try(
    const char *path, config_report *report, unsigned *mistakes, struct fault *why);

/* The device whose name is nearest to this one, if it is near enough for a typing mistake. */
const struct device *site_near(const struct site *s, const char *name);

/* A site without a file: no devices, no zone, the usual punch table. */
struct site *site_new(void);
void site_free(struct site *s);

/* The whole file; NULL where there is none. */
yyjson_val *site_json(const struct site *s);

/* The device of that name or alias; NULL when the file has none. */
const struct device *site_find(const struct site *s, struct slice name);

#endif

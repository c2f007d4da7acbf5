/* SPDX-License-Identifier: MIT */
/* Which events a list or a change by hand is about: the options that these subcommands share. */
#ifndef TS_SPOOL_SELECT_H
#define TS_SPOOL_SELECT_H

#include "option.h"
#include "store.h"
#include "when.h"

enum {
    SELECT_WAITING = OPTION_LONG + 100,
    SELECT_HELD,
    SELECT_DEAD,
    SELECT_SKIPPED,
    SELECT_DELIVERED,
    SELECT_SINCE,
    SELECT_UNTIL,
    SELECT_DEVICE,
    SELECT_PERSON,
    SELECT_ID,
    SELECT_IDS,
};

/* Rows for an option table. */
#define SELECT_STATE_OPTION(code, name)                                                            \
    {                                                                                              \
        code, name, NULL, "the " name                                                              \
    }
#define SELECT_OPTIONS                                                                             \
    {SELECT_SINCE, "since", "TIME", "from this time of the event on"},                             \
        {SELECT_UNTIL, "until", "TIME", "before this time of the event"},                          \
        {SELECT_DEVICE, "device", "ID", "of this device"},                                         \
        {SELECT_PERSON, "person", "ID", "of this employee_id, person_id or card_no"},              \
        {SELECT_ID, "id", "ID", "the event with this event_id; several times"},                    \
    {                                                                                              \
        SELECT_IDS, "ids", "FILE", "the events whose event_ids stand there; -: input"              \
    }

struct selection {
    unsigned states; /* 0: none were named */
    struct when since, until;
    struct slice device, person;
    bool by_id;           /* these events are meant, else all */
    struct identity *ids; /* owned */
    size_t id_count;
};

/* 1: the option was one of these; 0: it is not; -1. */
int select_option(struct selection *s, const struct option_value *v, struct fault *why);

/* Whether something narrower than states is given. */
bool select_narrow(const struct selection *s);

/* Whether an event whose state fits is meant. */
bool select_match(const struct selection *s, const struct event *e);

/* STATE_BITs of the states meant. */
unsigned select_states(const struct selection *s);

/* How many pages there are to start with, and the n-th. */
size_t select_pages(const struct selection *s);
struct page select_page(const struct selection *s, size_t n);

#endif

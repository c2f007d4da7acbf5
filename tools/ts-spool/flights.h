/* SPDX-License-Identifier: MIT */
/* Fresh events that were handed out and are not answered: whose they are.  They have no row that
   would say it.  Persons are told by a hash: two that share one wait for each other, no more. */
#ifndef TS_SPOOL_FLIGHTS_H
#define TS_SPOOL_FLIGHTS_H

#include <stdint.h>

#include "slice.h"

struct flights {
    struct flight *at; /* owned; by seq, answered ones among them */
    size_t count, cap, answered;
};

/* 0 for SLICE_NONE, never 0 otherwise. */
uint64_t flights_person(struct slice person);

/* seq is higher than all before it. */
void flights_add(struct flights *f, uint64_t seq, uint64_t person);

/* Unknown and answered ones are ignored. */
void flights_answer(struct flights *f, uint64_t seq);

/* Whether an event of the person with a higher number is out. */
bool flights_above(const struct flights *f, uint64_t seq, uint64_t person);

void flights_free(struct flights *f);

#endif

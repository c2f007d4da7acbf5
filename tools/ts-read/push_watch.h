/* SPDX-License-Identifier: MIT */
/*
 * What is noticed of terminals that push events with numbers, and said on standard error: a clock
 * that goes back, a log that was emptied, another device in the place of one.
 */
#ifndef TS_PUSH_WATCH_H
#define TS_PUSH_WATCH_H

#include "format.h"

struct push_watch;

struct push_watch *push_watch_new(void);
void push_watch_free(struct push_watch *w);

/* Looks at an event from host: of the device that it names, else of whoever is there. */
void push_watch_event(struct push_watch *w, const char *host, const struct decoded *event);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Whether the receiver takes events at all.  Pure: time and random numbers are handed in.
 *
 *   UP ------- trouble that concerns every event, or TROUBLES_MAX in a row ------> STOPPED
 *   STOPPED -- its backoff step (or Retry-After) has passed, one event goes ----> PROBING
 *   PROBING -- trouble again, one step further --------------------------------> STOPPED
 *   PROBING -- the event is delivered (or, unless every event is refused, judged) -> UP
 *
 * The longer it is away, the less often it is tried: once the last backoff step is reached, the
 * wait is an eighth of the time that it has been away, up to PROBE_LAST_STEPS such steps.  With
 * 60 s that is 6 min 40 s to 10 min, from an hour and twenty minutes on.
 */
#ifndef TS_SEND_DESTINATION_H
#define TS_SEND_DESTINATION_H

#include <stdint.h>

#include "backoff.h"
#include "verdict.h"

#define PROBE_LAST_STEPS 10
#define TROUBLES_MAX 5 /* failures in a row, with no event judged between them: an outage */
/* A wrong receiver or a wrong map: so many refusals in a row, without one delivery between, of so
   many persons (an anonymous event is one of its own) or of all that are in hand; or so many
   whoever they are of. */
#define REFUSALS_MAX 20
#define REFUSED_PERSONS_MIN 3
#define REFUSALS_LAST 100

enum destination_state { DESTINATION_UP, DESTINATION_STOPPED, DESTINATION_PROBING };
enum change { CHANGE_NONE, CHANGE_STOPPED, CHANGE_CAUSE, CHANGE_UP };

struct destination {
    enum destination_state state;
    struct backoff backoff;
    enum cause cause;              /* why it is not UP */
    unsigned causes;               /* all that it had since it stopped: bits 1 << cause */
    int64_t since_ms;              /* when it stopped */
    int64_t next_ms;               /* no request before */
    unsigned step;                 /* of the backoff: probes that failed, and the first failure */
    unsigned troubles, refusals;   /* in a row */
    uint64_t blamed[TROUBLES_MAX]; /* whose events made the troubles that may be their own fault */
    unsigned blames;
    uint64_t refused[REFUSED_PERSONS_MIN]; /* whose events were refused in this row */
    unsigned refused_persons;
    bool refusing; /* it refuses every event: none of them is to blame, until one is delivered */
};

void destination_init(struct destination *d, const struct backoff *backoff);

/* It was away already, by the word of whoever started us: since then.  One request shows whether it
   still is: if so, the cause is a new one; if not, nothing has changed. */
void destination_resume(struct destination *d, int64_t since_ms, int64_t now_ms);

/* Whether a request may start now; when it is not UP, one of one event (then say
 * destination_probe). */
bool destination_open(const struct destination *d, int64_t now_ms);
void destination_probe(struct destination *d);

/* The probe came to nothing that says anything: another one may go at once. */
void destination_again(struct destination *d, int64_t now_ms);

/* A refused event. */
struct refused {
    uint64_t person;
    bool others; /* persons are in hand of whom no event was refused in this row */
    bool probe;
};

/* What came back.  Each returns whether the state changed from or to UP, or the cause to one that
   it did not have since it stopped.  `probe`: the request was sent by destination_probe; what was
   under way before a stop says nothing about what comes after.
 */
enum change destination_delivered(struct destination *d, bool probe);
enum change destination_refused(
    struct destination *d, const struct refused *r, int64_t now_ms, uint64_t random);

/* Whether the person is among the first few of whom events were refused in this row. */
bool destination_refuses(const struct destination *d, uint64_t person);

/* Part of an array is refused, which part is not known yet: it judges, so it is no outage. */
void destination_judged(struct destination *d);

/* Refused again, after others were delivered: that event is bad, and says nothing about the rest.
 */
enum change destination_known_bad(
    struct destination *d, bool probe, int64_t now_ms, uint64_t random);

struct trouble {
    struct verdict verdict;
    uint64_t person; /* whose event; 0: nobody's in particular */
    bool probe;
    int64_t wait_ms; /* what Retry-After said, or -1 */
};
enum change destination_trouble(
    struct destination *d, const struct trouble *t, int64_t now_ms, uint64_t random);

#endif

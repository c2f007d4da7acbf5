/* SPDX-License-Identifier: MIT */
/* The state machine of a destination. */
#include "destination.h"

void destination_init(struct destination *d, const struct backoff *backoff)
{
    *d = (struct destination){.backoff = *backoff};
}

bool destination_open(const struct destination *d, int64_t now_ms)
{
    return d->state != DESTINATION_PROBING && now_ms >= d->next_ms;
}

void destination_probe(struct destination *d)
{
    d->state = DESTINATION_PROBING;
}

void destination_again(struct destination *d, int64_t now_ms)
{
    if (d->state != DESTINATION_PROBING)
        return;
    d->state = DESTINATION_STOPPED;
    d->next_ms = now_ms;
}

static enum change up(struct destination *d, bool probe)
{
    enum change change;

    if (d->state == DESTINATION_UP || !probe)
        return CHANGE_NONE;
    change = d->causes ? CHANGE_UP : CHANGE_NONE;
    d->state = DESTINATION_UP;
    d->cause = CAUSE_NONE;
    d->causes = 0;
    d->next_ms = 0;
    return change;
}

void destination_resume(struct destination *d, int64_t since_ms, int64_t now_ms)
{
    d->state = DESTINATION_STOPPED;
    d->cause = CAUSE_OUTAGE;
    d->since_ms = since_ms < now_ms ? since_ms : now_ms;
    d->next_ms = now_ms;
}

/* Between two probes.  Where it is long, a third of it is left to chance. */
static int64_t probe_wait(const struct destination *d, int64_t now_ms, uint64_t random)
{
    int64_t last_ms = d->backoff.last_ms, away_ms = (now_ms - d->since_ms) / 8;

    if (away_ms <= last_ms)
        return backoff_ms(&d->backoff, d->step, random);
    if (away_ms > last_ms * PROBE_LAST_STEPS)
        away_ms = last_ms * PROBE_LAST_STEPS;
    return away_ms - (int64_t)(random % (uint64_t)(away_ms / 3 + 1));
}

/* Stops, or goes one step further. */
static enum change stop(struct destination *d, enum cause cause, bool probe, int64_t wait_ms,
    int64_t now_ms, uint64_t random)
{
    enum change change = d->state == DESTINATION_UP ? CHANGE_STOPPED : CHANGE_NONE;
    int64_t next;

    if (change == CHANGE_STOPPED) {
        d->since_ms = now_ms;
        d->step = 0;
    } else if (!probe) {
        /* Sent before the stop: it says nothing new, unless how long to wait. */
        if (wait_ms > 0 && now_ms + wait_ms > d->next_ms)
            d->next_ms = now_ms + wait_ms;
        return CHANGE_NONE;
    }
    if (change == CHANGE_NONE && !(d->causes & 1u << cause))
        change = CHANGE_CAUSE;
    d->state = DESTINATION_STOPPED;
    d->cause = cause;
    d->causes |= 1u << cause;
    d->step++;
    next = probe_wait(d, now_ms, random);
    d->next_ms = now_ms + (wait_ms > next ? wait_ms : next);
    return change;
}

void destination_judged(struct destination *d)
{
    d->troubles = d->blames = 0;
}

enum change destination_delivered(struct destination *d, bool probe)
{
    destination_judged(d);
    d->refusals = d->refused_persons = 0;
    d->refusing = false;
    return up(d, probe);
}

static bool among(const uint64_t *persons, unsigned n, uint64_t person)
{
    for (unsigned i = 0; i < n; i++)
        if (persons[i] == person)
            return true;
    return false;
}

bool destination_refuses(const struct destination *d, uint64_t person)
{
    return person && among(d->refused, d->refused_persons, person);
}

enum change destination_refused(
    struct destination *d, const struct refused *r, int64_t now_ms, uint64_t random)
{
    bool many;

    destination_judged(d);
    d->refusals++;
    if (d->refused_persons < REFUSED_PERSONS_MIN && !destination_refuses(d, r->person))
        d->refused[d->refused_persons++] = r->person;
    /* One person whom the receiver does not know is told apart by the others: let them be tried. */
    many = d->refused_persons == REFUSED_PERSONS_MIN || !r->others;
    if (d->refusals >= REFUSALS_LAST || (d->refusals >= REFUSALS_MAX && many))
        d->refusing = true;
    if (d->refusing)
        return stop(d, CAUSE_REFUSES, r->probe, -1, now_ms, random);
    /* It judges events again: that outage is over. */
    return up(d, r->probe);
}

enum change destination_known_bad(
    struct destination *d, bool probe, int64_t now_ms, uint64_t random)
{
    destination_judged(d);
    if (d->refusing)
        return stop(d, CAUSE_REFUSES, probe, -1, now_ms, random);
    return up(d, probe);
}

/* One person whose event makes the receiver fail, again and again, is no outage. */
static bool counts(struct destination *d, const struct trouble *t)
{
    if (!t->verdict.its_own || !t->person)
        return true;
    if (among(d->blamed, d->blames, t->person))
        return false;
    if (d->blames < TROUBLES_MAX)
        d->blamed[d->blames++] = t->person;
    return true;
}

enum change destination_trouble(
    struct destination *d, const struct trouble *t, int64_t now_ms, uint64_t random)
{
    bool asked = t->wait_ms > 0;
    bool at_once = t->verdict.at_once || (asked && t->verdict.cause == CAUSE_OUTAGE);

    /* "Wait" is said about the receiver, not about the event that it was said to. */
    if (d->state == DESTINATION_UP && asked && !at_once) {
        if (now_ms + t->wait_ms > d->next_ms)
            d->next_ms = now_ms + t->wait_ms;
        return CHANGE_NONE;
    }
    if (d->troubles < TROUBLES_MAX && counts(d, t))
        d->troubles++;
    if (d->state == DESTINATION_UP && !at_once && d->troubles < TROUBLES_MAX)
        return CHANGE_NONE;
    return stop(d, t->verdict.cause, t->probe, t->wait_ms, now_ms, random);
}

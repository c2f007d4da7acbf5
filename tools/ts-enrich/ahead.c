/* SPDX-License-Identifier: MIT */
/*
 * What the next lines will need of the roster and of who passed last, which are larger than the
 * processor's caches: asked for together, some lines ahead, so that nobody waits for it one by one.
 * Nothing but speed hangs on what is guessed here; a line that is not as our tools write it goes
 * its way without.
 */
#include "ahead.h"

#include "card.h"
#include "enrich.h"

/* The text behind `lead`, which mostly stands where it stood in one of the last lines. */
static struct slice find_text(struct ahead *a, struct slice line, struct slice lead)
{
    const char *p = NULL, *end;

    if (line.n > a->person_at + lead.n && memcmp(line.p + a->person_at, lead.p, lead.n) == 0)
        p = line.p + a->person_at;
    else if (line.n > a->other_at + lead.n && memcmp(line.p + a->other_at, lead.p, lead.n) == 0)
        p = line.p + a->other_at;
    else
        p = memmem(line.p, line.n, lead.p, lead.n);
    if (!p)
        return SLICE_NONE;
    if ((size_t)(p - line.p) != a->person_at) {
        a->other_at = a->person_at;
        a->person_at = (size_t)(p - line.p);
    }
    p += lead.n;
    end = memchr(p, '"', (size_t)(line.p + line.n - p));
    return end ? slice_trim((struct slice){p, (size_t)(end - p)}) : SLICE_NONE;
}

static enum roster_key find_id(struct ahead *a, struct slice line, struct slice *id)
{
    *id = find_text(a, line, SLICE("\"person_id\":\""));
    if (id->n > 0)
        return ROSTER_PERSON;
    *id = find_text(a, line, SLICE("\"card_no\":\""));
    if (id->n > 0)
        *id = card_key(*id);
    return ROSTER_CARD;
}

static void ask_state(
    const struct context *c, struct ahead *a, const enum roster_key *keys, const struct slice *ids)
{
    for (unsigned i = 0; i < a->count; i++)
        if (a->employee[i].n > 0)
            a->owner[i] = state_key(c->state, 'e', a->employee[i], SLICE_NONE);
        else
            a->owner[i] =
                state_key(c->state, keys[i] == ROSTER_PERSON ? 'p' : 'c', ids[i], SLICE_NONE);
    state_ahead(c->state, a->count, a->owner);
}

#define NOTHING_TO_ASK 1024 /* lines */

unsigned enrich_ahead(struct context *c, struct slice input)
{
    bool state = c->state && counts_passages(c);
    enum roster_key keys[AHEAD_LINES] = {0};
    struct slice ids[AHEAD_LINES] = {{0}};
    struct ahead *a = &c->ahead;
    const char *end;

    a->count = 0;
    if (!c->roster && !state)
        return NOTHING_TO_ASK;
    while (a->count < AHEAD_LINES && input.n > 0 && (end = memchr(input.p, '\n', input.n))) {
        size_t n = (size_t)(end - input.p);

        keys[a->count] = find_id(a, (struct slice){input.p, n}, &ids[a->count]);
        a->employee[a->count++] = SLICE_NONE;
        input = (struct slice){end + 1, input.n - n - 1};
    }
    if (c->roster)
        roster_ahead(c->roster, a->count, keys, ids, a->employee);
    if (state)
        ask_state(c, a, keys, ids);
    return a->count > 0 ? a->count : 1;
}

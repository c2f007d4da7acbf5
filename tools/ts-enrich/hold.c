/* SPDX-License-Identifier: MIT */
/* Step: `hold`, from what the steps before found.  A hold in these words is ours and goes when its
   cause is gone; any other belongs to whoever set it.  Where the person was taken away since
   (--redact, --pseudonymize), nobody can see that it is gone. */
#include "enrich.h"

static const char *const texts[HOLDS] = {
    [HOLD_CLOCK] = "\"clock unset: the device did not know the date\"",
    [HOLD_CLAIMED] = "\"person id claimed by two\"",
    [HOLD_UNMAPPED] = "\"person not in the roster\"",
};

static bool is_text(struct slice text, int hold)
{
    return text.n + 2 == strlen(texts[hold]) && memcmp(texts[hold] + 1, text.p, text.n) == 0;
}

static bool is_ours(struct slice text)
{
    for (int i = HOLD_NONE + 1; i < HOLDS; i++)
        if (is_text(text, i))
            return true;
    return false;
}

static bool is_id(struct slice text)
{
    return slice_trim(text).n > 0 && !pseudonym_is(text);
}

static bool has_person(const struct event *e, const struct context *c)
{
    return is_id(event_str(e, EV_PERSON_ID)) || is_id(c->card);
}

void step_hold(const struct event *e, struct context *c, struct draft *d)
{
    struct slice old = event_str(e, EV_HOLD);

    if (old.n > 0 && !is_ours(old))
        return;
    if (old.n > 0 && c->hold == HOLD_UNMAPPED && !has_person(e, c))
        return; /* it may have been another reason, as long as the person could be seen */
    if (c->hold != HOLD_NONE)
        put_quoted(e, d, EV_HOLD, slice_of(texts[c->hold]));
    else if (old.n > 0 && (is_text(old, HOLD_CLOCK) || has_person(e, c)))
        draft_remove(d, EV_HOLD);
}

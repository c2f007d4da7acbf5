/* SPDX-License-Identifier: MIT */
/* Step: `hold`, from what the steps before found.  A hold in these words is ours and goes when its
   cause is gone; any other belongs to whoever set it. */
#include "enrich.h"

static const char *const texts[HOLDS] = {
    [HOLD_CLOCK] = "\"clock unset: the device did not know the date\"",
    [HOLD_CLAIMED] = "\"person id claimed by two\"",
    [HOLD_UNMAPPED] = "\"person not in the roster\"",
};

static bool is_ours(struct slice text)
{
    for (int i = HOLD_NONE + 1; i < HOLDS; i++)
        if (text.n + 2 == strlen(texts[i]) && memcmp(texts[i] + 1, text.p, text.n) == 0)
            return true;
    return false;
}

void step_hold(const struct event *e, struct context *c, struct draft *d)
{
    struct slice old = event_str(e, EV_HOLD);

    if (old.n > 0 && !is_ours(old))
        return;
    if (c->hold != HOLD_NONE)
        put_quoted(e, d, EV_HOLD, slice_of(texts[c->hold]));
    else if (old.n > 0)
        draft_remove(d, EV_HOLD);
}

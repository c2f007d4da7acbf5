/* SPDX-License-Identifier: MIT */
/* The table of profiles, sorted by name. */
#include "profile.h"

static const struct profile *const profiles[] = {
    &profile_plain,
};

#define PROFILES (sizeof profiles / sizeof *profiles)

const struct profile *profile_find(const char *name)
{
    for (size_t i = 0; i < PROFILES; i++)
        if (strcmp(profiles[i]->name, name) == 0)
            return profiles[i];
    return NULL;
}

void profile_names(struct buf *out)
{
    for (size_t i = 0; i < PROFILES; i++) {
        if (i > 0)
            buf_lit(out, ", ");
        buf_text(out, profiles[i]->name);
    }
}

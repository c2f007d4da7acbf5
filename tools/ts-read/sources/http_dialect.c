/* SPDX-License-Identifier: MIT */
/* The table of dialects. */
#include "http_dialect.h"

extern const struct dialect dialect_iclock;
extern const struct dialect dialect_dahua;
extern const struct dialect dialect_hikvision;
extern const struct dialect dialect_plain;

/* Add new ones above the last, which takes what is left. */
const struct dialect *const dialects[] = {
    &dialect_iclock,
    &dialect_hikvision,
    &dialect_dahua,
    &dialect_plain,
    NULL,
};

_Static_assert(sizeof dialects / sizeof *dialects - 1 <= DIALECTS_MAX, "too many dialects");

const struct dialect *dialect_last(void)
{
    return dialects[sizeof dialects / sizeof *dialects - 2];
}

bool dialect_option(struct slice key)
{
    for (size_t i = 0; dialects[i]; i++)
        for (const char *const *o = dialects[i]->options; o && *o; o++)
            if (slice_is(key, *o))
                return true;
    return false;
}

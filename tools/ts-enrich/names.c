/* SPDX-License-Identifier: MIT */
/* Lists of field names. */
#include "names.h"

int names_add(struct names *names, const char *option, const char *text, struct fault *why)
{
    for (;;) {
        size_t n = strcspn(text, ",");
        struct slice name = slice_trim((struct slice){text, n});

        if (name.n == 0)
            return fault_set(
                why, EX_USAGE, "--%s: an empty name: write it like name,card_no", option);
        if (names->count == NAMES_MAX)
            return fault_set(why, EX_USAGE, "--%s: more than %d names", option, NAMES_MAX);
        names->name[names->count++] = name;
        if (text[n] == '\0')
            return 0;
        text += n + 1;
    }
}

bool names_have(const struct names *names, struct slice name)
{
    for (unsigned i = 0; i < names->count; i++)
        if (slice_eq(names->name[i], name))
            return true;
    return false;
}

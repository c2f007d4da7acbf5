/* SPDX-License-Identifier: MIT */
/* Edit distance, small enough for a question and no larger. */
#include "near.h"

#include <ctype.h>

static bool same_letter(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

#define WORD_BYTES 47

/* Edit distance with exchanges of neighbours. */
static size_t slips(struct slice a, struct slice b)
{
    size_t row[3][WORD_BYTES + 1];

    for (size_t j = 0; j <= b.n; j++)
        row[0][j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];

        now[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            size_t best = last[j - 1] + !same_letter(a.p[i - 1], b.p[j - 1]);

            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && same_letter(a.p[i - 1], b.p[j - 2]) &&
                same_letter(a.p[i - 2], b.p[j - 1]) && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
    }
    return row[a.n % 3][b.n];
}

#define SLIPS_MAX 3 /* and at most one in two letters: from there on it is another word */

size_t near_distance(struct slice typed, struct slice known)
{
    size_t n;

    if (typed.n > WORD_BYTES || known.n > WORD_BYTES)
        return NEAR_FAR;
    n = slips(typed, known);
    return n <= SLIPS_MAX && n * 2 <= known.n ? n : NEAR_FAR;
}

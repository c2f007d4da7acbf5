/* SPDX-License-Identifier: MIT */
/*
 * 110 bits of the hash in base32: two people of a million share them with a chance of 1 to 10^21.
 * (Some receivers take 24 characters at most.)
 */
#include "pseudonym.h"

static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";

bool pseudonym_is(struct slice text)
{
    if (text.n != PSEUDONYM_TEXT || text.p[0] != 'p' || text.p[1] != '-')
        return false;
    for (size_t i = 2; i < text.n; i++)
        if (!text.p[i] || !strchr(digits, text.p[i]))
            return false;
    return true;
}

void pseudonym_print(char out[PSEUDONYM_TEXT], struct slice id, const struct identity_hash *hash)
{
    unsigned char octets[16];
    uint32_t bits = 0;
    int have = 0;

    hash->hash(hash->arg, slice_trim(id), octets);
    out[0] = 'p';
    out[1] = '-';
    for (size_t i = 2, at = 0; i < PSEUDONYM_TEXT; i++) {
        if (have < 5) {
            bits = bits << 8 | octets[at++];
            have += 8;
        }
        have -= 5;
        out[i] = digits[bits >> have & 31];
    }
}

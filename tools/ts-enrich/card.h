/* SPDX-License-Identifier: MIT */
/*
 * Card rules: what has to be done to a number as one reader writes it, so that it comes out as the
 * one number of the card.  A rule is a few words, worked off from left to right:
 *
 *   "hex reverse 32 last 24"    hexadecimal; four bytes, last byte first; of them the low 24 bits
 *
 * The words and their meaning are in ts-site(5).  Pure: no state, no allocation.
 */
#ifndef TS_ENRICH_CARD_H
#define TS_ENRICH_CARD_H

#include <stdint.h>

#include "fault.h"
#include "slice.h"

#define CARD_STEPS_MAX 8
#define CARD_TEXT 21 /* bytes that card_apply may write, with its NUL */

struct card_rule {
    struct card_step {
        uint8_t word; /* index into the table of words */
        uint8_t bits; /* its number of bits */
        uint32_t n;   /* its other number */
    } step[CARD_STEPS_MAX];
    unsigned count; /* 0: no rule */
};

/* 0, or -1 and *why in plain words. */
int card_rule_parse(struct card_rule *rule, struct slice text, struct fault *why);

/* The card's number in decimal, without leading zeros, and its length; 0 when the text is no number
   as the rule has it (another form, too many bits, wrong parity). */
size_t card_apply(const struct card_rule *rule, struct slice text, char out[CARD_TEXT]);

/* What tells cards apart when they are compared: the number without spaces around it and without
   leading zeros; SLICE_NONE for 0, which devices write for "no card". */
struct slice card_key(struct slice number);

#endif

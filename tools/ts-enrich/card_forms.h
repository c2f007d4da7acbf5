/* SPDX-License-Identifier: MIT */
/* Trying out card rules: what each of those that readers are known to need makes of a number. */
#ifndef TS_ENRICH_CARD_FORMS_H
#define TS_ENRICH_CARD_FORMS_H

#include "buf.h"
#include "roster.h"

/* The known rules; NULL after the last. */
const char *card_form(size_t i);

/* Appends a JSON line for each different number that a rule makes of this one, and for each rule
   that makes one of the roster (NULL: none) on that day: card, rule, card_no, line. */
void card_forms_print(
    struct slice number, const struct roster *roster, int32_t day, struct buf *out);

#endif

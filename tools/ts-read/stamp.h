/* SPDX-License-Identifier: MIT */
/*
 * Dates and times as spreadsheets and people write them.  Nothing is guessed: 03/04/2026 needs to
 * be told which number is the month.
 */
#ifndef TS_STAMP_H
#define TS_STAMP_H

#include "clock.h"

enum stamp_order { STAMP_UNKNOWN, STAMP_DMY, STAMP_MDY };

struct stamp {
    char local[CLOCK_TEXT]; /* YYYY-MM-DDThh:mm:ss[.fff] */
    size_t local_bytes;
    char zoned[CLOCK_TEXT]; /* the same with the offset that the text had */
    size_t zoned_bytes;     /* 0: it had none */
};

/*
 * YYYY-MM-DD, YYYY/MM/DD, DD.MM.YYYY, and with `order` DD/MM/YYYY, MM/DD/YYYY (or with dashes); a
 * space or T; hh:mm[:ss[.fff]], AM or PM after it; Z or an offset.  Months, days and hours may have
 * one digit.  NULL, or why not: "not a time", "impossible date", "ambiguous date: …".
 */
const char *stamp_parse(struct slice text, enum stamp_order order, struct stamp *out);

#endif

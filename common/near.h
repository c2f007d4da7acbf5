/* SPDX-License-Identifier: MIT */
/* What somebody may have meant who typed a word that is not known: "did you mean …?" */
#ifndef TS_NEAR_H
#define TS_NEAR_H

#include "slice.h"

#define NEAR_FAR 99

/* How many slips of the keyboard one is from the other; upper and lower case are the same.
   NEAR_FAR when they are two words. */
size_t near_distance(struct slice typed, struct slice known);

#endif

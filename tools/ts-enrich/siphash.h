/* SPDX-License-Identifier: MIT */
/* SipHash-1-3 (Aumasson, Bernstein, 2012): a short keyed hash, for names that others choose. */
#ifndef TS_ENRICH_SIPHASH_H
#define TS_ENRICH_SIPHASH_H

#include <stdint.h>

#include "slice.h"

uint64_t siphash(const uint64_t key[2], struct slice text);

#endif

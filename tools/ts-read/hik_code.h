/* SPDX-License-Identifier: MIT */
/* What the event codes of Hikvision terminals mean: pairs of a major and a minor number. */
#ifndef TS_HIK_CODE_H
#define TS_HIK_CODE_H

#include <stdint.h>

#include "slice.h"

/* One that is known and neither a pass, a refusal, a door nor an alarm is "other" like one that is
   not known. */
struct slice hik_code_kind(int64_t major, int64_t minor);

/* What was shown to the reader; SLICE_NONE: the code does not say it.  (What a reader is set to, as
   currentVerifyMode says it, is not what a person used.) */
struct slice hik_code_credential(int64_t major, int64_t minor);

#endif

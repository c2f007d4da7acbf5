/* SPDX-License-Identifier: MIT */
/* How long the room for events will last. */
#ifndef TS_SPOOL_ROOM_H
#define TS_SPOOL_ROOM_H

#include "store.h"

/* From what an event takes, the events of the last week, and the free space or the limit: in
   milliseconds, about; -1: it cannot be told. */
int64_t room_ms(const struct store_stat *s, int64_t now_ms);

/* Bytes that events may still take; -1: not known. */
int64_t room_bytes(const struct store_stat *s);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What was said of the last MEMOS events, whoever's they are, in the order in which they came: an
 * event that comes once more gets the same answer, whatever has come in between.  So many are
 * remembered that nothing is forgotten that may still be on its way (a window of ts-read or
 * ts-spool is 4096).
 *
 * They lie in memory that the caller maps.  A memo is written from back to front: one that a kill
 * or a power cut left half written is none.
 */
#ifndef TS_ENRICH_MEMO_H
#define TS_ENRICH_MEMO_H

#include "trail.h"

enum { MEMOS = 16384 };

struct memo {
    uint64_t tag; /* of the event_id; 0: free */
    unsigned char other[16];
    uint32_t what;  /* bits: memo.c */
    uint32_t check; /* of all above */
};

struct memos;

/* `memo` are MEMOS of them, all zeros at first; *count is how many were ever added. */
struct memos *memos_new(struct memo *memo, _Atomic uint64_t *count);
void memos_free(struct memos *m);

bool memos_find(const struct memos *m, const unsigned char id[16], struct passage_answer *answer);

/* Of an event that is not there. */
void memos_add(struct memos *m, const unsigned char id[16], const struct passage_answer *answer);

/* Asks for the memory that memos_find will read of this event. */
void memos_expect(const struct memos *m, const unsigned char id[16]);

/* Asks for the memory that memos_add will write for the next n events. */
void memos_ahead(const struct memos *m, unsigned n);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The trails of all people and lanes, and what was said of the last events, in memory or in a file
 * (--state) that is mapped.  The file is one header, the memos, and trails of one size; where each
 * owner's trail stands is worked out anew when it is opened.  No owner's name is in it: an owner is
 * a keyed hash.
 *
 * A trail that was not used for STATE_FORGET_DAYS is given to somebody new before the file grows,
 * and at STATE_TRAILS_MAX the one that was used least recently of some.
 */
#ifndef TS_ENRICH_STATE_H
#define TS_ENRICH_STATE_H

#include "fault.h"
#include "identity.h"
#include "trail.h"

#define STATE_FORGET_DAYS 62
#define STATE_TRAILS_MAX (1u << 18)

struct state;

/* In memory, until the process ends. */
struct state *state_new(void);

/* In this file, made if it is not there; no other process may have it open meanwhile.  The hash is
   what the owners are hashed with, too: NULL is the public one.  `forgot` becomes the number of
   trails that a power cut spoiled, which are begun anew.  NULL and *why: EX_TEMPFAIL when another
   process has it, EX_CONFIG when it is no state file or was made with another key. */
struct state *state_open(
    const char *path, const struct identity_hash *hash, size_t *forgot, struct fault *why);

/* Room for `n` more owners, so that state_trail does not fail; 0, or -1 and *why. */
int state_room(struct state *s, unsigned n, struct fault *why);

/* The key of an owner, from what kind it is and one or two names. */
uint64_t state_key(const struct state *s, char kind, struct slice a, struct slice b);

/* The owner's trail, a new one if there is none.  Where there is none under `key` but one under
   `old` (0: nothing), that one becomes the owner's. */
struct trail *state_trail(struct state *s, uint64_t key, uint64_t old);

/* The owner's trail, or NULL; whoever then works with it says so by state_use, which gives it back.
 */
struct trail *state_find(const struct state *s, uint64_t key);
struct trail *state_use(struct state *s, struct trail *t);

/* What is to be said of a passage on this trail, or was when it came before. */
void state_pass(
    struct state *s, struct trail *t, const struct passage *p, struct passage_answer *answer);

/* What was said of a record that takes a passage back; and what is to be remembered of it. */
bool state_recall(const struct state *s, const unsigned char id[16], unsigned char other[16]);
void state_remember(struct state *s, const unsigned char id[16], const unsigned char other[16]);

/* Asks for the memory that state_pass will read of this event. */
void state_expect(const struct state *s, const unsigned char id[16]);

/* Of many owners at once: asks for the memory that state_trail will read. */
#define STATE_AHEAD 32
void state_ahead(const struct state *s, unsigned n, const uint64_t *keys);

/* A trail's number, which it keeps, and the trail of a number, or NULL. */
uint32_t state_number(const struct state *s, const struct trail *t);
struct trail *state_at(const struct state *s, uint32_t number);

/* How long until what changed should go to the disk, in ms; -1: nothing to do, 0: now. */
int state_due_ms(const struct state *s, int64_t now_ms);

/* Has what changed written to the disk, without waiting for it. */
void state_sync(struct state *s, int64_t now_ms);

/* Trails in use. */
size_t state_used(const struct state *s);

void state_free(struct state *s);

#endif

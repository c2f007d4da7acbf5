/* SPDX-License-Identifier: MIT */
/*
 * A ring, and beside it, in memory alone, an open hash table.  Its words hold 1 + the place in the
 * ring and, above it, as much of the tag as finds the word's home and tells most others from it:
 * the ring itself, which is larger than the nearer caches, is hardly looked at.
 */
#include "memo.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "buf.h"
#include "mix.h"

_Static_assert(sizeof(struct memo) == 32, "no holes");

#define SLOTS (2 * MEMOS)
#define PLACE_BITS 15
#define PLACE_MASK ((1u << PLACE_BITS) - 1)
#define WAY_MASK 3u
#define REPEAT 4u
#define GHOST 8u
#define CANCELS 16u

struct memos {
    struct memo *memo;
    _Atomic uint64_t *count;
    uint32_t slot[SLOTS];
};

static uint64_t tag_of(const unsigned char id[16])
{
    uint64_t word[2], tag;

    memcpy(word, id, sizeof word);
    tag = mix(word[0], word[1]);
    return tag ? tag : 1;
}

static uint32_t check_of(const struct memo *memo)
{
    uint64_t word[2];

    memcpy(word, memo->other, sizeof word);
    return fold(mix(mix(memo->tag, memo->what), mix(word[0], word[1])));
}

static bool is_sound(const struct memo *memo)
{
    return memo->tag && memo->check == check_of(memo);
}

_Static_assert(MEMOS <= PLACE_MASK && SLOTS == 1 << PLACE_BITS, "a word holds home and place");

static uint32_t word_of(uint64_t tag, unsigned place)
{
    return (uint32_t)tag << PLACE_BITS | (place + 1);
}

static unsigned home_of(uint32_t word)
{
    return word >> PLACE_BITS & (SLOTS - 1);
}

static unsigned after(unsigned i)
{
    return (i + 1) & (SLOTS - 1);
}

static struct memo *memo_of(const struct memos *m, uint32_t word)
{
    return &m->memo[(word & PLACE_MASK) - 1];
}

/* The slot of the tag, or the free one where it would go. */
static unsigned find_slot(const struct memos *m, uint64_t tag)
{
    uint32_t word = word_of(tag, 0);
    unsigned i = home_of(word);

    while (m->slot[i] && ((m->slot[i] ^ word) >> PLACE_BITS || memo_of(m, m->slot[i])->tag != tag))
        i = after(i);
    return i;
}

/* Takes a word away, and closes the gap in the run of those after it. */
static void remove_word(struct memos *m, uint32_t word)
{
    unsigned i = home_of(word);

    while (m->slot[i] && m->slot[i] != word)
        i = after(i);
    m->slot[i] = 0;
    for (unsigned k = after(i); m->slot[k]; k = after(k)) {
        if (((k - home_of(m->slot[k])) & (SLOTS - 1)) < ((k - i) & (SLOTS - 1)))
            continue;
        m->slot[i] = m->slot[k];
        m->slot[k] = 0;
        i = k;
    }
}

struct memos *memos_new(struct memo *memo, _Atomic uint64_t *count)
{
    struct memos *m = mem_alloc(sizeof *m);

    memset(m, 0, sizeof *m);
    m->memo = memo;
    m->count = count;
    for (unsigned i = 0; i < MEMOS; i++) {
        unsigned slot = is_sound(&memo[i]) ? find_slot(m, memo[i].tag) : 0;

        if (is_sound(&memo[i]) && !m->slot[slot])
            m->slot[slot] = word_of(memo[i].tag, i);
        else
            memo[i].tag = 0; /* torn, or a second one of an event: none that we left */
    }
    return m;
}

void memos_free(struct memos *m)
{
    free(m);
}

bool memos_find(const struct memos *m, const unsigned char id[16], struct passage_answer *answer)
{
    uint32_t word = m->slot[find_slot(m, tag_of(id))];
    const struct memo *memo;

    if (!word)
        return false;
    memo = memo_of(m, word);
    *answer = (struct passage_answer){
        .way = (enum way)(memo->what & WAY_MASK),
        .repeat = memo->what & REPEAT,
        .ghost = memo->what & GHOST,
        .cancels = memo->what & CANCELS,
    };
    memcpy(answer->other, memo->other, sizeof answer->other);
    return true;
}

static uint32_t what_of(const struct passage_answer *a)
{
    return (a->way == WAY_IN || a->way == WAY_OUT ? (uint32_t)a->way : 0) |
           (a->repeat ? REPEAT : 0) | (a->ghost ? GHOST : 0) | (a->cancels ? CANCELS : 0);
}

void memos_add(struct memos *m, const unsigned char id[16], const struct passage_answer *answer)
{
    uint64_t count = atomic_load_explicit(m->count, memory_order_relaxed);
    unsigned place = (unsigned)(count % MEMOS);
    struct memo *memo = &m->memo[place];

    if (memo->tag)
        remove_word(m, word_of(memo->tag, place));
    memo->check = 0;
    atomic_signal_fence(memory_order_seq_cst);
    memo->tag = tag_of(id);
    memcpy(memo->other, answer->other, sizeof memo->other);
    memo->what = what_of(answer);
    atomic_signal_fence(memory_order_seq_cst);
    memo->check = check_of(memo);
    atomic_store_explicit(m->count, count + 1, memory_order_release);
    m->slot[find_slot(m, memo->tag)] = word_of(memo->tag, place);
}

void memos_expect(const struct memos *m, const unsigned char id[16])
{
    __builtin_prefetch(&m->slot[home_of(word_of(tag_of(id), 0))]);
}

void memos_ahead(const struct memos *m, unsigned n)
{
    uint64_t count = atomic_load_explicit(m->count, memory_order_relaxed);

    for (unsigned i = 0; i < n; i++) {
        const struct memo *memo = &m->memo[(count + i) % MEMOS];

        __builtin_prefetch(memo, 1);
        __builtin_prefetch(&m->slot[home_of(word_of(memo->tag, 0))]);
    }
}

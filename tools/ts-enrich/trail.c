/* SPDX-License-Identifier: MIT */
/*
 * head   63      32 31    23  22 21  20    15  14 12    11      0
 *       |  check   |  0     | pasts | past   | presents | present |
 *
 * present and past are lists of slots, three bits each, the oldest first; six at most of seven
 * slots are listed, so one is always free to be written.  check covers the lower half and all
 * listed marks.
 *
 * flags   15 14   13 12    0
 *        | way |  0 | day  |
 */
#include "trail.h"

#include <stdatomic.h>

#include "mix.h"

_Static_assert(sizeof(struct mark) == 32, "a mark is half a cache line");
_Static_assert(sizeof(struct trail) == 32 + TRAIL_SLOTS * sizeof(struct mark), "no holes");

#define SLOT_BITS 3
#define PRESENTS_AT 12
#define PAST_AT 15
#define PASTS_AT 21
#define WAY_AT 14
#define DAY_MASK 0x1fffu
#define GHOST_S 3600
#define GHOST_RECEIVED_S 2 /* what a device writes in one go, it hands over in one go */
#define CANCEL_MAX_S 253

/* The lists of head, opened. */
struct lists {
    uint8_t present[TRAIL_PRESENT + 1], past[TRAIL_PAST + 1];
    unsigned presents, pasts;
    uint32_t sum; /* of the parts of all marks listed */
};

/* ---- the check ---- */

/* What the lower half of a head adds to the check: an empty head is all zeros. */
static uint32_t part_of_low(uint32_t low)
{
    return low ? fold(mix(low, 0)) : 0;
}

/* A mark's part of the check.  Parts are added, so that one mark more or less is one sum. */
static uint32_t part_of(const struct mark *m)
{
    uint64_t id[2];

    memcpy(id, m->id, sizeof id);
    return fold(mix(mix(id[0], id[1]), mix((uint64_t)m->time_s << 32 | m->place,
                                           (uint64_t)m->serial << 32 | (uint32_t)m->flags << 16 |
                                               (uint32_t)m->received << 8 | m->cancel)));
}

/* Field by field, as they were just written: the whole would wait for its parts. */
static void copy_mark(struct mark *to, const struct mark *from)
{
    memcpy(to->id, from->id, sizeof to->id);
    to->time_s = from->time_s;
    to->place = from->place;
    to->serial = from->serial;
    to->flags = from->flags;
    to->received = from->received;
    to->cancel = from->cancel;
}

/* ---- the head ---- */

static uint64_t head_of(const struct trail *t)
{
    return atomic_load_explicit(&t->head, memory_order_relaxed);
}

static unsigned at_most(uint64_t n, unsigned most)
{
    return n < most ? (unsigned)n : most;
}

/* Whatever stands in head, nothing that comes of it is out of bounds. */
static void open_lists(uint64_t head, struct lists *l)
{
    l->sum = (uint32_t)(head >> 32) - part_of_low((uint32_t)head);
    l->presents = at_most(head >> PRESENTS_AT & 7, TRAIL_PRESENT);
    l->pasts = at_most(head >> PASTS_AT & 3, TRAIL_PAST);
    for (unsigned i = 0; i < TRAIL_PRESENT; i++)
        l->present[i] = (uint8_t)at_most(head >> i * SLOT_BITS & 7, TRAIL_SLOTS - 1);
    for (unsigned i = 0; i < TRAIL_PAST; i++)
        l->past[i] = (uint8_t)at_most(head >> (PAST_AT + i * SLOT_BITS) & 7, TRAIL_SLOTS - 1);
}

static uint32_t close_lists(const struct lists *l)
{
    uint32_t low = l->presents << PRESENTS_AT | l->pasts << PASTS_AT;

    for (unsigned i = 0; i < l->presents; i++)
        low |= (uint32_t)l->present[i] << i * SLOT_BITS;
    for (unsigned i = 0; i < l->pasts; i++)
        low |= (uint32_t)l->past[i] << (PAST_AT + i * SLOT_BITS);
    return low;
}

static uint32_t sum_marks(const struct trail *t, const struct lists *l)
{
    uint32_t sum = 0;

    for (unsigned i = 0; i < l->presents; i++)
        sum += part_of(&t->mark[l->present[i]]);
    for (unsigned i = 0; i < l->pasts; i++)
        sum += part_of(&t->mark[l->past[i]]);
    return sum;
}

static uint64_t seal(uint32_t sum, uint32_t low)
{
    return (uint64_t)(sum + part_of_low(low)) << 32 | low;
}

/* The one store that makes what was written before it true. */
static void commit(struct trail *t, const struct lists *l)
{
    atomic_store_explicit(&t->head, seal(l->sum, close_lists(l)), memory_order_release);
}

bool trail_sound(const struct trail *t)
{
    uint64_t head = head_of(t);
    struct lists l;

    if (head == 0)
        return true;
    open_lists(head, &l);
    return seal(sum_marks(t, &l), close_lists(&l)) == head;
}

void trail_reset(struct trail *t, uint64_t key)
{
    /* Nobody's while it is being emptied: what is in it never becomes the new owner's. */
    atomic_store_explicit(&t->head, 0, memory_order_release);
    atomic_signal_fence(memory_order_seq_cst);
    t->key = key;
    t->touched = 0;
}

/* ---- marks ---- */

static enum way way_of(const struct mark *m)
{
    return (enum way)(m->flags >> WAY_AT);
}

static bool is_way(enum way way)
{
    return way == WAY_IN || way == WAY_OUT;
}

/* Whether it counts for somebody who looks back at it from `time_s`. */
static bool counts(const struct mark *m, uint32_t time_s)
{
    return m->cancel == 0 || time_s <= m->time_s + m->cancel - 1u;
}

static bool has_id(const struct mark *m, const uint64_t id[2])
{
    uint64_t own[2];

    memcpy(own, m->id, sizeof own);
    return own[0] == id[0] && own[1] == id[1];
}

static const struct mark *find_id(
    const struct trail *t, const struct lists *l, const unsigned char text[16])
{
    uint64_t id[2];

    memcpy(id, text, sizeof id);
    for (unsigned i = l->presents; i-- > 0;)
        if (has_id(&t->mark[l->present[i]], id))
            return &t->mark[l->present[i]];
    for (unsigned i = l->pasts; i-- > 0;)
        if (has_id(&t->mark[l->past[i]], id))
            return &t->mark[l->past[i]];
    return NULL;
}

static struct mark *free_slot(struct trail *t, const struct lists *l)
{
    unsigned used = 0, i = 0;

    for (unsigned k = 0; k < l->presents; k++)
        used |= 1u << l->present[k];
    for (unsigned k = 0; k < l->pasts; k++)
        used |= 1u << l->past[k];
    while (used >> i & 1)
        i++;
    return &t->mark[i];
}

static uint8_t slot_of(const struct trail *t, const struct mark *m)
{
    return (uint8_t)(m - t->mark);
}

/* ---- repeats ---- */

/* Signs that two records an hour apart are one passage: written one after the other, and, where
   that is known, handed over together. */
static bool is_ghost(const struct mark *a, const struct mark *b)
{
    int64_t apart = (int64_t)a->time_s - b->time_s, numbers = (int64_t)a->serial - b->serial;
    unsigned later = (unsigned)(a->received + 255 - b->received) % 255;
    bool both = a->received && b->received;
    bool together = both && (later <= GHOST_RECEIVED_S || later >= 255 - GHOST_RECEIVED_S);

    if (apart != GHOST_S && apart != -GHOST_S)
        return false;
    if (a->serial && b->serial)
        return (numbers == 1 || numbers == -1) && (together || !both);
    return together;
}

struct search {
    const struct passage *p;
    const struct mark *before, *after, *ghost; /* what it may repeat */
};

/* Somebody who goes in and out again in the window goes twice. */
static bool is_same_way(const struct passage *p, const struct mark *m)
{
    return !is_way(p->way) || !is_way(way_of(m)) || p->way == way_of(m);
}

static void look_at(struct search *s, const struct mark *m)
{
    int64_t since = (int64_t)s->p->mark.time_s - m->time_s;

    if (m->place != s->p->mark.place || !counts(m, s->p->mark.time_s) || !is_same_way(s->p, m))
        return;
    if (s->p->window_s > 0 && since >= 0 && since <= s->p->window_s)
        s->before = m;
    else if (s->p->window_s > 0 && since < 0 && -since <= s->p->window_s && !s->after)
        s->after = m;
    else if (s->p->ghost && is_ghost(&s->p->mark, m))
        s->ghost = m;
}

static struct search find_first(
    const struct trail *t, const struct lists *l, const struct passage *p)
{
    struct search s = {.p = p};

    if (p->window_s == 0 && !p->ghost)
        return s;
    for (unsigned i = 0; i < l->pasts; i++)
        look_at(&s, &t->mark[l->past[i]]);
    for (unsigned i = 0; i < l->presents; i++)
        look_at(&s, &t->mark[l->present[i]]);
    return s;
}

/* ---- adding a mark ---- */

/* How many of a list's marks are not later. */
static unsigned rank(const struct trail *t, const uint8_t *list, unsigned n, uint32_t time_s)
{
    while (n > 0 && t->mark[list[n - 1]].time_s > time_s)
        n--;
    return n;
}

/* What nobody's next way hangs on: it has none, or was taken back. */
static bool is_idle(const struct mark *m)
{
    return m->cancel || !is_way(way_of(m));
}

/* The way opposite to the last one of that day. */
static enum way alternate(
    const struct trail *t, const uint8_t *list, unsigned before, const struct passage *p)
{
    while (before-- > 0) {
        const struct mark *m = &t->mark[list[before]];

        if (is_idle(m))
            continue;
        if ((m->flags & DAY_MASK) != (p->day & DAY_MASK))
            break;
        return way_of(m) == WAY_IN ? WAY_OUT : WAY_IN;
    }
    return WAY_IN;
}

/* Takes one mark out of a full present.  One that is idle is of use only while its window is open:
   it goes before the others, unless it is quite new. */
static void make_room(struct trail *t, struct lists *l)
{
    unsigned gone = 0;

    if (l->presents < TRAIL_PRESENT)
        return;
    for (unsigned i = TRAIL_PRESENT - 2; i-- > 0;)
        if (is_idle(&t->mark[l->present[i]]))
            gone = i;
    l->sum -= part_of(&t->mark[l->present[gone]]);
    l->presents--;
    memmove(l->present + gone, l->present + gone + 1, l->presents - gone);
}

static void add_present(struct trail *t, struct lists *l, const struct mark *m)
{
    struct mark *slot = free_slot(t, l);
    unsigned at;

    copy_mark(slot, m);
    l->sum += part_of(m);
    make_room(t, l);
    at = rank(t, l->present, l->presents, m->time_s);
    memmove(l->present + at + 1, l->present + at, l->presents - at);
    l->present[at] = slot_of(t, slot);
    l->presents++;
    commit(t, l);
}

/* The past is the mark added, and the one before it. */
static void add_past(struct trail *t, struct lists *l, const struct mark *m)
{
    struct mark *slot = free_slot(t, l);
    unsigned before = rank(t, l->past, l->pasts, m->time_s);

    copy_mark(slot, m);
    for (unsigned i = 0; i < l->pasts; i++)
        l->sum -= part_of(&t->mark[l->past[i]]);
    l->pasts = 0;
    if (before > 0)
        l->past[l->pasts++] = l->past[before - 1];
    for (unsigned i = 0; i < l->pasts; i++)
        l->sum += part_of(&t->mark[l->past[i]]);
    l->sum += part_of(m);
    l->past[l->pasts++] = slot_of(t, slot);
    commit(t, l);
}

/* Older than all that is here, while something has left already. */
static bool is_past(const struct trail *t, const struct lists *l, uint32_t time_s)
{
    return l->presents == TRAIL_PRESENT && time_s < t->mark[l->present[0]].time_s;
}

/* ---- passages ---- */

static bool answer_repeated(const struct trail *t, const struct lists *l, const struct passage *p,
    struct passage_answer *answer)
{
    struct search s = find_first(t, l, p);
    const struct mark *first = s.before ? s.before : s.after ? s.after : s.ghost;

    if (!first)
        return false;
    answer->repeat = true;
    answer->ghost = first == s.ghost;
    memcpy(answer->other, first->id, sizeof answer->other);
    if (!is_way(p->way))
        answer->way = way_of(first);
    return true;
}

static uint16_t flags_of(enum way way, uint32_t day)
{
    return (uint16_t)((is_way(way) ? (unsigned)way : 0) << WAY_AT | (day & DAY_MASK));
}

static enum way next_way(
    const struct trail *t, const struct lists *l, const struct passage *p, bool past)
{
    const uint8_t *list = past ? l->past : l->present;

    if (is_way(p->way) || !p->alternate)
        return p->way;
    return alternate(t, list, rank(t, list, past ? l->pasts : l->presents, p->mark.time_s), p);
}

void trail_pass(struct trail *t, const struct passage *p, struct passage_answer *answer)
{
    const struct mark *known;
    struct mark m;
    struct lists l;
    bool past;

    *answer = (struct passage_answer){.way = p->way};
    open_lists(head_of(t), &l);
    known = find_id(t, &l, p->mark.id);
    if (known && !is_way(p->way))
        answer->way = way_of(known);
    if (known || answer_repeated(t, &l, p, answer))
        return;
    past = is_past(t, &l, p->mark.time_s);
    answer->way = next_way(t, &l, p, past);
    /* What nobody will ask for is not kept. */
    if (!is_way(answer->way) && p->window_s == 0 && !p->ghost)
        return;
    copy_mark(&m, &p->mark);
    m.flags = flags_of(answer->way, p->day);
    m.cancel = 0;
    if (past)
        add_past(t, &l, &m);
    else
        add_present(t, &l, &m);
}

void trail_cancel(struct trail *t, const unsigned char id[16], uint32_t time_s)
{
    const struct mark *m;
    struct mark *slot;
    struct lists l;
    uint32_t after;

    open_lists(head_of(t), &l);
    m = find_id(t, &l, id);
    if (!m || m->cancel || time_s < m->time_s)
        return;
    after = time_s - m->time_s;
    slot = free_slot(t, &l);
    copy_mark(slot, m);
    l.sum -= part_of(m);
    slot->cancel = (uint8_t)(1 + (after < CANCEL_MAX_S ? after : CANCEL_MAX_S));
    l.sum += part_of(slot);
    for (unsigned i = 0; i < l.presents; i++)
        if (l.present[i] == slot_of(t, m))
            l.present[i] = slot_of(t, slot);
    for (unsigned i = 0; i < l.pasts; i++)
        if (l.past[i] == slot_of(t, m))
            l.past[i] = slot_of(t, slot);
    commit(t, &l);
}

/* ---- lanes ---- */

void trail_note(struct trail *t, const struct mark *m)
{
    struct mark copy = *m;
    struct lists l;

    open_lists(head_of(t), &l);
    copy.flags = flags_of(WAY_IN, 0);
    copy.cancel = 0;
    if (!is_past(t, &l, m->time_s) && !find_id(t, &l, m->id))
        add_present(t, &l, &copy);
}

const struct mark *trail_find(
    const struct trail *t, uint32_t place, uint32_t time_s, uint32_t within_s)
{
    const struct mark *latest = NULL;
    struct lists l;

    open_lists(head_of(t), &l);
    for (unsigned i = 0; i < l.presents; i++) {
        const struct mark *m = &t->mark[l.present[i]];

        if ((place && m->place != place) || m->time_s > time_s)
            continue;
        if (m->cancel && m->time_s + m->cancel - 1u == time_s)
            return m;
        if (!m->cancel && time_s - m->time_s <= within_s)
            latest = m;
    }
    return latest;
}

/* SPDX-License-Identifier: MIT */
/*
 * Lanes live in one array and are named by index; `table` finds them by the hash of the person
 * (open addressing, linear probing, deletion by shifting back).  A lane is in the table while it
 * has events or is blocked.  Lanes that may be taken from hang in a list in the order in which they
 * became ready; sleeping lanes stand in a binary heap by the time they wake.  Lanes that are kept
 * for their block alone hang in a second list, and when there are too many the oldest is given up:
 * by then the giver has handed over more than it can have had in hand.
 */
#include "queue.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/random.h>

#include "block.h"
#include "buf.h"

#define NONE UINT32_MAX
#define HEAP_OVERHEAD 16 /* what malloc adds to a block */
#define LANES_FIRST 256u
#define FAVOUR_MAX 1000u

enum lane_state { LANE_IDLE, LANE_READY, LANE_ASLEEP, LANE_BLOCKED };

struct lane {
    uint64_t person; /* 0: of one event without a person, not in the table */
    struct item *first, *last;
    int64_t wake_ms;
    struct block block;
    uint32_t waiting, flying;
    uint32_t next, previous; /* in its list; next also in that of the free */
    uint32_t at;             /* in the heap of the sleeping */
    uint32_t state;
};

struct lanes {
    uint32_t first, last;
};

struct queue {
    uint64_t seed[2];
    size_t bytes, bytes_max;
    size_t count, ready, waiting;
    uint64_t numbers;
    struct lane *lane;
    uint32_t lanes, lanes_room, lanes_used, free;
    uint32_t *table; /* lane + 1; 0: empty */
    uint32_t table_mask;
    struct lanes going, blocked; /* those that are ready, and those of a block alone */
    uint32_t *heap;
    uint32_t asleep;
    size_t backs;                       /* events that the blocks of all lanes name */
    struct item *oldest[2], *newest[2]; /* [has_ack] */
};

struct queue *queue_new(size_t bytes_max)
{
    struct queue *q = mem_alloc(sizeof *q);

    memset(q, 0, sizeof *q);
    q->bytes_max = bytes_max;
    q->free = NONE;
    q->going = q->blocked = (struct lanes){NONE, NONE};
    q->lanes_room = LANES_FIRST;
    q->lane = mem_alloc(q->lanes_room * sizeof *q->lane);
    q->heap = mem_alloc(q->lanes_room * sizeof *q->heap);
    q->table_mask = LANES_FIRST * 2 - 1;
    q->table = mem_alloc((q->table_mask + 1) * sizeof *q->table);
    memset(q->table, 0, (q->table_mask + 1) * sizeof *q->table);
    if (getrandom(q->seed, sizeof q->seed, 0) != sizeof q->seed)
        q->seed[0] = (uint64_t)(uintptr_t)q; /* order only; nothing secret hangs on it */
    return q;
}

void queue_free_all(struct queue *q)
{
    if (!q)
        return;
    for (int list = 0; list < 2; list++)
        for (struct item *it = q->oldest[list], *next; it; it = next) {
            next = it->newer;
            free(it);
        }
    for (uint32_t n = 0; n < q->lanes; n++)
        block_free(&q->lane[n].block);
    free(q->lane);
    free(q->heap);
    free(q->table);
    free(q);
}

/* ---- hash and table ---- */

static uint64_t fold(uint64_t a, uint64_t b)
{
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t queue_hash(const struct queue *q, struct slice text)
{
    uint64_t h = q->seed[0] ^ text.n, word;

    for (; text.n >= 8; text.p += 8, text.n -= 8) {
        memcpy(&word, text.p, 8);
        h = fold(h ^ word, 0x9e3779b97f4a7c15u);
    }
    word = 0;
    if (text.n > 0)
        memcpy(&word, text.p, text.n);
    h = fold(fold(h ^ word, q->seed[1] | 1) + text.n, 0xd6e8feb86659fd93u);
    return h ? h : 1;
}

/* The place in the table of a person's lane, or the empty place where it would be. */
static uint32_t place_of(const struct queue *q, uint64_t person)
{
    uint32_t i = (uint32_t)person & q->table_mask;

    while (q->table[i] && q->lane[q->table[i] - 1].person != person)
        i = (i + 1) & q->table_mask;
    return i;
}

static uint32_t lane_find(const struct queue *q, uint64_t person)
{
    return person ? q->table[place_of(q, person)] - 1 : NONE; /* 0 - 1 is NONE */
}

static void table_remove(struct queue *q, uint64_t person)
{
    uint32_t hole = place_of(q, person), i = hole;

    /* Whoever was pushed past the hole by a collision moves back into it. */
    for (;;) {
        uint32_t home;

        i = (i + 1) & q->table_mask;
        if (!q->table[i])
            break;
        home = (uint32_t)q->lane[q->table[i] - 1].person & q->table_mask;
        if (((i - home) & q->table_mask) < ((i - hole) & q->table_mask))
            continue;
        q->table[hole] = q->table[i];
        hole = i;
    }
    q->table[hole] = 0;
}

static void table_grow(struct queue *q)
{
    uint32_t *old = q->table, size = q->table_mask + 1;

    q->table_mask = size * 2 - 1;
    q->table = mem_alloc((size_t)size * 2 * sizeof *q->table);
    memset(q->table, 0, (size_t)size * 2 * sizeof *q->table);
    for (uint32_t i = 0; i < size; i++)
        if (old[i])
            q->table[place_of(q, q->lane[old[i] - 1].person)] = old[i];
    free(old);
}

/* ---- lanes ---- */

static void list_add(struct queue *q, struct lanes *list, uint32_t n)
{
    q->lane[n].next = NONE;
    q->lane[n].previous = list->last;
    if (list->last == NONE)
        list->first = n;
    else
        q->lane[list->last].next = n;
    list->last = n;
}

static void list_remove(struct queue *q, struct lanes *list, uint32_t n)
{
    const struct lane *l = &q->lane[n];

    if (l->previous == NONE)
        list->first = l->next;
    else
        q->lane[l->previous].next = l->next;
    if (l->next == NONE)
        list->last = l->previous;
    else
        q->lane[l->next].previous = l->previous;
}

static void ready_add(struct queue *q, uint32_t n)
{
    q->lane[n].state = LANE_READY;
    q->ready += q->lane[n].waiting;
    list_add(q, &q->going, n);
}

static void ready_remove(struct queue *q, uint32_t n)
{
    q->lane[n].state = LANE_IDLE;
    q->ready -= q->lane[n].waiting;
    list_remove(q, &q->going, n);
}

static void heap_set(struct queue *q, uint32_t at, uint32_t n)
{
    q->heap[at] = n;
    q->lane[n].at = at;
}

/* Moves lane n from place `at` up or down to where it belongs. */
static void heap_settle(struct queue *q, uint32_t at, uint32_t n)
{
    int64_t wake_ms = q->lane[n].wake_ms;

    while (at > 0 && q->lane[q->heap[(at - 1) / 2]].wake_ms > wake_ms) {
        heap_set(q, at, q->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    for (;;) {
        uint32_t child = at * 2 + 1;

        if (child + 1 < q->asleep &&
            q->lane[q->heap[child + 1]].wake_ms < q->lane[q->heap[child]].wake_ms)
            child++;
        if (child >= q->asleep || q->lane[q->heap[child]].wake_ms >= wake_ms)
            break;
        heap_set(q, at, q->heap[child]);
        at = child;
    }
    heap_set(q, at, n);
}

static void sleep_add(struct queue *q, uint32_t n)
{
    q->lane[n].state = LANE_ASLEEP;
    heap_settle(q, q->asleep++, n);
}

static void sleep_remove(struct queue *q, uint32_t n)
{
    uint32_t at = q->lane[n].at, last = q->heap[--q->asleep];

    q->lane[n].state = LANE_IDLE;
    if (last != n)
        heap_settle(q, at, last);
}

/* Out of whatever list it is in. */
static void lane_rest(struct queue *q, uint32_t n)
{
    struct lane *l = &q->lane[n];

    if (l->state == LANE_READY) {
        ready_remove(q, n);
    } else if (l->state == LANE_ASLEEP) {
        sleep_remove(q, n);
    } else if (l->state == LANE_BLOCKED) {
        l->state = LANE_IDLE;
        list_remove(q, &q->blocked, n);
    }
}

static void lane_free(struct queue *q, uint32_t n)
{
    struct lane *l = &q->lane[n];

    if (l->person)
        table_remove(q, l->person);
    q->backs -= l->block.count;
    block_free(&l->block);
    l->next = q->free;
    q->free = n;
    q->lanes_used--;
}

static void give_up_oldest_block(struct queue *q)
{
    uint32_t n = q->blocked.first;

    lane_rest(q, n);
    lane_free(q, n);
}

static uint32_t lane_new(struct queue *q, uint64_t person)
{
    uint32_t n;

    if (q->lanes_used >= QUEUE_LANES_MAX && q->blocked.first != NONE)
        give_up_oldest_block(q);
    n = q->free;
    if (n != NONE) {
        q->free = q->lane[n].next;
    } else {
        if (q->lanes == q->lanes_room) {
            q->lanes_room *= 2;
            q->lane = mem_resize(q->lane, q->lanes_room * sizeof *q->lane);
            q->heap = mem_resize(q->heap, q->lanes_room * sizeof *q->heap);
        }
        n = q->lanes++;
    }
    q->lane[n] = (struct lane){.person = person};
    q->lanes_used++;
    if (person) {
        if (q->lanes_used > q->table_mask / 2)
            table_grow(q);
        q->table[place_of(q, person)] = n + 1;
    }
    return n;
}

/* Puts an idle lane where it belongs now; a lane without events and without a block is given up. */
static void lane_settle(struct queue *q, uint32_t n, int64_t wake_ms)
{
    struct lane *l = &q->lane[n];

    if (l->flying > 0)
        return;
    if (l->waiting > 0 && l->first->picture)
        return; /* until queue_rewrite */
    l->wake_ms = wake_ms;
    if (l->waiting > 0 && wake_ms > 0) {
        sleep_add(q, n);
    } else if (l->waiting > 0) {
        ready_add(q, n);
    } else if (!block_on(&l->block)) {
        lane_free(q, n);
    } else if (l->block.until_ms < QUEUE_FOR_EVER) {
        l->state = LANE_BLOCKED;
        list_add(q, &q->blocked, n);
    }
}

int64_t queue_wake(struct queue *q, int64_t now_ms)
{
    while (q->asleep > 0 && q->lane[q->heap[0]].wake_ms <= now_ms) {
        uint32_t n = q->heap[0];

        sleep_remove(q, n);
        lane_settle(q, n, 0);
    }
    while (q->blocked.first != NONE && block_over(&q->lane[q->blocked.first].block, now_ms))
        give_up_oldest_block(q);
    return q->asleep > 0 ? q->lane[q->heap[0]].wake_ms : INT64_MAX;
}

int64_t queue_wakes_at(const struct queue *q, const struct item *it)
{
    const struct lane *l = &q->lane[it->lane];

    return l->state == LANE_ASLEEP ? l->wake_ms : 0;
}

/* ---- blocks ---- */

/* The lane is not in the list of the blocked meanwhile. */
static void hand_back(struct queue *q, struct lane *l, uint64_t id, uint64_t number)
{
    while (q->backs >= QUEUE_BACKS_MAX && q->blocked.first != NONE)
        give_up_oldest_block(q);
    if (!l->person || (q->backs >= QUEUE_BACKS_MAX && block_on(&l->block)))
        return;
    block_add(&l->block, id, number);
    q->backs++;
}

/* Without an ack it does not come again: of those the first is enough. */
static void hand_back_items(struct queue *q, struct lane *l, const struct item *it)
{
    for (; it; it = it->next)
        if (it->has_ack || !block_on(&l->block))
            hand_back(q, l, queue_hash(q, item_id(it)), it->number);
}

/* An event that is not let in is handed back. */
static void hand_back_at_once(struct queue *q, uint32_t n, uint64_t id, int64_t place)
{
    bool idle = q->lane[n].waiting == 0 && q->lane[n].flying == 0;

    if (idle)
        lane_rest(q, n);
    if (place < 0)
        hand_back(q, &q->lane[n], id, BLOCK_LAST);
    else
        block_again(&q->lane[n].block, (uint32_t)place);
    if (idle)
        lane_settle(q, n, 0);
}

static void let_pass(struct queue *q, uint32_t n, uint32_t place, int64_t now_ms)
{
    struct lane *l = &q->lane[n];

    q->backs -= place + 1;
    block_pass(&l->block, place);
    l->block.until_ms = now_ms;
    if (l->waiting == 0 && l->flying == 0) {
        lane_rest(q, n);
        lane_settle(q, n, 0);
    }
}

bool queue_blocked(
    struct queue *q, uint64_t person, uint64_t id, bool has_ack, int64_t now_ms, int64_t *until_ms)
{
    uint32_t n = lane_find(q, person);
    const struct block *b;
    int64_t place;

    if (n == NONE || !block_on(&q->lane[n].block))
        return false;
    b = &q->lane[n].block;
    *until_ms = b->until_ms;
    place = block_find(b, id);
    if (block_over(b, now_ms)) {
        let_pass(q, n, b->count - 1, now_ms);
        return false;
    }
    if (place >= 0 && block_may_pass(b, (uint32_t)place, now_ms)) {
        let_pass(q, n, (uint32_t)place, now_ms);
        return false;
    }
    if (has_ack)
        hand_back_at_once(q, n, id, place);
    return true;
}

void queue_block(struct queue *q, uint64_t person, uint64_t id, int64_t until_ms)
{
    uint32_t n = lane_find(q, person);

    if (!person)
        return;
    if (n == NONE)
        n = lane_new(q, person);
    q->lane[n].block.until_ms = until_ms;
    hand_back_at_once(q, n, id, block_find(&q->lane[n].block, id));
}

/* ---- items ---- */

bool queue_room(const struct queue *q)
{
    return q->bytes < q->bytes_max && (q->lanes_used < QUEUE_LANES_MAX || q->blocked.first != NONE);
}

size_t queue_count(const struct queue *q)
{
    return q->count;
}

size_t queue_ready(const struct queue *q)
{
    return q->ready;
}

size_t queue_waiting(const struct queue *q)
{
    return q->waiting;
}

bool queue_behind(const struct queue *q, const struct item *it)
{
    const struct lane *l = &q->lane[it->lane];

    return l->flying > 0 || l->first != it;
}

struct item *queue_oldest(const struct queue *q, bool has_ack)
{
    return q->oldest[has_ack];
}

static size_t item_bytes(const struct item *it)
{
    return sizeof *it + it->body_n + it->ack_n + it->id_n + HEAP_OVERHEAD;
}

/* An item of these parts; all else is as in `like`. */
static struct item *item_new(
    const struct item *like, struct slice body, struct slice ack, struct slice id)
{
    struct item *it = mem_alloc(sizeof *it + body.n + ack.n + id.n);
    char *p = it->bytes;

    *it = *like;
    it->body_n = (uint32_t)body.n;
    it->ack_n = (uint32_t)ack.n;
    it->id_n = (uint32_t)id.n;
    it->has_ack = ack.p != NULL;
    p = mempcpy(p, body.p, body.n);
    if (ack.n > 0)
        p = mempcpy(p, ack.p, ack.n);
    if (id.n > 0)
        memcpy(p, id.p, id.n);
    return it;
}

struct item *queue_put(struct queue *q, uint64_t person, struct slice body, struct slice ack,
    struct slice id, int64_t now_ms)
{
    static const struct item fresh;
    struct item *it = item_new(&fresh, body, ack, id);
    uint32_t n = lane_find(q, person);
    struct lane *l;

    it->person = person;
    it->number = ++q->numbers;
    it->arrived_ms = now_ms;
    it->older = q->newest[it->has_ack];
    if (it->older)
        it->older->newer = it;
    else
        q->oldest[it->has_ack] = it;
    q->newest[it->has_ack] = it;
    it->lane = n = n == NONE ? lane_new(q, person) : n;
    l = &q->lane[n];
    if (l->first)
        l->last->next = it;
    else
        l->first = it;
    l->last = it;
    l->waiting++;
    q->count++;
    q->waiting++;
    q->bytes += item_bytes(it);
    if (l->state == LANE_READY) {
        q->ready++;
    } else if (l->state == LANE_IDLE || l->waiting == 1) {
        lane_rest(q, n); /* it may have been kept for its block alone */
        lane_settle(q, n, 0);
    }
    return it;
}

void queue_wait(struct queue *q, struct item *it, uint32_t picture)
{
    it->picture = picture;
    if (q->lane[it->lane].first == it)
        lane_rest(q, it->lane);
}

struct item *queue_rewrite(struct queue *q, struct item *old, struct slice body)
{
    struct item *it = item_new(old, body, item_ack(old), item_id(old));
    struct lane *l = &q->lane[old->lane];
    struct item **at = &l->first;

    it->picture = 0;
    q->bytes += item_bytes(it) - item_bytes(old);
    while (*at != old)
        at = &(*at)->next;
    *at = it;
    if (l->last == old)
        l->last = it;
    *(it->older ? &it->older->newer : &q->oldest[it->has_ack]) = it;
    *(it->newer ? &it->newer->older : &q->newest[it->has_ack]) = it;
    free(old);
    if (l->first == it && l->state == LANE_IDLE)
        lane_settle(q, it->lane, 0);
    return it;
}

static void item_forget(struct queue *q, struct item *it)
{
    struct item **oldest = &q->oldest[it->has_ack], **newest = &q->newest[it->has_ack];

    if (it->older)
        it->older->newer = it->newer;
    else
        *oldest = it->newer;
    if (it->newer)
        it->newer->older = it->older;
    else
        *newest = it->older;
    q->count--;
    q->bytes -= item_bytes(it);
    free(it);
}

void queue_favour(
    struct queue *q, unsigned (*rank)(const void *arg, const struct item *it), const void *arg)
{
    unsigned best = UINT_MAX;
    uint32_t n = q->going.first;

    for (uint32_t at = n, i = 0; i < FAVOUR_MAX && at != NONE && best > 0; i++) {
        unsigned this = rank(arg, q->lane[at].first);

        if (this < best) {
            best = this;
            n = at;
        }
        at = q->lane[at].next;
    }
    if (n == q->going.first)
        return;
    ready_remove(q, n);
    q->lane[n].state = LANE_READY;
    q->lane[n].previous = NONE;
    q->lane[n].next = q->going.first;
    q->lane[q->going.first].previous = n;
    q->going.first = n;
    q->ready += q->lane[n].waiting;
}

size_t queue_take(struct queue *q, struct item **items, size_t most, size_t body_bytes)
{
    size_t n = 0, bytes = 2;

    while (n < most && q->going.first != NONE) {
        uint32_t at = q->going.first;
        struct lane *l = &q->lane[at];
        size_t before = n;

        if (n > 0 && bytes + l->first->body_n + 1 > body_bytes)
            break;
        ready_remove(q, at);
        while (l->first && !l->first->picture && n < most &&
               (n == 0 || bytes + l->first->body_n + 1 <= body_bytes)) {
            struct item *it = items[n++] = l->first;

            bytes += it->body_n + 1;
            it->state = ITEM_FLYING;
            l->first = it->next;
        }
        l->flying = (uint32_t)(n - before);
        l->waiting -= l->flying;
        q->waiting -= l->flying;
    }
    return n;
}

void queue_done(struct queue *q, struct item *it)
{
    uint32_t n = it->lane;

    item_forget(q, it);
    q->lane[n].flying--;
    lane_settle(q, n, 0);
}

/* Back among the waiting of its lane, by number: what was parked may stand there already. */
static void lane_insert(struct queue *q, struct lane *l, struct item *it)
{
    struct item **at = &l->first;

    while (*at && (*at)->number < it->number)
        at = &(*at)->next;
    it->next = *at;
    *at = it;
    if (!it->next)
        l->last = it;
    it->state = ITEM_WAITING;
    l->waiting++;
    q->waiting++;
}

void queue_back(struct queue *q, struct item **items, size_t count, int64_t wake_ms)
{
    /* From the last to the first: each goes to the front at once. */
    while (count-- > 0) {
        struct lane *l = &q->lane[items[count]->lane];

        lane_insert(q, l, items[count]);
        l->flying--;
        lane_settle(q, items[count]->lane, wake_ms);
    }
}

void queue_park(struct queue *q, struct item *it)
{
    uint32_t n = it->lane;

    it->state = ITEM_PARKED;
    it->lane = NONE;
    q->lane[n].flying--;
    lane_settle(q, n, 0);
}

void queue_unpark(struct queue *q, struct item *it)
{
    uint32_t n = lane_find(q, it->person);

    it->lane = n = n == NONE ? lane_new(q, it->person) : n;
    lane_rest(q, n);
    lane_insert(q, &q->lane[n], it);
    lane_settle(q, n, 0);
}

/* Takes the waiting events of a lane off it, those without an ack only with `all`. */
static struct item *lane_cut(struct queue *q, struct lane *l, bool all)
{
    struct item *cut = NULL, **end = &cut, **keep = &l->first;

    l->last = NULL;
    for (struct item *i = l->first; i; i = *keep) {
        if (!all && !i->has_ack) {
            l->last = i;
            keep = &i->next;
            continue;
        }
        *keep = i->next;
        i->next = NULL;
        i->state = ITEM_CUT;
        *end = i;
        end = &i->next;
        l->waiting--;
        q->waiting--;
    }
    return cut;
}

struct item *queue_cut(struct queue *q, struct item *it, bool all, int64_t until_ms)
{
    uint32_t n = it->lane;
    struct lane *l = &q->lane[n];
    struct item *cut;

    lane_rest(q, n);
    cut = lane_cut(q, l, all);
    if (until_ms) {
        hand_back_items(q, l, cut);
        l->block.until_ms = until_ms;
    }
    lane_settle(q, n, 0);
    return cut;
}

struct item *queue_held(struct queue *q, struct item *it, int64_t until_ms)
{
    struct lane *l = &q->lane[it->lane];
    struct item *cut = lane_cut(q, l, true);

    it->next = cut;
    hand_back_items(q, l, it);
    l->block.until_ms = until_ms;
    queue_done(q, it);
    return cut;
}

void queue_held_behind(struct queue *q, struct item *it)
{
    it->next = NULL;
    hand_back_items(q, &q->lane[it->lane], it);
    queue_done(q, it);
}

bool queue_stuck(const struct queue *q, const struct item *it, bool *blocked)
{
    const struct lane *l = &q->lane[it->lane];

    *blocked = block_before(&l->block, it->number);
    return *blocked || (l->first && l->first->number < it->number);
}

void queue_free(struct queue *q, struct item *it)
{
    item_forget(q, it);
}

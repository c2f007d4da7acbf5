/* SPDX-License-Identifier: MIT */
/* A hash table of chains, and a list in the order of being seen. */
#include "iclock_book.h"

#include <stdlib.h>
#include <sys/random.h>

#define CHAINS 4096u

struct iclock_book {
    size_t most, count;
    uint64_t seed; /* so that nobody outside can fill one chain */
    struct iclock_device *oldest, *newest;
    struct iclock_device *chain[CHAINS];
};

struct iclock_book *iclock_book_new(size_t most)
{
    struct iclock_book *b = mem_alloc(sizeof *b);

    memset(b, 0, sizeof *b);
    b->most = most;
    if (getrandom(&b->seed, sizeof b->seed, GRND_NONBLOCK) != sizeof b->seed)
        b->seed = (uintptr_t)b;
    return b;
}

void iclock_book_free(struct iclock_book *b)
{
    if (!b)
        return;
    while (b->oldest) {
        struct iclock_device *d = b->oldest;

        b->oldest = d->newer;
        free(d);
    }
    free(b);
}

static struct iclock_device **chain_of(struct iclock_book *b, const char *serial)
{
    uint64_t h = b->seed ^ 0xcbf29ce484222325u;

    for (const char *p = serial; *p; p++)
        h = (h ^ (unsigned char)*p) * 0x100000001b3u;
    return &b->chain[(h ^ h >> 32) % CHAINS];
}

static void unlist(struct iclock_book *b, struct iclock_device *d)
{
    if (d->older)
        d->older->newer = d->newer;
    else
        b->oldest = d->newer;
    if (d->newer)
        d->newer->older = d->older;
    else
        b->newest = d->older;
}

static void list_newest(struct iclock_book *b, struct iclock_device *d)
{
    d->older = b->newest;
    d->newer = NULL;
    if (b->newest)
        b->newest->newer = d;
    else
        b->oldest = d;
    b->newest = d;
}

/* Makes a place; false when each has a request in hand. */
static bool forget_one(struct iclock_book *b)
{
    struct iclock_device *d = b->oldest, **link;

    while (d && d->held > 0)
        d = d->newer;
    if (!d)
        return false;
    for (link = chain_of(b, d->serial); *link != d; link = &(*link)->next)
        ;
    *link = d->next;
    unlist(b, d);
    free(d);
    b->count--;
    return true;
}

struct iclock_device *iclock_book_see(
    struct iclock_book *b, const char *serial, int64_t now_ms, bool *fresh)
{
    struct iclock_device **chain = chain_of(b, serial), *d = *chain;

    while (d && strcmp(d->serial, serial) != 0)
        d = d->next;
    *fresh = !d;
    if (d) {
        unlist(b, d);
    } else {
        if (b->count == b->most && !forget_one(b))
            return NULL;
        d = mem_alloc(sizeof *d);
        *d = (struct iclock_device){.last_s = -1, .last_index = -1, .logs = -1};
        memcpy(d->serial, serial, strlen(serial) + 1);
        d->next = *chain;
        *chain = d;
        b->count++;
    }
    d->seen_ms = now_ms;
    list_newest(b, d);
    return d;
}

struct iclock_device *iclock_book_at(
    struct iclock_book *b, const char *host, const struct iclock_device *self, size_t *others)
{
    struct iclock_device *found = NULL;

    *others = 0;
    for (struct iclock_device *d = b->newest; d; d = d->older) {
        if (d == self || strcmp(d->host, host) != 0)
            continue;
        if (!found)
            found = d;
        ++*others;
    }
    return found;
}

size_t iclock_book_count(const struct iclock_book *b)
{
    return b->count;
}

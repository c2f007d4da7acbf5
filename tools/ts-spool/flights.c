/* SPDX-License-Identifier: MIT */
/* An array in the order of seq; when half of it is answered it is packed. */
#include "flights.h"

#include <stdlib.h>

#include "buf.h"

#define PACK_MIN 256

struct flight {
    uint64_t seq, person;
    bool answered;
};

uint64_t flights_person(struct slice person)
{
    uint64_t h = 0xcbf29ce484222325ull;

    if (!person.p)
        return 0;
    for (size_t i = 0; i < person.n; i++)
        h = (h ^ (unsigned char)person.p[i]) * 0x100000001b3ull;
    return h | 1;
}

static void pack(struct flights *f)
{
    size_t n = 0;

    for (size_t i = 0; i < f->count; i++)
        if (!f->at[i].answered)
            f->at[n++] = f->at[i];
    f->count = n;
    f->answered = 0;
}

void flights_add(struct flights *f, uint64_t seq, uint64_t person)
{
    if (f->count == f->cap) {
        f->cap = f->cap ? f->cap * 2 : PACK_MIN;
        f->at = mem_resize(f->at, f->cap * sizeof *f->at);
    }
    f->at[f->count++] = (struct flight){.seq = seq, .person = person};
}

/* Index of the first flight with this number or a higher one. */
static size_t place(const struct flights *f, uint64_t seq)
{
    size_t low = 0, high = f->count;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (f->at[mid].seq < seq)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

void flights_answer(struct flights *f, uint64_t seq)
{
    size_t n = place(f, seq);

    if (n == f->count || f->at[n].seq != seq || f->at[n].answered)
        return;
    f->at[n].answered = true;
    if (++f->answered > PACK_MIN && f->answered > f->count / 2)
        pack(f);
}

bool flights_above(const struct flights *f, uint64_t seq, uint64_t person)
{
    for (size_t n = place(f, seq + 1); n < f->count; n++)
        if (f->at[n].person == person && !f->at[n].answered)
            return true;
    return false;
}

void flights_free(struct flights *f)
{
    free(f->at);
    *f = (struct flights){0};
}

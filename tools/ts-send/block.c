/* SPDX-License-Identifier: MIT */
/* A short array: mostly of one; of as many as the giver had in hand at the worst. */
#include "block.h"

#include <stdlib.h>
#include <string.h>

#include "buf.h"

int64_t block_find(const struct block *b, uint64_t id)
{
    for (uint32_t i = 0; i < b->count; i++)
        if (b->at[b->from + i].id == id)
            return i;
    return -1;
}

static void make_room(struct block *b)
{
    if (b->from + b->count < b->room)
        return;
    if (b->from > b->count) {
        memmove(b->at, b->at + b->from, b->count * sizeof *b->at);
        b->from = 0;
        return;
    }
    b->room = b->room ? b->room * 2 : 1;
    b->at = mem_resize(b->at, b->room * sizeof *b->at);
}

void block_add(struct block *b, uint64_t id, uint64_t number)
{
    struct back *at;

    make_room(b);
    at = b->at + b->from + b->count++;
    for (; at > b->at + b->from && at[-1].number > number; at--)
        *at = at[-1];
    *at = (struct back){id, number, ++b->answers};
}

bool block_may_pass(const struct block *b, uint32_t place, int64_t now_ms)
{
    const struct back *first = b->at + b->from;

    if (place > 0 && now_ms < b->until_ms)
        return false;
    for (uint32_t i = 0; i < place; i++)
        if (first[i].answer > first[place].answer)
            return false;
    return true;
}

void block_pass(struct block *b, uint32_t place)
{
    b->from += place + 1;
    b->count -= place + 1;
    for (uint32_t i = b->from; i < b->from + b->count && b->at[i].number != BLOCK_LAST; i++)
        b->at[i].number = BLOCK_LAST;
}

void block_again(struct block *b, uint32_t place)
{
    b->at[b->from + place].answer = ++b->answers;
}

void block_free(struct block *b)
{
    free(b->at);
    *b = (struct block){0};
}

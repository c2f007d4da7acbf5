/* SPDX-License-Identifier: MIT */
/*
 * One row a person.  A table leads from an id, with the device where it holds alone, to the list of
 * its owners; nearly always there is one.  Who of them it is depends on the day; where two
 * employees remain, it is nobody.
 */
#include "roster.h"

#include <stdlib.h>

#include "card.h"
#include "roster_build.h"
#include "table.h"

#define OWNERS_MAX 1000
#define DEVICE_END '\x1f'
#define NO_OWNER UINT32_MAX
#define ASKED_BYTES 256

/* A list of owners: NO_OWNER, or the last of them, which is a row; or MANY and the index of this.
 */
#define MANY 0x80000000u
struct owner {
    uint32_t row, next;
};

struct roster {
    /* Of each row what events get, employee and `hr`, and behind it the table's names for its ids:
       see name_of.  Side by side, since they are needed together. */
    struct buf text;
    struct row *row;
    size_t rows, row_room;
    struct owner *owner;
    size_t owners, owner_room;
    struct table ids[2]; /* by enum roster_key: the owners of an id, the last row first */
    bool by_device;      /* some id holds on one device alone */
};

struct roster *roster_new(void)
{
    struct roster *r = mem_alloc(sizeof *r);

    *r = (struct roster){0};
    return r;
}

void roster_free(struct roster *r)
{
    if (!r)
        return;
    buf_free(&r->text);
    free(r->row);
    free(r->owner);
    table_free(&r->ids[ROSTER_PERSON]);
    table_free(&r->ids[ROSTER_CARD]);
    free(r);
}

struct buf *roster_text(struct roster *r)
{
    return &r->text;
}

size_t roster_people(const struct roster *r)
{
    return r->rows;
}

/* ---- filling ---- */

void roster_add_row(struct roster *r, const struct row *row)
{
    if (r->rows == r->row_room) {
        r->row_room = r->row_room ? r->row_room * 2 : 256;
        r->row = mem_resize(r->row, r->row_room * sizeof *r->row);
    }
    r->row[r->rows++] = *row;
}

/* Steps through a list of owners: the row, and the rest of the list in its place. */
static const struct row *next_owner(const struct roster *r, uint32_t *list)
{
    uint32_t at = *list;

    if (at == NO_OWNER)
        return NULL;
    *list = at & MANY ? r->owner[at & ~MANY].next : NO_OWNER;
    return &r->row[at & MANY ? r->owner[at & ~MANY].row : at];
}

static void add_owner(struct roster *r, uint32_t *list)
{
    uint32_t row = (uint32_t)r->rows - 1;

    if (*list == NO_OWNER) {
        *list = row;
        return;
    }
    if (r->owners == r->owner_room) {
        r->owner_room = r->owner_room ? r->owner_room * 2 : 256;
        r->owner = mem_resize(r->owner, r->owner_room * sizeof *r->owner);
    }
    r->owner[r->owners] = (struct owner){row, *list};
    *list = MANY | (uint32_t)r->owners++;
}

static bool same_employee(const struct roster *r, const struct row *a, const struct row *b)
{
    return a->employee_bytes == b->employee_bytes &&
           memcmp(r->text.data + a->employee, r->text.data + b->employee, a->employee_bytes) == 0;
}

/* The table's name for an id: just this, which costs nothing, or with the device between two
   DEVICE_END in front. */
static struct slice name_of(char *room, struct slice id, struct slice device)
{
    char *p = room;

    if (device.n == 0)
        return id;
    *p++ = DEVICE_END;
    p = mempcpy(p, device.p, device.n);
    *p++ = DEVICE_END;
    return (struct slice){room, (size_t)((char *)mempcpy(p, id.p, id.n) - room)};
}

/* The place of the id's owners. */
static uint32_t *owners_of(
    struct roster *r, enum roster_key key, struct slice id, struct slice device)
{
    struct table *ids = &r->ids[key];
    size_t used = ids->used;
    char *p = buf_room(&r->text, device.n + id.n + 2);
    struct slice name = name_of(p, id, device);
    uint32_t *list;

    if (name.p != p)
        memcpy(p, name.p, name.n);
    ids->text = r->text.data; /* it may have moved */
    list = table_add(ids, (struct slice){p, name.n}, NO_OWNER);
    if (ids->used > used)
        r->text.len += name.n;
    return list;
}

enum roster_added roster_add_id(struct roster *r, enum roster_key key, struct slice id,
    struct slice device, const struct row **other)
{
    uint32_t *list = owners_of(r, key, id, device), rest = *list;
    const struct row *row = &r->row[r->rows - 1], *had;
    unsigned owners = 0;

    r->by_device |= device.n > 0;
    *other = NULL;
    while (!*other && (had = next_owner(r, &rest))) {
        if (owners++ == OWNERS_MAX)
            return ROSTER_CROWDED;
        if (had->from > row->until || had->until < row->from)
            continue;
        if (!same_employee(r, had, row))
            *other = had;
        else if (had->from <= row->from && had->until >= row->until)
            return ROSTER_ADDED;
    }
    add_owner(r, list);
    return *other ? ROSTER_SHARED : ROSTER_ADDED;
}

static void trim(struct buf *b)
{
    if (b->len > 0)
        b->data = mem_resize(b->data, b->len);
    b->cap = b->len;
}

void roster_finish(struct roster *r)
{
    trim(&r->text);
    r->ids[ROSTER_PERSON].text = r->ids[ROSTER_CARD].text = r->text.data;
    if (r->rows > 0)
        r->row = mem_resize(r->row, r->rows * sizeof *r->row);
    if (r->owners > 0)
        r->owner = mem_resize(r->owner, r->owners * sizeof *r->owner);
    r->row_room = r->rows;
    r->owner_room = r->owners;
}

/* ---- asking ---- */

static bool holds_on(const struct row *row, int32_t day)
{
    if (day == ROSTER_NO_DAY)
        return row->from == INT32_MIN && row->until == INT32_MAX;
    return row->from <= day && day <= row->until;
}

/* The row of the id that holds on the day; the first of them in the file, if they are of one
   employee. */
static enum roster_answer look_up(const struct roster *r, enum roster_key key, struct slice id,
    struct roster_at at, const struct row **row)
{
    char name[2 * ROSTER_ID_BYTES + 2];
    const uint32_t *list;
    const struct row *had;
    uint32_t rest;

    list = table_find(&r->ids[key], name_of(name, id, at.device));
    rest = list ? *list : NO_OWNER;
    *row = NULL;
    while ((had = next_owner(r, &rest))) {
        if (!holds_on(had, at.day))
            continue;
        if (*row && !same_employee(r, *row, had))
            return ROSTER_CLAIMED;
        *row = had;
    }
    return *row ? ROSTER_FOUND : ROSTER_UNKNOWN;
}

enum roster_answer roster_find(const struct roster *r, enum roster_key key, struct slice id,
    struct roster_at at, struct person *person)
{
    enum roster_answer answer = ROSTER_UNKNOWN;
    const struct row *row;

    id = key == ROSTER_CARD ? card_key(id) : slice_trim(id);
    if (id.n == 0 || id.n > ROSTER_ID_BYTES || *id.p == DEVICE_END)
        return ROSTER_UNKNOWN;
    if (r->by_device && at.device.n > 0 && at.device.n <= ROSTER_ID_BYTES)
        answer = look_up(r, key, id, at, &row);
    at.device = SLICE_NONE;
    if (answer == ROSTER_UNKNOWN)
        answer = look_up(r, key, id, at, &row);
    if (answer == ROSTER_FOUND)
        *person = (struct person){{r->text.data + row->employee, row->employee_bytes},
            {row->hr_bytes > 0 ? r->text.data + row->hr : NULL, row->hr_bytes}, row->line};
    return answer;
}

/* All cache lines of a short text. */
static void ask_for(struct slice text)
{
    for (size_t at = 0; at < text.n && at < ASKED_BYTES; at += 64)
        __builtin_prefetch(text.p + at);
    if (text.n > 0)
        __builtin_prefetch(text.p + text.n - 1);
}

void roster_ahead(const struct roster *r, unsigned n, const enum roster_key *keys,
    const struct slice *ids, struct slice *employees)
{
    const struct table_slot *slot[ROSTER_AHEAD];
    const struct row *row[ROSTER_AHEAD];
    uint32_t h[ROSTER_AHEAD];

    for (unsigned i = 0; i < n; i++)
        slot[i] = ids[i].n > 0 ? table_ahead(&r->ids[keys[i]], ids[i], &h[i]) : NULL;
    for (unsigned i = 0; i < n; i++) {
        const uint32_t *list = slot[i] ? table_ahead_slot(&r->ids[keys[i]], slot[i], h[i]) : NULL;
        uint32_t rest = list ? *list : NO_OWNER;

        row[i] = next_owner(r, &rest);
        __builtin_prefetch(row[i]);
    }
    for (unsigned i = 0; i < n; i++) {
        employees[i] = SLICE_NONE;
        if (!row[i])
            continue;
        employees[i] =
            (struct slice){r->text.data + row[i]->employee + 1, row[i]->employee_bytes - 2};
        ask_for(employees[i]);
        ask_for((struct slice){r->text.data + row[i]->hr, row[i]->hr_bytes});
    }
}

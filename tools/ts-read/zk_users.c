/* SPDX-License-Identifier: MIT */
/* The first user of a number counts: there should be no other. */
#include "zk_users.h"

#include "zk_packet.h"

bool zk_users_read(struct buf *list, struct slice table, uint64_t count)
{
    size_t bytes = zk_user_bytes(table, count);
    char person[25];
    uint16_t uid;

    list->len = 0;
    for (; bytes > 0 && table.n >= bytes; table.p += bytes, table.n -= bytes)
        if (zk_user_read(table.p, bytes, &uid, person)) {
            char head[3] = {(char)uid, (char)(uid >> 8), (char)strlen(person)};

            buf_add(list, head, sizeof head);
            buf_text(list, person);
        }
    return bytes > 0 || table.n == 0;
}

/* Takes the first user off the list. */
static bool next_user(struct slice *list, uint16_t *uid, struct slice *person)
{
    if (list->n <= 3)
        return false;
    *uid = zk_u16(list->p);
    *person = (struct slice){list->p + 3, (unsigned char)list->p[2]};
    list->p += 3 + person->n;
    list->n -= 3 + person->n;
    return true;
}

bool zk_users_know(struct slice list, uint16_t uid)
{
    struct slice person;
    uint16_t one;

    while (next_user(&list, &one, &person))
        if (one == uid)
            return true;
    return false;
}

void zk_users_translate(struct slice list, bool by_uid, struct zk_passage *p)
{
    struct slice person;
    uint16_t uid;

    while (by_uid != p->by_uid && next_user(&list, &uid, &person))
        if (p->by_uid ? uid == p->uid : slice_is(person, p->person)) {
            memcpy(p->person, person.p, by_uid ? 0 : person.n);
            p->person[by_uid ? 0 : person.n] = '\0';
            p->uid = uid;
            p->by_uid = by_uid;
        }
}

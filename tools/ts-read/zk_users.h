/* SPDX-License-Identifier: MIT */
/*
 * Which user id belongs to a number inside a ZKTeco device, out of its table of users.  Of a user
 * only these two are kept.  Pure.
 *
 * The list is as zk-records wants it: u16 uid, u8 length, user id; again and again.
 */
#ifndef TS_ZK_USERS_H
#define TS_ZK_USERS_H

#include "zk_table.h"

/* Makes the list from a table (without its leading size) in which the device counts so many users
   (0: it does not say); false when the table makes no sense, and the list is empty. */
bool zk_users_read(struct buf *list, struct slice table, uint64_t count);

/* Whether the list has that uid. */
bool zk_users_know(struct slice list, uint16_t uid);

/* Live events name people by one number, the log perhaps by the other: turns p to the one that is
   wanted, where the list has it. */
void zk_users_translate(struct slice list, bool by_uid, struct zk_passage *p);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Which ZKTeco devices may push: -o serial=SN and -o serials=FILE, a serial number a line, # before
 * what is for people.  Without either, all may.
 */
#ifndef TS_ICLOCK_LIST_H
#define TS_ICLOCK_LIST_H

#include "format.h"
#include "iclock.h"

struct iclock_list;

/* Borrows the options.  NULL and *why: 64 a serial number that is none, 66 or 74 the file, 78 a
 * line of it. */
struct iclock_list *iclock_list_open(const struct format_options *options, struct fault *why);
void iclock_list_free(struct iclock_list *l);

/* Reads the file again; one that cannot be read leaves the list as it was: -1 and *why. */
int iclock_list_reload(struct iclock_list *l, struct fault *why);

/* Whether there is a list at all, and whether a device may push. */
bool iclock_list_exists(const struct iclock_list *l);
bool iclock_list_allows(const struct iclock_list *l, const char *serial);

#endif

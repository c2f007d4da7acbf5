/* SPDX-License-Identifier: MIT */
/* --check-config: everything that is wrong with site file and roster, what in them may not be
   meant, and what they say in short. */
#ifndef TS_ENRICH_SITE_CHECK_H
#define TS_ENRICH_SITE_CHECK_H

#include "enrich.h"

struct check {
    const char *config, *roster; /* NULL: not given */
    const struct settings *settings;
    config_report *tell;
};

/* The exit status; the last word is said already. */
int check_config(const struct check *c);

/* Its parts: what may not be meant, each with its place; and a line for each device.  For a site
   that was read from a file, without mistakes. */
void check_remarks(const struct check *c, const struct site *site);
void check_print(const struct check *c, const struct site *site, struct buf *out);

#endif

/* SPDX-License-Identifier: MIT */
/* Inside the reading of a site file: what site.c and the files of its keys share.  A new key is a
   line in a table there, and a function of the form config_reader in the file of its concern. */
#ifndef TS_ENRICH_SITE_READ_H
#define TS_ENRICH_SITE_READ_H

#include "config.h"
#include "site.h"
#include "table.h"

struct site_memory {
    struct config file; /* its target is the site; it holds the site's strings */
    struct table names; /* names and aliases: index into devices */
};

/* The site that a place belongs to. */
static inline struct site *site_of(const struct place *at)
{
    return at->file->target;
}

/* Anything at all. */
config_reader read_own;

/* "in", "out" or null; and with "alternate" of a device or a reader. */
enum way read_way(const struct place *at);
enum way read_direction(const struct place *at);

/* An object of keys such as "check_in" or "255". */
void read_punch_table(const struct place *at, enum way way[PUNCHES], struct code_table *codes);

/* Passages: of the site, and of a device. */
config_reader site_direction, site_window, site_day_starts;
config_reader device_window, device_day_starts, device_ghost_hour, device_passing_time;

/* The keys of a device's clock; target is its struct clockwork. */
config_reader read_clock_zone, read_clock_offset, read_clock_fixes;

/* A rule for cards; target is a struct card_rule. */
void read_card_rule(const struct place *at, void *target);

/* The site's keys "roster", "card" and "roster_card", in site_person.c. */
void read_roster(const struct place *at, void *target);
void read_site_card(const struct place *at, void *target);
void read_roster_card(const struct place *at, void *target);

/* The object of all devices, into the site. */
void read_devices(const struct place *at, void *target);
void device_free(struct device *device);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Time zones of the system's tz database.  A local time that a zone never showed (a gap) is taken
 * with the offset from before the change; one that it showed twice (a fold) is taken as the first
 * of the two: the rule of RFC 5545.  Both are reported, so that the event can be marked.
 */
#ifndef TS_ZONE_H
#define TS_ZONE_H

#include <stdint.h>
#include <stdio.h>

#include "fault.h"

enum zone_note { ZONE_PLAIN, ZONE_GAP, ZONE_FOLD };

struct zone;

/* An IANA name ("Asia/Manila"), "UTC", or a fixed offset ("+08:00").  Zones are kept for the life
   of the process and shared; an unknown name is a fault (78). */
struct zone *zone_find(const char *name, struct fault *why);

/* The name in the tz database that somebody may have meant, also by its last part alone ("Manila");
   false when there is none. */
#define ZONE_NAME_BYTES 64
bool zone_near(const char *typed, char near[ZONE_NAME_BYTES]);

const char *zone_name(const struct zone *z);

/* The offset east of UTC, in seconds, that the zone had at this local time. */
enum zone_note zone_offset(struct zone *z, int64_t local_s, int32_t *offset_s);

/* The offset at an instant, seconds since 1970 UTC. */
int32_t zone_offset_at(struct zone *z, int64_t utc_s);

/* A line of --version: "tzdata 2025b", or "tzdata unknown" where the system does not say. */
void zone_print_version(FILE *out);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * glibc reads the tz database; this file remembers what it said, one local day at a time: nearly
 * all days have one offset from end to end, and records come in runs of the same day. A day with a
 * change is looked up to the second.
 */
#include "zone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "buf.h"
#include "clock.h"

#define ZONE_DIR "/usr/share/zoneinfo/"
#define DAYS_KEPT 64
#define DAY 86400
#define REACH (15 * 3600) /* further than any offset from UTC */
#define PROBE (3 * 3600)  /* two changes are never this close */

struct day {
    int64_t number; /* local days since 1970 */
    bool known, changes;
    int32_t offset_s;
};

struct zone {
    struct zone *next;
    char *name;
    bool fixed;
    int32_t offset_s; /* of a fixed zone */
    struct day days[DAYS_KEPT];
};

static struct zone *zones;         /* all that were asked for */
static const struct zone *current; /* the one in TZ */

int32_t zone_offset_at(struct zone *z, int64_t utc_s)
{
    char value[300];
    time_t t = (time_t)utc_s;
    struct tm tm;

    if (z->fixed)
        return z->offset_s;
    if (current != z) {
        snprintf(value, sizeof value, ":%s", z->name);
        setenv("TZ", value, 1);
        tzset();
        current = z;
    }
    return localtime_r(&t, &tm) ? (int32_t)tm.tm_gmtoff : 0;
}

static bool name_is_safe(const char *name)
{
    return *name != '\0' && *name != '/' && strlen(name) < 200 && !strstr(name, "..") &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/_+-") ==
               strlen(name);
}

/* Whether the tz database has a zone in this file: other things lie there too. */
static bool is_zone_file(const char *path)
{
    char magic[4] = "";
    FILE *f = fopen(path, "re");
    bool found = f && fread(magic, 1, sizeof magic, f) == sizeof magic &&
                 memcmp(magic, "TZif", sizeof magic) == 0;

    if (f)
        fclose(f);
    return found;
}

static void unknown_zone(const char *name, struct fault *why)
{
    char near[ZONE_NAME_BYTES];

    if (zone_near(name, near))
        fault_set(why, EX_CONFIG, "zone %s: not in the system's tz database; did you mean %s?",
            name, near);
    else
        fault_set(why, EX_CONFIG,
            "zone %s: not in the system's tz database (" ZONE_DIR
            "): use a name like Asia/Manila, or an offset like +08:00",
            name);
}

struct zone *zone_find(const char *name, struct fault *why)
{
    char path[300];
    struct zone *z;
    int32_t fixed_s = 0;
    bool fixed = clock_parse_offset(slice_of(name), &fixed_s) || strcmp(name, "UTC") == 0;

    for (z = zones; z; z = z->next)
        if (strcmp(z->name, name) == 0)
            return z;
    snprintf(path, sizeof path, ZONE_DIR "%s", name);
    if (!fixed && (!name_is_safe(name) || !is_zone_file(path))) {
        unknown_zone(name, why);
        return NULL;
    }
    z = mem_alloc(sizeof *z);
    *z = (struct zone){
        .next = zones, .name = mem_text(slice_of(name)), .fixed = fixed, .offset_s = fixed_s};
    zones = z;
    return z;
}

const char *zone_name(const struct zone *z)
{
    return z->name;
}

/* The first second in (from, to] that has another offset than `from`; the two ends differ. */
static int64_t find_change(struct zone *z, int64_t from, int64_t to)
{
    int32_t before = zone_offset_at(z, from);

    while (to - from > 1) {
        int64_t middle = from + (to - from) / 2;

        if (zone_offset_at(z, middle) == before)
            from = middle;
        else
            to = middle;
    }
    return to;
}

/* Walks the changes around local_s: the first offset under which the zone showed it, or the one
 * before its gap. */
static enum zone_note look_up(struct zone *z, int64_t local_s, int32_t *offset_s)
{
    int64_t from = local_s - REACH, end = local_s + REACH;
    int32_t offset = zone_offset_at(z, from);
    int64_t valid_from = INT64_MIN;
    int found = 0;

    for (int64_t at = from; at < end; at += PROBE) {
        int32_t next = zone_offset_at(z, at + PROBE);
        int64_t change;

        if (next == offset)
            continue;
        change = find_change(z, at, at + PROBE);
        if (local_s - offset >= valid_from && local_s - offset < change && found++ == 0)
            *offset_s = offset;
        /* Inside a gap: after the old offset's last second, before the new one's first. */
        if (local_s - offset >= change && local_s - next < change) {
            *offset_s = offset;
            return ZONE_GAP;
        }
        valid_from = change;
        offset = next;
    }
    if (local_s - offset >= valid_from && found++ == 0)
        *offset_s = offset;
    return found > 1 ? ZONE_FOLD : ZONE_PLAIN;
}

static void learn_day(struct zone *z, struct day *day, int64_t number)
{
    int64_t from = number * DAY - REACH, end = (number + 1) * DAY + REACH;

    *day = (struct day){.number = number, .known = true, .offset_s = zone_offset_at(z, from)};
    for (int64_t at = from; at < end && !day->changes; at += PROBE)
        day->changes = zone_offset_at(z, at + PROBE) != day->offset_s;
}

enum zone_note zone_offset(struct zone *z, int64_t local_s, int32_t *offset_s)
{
    int64_t number = (local_s >= 0 ? local_s : local_s - DAY + 1) / DAY;
    struct day *day = &z->days[(uint64_t)number % DAYS_KEPT];

    *offset_s = z->offset_s;
    if (z->fixed)
        return ZONE_PLAIN;
    if (!day->known || day->number != number)
        learn_day(z, day, number);
    if (day->changes)
        return look_up(z, local_s, offset_s);
    *offset_s = day->offset_s;
    return ZONE_PLAIN;
}

void zone_print_version(FILE *out)
{
    static const char head[] = "# version ";
    char line[64] = "";
    FILE *f = fopen(ZONE_DIR "tzdata.zi", "re");
    bool known = f && fgets(line, sizeof line, f) && strncmp(line, head, sizeof head - 1) == 0;

    line[strcspn(line, "\r\n")] = '\0';
    fprintf(out, "tzdata %s\n", known ? line + sizeof head - 1 : "unknown");
    if (f)
        fclose(f);
}

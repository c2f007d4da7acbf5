/* SPDX-License-Identifier: MIT */
/* Looks through the tz database for the name of a zone that was mistyped. */
#include <dirent.h>
#include <stdio.h>

#include "near.h"
#include "zone.h"

#define ZONE_DIR "/usr/share/zoneinfo"
#define DEEPEST 3 /* America/Argentina/Salta */

struct search {
    struct slice typed;
    bool city_only; /* it has no '/': the last part is compared too */
    size_t best;
    char *near;
};

static void consider(struct search *s, const char *name)
{
    const char *slash = strrchr(name, '/');
    size_t d = near_distance(s->typed, slice_of(name)), d_city;

    d_city = slash && s->city_only ? near_distance(s->typed, slice_of(slash + 1)) : NEAR_FAR;
    if (d_city < d)
        d = d_city;
    if (d < s->best || (d == s->best && d < NEAR_FAR && strcmp(name, s->near) < 0)) {
        s->best = d;
        snprintf(s->near, ZONE_NAME_BYTES, "%s", name);
    }
}

/* `folder` is relative to the database: "", or "America/". */
static void look_through(struct search *s, const char *folder, int depth)
{
    char path[300], name[ZONE_NAME_BYTES];
    const struct dirent *entry;
    DIR *dir;

    snprintf(path, sizeof path, ZONE_DIR "/%s", folder);
    if (depth > DEEPEST || !(dir = opendir(path)))
        return;
    while ((entry = readdir(dir))) {
        bool is_folder = entry->d_type == DT_DIR;

        /* Zones begin with a capital letter; what else lies there does not. */
        if (entry->d_name[0] < 'A' || entry->d_name[0] > 'Z' ||
            (size_t)snprintf(name, sizeof name, "%s%s%s", folder, entry->d_name,
                is_folder ? "/" : "") >= sizeof name)
            continue;
        if (is_folder)
            look_through(s, name, depth + 1);
        else
            consider(s, name);
    }
    closedir(dir);
}

bool zone_near(const char *typed, char near[ZONE_NAME_BYTES])
{
    struct search s = {slice_of(typed), !strchr(typed, '/'), NEAR_FAR, near};

    look_through(&s, "", 1);
    return s.best < NEAR_FAR;
}

/* SPDX-License-Identifier: MIT */
/* The site file: its top level, and what devices share with it. */
#include "site.h"

#include <stdlib.h>

#include "near.h"
#include "site_read.h"

/* ---- keys ---- */

static void site_zone(const struct place *at, void *target)
{
    ((struct site *)target)->zone = config_zone(at);
}

static void site_require(const struct place *at, void *target)
{
    ((struct site *)target)->require_employee = config_bool(at);
}

static void site_max_skew(const struct place *at, void *target)
{
    double seconds = config_number(at, "a number of seconds", 0, 1e9);

    ((struct site *)target)->max_skew_ms = (int64_t)(seconds * 1000);
}

static void site_punch(const struct place *at, void *target)
{
    struct site *site = target;

    read_punch_table(at, site->punch, &site->codes);
}

/* The user's own, for rules: they find it in $site. */
void read_own(const struct place *at, void *target)
{
    (void)at;
    (void)target;
}

static const struct config_key site_keys[] = {
    {"zone", site_zone},
    {"roster", read_roster},
    {"roster_card", read_roster_card},
    {"card", read_site_card},
    {"require_employee", site_require},
    {"max_skew_s", site_max_skew},
    {"direction", site_direction},
    {"punch", site_punch},
    {"day_starts", site_day_starts},
    {"repeat_window_s", site_window},
    {"own", read_own},
    {"devices", read_devices},
    {0},
};

/* ---- the file ---- */

struct site *site_new(void)
{
    struct site *s = mem_alloc(sizeof *s);

    *s = (struct site){
        .max_skew_ms = SITE_MAX_SKEW_S * 1000,
        .roster_least = ROSTER_LEAST,
        .passage = {.passing_time_s = PASSING_TIME_S},
        .punch = {[PUNCH_CHECK_IN] = WAY_IN,
            [PUNCH_CHECK_OUT] = WAY_OUT,
            [PUNCH_BREAK_OUT] = WAY_OUT,
            [PUNCH_BREAK_IN] = WAY_IN,
            [PUNCH_OVERTIME_IN] = WAY_IN,
            [PUNCH_OVERTIME_OUT] = WAY_OUT},
        .memory = mem_alloc(sizeof *s->memory),
    };
    *s->memory = (struct site_memory){0};
    return s;
}

void site_free(struct site *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->device_count; i++)
        device_free(&s->devices[i]);
    free(s->devices);
    free(s->codes.row);
    free(s->roster);
    table_free(&s->memory->names);
    config_free(&s->memory->file);
    free(s->memory);
    free(s);
}

struct site *site_try(
    const char *path, config_report *report, unsigned *mistakes, struct fault *why)
{
    struct site *s = site_new();
    struct config *file = &s->memory->file;

    *file = (struct config){.path = path, .target = s, .report = report};
    *mistakes = 0;
    if (config_load(file, site_keys, why) == 0)
        return s;
    *mistakes = file->mistakes;
    if (*mistakes > 0)
        return s;
    site_free(s);
    return NULL;
}

struct site *site_load(const char *path, config_report *report, struct fault *why)
{
    unsigned mistakes;
    struct site *s = site_try(path, report, &mistakes, why);

    if (mistakes == 0)
        return s;
    site_free(s);
    return NULL;
}

yyjson_val *site_json(const struct site *s)
{
    return yyjson_doc_get_root(s->memory->file.doc);
}

const struct device *site_find(const struct site *s, struct slice name)
{
    const uint32_t *index = table_find(&s->memory->names, name);

    return index ? &s->devices[*index] : NULL;
}

const struct device *site_near(const struct site *s, const char *name)
{
    const struct device *near = NULL;
    size_t best = NEAR_FAR;

    for (size_t i = 0; i < s->device_count; i++) {
        size_t d = near_distance(slice_of(name), s->devices[i].name);

        if (d < best) {
            best = d;
            near = &s->devices[i];
        }
    }
    return near;
}

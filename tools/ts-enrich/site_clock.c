/* SPDX-License-Identifier: MIT */
/* The keys of a device that speak of its clock: zone, utc_offset, clock. */
#include <inttypes.h>

#include "site_read.h"

/* ---- zone: a name, or a list of them by date ---- */

static void period_from(const struct place *at, void *target)
{
    ((struct zone_period *)target)->from_s = config_local_s(at);
}

static void period_zone(const struct place *at, void *target)
{
    ((struct zone_period *)target)->zone = config_zone(at);
}

static void read_zone_period(const struct place *at, void *target)
{
    static const struct config_key keys[] = {{"from", period_from}, {"zone", period_zone}, {0}};
    struct clockwork *w = target;
    struct zone_period *period = &w->zones[w->zone_count++];
    unsigned before = at->file->mistakes;

    *period = (struct zone_period){.from_s = INT64_MIN};
    config_object(at, keys, period);
    if (config_is_object(at) && !yyjson_obj_get(at->value, "zone"))
        config_mistake(at, "needs \"zone\"");
    if (at->file->mistakes == before && w->zone_count > 1 && period->from_s <= period[-1].from_s)
        config_mistake(at, "needs \"from\", later than that of the zone before");
}

void read_clock_zone(const struct place *at, void *target)
{
    struct clockwork *w = target;

    w->zones = mem_alloc((config_size(at) + 1) * sizeof *w->zones);
    if (config_is_list(at)) {
        config_list(at, read_zone_period, w);
    } else {
        w->zones[0] = (struct zone_period){INT64_MIN, config_zone(at)};
        w->zone_count = 1;
    }
}

/* ---- utc_offset ---- */

void read_clock_offset(const struct place *at, void *target)
{
    static const struct config_word words[] = {{"trust", false}, {"ignore", true}, {0}};

    ((struct clockwork *)target)->ignore_offset = config_word(at, words);
}

/* ---- clock: corrections ---- */

#define ADD_MAX_S 1e10 /* three hundred years: a clock that began in 1970 or 1900 */

static void fix_from(const struct place *at, void *target)
{
    ((struct clock_fix *)target)->from_s = config_local_s(at);
}

static void fix_until(const struct place *at, void *target)
{
    ((struct clock_fix *)target)->until_s = config_local_s(at);
}

static void fix_add(const struct place *at, void *target)
{
    double seconds = config_number(at, "a number of seconds", -ADD_MAX_S, ADD_MAX_S);

    ((struct clock_fix *)target)->add_s = (int64_t)seconds;
    if (seconds != (double)(int64_t)seconds)
        config_mistake(at, "must be whole seconds");
}

static void read_fix(const struct place *at, void *target)
{
    static const struct config_key keys[] = {
        {"from", fix_from}, {"until", fix_until}, {"add_s", fix_add}, {0}};
    struct clockwork *w = target;
    struct clock_fix fix = {INT64_MIN, INT64_MAX, 0};
    unsigned before = at->file->mistakes;

    config_object(at, keys, &fix);
    if (config_is_object(at) && !yyjson_obj_get(at->value, "add_s"))
        config_mistake(at, "needs \"add_s\": the seconds to be added to the device's clock");
    if (at->file->mistakes > before)
        return; /* the rest would speak of what is not there */
    if (fix.from_s >= fix.until_s)
        config_mistake(at, "\"from\" is not before \"until\"");
    for (size_t i = 0; i < w->fix_count; i++)
        if (clockwork_overlap(&fix, &w->fixes[i]))
            config_mistake(at, "covers times that item [%zu] covers too: end one of them", i);
    w->fixes[w->fix_count++] = fix;
}

void read_clock_fixes(const struct place *at, void *target)
{
    struct clockwork *w = target;

    w->fixes = mem_alloc((config_size(at) + 1) * sizeof *w->fixes);
    config_list(at, read_fix, w);
}

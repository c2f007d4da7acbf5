/* SPDX-License-Identifier: MIT */
/* The keys of a site file that say which way people pass, and what counts as a passage. */
#include <stdlib.h>

#include "site_read.h"

/* ---- ways ---- */

enum way read_way(const struct place *at)
{
    static const struct config_word words[] = {
        {"in", WAY_IN}, {"out", WAY_OUT}, {"null", WAY_NONE}, {0}};

    return (enum way)config_word(at, words);
}

enum way read_direction(const struct place *at)
{
    static const struct config_word words[] = {
        {"in", WAY_IN}, {"out", WAY_OUT}, {"alternate", WAY_ALTERNATE}, {"null", WAY_NONE}, {0}};
    enum way way = (enum way)config_word(at, words);

    site_of(at)->counts_passages |= way == WAY_ALTERNATE;
    return way;
}

void site_direction(const struct place *at, void *target)
{
    static const struct config_word words[] = {
        {"alternate", WAY_ALTERNATE}, {"null", WAY_NONE}, {0}};
    struct site *site = target;

    site->direction = (enum way)config_word(at, words);
    site->counts_passages |= site->direction == WAY_ALTERNATE;
}

/* ---- punch tables ---- */

static const struct slice punch_names[PUNCHES] = {
    [PUNCH_CHECK_IN] = {"check_in", 8},
    [PUNCH_CHECK_OUT] = {"check_out", 9},
    [PUNCH_BREAK_OUT] = {"break_out", 9},
    [PUNCH_BREAK_IN] = {"break_in", 8},
    [PUNCH_OVERTIME_IN] = {"overtime_in", 11},
    [PUNCH_OVERTIME_OUT] = {"overtime_out", 12},
};

enum punch punch_find(struct slice name)
{
    for (int i = 0; name.n > 0 && i < PUNCHES; i++)
        if (slice_eq(name, punch_names[i]))
            return (enum punch)i;
    return PUNCHES;
}

const char *punch_name(enum punch punch)
{
    return punch_names[punch].p;
}

struct punch_table {
    enum way *way;
    struct code_table *codes;
};

static void read_punch_name(const struct place *at, void *target)
{
    ((enum way *)target)[punch_find(config_name(at))] = read_way(at);
}

/* A key's name, or its code as the device writes it: "255", "5/75". */
static void read_punch(const struct place *at, void *target)
{
    const struct punch_table *table = target;
    struct config_key keys[PUNCHES + 1] = {{0}};
    struct slice name = config_name(at);

    for (int i = 0; i < PUNCHES; i++)
        keys[i] = (struct config_key){punch_names[i].p, read_punch_name};
    if (name.n > 0 && name.p[0] >= '0' && name.p[0] <= '9')
        table->codes->row[table->codes->rows++] = (struct code_way){name, read_way(at)};
    else
        config_by_table(at, keys, table->way);
}

void read_punch_table(const struct place *at, enum way way[PUNCHES], struct code_table *codes)
{
    struct punch_table table = {way, codes};

    codes->row = mem_alloc((config_size(at) + 1) * sizeof *codes->row);
    config_members(at, read_punch, &table);
}

/* ---- what counts ---- */

static int read_seconds(const struct place *at, double most)
{
    return (int)config_number(at, "a number of seconds", 0, most);
}

static void read_window(const struct place *at, struct passage_rules *rules)
{
    rules->window_s = read_seconds(at, WINDOW_MAX_S);
    site_of(at)->counts_passages |= rules->window_s > 0;
}

void site_window(const struct place *at, void *target)
{
    read_window(at, &((struct site *)target)->passage);
}

void site_day_starts(const struct place *at, void *target)
{
    ((struct site *)target)->passage.day_starts_min = config_minutes(at);
}

void device_window(const struct place *at, void *target)
{
    read_window(at, &((struct device *)target)->passage);
}

void device_day_starts(const struct place *at, void *target)
{
    ((struct device *)target)->passage.day_starts_min = config_minutes(at);
}

void device_ghost_hour(const struct place *at, void *target)
{
    struct device *device = target;

    device->passage.ghost_hour = config_bool(at);
    site_of(at)->counts_passages |= device->passage.ghost_hour;
}

void device_passing_time(const struct place *at, void *target)
{
    ((struct device *)target)->passage.passing_time_s = read_seconds(at, PASSING_MAX_S);
}

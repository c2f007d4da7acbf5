/* SPDX-License-Identifier: MIT */
/* The devices of a site file: names, aliases, and the keys of one device. */
#include <stdlib.h>

#include "site_read.h"

/* ---- names ---- */

static void add_name(const struct place *at, struct slice name, const struct device *device)
{
    const struct site *site = site_of(at);
    struct table *names = &site->memory->names;
    size_t before = names->used;
    const struct device *holder =
        &site->devices[*table_add(names, name, (uint32_t)(device - site->devices))];

    if (names->used == before)
        config_mistake(at, "\"%.*s\" is a name or alias of device %.*s already", (int)name.n,
            name.p, (int)holder->name.n, holder->name.p);
}

static void read_alias(const struct place *at, void *target)
{
    const char *name = config_text(at);

    if (name)
        add_name(at, slice_of(name), target);
}

/* ---- keys ---- */

static void device_aliases(const struct place *at, void *target)
{
    config_list(at, read_alias, target);
}

static void device_zone(const struct place *at, void *target)
{
    read_clock_zone(at, &((struct device *)target)->clock);
}

static void device_utc_offset(const struct place *at, void *target)
{
    read_clock_offset(at, &((struct device *)target)->clock);
}

static void device_clock(const struct place *at, void *target)
{
    read_clock_fixes(at, &((struct device *)target)->clock);
}

static void device_direction(const struct place *at, void *target)
{
    ((struct device *)target)->direction = read_direction(at);
}

static void device_punch(const struct place *at, void *target)
{
    struct device *device = target;

    read_punch_table(at, device->punch, &device->codes);
}

static void device_card(const struct place *at, void *target)
{
    read_card_rule(at, &((struct device *)target)->card);
}

static void reader_direction(const struct place *at, void *target)
{
    ((struct reader_way *)target)->way = read_direction(at);
}

static void reader_card(const struct place *at, void *target)
{
    read_card_rule(at, &((struct reader_way *)target)->card);
}

/* Its direction alone, or an object. */
static void read_reader(const struct place *at, void *target)
{
    static const struct config_key keys[] = {
        {"direction", reader_direction},
        {"card", reader_card},
        {0},
    };
    struct device *device = target;
    struct reader_way *reader = &device->readers[device->reader_count++];

    *reader = (struct reader_way){.reader = config_name(at)};
    if (config_is_object(at))
        config_object(at, keys, reader);
    else
        reader_direction(at, reader);
}

static void device_readers(const struct place *at, void *target)
{
    struct device *device = target;

    device->readers = mem_alloc((config_size(at) + 1) * sizeof *device->readers);
    config_members(at, read_reader, device);
}

static const struct config_key device_keys[] = {
    {"aliases", device_aliases},
    {"zone", device_zone},
    {"utc_offset", device_utc_offset},
    {"clock", device_clock},
    {"card", device_card},
    {"direction", device_direction},
    {"readers", device_readers},
    {"punch", device_punch},
    {"day_starts", device_day_starts},
    {"repeat_window_s", device_window},
    {"ghost_hour", device_ghost_hour},
    {"passing_time_s", device_passing_time},
    {"own", read_own},
    {0},
};

/* ---- all devices ---- */

static void read_device(const struct place *at, void *target)
{
    struct site *site = target;
    struct device *device = &site->devices[site->device_count++];
    struct place name = {.file = at->file, .up = at->up, .key = at->key, .value = at->key};

    *device = (struct device){.name = config_name(at), .passage = PASSAGE_RULES_UNSAID};
    if (config_text(&name))
        add_name(at, device->name, device);
    config_object(at, device_keys, device);
}

void read_devices(const struct place *at, void *target)
{
    struct site *site = target;

    table_init(&site->memory->names, at->file->text.data);
    site->devices = mem_alloc((config_size(at) + 1) * sizeof *site->devices);
    config_members(at, read_device, site);
}

void device_free(struct device *device)
{
    clockwork_free(&device->clock);
    free(device->codes.row);
    free(device->readers);
}

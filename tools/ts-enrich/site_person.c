/* SPDX-License-Identifier: MIT */
/* The keys of a site file about people: the roster and its columns, and the rules for cards. */
#include <stdlib.h>

#include "card.h"
#include "site_read.h"

void read_card_rule(const struct place *at, void *target)
{
    struct card_rule rule;
    struct fault why;
    const char *text = config_text(at);

    if (!text)
        return;
    if (card_rule_parse(&rule, slice_of(text), &why) < 0)
        config_mistake(at, "%s", why.text);
    else
        *(struct card_rule *)target = rule;
}

/* ---- the roster ---- */

static void roster_file(const struct place *at, void *target)
{
    const char *name = config_text(at), *slash = strrchr(at->file->path, '/');
    struct site *site = target;
    struct buf path = {0};

    if (!name)
        return;
    if (slash && *name != '/')
        buf_add(&path, at->file->path, (size_t)(slash + 1 - at->file->path));
    buf_text(&path, name);
    free(site->roster);
    site->roster = mem_text(buf_all(&path));
    buf_free(&path);
}

static void add_column(const struct place *at, void *target)
{
    struct slice *names = target;
    const char *name = config_text(at);
    int i = 0;

    while (i < ROSTER_NAMES_MAX && names[i].p)
        i++;
    if (i == ROSTER_NAMES_MAX)
        config_mistake(at, "more than %d columns", ROSTER_NAMES_MAX);
    else if (name)
        names[i] = slice_of(name);
}

static void roster_column(const struct place *at, void *target)
{
    struct site *site = target;
    struct slice key = config_name(at);

    for (int role = 0; role < ROLES; role++)
        if (slice_is(key, roster_role_name((enum roster_role)role)))
            config_one_or_list(at, add_column, site->roster_column[role]);
}

static void roster_columns(const struct place *at, void *target)
{
    struct config_key keys[ROLES + 1] = {{0}};

    for (int role = 0; role < ROLES; role++)
        keys[role] = (struct config_key){roster_role_name((enum roster_role)role), roster_column};
    config_object(at, keys, target);
}

static void roster_least(const struct place *at, void *target)
{
    ((struct site *)target)->roster_least = config_number(at, "a share of the people", 0, 1);
}

void read_roster(const struct place *at, void *target)
{
    static const struct config_key keys[] = {
        {"file", roster_file},
        {"columns", roster_columns},
        {"least", roster_least},
        {0},
    };
    struct site *site = target;

    if (!config_is_object(at)) {
        roster_file(at, site);
        return;
    }
    config_object(at, keys, site);
    if (!site->roster)
        config_mistake(at, "needs \"file\", the path of the roster");
}

void read_site_card(const struct place *at, void *target)
{
    read_card_rule(at, &((struct site *)target)->card);
}

void read_roster_card(const struct place *at, void *target)
{
    read_card_rule(at, &((struct site *)target)->roster_card);
}

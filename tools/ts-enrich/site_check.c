/* SPDX-License-Identifier: MIT */
/* Reads the files as the work would, but goes on where that would stop. */
#include "site_check.h"

#include <stdio.h>

#include "msg.h"
#include "site_read.h"

/* ---- what may not be meant ---- */

struct looking {
    const struct check *check;
    const struct site *site;
    const struct device *device;
};

static void look_at_reader(const struct place *at, void *target)
{
    const struct looking *l = target;
    const struct device *d = l->device;
    struct slice name = config_name(at);
    bool alone = d->direction == WAY_UNSAID && l->site->direction == WAY_UNSAID;

    for (size_t i = 0; alone && i < d->reader_count; i++)
        if (slice_eq(d->readers[i].reader, name) && d->readers[i].way <= WAY_NONE &&
            d->readers[i].card.count == 0)
            config_remark(at, "says nothing about this reader; take it away, or say in or out");
    if (slice_trim(name).n < name.n)
        config_remark(at, "has spaces around its name, which the reader of an event has not");
}

static void look_at_device(const struct place *at, void *target)
{
    struct looking *l = target;
    struct place readers;
    bool zone = l->site->zone || l->check->settings->zone;

    l->device = site_find(l->site, config_name(at));
    if (!zone && !clockwork_zone(&l->device->clock, INT64_MIN))
        config_remark(at, "has no zone%s, nor has the site: its events get no time",
            l->device->clock.zone_count > 0 ? " at first" : "");
    if (config_member(at, "readers", &readers))
        config_members(&readers, look_at_reader, l);
}

/* A member of the root that does nothing without a roster. */
static void look_for_roster(const struct place *root, const char *name, const char *what)
{
    struct place member;

    if (config_member(root, name, &member))
        config_remark(&member, "%s", what);
}

void check_remarks(const struct check *c, const struct site *site)
{
    struct looking l = {.check = c, .site = site};
    struct place root = config_root(&site->memory->file), devices;

    if (!site->roster && !c->roster) {
        if (site->require_employee)
            look_for_roster(&root, "require_employee",
                "without a roster nobody has an employee_id: everybody is held");
        look_for_roster(&root, "roster_card", "there is no roster");
    }
    if (config_member(&root, "devices", &devices))
        config_members(&devices, look_at_device, &l);
}

/* ---- what the file says, in short ---- */

static const char *const way_text[] = {[WAY_UNSAID] = "-",
    [WAY_NONE] = "nothing",
    [WAY_IN] = "in",
    [WAY_OUT] = "out",
    [WAY_ALTERNATE] = "by turns"};

/* The n-th of several, counted from 0. */
static void print_item(struct buf *out, size_t n, const char *title)
{
    buf_text(out, n == 0 ? title : ", ");
}

static void print_zone(
    struct buf *out, const struct check *c, const struct site *site, const struct clockwork *clock)
{
    const struct zone *rest = c->settings->zone ? c->settings->zone : site->zone;

    for (size_t i = 0; i < clock->zone_count; i++) {
        const struct zone_period *p = &clock->zones[i];
        char from[CLOCK_TEXT];

        if (i == 0 && p->from_s != INT64_MIN)
            buf_printf(out, " %s,", rest ? zone_name(rest) : "no zone");
        if (p->from_s != INT64_MIN) {
            clock_print_local(from, p->from_s, 0);
            buf_printf(out, "%s from %s", i > 0 ? "," : "", from);
        }
        buf_printf(out, " %s", zone_name(p->zone));
    }
    if (clock->zone_count == 0)
        buf_printf(out, " %s", rest ? zone_name(rest) : "no zone");
    if (clock->ignore_offset)
        buf_lit(out, "; its own offset is ignored");
    if (clock->fix_count > 0)
        buf_printf(
            out, "; clock corrected %zu time%s", clock->fix_count, clock->fix_count > 1 ? "s" : "");
}

static void print_ways(struct buf *out, const struct site *site, const struct device *d)
{
    enum way way = d->direction != WAY_UNSAID ? d->direction : site->direction;
    size_t keys = 0;

    for (size_t i = 0; i < d->reader_count; i++) {
        print_item(out, i, d->reader_count == 1 ? "; reader " : "; readers ");
        msg_escape(out, d->readers[i].reader);
        buf_printf(out, " %s", way_text[d->readers[i].way]);
    }
    if (way != WAY_UNSAID)
        buf_printf(out, "; direction %s", way_text[way]);
    for (int i = 0; i < PUNCHES; i++)
        if (d->punch[i] != WAY_UNSAID) {
            print_item(out, keys++, "; keys ");
            buf_printf(out, "%s %s", punch_name((enum punch)i), way_text[d->punch[i]]);
        }
    for (size_t i = 0; i < d->codes.rows; i++) {
        print_item(out, keys++, "; keys ");
        msg_escape(out, d->codes.row[i].code);
        buf_printf(out, " %s", way_text[d->codes.row[i].way]);
    }
    if (d->card.count > 0)
        buf_lit(out, "; a rule for cards");
}

static void print_passages(struct buf *out, const struct site *site, const struct device *d)
{
    const struct passage_rules *own = &d->passage, *rest = &site->passage;
    int window_s = own->window_s >= 0 ? own->window_s : rest->window_s;
    int starts = own->day_starts_min >= 0 ? own->day_starts_min : rest->day_starts_min;

    if (starts > 0)
        buf_printf(out, "; a day from %02d:%02d", starts / 60, starts % 60);
    if (window_s > 0)
        buf_printf(out, "; repeats within %d s", window_s);
    if (own->ghost_hour)
        buf_lit(out, "; ghosts of an hour");
}

static void print_alias(const struct place *at, void *target)
{
    struct buf *out = target;

    print_item(out, at->item, "; also ");
    msg_escape(out, slice_of(config_text(at)));
}

struct printing {
    const struct check *check;
    const struct site *site;
    struct buf *out;
};

static void print_device(const struct place *at, void *target)
{
    const struct printing *p = target;
    const struct device *d = site_find(p->site, config_name(at));
    struct place aliases;

    buf_lit(p->out, "  ");
    msg_escape(p->out, d->name);
    buf_char(p->out, ':');
    print_zone(p->out, p->check, p->site, &d->clock);
    print_ways(p->out, p->site, d);
    print_passages(p->out, p->site, d);
    if (config_member(at, "aliases", &aliases))
        config_list(&aliases, print_alias, p->out);
    buf_char(p->out, '\n');
}

void check_print(const struct check *c, const struct site *site, struct buf *out)
{
    struct printing p = {c, site, out};
    struct place root = config_root(&site->memory->file), devices;

    buf_printf(out, "%s: fine, %zu device%s\n", c->config, site->device_count,
        site->device_count == 1 ? "" : "s");
    if (config_member(&root, "devices", &devices))
        config_members(&devices, print_device, &p);
}

/* ---- the command ---- */

/* The roster is looked at even where the site file has mistakes. */
static int check_roster(const struct check *c, const struct site *site, struct buf *out)
{
    const char *path = c->roster ? c->roster : site->roster;
    struct roster *roster;
    struct fault why;
    size_t people;

    if (!path)
        return 0;
    roster = roster_load(path, site, &c->settings->redact, c->tell, &why);
    if (!roster)
        return msg_fault(&why);
    people = roster_people(roster);
    buf_printf(out, "%s: fine, %zu %s\n", path, people, people == 1 ? "person" : "people");
    roster_free(roster);
    return 0;
}

int check_config(const struct check *c)
{
    unsigned mistakes = 0;
    struct fault why;
    struct buf site_says = {0}, roster_says = {0};
    struct site *site = c->config ? site_try(c->config, c->tell, &mistakes, &why) : site_new();
    int status;

    if (!site)
        return msg_fault(&why);
    status = check_roster(c, site, &roster_says);
    if (mistakes > 0) {
        status = msg_fault(&why);
    } else if (c->config) {
        check_remarks(c, site);
        check_print(c, site, &site_says);
    }
    buf_slice(&site_says, buf_all(&roster_says));
    if (site_says.len > 0)
        fwrite(site_says.data, 1, site_says.len, stdout);
    buf_free(&site_says);
    buf_free(&roster_says);
    site_free(site);
    return fflush(stdout) == 0 ? status : EX_IOERR;
}

/* SPDX-License-Identifier: MIT */
/* Which profiles there are: the native one, and those of jq. */
#include "profile.h"

#include <stdlib.h>

#include "scripted.h"

const struct profile *profile_open(
    const char *name, const struct profile_settings *given, struct fault *why)
{
    struct scripted *p;

    if (strcmp(name, profile_plain.name) == 0) {
        if (given->options == 0 && given->secrets == 0)
            return &profile_plain;
        fault_set(why, EX_USAGE, "the profile plain takes no %s",
            given->options > 0 ? "--option" : "--secret: use --header-file");
        return NULL;
    }
    p = scripted_open(name, given, why);
    return p ? &p->profile : NULL;
}

void profile_close(const struct profile *p)
{
    if (p)
        scripted_free(p->scripted);
}

bool profile_rate(const char *text, int64_t *between_us)
{
    static const struct {
        const char *unit;
        int64_t us;
    } units[] = {{"", 1000000}, {"/s", 1000000}, {"/m", 60000000}, {"/h", 3600000000}};
    char *end;
    long n = strtol(text, &end, 10);

    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (end != text && n > 0 && n <= 1000000 && strcmp(end, units[i].unit) == 0) {
            *between_us = units[i].us / n > 0 ? units[i].us / n : 1;
            return true;
        }
    return false;
}

/* ---- --list-profiles ---- */

static void add_text(struct buf *out, struct value object, const char *key, const char *before)
{
    struct value v = value_get(object, key);
    struct slice text = value_text(v);

    if (text.n > 0) {
        buf_text(out, before);
        buf_slice(out, text);
        buf_char(out, '\n');
    }
    value_free(v);
}

/* The options or secrets of a profile: "-o zone=…  what it is (needed)". */
static void add_settings(
    struct buf *out, const struct scripted *p, const char *which, const char *as)
{
    struct value all = value_get(p->defaults, which), one;
    struct slice name;
    int at = 0;

    while (value_next(all, &at, &name, &one)) {
        struct value need = value_get(one, "required"), usual = value_get(one, "default");
        struct slice text = value_text(usual);

        buf_printf(out, "    %s %.*s=%.*s%s\n", as, (int)name.n, name.p, (int)text.n,
            text.n > 0 ? text.p : "", value_kind(need) == VALUE_TRUE ? "  (needed)" : "");
        add_text(out, one, "help", "        ");
        value_free(need);
        value_free(usual);
        value_free(one);
    }
    value_free(all);
}

int profile_list(struct buf *out, struct fault *why)
{
    static const struct profile_settings none;
    bool plain_said = false;

    for (const struct profile_text *t = profile_texts; t->name; t++) {
        struct scripted *p;

        if (!plain_said && strcmp(t->name, profile_plain.name) > 0) {
            buf_printf(out, "%s\n    %s\n", profile_plain.name, profile_plain.title);
            plain_said = true;
        }
        if (strcmp(t->name, "prelude") == 0)
            continue;
        p = scripted_load(t->name, &none, why);
        if (!p)
            return -1;
        buf_printf(out, "%s\n", t->name);
        add_text(out, p->about, "title", "    ");
        add_text(out, p->about, "url", "    ");
        add_settings(out, p, "options", "-o");
        add_settings(out, p, "secrets", "--secret");
        scripted_free(p);
    }
    if (!plain_said)
        buf_printf(out, "%s\n    %s\n", profile_plain.name, profile_plain.title);
    return 0;
}

/* SPDX-License-Identifier: MIT */
/* Configuration by yyjson: the parser works in place, so that a key's address tells its line. */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "file.h"
#include "near.h"

#define CONFIG_BYTES_MAX (16u << 20)

/* ---- mistakes ---- */

static void print_path(struct buf *out, const struct place *at)
{
    if (!at->up)
        return;
    print_path(out, at->up);
    if (!at->key) {
        buf_printf(out, "[%zu]", at->item);
        return;
    }
    if (at->up->up)
        buf_char(out, '.');
    buf_slice(out, config_name(at));
}

/* The string nearest to this place of which the parser kept the address; NULL at the root. */
static const char *address(const struct place *at)
{
    yyjson_obj_iter first;

    for (; at->up; at = at->up) {
        if (at->key)
            return yyjson_get_str(at->key);
        if (yyjson_is_str(at->value))
            return yyjson_get_str(at->value);
        if (yyjson_obj_iter_init(at->value, &first) && yyjson_obj_iter_has_next(&first))
            return yyjson_get_str(yyjson_obj_iter_next(&first));
    }
    return NULL;
}

static void say(const struct place *at, const char *format, va_list args)
{
    struct config *c = at->file;
    const char *text = address(at);
    size_t line = 1, column = 1, chars;
    struct buf out = {0};
    char what[600];

    vsnprintf(what, sizeof what, format, args);
    if (text)
        yyjson_locate_pos(
            c->said.data, c->said.len, (size_t)(text - c->text.data) - 1, &line, &column, &chars);
    buf_printf(&out, "%s:%zu:%zu: ", c->path, line, column);
    print_path(&out, at);
    buf_printf(&out, "%s%s", at->up ? ": " : "", what);
    buf_char(&out, '\0');
    c->report(out.data);
    buf_free(&out);
}

void config_mistake(const struct place *at, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(at, format, args);
    va_end(args);
    at->file->mistakes++;
}

void config_remark(const struct place *at, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(at, format, args);
    va_end(args);
}

/* ---- objects and lists ---- */

struct slice config_name(const struct place *at)
{
    return (struct slice){yyjson_get_str(at->key), yyjson_get_len(at->key)};
}

size_t config_size(const struct place *at)
{
    return yyjson_is_obj(at->value) ? yyjson_obj_size(at->value) : yyjson_arr_size(at->value);
}

bool config_is_object(const struct place *at)
{
    return yyjson_is_obj(at->value);
}

bool config_is_list(const struct place *at)
{
    return yyjson_is_arr(at->value);
}

/* Whether the key comes a second time in its object; that is a mistake. */
static bool is_repeated(const struct place *at)
{
    struct slice name = config_name(at);

    if (yyjson_obj_getn(at->up->value, name.p, name.n) == at->value)
        return false;
    config_mistake(at, "is there twice; take one away");
    return true;
}

void config_members(const struct place *at, config_reader *read, void *target)
{
    struct place member = {.file = at->file, .up = at};
    size_t i, n;

    if (!yyjson_is_obj(at->value))
        config_mistake(at, "must be an object {…}, not %s", yyjson_get_type_desc(at->value));
    yyjson_obj_foreach(at->value, i, n, member.key, member.value)
    {
        if (!is_repeated(&member))
            read(&member, target);
    }
}

static void read_items(const struct place *at, config_reader *read, void *target)
{
    struct place item = {.file = at->file, .up = at};
    size_t n;

    yyjson_arr_foreach(at->value, item.item, n, item.value)
    {
        read(&item, target);
    }
}

void config_list(const struct place *at, config_reader *read, void *target)
{
    if (!yyjson_is_arr(at->value))
        config_mistake(at, "must be a list […], not %s", yyjson_get_type_desc(at->value));
    read_items(at, read, target);
}

void config_one_or_list(const struct place *at, config_reader *read, void *target)
{
    if (yyjson_is_arr(at->value))
        read_items(at, read, target);
    else
        read(at, target);
}

/* What the object's members are read by. */
struct by_table {
    const struct config_key *keys;
    void *target;
};

static void unknown_key(const struct place *at, const struct config_key *key)
{
    const char *near = NULL;
    struct buf known = {0};
    size_t best = NEAR_FAR;

    for (; key->name; key++) {
        size_t d = near_distance(config_name(at), slice_of(key->name));

        buf_printf(&known, "%s%s", known.len > 0 ? ", " : "", key->name);
        if (d < best) {
            best = d;
            near = key->name;
        }
    }
    buf_char(&known, '\0');
    if (near)
        config_mistake(at, "unknown key; did you mean \"%s\"?", near);
    else
        config_mistake(at, "unknown key; known here are %s", known.data);
    buf_free(&known);
}

void config_by_table(const struct place *at, const struct config_key *keys, void *target)
{
    const struct config_key *key = keys;

    while (key->name && !slice_is(config_name(at), key->name))
        key++;
    if (key->name)
        key->read(at, target);
    else
        unknown_key(at, keys);
}

static void read_by_table(const struct place *at, void *target)
{
    const struct by_table *by = target;

    config_by_table(at, by->keys, by->target);
}

void config_object(const struct place *at, const struct config_key *keys, void *target)
{
    struct by_table by = {keys, target};

    config_members(at, read_by_table, &by);
}

/* ---- values ---- */

const char *config_text(const struct place *at)
{
    const char *text = yyjson_get_str(at->value);

    if (!text)
        config_mistake(at, "must be a string, not %s", yyjson_get_type_desc(at->value));
    else if (*text == '\0' || strlen(text) != yyjson_get_len(at->value))
        config_mistake(at, "must not be empty or hold a NUL");
    else
        return text;
    return NULL;
}

/* "a", "b" or null; and which of them the value may have been meant to be. */
static void wrong_word(const struct place *at, const struct config_word *words)
{
    struct slice typed = {yyjson_get_str(at->value), yyjson_get_len(at->value)};
    const char *near = NULL;
    struct buf all = {0};
    size_t best = NEAR_FAR;

    for (const struct config_word *w = words; w->word; w++) {
        const char *quote = strcmp(w->word, "null") == 0 ? "" : "\"";
        size_t d = typed.p && *quote ? near_distance(typed, slice_of(w->word)) : NEAR_FAR;

        buf_text(&all, w == words ? "" : w[1].word ? ", " : " or ");
        buf_printf(&all, "%s%s%s", quote, w->word, quote);
        if (d < best) {
            best = d;
            near = w->word;
        }
    }
    buf_char(&all, '\0');
    config_mistake(at, "must be %s%s%s%s", all.data, near ? "; did you mean \"" : "",
        near ? near : "", near ? "\"?" : "");
    buf_free(&all);
}

int config_word(const struct place *at, const struct config_word *words)
{
    for (const struct config_word *w = words; w->word; w++)
        if (strcmp(w->word, "null") == 0 ? yyjson_is_null(at->value)
                                         : yyjson_equals_str(at->value, w->word))
            return w->value;
    wrong_word(at, words);
    return words->value;
}

bool config_bool(const struct place *at)
{
    if (!yyjson_is_bool(at->value))
        config_mistake(at, "must be true or false");
    return yyjson_get_bool(at->value);
}

double config_number(const struct place *at, const char *what, double low, double high)
{
    double n = yyjson_get_num(at->value);

    if (yyjson_is_num(at->value) && n >= low && n <= high)
        return n;
    config_mistake(at, "must be %s from %.0f to %.0f", what, low, high);
    return low;
}

/* A wall clock of 10, 16 or 19 characters. */
static bool parse_local(const char *text, int64_t *local_s)
{
    struct clock_time t;
    char whole[24];
    size_t n = strlen(text);

    if (n != 10 && n != 16 && n != 19)
        return false;
    snprintf(whole, sizeof whole, "%s%s", text, n == 16 ? ":00" : "");
    if (!clock_parse(slice_of(whole), &t) || t.has_offset)
        return false;
    *local_s = t.local_s;
    return true;
}

int config_minutes(const struct place *at)
{
    const char *text = yyjson_get_str(at->value);
    char whole[24];
    int64_t local_s = 0;

    snprintf(whole, sizeof whole, "1970-01-01T%s", text ? text : "");
    if (strlen(whole) != 16 || !parse_local(whole, &local_s))
        config_mistake(at, "must be a time of day such as \"04:00\"");
    return (int)(local_s / 60);
}

int64_t config_local_s(const struct place *at)
{
    const char *text = yyjson_get_str(at->value);
    int64_t local_s = 0;

    if (!text || !parse_local(text, &local_s))
        config_mistake(at, "must be a wall clock such as \"2026-03-01\" or \"2026-03-01T06:30\", "
                           "without a zone");
    return local_s;
}

struct zone *config_zone(const struct place *at)
{
    const char *name = config_text(at);
    struct zone *zone = NULL;
    struct fault why;

    if (name && !(zone = zone_find(name, &why)))
        config_mistake(at, "%s", why.text);
    return zone;
}

/* ---- the file ---- */

static int parse(struct config *c, struct fault *why)
{
    size_t n = c->text.len, line = 0, column = 0, chars = 0;
    yyjson_read_err error;

    buf_slice(&c->said, buf_all(&c->text));
    memset(buf_room(&c->text, YYJSON_PADDING_SIZE), 0, YYJSON_PADDING_SIZE);
    c->doc = yyjson_read_opts(c->text.data, n,
        YYJSON_READ_INSITU | YYJSON_READ_ALLOW_COMMENTS | YYJSON_READ_ALLOW_TRAILING_COMMAS, NULL,
        &error);
    if (c->doc)
        return 0;
    yyjson_locate_pos(c->said.data, c->said.len, error.pos, &line, &column, &chars);
    return fault_set(why, EX_CONFIG, "%s:%zu:%zu: not JSON: %s", c->path, line, column, error.msg);
}

struct place config_root(struct config *c)
{
    return (struct place){.file = c, .value = yyjson_doc_get_root(c->doc)};
}

bool config_member(const struct place *at, const char *name, struct place *member)
{
    struct place m = {.file = at->file, .up = at};
    size_t i, n;

    yyjson_obj_foreach(at->value, i, n, m.key, m.value)
    {
        if (yyjson_equals_str(m.key, name)) {
            *member = m;
            return true;
        }
    }
    return false;
}

int config_load(struct config *c, const struct config_key *keys, struct fault *why)
{
    struct place root;

    if (file_read(c->path, CONFIG_BYTES_MAX, &c->text, why) < 0 || parse(c, why) < 0)
        return -1;
    root = config_root(c);
    config_object(&root, keys, c->target);
    if (c->mistakes > 0)
        return fault_set(why, EX_CONFIG, "%s: %u mistake%s; see ts-site(5)", c->path, c->mistakes,
            c->mistakes == 1 ? "" : "s");
    return 0;
}

void config_free(struct config *c)
{
    yyjson_doc_free(c->doc);
    buf_free(&c->text);
    buf_free(&c->said);
}

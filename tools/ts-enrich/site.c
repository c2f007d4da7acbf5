/* SPDX-License-Identifier: MIT */
/*
 * site.json by yyjson, comments and trailing commas allowed.  Parsed in place, so that a key's
 * address tells its line; all mistakes of a file are told at once.
 *
 * Each object is read through a table of its keys, so "unknown key" and its suggestion need no code
 * of their own.
 */
#include "site.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <yyjson.h>

#include "buf.h"
#include "file.h"
#include "table.h"

#define SITE_BYTES_MAX (16u << 20)

struct site_memory {
    struct buf text; /* what yyjson parsed in place: the strings point into it */
    yyjson_doc *doc;
    struct table names; /* names and aliases: index into devices */
};

/* ---- mistakes ---- */

struct reading {
    struct site *site;
    const char *path;
    struct slice text; /* as it was in the file, for line numbers */
    site_mistake *report;
    unsigned mistakes;
};

/* Where we are: the keys from the root to here. */
struct place {
    const struct place *up;
    yyjson_val *key; /* NULL at the root */
};

static void print_path(struct buf *out, const struct place *at)
{
    if (!at->key)
        return;
    print_path(out, at->up);
    if (at->up->key)
        buf_char(out, '.');
    buf_add(out, yyjson_get_str(at->key), yyjson_get_len(at->key));
}

__attribute__((format(printf, 3, 4))) static void mistake(
    struct reading *r, const struct place *at, const char *format, ...)
{
    size_t line = 1, column = 1, chars;
    struct buf out = {0};
    char what[300];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    if (at->key)
        yyjson_locate_pos(r->text.p, r->text.n,
            (size_t)(yyjson_get_str(at->key) - r->site->memory->text.data) - 1, &line, &column,
            &chars);
    buf_printf(&out, "%s:%zu:%zu: ", r->path, line, column);
    print_path(&out, at);
    buf_printf(&out, "%s%s", at->key ? ": " : "", what);
    buf_char(&out, '\0');
    r->report(out.data);
    r->mistakes++;
    buf_free(&out);
}

/* ---- objects by table ---- */

struct key_spec {
    const char *name;
    void (*read)(struct reading *r, const struct place *at, yyjson_val *v, void *target);
};

/* Edit distance with exchanges of neighbours, for names up to 31 bytes. */
static size_t distance(const char *a, const char *b)
{
    size_t row[3][32], n = strlen(a), m = strlen(b);

    if (n > 31 || m > 31)
        return 99;
    for (size_t j = 0; j <= m; j++)
        row[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];

        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);

            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
    }
    return row[n % 3][m];
}

#define NEAR 4 /* mistakes: from here on it is another word */

const struct device *site_near(const struct site *s, const char *name)
{
    const struct device *near = NULL;
    size_t best = NEAR;

    for (size_t i = 0; i < s->device_count; i++) {
        char known[32];
        size_t n = s->devices[i].name.n, d;

        if (n >= sizeof known)
            continue;
        memcpy(known, s->devices[i].name.p, n);
        known[n] = '\0';
        d = distance(name, known);
        if (d < best) {
            best = d;
            near = &s->devices[i];
        }
    }
    return near;
}

static void unknown_key(struct reading *r, const struct place *at, const struct key_spec *spec)
{
    const char *key = yyjson_get_str(at->key), *near = NULL;
    struct buf known = {0};
    size_t best = NEAR;

    for (; spec->name; spec++) {
        size_t d = distance(key, spec->name);

        buf_printf(&known, "%s%s", known.len > 0 ? ", " : "", spec->name);
        if (d < best) {
            best = d;
            near = spec->name;
        }
    }
    buf_char(&known, '\0');
    if (near)
        mistake(r, at, "unknown key; did you mean \"%s\"?", near);
    else
        mistake(r, at, "unknown key; known here are %s", known.data);
    buf_free(&known);
}

static bool is_object(struct reading *r, const struct place *at, yyjson_val *v)
{
    if (!yyjson_is_obj(v))
        mistake(r, at, "must be an object {…}, not %s", yyjson_get_type_desc(v));
    return yyjson_is_obj(v);
}

/* Whether the key comes a second time in its object; that is a mistake. */
static bool is_repeated(
    struct reading *r, const struct place *at, yyjson_val *object, const yyjson_val *val)
{
    if (yyjson_obj_getn(object, yyjson_get_str(at->key), yyjson_get_len(at->key)) == val)
        return false;
    mistake(r, at, "is there twice; take one away");
    return true;
}

static void read_object(struct reading *r, const struct place *up, yyjson_val *object,
    const struct key_spec *specs, void *target)
{
    yyjson_val *key, *val;
    size_t i, n;

    if (!is_object(r, up, object))
        return;
    yyjson_obj_foreach(object, i, n, key, val)
    {
        struct place at = {up, key};
        const struct key_spec *spec = specs;

        if (is_repeated(r, &at, object, val))
            continue;
        while (spec->name && !yyjson_equals_str(key, spec->name))
            spec++;
        if (spec->name)
            spec->read(r, &at, val, target);
        else
            unknown_key(r, &at, specs);
    }
}

/* ---- values ---- */

static const char *read_text(struct reading *r, const struct place *at, yyjson_val *v)
{
    const char *text = yyjson_get_str(v);

    if (!text)
        mistake(r, at, "must be a string, not %s", yyjson_get_type_desc(v));
    else if (*text == '\0' || strlen(text) != yyjson_get_len(v))
        mistake(r, at, "must not be empty or hold a NUL");
    else
        return text;
    return NULL;
}

static enum way read_way(struct reading *r, const struct place *at, yyjson_val *v)
{
    if (yyjson_is_null(v))
        return WAY_NONE;
    if (yyjson_equals_str(v, "in"))
        return WAY_IN;
    if (yyjson_equals_str(v, "out"))
        return WAY_OUT;
    mistake(r, at, "must be \"in\", \"out\" or null");
    return WAY_UNSAID;
}

static struct zone *read_zone(struct reading *r, const struct place *at, yyjson_val *v)
{
    const char *name = read_text(r, at, v);
    struct zone *zone = NULL;
    struct fault why;

    if (name && !(zone = zone_find(name, &why)))
        mistake(r, at, "%s", why.text);
    return zone;
}

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

static void read_punch_key(struct reading *r, const struct place *at, yyjson_val *v, void *target)
{
    enum way *table = target;
    struct slice name = {yyjson_get_str(at->key), yyjson_get_len(at->key)};

    table[punch_find(name)] = read_way(r, at, v);
}

static void read_punches(
    struct reading *r, const struct place *at, yyjson_val *v, enum way table[PUNCHES])
{
    struct key_spec specs[PUNCHES + 1] = {{0}};

    for (int i = 0; i < PUNCHES; i++)
        specs[i] = (struct key_spec){punch_names[i].p, read_punch_key};
    read_object(r, at, v, specs, table);
}

/* ---- a device ---- */

static void device_zone(struct reading *r, const struct place *at, yyjson_val *v, void *target)
{
    ((struct device *)target)->zone = read_zone(r, at, v);
}

static void device_direction(struct reading *r, const struct place *at, yyjson_val *v, void *target)
{
    ((struct device *)target)->direction = read_way(r, at, v);
}

static void device_punch(struct reading *r, const struct place *at, yyjson_val *v, void *target)
{
    read_punches(r, at, v, ((struct device *)target)->punch);
}

static void device_readers(struct reading *r, const struct place *up, yyjson_val *v, void *target)
{
    struct device *device = target;
    yyjson_val *key, *val;
    size_t i, n;

    if (!is_object(r, up, v))
        return;
    free(device->readers);
    device->readers = mem_alloc(yyjson_obj_size(v) * sizeof *device->readers);
    device->reader_count = 0;
    yyjson_obj_foreach(v, i, n, key, val)
    {
        struct place at = {up, key};

        if (!is_repeated(r, &at, v, val))
            device->readers[device->reader_count++] = (struct reader_way){
                {yyjson_get_str(key), yyjson_get_len(key)}, read_way(r, &at, val)};
    }
}

/* False when the name is taken; that is a mistake. */
static bool add_name(
    struct reading *r, const struct place *at, struct slice name, const struct device *device)
{
    uint32_t index = (uint32_t)(device - r->site->devices);
    size_t before = r->site->memory->names.used;
    const struct device *holder =
        &r->site->devices[*table_add(&r->site->memory->names, name, index)];

    if (r->site->memory->names.used > before)
        return true;
    mistake(r, at, "\"%.*s\" is a name or alias of device %.*s already", (int)name.n, name.p,
        (int)holder->name.n, holder->name.p);
    return false;
}

static void device_aliases(struct reading *r, const struct place *at, yyjson_val *v, void *target)
{
    yyjson_val *item;
    size_t i, n;

    if (!yyjson_is_arr(v))
        mistake(r, at, "must be a list of strings [\"…\"]");
    yyjson_arr_foreach(v, i, n, item)
    {
        const char *name = read_text(r, at, item);

        if (name)
            add_name(r, at, slice_of(name), target);
    }
}

static const struct key_spec device_keys[] = {
    {"aliases", device_aliases},
    {"zone", device_zone},
    {"direction", device_direction},
    {"punch", device_punch},
    {"readers", device_readers},
    {0},
};

/* ---- the site ---- */

static void site_zone(struct reading *r, const struct place *at, yyjson_val *v, void *target)
{
    ((struct site *)target)->zone = read_zone(r, at, v);
}

static void site_roster(struct reading *r, const struct place *at, yyjson_val *v, void *target)
{
    const char *name = read_text(r, at, v), *slash = strrchr(r->path, '/');
    struct site *site = target;
    struct buf path = {0};

    if (!name)
        return;
    if (slash && *name != '/')
        buf_add(&path, r->path, (size_t)(slash + 1 - r->path));
    buf_text(&path, name);
    site->roster = mem_text(buf_all(&path));
    buf_free(&path);
}

static void site_require(struct reading *r, const struct place *at, yyjson_val *v, void *target)
{
    if (!yyjson_is_bool(v))
        mistake(r, at, "must be true or false");
    ((struct site *)target)->require_employee = yyjson_get_bool(v);
}

static void site_max_skew(struct reading *r, const struct place *at, yyjson_val *v, void *target)
{
    double seconds = yyjson_get_num(v);

    if (!yyjson_is_num(v) || !(seconds >= 0 && seconds <= 1e9))
        mistake(r, at, "must be a number of seconds from 0 to 1000000000");
    else
        ((struct site *)target)->max_skew_ms = (int64_t)(seconds * 1000);
}

static void site_punch(struct reading *r, const struct place *at, yyjson_val *v, void *target)
{
    read_punches(r, at, v, ((struct site *)target)->punch);
}

static void site_devices(struct reading *r, const struct place *up, yyjson_val *v, void *target)
{
    struct site *site = target;
    yyjson_val *key, *val;
    size_t i, n, next = 0;

    if (!is_object(r, up, v))
        return;
    site->devices = mem_alloc(yyjson_obj_size(v) * sizeof *site->devices);
    /* All names first: an alias must not take the name of a device that comes later. */
    yyjson_obj_foreach(v, i, n, key, val)
    {
        struct place at = {up, key};
        struct device *device = &site->devices[site->device_count];

        *device = (struct device){.name = {yyjson_get_str(key), yyjson_get_len(key)}};
        if (read_text(r, &at, key) && add_name(r, &at, device->name, device))
            site->device_count++;
    }
    yyjson_obj_foreach(v, i, n, key, val)
    {
        struct place at = {up, key};

        if (next < site->device_count && site->devices[next].name.p == yyjson_get_str(key))
            read_object(r, &at, val, device_keys, &site->devices[next++]);
    }
}

static const struct key_spec site_keys[] = {
    {"zone", site_zone},
    {"roster", site_roster},
    {"require_employee", site_require},
    {"max_skew_s", site_max_skew},
    {"punch", site_punch},
    {"devices", site_devices},
    {0},
};

/* ---- the file ---- */

struct site *site_new(void)
{
    struct site *s = mem_alloc(sizeof *s);

    *s = (struct site){
        .max_skew_ms = SITE_MAX_SKEW_S * 1000,
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
        free(s->devices[i].readers);
    free(s->devices);
    free(s->roster);
    table_free(&s->memory->names);
    yyjson_doc_free(s->memory->doc);
    buf_free(&s->memory->text);
    free(s->memory);
    free(s);
}

static int parse(struct reading *r, struct fault *why)
{
    struct site_memory *m = r->site->memory;
    size_t n = m->text.len, line = 0, column = 0, chars = 0;
    const struct place root = {NULL, NULL};
    yyjson_read_err error;

    memset(buf_room(&m->text, YYJSON_PADDING_SIZE), 0, YYJSON_PADDING_SIZE);
    table_init(&m->names, m->text.data);
    m->doc = yyjson_read_opts(m->text.data, n,
        YYJSON_READ_INSITU | YYJSON_READ_ALLOW_COMMENTS | YYJSON_READ_ALLOW_TRAILING_COMMAS, NULL,
        &error);
    if (!m->doc) {
        yyjson_locate_pos(r->text.p, r->text.n, error.pos, &line, &column, &chars);
        return fault_set(
            why, EX_CONFIG, "%s:%zu:%zu: not JSON: %s", r->path, line, column, error.msg);
    }
    read_object(r, &root, yyjson_doc_get_root(m->doc), site_keys, r->site);
    if (r->mistakes > 0)
        return fault_set(why, EX_CONFIG, "%s: %u mistake%s; see ts-site(5)", r->path, r->mistakes,
            r->mistakes == 1 ? "" : "s");
    return 0;
}

struct site *site_load(const char *path, site_mistake *report, struct fault *why)
{
    struct reading r = {.site = site_new(), .path = path, .report = report};
    struct buf copy = {0};
    int rc = file_read(path, SITE_BYTES_MAX, &r.site->memory->text, why);

    if (rc == 0) {
        buf_slice(&copy, buf_all(&r.site->memory->text));
        r.text = buf_all(&copy);
        rc = parse(&r, why);
    }
    buf_free(&copy);
    if (rc == 0)
        return r.site;
    site_free(r.site);
    return NULL;
}

const struct device *site_find(const struct site *s, struct slice name)
{
    const uint32_t *index = table_find(&s->memory->names, name);

    return index ? &s->devices[*index] : NULL;
}

/* SPDX-License-Identifier: MIT */
/* Reading a roster: which column is what, and each row's ids with the devices and days for which
   they hold. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "card.h"
#include "clock.h"
#include "json.h"
#include "roster_build.h"
#include "rows.h"

#define ROSTER_BYTES_MAX (64u << 20)
#define REMARKS_MAX 10
#define DEVICES_MAX 64 /* in one cell */

/* Where a role is found: one of its columns. */
struct use {
    enum roster_role role;
    unsigned column;
    struct slice device; /* of a column person_id@DEVICE */
};

struct loading {
    struct roster *roster;
    const struct site *site;
    const struct names *left_out;
    roster_remark *remark;
    struct rows rows;
    unsigned bound; /* columns that were looked at */
    struct use use[CSV_COLUMNS_MAX];
    unsigned uses;
    struct buf keys; /* of columns that go to `hr`, as JSON */
    struct hr_key {
        size_t at, n; /* n 0: the column does not go there */
    } hr[CSV_COLUMNS_MAX];
    unsigned claims, nameless, cards, strangers; /* what there are remarks on */
};

static const char *const role_names[ROLES] = {
    [ROLE_PERSON] = "person_id",
    [ROLE_CARD] = "card_no",
    [ROLE_EMPLOYEE] = "employee_id",
    [ROLE_DEVICE] = "device_id",
    [ROLE_FROM] = "valid_from",
    [ROLE_UNTIL] = "valid_until",
};

const char *roster_role_name(enum roster_role role)
{
    return role_names[role];
}

__attribute__((format(printf, 2, 3))) static void remark(struct loading *l, const char *format, ...)
{
    struct fault text;
    va_list args;

    va_start(args, format);
    vsnprintf(text.text, sizeof text.text, format, args);
    va_end(args);
    l->remark(text.text);
}

/* ---- columns ---- */

/* The device's one name; what the site file does not have stays as it is. */
static struct slice canonical(struct loading *l, struct slice name)
{
    const struct device *device = site_find(l->site, name);

    if (!device && l->site->device_count > 0 && l->strangers++ == 0)
        remark(l, "%s:%u: device \"%.*s\" is not in the site file", l->rows.path, l->rows.line,
            (int)name.n, name.p);
    return device ? device->name : name;
}

static bool is_named(const struct loading *l, enum roster_role role, struct slice name)
{
    const struct slice *given = l->site->roster_column[role];

    if (!given[0].p)
        return slice_is(name, role_names[role]);
    for (int i = 0; i < ROSTER_NAMES_MAX && given[i].p; i++)
        if (slice_eq(given[i], name))
            return true;
    return false;
}

static int add_use(struct loading *l, enum roster_role role, unsigned column, struct slice device,
    struct fault *why)
{
    if (device.n > ROSTER_ID_BYTES)
        return fault_set(why, EX_CONFIG, "%s: the name of a device is too long", l->rows.path);
    if (l->uses == CSV_COLUMNS_MAX)
        return fault_set(why, EX_CONFIG, "%s: too many columns", l->rows.path);
    l->use[l->uses++] = (struct use){role, column, device};
    return 0;
}

/* A column may be several things: the number of an employee who has it as a PIN too. */
static int bind(struct loading *l, unsigned column, struct fault *why)
{
    struct slice name = l->rows.name[column];
    const char *at = name.n > 0 ? memrchr(name.p, '@', name.n) : NULL;
    unsigned before = l->uses;

    if (name.n == 0)
        return 0;
    for (int role = 0; role < ROLES; role++)
        if (is_named(l, (enum roster_role)role, name) &&
            add_use(l, (enum roster_role)role, column, SLICE_NONE, why) < 0)
            return -1;
    for (int role = ROLE_PERSON; at && l->uses == before && role <= ROLE_CARD; role++) {
        struct slice device = {at + 1, (size_t)(name.p + name.n - at - 1)};

        if (device.n > 0 &&
            is_named(l, (enum roster_role)role, (struct slice){name.p, (size_t)(at - name.p)}) &&
            add_use(l, (enum roster_role)role, column, canonical(l, device), why) < 0)
            return -1;
    }
    if (l->uses == before && !names_have(l->left_out, name)) {
        l->hr[column].at = l->keys.len;
        json_str(&l->keys, name);
        buf_char(&l->keys, ':');
        l->hr[column].n = l->keys.len - l->hr[column].at;
    }
    return 0;
}

static int bind_new(struct loading *l, struct fault *why)
{
    for (; l->bound < l->rows.columns; l->bound++)
        if (bind(l, l->bound, why) < 0)
            return -1;
    return 0;
}

static bool has_use(const struct loading *l, enum roster_role role)
{
    for (unsigned i = 0; i < l->uses; i++)
        if (l->use[i].role == role)
            return true;
    return false;
}

static bool has_column(const struct loading *l, struct slice name)
{
    for (unsigned i = 0; i < l->rows.columns; i++)
        if (slice_eq(l->rows.name[i], name))
            return true;
    return false;
}

/* Whether all is there; of JSON, only the whole file tells. */
static int check_columns(struct loading *l, struct fault *why)
{
    const char *path = l->rows.path;

    for (int role = 0; role < ROLES; role++)
        for (int i = 0; i < ROSTER_NAMES_MAX && l->site->roster_column[role][i].p; i++) {
            struct slice name = l->site->roster_column[role][i];

            if (!has_column(l, name))
                return fault_set(why, EX_CONFIG,
                    "%s:%u: no column \"%.*s\", which the site file takes for %s", path,
                    l->rows.line, (int)name.n, name.p, role_names[role]);
        }
    if (!has_use(l, ROLE_EMPLOYEE))
        return fault_set(why, EX_CONFIG,
            "%s:%u: no column employee_id: name it so, or say in the site file which it is", path,
            l->rows.line);
    if (!has_use(l, ROLE_PERSON) && !has_use(l, ROLE_CARD))
        return fault_set(
            why, EX_CONFIG, "%s:%u: neither a column person_id nor card_no", path, l->rows.line);
    return 0;
}

/* ---- rows ---- */

struct cells {
    const struct slice *cell;
    unsigned count;
};

static struct slice cell_at(struct cells c, unsigned column)
{
    return column < c.count ? slice_trim(c.cell[column]) : SLICE_NONE;
}

/* The first column of the role that is not empty. */
static struct slice value(const struct loading *l, struct cells c, enum roster_role role)
{
    struct slice text = SLICE_NONE;

    for (unsigned i = 0; i < l->uses && text.n == 0; i++)
        if (l->use[i].role == role)
            text = cell_at(c, l->use[i].column);
    return text;
}

/* The next of the values in a cell, "1001;1002"; false at the end. */
static bool next_value(struct slice *cell, struct slice *text)
{
    do {
        size_t n = 0;

        if (cell->n == 0)
            return false;
        while (n < cell->n && cell->p[n] != ';' && cell->p[n] != '\n')
            n++;
        *text = slice_trim((struct slice){cell->p, n});
        if (text->n > 0 && text->p[text->n - 1] == '\r')
            text->n--;
        n += n < cell->n;
        cell->p += n;
        cell->n -= n;
    } while (text->n == 0);
    return true;
}

static int read_day(
    struct loading *l, struct cells c, enum roster_role role, int32_t *day, struct fault *why)
{
    struct slice text = value(l, c, role);
    struct clock_time t;

    if (text.n == 0)
        return 0;
    if (!clock_parse(text, &t))
        return fault_set(why, EX_CONFIG, "%s:%u: %s: not a date like 2026-05-31", l->rows.path,
            l->rows.line, role_names[role]);
    *day = clock_day(t.local_s);
    return 0;
}

static int read_days(struct loading *l, struct cells c, struct row *row, struct fault *why)
{
    row->from = INT32_MIN;
    row->until = INT32_MAX;
    if (read_day(l, c, ROLE_FROM, &row->from, why) < 0 ||
        read_day(l, c, ROLE_UNTIL, &row->until, why) < 0)
        return -1;
    if (row->from > row->until)
        return fault_set(
            why, EX_CONFIG, "%s:%u: valid_from is after valid_until", l->rows.path, l->rows.line);
    return 0;
}

static void print_hr(struct loading *l, struct cells c, struct buf *out)
{
    size_t start = out->len;

    for (unsigned i = 0; i < c.count && i < l->rows.columns; i++) {
        if (l->hr[i].n == 0 || c.cell[i].n == 0)
            continue;
        buf_char(out, out->len == start ? '{' : ',');
        buf_add(out, l->keys.data + l->hr[i].at, l->hr[i].n);
        json_str(out, c.cell[i]);
    }
    if (out->len > start)
        buf_char(out, '}');
}

/* ---- ids ---- */

#define DAY_TEXT 11

/* "2026-03-15", or "ever" for an open end. */
static const char *day_text(char out[DAY_TEXT], int32_t day)
{
    char text[CLOCK_TEXT];

    if (day == INT32_MIN || day == INT32_MAX)
        return "ever";
    clock_print_local(text, (int64_t)day * 86400, 0);
    memcpy(out, text, DAY_TEXT - 1);
    out[DAY_TEXT - 1] = '\0';
    return out;
}

static void remark_claim(
    struct loading *l, enum roster_role role, const struct row *row, const struct row *other)
{
    int32_t from = row->from > other->from ? row->from : other->from;
    int32_t until = row->until < other->until ? row->until : other->until;
    char a[DAY_TEXT], b[DAY_TEXT], days[48] = "";

    if (l->claims++ >= REMARKS_MAX)
        return;
    if (from != INT32_MIN || until != INT32_MAX)
        snprintf(days, sizeof days, " from %s until %s", day_text(a, from), day_text(b, until));
    remark(l, "%s:%u: %s is another employee's in line %u%s: its events are put on hold",
        l->rows.path, row->line, role_names[role], other->line, days);
}

static int add_id(struct loading *l, enum roster_role role, const struct row *row, struct slice id,
    struct slice device, struct fault *why)
{
    enum roster_key key = role == ROLE_CARD ? ROSTER_CARD : ROSTER_PERSON;
    const struct row *other;
    char number[CARD_TEXT];

    if (role == ROLE_CARD && l->site->roster_card.count > 0) {
        size_t n = card_apply(&l->site->roster_card, id, number);

        if (n > 0)
            id = (struct slice){number, n};
        else if (card_key(id).n > 0 && l->cards++ == 0)
            remark(l, "%s:%u: card_no does not fit the rule roster_card", l->rows.path, row->line);
    }
    if (role == ROLE_CARD)
        id = card_key(id);
    if (id.n == 0)
        return 0;
    if (id.n > ROSTER_ID_BYTES)
        return fault_set(why, EX_CONFIG, "%s:%u: %s is longer than %d bytes", l->rows.path,
            row->line, role_names[role], ROSTER_ID_BYTES);
    switch (roster_add_id(l->roster, key, id, device, &other)) {
    case ROSTER_SHARED:
        remark_claim(l, role, row, other);
        return 0;
    case ROSTER_CROWDED:
        return fault_set(why, EX_CONFIG, "%s:%u: %s has too many owners", l->rows.path, row->line,
            role_names[role]);
    default:
        return 0;
    }
}

static int add_ids(struct loading *l, struct cells c, const struct row *row, struct fault *why)
{
    struct slice devices = value(l, c, ROLE_DEVICE), device[DEVICES_MAX], id;
    unsigned count = 0;

    while (next_value(&devices, &id)) {
        if (count == DEVICES_MAX || id.n > ROSTER_ID_BYTES)
            return fault_set(why, EX_CONFIG, "%s:%u: device_id: too many devices, or too long",
                l->rows.path, row->line);
        device[count++] = canonical(l, id);
    }
    if (count == 0)
        device[count++] = SLICE_NONE;
    for (unsigned i = 0; i < l->uses; i++) {
        const struct use *use = &l->use[i];
        struct slice cell = cell_at(c, use->column);

        while (use->role <= ROLE_CARD && next_value(&cell, &id))
            for (unsigned k = 0; k < (use->device.p ? 1 : count); k++)
                if (add_id(l, use->role, row, id, use->device.p ? use->device : device[k], why) < 0)
                    return -1;
    }
    return 0;
}

static int add_row(struct loading *l, struct cells c, struct fault *why)
{
    struct buf *json = roster_text(l->roster);
    struct slice employee = value(l, c, ROLE_EMPLOYEE);
    struct row row = {.line = l->rows.line, .employee = (uint32_t)json->len};

    for (unsigned i = l->rows.columns; i < c.count; i++)
        if (cell_at(c, i).n > 0)
            return fault_set(why, EX_CONFIG,
                "%s:%u: more cells than the header has: put quotes around text with a separator",
                l->rows.path, row.line);
    if (read_days(l, c, &row, why) < 0)
        return -1;
    if (employee.n == 0) {
        l->nameless++;
        return 0;
    }
    json_str(json, employee);
    row.employee_bytes = (uint32_t)json->len - row.employee;
    row.hr = (uint32_t)json->len;
    print_hr(l, c, json);
    row.hr_bytes = (uint32_t)json->len - row.hr;
    roster_add_row(l->roster, &row);
    return add_ids(l, c, &row, why);
}

/* ---- the file ---- */

static void sum_up(struct loading *l)
{
    const char *path = l->rows.path;

    if (l->claims > REMARKS_MAX)
        remark(l, "%s: and %u more ids that are claimed by two", path, l->claims - REMARKS_MAX);
    if (l->nameless > 0)
        remark(l, "%s: %u rows have no employee_id and are left out", path, l->nameless);
    if (l->cards > 1)
        remark(l, "%s: %u card numbers do not fit the rule roster_card", path, l->cards);
    if (l->strangers > 1)
        remark(l, "%s: %u names of devices that are not in the site file", path, l->strangers);
}

static int read_rows(struct loading *l, const char *path, struct fault *why)
{
    struct slice cells[CSV_COLUMNS_MAX];
    unsigned count = 0;
    int got;

    if (rows_open(&l->rows, path, ROSTER_BYTES_MAX, why) < 0 || bind_new(l, why) < 0)
        return -1;
    if (l->rows.columns > 0 && check_columns(l, why) < 0)
        return -1;
    while ((got = rows_next(&l->rows, cells, &count, why)) > 0)
        if (bind_new(l, why) < 0 || add_row(l, (struct cells){cells, count}, why) < 0)
            return -1;
    if (got == 0 && check_columns(l, why) < 0)
        return -1;
    if (got == 0)
        sum_up(l);
    return got;
}

struct roster *roster_load(const char *path, const struct site *site, const struct names *left_out,
    roster_remark *report, struct fault *why)
{
    struct loading *l = mem_alloc(sizeof *l);
    struct roster *r = roster_new();
    int rc;

    *l = (struct loading){.roster = r, .site = site, .left_out = left_out, .remark = report};
    rc = read_rows(l, path, why);
    rows_close(&l->rows);
    buf_free(&l->keys);
    free(l);
    if (rc == 0) {
        roster_finish(r);
        return r;
    }
    roster_free(r);
    return NULL;
}

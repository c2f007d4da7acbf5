/* SPDX-License-Identifier: MIT */
/*
 * One row a person.  What goes into an event is printed as JSON while the file is read; two tables
 * lead from ids to rows.  The first row of an id counts; a second one that means another employee
 * makes the id nobody's.
 */
#include "roster.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "csv.h"
#include "file.h"
#include "json.h"
#include "table.h"

#define ROSTER_BYTES_MAX (64u << 20)
#define CLAIMED UINT32_MAX
#define REMARKS_MAX 10

struct row {
    uint32_t line;
    uint32_t employee, employee_bytes; /* in `json` */
    uint32_t hr, hr_bytes;             /* 0 bytes: none */
};

struct roster {
    struct buf text; /* the file: the tables' names point into it */
    struct buf json;
    struct row *row;
    size_t rows, room;
    struct table ids[2]; /* by enum roster_key: index into row, or CLAIMED */
};

enum { PERSON_COLUMN, CARD_COLUMN, EMPLOYEE_COLUMN, COLUMNS };

static const char *const column_names[COLUMNS] = {"person_id", "card_no", "employee_id"};

struct loading {
    struct roster *roster;
    struct csv csv;
    const struct names *left_out;
    roster_remark *remark;
    struct slice header[CSV_COLUMNS_MAX];
    unsigned columns;
    int at[COLUMNS];          /* index of the column, or -1 */
    bool hr[CSV_COLUMNS_MAX]; /* whether the column goes to `hr` */
    unsigned claims, strangers;
};

__attribute__((format(printf, 2, 3))) static void remark(struct loading *l, const char *format, ...)
{
    struct fault text;
    va_list args;

    va_start(args, format);
    vsnprintf(text.text, sizeof text.text, format, args);
    va_end(args);
    l->remark(text.text);
}

static int read_header(struct loading *l, struct fault *why)
{
    const char *path = l->csv.path;
    int got = csv_row(&l->csv, l->header, &l->columns, why);

    if (got <= 0)
        return got < 0 ? -1 : fault_set(why, EX_CONFIG, "%s: empty: a header row is needed", path);
    for (int k = 0; k < COLUMNS; k++)
        l->at[k] = -1;
    for (unsigned i = 0; i < l->columns; i++) {
        struct slice name = l->header[i] = slice_trim(l->header[i]);

        l->hr[i] = name.n > 0 && !names_have(l->left_out, name);
        for (unsigned j = 0; name.n > 0 && j < i; j++)
            if (slice_eq(l->header[j], name))
                return fault_set(why, EX_CONFIG, "%s:%u: column %.*s is there twice", path,
                    l->csv.line, (int)name.n, name.p);
        for (int k = 0; k < COLUMNS; k++)
            if (slice_is(name, column_names[k])) {
                l->at[k] = (int)i;
                l->hr[i] = false;
            }
    }
    if (l->at[EMPLOYEE_COLUMN] < 0)
        return fault_set(why, EX_CONFIG,
            "%s:%u: no column employee_id: the first row must name the columns, with commas "
            "between them",
            path, l->csv.line);
    if (l->at[PERSON_COLUMN] < 0 && l->at[CARD_COLUMN] < 0)
        return fault_set(
            why, EX_CONFIG, "%s:%u: neither a column person_id nor card_no", path, l->csv.line);
    return 0;
}

static bool same_employee(const struct roster *r, const struct row *a, const struct row *b)
{
    return a->employee_bytes == b->employee_bytes &&
           memcmp(r->json.data + a->employee, r->json.data + b->employee, a->employee_bytes) == 0;
}

static void add_id(struct loading *l, enum roster_key key, struct slice id, uint32_t index)
{
    struct roster *r = l->roster;
    uint32_t *kept;

    id = slice_trim(id);
    if (id.n == 0)
        return;
    kept = table_add(&r->ids[key], id, index);
    if (*kept == index || (*kept != CLAIMED && same_employee(r, &r->row[*kept], &r->row[index])))
        return;
    if (l->claims++ < REMARKS_MAX) {
        if (*kept == CLAIMED)
            remark(l, "%s:%u: %s is claimed by others too: its events are put on hold", l->csv.path,
                l->csv.line, column_names[key]);
        else
            remark(l, "%s:%u: %s is another employee's in line %u: its events are put on hold",
                l->csv.path, l->csv.line, column_names[key], r->row[*kept].line);
    }
    *kept = CLAIMED;
}

static void print_hr(struct loading *l, const struct slice *cells, unsigned count, struct buf *out)
{
    size_t start = out->len;

    for (unsigned i = 0; i < count && i < l->columns; i++) {
        if (!l->hr[i] || cells[i].n == 0)
            continue;
        buf_char(out, out->len == start ? '{' : ',');
        json_str(out, l->header[i]);
        buf_char(out, ':');
        json_str(out, cells[i]);
    }
    if (out->len > start)
        buf_char(out, '}');
}

static struct slice cell(const struct loading *l, const struct slice *cells, unsigned n, int k)
{
    return l->at[k] >= 0 && l->at[k] < (int)n ? slice_trim(cells[l->at[k]]) : SLICE_NONE;
}

static int add_row(struct loading *l, const struct slice *cells, unsigned count, struct fault *why)
{
    struct roster *r = l->roster;
    struct slice employee = cell(l, cells, count, EMPLOYEE_COLUMN);
    struct row row = {.line = l->csv.line, .employee = (uint32_t)r->json.len};

    for (unsigned i = l->columns; i < count; i++)
        if (slice_trim(cells[i]).n > 0)
            return fault_set(why, EX_CONFIG,
                "%s:%u: more cells than the header has: put quotes around text with commas",
                l->csv.path, l->csv.line);
    if (employee.n == 0) {
        l->strangers++;
        return 0;
    }
    json_str(&r->json, employee);
    row.employee_bytes = (uint32_t)r->json.len - row.employee;
    row.hr = (uint32_t)r->json.len;
    print_hr(l, cells, count, &r->json);
    row.hr_bytes = (uint32_t)r->json.len - row.hr;
    if (r->rows == r->room) {
        r->room = r->room ? r->room * 2 : 256;
        r->row = mem_resize(r->row, r->room * sizeof *r->row);
    }
    r->row[r->rows++] = row;
    add_id(l, ROSTER_PERSON, cell(l, cells, count, PERSON_COLUMN), (uint32_t)r->rows - 1);
    add_id(l, ROSTER_CARD, cell(l, cells, count, CARD_COLUMN), (uint32_t)r->rows - 1);
    return 0;
}

static int check_text(const char *path, struct slice text, struct fault *why)
{
    unsigned line = 1;

    if (utf8_valid(text))
        return 0;
    for (size_t i = 0, n; (n = utf8_length(text.p + i, text.n - i)) > 0; i += n)
        line += text.p[i] == '\n';
    return fault_set(why, EX_CONFIG, "%s:%u: not UTF-8: save it as \"CSV UTF-8\"", path, line);
}

static int read_rows(struct loading *l, struct fault *why)
{
    struct slice cells[CSV_COLUMNS_MAX];
    unsigned count;
    int got;

    if (read_header(l, why) < 0)
        return -1;
    while ((got = csv_row(&l->csv, cells, &count, why)) > 0)
        if (add_row(l, cells, count, why) < 0)
            return -1;
    if (got == 0 && l->claims > REMARKS_MAX)
        remark(
            l, "%s: and %u more ids that are claimed by two", l->csv.path, l->claims - REMARKS_MAX);
    if (got == 0 && l->strangers > 0)
        remark(l, "%s: %u rows have no employee_id and are left out", l->csv.path, l->strangers);
    return got;
}

struct roster *roster_load(
    const char *path, const struct names *left_out, roster_remark *report, struct fault *why)
{
    struct roster *r = mem_alloc(sizeof *r);
    struct loading l = {.roster = r, .left_out = left_out, .remark = report};
    int rc;

    *r = (struct roster){0};
    rc = file_read(path, ROSTER_BYTES_MAX, &r->text, why);
    if (rc == 0)
        rc = check_text(path, buf_all(&r->text), why);
    if (rc == 0) {
        table_init(&r->ids[ROSTER_PERSON], r->text.data);
        table_init(&r->ids[ROSTER_CARD], r->text.data);
        l.csv = (struct csv){
            .p = r->text.data, .end = r->text.data + r->text.len, .path = path, .next = 1};
        rc = read_rows(&l, why);
    }
    if (rc == 0)
        return r;
    roster_free(r);
    return NULL;
}

void roster_free(struct roster *r)
{
    if (!r)
        return;
    buf_free(&r->text);
    buf_free(&r->json);
    free(r->row);
    table_free(&r->ids[ROSTER_PERSON]);
    table_free(&r->ids[ROSTER_CARD]);
    free(r);
}

size_t roster_people(const struct roster *r)
{
    return r->rows;
}

enum roster_answer roster_find(
    const struct roster *r, enum roster_key key, struct slice id, struct person *person)
{
    const uint32_t *index = table_find(&r->ids[key], slice_trim(id));
    const struct row *row;

    if (!index)
        return ROSTER_UNKNOWN;
    if (*index == CLAIMED)
        return ROSTER_CLAIMED;
    row = &r->row[*index];
    *person = (struct person){{r->json.data + row->employee, row->employee_bytes},
        {row->hr_bytes > 0 ? r->json.data + row->hr : NULL, row->hr_bytes}};
    return ROSTER_FOUND;
}

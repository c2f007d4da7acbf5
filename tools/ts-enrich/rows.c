/* SPDX-License-Identifier: MIT */
/* Rows from CSV and JSON.  JSON is cut into its objects here and each is parsed on its own, so that
   a big file needs no big document. */
#include "rows.h"

#include <stdlib.h>

#include "event.h"
#include "file.h"
#include "json.h"

/* ---- JSON ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static void skip_space(struct rows *r)
{
    for (; r->p < r->end && is_space(*r->p); r->p++)
        r->next += *r->p == '\n';
}

/* Where the object at r->p ends; NULL when it does not. */
static const char *object_end(struct rows *r)
{
    unsigned depth = 0;
    bool quoted = false;

    for (const char *p = r->p; p < r->end; p++) {
        if (*p == '\n')
            r->next++;
        else if (quoted && *p == '\\')
            p++;
        else if (*p == '"')
            quoted = !quoted;
        else if (!quoted && (*p == '{' || *p == '['))
            depth++;
        else if (!quoted && (*p == '}' || *p == ']') && --depth == 0)
            return p + 1;
    }
    return NULL;
}

/* The column of a key, which most often stands where it stood in the object before. */
static int find_column(struct rows *r, struct slice key, unsigned likely, struct fault *why)
{
    if (likely < r->columns && slice_eq(r->name[likely], key))
        return (int)likely;
    for (unsigned i = 0; i < r->columns; i++)
        if (slice_eq(r->name[i], key))
            return (int)i;
    if (r->columns == CSV_COLUMNS_MAX)
        return fault_set(
            why, EX_CONFIG, "%s:%u: more than %d columns", r->path, r->line, CSV_COLUMNS_MAX);
    r->name[r->columns] = (struct slice){mem_text(key), key.n};
    return (int)r->columns++;
}

static struct slice text_of(const yyjson_val *v)
{
    return (struct slice){yyjson_get_str((yyjson_val *)v), yyjson_get_len((yyjson_val *)v)};
}

/* Several values in one cell.  The buffer has room for all of the object, so it stays in place. */
static struct slice join(struct rows *r, yyjson_val *list)
{
    size_t start = r->joined.len, i, n;
    yyjson_val *item;
    char number[24];

    yyjson_arr_foreach(list, i, n, item)
    {
        struct slice text = text_of(item);

        if (yyjson_is_uint(item))
            text = (struct slice){number, (size_t)snprintf(number, sizeof number, "%llu",
                                              (unsigned long long)yyjson_get_uint(item))};
        if (text.n == 0)
            continue;
        if (r->joined.len > start)
            buf_char(&r->joined, ';');
        buf_slice(&r->joined, text);
    }
    return (struct slice){r->joined.data + start, r->joined.len - start};
}

static struct slice cell_of(
    struct rows *r, const struct event *e, const struct event_member *m, yyjson_val *v)
{
    if (yyjson_is_str(v))
        return text_of(v);
    if (yyjson_is_arr(v))
        return join(r, v);
    if (yyjson_is_null(v) || yyjson_is_obj(v))
        return SLICE_NONE;
    return (struct slice){e->line.p + m->value, m->end - m->value};
}

static int read_object(
    struct rows *r, struct slice object, struct slice *cells, unsigned *count, struct fault *why)
{
    struct event e;
    struct fault reason;
    yyjson_val *key, *val;
    size_t i, n;

    if (event_read(r->reader, object, &e, &reason) < 0)
        return fault_set(why, EX_CONFIG, "%s:%u: %s", r->path, r->line, reason.text);
    for (unsigned k = 0; k < r->columns; k++)
        cells[k] = SLICE_NONE;
    r->joined.len = 0;
    buf_room(&r->joined, object.n);
    yyjson_obj_foreach(e.root, i, n, key, val)
    {
        int column = find_column(r, text_of(key), (unsigned)i, why);

        if (column < 0)
            return -1;
        cells[column] = cell_of(r, &e, &e.member[i], val);
    }
    *count = r->columns;
    return 1;
}

static int not_json(struct rows *r, const char *what, struct fault *why)
{
    return fault_set(why, EX_CONFIG, "%s:%u: not JSON: %s", r->path, r->next, what);
}

static int next_object(struct rows *r, struct slice *cells, unsigned *count, struct fault *why)
{
    const char *start, *end;

    skip_space(r);
    if (r->array && !r->first && r->p < r->end && *r->p == ',') {
        r->p++;
        skip_space(r);
    } else if (r->array && r->p < r->end && *r->p == ']') {
        r->p++;
        skip_space(r);
        return r->p == r->end ? 0 : not_json(r, "something after the closing ]", why);
    } else if (r->array && !r->first) {
        return not_json(r, "a comma or ] is missing", why);
    }
    if (r->p == r->end)
        return r->array ? not_json(r, "the list is never closed with ]", why) : 0;
    if (*r->p != '{')
        return not_json(r, "an object {…} is wanted for each person", why);
    r->line = r->next;
    r->first = false;
    start = r->p;
    end = object_end(r);
    if (!end)
        return fault_set(
            why, EX_CONFIG, "%s:%u: not JSON: an object is never closed", r->path, r->line);
    r->p = end;
    return read_object(r, (struct slice){start, (size_t)(end - start)}, cells, count, why);
}

/* ---- files ---- */

static int check_text(const char *path, struct slice text, struct fault *why)
{
    unsigned line = 1;

    if (utf8_valid(text))
        return 0;
    for (size_t i = 0, n; (n = utf8_length(text.p + i, text.n - i)) > 0; i += n)
        line += text.p[i] == '\n';
    return fault_set(why, EX_CONFIG, "%s:%u: not UTF-8: save it as \"CSV UTF-8\"", path, line);
}

static int read_header(struct rows *r, struct fault *why)
{
    int got = csv_row(&r->csv, r->name, &r->columns, why);

    if (got <= 0)
        return got < 0 ? -1
                       : fault_set(why, EX_CONFIG, "%s: empty: a header row is needed", r->path);
    r->line = r->csv.line;
    for (unsigned i = 0; i < r->columns; i++) {
        struct slice name = r->name[i] = slice_trim(r->name[i]);

        for (unsigned j = 0; name.n > 0 && j < i; j++)
            if (slice_eq(r->name[j], name))
                return fault_set(why, EX_CONFIG, "%s:%u: column %.*s is there twice", r->path,
                    r->line, (int)name.n, name.p);
    }
    return 0;
}

int rows_open(struct rows *r, const char *path, size_t limit, struct fault *why)
{
    const char *p;

    *r = (struct rows){.path = path, .line = 1, .next = 1, .first = true};
    if (file_read(path, limit, &r->text, why) < 0 || check_text(path, buf_all(&r->text), why) < 0)
        return -1;
    r->p = r->text.data;
    r->end = r->p + r->text.len;
    skip_space(r);
    p = r->p;
    if (p < r->end && (*p == '[' || *p == '{')) {
        r->array = *p == '[';
        r->p += r->array;
        r->reader = event_reader_new();
        return 0;
    }
    r->p = NULL;
    r->csv = (struct csv){.p = r->text.data, .end = r->text.data + r->text.len, .path = path};
    csv_start(&r->csv);
    return read_header(r, why);
}

int rows_next(
    struct rows *r, struct slice cells[CSV_COLUMNS_MAX], unsigned *count, struct fault *why)
{
    int got;

    if (r->p)
        return next_object(r, cells, count, why);
    got = csv_row(&r->csv, cells, count, why);
    r->line = r->csv.line;
    return got;
}

void rows_close(struct rows *r)
{
    for (unsigned i = 0; r->p && i < r->columns; i++)
        free((char *)r->name[i].p);
    event_reader_free(r->reader);
    buf_free(&r->joined);
    buf_free(&r->text);
}

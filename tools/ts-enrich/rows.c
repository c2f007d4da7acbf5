/* SPDX-License-Identifier: MIT */
/* Rows from CSV and JSON.  JSON is cut into its objects here and each is parsed on its own, so that
   a big file needs no big document. */
#include "rows.h"

#include <yyjson.h>

#include "file.h"
#include "json.h"

#define OBJECT_BYTES_MAX (1u << 20)

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

/* After the string whose opening quote is at p: a quote behind an odd number of backslashes is its
   own. */
static char *string_end(char *p, char *end)
{
    while ((p = memchr(p + 1, '"', (size_t)(end - p - 1)))) {
        char *back = p;

        while (back[-1] == '\\')
            back--;
        if ((p - back) % 2 == 0)
            return p + 1;
    }
    return end;
}

/* Where the object at r->p ends; NULL when it does not. */
static char *object_end(struct rows *r)
{
    unsigned depth = 0;
    char *p = r->p;

    while (p < r->end) {
        char c = *p;

        if (c == '"') {
            p = string_end(p, r->end);
            continue;
        }
        p++;
        if (c == '\n')
            r->next++;
        else if (c == '{' || c == '[')
            depth++;
        else if ((c == '}' || c == ']') && --depth == 0)
            return p;
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
    r->name[r->columns] = key; /* stays where it is in the text */
    return (int)r->columns++;
}

/* A string, a number as it was written, or a word; nothing of null and objects. */
static struct slice text_of(yyjson_val *v)
{
    if (yyjson_is_str(v))
        return (struct slice){yyjson_get_str(v), yyjson_get_len(v)};
    if (yyjson_is_raw(v))
        return (struct slice){yyjson_get_raw(v), yyjson_get_len(v)};
    return yyjson_is_true(v) ? SLICE("true") : yyjson_is_false(v) ? SLICE("false") : SLICE_NONE;
}

/* Several values in one cell.  The buffer has room for all of the object, so it stays in place. */
static struct slice join(struct rows *r, yyjson_val *list)
{
    size_t start = r->joined.len, i, n;
    yyjson_val *item;

    yyjson_arr_foreach(list, i, n, item)
    {
        struct slice text = text_of(item);

        if (text.n == 0)
            continue;
        if (r->joined.len > start)
            buf_char(&r->joined, ';');
        buf_slice(&r->joined, text);
    }
    return (struct slice){r->joined.data + start, r->joined.len - start};
}

static int read_cells(
    struct rows *r, yyjson_val *object, struct slice *cells, unsigned *count, struct fault *why)
{
    yyjson_val *key, *val;
    size_t i, n;

    for (unsigned k = 0; k < r->columns; k++)
        cells[k] = SLICE_NONE;
    yyjson_obj_foreach(object, i, n, key, val)
    {
        unsigned known = r->columns;
        int column = find_column(r, text_of(key), (unsigned)i, why);

        if (column < 0)
            return -1;
        if ((unsigned)column < known && cells[column].p)
            return fault_set(why, EX_CONFIG, "%s:%u: \"%s\" is there twice", r->path, r->line,
                yyjson_get_str(key));
        cells[column] = yyjson_is_arr(val) ? join(r, val) : text_of(val);
    }
    *count = r->columns;
    return 1;
}

/* Parsed where it stands: the four bytes after it are the parser's for that time. */
static int read_object(struct rows *r, char *object, size_t bytes, struct slice *cells,
    unsigned *count, struct fault *why)
{
    const yyjson_read_flag flags = YYJSON_READ_INSITU | YYJSON_READ_NUMBER_AS_RAW;
    char after[YYJSON_PADDING_SIZE];
    yyjson_read_err error;
    yyjson_alc alc;
    yyjson_doc *doc;

    if (bytes > OBJECT_BYTES_MAX)
        return fault_set(why, EX_CONFIG, "%s:%u: an object longer than 1 MiB", r->path, r->line);
    r->pool.len = r->joined.len = 0;
    buf_room(&r->joined, bytes);
    buf_room(&r->pool, yyjson_read_max_memory_usage(bytes, flags));
    yyjson_alc_pool_init(&alc, r->pool.data, r->pool.cap);
    memcpy(after, object + bytes, sizeof after);
    doc = yyjson_read_opts(object, bytes, flags, &alc, &error);
    memcpy(object + bytes, after, sizeof after);
    if (!doc)
        return fault_set(why, EX_CONFIG, "%s:%u: not JSON: %s at byte %zu of the object", r->path,
            r->line, error.msg, error.pos + 1);
    return read_cells(r, yyjson_doc_get_root(doc), cells, count, why);
}

static int not_json(struct rows *r, const char *what, struct fault *why)
{
    return fault_set(why, EX_CONFIG, "%s:%u: not JSON: %s", r->path, r->next, what);
}

static int next_object(struct rows *r, struct slice *cells, unsigned *count, struct fault *why)
{
    char *start = NULL, *end;

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
    return read_object(r, start, (size_t)(end - start), cells, count, why);
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
    buf_room(&r->text, YYJSON_PADDING_SIZE);
    r->p = r->text.data;
    r->end = r->p + r->text.len;
    skip_space(r);
    p = r->p;
    if (p < r->end && (*p == '[' || *p == '{')) {
        r->array = *p == '[';
        r->p += r->array;
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
    buf_free(&r->pool);
    buf_free(&r->joined);
    buf_free(&r->text);
}

/* SPDX-License-Identifier: MIT */
/* Events as lines of NDJSON or rows of CSV, and the names of the files that they go to. */
#include "file_row.h"

#include <stdlib.h>
#include <time.h>

#include "request.h"

#define NAME_LONGEST 200 /* expanded; what is put around it must fit too */

/* ---- names ---- */

void file_name(const char *pattern, int64_t local_s, char out[FILE_NAME_BYTES])
{
    time_t at = (time_t)local_s;
    struct tm tm;

    gmtime_r(&at, &tm);
    /* The fields are those that file_name_check let pass. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    if (strftime(out, FILE_NAME_BYTES, pattern, &tm) == 0)
        out[0] = '\0';
#pragma GCC diagnostic pop
}

int file_name_check(const char *pattern, struct fault *why)
{
    char name[FILE_NAME_BYTES];

    for (const char *p = pattern; *p; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return fault_set(why, EX_USAGE, "URL: a control character in the name of the file");
        if (*p == '%' && (!*++p || !strchr("YmdHjGVu%", *p)))
            return fault_set(why, EX_USAGE,
                "URL: the name of the file takes %%Y %%m %%d %%H %%j %%G %%V %%u and %%%%");
    }
    file_name(pattern, 0, name);
    if (name[0] == '\0' || name[0] == '.' || strlen(name) > NAME_LONGEST)
        return fault_set(why, EX_USAGE,
            "URL: the name of the file must not be empty, begin with a dot, or be longer than %d",
            NAME_LONGEST);
    return 0;
}

/* ---- columns ---- */

static int add_column(struct file_format *f, struct slice text, struct fault *why)
{
    const char *colon = memchr(text.p, ':', text.n);
    struct file_column *c = &f->column[f->columns];

    if (f->columns == FILE_COLUMNS_MAX)
        return fault_set(why, EX_USAGE, "-o columns: more than %d columns", FILE_COLUMNS_MAX - 1);
    c->name = colon ? (struct slice){text.p, (size_t)(colon - text.p)} : text;
    c->heading = colon ? (struct slice){colon + 1, text.n - c->name.n - 1} : text;
    c->field = event_field_of(c->name);
    if (c->name.n == 0 || c->heading.n == 0)
        return fault_set(why, EX_USAGE, "-o columns: an empty name");
    f->columns++;
    return 0;
}

int file_format_columns(struct file_format *f, const char *columns, struct fault *why)
{
    const char *end, *p = columns;

    f->columns = 0;
    end = p + strcspn(p, ":,");
    if (!slice_is((struct slice){p, (size_t)(end - p)}, "event_id") &&
        add_column(f, SLICE("event_id"), why) < 0)
        return -1;
    for (;; p = end + 1) {
        end = p + strcspn(p, ",");
        if (add_column(f, (struct slice){p, (size_t)(end - p)}, why) < 0)
            return -1;
        if (!*end)
            return 0;
    }
}

/* ---- cells ---- */

static bool formula(struct slice s)
{
    s = slice_trim(s);
    return s.n > 0 && (strchr("=+-@|%", s.p[0]) || (unsigned char)s.p[0] < ' ');
}

/* UTF-8 of the line and paragraph separators, which some readers take for the end of a line. */
static bool breaks_line(const char *p, size_t left)
{
    return left >= 3 && p[0] == '\xe2' && p[1] == '\x80' && (p[2] == '\xa8' || p[2] == '\xa9');
}

static void cell(const struct file_format *f, struct buf *out, struct slice s, bool text)
{
    bool quoted = s.n > 0 && (memchr(s.p, f->separator, s.n) || memchr(s.p, '"', s.n) ||
                                 s.p[0] == ' ' || s.p[s.n - 1] == ' ');

    if (quoted)
        buf_char(out, '"');
    if (text && formula(s))
        buf_char(out, '\'');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c == '"')
            buf_char(out, '"');
        if (breaks_line(s.p + i, s.n - i)) {
            buf_char(out, ' ');
            i += 2;
        } else {
            buf_char(out, c < ' ' || c == 0x7f ? ' ' : (char)c);
        }
    }
    if (quoted)
        buf_char(out, '"');
}

/* A string without its quotes and escapes, a number by its digits, the rest as JSON. */
static void json_cell(const struct file_format *f, struct buf *out, yyjson_val *v)
{
    char *json;
    size_t n;

    if (!v || yyjson_is_null(v))
        return;
    if (yyjson_is_str(v)) {
        cell(f, out, (struct slice){yyjson_get_str(v), yyjson_get_len(v)}, true);
        return;
    }
    json = yyjson_val_write(v, 0, &n);
    if (json)
        cell(f, out, (struct slice){json, n}, false);
    free(json);
}

static void column_cell(const struct file_format *f, struct buf *out, const struct event *e,
    const struct file_column *c, const struct clock_time *local)
{
    char text[CLOCK_TEXT];

    if (c->field != EVENT_FIELDS) {
        struct slice s = event_str(e, c->field);

        if (s.p)
            cell(f, out, s, yyjson_is_str(e->field[c->field]));
        else
            json_cell(f, out, e->field[c->field]);
    } else if (slice_is(c->name, "date")) {
        clock_print_local(text, local->local_s, 0);
        cell(f, out, (struct slice){text, 10}, false);
    } else if (slice_is(c->name, "clock")) {
        clock_print_local(text, local->local_s, 0);
        cell(f, out, (struct slice){text + 11, 8}, false);
    } else if (c->name.n > 3 && memcmp(c->name.p, "hr.", 3) == 0) {
        json_cell(f, out, yyjson_obj_getn(e->field[EV_HR], c->name.p + 3, c->name.n - 3));
    } else {
        json_cell(f, out, yyjson_obj_getn(e->root, c->name.p, c->name.n));
    }
}

/* ---- lines ---- */

void file_format_heading(const struct file_format *f, struct buf *out)
{
    if (!f->csv || !f->heading)
        return;
    for (unsigned i = 0; i < f->columns; i++) {
        if (i > 0)
            buf_char(out, f->separator);
        cell(f, out, f->column[i].heading, true);
    }
    buf_char(out, '\n');
}

void file_format_row(const struct file_format *f, struct buf *out, const struct event *e,
    struct slice id, const struct clock_time *local)
{
    if (!f->csv) {
        request_event(out, e, event_has(e, EV_EVENT_ID) ? SLICE_NONE : id);
        buf_char(out, '\n');
        return;
    }
    cell(f, out, id, true);
    for (unsigned i = 1; i < f->columns; i++) {
        buf_char(out, f->separator);
        column_cell(f, out, e, &f->column[i], local);
    }
    buf_char(out, '\n');
}

void file_id(struct slice text, struct identity *id)
{
    if (!identity_parse(text, id))
        identity_of_bytes(id, text, NULL);
}

/* The first cell of a row, as it was given to `cell`. */
static struct slice first_cell(const struct file_format *f, struct slice line, struct buf *text)
{
    const char *p = line.p, *end = line.p + line.n;
    bool quoted = p < end && *p == '"';

    text->len = 0;
    for (p += quoted; p < end; p++) {
        if (quoted && *p == '"' && (++p == end || *p != '"'))
            break;
        if (!quoted && *p == f->separator)
            break;
        buf_char(text, *p);
    }
    if (text->len > 1 && text->data[0] == '\'' &&
        formula((struct slice){text->data + 1, text->len - 1}))
        return (struct slice){text->data + 1, text->len - 1};
    return buf_all(text);
}

bool file_format_id(const struct file_format *f, struct event_reader *reader, struct slice line,
    struct identity *id)
{
    struct buf text = {0};
    struct slice found;
    struct event e;
    struct fault why;

    if (!f->csv) {
        found = event_read(reader, line, &e, &why) == 0 ? event_str(&e, EV_EVENT_ID) : SLICE_NONE;
    } else {
        found = first_cell(f, line, &text);
    }
    if (found.n > 0)
        file_id(found, id);
    buf_free(&text);
    return found.n > 0;
}

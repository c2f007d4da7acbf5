/* SPDX-License-Identifier: MIT */
/* Lines of key=value; of an event, and of what a terminal says of itself, the members of its JSON.
 */
#include "dahua_reply.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "fields.h"

#define MILLISECONDS_FROM 100000000000 /* as seconds that is the year 5138 */

static bool begins(struct slice s, const char *word)
{
    size_t n = strlen(word);

    return s.n >= n && strncasecmp(s.p, word, n) == 0;
}

static struct slice trim(struct slice s)
{
    while (s.n > 0 && strchr(" \t\r\n", s.p[s.n - 1]) && s.p[s.n - 1])
        s.n--;
    return s;
}

static int64_t number(struct slice s)
{
    int64_t v = 0;
    size_t i = 0;

    for (; i < s.n && i < 17 && s.p[i] >= '0' && s.p[i] <= '9'; i++)
        v = v * 10 + (s.p[i] - '0');
    return i > 0 && i == s.n ? v : -1;
}

/* Seconds since 1970, or milliseconds. */
static void set_epoch(struct log_place *p, int64_t serial, int64_t epoch)
{
    char text[CLOCK_TEXT];

    if (epoch > MILLISECONDS_FROM)
        epoch /= 1000;
    if (epoch <= 0 || epoch > MILLISECONDS_FROM)
        log_place_set(p, serial, SLICE_NONE);
    else
        log_place_set(p, serial, (struct slice){text, clock_print_zoned(text, epoch, 0, 0)});
}

/* ---- events ---- */

/* Events[0].KEY=… among the lines; -1. */
static int64_t line_number(struct slice text, const char *key)
{
    const char *p = memmem(text.p, text.n, key, strlen(key));
    struct slice value = {p, 0};

    if (!p)
        return -1;
    value.p += strlen(key);
    while (value.p + value.n < text.p + text.n && isdigit((unsigned char)value.p[value.n]))
        value.n++;
    return number(value);
}

/* Some write 0 into every event, before the log has given it a number. */
static int64_t live_number(int64_t number)
{
    return number > 0 ? number : -1;
}

void dahua_notice_read(struct slice text, struct dahua_notice *out)
{
    static const char key[] = ";data=";
    const char *data = memmem(text.p, text.n, key, sizeof key - 1);
    char room[FIELDS_ERROR_BYTES];
    const char *error;
    yyjson_doc *doc = NULL;
    yyjson_val *v;

    *out = (struct dahua_notice){.place.serial = -1};
    out->passage = begins(text, "Code=AccessControl;") ||
                   (begins(text, "Events[") && recording_has(text, "Code=AccessControl"));
    if (out->passage && !data)
        set_epoch(&out->place, live_number(line_number(text, "Events[0].RecNo=")),
            line_number(text, "Events[0].RealUTC="));
    if (!out->passage || !data)
        return;
    data += sizeof key - 1;
    doc = fields_read((struct slice){data, (size_t)(text.p + text.n - data)}, room, &error);
    v = yyjson_doc_get_root(doc);
    set_epoch(&out->place, live_number(field_number(v, "RecNo")), field_number(v, "RealUTC"));
    yyjson_doc_free(doc);
}

/* ---- answers ---- */

/* The next line, without its end; false: none is left. */
static bool next_line(struct slice *text, struct slice *line)
{
    const char *lf;

    if (text->n == 0)
        return false;
    lf = memchr(text->p, '\n', text->n);
    *line = (struct slice){text->p, lf ? (size_t)(lf - text->p) : text->n};
    text->p += line->n + (lf != NULL);
    text->n -= line->n + (lf != NULL);
    *line = trim(*line);
    return true;
}

static bool is_plain(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!isgraph((unsigned char)s.p[i]))
            return false;
    return true;
}

bool dahua_serial_read(struct slice text, char out[LOG_DEVICE_BYTES])
{
    struct slice line;

    while (next_line(&text, &line)) {
        size_t lead = begins(line, "sn=") ? 3 : begins(line, "serialNumber=") ? 13 : 0;

        if (lead == 0 || line.n == lead || line.n - lead >= LOG_DEVICE_BYTES || !is_plain(line))
            continue;
        snprintf(out, LOG_DEVICE_BYTES, "%.*s", (int)(line.n - lead), line.p + lead);
        return true;
    }
    return false;
}

/* "records[12]." : how long it is; 0: another line. */
static size_t index_bytes(struct slice line)
{
    size_t n = strlen("records[");

    if (!begins(line, "records["))
        return 0;
    while (n < line.n && line.p[n] >= '0' && line.p[n] <= '9')
        n++;
    return n + 1 < line.n && line.p[n] == ']' && line.p[n + 1] == '.' ? n + 2 : 0;
}

/* A record between two others: its lines, and what they say of its place. */
struct record {
    struct slice lines, prefix, time;
    int64_t serial;
    uint64_t mark;
};

/* FNV-1a, with a line end behind each field. */
#define MARK_BASIS 14695981039346656037u
#define MARK_PRIME 1099511628211u
static uint64_t mark_more(uint64_t mark, struct slice field)
{
    for (size_t i = 0; i < field.n; i++)
        mark = (mark ^ (unsigned char)field.p[i]) * MARK_PRIME;
    return (mark ^ '\n') * MARK_PRIME;
}

static void take_field(struct record *r, struct slice line)
{
    struct slice field = {line.p + r->prefix.n, line.n - r->prefix.n};

    r->mark = mark_more(r->mark, field);

    if (begins(field, "RecNo="))
        r->serial = number((struct slice){field.p + 6, field.n - 6});
    else if (begins(field, "CreateTime="))
        r->time = (struct slice){field.p + 11, field.n - 11};
}

static void take_record(
    struct dahua_page *page, const struct record *r, dahua_want *want, void *arg)
{
    struct log_place place;

    if (!r->lines.p)
        return;
    if (number(r->time) > 0)
        set_epoch(&place, r->serial, number(r->time));
    else
        log_place_set(&place, r->serial, r->time); /* a wall clock, on some firmware */
    if (page->count++ == 0)
        page->first_s = place.time_s;
    page->last_s = place.time_s;
    if (!want(arg, &place, r->mark))
        return;
    buf_slice(&page->kept, r->lines);
    buf_char(&page->kept, '\n');
}

void dahua_page_read(struct slice text, struct dahua_page *page, dahua_want *want, void *arg)
{
    struct record r = {.serial = -1};
    struct slice line;

    page->kept.len = 0;
    page->count = 0;
    page->first_s = page->last_s = 0;
    page->good = false;
    while (next_line(&text, &line)) {
        size_t n = index_bytes(line);

        page->good = page->good || n > 0 || begins(line, "found=") || begins(line, "totalCount=");
        if (n == 0)
            continue;
        if (!slice_eq((struct slice){line.p, n}, r.prefix)) {
            take_record(page, &r, want, arg);
            r = (struct record){
                .lines = line, .prefix = {line.p, n}, .serial = -1, .mark = MARK_BASIS};
        }
        r.lines.n = (size_t)(line.p + line.n - r.lines.p);
        take_field(&r, line);
    }
    take_record(page, &r, want, arg);
}

/* Where the record ends that begins the text; whether it has the number. */
static size_t record_bytes(struct slice text, int64_t serial, bool *same)
{
    struct record r = {.serial = -1};
    struct slice rest = text, line;
    const char *at = text.p;

    while (next_line(&rest, &line)) {
        size_t n = index_bytes(line);

        if (n > 0 && r.prefix.p && !slice_eq((struct slice){line.p, n}, r.prefix))
            break;
        if (n > 0) {
            r.prefix = (struct slice){line.p, n};
            take_field(&r, line);
        }
        at = rest.p;
    }
    *same = serial >= 0 && r.serial == serial;
    return (size_t)(at - text.p);
}

struct slice dahua_record_cut(
    struct slice kept, int64_t serial, struct slice *before, struct slice *behind)
{
    struct slice rest = kept, found = {kept.p, 0};
    bool same = false;

    while (rest.n > 0 && !same) {
        size_t n = record_bytes(rest, serial, &same);

        if (same || found.n == 0)
            found = (struct slice){rest.p, n};
        rest = (struct slice){rest.p + n, rest.n - n};
    }
    *before = (struct slice){kept.p, (size_t)(found.p - kept.p)};
    *behind = (struct slice){found.p + found.n, kept.n - before->n - found.n};
    return found;
}

void dahua_record_live(struct slice record, struct buf *out)
{
    struct slice line;

    while (next_line(&record, &line)) {
        size_t n = index_bytes(line);

        if (n == 0)
            continue;
        buf_lit(out, "Events[0].");
        buf_slice(out, (struct slice){line.p + n, line.n - n});
        buf_lit(out, "\r\n");
    }
}

/* ---- what a terminal says of itself ---- */

/* A member of a JSON object, when all its bytes are fine; false: not so. */
static bool read_member(
    struct slice text, const char *key, bool (*fine)(char c), char *out, size_t room)
{
    char error_room[FIELDS_ERROR_BYTES];
    const char *error;
    yyjson_doc *doc = fields_read(text, error_room, &error);
    struct slice value = field_text(yyjson_doc_get_root(doc), key);
    bool good = value.p && value.n < room;

    for (size_t i = 0; i < value.n && good; i++)
        good = fine(value.p[i]);
    if (good)
        snprintf(out, room, "%.*s", (int)value.n, value.p);
    yyjson_doc_free(doc);
    return good;
}

static bool in_name(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("-_.", c));
}

bool dahua_name_read(struct slice text, char out[DAHUA_NAME_BYTES])
{
    return read_member(text, "DeviceID", in_name, out, DAHUA_NAME_BYTES);
}

static bool in_token(char c)
{
    return isgraph((unsigned char)c);
}

bool dahua_token_read(struct slice text, char out[DAHUA_TOKEN_BYTES])
{
    return read_member(text, "Token", in_token, out, DAHUA_TOKEN_BYTES);
}

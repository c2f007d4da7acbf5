/* SPDX-License-Identifier: MIT */
/*
 * A part is looked at from its boundary line on until its body's end is known, and taken as one; so
 * every place between two calls is one where reading can begin anew: before the line end of a
 * boundary, or within junk that is skipped up to one.
 */
#include "multipart.h"

#include <strings.h>

#define HEADER_BYTES 8192u /* of a part */
#define FIELD_NAME_BYTES 64u
#define LINE_TAIL 8u /* white space behind a boundary */

bool multipart_begin(struct multipart *m, struct slice boundary, size_t limit)
{
    static const char marks[] = "'()+_,-./:=? ";

    *m = (struct multipart){.limit = limit, .begin = true};
    if (boundary.n == 0 || boundary.n > MULTIPART_BOUNDARY_BYTES)
        return false;
    for (size_t i = 0; i < boundary.n; i++) {
        char c = boundary.p[i], lower = (char)(c | 0x20);

        if ((c < '0' || c > '9') && (lower < 'a' || lower > 'z') &&
            (c == '\0' || !strchr(marks, c)))
            return false;
    }
    memcpy(m->mark, "--", 2);
    memcpy(m->mark + 2, boundary.p, boundary.n);
    m->mark_bytes = boundary.n + 2;
    return true;
}

/* ---- header fields ---- */

static bool begins(struct slice s, const char *word)
{
    size_t n = strlen(word);

    return s.n >= n && strncasecmp(s.p, word, n) == 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct slice blank_off(struct slice s)
{
    while (s.n > 0 && is_blank(s.p[0]))
        s.p++, s.n--;
    while (s.n > 0 && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

struct slice multipart_boundary(struct slice type)
{
    struct slice value;
    const char *close;

    type = blank_off(type);
    if (!begins(type, "multipart/"))
        return SLICE_NONE;
    while (type.n > 0 && !begins(type, "boundary="))
        type.p++, type.n--;
    if (type.n == 0)
        return SLICE_NONE;
    value = (struct slice){type.p + 9, type.n - 9};
    if (value.n > 0 && *value.p == '"') {
        value.p++, value.n--;
        close = memchr(value.p, '"', value.n);
    } else {
        close = memchr(value.p, ';', value.n);
    }
    if (close)
        value.n = (size_t)(close - value.p);
    return blank_off(value);
}

/* How many letters, digits and dashes a line begins with. */
static size_t word_bytes(struct slice line)
{
    size_t n = 0;

    while (n < line.n && (line.p[n] == '-' || (line.p[n] >= '0' && line.p[n] <= '9') ||
                             ((line.p[n] | 0x20) >= 'a' && (line.p[n] | 0x20) <= 'z')))
        n++;
    return n;
}

enum line_kind { LINE_BLANK, LINE_FIELD, LINE_BODY, LINE_UNTOLD };

/* JSON, XML and "Code=..." are no fields.  whole: the line's end is here.  again: a block of fields
   has ended before, and only a second one can go on. */
static enum line_kind look_at_line(struct slice line, bool whole, bool again)
{
    static const char content[] = "content-";
    size_t n;

    line = blank_off(line);
    if (line.n == 0)
        return whole ? LINE_BLANK : LINE_UNTOLD;
    n = line.n < sizeof content - 1 ? line.n : sizeof content - 1;
    if (again && strncasecmp(line.p, content, n) != 0)
        return LINE_BODY;
    n = word_bytes(line);
    if (n == line.n && n < FIELD_NAME_BYTES)
        return whole ? LINE_BODY : LINE_UNTOLD;
    if (n == 0 || n >= FIELD_NAME_BYTES || line.p[n] != ':')
        return LINE_BODY;
    return whole ? LINE_FIELD : LINE_UNTOLD;
}

static uint64_t read_length(struct slice s, bool *good)
{
    uint64_t v = 0;

    *good = s.n > 0 && s.n < 16;
    for (size_t i = 0; i < s.n && *good; i++) {
        *good = s.p[i] >= '0' && s.p[i] <= '9';
        v = v * 10 + (uint64_t)(s.p[i] - '0');
    }
    return v;
}

static void read_field(struct multipart *m, struct slice line)
{
    size_t name = word_bytes(line);
    struct slice value = blank_off((struct slice){line.p + name + 1, line.n - name - 1});

    if (begins(line, "content-type:"))
        m->kind = begins(value, "image/") ? PART_PICTURE
                  : begins(value, "audio/") || begins(value, "video/") ||
                          begins(value, "application/octet-stream")
                      ? PART_OTHER
                      : PART_TEXT;
    else if (begins(line, "content-length:"))
        m->length = read_length(value, &m->has_length);
}

/* ---- boundaries ---- */

/* Whether a boundary line begins at `at`: 1, 0, or -1: cannot be told yet.  *line: its length up to
   its line end; *last: it is the closing one. */
static int is_boundary(
    const struct multipart *m, struct slice in, size_t at, bool end, size_t *line, bool *last)
{
    size_t left = in.n - at, n = m->mark_bytes, most;
    const char *p = in.p + at;

    if (memcmp(p, m->mark, left < n ? left : n) != 0)
        return 0;
    if (left < n)
        return end ? 0 : -1;
    *last = left >= n + 2 && p[n] == '-' && p[n + 1] == '-';
    if (left == n + 1 && p[n] == '-')
        return end ? 0 : -1;
    n += *last ? 2 : 0;
    for (most = n + LINE_TAIL; n < left && n < most && is_blank(p[n]); n++)
        ;
    *line = n;
    if (n == left)
        return end ? 1 : -1;
    return p[n] == '\n';
}

/* Where the next boundary line begins at or after `from`: the place of the LF before it.  1, 0 with
   the place from where to look next time, or -1: it may be the one at *at. */
static int find_boundary(
    const struct multipart *m, struct slice in, size_t from, bool end, size_t *at)
{
    bool last;
    size_t line;

    while (from < in.n) {
        const char *lf = memchr(in.p + from, '\n', in.n - from);
        int is;

        if (!lf)
            break;
        from = (size_t)(lf - in.p);
        is = is_boundary(m, in, from + 1, end, &line, &last);
        if (is != 0) {
            *at = from;
            return is;
        }
        from++;
    }
    *at = in.n;
    return 0;
}

/* ---- between two parts ---- */

/* The header block of the part that begins at `at`: where its body begins, in *body.  1; 0: more is
   needed; -1: it is no part. */
static int read_headers(struct multipart *m, struct slice in, size_t at, bool end, size_t *body)
{
    size_t last = at + HEADER_BYTES, boundary;
    bool again = false, closing;

    m->kind = PART_TEXT;
    m->has_length = false;
    while (at < in.n && at <= last) {
        struct slice line = {in.p + at, in.n - at};
        const char *lf = memchr(line.p, '\n', line.n);
        int is = is_boundary(m, in, at, end, &boundary, &closing);

        if (is != 0)
            return is > 0 ? -1 : 0; /* the line came twice */
        if (lf)
            line.n = (size_t)(lf - line.p);
        switch (look_at_line(line, lf || end, again)) {
        case LINE_UNTOLD:
            return line.n > HEADER_BYTES ? -1 : 0;
        case LINE_BODY:
            *body = at;
            return 1;
        case LINE_FIELD:
            read_field(m, blank_off(line));
            break;
        case LINE_BLANK:
            again = true;
            break;
        }
        at += line.n + (lf != NULL);
    }
    return at > last || end ? -1 : 0;
}

/* Takes bytes away that belong to no part. */
static enum multipart_got skip(struct multipart *m, size_t n, size_t *used)
{
    if (n == 0)
        return MULTIPART_MORE;
    m->begin = false;
    *used = n;
    return MULTIPART_SKIP;
}

static enum multipart_got between(
    struct multipart *m, struct slice in, bool end, size_t *used, size_t *body)
{
    size_t at = 0, line = 0, start;
    bool last = false;
    int is = m->begin ? is_boundary(m, in, 0, end, &line, &last) : 0;

    if (is < 0)
        return MULTIPART_MORE;
    start = 0;
    if (is == 0) {
        is = find_boundary(m, in, 0, end, &at);
        if (is <= 0 || at > 0)
            return skip(m, at, used);
        start = 1;
        is_boundary(m, in, start, end, &line, &last);
    }
    at = start + line;
    if (at == in.n || last) /* closing, or the very end: before its line end a new one may begin */
        return skip(m, at, used);
    is = read_headers(m, in, at + 1, end, body);
    if (is < 0)
        return skip(m, at, used);
    return is == 0 ? MULTIPART_MORE : MULTIPART_PART;
}

/* ---- parts ---- */

static size_t before_line_end(struct slice body, size_t lf)
{
    return lf > 0 && body.p[lf - 1] == '\r' ? lf - 1 : lf;
}

/* Whether the length leads to a boundary: 1, 0, or -1: not all of it is here. */
static int believe_length(const struct multipart *m, struct slice body, bool end)
{
    size_t at = (size_t)m->length, line;
    bool last;

    if (m->length > m->limit)
        return 0;
    if (at > body.n)
        return end ? 0 : -1;
    if (at < body.n && body.p[at] == '\r')
        at++;
    if (at >= body.n)
        return end ? (size_t)m->length == body.n : -1;
    if (body.p[at] != '\n')
        return 0;
    if (at + 1 == body.n)
        return end ? 1 : -1;
    return is_boundary(m, body, at + 1, end, &line, &last);
}

static enum multipart_got end_of_part(struct multipart *m, bool end, struct part *part)
{
    struct slice body = part->body;
    size_t at;
    int is;

    if (m->has_length && m->kind != PART_TEXT) {
        is = believe_length(m, body, end);
        if (is < 0)
            return MULTIPART_OPEN;
        m->has_length = is > 0;
        if (is > 0) {
            part->body.n = (size_t)m->length;
            return MULTIPART_PART;
        }
    }
    is = find_boundary(m, body, m->scanned < body.n ? m->scanned : 0, end, &at);
    m->scanned = at;
    if (is != 0) {
        part->body.n = before_line_end(body, at); /* what may be one is none of it either */
        return is > 0 ? MULTIPART_PART : MULTIPART_OPEN;
    }
    part->cut = end;
    return end ? MULTIPART_PART : MULTIPART_OPEN;
}

/* What is called a text, or nothing, may be a picture all the same; and the other way round. */
static void look_at_kind(struct multipart *m, struct slice body)
{
    if (body.n >= 2 && m->kind == PART_TEXT && memcmp(body.p, "\xff\xd8", 2) == 0)
        m->kind = PART_PICTURE;
    else if (body.n > 0 && m->kind == PART_OTHER && strchr("{<[", *body.p) && *body.p)
        m->kind = PART_TEXT;
}

enum multipart_got multipart_next(
    struct multipart *m, struct slice in, bool end, size_t *used, struct part *part)
{
    enum multipart_got got;
    size_t body = 0;

    if (!m->in_part) {
        got = between(m, in, end, used, &body);
        if (got != MULTIPART_PART)
            return got;
        if (in.n - body < 2 && !end)
            return MULTIPART_MORE;
        look_at_kind(m, (struct slice){in.p + body, in.n - body});
    }
    *part = (struct part){.kind = m->kind, .body = {in.p + body, in.n - body}};
    return end_of_part(m, end, part);
}

void multipart_took(struct multipart *m, struct slice in, const struct part *part, size_t to,
    bool all, size_t *used)
{
    *used = (size_t)(part->body.p - in.p) + to;
    m->begin = false;
    m->in_part = !all;
    m->scanned = 0;
    if (m->has_length)
        m->length = m->length > to ? m->length - to : 0;
}

size_t multipart_drop(struct multipart *m, struct slice in, const struct part *part)
{
    size_t used, keep = m->mark_bytes + LINE_TAIL + 4;

    if (m->has_length && m->kind != PART_TEXT)
        return 0; /* whether it is right shows at its end */
    if (part->body.n <= keep)
        return 0;
    multipart_took(m, in, part, part->body.n - keep, false, &used);
    return used;
}

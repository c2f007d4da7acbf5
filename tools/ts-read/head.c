/* SPDX-License-Identifier: MIT */
/*
 *     POST /events HTTP/1.1 CRLF
 *     Host: gate CRLF
 *     Content-Length: 65 CRLF
 *     CRLF
 *
 * One space between the parts of the first line, no space before a colon, CR LF and nothing else at
 * the end of a line, no folded lines; Content-Length once and in digits, or Transfer-Encoding once
 * and exactly "chunked", never both.
 */
#include "head.h"

#include <strings.h>

enum field {
    FIELD_HOST,
    FIELD_LENGTH,
    FIELD_CODING,
    FIELD_TYPE,
    FIELD_AUTHORIZATION,
    FIELD_EXPECT,
    FIELD_CONTENT_CODING,
    FIELDS_ONCE
};

/* Fields that say something once or not at all. */
static const char *const once[FIELDS_ONCE] = {
    [FIELD_HOST] = "host",
    [FIELD_LENGTH] = "content-length",
    [FIELD_CODING] = "transfer-encoding",
    [FIELD_TYPE] = "content-type",
    [FIELD_AUTHORIZATION] = "authorization",
    [FIELD_EXPECT] = "expect",
    [FIELD_CONTENT_CODING] = "content-encoding",
};

struct parse {
    struct slice value[FIELDS_ONCE];
    unsigned fields;
};

static bool is_token(struct slice s)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) &&
            !(c != '\0' && strchr(marks, c)))
            return false;
    }
    return s.n > 0;
}

bool head_word(struct slice s, const char *word)
{
    return s.n == strlen(word) && strncasecmp(s.p, word, s.n) == 0;
}

static struct slice trim_blanks(struct slice s)
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
        s.p++, s.n--;
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

/* Takes what stands before the next space; false when there is none. */
static bool take_word(struct slice *line, struct slice *word)
{
    const char *space = memchr(line->p, ' ', line->n);

    if (!space)
        return false;
    *word = (struct slice){line->p, (size_t)(space - line->p)};
    line->n -= word->n + 1;
    line->p = space + 1;
    return true;
}

/* Devices that push to /iclock/ write spaces into their queries as they are: there, and only
   there, the target ends at the last space of the line. */
static bool take_target(struct slice *line, struct slice *target)
{
    const char *space = line->n > 0 ? memrchr(line->p, ' ', line->n) : NULL;
    const char *mark = space ? memchr(line->p, '?', (size_t)(space - line->p)) : NULL;
    const char *first = memchr(line->p, ' ', line->n);
    bool spaced = line->n > 8 && memcmp(line->p, "/iclock/", 8) == 0 && mark && first > mark;

    if (!space || (first != space && !spaced))
        return false;
    *target = (struct slice){line->p, (size_t)(space - line->p)};
    line->n -= target->n + 1;
    line->p = space + 1;
    return true;
}

static int check_request_line(struct slice line, struct head *head)
{
    static const char *const methods[METHODS] = {"GET", "HEAD", "POST", "PUT"};
    struct slice method;

    if (!take_word(&line, &method) || !take_target(&line, &head->target) || !is_token(method) ||
        head->target.n == 0 || head->target.p[0] != '/')
        return 400;
    for (size_t i = 0; i < head->target.n; i++)
        if (head->target.p[i] < 0x20 || head->target.p[i] > 0x7e)
            return 400;
    if (line.n != 8 || memcmp(line.p, "HTTP/", 5) != 0)
        return 400;
    head->old = slice_is(line, "HTTP/1.0");
    if (!head->old && !slice_is(line, "HTTP/1.1"))
        return 505;
    while (head->method < METHODS && !slice_is(method, methods[head->method]))
        head->method++;
    return head->method < METHODS ? 0 : 405;
}

/* Connection is a list, and may stand there more than once. */
static bool has_close(struct slice list)
{
    while (list.n > 0) {
        const char *comma = memchr(list.p, ',', list.n);
        struct slice word = {list.p, comma ? (size_t)(comma - list.p) : list.n};

        if (head_word(trim_blanks(word), "close"))
            return true;
        list.n -= word.n + (comma != NULL);
        list.p += word.n + (comma != NULL);
    }
    return false;
}

static int check_field(struct slice line, struct parse *p, struct head *head)
{
    const char *colon = memchr(line.p, ':', line.n);
    struct slice name, value;
    const char *limit;

    if (!colon)
        return 400;
    name = (struct slice){line.p, (size_t)(colon - line.p)};
    value = (struct slice){colon + 1, line.n - name.n - 1};
    if (!is_token(name))
        return 400;
    if (++p->fields > HEAD_FIELDS)
        return 431;
    limit = value.p + value.n;
    value = trim_blanks(value);
    if (head_word(name, "connection") && has_close(value))
        head->close = true;
    for (size_t i = 0; i < FIELDS_ONCE; i++) {
        if (!head_word(name, once[i]))
            continue;
        if (p->value[i].p ||
            (value.p + value.n < limit && (i == FIELD_LENGTH || i == FIELD_CODING)))
            return 400;
        p->value[i] = value;
    }
    return 0;
}

static bool take_length(struct slice text, uint64_t *n)
{
    *n = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        *n = *n * 10 + (uint64_t)(text.p[i] - '0');
    }
    return text.n > 0 && text.n <= 15;
}

/* How long the body is: one way to say it, or none.  Blanks behind it are no part of it for some
   readers and a different word for others, so they are not taken. */
static int check_framing(const struct parse *p, struct head *head)
{
    struct slice length = p->value[FIELD_LENGTH], coding = p->value[FIELD_CODING];

    if (!head->old && p->value[FIELD_HOST].n == 0)
        return 400;
    if (coding.p && (length.p || head->old || !head_word(coding, "chunked")))
        return 400;
    if (length.p && !take_length(length, &head->body_bytes))
        return 400;
    if (p->value[FIELD_EXPECT].p && !head_word(p->value[FIELD_EXPECT], "100-continue"))
        return 417;
    head->expects = p->value[FIELD_EXPECT].p != NULL && !head->old;
    head->chunked = coding.p != NULL;
    head->close = head->close || head->old;
    head->type = p->value[FIELD_TYPE];
    head->coding = p->value[FIELD_CONTENT_CODING];
    head->authorization = p->value[FIELD_AUTHORIZATION];
    return 0;
}

/* The end of the line that starts at p, in *end; false: a byte that must not be there.  *end is
 * NULL when it is not here yet. */
static bool find_end(const char *p, const char *limit, const char **end)
{
    *end = NULL;
    for (; p < limit; p++) {
        unsigned char c = (unsigned char)*p;

        if (c == '\r') {
            *end = p + 1 < limit ? p : NULL;
            return p + 1 == limit || p[1] == '\n';
        }
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

int head_check(struct slice in, struct head *head)
{
    const char *p = in.p, *limit = in.p + in.n, *end, *fields = p;
    struct parse parse = {0};
    int status;

    *head = (struct head){0};
    for (unsigned line = 0;; line++) {
        if (!find_end(p, limit, &end))
            return 400;
        if (line == 0 && (end ? end : limit) - p > (ptrdiff_t)HEAD_LINE_BYTES)
            return 414;
        if ((size_t)((end ? end : limit) - in.p) + 2 > HEAD_BYTES)
            return 431;
        if (!end)
            return HEAD_MORE;
        if (end == p && line > 0)
            break;
        status = line == 0 ? check_request_line((struct slice){p, (size_t)(end - p)}, head)
                           : check_field((struct slice){p, (size_t)(end - p)}, &parse, head);
        if (status != 0)
            return status;
        p = end + 2;
        fields = line == 0 ? p : fields;
    }
    head->fields = (struct slice){fields, (size_t)(p - fields)};
    head->bytes = (size_t)(end - in.p) + 2;
    return check_framing(&parse, head);
}

bool head_field(struct slice *fields, struct slice *name, struct slice *value)
{
    const char *end = fields->n > 0 ? memchr(fields->p, '\r', fields->n) : NULL;
    const char *colon = end ? memchr(fields->p, ':', (size_t)(end - fields->p)) : NULL;

    if (!colon)
        return false;
    *name = (struct slice){fields->p, (size_t)(colon - fields->p)};
    *value = trim_blanks((struct slice){colon + 1, (size_t)(end - colon) - 1});
    fields->n -= (size_t)(end - fields->p) + 2;
    fields->p = end + 2;
    return true;
}

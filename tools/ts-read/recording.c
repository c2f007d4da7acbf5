/* SPDX-License-Identifier: MIT */
/*
 * Outside of a multipart stream anything may begin: a document, a boundary line, the head of a
 * message.  Inside of one there are only parts, until the end of the recording.
 */
#include "recording.h"

#include <strings.h>

#define HEAD_BYTES (16u << 10)  /* of a message */
#define HEAD_LINE_BYTES 4096u   /* its first line */
#define SPARE_BYTES (16u << 10) /* for what stands around an item */
#define MARK_SPARE_BYTES 128u   /* for the boundary behind it */

void recording_begin(
    struct recording *r, const struct recording_kind *kind, const struct format_options *options)
{
    size_t longest = options->longest;

    *r = (struct recording){.kind = kind, .with_pictures = options->pictures};
    r->limit = longest > 2 * SPARE_BYTES ? longest - SPARE_BYTES : longest / 2;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || c == '\0';
}

static size_t space_bytes(struct slice s)
{
    size_t n = 0;

    while (n < s.n && is_space(s.p[n]))
        n++;
    return n;
}

static struct slice after(struct slice s, size_t n)
{
    return (struct slice){s.p + n, s.n - n};
}

/* ---- heads of messages ---- */

static bool begins(struct slice s, const char *word)
{
    size_t n = strlen(word);

    return s.n >= n && strncasecmp(s.p, word, n) == 0;
}

static bool is_first_line(struct slice line)
{
    static const char *const words[] = {"HTTP/1.", "content-", "mime-version:"};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (begins(line, words[i]))
            return true;
    return line.n > 9 && memmem(line.p, line.n, " HTTP/1.", 8) != NULL;
}

/* Bytes of the first line with its end.  0: not all of it is here; -1: longer than any of a head.
 */
static int line_bytes(struct slice in, bool end)
{
    const char *lf = memchr(in.p, '\n', in.n < HEAD_LINE_BYTES ? in.n : HEAD_LINE_BYTES);

    return lf ? (int)(lf - in.p) + 1 : in.n >= HEAD_LINE_BYTES ? -1 : end ? (int)in.n : 0;
}

static struct slice line_text(struct slice in, int bytes)
{
    struct slice line = {in.p, (size_t)bytes};

    while (line.n > 0 && is_space(line.p[line.n - 1]))
        line.n--;
    return line;
}

/* The fields of a head, up to the empty line or the end of what there is. */
static enum frame take_head(struct recording *r, struct slice in, bool end, size_t *used)
{
    struct slice boundary = SLICE_NONE;
    size_t at = 0;

    while (at < in.n && at <= HEAD_BYTES) {
        int n = line_bytes(after(in, at), end);
        struct slice line;

        if (n < 0)
            break;
        if (n == 0)
            return FRAME_MORE;
        line = line_text(after(in, at), n);
        at += (size_t)n;
        if (line.n == 0)
            break;
        if (begins(line, "content-type:"))
            boundary = multipart_boundary(after(line, strlen("content-type:")));
        if (at == in.n && !end)
            return FRAME_MORE;
    }
    r->multi = boundary.p && multipart_begin(&r->m, boundary, r->limit);
    r->lost = false;
    *used = at;
    return FRAME_SKIP;
}

/* ---- outside of a multipart stream ---- */

static enum frame hand_out(
    struct recording *r, struct slice text, size_t *used, struct slice *record)
{
    r->late = text.n > r->limit;
    r->lost = r->late;
    if (r->late) {
        text.n = r->limit;
        r->cut = false; /* it would have been too long in any case */
    }
    r->text = *record = text;
    r->pictures = 0;
    r->document = (struct document){0};
    *used = text.n;
    return FRAME_RECORD;
}

static enum frame take_plain(
    struct recording *r, struct slice in, bool end, size_t *used, struct slice *record)
{
    size_t n = in.n;
    enum item got = r->kind->item(&r->document, in, end, true, &n);

    if (got == ITEM_MORE && !end && in.n <= r->limit)
        return FRAME_MORE;
    r->cut = got == ITEM_MORE;
    if (got != ITEM_SKIP)
        return hand_out(r, (struct slice){in.p, r->cut ? in.n : n}, used, record);
    r->lost = false;
    *used = n;
    r->document = (struct document){0};
    return FRAME_SKIP;
}

/* Behind an item that was too long: whether the line may be the first of something. */
static bool may_begin(struct slice in, struct slice line)
{
    return line.n > 0 && (strchr("{[<", *in.p) || begins(line, "--") || is_first_line(line));
}

/* The line tells what begins here: *used stays 0 where it is the boundary of a stream.  Nothing is
   decided before it is certain. */
static enum frame take_line(
    struct recording *r, struct slice in, bool end, size_t *used, struct slice *record)
{
    bool document = strchr("{[<", *in.p) != NULL;
    int n = line_bytes(in, end);
    struct slice line = line_text(in, n > 0 ? n : 0);

    if (document && !r->lost)
        return take_plain(r, in, end, used, record);
    if (n == 0)
        return FRAME_MORE;
    if (r->lost && !may_begin(in, line)) {
        *used = n > 0 ? (size_t)n : HEAD_LINE_BYTES;
        return FRAME_SKIP;
    }
    if (is_first_line(line))
        return take_head(r, in, end, used);
    r->multi = begins(line, "--") && multipart_begin(&r->m, after(line, 2), r->limit);
    if (!r->multi)
        return take_plain(r, in, end, used, record);
    r->lost = false;
    return FRAME_SKIP;
}

static enum frame outside(
    struct recording *r, struct slice in, bool end, size_t *used, struct slice *record)
{
    static const char mark[] = "\xef\xbb\xbf";
    size_t blank = space_bytes(in), n = in.n < 3 ? in.n : 3;

    if (r->document.at > 0)
        return take_plain(r, in, end, used, record);
    if (blank == 0 && memcmp(in.p, mark, n) == 0) {
        if (n < 3 && !end)
            return FRAME_MORE;
        blank = n;
    }
    *used = blank;
    return blank > 0 ? FRAME_SKIP : take_line(r, in, end, used, record);
}

/* ---- parts ---- */

static bool is_blank_text(struct slice s)
{
    return space_bytes(s) == s.n;
}

/* What follows an item, at `at`: true when it is a picture, which was taken; then *at is behind it.
   Else *more says whether that cannot be told yet. */
static bool take_picture(
    struct recording *r, struct multipart *m, struct slice in, bool end, size_t *at, bool *more)
{
    struct part part;
    size_t step;

    for (*more = false; *at < in.n; *at += step) {
        struct slice rest = after(in, *at);
        enum multipart_got got = multipart_next(m, rest, end, &step, &part);
        bool blank = got >= MULTIPART_OPEN && part.kind == PART_TEXT && is_blank_text(part.body);

        if (got == MULTIPART_SKIP)
            continue;
        if (got == MULTIPART_MORE ||
            (got == MULTIPART_OPEN && (blank || part.kind == PART_PICTURE)))
            break;
        if (got == MULTIPART_OPEN || (part.kind != PART_PICTURE && !blank))
            return false;
        multipart_took(m, rest, &part, part.body.n, true, &step);
        if (blank)
            continue;
        *at += step;
        if (*at > r->limit)
            return false;
        r->picture[r->pictures++] = part.body;
        return true;
    }
    *more = !end && in.n <= r->limit + MARK_SPARE_BYTES;
    return false;
}

/* The pictures that belong to the item of which *used bytes were taken; false while they are not
   all here. */
static bool take_pictures(
    struct recording *r, struct slice in, bool end, size_t *used, struct slice *record)
{
    unsigned wanted = r->with_pictures && !r->late ? r->kind->pictures(r->text) : 0;
    struct multipart m = r->m;
    size_t at = *used;
    bool more = false;

    while (r->pictures < wanted && r->pictures < RECORDING_PICTURES &&
           take_picture(r, &m, in, end, &at, &more)) {
        r->m = m;
        *used = at;
        record->n = (size_t)(in.p + at - record->p);
    }
    return r->pictures == wanted || r->pictures == RECORDING_PICTURES || !more;
}

/* A text, whose item is the next record. */
static enum frame take_text(struct recording *r, struct slice in, bool end, enum multipart_got got,
    const struct part *part, bool first, size_t *used, struct slice *record)
{
    size_t blank = space_bytes(part->body), n = 0;
    struct slice text = after(part->body, blank);
    struct multipart before = r->m;
    enum item item;

    if (text.n == 0) {
        multipart_took(&r->m, in, part, part->body.n, got == MULTIPART_PART, used);
        if (got == MULTIPART_OPEN)
            r->m = before; /* its line end may be that of a boundary */
        return got == MULTIPART_OPEN ? FRAME_MORE : FRAME_SKIP;
    }
    item = r->kind->item(&r->document, text, got == MULTIPART_PART, first, &n);
    if (item == ITEM_MORE && got == MULTIPART_OPEN && text.n <= r->limit)
        return FRAME_MORE;
    r->cut = item == ITEM_MORE && part->cut;
    if (item != ITEM_SKIP) {
        hand_out(r, (struct slice){text.p, item == ITEM_MORE ? text.n : n}, used, record);
        n = r->text.n;
    }
    r->document = (struct document){0};
    multipart_took(&r->m, in, part, blank + n, false, used);
    if (item == ITEM_SKIP)
        return FRAME_SKIP;
    if (take_pictures(r, in, end, used, record))
        return FRAME_RECORD;
    r->m = before;
    return FRAME_MORE;
}

static enum frame inside(
    struct recording *r, struct slice in, bool end, size_t *used, struct slice *record)
{
    struct part part;
    bool first = !r->m.in_part;
    enum multipart_got got = multipart_next(&r->m, in, end, used, &part);

    if (got == MULTIPART_MORE)
        return FRAME_MORE;
    if (got == MULTIPART_SKIP)
        return FRAME_SKIP;
    if (part.kind == PART_TEXT && !r->lost)
        return take_text(r, in, end, got, &part, first, used, record);
    if (got == MULTIPART_PART) {
        multipart_took(&r->m, in, &part, part.body.n, true, used);
        r->lost = false;
        return FRAME_SKIP;
    }
    *used = multipart_drop(&r->m, in, &part);
    return *used > 0 ? FRAME_SKIP : FRAME_MORE;
}

enum frame recording_frame(
    struct recording *r, struct slice in, bool end, size_t *used, struct slice *record)
{
    enum frame got = FRAME_SKIP;

    *used = 0;
    while (in.n > 0 && got == FRAME_SKIP && *used == 0)
        got = (r->multi ? inside : outside)(r, in, end, used, record);
    return in.n > 0 ? got : FRAME_MORE;
}

/* ---- heads of inputs ---- */

enum recording_head recording_head(struct slice *head)
{
    struct slice line;

    if (head->n >= 3 && memcmp(head->p, "\xef\xbb\xbf", 3) == 0)
        *head = after(*head, 3);
    *head = after(*head, space_bytes(*head));
    if (head->n == 0)
        return HEAD_OTHER;
    line = line_text(*head, line_bytes(*head, true) > 0 ? line_bytes(*head, true) : 0);
    return strchr("{[", *head->p)                      ? HEAD_JSON
           : *head->p == '<'                           ? HEAD_XML
           : begins(line, "--") || is_first_line(line) ? HEAD_MESSAGE
                                                       : HEAD_OTHER;
}

bool recording_has(struct slice head, const char *word)
{
    return memmem(head.p, head.n, word, strlen(word)) != NULL;
}

/* The end of a string whose quote is at `at`: the place of the closing one, or the end of all. */
static size_t string_end(struct slice s, size_t at)
{
    for (at++; at < s.n && s.p[at] != '"'; at++)
        at += s.p[at] == '\\';
    return at < s.n ? at : s.n;
}

bool recording_key(struct slice head, const char *key, unsigned depth)
{
    size_t n = strlen(key);
    unsigned open = 0;

    for (size_t i = 0; i < head.n; i++) {
        size_t start = i + 1, colon;

        if (strchr("{[", head.p[i]) && head.p[i])
            open++;
        else if (strchr("}]", head.p[i]) && head.p[i])
            open -= open > 0;
        if (head.p[i] != '"')
            continue;
        i = string_end(head, i);
        if (open != depth || i == head.n || i - start != n || memcmp(head.p + start, key, n) != 0)
            continue;
        colon = i + 1 + space_bytes(after(head, i + 1));
        if (colon < head.n && head.p[colon] == ':')
            return true;
    }
    return false;
}

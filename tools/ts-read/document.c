/* SPDX-License-Identifier: MIT */
/* Brackets outside of strings; tags outside of comments, quotes and character data. */
#include "document.h"

static bool json_end(struct document *d, struct slice text, size_t *n)
{
    for (; d->at < text.n; d->at++) {
        char c = text.p[d->at];

        if (d->escape)
            d->escape = false;
        else if (d->string && c == '\\')
            d->escape = true;
        else if (c == '"')
            d->string = !d->string;
        else if (d->string)
            continue;
        else if (c == '{' || c == '[')
            d->depth++;
        else if ((c == '}' || c == ']') && --d->depth == 0) {
            *n = d->at + 1;
            return true;
        }
    }
    return false;
}

/* What begins with `<`: how long it is; 0 while its end is not here.  *step: how it changes the
   depth. */
static size_t tag_bytes(struct slice s, int *step)
{
    static const struct {
        struct slice open, close;
    } others[] = {
        {{"<!--", 4}, {"-->", 3}},
        {{"<![CDATA[", 9}, {"]]>", 3}},
        {{"<?", 2}, {"?>", 2}},
    };
    char quote = '\0';

    *step = 0;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct slice open = others[i].open, close = others[i].close;
        const char *p;

        if (memcmp(s.p, open.p, s.n < open.n ? s.n : open.n) != 0)
            continue;
        p = s.n > open.n ? memmem(s.p + open.n, s.n - open.n, close.p, close.n) : NULL;
        if (s.n <= open.n || memcmp(s.p, open.p, open.n) == 0)
            return p ? (size_t)(p - s.p) + close.n : 0;
    }
    for (size_t i = 1; i < s.n; i++) {
        if (quote)
            quote = s.p[i] == quote ? '\0' : quote;
        else if (s.p[i] == '"' || s.p[i] == '\'')
            quote = s.p[i];
        else if (s.p[i] == '>') {
            *step = s.p[1] == '!' ? 0 : s.p[1] == '/' ? -1 : s.p[i - 1] == '/' ? 0 : 1;
            return i + 1;
        }
    }
    return 0;
}

/* The root may be a single empty tag, which ends what it begins. */
static bool is_root_end(const struct document *d, struct slice tag, int step)
{
    return d->depth == 0 &&
           (step < 0 || (step == 0 && tag.n > 1 && tag.p[1] != '!' && tag.p[1] != '?'));
}

static bool xml_end(struct document *d, struct slice text, size_t *n)
{
    while (d->at < text.n) {
        const char *open = memchr(text.p + d->at, '<', text.n - d->at);
        struct slice tag;
        size_t bytes;
        int step;

        if (!open) {
            d->at = text.n;
            break;
        }
        d->at = (size_t)(open - text.p);
        tag = (struct slice){open, text.n - d->at};
        bytes = tag_bytes(tag, &step);
        if (bytes == 0)
            break;
        d->at += bytes;
        if (step > 0)
            d->depth++;
        else if (step < 0 && d->depth > 0)
            d->depth--;
        if (is_root_end(d, tag, step)) {
            *n = d->at;
            return true;
        }
    }
    return false;
}

bool document_end(struct document *d, struct slice text, size_t *n)
{
    return text.n > 0 && (*text.p == '<' ? xml_end : json_end)(d, text, n);
}

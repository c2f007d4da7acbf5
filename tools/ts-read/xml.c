/* SPDX-License-Identifier: MIT */
/* One pass over the text; the elements that are open stand on a stack. */
#include "xml.h"

#include "fields.h"

#define LEVELS 32

struct element {
    struct slice name;
    yyjson_mut_val *children; /* NULL: none yet */
    size_t text;              /* where its text begins in the buffer */
};

struct xml {
    const char *p, *end;
    yyjson_mut_doc *doc;
    struct element open[LEVELS];
    unsigned depth;
    struct buf text;
    bool root; /* there was one */
    const char *error;
};

static bool fail(struct xml *x, const char *error)
{
    x->error = error;
    return false;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct slice trim(struct slice s)
{
    while (s.n > 0 && is_space(s.p[0]))
        s.p++, s.n--;
    while (s.n > 0 && is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

/* ---- text ---- */

static void add_character(struct buf *out, unsigned long c)
{
    if (c < 0x80) {
        buf_char(out, (char)c);
    } else if (c < 0x800) {
        buf_char(out, (char)(0xc0 | c >> 6));
        buf_char(out, (char)(0x80 | (c & 63)));
    } else {
        if (c >= 0x10000)
            buf_char(out, (char)(0xf0 | c >> 18));
        buf_char(out, (char)(c >= 0x10000 ? 0x80 | (c >> 12 & 63) : 0xe0 | c >> 12));
        buf_char(out, (char)(0x80 | (c >> 6 & 63)));
        buf_char(out, (char)(0x80 | (c & 63)));
    }
}

/* &#233; or &#xe9; between the marks. */
static bool add_numbered(struct buf *out, struct slice s)
{
    bool hex = s.n > 1 && (s.p[1] | 0x20) == 'x';
    unsigned long c = 0;

    for (size_t i = hex ? 2 : 1; i < s.n; i++) {
        char digit = s.p[i];
        int v = digit >= '0' && digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10;

        if (v < 0 || v >= (hex ? 16 : 10) || c > 0x10ffff)
            return false;
        c = c * (hex ? 16 : 10) + (unsigned long)v;
    }
    if (s.n < 2 + (size_t)hex || c == 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return false;
    add_character(out, c);
    return true;
}

static bool add_entity(struct buf *out, struct slice name)
{
    static const struct {
        const char *name;
        char c;
    } known[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};

    if (name.n > 0 && *name.p == '#')
        return add_numbered(out, name);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (slice_is(name, known[i].name)) {
            buf_char(out, known[i].c);
            return true;
        }
    return false;
}

/* A stretch of text, up to the next `<`. */
static bool take_text(struct xml *x)
{
    while (x->p < x->end && *x->p != '<') {
        const char *semicolon;
        size_t left = (size_t)(x->end - x->p);

        if (x->depth == 0 && !is_space(*x->p))
            return fail(x, "not XML: text outside of the element");
        if (*x->p != '&') {
            buf_char(&x->text, *x->p++);
            continue;
        }
        semicolon = memchr(x->p, ';', left < 12 ? left : 12);
        if (!semicolon ||
            !add_entity(&x->text, (struct slice){x->p + 1, (size_t)(semicolon - x->p) - 1}))
            return fail(x, "not XML: an unknown entity");
        x->p = semicolon + 1;
    }
    return true;
}

/* ---- elements ---- */

static yyjson_mut_val *string(struct xml *x, struct slice s)
{
    struct buf clean = {0};
    yyjson_mut_val *v;

    text_clean(&clean, s);
    v = yyjson_mut_strncpy(x->doc, clean.len ? clean.data : "", clean.len);
    buf_free(&clean);
    return v;
}

/* The element has ended: it becomes a member of the one around it, or the root. */
static bool close_element(struct xml *x)
{
    struct element *e = &x->open[--x->depth], *parent = e - 1;
    struct slice text = {x->text.data ? x->text.data + e->text : "", x->text.len - e->text};
    yyjson_mut_val *value = e->children ? e->children : string(x, trim(text)), *object;

    x->text.len = e->text;
    if (x->depth == 0) {
        object = yyjson_mut_obj(x->doc);
        yyjson_mut_doc_set_root(x->doc, object);
        x->root = true;
    } else {
        if (!parent->children)
            parent->children = yyjson_mut_obj(x->doc);
        object = parent->children;
    }
    yyjson_mut_obj_add(object, string(x, e->name), value);
    return true;
}

static struct slice local_name(struct slice name)
{
    const char *colon = memchr(name.p, ':', name.n);

    if (colon) {
        name.n -= (size_t)(colon + 1 - name.p);
        name.p = colon + 1;
    }
    return name;
}

static struct slice take_name(struct xml *x)
{
    struct slice name = {x->p, 0};

    while (x->p < x->end && !is_space(*x->p) && !strchr("/>=<\"'", *x->p) && *x->p)
        x->p++, name.n++;
    return local_name(name);
}

/* Attributes, up to the end of the tag: looked over. */
static bool take_attributes(struct xml *x, bool *empty)
{
    char quote = '\0';

    for (*empty = false; x->p < x->end; x->p++) {
        if (quote) {
            quote = *x->p == quote ? '\0' : quote;
        } else if (*x->p == '"' || *x->p == '\'') {
            quote = *x->p;
        } else if (*x->p == '<') {
            break;
        } else if (*x->p == '>') {
            x->p++;
            return true;
        } else {
            *empty = *x->p == '/';
        }
    }
    return fail(x, "not XML: a tag without an end");
}

static bool open_element(struct xml *x)
{
    struct slice name = take_name(x);
    bool empty;

    if (name.n == 0)
        return fail(x, "not XML: an element without a name");
    if (x->depth == LEVELS)
        return fail(x, "not XML: too many levels");
    if (x->depth == 0 && x->root)
        return fail(x, "not XML: more than one root");
    x->open[x->depth++] = (struct element){.name = name, .text = x->text.len};
    return take_attributes(x, &empty) && (!empty || close_element(x));
}

static bool end_element(struct xml *x)
{
    struct slice name = take_name(x);
    bool empty;

    if (x->depth == 0 || !slice_eq(name, x->open[x->depth - 1].name))
        return fail(x, "not XML: an end without its beginning");
    return take_attributes(x, &empty) && close_element(x);
}

/* Skips to behind `close`; *body: what is before it. */
static bool take_until(struct xml *x, const char *close, struct slice *body)
{
    size_t n = strlen(close);
    const char *p = memmem(x->p, (size_t)(x->end - x->p), close, n);

    if (!p)
        return fail(x, "not XML: ends within a comment");
    *body = (struct slice){x->p, (size_t)(p - x->p)};
    x->p = p + n;
    return true;
}

static bool at(struct xml *x, const char *word)
{
    size_t n = strlen(word);

    if ((size_t)(x->end - x->p) < n || memcmp(x->p, word, n) != 0)
        return false;
    x->p += n;
    return true;
}

static bool take_tag(struct xml *x)
{
    struct slice body;

    if (at(x, "<!--"))
        return take_until(x, "-->", &body);
    if (at(x, "<?"))
        return take_until(x, "?>", &body);
    if (x->depth > 0 && at(x, "<![CDATA[")) {
        if (!take_until(x, "]]>", &body))
            return false;
        buf_slice(&x->text, body);
        return true;
    }
    if (at(x, "<!"))
        return fail(x, "not XML: a document type is not read");
    if (at(x, "</"))
        return end_element(x);
    x->p++;
    return open_element(x);
}

yyjson_doc *xml_read(struct slice text, const yyjson_alc *memory, const char **error)
{
    struct xml x = {.p = text.p, .end = text.p + text.n, .doc = yyjson_mut_doc_new(memory)};
    yyjson_doc *doc = NULL;
    bool good = true;

    while (good && x.p < x.end)
        good = *x.p == '<' ? take_tag(&x) : take_text(&x);
    if (good && (x.depth > 0 || !x.root))
        fail(&x, "not XML: not whole");
    *error = x.error;
    if (!x.error)
        doc = yyjson_mut_doc_imut_copy(x.doc, memory);
    yyjson_mut_doc_free(x.doc);
    buf_free(&x.text);
    return doc;
}

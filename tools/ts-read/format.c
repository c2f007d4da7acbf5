/* SPDX-License-Identifier: MIT */
/* The table of formats, and what every format of lines needs. */
#include "format.h"

extern const struct format format_csv;
extern const struct format format_dahua;
extern const struct format format_hikvision;
extern const struct format format_json;
extern const struct format format_ndjson;
extern const struct format format_zk_attlog;
extern const struct format format_zk_push;
extern const struct format format_zk_records;

/* Sorted by name; a new format adds its line here and above. */
const struct format *const formats[] = {
    &format_csv,
    &format_dahua,
    &format_hikvision,
    &format_json,
    &format_ndjson,
    &format_zk_attlog,
    &format_zk_push,
    &format_zk_records,
    NULL,
};

const struct format *format_find(struct slice name)
{
    for (const struct format *const *f = formats; *f; f++)
        if (slice_is(name, (*f)->name))
            return *f;
    return NULL;
}

const struct format *format_sniff(struct slice head, bool whole)
{
    const struct format *best = NULL;
    int surest = 0;

    for (const struct format *const *f = formats; *f; f++) {
        int sure = (*f)->sniff(head, whole);

        if (sure > surest) {
            surest = sure;
            best = *f;
        }
    }
    return best;
}

bool format_hint(struct slice head, struct buf *out)
{
    for (const struct format *const *f = formats; *f; f++)
        if ((*f)->hint && (*f)->hint(head, out))
            return true;
    return false;
}

enum frame frame_line(void *state, struct slice in, bool end, size_t *used, struct slice *record)
{
    const char *newline = in.n > 0 ? memchr(in.p, '\n', in.n) : NULL;

    (void)state;
    if (!newline && (!end || in.n == 0))
        return FRAME_MORE;
    record->p = in.p;
    record->n = newline ? (size_t)(newline - in.p) : in.n;
    *used = record->n + (newline != NULL);
    if (record->n > 0 && record->p[record->n - 1] == '\r')
        record->n--;
    return record->n > 0 ? FRAME_RECORD : FRAME_SKIP;
}

bool format_head_line(struct slice *head, struct slice *line)
{
    const char *newline;

    if (head->n == 0)
        return false;
    newline = memchr(head->p, '\n', head->n);
    line->p = head->p;
    line->n = newline ? (size_t)(newline - head->p) : head->n;
    head->p += line->n + (newline != NULL);
    head->n -= line->n + (newline != NULL);
    if (line->n > 0 && line->p[line->n - 1] == '\r')
        line->n--;
    return true;
}

struct slice format_option(const struct format_options *options, const char *key)
{
    for (size_t i = options->count; i > 0; i--)
        if (slice_is(options->option[i - 1].key, key))
            return options->option[i - 1].value;
    return SLICE_NONE;
}

static bool is_known(struct slice key, const char *const *known)
{
    for (; *known; known++)
        if (slice_is(key, *known))
            return true;
    return false;
}

int format_options_check(const struct format_options *options, const char *format,
    const char *const *known, struct fault *why)
{
    struct buf names = {0};

    for (size_t i = 0; i < options->count; i++) {
        struct slice key = options->option[i].key;

        if (is_known(key, known))
            continue;
        for (const char *const *k = known; *k; k++)
            buf_printf(&names, "%s%s", k == known ? "" : ", ", *k);
        if (names.len == 0)
            buf_lit(&names, "none");
        fault_set(why, EX_USAGE, "-o %.*s: format %s has no such option; it knows: %.*s",
            (int)key.n, key.p, format, (int)names.len, names.data);
        buf_free(&names);
        return -1;
    }
    return 0;
}

/* SPDX-License-Identifier: MIT */
/* Any bytes as a string: always JSON, and the same text again when they are UTF-8.  yyjson is the
   second opinion on what UTF-8 is. */
#include "json.h"

#include <stdlib.h>
#include <yyjson.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool fine)
{
    if (!fine)
        abort();
}

static void check_string(struct slice s)
{
    struct buf out = {0};
    yyjson_doc *doc;
    yyjson_val *root;

    json_str(&out, s);
    doc = yyjson_read(out.data, out.len, 0);
    root = yyjson_doc_get_root(doc);
    check(doc && yyjson_is_str(root));
    if (utf8_valid(s))
        check(yyjson_get_len(root) == s.n &&
              (s.n == 0 || memcmp(yyjson_get_str(root), s.p, s.n) == 0));
    yyjson_doc_free(doc);
    buf_free(&out);
}

/* The bytes between quotes, where nothing in them is special, are JSON just when they are UTF-8. */
static void check_utf8(struct slice s)
{
    struct buf text = {0};
    yyjson_doc *doc;

    buf_char(&text, '"');
    for (size_t i = 0; i < s.n; i++)
        buf_char(
            &text, (unsigned char)s.p[i] < 0x20 || s.p[i] == '"' || s.p[i] == '\\' ? '.' : s.p[i]);
    buf_char(&text, '"');
    doc = yyjson_read(text.data, text.len, 0);
    check((doc != NULL) == utf8_valid(s));
    yyjson_doc_free(doc);
    buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice s = {(const char *)data, size};
    struct buf out = {0};

    check_string(s);
    check_utf8(s);
    json_base64(&out, s);
    check(out.len == (size + 2) / 3 * 4 + 2);
    buf_free(&out);
    return 0;
}

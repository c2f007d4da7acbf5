/* SPDX-License-Identifier: MIT */
/* Any bytes as XML: an object or a reason, never both; what is read prints as JSON, and the same
   bytes mean the same again. */
#include "xml.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool fine)
{
    if (!fine)
        abort();
}

static char *print(struct slice text)
{
    const char *error = NULL;
    yyjson_doc *doc = xml_read(text, NULL, &error);
    char *json;

    check(!doc == (error != NULL));
    if (!doc)
        return NULL;
    check(yyjson_obj_size(yyjson_doc_get_root(doc)) == 1);
    json = yyjson_write(doc, 0, NULL);
    check(json != NULL);
    yyjson_doc_free(doc);
    return json;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = {(const char *)data, size};
    char *once = print(text), *twice = print(text);

    check(!once == !twice && (!once || strcmp(once, twice) == 0));
    free(once);
    free(twice);
    return 0;
}

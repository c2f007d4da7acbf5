/* SPDX-License-Identifier: MIT */
/*
 * The XML that terminals write, as JSON: an element is a member of its parent's object, by its
 * local name; one without children is a string; attributes are left out.
 *
 *     <a xmlns="…"><b>1</b><b>2</b><c/></a>    {"a":{"b":"1","b":"2","c":""}}
 *
 * Strict, and less than XML: no document type (so no entities but the five and characters by
 * number), no more than 32 levels.  A library would bring what we then had to switch off.
 */
#ifndef TS_XML_H
#define TS_XML_H

#include <yyjson.h>

#include "slice.h"

/* NULL and *error, a plain reason.  To be freed with yyjson_doc_free. */
yyjson_doc *xml_read(struct slice text, const yyjson_alc *memory, const char **error);

#endif

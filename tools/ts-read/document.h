/* SPDX-License-Identifier: MIT */
/*
 * Where a JSON or XML document ends that is followed by something else: by its brackets and its
 * tags, not by a length.  The bytes may come in pieces, and each is looked at once.  Whether the
 * document is right is for its parser to say.
 */
#ifndef TS_DOCUMENT_H
#define TS_DOCUMENT_H

#include "slice.h"

/* Zeroed memory is the beginning. */
struct document {
    size_t at; /* looked at so far */
    size_t depth;
    bool string, escape;
};

/* The text begins with `{`, `[` or `<`: true when all of the document is there, *n bytes of it.
   Else the same text is given again, with more behind it. */
bool document_end(struct document *d, struct slice text, size_t *n);

#endif

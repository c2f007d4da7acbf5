/* SPDX-License-Identifier: MIT */
/* Printing JSON by hand where a document model would cost too much: the one printer of the toolkit.
 */
#ifndef TS_JSON_H
#define TS_JSON_H

#include <stdint.h>

#include "buf.h"

/* A quoted JSON string.  Bytes that are not UTF-8 come out as U+FFFD, so the result is always JSON.
 */
void json_str(struct buf *b, struct slice s);

void json_int(struct buf *b, int64_t n);

/* Standard base64 with padding: quoted; or without quotes, for what is no JSON. */
void json_base64(struct buf *b, struct slice s);
void json_base64_text(struct buf *b, struct slice s);

/* Appends the bytes of standard base64 text; false, with some of them appended, when it is none. */
bool json_base64_bytes(struct buf *b, struct slice text);

/* Whether the bytes are UTF-8 (RFC 3629: no surrogates, nothing overlong). */
bool utf8_valid(struct slice s);

/* Length in bytes of the valid UTF-8 sequence at p (n bytes left), or 0. */
size_t utf8_length(const char *p, size_t n);

#endif

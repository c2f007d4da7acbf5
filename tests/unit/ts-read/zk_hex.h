/* SPDX-License-Identifier: MIT */
/* Bytes from hexadecimal digits; blanks between them do not count. */
#ifndef TS_TEST_ZK_HEX_H
#define TS_TEST_ZK_HEX_H

#include "buf.h"

static inline int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static inline void hex_bytes(struct buf *out, const char *hex)
{
    for (; *hex; hex++)
        if (hex_digit(hex[0]) >= 0 && hex_digit(hex[1]) >= 0) {
            buf_char(out, (char)(hex_digit(hex[0]) << 4 | hex_digit(hex[1])));
            hex++;
        }
}

#endif

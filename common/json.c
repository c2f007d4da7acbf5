/* SPDX-License-Identifier: MIT */
/* JSON strings, numbers and base64.  Plain stretches are found eight bytes at a time. */
#include "json.h"

#include <inttypes.h>

#define ONES 0x0101010101010101ull
#define HIGH 0x8080808080808080ull

/* Not zero when one of the eight bytes is below 0x20, '"', '\\' or 0x80 and above. */
static uint64_t needs_care(uint64_t w)
{
    uint64_t quote = w ^ (ONES * '"'), slash = w ^ (ONES * '\\');

    return ((w - ONES * 0x20) | (quote - ONES) | (slash - ONES) | w) & HIGH;
}

static size_t plain_length(const char *p, size_t n)
{
    size_t i = 0;
    uint64_t w;

    for (; i + 8 <= n; i += 8) {
        memcpy(&w, p + i, 8);
        if (needs_care(w))
            break;
    }
    while (i < n && (unsigned char)p[i] >= 0x20 && (unsigned char)p[i] < 0x80 && p[i] != '"' &&
           p[i] != '\\')
        i++;
    return i;
}

size_t utf8_length(const char *text, size_t n)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t len;

    if (n == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || n < len)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return len;
}

bool utf8_valid(struct slice s)
{
    size_t i = 0, len;
    uint64_t w;

    while (i < s.n) {
        if (i + 8 <= s.n) {
            memcpy(&w, s.p + i, 8);
            if (!(w & HIGH)) {
                i += 8;
                continue;
            }
        }
        len = utf8_length(s.p + i, s.n - i);
        if (len == 0)
            return false;
        i += len;
    }
    return true;
}

/* One character that cannot be copied as it is: returns how many bytes of input it was. */
static size_t escape_one(struct buf *b, const char *p, size_t n)
{
    static const char hex[] = "0123456789abcdef";
    static const char names[0x80] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    unsigned char c = (unsigned char)p[0];
    size_t len;

    if (c >= 0x80) {
        len = utf8_length(p, n);
        if (len > 0)
            buf_add(b, p, len);
        else
            buf_lit(b, "\xef\xbf\xbd");
        return len > 0 ? len : 1;
    }
    buf_char(b, '\\');
    if (c == '"' || c == '\\') {
        buf_char(b, (char)c);
    } else if (names[c]) {
        buf_char(b, names[c]);
    } else {
        buf_lit(b, "u00");
        buf_char(b, hex[c >> 4]);
        buf_char(b, hex[c & 15]);
    }
    return 1;
}

void json_str(struct buf *b, struct slice s)
{
    size_t i = 0, plain;

    buf_room(b, s.n + 2);
    buf_char(b, '"');
    while (i < s.n) {
        plain = plain_length(s.p + i, s.n - i);
        buf_add(b, s.p + i, plain);
        i += plain;
        if (i < s.n)
            i += escape_one(b, s.p + i, s.n - i);
    }
    buf_char(b, '"');
}

void json_int(struct buf *b, int64_t n)
{
    char digits[24], *p = digits + sizeof digits;
    uint64_t u = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;

    do
        *--p = (char)('0' + u % 10);
    while (u /= 10);
    if (n < 0)
        *--p = '-';
    buf_add(b, p, (size_t)(digits + sizeof digits - p));
}

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void json_base64_text(struct buf *b, struct slice s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    char *q = buf_room(b, (s.n + 2) / 3 * 4);

    for (size_t i = 0; i < s.n; i += 3) {
        uint32_t w = (uint32_t)p[i] << 16;

        w |= i + 1 < s.n ? (uint32_t)p[i + 1] << 8 : 0;
        w |= i + 2 < s.n ? (uint32_t)p[i + 2] : 0;
        *q++ = base64_digits[w >> 18];
        *q++ = base64_digits[w >> 12 & 63];
        *q++ = i + 1 < s.n ? base64_digits[w >> 6 & 63] : '=';
        *q++ = i + 2 < s.n ? base64_digits[w & 63] : '=';
    }
    b->len = (size_t)(q - b->data);
}

void json_base64(struct buf *b, struct slice s)
{
    buf_char(b, '"');
    json_base64_text(b, s);
    buf_char(b, '"');
}

bool json_base64_bytes(struct buf *b, struct slice text)
{
    uint32_t w = 0;
    int bits = 0;

    if (text.n % 4 != 0)
        return false;
    for (int i = 0; i < 2 && text.n > 0 && text.p[text.n - 1] == '='; i++)
        text.n--;
    for (size_t i = 0; i < text.n; i++) {
        const char *digit = text.p[i] ? strchr(base64_digits, text.p[i]) : NULL;

        if (!digit)
            return false;
        w = w << 6 | (uint32_t)(digit - base64_digits);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            buf_char(b, (char)(w >> bits & 0xff));
        }
    }
    return true;
}

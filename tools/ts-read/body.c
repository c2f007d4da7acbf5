/* SPDX-License-Identifier: MIT */
/*
 * Chunks (RFC 9112, 7.1):
 *
 *     1a;name=value CRLF  <26 bytes> CRLF  0 CRLF  Trailer: x CRLF  CRLF
 *
 * A size is hexadecimal digits and nothing else; what follows a ";" up to the end of its line, and
 * trailers, are passed over.  Lines end with CR LF.
 */
#include "body.h"

#include <zlib.h>

#define SIZE_DIGITS 16u /* of a chunk, with leading zeros */
#define LINE_BYTES 256u /* longest line of a chunk */
#define TRAILER_BYTES 4096u
#define GZIP_WINDOW (15 + 16) /* zlib: the largest window, in a gzip member */
#define ZLIB_WINDOW 15
#define RAW_WINDOW (-15)
#define PIECE_BYTES 16384u

enum step {
    STEP_PLAIN, /* a body whose length was said */
    STEP_SIZE,
    STEP_EXTENSION,
    STEP_SIZE_END, /* LF behind the size */
    STEP_DATA,
    STEP_DATA_CR,
    STEP_DATA_LF,
    STEP_TRAILER,
    STEP_TRAILER_LF,
    STEP_END_LF, /* of the empty line at the very end */
    STEP_DONE,
};

void body_begin(struct body *b, const struct head *head, size_t longest)
{
    *b = (struct body){.step = head->chunked ? STEP_SIZE : STEP_PLAIN,
        .left = head->chunked ? 0 : head->body_bytes,
        .longest = longest};
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_control(char c)
{
    return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

/* A byte of the line that says how long the next chunk is. */
static int take_size(struct body *b, char c)
{
    int value = digit(c);

    if (++b->line_bytes > LINE_BYTES)
        return 400;
    if (b->step == STEP_EXTENSION) {
        b->step = c == '\r' ? STEP_SIZE_END : STEP_EXTENSION;
        return c != '\r' && is_control(c) ? 400 : BODY_MORE;
    }
    if (value >= 0) {
        if (++b->digits > SIZE_DIGITS)
            return 413;
        b->left = b->left << 4 | (uint64_t)value;
        return BODY_MORE;
    }
    if (b->digits == 0 || (c != ';' && c != '\r'))
        return 400;
    b->step = c == ';' ? STEP_EXTENSION : STEP_SIZE_END;
    return BODY_MORE;
}

static int take_trailer(struct body *b, char c)
{
    if (++b->line_bytes > TRAILER_BYTES)
        return 431;
    if (c != '\r' && is_control(c))
        return 400;
    if (c == '\r')
        b->step = b->begun ? STEP_TRAILER_LF : STEP_END_LF;
    b->begun = c != '\r';
    return BODY_MORE;
}

/* A byte that must be this one, before the next step. */
static int take_mark(struct body *b, char c, char wanted, enum step next)
{
    b->step = (int)next;
    return c == wanted ? BODY_MORE : 400;
}

static int take_byte(struct body *b, char c, size_t have)
{
    switch ((enum step)b->step) {
    case STEP_SIZE:
    case STEP_EXTENSION:
        return take_size(b, c);
    case STEP_SIZE_END:
        b->line_bytes = b->digits = 0;
        if (b->left > b->longest - have)
            return 413;
        return take_mark(b, c, '\n', b->left > 0 ? STEP_DATA : STEP_TRAILER);
    case STEP_DATA_CR:
        return take_mark(b, c, '\r', STEP_DATA_LF);
    case STEP_DATA_LF:
        return take_mark(b, c, '\n', STEP_SIZE);
    case STEP_TRAILER:
        return take_trailer(b, c);
    case STEP_TRAILER_LF:
        return take_mark(b, c, '\n', STEP_TRAILER);
    default:
        return take_mark(b, c, '\n', STEP_DONE);
    }
}

static void take_data(struct body *b, struct slice *in, struct buf *out)
{
    size_t n = in->n < b->left ? in->n : (size_t)b->left;

    buf_add(out, in->p, n);
    in->p += n;
    in->n -= n;
    b->left -= n;
}

int body_take(struct body *b, struct slice *in, struct buf *out)
{
    int rc = BODY_MORE;

    if (b->step == STEP_PLAIN && b->left > b->longest - out->len)
        return 413;
    while (rc == BODY_MORE) {
        if (b->step == STEP_PLAIN || b->step == STEP_DATA) {
            take_data(b, in, out);
            if (b->left > 0)
                return BODY_MORE;
            b->step = b->step == STEP_PLAIN ? STEP_DONE : STEP_DATA_CR;
        }
        if (b->step == STEP_DONE)
            return 0;
        if (in->n == 0)
            return BODY_MORE;
        rc = take_byte(b, *in->p, out->len);
        in->p++;
        in->n--;
    }
    return rc;
}

static int unpack(struct slice packed, int window, size_t longest, struct buf *out)
{
    z_stream z = {.next_in = (unsigned char *)(uintptr_t)packed.p, .avail_in = (uInt)packed.n};
    size_t most = out->len + longest;
    int rc = Z_OK;

    if (packed.n > UINT32_MAX || inflateInit2(&z, window) != Z_OK)
        return 400;
    while (rc == Z_OK && out->len <= most) {
        z.next_out = (unsigned char *)buf_room(out, PIECE_BYTES);
        z.avail_out = PIECE_BYTES;
        rc = inflate(&z, Z_NO_FLUSH);
        out->len += PIECE_BYTES - z.avail_out;
    }
    inflateEnd(&z);
    if (out->len > most)
        return 413;
    return rc == Z_STREAM_END && z.avail_in == 0 ? 0 : 400;
}

int body_unpack(struct slice packed, size_t longest, struct buf *out)
{
    return unpack(packed, GZIP_WINDOW, longest, out);
}

int body_inflate(struct slice packed, size_t longest, struct buf *out)
{
    size_t before = out->len;
    int status = unpack(packed, ZLIB_WINDOW, longest, out);

    if (status != 400)
        return status;
    out->len = before;
    return unpack(packed, RAW_WINDOW, longest, out);
}

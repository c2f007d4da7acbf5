/* SPDX-License-Identifier: MIT */
/*
 * Values on the wire in binary form: numbers big-endian, texts as their bytes.  An array is
 *
 *   dimensions (1) | has NULLs | OID of the elements | length | lower bound (1)
 *
 * and then each element behind its length, -1 for NULL; all 32-bit.
 */
#include "postgresql.h"

static const struct {
    int32_t oid;
    int width;
} types[] = {
    [PG_BOOL] = {16, 1},
    [PG_INT2] = {21, 2},
    [PG_INT4] = {23, 4},
    [PG_INT8] = {20, 8},
    [PG_BYTEA] = {17, 0},
    [PG_UUID] = {2950, 0},
};

static void number(struct buf *b, int64_t value, int width)
{
    for (int shift = width * 8 - 8; shift >= 0; shift -= 8)
        buf_char(b, (char)((uint64_t)value >> shift & 0xff));
}

static void begin(struct pg_params *p)
{
    p->null[p->count] = false;
    p->at[p->count] = p->bytes.len;
    p->lengths[p->count++] = 0;
}

static void end(struct pg_params *p)
{
    int n = p->count - 1;

    p->lengths[n] = (int)(p->bytes.len - p->at[n]);
}

void pg_int8(struct pg_params *p, int64_t value)
{
    begin(p);
    number(&p->bytes, value, 8);
    end(p);
}

void pg_int4(struct pg_params *p, int32_t value)
{
    begin(p);
    number(&p->bytes, value, 4);
    end(p);
}

void pg_bool(struct pg_params *p, bool value)
{
    begin(p);
    buf_char(&p->bytes, (char)value);
    end(p);
}

void pg_null(struct pg_params *p)
{
    begin(p);
    p->null[p->count - 1] = true;
}

void pg_bytes(struct pg_params *p, struct slice bytes)
{
    begin(p);
    p->null[p->count - 1] = !bytes.p;
    buf_slice(&p->bytes, bytes);
    end(p);
}

void pg_array(struct pg_params *p, enum pg_type type, size_t count)
{
    begin(p);
    number(&p->bytes, 1, 4);
    number(&p->bytes, 1, 4);
    number(&p->bytes, types[type].oid, 4);
    number(&p->bytes, (int64_t)count, 4);
    number(&p->bytes, 1, 4);
    end(p);
}

void pg_put_int(struct pg_params *p, enum pg_type type, int64_t value)
{
    number(&p->bytes, types[type].width, 4);
    number(&p->bytes, value, types[type].width);
    end(p);
}

void pg_put_bytes(struct pg_params *p, struct slice bytes)
{
    number(&p->bytes, bytes.p ? (int64_t)bytes.n : -1, 4);
    buf_slice(&p->bytes, bytes);
    end(p);
}

void pg_put_null(struct pg_params *p)
{
    number(&p->bytes, -1, 4);
    end(p);
}

int64_t pg_get(const PGresult *r, int row, int column, int64_t none)
{
    const unsigned char *p = (const unsigned char *)PQgetvalue(r, row, column);
    int width = PQgetlength(r, row, column);
    int64_t value;

    if (PQgetisnull(r, row, column) || width < 1)
        return none;
    value = width == 1 ? p[0] : (signed char)p[0]; /* a boolean is one octet */
    for (int i = 1; i < width; i++)
        value = (int64_t)((uint64_t)value << 8 | p[i]);
    return value;
}

struct slice pg_get_bytes(const PGresult *r, int row, int column)
{
    if (PQgetisnull(r, row, column))
        return SLICE_NONE;
    return (struct slice){PQgetvalue(r, row, column), (size_t)PQgetlength(r, row, column)};
}
